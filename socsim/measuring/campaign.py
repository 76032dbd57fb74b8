"""A campaign: models in the software that runs them, one process each, and the rows that come of it."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from socsim.errors import MeasurementError, UsageError, join_faults, misuse
from socsim.measuring.clocks import load_average
from socsim.measuring.engines import ENGINES, default_engine, engine
from socsim.measuring.process import Job, measure
from socsim.measuring.rows import earlier_text, table_text
from socsim.measuring.sampling import NS_PER_S
from socsim.measuring.subjects import subject
from socsim.report.formats import plural
from socsim.report.sinks import terminal_text, write_file
from socsim.report.tables import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from socsim.measuring.engines import Engine
    from socsim.measuring.process import Outcome
    from socsim.measuring.settings import Settings
    from socsim.measuring.subjects import Subject

MOST_SPREAD = 0.10
"""Distance between blocks from which on a figure is doubtful."""
_CLOCK_MOVED = 0.05


@dataclass(frozen=True, slots=True)
class Task:
    """One row to measure."""

    subject: Subject
    engine: Engine
    threads: int

    @property
    def label(self) -> str:
        """What messages call it."""
        return f"{self.subject.path.name} in {self.engine.runtime}, {plural(self.threads, 'thread')}"


@dataclass(frozen=True)
class Measured:
    """What a campaign came to.

    Args:
        rows: cells by column, in the order of the models.
        faults: a sentence for each model that has no row.
        warnings: sentences about rows to doubt.
    """

    rows: tuple[Mapping[str, str], ...]
    faults: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def table(self) -> Table:
        """The figures; `.to_pandas()` gives a frame."""
        columns = ["workload", "runtime", "threads", "precision", "latency_ms"]
        rows = [
            (row["workload"], row["runtime"], int(row["cores"]), row["precision"], float(row["value"]))
            for row in self.rows
        ]
        return Table("Measured", columns, rows)

    def to_csv(self, path: str | Path, *, append: bool = False) -> None:
        """Write the rows whole or not at all, in the columns that `socsim.validate` reads.

        Args:
            path: the file; what stood there is replaced.
            append: keep the rows that the file has, and put these behind them.

        Raises:
            MeasurementError: there are no rows, or the file to append to cannot be read or lacks a column.
            ResultError: it cannot be written.
        """
        target = Path(path)
        if not self.rows:
            raise MeasurementError(f"{target}: nothing to write, no model was measured")
        write_file(target, table_text(self.rows, earlier_text(target) if append else ""))

    def __str__(self) -> str:
        return self.table.to_text()

    def _repr_html_(self) -> str:
        return self.table._repr_html_()


def campaign(
    models: Sequence[str | Path],
    settings: Settings,
    *,
    runtimes: Sequence[str] = (),
    folder: Path = Path(),
    name: str | None = None,
    tell: Callable[[str], object] = lambda _: None,
) -> Measured:
    """Measure models as `socsim.measure` says, which documents the arguments and errors."""
    if not models or not all(isinstance(model, str | PathLike) for model in models):
        raise misuse("models", models, "one or more .tflite or .onnx files")
    if name is not None and len(models) > 1:
        raise misuse("name", name, "a name for one model alone; the names of several follow from their files")
    if isinstance(runtimes, str):
        raise misuse("runtimes", runtimes, f'a list such as ["{runtimes}"]')
    return run(tasks(list(map(str, models)), runtimes, settings, folder, name), settings, tell)


def tasks(
    models: Sequence[str], runtimes: Sequence[str], settings: Settings, folder: Path, name: str | None = None
) -> list[Task]:
    """Return what there is to measure.

    Args:
        models: files.
        runtimes: software to measure in; where empty, the default for each file's format.
        settings: shapes and threads.
        folder: of the table, from which paths of files are written.
        name: network of the zoo that the one model is.

    Raises:
        UsageError: a model that is no file, software that is not installed or that runs no model here; all of them.
        WorkloadError: a file that cannot be imported.
    """
    chosen = [engine(runtime) for runtime in runtimes]
    subjects = [subject(model, folder, name, settings.shapes) for model in dict.fromkeys(models)]
    pairs = [(s, e) for s in subjects for e in (chosen or [_default(s)]) if e.source_format == s.source_format]
    idle = [e.runtime for e in chosen if all(e is not other for _, other in pairs)]
    left = [str(s.path) for s in subjects if all(s is not other for other, _ in pairs)]
    faults = [f"runtime {r!r} runs none of the models; leave it out" for r in idle]
    faults += [f"{terminal_text(m)}: runs in none of {', '.join(runtimes)}; {_SUITABLE}" for m in left]
    if faults:
        raise UsageError(join_faults("nothing was measured", faults))
    return [Task(s, e, threads) for s, e in pairs for threads in settings.threads]


_SUITABLE = "; ".join(f"{e.runtime} takes .{e.source_format} files" for e in ENGINES.values())


def _default(found: Subject) -> Engine:
    chosen = default_engine(found.source_format)
    if chosen is None:
        raise UsageError(f"{found.path}: no software is known for {found.source_format} models")
    return chosen


def run(planned: Sequence[Task], settings: Settings, tell: Callable[[str], object] = lambda _: None) -> Measured:
    """Measure one task after the other; one that fails leaves a fault, and the others go on.

    Args:
        planned: from `tasks`.
        settings: of the campaign.
        tell: called with a line before each task.
    """
    rows, faults, warnings = [], [], []
    for task in planned:
        tell(f"measuring {task.label}")
        load = load_average()
        outcome = measure(_job(task, settings))
        if isinstance(outcome, str):
            faults.append(f"{task.label}: {terminal_text(outcome, 300)}")
            continue
        rows.append(_row(task, settings, outcome, load))
        warnings += [f"{task.label}: {doubt}" for doubt in _doubts(outcome)]
    return Measured(tuple(rows), tuple(faults), tuple(warnings))


def _job(task: Task, settings: Settings) -> Job:
    return Job(
        task.engine.runtime, task.subject.path.resolve(), task.threads, settings.shapes, settings.seed, settings.plan,
        settings.limit_s,
    )  # fmt: skip


def _row(task: Task, settings: Settings, outcome: Outcome, load: float | None) -> dict[str, str]:
    found = task.subject
    return {
        "platform": settings.platform,
        "unit": "cpu",
        "cluster": "all",
        "cores": str(task.threads),
        "runtime": task.engine.runtime,
        "runtime_version": task.engine.version,
        "workload": found.workload,
        "input_shape": found.input_shape,
        "precision": found.precision,
        "batch": "1",
        "metric": "latency",
        "value": f"{outcome.samples.median_ns * 1e3 / NS_PER_S:.6g}",
        "unit_of_value": "ms",
        "board": settings.board,
        "recorded": settings.recorded,
        "conditions": "; ".join(_conditions(task, settings, outcome, load)),
    }


def _conditions(task: Task, settings: Settings, outcome: Outcome, load: float | None) -> Iterator[str]:
    """Yield how a figure came about, and how far to trust it."""
    samples = outcome.samples
    yield f"file={task.subject.path.name}"
    yield task.engine.settings
    yield f"median of {plural(len(samples.medians_ns), 'block')}"
    yield f"runs={samples.runs}"
    yield f"spread={samples.spread:.3f}"
    yield f"min_ms={samples.fastest_ns * 1e3 / NS_PER_S:.6g}"
    yield f"warm_up_runs={samples.warm_up_runs}{'' if samples.is_settled else ' (not settled)'}"
    before, after = outcome.clocks_mhz
    yield f"clock_mhz={_range(before)} before, {_range(after)} after" if before else "clocks not readable"
    yield f"load={load:.2f}" if load is not None else "load not readable"
    yield f"random inputs, seed {settings.seed}"


def _range(clocks: Mapping[str, float]) -> str:
    """Return the lowest and the highest clock."""
    if not clocks:
        return "none"
    low, high = min(clocks.values()), max(clocks.values())
    return f"{low:.0f}" if round(low) == round(high) else f"{low:.0f}-{high:.0f}"


def _doubts(outcome: Outcome) -> Iterator[str]:
    """Yield why a figure deserves doubt."""
    samples = outcome.samples
    if samples.spread > MOST_SPREAD:
        yield f"blocks differ by {100 * samples.spread:.0f} %; free the machine of other work and measure again"
    if not samples.is_settled:
        yield "the run never settled while it warmed up; its clock may have moved"
    before, after = (max(clocks.values(), default=0.0) for clocks in outcome.clocks_mhz)
    if before and abs(after - before) > _CLOCK_MOVED * before:
        yield f"the highest clock moved from {before:.0f} to {after:.0f} MHz; fix the clock, or cool the chip"
