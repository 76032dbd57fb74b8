"""The command line: results on stdout, progress and warnings on stderr, exit codes as documented.

0 fine, 1 a check failed, 2 usage, 3 bad input file, 4 infeasible, 70 internal error.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from socsim.errors import SocsimError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from socsim.session import Run

app = typer.Typer(
    help="What will this workload cost on this SoC, and why?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
platforms_app = typer.Typer(help="Platforms: list, show, check.", no_args_is_help=True, rich_markup_mode=None)
workloads_app = typer.Typer(help="Workloads: list, show.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(platforms_app, name="platforms")
app.add_typer(workloads_app, name="workloads")

Model = Annotated[str, typer.Argument(help="A .tflite, .onnx or ncnn .param file, or a name of the zoo.")]
PlatformName = Annotated[str, typer.Option("--platform", "-p", help="A platform's name or YAML file.")]
Unit = Annotated[str | None, typer.Option(help="Kind (cpu gpu npu dsp sensing_hub) or name of the preferred unit.")]
Runtime = Annotated[str | None, typer.Option(help="Software stack of the preferred unit.")]
Precision = Annotated[str | None, typer.Option(help="Types to cost the network in: int8, fp16, int8x16, …")]
Batch = Annotated[int, typer.Option(help="Inferences that go through each operator together.")]
Shape = Annotated[
    list[str] | None, typer.Option(help="NAME=DIMS of an input that the file leaves open: data=1x3x224x224.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no warnings on stderr.")]


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        from socsim.version import __version__

        _print(f"socsim {__version__}")
        raise typer.Exit


@app.command()
def run(
    model: Model,
    platform: PlatformName,
    runtime: Runtime = None,
    unit: Unit = None,
    cluster: Annotated[str | None, typer.Option(help="CPU cluster: big, little, …")] = None,
    cores: Annotated[int | None, typer.Option(help="Cores of the preferred unit.")] = None,
    precision: Precision = None,
    batch: Batch = 1,
    shape: Shape = None,
    opp: Annotated[list[str] | None, typer.Option(help="DOMAIN=NAME, an operating point of a clock.")] = None,
    detail: Annotated[
        str, typer.Option(help="transaction (events, shared bus) or analytic (closed form).")
    ] = "transaction",
    background: Annotated[
        list[str] | None, typer.Option(help="UNIT=RATE that another unit reads meanwhile: cpu_big=10GB/s.")
    ] = None,
    as_json: AsJson = False,
    trace: Annotated[Path | None, typer.Option(help="Write a Perfetto trace.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write an HTML report.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write the operator table.")] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Print the operator table too.")] = False,
    quiet: Quiet = False,
) -> None:
    """Simulate one inference: latency, energy, and where they go."""
    from socsim import session as ss

    _progress(f"loading {model}", quiet)
    net = ss.load(model, shapes=_shapes(shape))
    soc = ss.platform(platform)
    _progress(f"running {net.name} on {soc.name}", quiet)
    result = ss.run(
        net, soc, runtime=runtime, unit=unit, cluster=cluster, cores=cores, precision=precision, batch=batch,
        opp=_pairs(opp, "--opp"), detail=detail, background=_rates(background),
    )  # fmt: skip
    _write_files(result, trace, report, csv)
    if as_json:
        _print(result.to_json())
    else:
        _print(result.summary())
        if verbose:
            from socsim.report.text import operators_text

            _print("\n" + operators_text(result.record))
    if as_json and not quiet:  # the summary holds them otherwise
        for line in result.record.warnings:
            _note(f"warning: {line}")


def _write_files(result: Run, trace: Path | None, report: Path | None, csv: Path | None) -> None:
    if trace:
        result.save_trace(trace)
    if report:
        result.report(report)
    if csv:
        result.to_csv(csv)


@app.command()
def analyze(
    model: Model,
    platform: PlatformName,
    runtime: Runtime = None,
    unit: Unit = None,
    precision: Precision = None,
    batch: Batch = 1,
    shape: Shape = None,
    as_json: AsJson = False,
    csv: Annotated[Path | None, typer.Option(help="Write the operator table.")] = None,
    roofline: Annotated[Path | None, typer.Option(help="Write the roofline as PNG or SVG.")] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Print the operator table too.")] = False,
) -> None:
    """Count operators, MACs and bytes; show support, memory peaks and rooflines. Times nothing."""
    from socsim import session as ss

    net = ss.load(model, shapes=_shapes(shape))
    result = ss.analyze(net, platform, runtime=runtime, unit=unit, precision=precision, batch=batch)
    if csv:
        result.operators.to_csv(csv)
    if roofline:
        from socsim.report.figures import save_figure

        save_figure(result.plot_roofline(), roofline)
    _print(result.to_json() if as_json else result.summary())
    if verbose and not as_json:
        _print("\n" + str(result.operators))


@app.command()
def ops(platform: PlatformName, as_json: AsJson = False) -> None:
    """List the operators that each unit of a platform has kernels for, with their types."""
    from socsim import session as ss

    table = ss.operators(platform)
    _print(_table_json(table, "socsim.ops/1") if as_json else table.to_text())


@app.command()
def compare(
    a: Annotated[Path, typer.Argument(help="Result of `socsim run --json`.")],
    b: Annotated[Path, typer.Argument(help="Another one.")],
    as_json: AsJson = False,
) -> None:
    """Show what changed from one result to another, and by how much."""
    from socsim.report.documents import load_record
    from socsim.session import Run, compare

    result = compare(Run(load_record(a)), Run(load_record(b)))
    _print(result.to_json() if as_json else str(result))


# --- platforms and workloads --------------------------------------------------------------------------


@platforms_app.command("list")
def platforms_list(as_json: AsJson = False) -> None:
    """List the platforms that ship with socsim."""
    from socsim import session as ss

    rows = [(p.name, p.file.title, ", ".join(p.units)) for p in map(ss.platform, ss.platforms())]
    _rows(["name", "title", "units"], rows, as_json, "socsim.platforms/1")


@platforms_app.command("show")
def platforms_show(name: Annotated[str, typer.Argument()], as_json: AsJson = False) -> None:
    """Show a platform: units, memories, links, clocks."""
    from socsim import session as ss
    from socsim.soc.description import describe, description_json

    soc = ss.platform(name)
    _print(description_json(soc) if as_json else describe(soc))


@platforms_app.command("check")
def platforms_check(
    name: Annotated[str, typer.Argument(help="A platform's name or YAML file.")], as_json: AsJson = False
) -> None:
    """Check a platform file, and list the numbers that have no source."""
    from socsim import session as ss
    from socsim.soc.provenance import provenance

    soc = ss.platform(name)
    rows = provenance(soc)
    assumed = [(r.path, r.value, r.assumed) for r in rows if r.source is None]
    if as_json:
        _rows(
            ["path", "value", "source", "assumed"],
            [(r.path, r.value, r.source, r.assumed) for r in rows],
            True,
            "socsim.provenance/1",
        )
        return
    _print(f"{soc.name}: the file is valid; {len(rows) - len(assumed)} numbers with a source, {len(assumed)} assumed")
    _rows(["assumed", "value", "reason"], assumed, False, "")


@workloads_app.command("list")
def workloads_list(as_json: AsJson = False) -> None:
    """List the networks that ship with socsim."""
    from socsim.workload.zoo import zoo

    _rows(
        ["name", "title", "licence"],
        [(e.name, e.title, e.licence) for e in zoo().values()],
        as_json,
        "socsim.workloads/1",
    )


@workloads_app.command("show")
def workloads_show(model: Model, shape: Shape = None, as_json: AsJson = False) -> None:
    """Show a network: inputs, outputs, operators by type, MACs and parameters."""
    from socsim import session as ss
    from socsim.workload.description import describe, description_json

    net = ss.load(model, shapes=_shapes(shape))
    _print(description_json(net) if as_json else describe(net))


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Check this installation: versions, data, every platform, and one small run."""
    from socsim.doctor import examine

    findings = examine()
    _rows(
        ["check", "result", "detail"],
        [(f.check, "ok" if f.is_ok else "FAILED", f.detail) for f in findings],
        as_json,
        "socsim.doctor/1",
    )
    if not all(f.is_ok for f in findings):
        raise typer.Exit(1)


