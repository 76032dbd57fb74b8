"""The machine at hand as Linux describes it: cores, caches, clocks, memory, each with the file that said so."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from socsim.errors import PlatformError
from socsim.measuring.clocks import ROOT, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_KIB = 1024
EFFICIENCY = "efficiency"
"""Type of the smaller cores of a hybrid chip, among the fields of its processors."""
_DESIGN = ("CPU implementer", "CPU part", "cpu family", "model", "uarch", "core type")
_SIZES = {"K": _KIB, "M": _KIB**2, "G": _KIB**3}


@dataclass(frozen=True, slots=True)
class HostCache:
    """A data cache that a core can reach.

    Args:
        level: 1 to 3.
        size: bytes of one.
        is_shared: whether several cores share it.
    """

    level: int
    size: int
    is_shared: bool


@dataclass(frozen=True, slots=True)
class HostCluster:
    """Cores of one kind.

    Args:
        processors: their numbers, one for each core.
        fields: what /proc/cpuinfo says of the first.
        clocks_mhz: steps of their clock, slowest first.
        clock_source: where they come from.
        caches: from the inside out.
    """

    processors: tuple[int, ...]
    fields: Mapping[str, str]
    clocks_mhz: tuple[int, ...]
    clock_source: str
    caches: tuple[HostCache, ...]

    @property
    def flags(self) -> frozenset[str]:
        """Features of the instruction set, as the system names them."""
        return frozenset((self.fields.get("flags") or self.fields.get("Features") or "").split())


@dataclass(frozen=True, slots=True)
class Host:
    """A machine.

    Args:
        title: name of the processor or the board.
        clusters: fastest first.
        memory: bytes.
        is_virtual: whether a hypervisor stands between.
    """

    title: str
    clusters: tuple[HostCluster, ...]
    memory: int
    is_virtual: bool

    @property
    def cores(self) -> int:
        """Cores of all clusters."""
        return sum(len(cluster.processors) for cluster in self.clusters)


def board(root: Path = ROOT) -> str:
    """Return what firmware or device tree calls the board, else the processor's name; empty where nobody says."""
    dmi = [text_of(root / f"sys/class/dmi/id/{name}") for name in ("sys_vendor", "product_name")]
    if all(dmi):
        return " ".join(dmi)
    return text_of(root / "proc/device-tree/model") or _model_name(_processors(root))


def read_host(root: Path = ROOT, counted: float | None = None) -> Host:
    """Return the machine at hand.

    Args:
        root: folder in which `proc` and `sys` lie.
        counted: clock of a core in MHz where it was counted; it stands for clocks that the system does not govern.

    Raises:
        PlatformError: the system does not describe itself as Linux does.
    """
    processors = _processors(root)
    if not processors:
        msg = (
            "the machine cannot be described: /proc/cpuinfo lists no processors, as Linux does; write a platform file "
            "by hand (docs/platforms.md)"
        )
        raise PlatformError(msg)
    for number in _numbers(text_of(root / "sys/devices/cpu_atom/cpus")):  # hybrid chips of Intel
        processors.get(number, {})["core type"] = EFFICIENCY
    flags = {flag for fields in processors.values() for flag in fields.get("flags", "").split()}
    memory = re.search(r"^MemTotal:\s*(\d+) kB", text_of(root / "proc/meminfo"), re.MULTILINE)
    return Host(
        title=_model_name(processors) or board(root) or "this machine",
        clusters=tuple(_clusters(root, processors, counted)),
        memory=int(memory[1]) * _KIB if memory else 0,
        is_virtual="hypervisor" in flags,
    )


def _processors(root: Path) -> dict[int, dict[str, str]]:
    """Return the fields of /proc/cpuinfo by processor."""
    found: dict[int, dict[str, str]] = {}
    for block in re.split(r"\n\s*\n", text_of(root / "proc/cpuinfo")):
        pairs = (line.partition(":") for line in block.splitlines())
        fields = {key.strip(): value.strip() for key, _, value in pairs}
        if fields.get("processor", "").isdigit():
            found[int(fields["processor"])] = fields
    return found


