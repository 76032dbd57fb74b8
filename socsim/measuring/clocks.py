"""Clocks and load of the machine at hand, as Linux tells them."""

from __future__ import annotations

import os
import re
from pathlib import Path

from socsim.measuring.cycles import counted_mhz

ROOT = Path("/")
"""Where `proc` and `sys` lie; a test puts a tree of its own here."""


def text_of(path: Path) -> str:
    """Return what a file of the system says, nothing where it is absent or may not be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\0\n ")
    except OSError:
        return ""


def clocks_mhz(root: Path = ROOT) -> dict[str, float]:
    """Return the clock of each processor in MHz as the system reads it now.

    Where it does not: that of the processor this runs on, counted, else what /proc/cpuinfo tells; empty without all.
    """
    folders = sorted((root / "sys/devices/system/cpu").glob("cpu[0-9]*"), key=lambda p: int(p.name[3:]))
    governed = {p.name: text_of(p / "cpufreq/scaling_cur_freq") for p in folders}
    if any(governed.values()):
        return {name: int(text) / 1e3 for name, text in governed.items() if text.isdigit()}
    counted = counted_mhz() if root == ROOT else None
    if counted is not None:
        return {"counted": round(counted, 1)}
    found = re.findall(r"^cpu MHz\s*:\s*([0-9.]+)", text_of(root / "proc/cpuinfo"), re.MULTILINE)
    return {f"cpu{i}": float(text) for i, text in enumerate(found)}


def load_average() -> float | None:
    """Return the processes that ran or wanted to, averaged over a minute; None where the system does not tell it."""
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):
        return None
