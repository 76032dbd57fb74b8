"""The verb `simulate`: many applications at once on a platform."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from socsim.cli_support import AsJson, PlatformName, Quiet, given, note, pairs_of, progress, say

if TYPE_CHECKING:
    from socsim.report.simulation import Simulation
    from socsim.soc.platform import Platform
    from socsim.workload.scenario.scenario import Scenario

_INTERRUPTED = 130


def simulate(
    scenario: Annotated[str, typer.Argument(help="A scenario's name or YAML file (socsim workloads list).")],
    platform: PlatformName,
    duration: Annotated[str | None, typer.Option(help="Simulated time of releases: 10s; absent: its own.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of everything random; absent: the scenario's.")] = None,
    policy: Annotated[
        list[str] | None,
        typer.Option(help="SERVER=NAME: fifo, priority, edf, round_robin, …; * for all; repeatable."),
    ] = None,
    governor: Annotated[
        list[str] | None, typer.Option(help="CLOCK=NAME: performance, schedutil, …; * for all; repeatable.")
    ] = None,
    mode: Annotated[str | None, typer.Option(help="Power mode of the platform.")] = None,
    cap: Annotated[str | None, typer.Option(help="Most average power: 15W.")] = None,
    ambient: Annotated[str | None, typer.Option(help="Temperature of the surroundings: 40degC.")] = None,
    detail: Annotated[
        str, typer.Option(help="transaction, or tile: networks can be interrupted between tiles too.")
    ] = "transaction",
    calibration: Annotated[
        str, typer.Option(help="auto (by measurements of the chip, else of its relatives), none, or a FILE.")
    ] = "auto",
    no_skip: Annotated[
        bool, typer.Option("--no-skip", help="Step through stretches that repeat; the result is the same.")
    ] = False,
    as_json: AsJson = False,
    trace: Annotated[Path | None, typer.Option(help="Write a Perfetto trace.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write an HTML report.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write the table of applications.")] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Print the tables of applications, steps and servers too.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Simulate applications that share a platform: latencies, misses, energy, heat. Ctrl-C shows what had finished."""
    import socsim as ss
    from socsim.report.outputs import check_outputs
    from socsim.report.sinks import write_files

    chosen, soc = ss.scenario(scenario), ss.platform(platform)
    check_outputs(given({"--trace": trace, "--report": report, "--csv": csv}), _read_files(chosen, soc))
    result = ss.simulate(
        chosen, soc, duration=duration, seed=seed, policy=pairs_of(policy, "--policy"),
        governor=pairs_of(governor, "--governor"), mode=mode, cap=cap, ambient=ambient, detail=detail,
        calibration=calibration, trace=trace is not None or report is not None, skip=not no_skip,
        progress=lambda text: progress(text, quiet),
    )  # fmt: skip
    write_files(_documents(result, trace, report, csv))
    if as_json:
        say(result.to_json())
    else:
        say(result.summary())
        for table in (result.applications, result.steps, result.servers) if verbose else ():
            say("\n" + table.to_text())
    if as_json and not quiet:  # the summary holds them otherwise
        for line in result.record.warnings:
            note(f"warning: {line}")
    if result.record.is_interrupted:
        raise typer.Exit(_INTERRUPTED)


def _read_files(scenario: Scenario, soc: Platform) -> list[Path]:
    """Return the files that a scenario and a platform come from, bases included."""
    places = (*scenario.document.places.values(), *soc.document.places.values())
    return list(map(Path, dict.fromkeys(place.where for place in places)))


def _documents(
    result: Simulation, trace: Path | None, report: Path | None, csv: Path | None
) -> dict[Path, bytes | str]:
    """Return what each file shall hold."""
    documents: dict[Path, bytes | str] = {}
    if trace:
        from socsim.report.simulation_trace import trace_bytes

        documents[trace] = trace_bytes(result.record)
    if report:
        documents[report] = result.to_html()
    if csv:
        documents[csv] = result.to_csv() or ""
    return documents
