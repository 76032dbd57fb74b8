"""How far uncalibrated predictions are from measurements, for the networks of the zoo.

    python validation/first_look.py [TABLE.csv]

Prints predicted / measured for every latency row whose platform, runtime and network ship with socsim: the
median and the worst of each group, worst groups first. Rows that the run refuses are counted, not hidden.
Without an argument it reads first_look.csv beside this file; any table with the same columns will do.
"""

from __future__ import annotations

import csv
import statistics
import sys
from collections import defaultdict
from functools import cache
from pathlib import Path

from socsim import session as ss
from socsim.errors import SocsimError
from socsim.soc.runtimes import runtime, runtime_names

TABLE = Path(__file__).with_name("first_look.csv")

# Names in the tables that the zoo holds under another; the graphs are those that the rows were taken with
# or their nearest relatives (see docs/accuracy.md).
ALIASES = {"resnet50_v2": "ncnn/resnet50_int8"}


@cache
def network(name: str) -> ss.Graph | None:
    name = ALIASES.get(name, name)
    return ss.load(name) if name in ss.workloads() else None


@cache
def runtimes_by_measured_name() -> dict[str, str]:
    return {alias: name for name in runtime_names() for alias in (name, *runtime(name).measurement_names)}


def ratio(row: dict[str, str]) -> float | None:
    """Return predicted / measured; None where the run is refused."""
    net = network(row["workload"])
    assert net is not None
    precision = row["precision"] if row["precision"] in {"fp16", "fp32", "int8", "uint8"} else None
    try:
        run = ss.run(
            net, row["platform"],
            unit=row["unit"],
            cluster=row["cluster"] if row["cluster"] in {"big", "little"} else None,
            cores=int(row["cores"]) if row["cores"] and row["unit"] in {"cpu", "npu"} else None,
            runtime=runtimes_by_measured_name()[row["runtime"]],
            precision=None if net.name.startswith("mlperf") else precision,
        )  # fmt: skip
    except SocsimError:
        return None
    return run.latency_ps / 1e9 / float(row["value"])


def usable(row: dict[str, str]) -> bool:
    return (
        row["metric"] == "latency"
        and row["batch"] == "1"
        and row["platform"] in ss.platforms()
        and row["runtime"] in runtimes_by_measured_name()
        and network(row["workload"]) is not None
    )


def main() -> None:
    groups: dict[tuple[str, ...], list[tuple[float, str]]] = defaultdict(list)
    refused: dict[tuple[str, ...], int] = defaultdict(int)
    text = (Path(sys.argv[1]) if sys.argv[1:] else TABLE).read_text(encoding="utf-8")
    for row in csv.DictReader(text.splitlines()):
        if not usable(row):
            continue
        key = (row["platform"], row["unit"], row["runtime"], row["precision"])
        found = ratio(row)
        if found is None:
            refused[key] += 1
        else:
            groups[key].append((found, row["workload"]))
    order = sorted(groups, key=lambda k: -max(max(r, 1 / r) for r, _ in groups[k]))
    print(f"{'platform':<11}{'unit':<5}{'runtime':<16}{'type':<7}{'rows':>5}{'refused':>8}  median  worst (network)")
    for key in order:
        ratios = groups[key]
        worst, name = max(ratios, key=lambda pair: max(pair[0], 1 / pair[0]))
        median = statistics.median(r for r, _ in ratios)
        head = f"{key[0]:<11}{key[1]:<5}{key[2]:<16}{key[3]:<7}{len(ratios):>5}{refused[key]:>8}"
        print(f"{head}  {median:6.2f}  {worst:.2f} ({name})")


if __name__ == "__main__":
    main()
