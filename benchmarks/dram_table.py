"""Prints the table of docs/memory.md: closed form against the burst level, by traffic."""

from __future__ import annotations

from fractions import Fraction

from socsim.engine.dram.system import BurstSystem, DramMemory, Flow, Source
from socsim.soc.dram import DramController, dram_device, dram_device_names
from socsim.soc.dram_bus import DramBus

ACCESSES = 100_000
COLUMNS = {
    "read": (1.0, "sequential"),
    "2 of 3 read": (2 / 3, "sequential"),
    "half read": (0.5, "sequential"),
    "random read": (1.0, "random"),
    "random, 2 of 3 read": (2 / 3, "random"),
}


def share(name: str, reads: float, pattern: str) -> tuple[float, float]:
    """Return the share of the peak by the closed form and by the burst level."""
    device = dram_device(name)
    m = DramMemory(device)
    bus = DramBus(device, 1, 1, DramController(), device.data_rate.value)
    hits = Fraction(0) if pattern == "random" else None
    system = BurstSystem([m], [Source()])
    system.add(Flow(0, ACCESSES, pattern=pattern, size=1 << 22 if hits == 0 else None, write_share=1 - reads))
    system.drain()
    burst = ACCESSES * device.access.value * 10**12 / system.counts().end_ps / m.peak_bytes_per_s
    return float(bus.efficiency(Fraction(reads).limit_denominator(100), hits)), burst


def main() -> None:
    print("| Device | " + " | ".join(COLUMNS) + " |")
    print("| --- |" + " --- |" * len(COLUMNS))
    for name in dram_device_names():
        cells = [share(name, *column) for column in COLUMNS.values()]
        print(f"| {name} | " + " | ".join(f"{closed:.3f} / {burst:.3f}" for closed, burst in cells) + " |")


if __name__ == "__main__":
    main()
