"""How the time of a run grows with the number of operators, up to the most that an importer accepts."""

from __future__ import annotations

import sys
import time
from itertools import pairwise
from pathlib import Path

import socsim as ss

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from large_networks import SHAPES

SIZES = (1_000, 10_000, 100_000)


def microseconds(net: ss.Graph, soc: ss.Platform, detail: str = "transaction") -> tuple[float, float]:
    """Return processor time for each operator: of a run, and of making its record."""
    times = [time.process_time()]
    run = ss.run(net, soc, detail=detail)
    times.append(time.process_time())
    _ = run.record
    times.append(time.process_time())
    run_s, record_s = (after - before for before, after in pairwise(times))
    return 1e6 * run_s / len(net.operators), 1e6 * record_s / len(net.operators)


def main() -> None:
    soc = ss.platform("rk3588")
    sizes = [int(size) for size in sys.argv[1:]] or SIZES
    print("microseconds of processor time for each operator\n")
    print(f"{'network':<12} {'operators':>9} {'first run':>10} {'next run':>10} {'analytic':>10} {'record':>8}")
    for shape, network in SHAPES.items():
        for size in sizes:
            net = network(size)
            (first, _), (again, record) = microseconds(net, soc), microseconds(net, soc)
            closed, _ = microseconds(net, soc, "analytic")
            print(f"{shape:<12} {size:>9,} {first:>10.0f} {again:>10.0f} {closed:>10.0f} {record:>8.0f}", flush=True)


if __name__ == "__main__":
    main()
