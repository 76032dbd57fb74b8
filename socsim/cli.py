"""The command line: results on stdout, progress and warnings on stderr, exit codes as documented.

0 fine, 1 a check failed, 2 usage, 3 bad input file, 4 infeasible, 70 internal error.
"""

from __future__ import annotations

import json
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from socsim.cli_simulate import simulate
from socsim.cli_support import (
    MOST_DIGITS,
    AsJson,
    Model,
    PlatformName,
    Precision,
    Quiet,
    Shape,
    given,
    note,
    pairs_of,
    progress,
    read_files,
    say,
    say_rows,
    shapes_of,
    table_json,
)
from socsim.cli_workloads import workloads_app
from socsim.errors import SocsimError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from socsim.session import Run
    from socsim.soc.provenance import Provenance

app = typer.Typer(
    help="What will this workload cost on this SoC, and why?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
platforms_app = typer.Typer(help="Platforms: list, show, check.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(platforms_app, name="platforms")
app.add_typer(workloads_app, name="workloads")
validate_app = typer.Typer(
    help="Compare with what was recorded elsewhere.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(validate_app, name="validate")
app.command()(simulate)

Unit = Annotated[str | None, typer.Option(help="Kind (cpu gpu npu dsp sensing_hub) or name of the preferred unit.")]
Runtime = Annotated[str | None, typer.Option(help="Software stack of the preferred unit.")]
Cluster = Annotated[str | None, typer.Option(help="CPU cluster: big, little, …")]
Cores = Annotated[int | None, typer.Option(help="Cores of the preferred unit.")]
Opp = Annotated[list[str] | None, typer.Option(help="DOMAIN=NAME, an operating point of a clock.")]
Mode = Annotated[str | None, typer.Option(help="Power mode of the platform, such as 15W.")]
Batch = Annotated[int, typer.Option(help="Inferences that go through each operator together.")]
Profile = Annotated[str | None, typer.Option(help="Numerics profile: tflite (ONNX files: onnx), tflm, ruy, xnnpack, …")]
ProfilePlatform = Annotated[
    str | None, typer.Option("--platform", "-p", help="Platform whose unit's software stack names the profile.")
]
OwnPlatforms = Annotated[
    list[Path] | None, typer.Option(help="YAML file of a platform of your own, or a folder of them; may be repeated.")
]
ModelFolder = Annotated[
    Path | None,
    typer.Option("--models", help="Folder that model files named in a table start from; the table's own if absent."),
]
_AS_TEXT = Path("-")
_NETWORKS = {"tflite", "onnx", "param"}


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        from socsim.version import __version__

        say(f"socsim {__version__}")
        raise typer.Exit


@app.command()
def run(
    model: Model,
    platform: PlatformName,
    runtime: Runtime = None,
    unit: Unit = None,
    cluster: Cluster = None,
    cores: Cores = None,
    precision: Precision = None,
    batch: Batch = 1,
    shape: Shape = None,
    opp: Opp = None,
    mode: Mode = None,
    detail: Annotated[
        str,
        typer.Option(help="transaction (events, shared bus), analytic (closed form), tile or burst (every access)."),
    ] = "transaction",
    background: Annotated[
        list[str] | None, typer.Option(help="UNIT=RATE that another unit reads meanwhile: cpu_big=10GB/s.")
    ] = None,
    sparsity: Annotated[
        str | None,
        typer.Option(help="Zeros among the weights: 2:4, or a share such as 0.6. Absent: as the model has them."),
    ] = None,
    calibration: Annotated[
        str, typer.Option(help="auto (by measurements of the chip, else of its relatives), none, or a FILE.")
    ] = "auto",
    strategy: Annotated[
        str, typer.Option(help="How units are chosen, with options as in delegate:most=2; see `socsim strategies`.")
    ] = "priority",
    objective: Annotated[str | None, typer.Option(help="latency, energy or throughput, as strategies aim at.")] = None,
    deadline: Annotated[str | None, typer.Option(help="Latency that the run must not exceed: 20ms.")] = None,
    pin: Annotated[
        list[str] | None, typer.Option(help="OP=UNIT, an operator's index or name and where it must run; repeatable.")
    ] = None,
    as_json: AsJson = False,
    trace: Annotated[Path | None, typer.Option(help="Write a Perfetto trace.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write an HTML report.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write the operator table.")] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Print the operator table too.")] = False,
    quiet: Quiet = False,
) -> None:
    """Simulate one inference: latency, energy, and where they go."""
    import socsim as ss
    from socsim.report.outputs import check_outputs
    from socsim.report.sinks import write_files

    progress(f"loading {model}", quiet)
    net = ss.load(model, shapes=shapes_of(shape))
    soc = ss.platform(platform)
    check_outputs(given({"--trace": trace, "--report": report, "--csv": csv}), read_files(model, soc))
    progress(f"running {net.name} on {soc.name}", quiet)
    result = ss.run(
        net, soc, runtime=runtime, unit=unit, cluster=cluster, cores=cores, precision=precision, batch=batch,
        opp=pairs_of(opp, "--opp"), mode=mode, detail=detail, background=_rates(background), sparsity=sparsity,
        calibration=calibration, strategy=strategy, objective=objective, deadline=deadline,
        pins=pairs_of(pin, "--pin", last=True),
    )  # fmt: skip
    write_files(_documents(result, trace, report, csv))
    if as_json:
        say(result.to_json())
    else:
        say(result.summary())
        if verbose:
            from socsim.report.text import operators_text

            say("\n" + operators_text(result.record))
    if as_json and not quiet:  # the summary holds them otherwise
        for line in result.record.warnings:
            note(f"warning: {line}")


def _documents(result: Run, trace: Path | None, report: Path | None, csv: Path | None) -> dict[Path, bytes | str]:
    """Return what each file shall hold."""
    documents: dict[Path, bytes | str] = {}
    if trace:
        from socsim.report.trace import trace_bytes

        documents[trace] = trace_bytes(result.record)
    if report:
        from socsim.report.html import report_html

        documents[report] = report_html(result.record)
    if csv:
        documents[csv] = result.to_csv() or ""
    return documents


@app.command()
def analyze(
    model: Model,
    platform: PlatformName,
    runtime: Runtime = None,
    unit: Unit = None,
    cluster: Cluster = None,
    cores: Cores = None,
    precision: Precision = None,
    batch: Batch = 1,
    shape: Shape = None,
    opp: Opp = None,
    mode: Mode = None,
    as_json: AsJson = False,
    csv: Annotated[Path | None, typer.Option(help="Write the operator table.")] = None,
    roofline: Annotated[
        Path | None,
        typer.Option(help="Print the roofline, operator by operator; with a FILE, write it as PNG or SVG instead."),
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Print the operator table too.")] = False,
) -> None:
    """Count operators, MACs and bytes; show support, memory peaks and ceilings. Times nothing but for a roofline."""
    import socsim as ss
    from socsim.report.drawing import figure_bytes, figure_format
    from socsim.report.outputs import check_outputs
    from socsim.report.sinks import write_files

    figure = None if roofline == _AS_TEXT else roofline
    picture = figure_format(figure) if figure else ""
    net, soc = ss.load(model, shapes=shapes_of(shape)), ss.platform(platform)
    check_outputs(given({"--csv": csv, "--roofline": figure}), read_files(model, soc))
    options: dict[str, Any] = {
        "runtime": runtime, "unit": unit, "cluster": cluster, "cores": cores, "precision": precision, "batch": batch,
        "opp": pairs_of(opp, "--opp"), "mode": mode,
    }  # fmt: skip
    result = ss.analyze(net, soc, **options)
    documents: dict[Path, bytes | str] = {csv: result.operators.to_csv() or ""} if csv else {}
    if figure:
        documents[figure] = figure_bytes(result.plot_roofline(), picture)
    write_files(documents)
    timed = ss.run(net, soc, detail="analytic", **options) if roofline == _AS_TEXT else None
    say(result.to_json(timed.record if timed else None) if as_json else result.summary())
    if verbose and not as_json:
        say("\n" + str(result.operators))
    if timed and not as_json:
        say("\n" + result.roofline_text(timed.record))


@app.command()
def execute(
    model: Model,
    inputs: Annotated[Path, typer.Option(help="An .npz with an array for each input, by tensor name or index.")],
    out: Annotated[Path, typer.Option(help="The .npz to write: arrays by output tensor name.")],
    profile: Profile = None,
    platform: ProfilePlatform = None,
    unit: Unit = None,
    runtime: Runtime = None,
    keep_all: Annotated[bool, typer.Option("--keep-all", help="Write every tensor that an operator makes.")] = False,
    threads: Annotated[int, typer.Option(help="Threads that share the work; the results are the same.")] = 1,
    shape: Shape = None,
    quiet: Quiet = False,
) -> None:
    """Execute a network bit for bit under a numerics profile."""
    import socsim as ss
    from socsim.numerics.array_files import npz_bytes, read_npz
    from socsim.report.formats import plural
    from socsim.report.outputs import check_outputs
    from socsim.report.sinks import terminal_text, write_file

    check_outputs({"--out": out}, [*read_files(model), inputs])
    net = ss.load(model, shapes=shapes_of(shape))
    rules = ss.numerics_profile(net, profile, platform=platform, unit=unit, runtime=runtime)
    arrays = read_npz(inputs)
    progress(f"executing {net.name}", quiet)
    made = ss.execute(net, arrays, rules, keep_all=keep_all, threads=threads)
    write_file(out, npz_bytes(made))
    say(terminal_text(f"{out}: {plural(len(made), 'array')} of {net.name} under {rules.name} ({rules.reference})"))


@validate_app.command("numerics")
def validate_numerics(
    model: Model,
    golden: Annotated[Path, typer.Option(help="A recorded .json, or an .npz with in/NAME, out/NAME, tensor/INDEX.")],
    profile: Profile = None,
    platform: ProfilePlatform = None,
    unit: Unit = None,
    runtime: Runtime = None,
    mode: Annotated[list[str] | None, typer.Option(help="Recorded inference to compare; all where absent.")] = None,
    shape: Shape = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Execute a network on recorded inputs, and compare every recorded tensor. Exit 1 where one differs."""
    import socsim as ss

    net = ss.load(model, shapes=shapes_of(shape))
    progress(f"executing {net.name}", quiet)
    result = ss.validate_numerics(
        net, golden, profile, platform=platform, unit=unit, runtime=runtime, modes=mode or None
    )
    say(result.to_json() if as_json else str(result))
    if not result.is_equal:
        raise typer.Exit(1)


@validate_app.command("timing")
def validate_timing(
    measurements: Annotated[Path, typer.Option(help="A CSV table of measurements (docs/accuracy.md has the columns).")],
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave rows with faults out, and say which.")] = False,
    detail: Annotated[str, typer.Option(help="Level of detail of the runs.")] = "transaction",
    processes: Annotated[int, typer.Option(help="How many share the work; the result is the same.")] = 2,
    html: Annotated[Path | None, typer.Option(help="Write a report with figures.")] = None,
    platforms: OwnPlatforms = None,
    models: ModelFolder = None,
    calibration: Annotated[str, typer.Option(help="auto (calibrations that ship) or none.")] = "auto",
    cross_validate: Annotated[
        bool, typer.Option("--cross-validate", help="Also predict each network by fits that never saw it.")
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Predict each row of a table of measurements, and show the errors: row by row, by group, in total."""
    import socsim as ss
    from socsim.report.outputs import check_outputs
    from socsim.report.sinks import write_files

    check_outputs(given({"--html": html}), [measurements])
    progress(f"predicting {measurements}", quiet)
    result = ss.validate(
        measurements, skip_bad=skip_bad, detail=detail, processes=processes, platforms=platforms or (), models=models,
        calibration=calibration, cross_validate=cross_validate,
    )  # fmt: skip
    write_files({html: result.to_html()} if html else {})
    say(result.to_json() if as_json else str(result))
    if not quiet:
        for fault in result.comparison.skipped:
            note(f"left out: {fault}")


@app.command()
def calibrate(
    measurements: Annotated[Path, typer.Option(help="A CSV table of measurements (docs/accuracy.md has the columns).")],
    platform: PlatformName,
    out: Annotated[Path, typer.Option(help="The calibration file to write; beside the platform's own it is found.")],
    unit: Annotated[str | None, typer.Option(help="Unit as the table names it: cpu, gpu, npu, …; absent: all.")] = None,
    runtime: Annotated[str | None, typer.Option(help="Runtime as the table names it; absent: all.")] = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave rows with faults out.")] = False,
    models: ModelFolder = None,
    quiet: Quiet = False,
) -> None:
    """Fit a platform's times to measurements: at most six parameters for each unit and runtime."""
    import socsim as ss
    from socsim.report.outputs import check_outputs

    soc = ss.platform(platform)
    check_outputs({"--out": out}, [measurements, Path(soc.document.where)])
    progress(f"fitting {measurements}", quiet)
    result = ss.calibrate(soc, unit, runtime, measurements=measurements, skip_bad=skip_bad, models=models)
    result.save(out)
    say(str(result))


@app.command()
def measure(
    models: Annotated[list[str], typer.Argument(help=".tflite and .onnx files.")],
    out: Annotated[Path, typer.Option(help="The CSV table to write.")],
    runtime: Annotated[
        str | None,
        typer.Option(help="litert (tflite-xnnpack), tflite-ruy, onnxruntime; several with commas. Absent: by format."),
    ] = None,
    threads: Annotated[str, typer.Option(help="Numbers of threads, with commas: 1,2,4.")] = "1",
    platform: Annotated[
        str | None, typer.Option("--platform", "-p", help="Platform that the rows are of; absent: the machine's name.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Network of the zoo that the one model is.")] = None,
    repeats: Annotated[int, typer.Option(help="Blocks of runs.")] = 5,
    seconds: Annotated[float, typer.Option(help="Least time of a block.")] = 0.4,
    seed: Annotated[int, typer.Option(help="Of the inputs.")] = 0,
    limit: Annotated[float, typer.Option(help="Seconds after which a model is given up.")] = 600.0,
    recorded: Annotated[str | None, typer.Option(help="Date of the figures, YYYY-MM-DD; absent: today.")] = None,
    append: Annotated[bool, typer.Option("--append", help="Keep the rows that the table has.")] = False,
    folder: ModelFolder = None,
    shape: Shape = None,
    quiet: Quiet = False,
) -> None:
    """Run models on this machine, and write what they take as rows for `validate timing`. Exit 1 where one fails."""
    import socsim as ss
    from socsim.measuring.rows import earlier_text
    from socsim.report.outputs import check_outputs

    check_outputs({"--out": out}, map(Path, models))
    if append:
        earlier_text(out)  # a table that cannot be added to is refused before anything is measured
    result = ss.measure(
        models, runtimes=_listed(runtime), threads=_counts(threads), platform=platform, name=name, blocks=repeats,
        seconds=seconds, seed=seed, shapes=shapes_of(shape), folder=folder or out.parent, recorded=recorded,
        limit=limit, tell=lambda text: progress(text, quiet),
    )  # fmt: skip
    if result.rows:
        result.to_csv(out, append=append)
        say(str(result))
    for line in () if quiet else result.warnings:
        note(f"warning: {line}")
    for line in result.faults:
        note(f"error: {line}")
    if result.faults:
        raise typer.Exit(1)


@validate_app.command("energy")
def validate_energy(
    measurements: Annotated[Path, typer.Option(help="A CSV table of measurements (docs/accuracy.md has the columns).")],
    idle_floors: Annotated[
        Path | None, typer.Option(help="CSV of idle boards' power; absent: idle_floors.csv beside the table.")
    ] = None,
    busy_cores: Annotated[
        Path | None, typer.Option(help="CSV of busy cores' power; absent: busy_cores.csv beside the table.")
    ] = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave rows with faults out, and say which.")] = False,
    as_json: AsJson = False,
    save: Annotated[Path | None, typer.Option(help="Write the coefficients that predictions of boards use.")] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Print the errors of each row too.")] = False,
    quiet: Quiet = False,
) -> None:
    """Fit boards' energy and power without each workload in turn, and show how well that one is predicted."""
    import socsim as ss
    from socsim.report.outputs import check_outputs
    from socsim.report.sinks import write_files

    check_outputs(given({"--save": save}), [measurements, *filter(None, (idle_floors, busy_cores))])
    progress(f"predicting {measurements}", quiet)
    result = ss.validate_energy(measurements, idle_floors=idle_floors, busy_cores=busy_cores, skip_bad=skip_bad)
    write_files({save: result.to_yaml()} if save else {})
    say(result.to_json() if as_json else str(result))
    if verbose and not as_json:
        say("\n" + result.row_errors())
    if not quiet:
        for fault in result.comparison.skipped:
            note(f"left out: {fault}")


@app.command()
def ops(platform: PlatformName, as_json: AsJson = False) -> None:
    """List the operators that each unit of a platform has kernels for, with their types."""
    import socsim as ss

    table = ss.operators(platform)
    say(table_json(table, "socsim.ops/1") if as_json else table.to_text())


@app.command()
def strategies(as_json: AsJson = False) -> None:
    """List the ways of choosing units for the operators of a network."""
    import socsim as ss

    table = ss.strategies()
    say(table_json(table, "socsim.strategies/1") if as_json else table.to_text())


@app.command()
def compare(
    results: Annotated[
        list[Path],
        typer.Argument(help="Results of `socsim run --json`: two; or of `socsim simulate --json`: two or more."),
    ],
    as_json: AsJson = False,
) -> None:
    """Show what changed from one result to another, and by how much."""
    from socsim.session import compare_results, stored_result

    result = compare_results([stored_result(path) for path in results])
    say(result.to_json() if as_json else str(result))


# --- platforms and workloads --------------------------------------------------------------------------


@platforms_app.command("list")
def platforms_list(as_json: AsJson = False) -> None:
    """List the platforms that ship with socsim."""
    from socsim.soc.headings import headings

    rows = [(heading.name, heading.title, ", ".join(heading.units)) for heading in headings()]
    say_rows(["name", "title", "units"], rows, as_json, "socsim.platforms/1")


@platforms_app.command("show")
def platforms_show(name: Annotated[str, typer.Argument()], as_json: AsJson = False) -> None:
    """Show a platform: units, memories, links, clocks, peaks as micro-benchmarks measure them, power and area."""
    import socsim as ss
    from socsim.cost.design_point import design_points
    from socsim.cost.peaks import peaks
    from socsim.report.design_point import design_by_type
    from socsim.report.peaks import peaks_by_cores
    from socsim.soc.description import describe, description_json

    soc = ss.platform(name)
    if as_json:
        say(description_json(soc, list(ss.peaks(soc)), list(ss.design_points(soc))))
        return
    say(describe(soc))
    say(peaks_by_cores("", peaks(soc)).to_text())
    say("")
    say(design_by_type("", design_points(soc)).to_text())


@platforms_app.command("check")
def platforms_check(
    name: Annotated[str, typer.Argument(help="A platform's name or YAML file.")], as_json: AsJson = False
) -> None:
    """Check a platform file: numbers without a source (its software's and technology's too), fields nobody reads."""
    import socsim as ss
    from socsim.soc.provenance import provenance
    from socsim.soc.software_provenance import software_provenance
    from socsim.testing.coverage import unread_fields

    soc = ss.platform(name)
    own, software, unread = provenance(soc), software_provenance(soc), unread_fields(soc)
    rows = [*own, *software]
    if as_json:
        document = {
            "schema_version": "socsim.provenance/1",
            "rows": [{"path": r.path, "value": r.value, "source": r.source, "assumed": r.assumed} for r in rows],
            "unread": [{"path": u.path, "reason": u.reason} for u in unread],
        }
        say(json.dumps(document, indent=1, ensure_ascii=False))
        return
    say(
        f"{soc.name}: the file is valid; {_counted(own)}; its runtimes and technology: {_counted(software)}; "
        f"{len(unread)} fields that no model reads"
    )
    say_rows(
        ["assumed", "value", "reason"], [(r.path, r.value, r.assumed) for r in rows if r.source is None], False, ""
    )
    if unread:
        say("")
        say_rows(["read by no model", "reason"], [(u.path, u.reason or "not known") for u in unread], False, "")


def _counted(rows: Sequence[Provenance]) -> str:
    assumed = sum(row.source is None for row in rows)
    return f"{len(rows) - assumed} numbers with a source, {assumed} assumed"


@platforms_app.command("host")
def platforms_host(
    name: Annotated[str | None, typer.Option(help="Name of the platform; absent: the machine's.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write a file instead of printing.")] = None,
    no_measuring: Annotated[
        bool, typer.Option("--no-measuring", help="Take what the system tells; count no clock, move no memory.")
    ] = False,
) -> None:
    """Describe this machine as a platform file: cores, caches, clocks, memory, each with its origin."""
    import socsim as ss
    from socsim.report.outputs import check_outputs
    from socsim.report.sinks import write_files

    check_outputs(given({"--out": out}))
    text = ss.describe_host(name, measured=not no_measuring)
    if out is None:
        say(text)
    write_files({out: text} if out else {})


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Check this installation: versions, data, every platform, and one small run."""
    from socsim.doctor import examine

    findings = examine()
    say_rows(
        ["check", "result", "detail"],
        [(f.check, "ok" if f.is_ok else "FAILED", f.detail) for f in findings],
        as_json,
        "socsim.doctor/1",
    )
    if not all(f.is_ok for f in findings):
        raise typer.Exit(1)


# --- options and output -------------------------------------------------------------------------------


def _listed(text: str | None) -> list[str]:
    return [word.strip() for word in text.split(",")] if text else []


def _counts(text: str) -> list[int]:
    words = _listed(text)
    if not words or not all(word.isascii() and word.isdigit() and len(word) <= MOST_DIGITS for word in words):
        msg = f"--threads {text!r}: write whole numbers with commas, such as 1,2,4"
        raise UsageError(msg)
    return list(map(int, words))


def _rates(values: Sequence[str] | None) -> Mapping[str, str]:
    return pairs_of(values, "--background")


def _with_text_roofline(args: Sequence[str]) -> list[str]:
    """Return arguments in which `--roofline` without a file asks for text: no option of the parser may lack a value."""
    made: list[str] = []
    for text, following in zip(args, [*args[1:], ""], strict=True):
        made.append(text)
        if text == "--roofline" and not _is_figure(following):
            made.append(str(_AS_TEXT))
    return made


def _is_figure(text: str) -> bool:
    """Whether what follows `--roofline` is a file to draw: it has a suffix of letters that no network has."""
    suffix = Path(text).suffix[1:]
    return suffix.isalpha() and suffix.lower() not in _NETWORKS and not text.startswith("-")


def main() -> None:
    """Run the command line, and turn every error into one message and an exit code."""
    from socsim.report.console import Console

    console = Console(sys.stdout)
    try:
        with redirect_stdout(console):
            try:
                app(args=_with_text_roofline(sys.argv[1:]))
            finally:
                console.flush()  # here a full disk is still a message
    except SocsimError as error:
        note(f"error: {error}")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        note("interrupted")
        sys.exit(130)
    except Exception as error:  # the last line of defence: no traceback reaches a user
        _fail(error)


def _fail(error: Exception) -> None:
    from traceback import extract_tb

    from socsim.version import __version__

    frames = extract_tb(error.__traceback__)
    last = frames[-1] if frames else None
    at = f"{Path(last.filename).name}:{last.lineno} in {last.name}" if last else "unknown place"
    note(f"internal error: {type(error).__name__}: {error} ({at}, socsim {__version__}); please report this line")
    sys.exit(70)


if __name__ == "__main__":
    main()
