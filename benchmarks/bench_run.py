"""How long a repeated `ss.run` takes in one process, with network and platform loaded, and with its record made."""

from __future__ import annotations

import os
import statistics
import time
from pathlib import Path

import socsim as ss

SHARED = Path(os.environ.get("SOCSIM_SHARED") or Path(__file__).resolve().parents[2] / "shared")
MOBILENET_V2 = SHARED / "models" / "coral_tf2_mobilenet_v2_1.0_224_ptq_int8.tflite"
RESNET50 = "ncnn/resnet50_int8"
CASES = [
    ("mobilenet_v1_0.25_224", {}),
    (MOBILENET_V2, {}),
    (MOBILENET_V2, {"detail": "analytic"}),
    (RESNET50, {"unit": "npu"}),
    (RESNET50, {"unit": "npu", "detail": "analytic"}),
]
CLOCKS_MHZ = range(501, 531)
"""Platforms that nobody asked about before."""


def milliseconds(net: ss.Graph, soc: ss.Platform, options: dict[str, str]) -> tuple[float, float]:
    """Return the time of a run until its latency is there, and until its record is made."""
    start = time.perf_counter()
    run = ss.run(net, soc, **options)
    _ = run.latency
    until_latency = time.perf_counter() - start
    _ = run.record
    return 1000 * until_latency, 1000 * (time.perf_counter() - start)


def show(what: str, runs: list[tuple[float, float]]) -> None:
    latencies, records = zip(*runs, strict=True)
    figures = (f"min {min(r):6.2f} ms, median {statistics.median(r):6.2f} ms" for r in (latencies, records))
    print(f"{what:<56} {'; with record '.join(figures)}")


def main() -> None:
    soc = ss.platform("rk3588")
    for model, options in CASES:
        if isinstance(model, Path) and not model.is_file():
            print(f"{model.name}: left out; set SOCSIM_SHARED to the folder that holds models/")
            continue
        net = ss.load(model)
        milliseconds(net, soc, options)
        detail = options.get("detail", "transaction")
        show(f"{net.name}, {detail}", [milliseconds(net, soc, options) for _ in range(30)])
    net = ss.load(RESNET50)
    variants = [soc.with_({"units.npu.clock": f"{mhz} MHz"}) for mhz in CLOCKS_MHZ]
    show(f"{net.name}, another clock each time", [milliseconds(net, other, {"unit": "npu"}) for other in variants])


if __name__ == "__main__":
    main()
