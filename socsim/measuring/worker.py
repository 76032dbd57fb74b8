"""Measures one model in a process of its own, which the software that runs it may bring down.

The job arrives as JSON on standard input; the outcome goes to the file that the job names.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from time import perf_counter_ns
from typing import Any

from socsim.measuring.clocks import clocks_mhz
from socsim.measuring.engines import load
from socsim.measuring.sampling import Plan, sample


def main() -> None:
    """Do the job on standard input."""
    job = json.load(sys.stdin)
    Path(job["outcome"]).write_text(json.dumps(_measured(job)), encoding="utf-8")


def _measured(job: dict[str, Any]) -> dict[str, Any]:
    try:
        loaded = load(job["runtime"], job["model"], job["threads"], job["shapes"], job["seed"])
        loaded.run()
    except Exception as error:  # whatever the software raises for a model is its answer
        return {"fault": f"{type(error).__name__}: {error}".splitlines()[0]}
    clocks: list[dict[str, float]] = []
    samples = sample(loaded.run, perf_counter_ns, Plan(**job["plan"]), lambda: clocks.append(clocks_mhz()))
    return {"inputs": loaded.inputs, "clocks_mhz": clocks, "samples": asdict(samples)}