# --- options and output -------------------------------------------------------------------------------


def _pairs(values: Sequence[str] | None, option: str) -> dict[str, str]:
    pairs = {}
    for text in values or ():
        key, separator, value = text.partition("=")
        if not separator or not key or not value:
            msg = f"{option} {text!r}: write NAME=VALUE"
            raise UsageError(msg)
        pairs[key] = value
    return pairs


def _shapes(values: Sequence[str] | None) -> dict[str, tuple[int, ...]] | None:
    shapes = {}
    for name, text in _pairs(values, "--shape").items():
        dims = text.replace(",", "x").split("x")
        if not all(d.isdigit() for d in dims):
            msg = f"--shape {name}={text}: write dimensions such as 1x3x224x224"
            raise UsageError(msg)
        shapes[name] = tuple(int(d) for d in dims)
    return shapes or None


def _rates(values: Sequence[str] | None) -> Mapping[str, str]:
    return _pairs(values, "--background")


def _rows(columns: list[str], rows: Sequence[Sequence[Any]], as_json: bool, schema: str) -> None:
    from socsim.report.tables import Table

    table = Table("", columns, [tuple(r) for r in rows])
    _print(_table_json(table, schema) if as_json else table.to_text())


def _table_json(table: Any, schema: str) -> str:
    return json.dumps({"schema_version": schema, "rows": list(table)}, indent=1, ensure_ascii=False)


def _print(text: str) -> None:
    sys.stdout.write(text if text.endswith("\n") else text + "\n")


def _note(text: str) -> None:
    sys.stderr.write(f"socsim: {text}\n")


def _progress(text: str, quiet: bool) -> None:
    if not quiet and sys.stderr.isatty():
        _note(text)


def main() -> None:
    """Run the command line, and turn every error into one message and an exit code."""
    try:
        app()
    except SocsimError as error:
        _note(f"error: {error}")
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except KeyboardInterrupt:
        _note("interrupted")
        sys.exit(130)
    except Exception as error:  # the last line of defence: no traceback reaches a user
        _fail(error)


def _fail(error: Exception) -> None:
    from traceback import extract_tb

    from socsim.version import __version__

    frames = extract_tb(error.__traceback__)
    last = frames[-1] if frames else None
    at = f"{Path(last.filename).name}:{last.lineno} in {last.name}" if last else "unknown place"
    _note(f"internal error: {type(error).__name__}: {error} ({at}, socsim {__version__}); please report this line")
    sys.exit(70)


if __name__ == "__main__":
    main()
