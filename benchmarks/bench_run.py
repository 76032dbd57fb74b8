"""How long a repeated `ss.run` takes in one process, with network and platform loaded."""

from __future__ import annotations

import os
import statistics
import time
from pathlib import Path

import socsim as ss

SHARED = Path(os.environ.get("SOCSIM_SHARED") or Path(__file__).resolve().parents[2] / "shared")
MOBILENET_V2 = SHARED / "models" / "coral_tf2_mobilenet_v2_1.0_224_ptq_int8.tflite"
CASES = [
    ("mobilenet_v1_0.25_224", {}),
    (MOBILENET_V2, {}),
    (MOBILENET_V2, {"detail": "analytic"}),
    ("ncnn/resnet50_int8", {}),
]


def milliseconds(net: ss.Graph, soc: ss.Platform, options: dict[str, str]) -> float:
    start = time.perf_counter()
    ss.run(net, soc, **options)
    return 1000 * (time.perf_counter() - start)


def main() -> None:
    soc = ss.platform("rk3588")
    for model, options in CASES:
        if isinstance(model, Path) and not model.is_file():
            print(f"{model.name}: left out; set SOCSIM_SHARED to the folder that holds models/")
            continue
        net = ss.load(model)
        milliseconds(net, soc, options)
        runs = [milliseconds(net, soc, options) for _ in range(30)]
        detail = options.get("detail", "transaction")
        print(f"{net.name:<42} {detail:<12} min {min(runs):6.2f} ms, median {statistics.median(runs):6.2f} ms")


if __name__ == "__main__":
    main()
