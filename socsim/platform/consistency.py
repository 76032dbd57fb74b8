"""Checks across the sections of a platform file: every name leads somewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from socsim.errors import did_you_mean
from socsim.platform.runtimes import runtime, runtime_names
from socsim.platform.schema import CpuCluster, Npu, Sram
from socsim.quantities import Frequency

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from socsim.platform.schema import AnyUnit, PlatformFile
    from socsim.platform.yaml_reader import Path_, YamlDocument

_Fault = tuple["Path_", str]


def cross_faults(file: PlatformFile, document: YamlDocument) -> list[str]:
    """Return one sentence, with line, for each name that leads nowhere."""
    found = [
        *_clock_faults(file),
        *_unit_faults(file),
        *_link_faults(file),
        *_preference_faults(file),
    ]
    return [f"{document.at(path)}: {'.'.join(map(str, path))}: {text}" for path, text in found]


def _unknown(name: str, what: str, known: Iterable[str]) -> str:
    return f"{name!r} is not a {what}.{did_you_mean(name, known)}"


def _clock_faults(file: PlatformFile) -> Iterator[_Fault]:
    for name, clock in file.clocks.items():
        names = [p.name for p in clock.opps]
        if len(set(names)) != len(names):
            yield ("clocks", name, "opps"), "two operating points have the same name; rename one"
        if clock.default is not None and clock.default not in names:
            yield ("clocks", name, "default"), _unknown(clock.default, "operating point", names)
    users = [(("units", n, "clock"), u.clock) for n, u in file.units.items()]
    users += [(("links", n, "clock"), link.clock) for n, link in file.links.items()]
    users += [(("memories", n, "clock"), m.clock) for n, m in file.memories.items() if isinstance(m, Sram)]
    for path, clock_name in users:
        if clock_name not in file.clocks:
            yield from _frequency_faults(path, clock_name, file)


def _frequency_faults(path: Path_, text: str, file: PlatformFile) -> Iterator[_Fault]:
    try:
        if Frequency(text).value <= 0:
            yield path, f'"{text}" is not above zero'
    except ValueError as error:
        looks_like_number = text[:1].isdigit()
        yield path, str(error) if looks_like_number else _unknown(text, "clock", file.clocks)


def _unit_faults(file: PlatformFile) -> Iterator[_Fault]:
    for name, unit in file.units.items():
        at = ("units", name)
        if unit.power not in file.power_domains:
            yield (*at, "power"), _unknown(unit.power, "power domain", file.power_domains)
        yield from _memory_faults(file, name, unit)
        for other in unit.fallback:
            if other not in file.units or other == name:
                yield (*at, "fallback"), _unknown(other, "other unit", [u for u in file.units if u != name])
        if unit.runtime not in runtime_names():
            yield (*at, "runtime"), _unknown(unit.runtime, "runtime", runtime_names())
        elif unit.kind not in runtime(unit.runtime).kinds:
            yield (*at, "runtime"), f"runtime {unit.runtime!r} serves {', '.join(runtime(unit.runtime).kinds)}, not {unit.kind}"
        yield from _kind_faults(at, unit)


def _kind_faults(at: Path_, unit: AnyUnit) -> Iterator[_Fault]:
    if isinstance(unit, Npu) and unit.default_cores > unit.cores:
        yield (*at, "default_cores"), f"{unit.default_cores} exceeds the unit's {unit.cores} cores"
    if isinstance(unit, CpuCluster):
        sizes = [(c.level, c.size.value) for c in unit.caches]
        if any(b[1] < a[1] for a, b in zip(sizes, sizes[1:], strict=False)):
            yield (*at, "caches"), "levels must grow outwards (L1 first)"


def _memory_faults(file: PlatformFile, name: str, unit: AnyUnit) -> Iterator[_Fault]:
    reachable = _reachable(file, name)
    for role in ("activations", "weights"):
        for memory in getattr(unit, role):
            if memory not in file.memories:
                yield ("units", name, role), _unknown(memory, "memory", file.memories)
            elif memory not in reachable:
                yield ("units", name, role), f"no link leads from {name!r} to {memory!r}; add both to a link's `connects`"


def _reachable(file: PlatformFile, start: str) -> set[str]:
    seen = {start}
    frontier = [start]
    while frontier:
        here = frontier.pop()
        for name, link in file.links.items():
            if here in link.connects or here == name:
                new = {name, *link.connects} - seen if (here == name or here in file.links or here == start) else set()
                seen |= new
                frontier.extend(sorted(n for n in new if n in file.links))
    return seen


def _link_faults(file: PlatformFile) -> Iterator[_Fault]:
    known = [*file.units, *file.memories, *file.links]
    for name, link in file.links.items():
        for end in link.connects:
            if end not in known:
                yield ("links", name, "connects"), _unknown(end, "unit, memory or link", known)
        for table in ("weights", "priorities"):
            for end in getattr(link, table):
                if end not in file.units:
                    yield ("links", name, table), _unknown(end, "unit", file.units)
        if link.weights and link.arbitration != "weighted":
            yield ("links", name, "weights"), f'not used by arbitration "{link.arbitration}"; write arbitration: weighted'
        if link.priorities and link.arbitration != "priority":
            yield ("links", name, "priorities"), f'not used by arbitration "{link.arbitration}"; write arbitration: priority'


def _preference_faults(file: PlatformFile) -> Iterator[_Fault]:
    for position, name in enumerate(file.preference):
        if name not in file.units:
            yield ("preference", position), _unknown(name, "unit", file.units)
