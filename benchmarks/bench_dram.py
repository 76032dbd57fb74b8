"""DRAM bursts simulated in a second of CPU time, for streams and random traffic."""

from __future__ import annotations

import argparse
import time

from socsim.engine.dram.system import BurstSystem, DramMemory, Flow, Source
from socsim.soc.dram import dram_device

TRAFFIC = {
    "reads in sequence": {},
    "2 of 3 read, in sequence": {"write_share": 1 / 3},
    "reads at random": {"pattern": "random", "size": 1 << 24},
}


def bursts_per_s(device: str, channels: int, count: int, **traffic: float | str) -> float:
    """Return the best of three runs."""
    best = 0.0
    for _ in range(3):
        system = BurstSystem([DramMemory(dram_device(device), channels)], [Source()])
        system.add(Flow(0, count, **traffic))
        start = time.process_time()
        system.drain()
        best = max(best, count / (time.process_time() - start))
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000)
    count = parser.parse_args().count
    bursts_per_s("lpddr5-6400", 1, 1000)  # compiles
    for device, channels in (("lpddr5-6400", 1), ("lpddr4x-4266", 4), ("ddr4-2400", 1), ("hbm3-6400", 16)):
        for name, traffic in TRAFFIC.items():
            rate = bursts_per_s(device, channels, count, **traffic)
            print(f"{device:14} x{channels:<3} {name:26} {rate / 1e6:5.2f} million bursts/s")


if __name__ == "__main__":
    main()
