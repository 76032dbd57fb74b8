"""Starts the process that measures a model, and reads what became of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from socsim.measuring.sampling import Samples

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from socsim.measuring.sampling import Plan

_START = "from socsim.measuring.worker import main; main()"


@dataclass(frozen=True, slots=True)
class Job:
    """One model in one software with so many threads.

    Args:
        runtime: key of `engines.ENGINES`.
        model: path of the file.
        threads: threads that share an operator.
        shapes: dimensions of inputs that the file leaves open, by name.
        seed: of the inputs.
        plan: how long to measure.
        limit_s: seconds after which the process is ended.
    """

    runtime: str
    model: Path
    threads: int
    shapes: Mapping[str, Sequence[int]]
    seed: int
    plan: Plan
    limit_s: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a process measured.

    Args:
        samples: times.
        inputs: name, shape and type of each input that was drawn.
        clocks_mhz: by processor, when the run was warm and after the last block.
    """

    samples: Samples
    inputs: tuple[tuple[str, tuple[int, ...], str], ...]
    clocks_mhz: tuple[Mapping[str, float], Mapping[str, float]]


def measure(job: Job) -> Outcome | str:
    """Measure in a process of its own; return what came of it, or the sentence that says why there is nothing."""
    with TemporaryDirectory(prefix="socsim-measure-") as folder:
        outcome = Path(folder) / "outcome.json"
        try:
            done = subprocess.run(  # noqa: S603  (this interpreter and code of this package; the job goes in as data)
                [sys.executable, "-P", "-c", _START],
                input=_text(job, outcome), capture_output=True, text=True, errors="replace", check=False,
                timeout=job.limit_s, env=_environment(),
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return f"took longer than {job.limit_s:g} s; allow more time, or give a smaller model"
        except OSError as error:
            return f"no process could be started: {error.strerror or error}"
        if done.returncode or not outcome.is_file():
            return _ending(done.returncode, done.stderr)
        return _outcome(json.loads(outcome.read_text(encoding="utf-8")))


def _text(job: Job, outcome: Path) -> str:
    return json.dumps({
        "runtime": job.runtime, "model": str(job.model), "threads": job.threads, "seed": job.seed,
        "shapes": {name: list(dims) for name, dims in job.shapes.items()}, "plan": asdict(job.plan),
        "outcome": str(outcome),
    })  # fmt: skip


def _environment() -> dict[str, str]:
    """Return the environment of this process, in which the package is found as it is here."""
    package = str(Path(__file__).resolve().parents[2])
    paths = filter(None, (package, os.environ.get("PYTHONPATH")))
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def _ending(code: int, errors: str) -> str:
    """Say how a process ended that left no outcome."""
    said = [line.strip() for line in errors.splitlines() if line.strip()]
    last = f": {said[-1]}" if said else ""
    if code < 0:
        return f"the software ended its process with {signal.Signals(-code).name}{last}"
    return f"the process ended with code {code}{last}"


def _outcome(found: Mapping[str, Any]) -> Outcome | str:
    if "fault" in found:
        return str(found["fault"])
    samples = {**found["samples"], "medians_ns": tuple(found["samples"]["medians_ns"])}
    inputs = tuple((name, tuple(shape), dtype) for name, shape, dtype in found["inputs"])
    before, after = found["clocks_mhz"]
    return Outcome(Samples(**samples), inputs, (before, after))
