"""How long `import socsim` and a first `socsim run` take, each in a fresh process."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

COMMANDS = {
    "python -c pass (for reference)": [sys.executable, "-c", "pass"],
    "import socsim": [sys.executable, "-c", "import socsim"],
    "socsim --help": [sys.executable, "-m", "socsim.cli", "--help"],
    "socsim run mobilenet_v1_0.25_224 -p rk3588": [
        sys.executable, "-m", "socsim.cli", "run", "mobilenet_v1_0.25_224", "-p", "rk3588",
    ],
    "socsim run resnet50_int8 -p rk3588": [
        sys.executable, "-m", "socsim.cli", "run", "ncnn/resnet50_int8", "-p", "rk3588",
    ],
}  # fmt: skip


def seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    for name, command in COMMANDS.items():
        seconds(command)
        runs = [seconds(command) for _ in range(7)]
        print(f"{name:<44} min {min(runs):.3f} s, median {statistics.median(runs):.3f} s")


if __name__ == "__main__":
    main()