def _model_name(processors: Mapping[int, Mapping[str, str]]) -> str:
    return next((f["model name"] for f in processors.values() if f.get("model name")), "")


# --- clusters -----------------------------------------------------------------------------------------


def _clusters(root: Path, processors: Mapping[int, Mapping[str, str]], counted: float | None) -> Iterator[HostCluster]:
    """Yield cores that are alike, the fastest first; of threads that share a core the first stands for it."""
    cores = [n for n in sorted(processors) if _first_of(_folder(root, n) / "topology/thread_siblings_list", n)]

    def kind(number: int) -> tuple[int, str]:
        fields = processors[number]
        design = [fields.get(key, "") for key in _DESIGN]
        return -_clocks(root, processors[number], number, counted)[0][-1], "/".join(design)

    for _, alike in groupby(sorted(cores, key=lambda n: (kind(n), n)), key=kind):
        numbers = tuple(alike)
        steps, source = _clocks(root, processors[numbers[0]], numbers[0], counted)
        caches = tuple(_caches(root, numbers[0]))
        yield HostCluster(numbers, processors[numbers[0]], steps, source, caches)


def _folder(root: Path, number: int) -> Path:
    return root / f"sys/devices/system/cpu/cpu{number}"


def _first_of(path: Path, number: int) -> bool:
    listed = _numbers(text_of(path))
    return not listed or listed[0] == number


def _numbers(text: str) -> list[int]:
    """Return the numbers of a list such as 0-3,8."""
    found: list[int] = []
    for part in filter(None, text.split(",")):
        low, _, high = part.partition("-")
        if low.isdigit() and (high or low).isdigit():
            found += range(int(low), int(high or low) + 1)
    return sorted(found)


def _clocks(root: Path, fields: Mapping[str, str], number: int, counted: float | None) -> tuple[tuple[int, ...], str]:
    """Return the steps of a processor's clock in MHz, and where they come from."""
    folder = _folder(root, number) / "cpufreq"
    steps = [int(khz) for khz in text_of(folder / "scaling_available_frequencies").split() if khz.isdigit()]
    if steps:
        return _mhz(steps), "cpufreq/scaling_available_frequencies"
    ends = [text_of(folder / name) for name in ("cpuinfo_min_freq", "cpuinfo_max_freq")]
    if all(text.isdigit() for text in ends):
        return _mhz(map(int, ends)), "cpufreq/cpuinfo_min_freq and cpuinfo_max_freq"
    text = fields.get("cpu MHz", "")
    if counted is not None:
        told = f"; /proc/cpuinfo tells {text} MHz" if text else ""
        return (round(counted),), f"measured: a chain of subtractions, one cycle each{told}"
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text) and float(text) >= 1:
        return (round(float(text)),), "/proc/cpuinfo, cpu MHz"
    return (_UNTOLD_MHZ,), ""


_UNTOLD_MHZ = 2000


def _mhz(khz: Iterator[int] | Sequence[int] | map[int]) -> tuple[int, ...]:
    return tuple(sorted({max(1, round(step / 1000)) for step in khz}))


def _caches(root: Path, number: int) -> Iterator[HostCache]:
    """Yield the data caches of a processor."""
    own = set(_numbers(text_of(_folder(root, number) / "topology/thread_siblings_list"))) or {number}
    for index in sorted((_folder(root, number) / "cache").glob("index[0-9]*")):
        level, kind, size = (text_of(index / name) for name in ("level", "type", "size"))
        match = re.fullmatch(r"([0-9]+)([KMG])", size)
        if kind == "Instruction" or match is None or level not in {"1", "2", "3"}:
            continue
        sharing = set(_numbers(text_of(index / "shared_cpu_list")))
        yield HostCache(int(level), int(match[1]) * _SIZES[match[2]], bool(sharing - own))
