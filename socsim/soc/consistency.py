"""Checks across the sections of a platform file: every name leads somewhere."""

from __future__ import annotations

import re
from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING, Any, get_args

from pydantic import TypeAdapter, ValidationError

from socsim.errors import PlatformError, shown
from socsim.quantities import Energy, Frequency
from socsim.soc.arrays import BlocksArray, InMemoryArray, UnrolledArray
from socsim.soc.dram import address_fields, dram_device, dram_device_names
from socsim.soc.platform import neighbours
from socsim.soc.power_consistency import mode_faults, thermal_faults
from socsim.soc.runtimes import runtime, runtime_names
from socsim.soc.schema import CpuCluster, Dram, Npu, PlatformFile, Process, SerialMemory, Sram, SystemCache
from socsim.soc.sections import Sections, repeated, unknown
from socsim.soc.technology import technology
from socsim.soc.validation import Fault
from socsim.workload.dtypes import DType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from socsim.soc.plain_yaml import Path_
    from socsim.soc.schema import AnyMemory, AnyUnit, Port
    from socsim.soc.yaml_reader import YamlDocument

_SECTIONS = ("clocks", "power_domains", "memories", "units", "links")
_BEGINS_AS_NUMBER = re.compile(r"[-+]?\.?\d")
_CACHE_ORDER = ("L1", "L2", "L3", "SLC")


def cross_faults(document: YamlDocument, file: PlatformFile | None = None) -> list[Fault]:
    """Return one fault for each name that leads nowhere.

    Args:
        document: the plain values, with presets and bases merged in.
        file: the checked file; None looks at those parts of the document that the schema accepts.
    """
    if not isinstance(document.value, dict):
        return []
    raw = {section: document.value.get(section) for section in _SECTIONS}
    names = {section: list(value) if isinstance(value, dict) else None for section, value in raw.items()}
    sections = Sections(file or _sound_parts(document.value), names)
    checks = (
        _process_faults, _clock_faults, _dram_faults, _cached_faults, _unit_faults, _link_faults, _preference_faults,
        _name_faults, mode_faults, thermal_faults,
    )  # fmt: skip
    return [fault for check in checks for fault in check(sections)]


def _sound_parts(value: dict[str, Any]) -> PlatformFile:
    parts: dict[str, Any] = {}
    for section in _SECTIONS:
        members = value.get(section)
        adapter: TypeAdapter[Any] = TypeAdapter(get_args(PlatformFile.model_fields[section].annotation)[1])
        found = members.items() if isinstance(members, dict) else ()
        parts[section] = {name: made for name, member in found if (made := _made(adapter, member)) is not None}
    preference = value.get("preference")
    words = isinstance(preference, list) and all(isinstance(name, str) for name in preference)
    parts["preference"] = preference if words else []
    process: TypeAdapter[str] = TypeAdapter(Process)
    return PlatformFile.model_construct(**parts, process=_made(process, value.get("process")))


def _made(adapter: TypeAdapter[Any], value: Any) -> Any:
    try:
        return adapter.validate_python(value)
    except ValidationError:
        return None


def _process_faults(sections: Sections) -> Iterator[Fault]:
    if sections.file.process is None:
        return
    try:
        technology(sections.file.process)
    except PlatformError as error:
        yield Fault(("process",), str(error).removeprefix("process "))


# --- memories -----------------------------------------------------------------------------------------


def _dram_faults(sections: Sections) -> Iterator[Fault]:
    for name, memory in sections.file.memories.items():
        if isinstance(memory, Dram):
            yield from _device_faults(("memories", name), memory)


def _device_faults(at: Path_, memory: Dram) -> Iterator[Fault]:
    """A DRAM without a device says what it attains; one with a device is made of channels like the device's."""
    if memory.device is None:
        if memory.efficiency is None:
            yield Fault((*at, "efficiency"), "missing; write the share that was measured, or name a `device`")
        return
    if memory.device not in dram_device_names():
        yield Fault((*at, "device"), unknown(memory.device, "DRAM device", dram_device_names()))
        return
    device = dram_device(memory.device)
    own, width = (device.standard, f"{device.width}"), f"{memory.width}"
    if memory.technology != own[0]:
        yield Fault((*at, "technology"), f"found {memory.technology}; {memory.device} is {own[0]}, write that")
    if memory.width.value % device.width.value:
        yield Fault((*at, "width"), f"found {width}; a channel of {memory.device} has {own[1]}, write a multiple of it")
    if memory.data_rate.value > device.data_rate.value:
        text = f"found {memory.data_rate}; {memory.device} is made for {device.data_rate} at most"
        yield Fault((*at, "data_rate"), text)
    if memory.controller.refresh == "per_bank" and device.refresh.per_bank is None:
        yield Fault((*at, "controller", "refresh"), f"{device.standard} refreshes all banks at once; write all_bank")
    try:
        address_fields(memory.controller.mapping)
    except ValueError as error:
        yield Fault((*at, "controller", "mapping"), str(error))


def _cached_faults(sections: Sections) -> Iterator[Fault]:
    """A system cache serves one DRAM, which no other one serves, and keeps parts of its size for units."""
    served: dict[str, str] = {}
    for name, cache in sections.file.memories.items():
        if not isinstance(cache, SystemCache):
            continue
        at: Path_ = ("memories", name)
        yield from _served_faults((*at, "serves"), sections, cache.serves)
        if served.setdefault(cache.serves, name) != name:
            text = f"{shown(cache.serves)} is served by {shown(served[cache.serves])} already; keep one of them"
            yield Fault((*at, "serves"), text)
        for unit, room in cache.allocates.items():
            path = (*at, "allocates", unit)
            if wrong := sections.unknown(unit, "unit", "units"):
                yield Fault(path, wrong)
            elif room > cache.size:
                yield Fault(path, f'found "{room}"; the cache has "{cache.size}", write that at most')


def _served_faults(path: Path_, sections: Sections, served: str) -> Iterator[Fault]:
    memories = sections.file.memories
    drams = [name for name, memory in memories.items() if isinstance(memory, Dram)]
    unsound = served in (sections.names["memories"] or ()) and served not in memories
    if served not in drams and not unsound:
        yield Fault(path, unknown(served, "DRAM", drams))


# --- clocks -------------------------------------------------------------------------------------------


def _clock_faults(sections: Sections) -> Iterator[Fault]:
    file = sections.file
    for name, clock in file.clocks.items():
        names = [point.name for point in clock.opps]
        yield from repeated(("clocks", name, "opps"), names)
        if clock.default is not None and clock.default not in names:
            yield Fault(("clocks", name, "default"), unknown(clock.default, "operating point", names))
    for name, domain in file.power_domains.items():
        yield from repeated(("power_domains", name, "states"), [state.name for state in domain.states])
    users = [(("units", n, "clock"), u.clock) for n, u in file.units.items()]
    users += [(("links", n, "clock"), link.clock) for n, link in file.links.items()]
    users += [
        (("memories", n, "clock"), m.clock) for n, m in file.memories.items() if isinstance(m, Sram | SystemCache)
    ]
    for path, clock_name in users:
        text = sections.unknown(clock_name, "clock", "clocks")
        if text and (_BEGINS_AS_NUMBER.match(clock_name) or sections.names["clocks"] == []):
            text = _frequency_fault(clock_name)
        if text:
            yield Fault(path, text)


def _frequency_fault(text: str) -> str | None:
    try:
        above_zero = Frequency(text).value > 0
    except ValueError as error:
        return f"{error}, or the name of a clock"
    return None if above_zero else f'{shown(text)} is not above zero; write a frequency such as "800 MHz"'


# --- units --------------------------------------------------------------------------------------------


def _unit_faults(sections: Sections) -> Iterator[Fault]:
    for name, unit in sections.file.units.items():
        at = ("units", name)
        if text := sections.unknown(unit.power, "power domain", "power_domains"):
            yield Fault((*at, "power"), text)
        yield from _memory_faults(sections, name, unit)
        yield from _fallback_faults(sections, name, unit)
        yield from _runtime_faults((*at, "runtime"), unit)
        yield from _port_faults((*at, "port"), unit.port)
        yield from _kind_faults(at, unit)


def _fallback_faults(sections: Sections, name: str, unit: AnyUnit) -> Iterator[Fault]:
    path = ("units", name, "fallback")
    yield from repeated(path, unit.fallback)
    for position, other in enumerate(unit.fallback):
        if other == name:
            yield Fault((*path, position), f"{shown(name)} falls back to itself; name another unit")
        elif text := sections.unknown(other, "unit", "units"):
            yield Fault((*path, position), text)


def _runtime_faults(path: Path_, unit: AnyUnit) -> Iterator[Fault]:
    if unit.runtime not in runtime_names():
        yield Fault(path, unknown(unit.runtime, "runtime", runtime_names()))
    elif unit.kind not in runtime(unit.runtime).kinds:
        served = ", ".join(runtime(unit.runtime).kinds)
        fitting = ", ".join(name for name in runtime_names() if unit.kind in runtime(name).kinds)
        text = f"runtime {shown(unit.runtime)} serves {served}, not {unit.kind}; use one of {fitting}"
        yield Fault(path, text)


def _port_faults(path: Path_, port: Port) -> Iterator[Fault]:
    most = 2 * min(port.outstanding, port.writes or port.outstanding)
    if port.together is not None and port.together > most:
        text = f"found {port.together}; a copy has twice the scarcer direction under way, write {most} at most"
        yield Fault((*path, "together"), text)


def _kind_faults(at: Path_, unit: AnyUnit) -> Iterator[Fault]:
    if isinstance(unit, Npu) and unit.default_cores > unit.cores:
        text = f"found {unit.default_cores}; the unit has {unit.cores} cores, write {unit.cores} at most"
        yield Fault((*at, "default_cores"), text)
    if isinstance(unit, Npu):
        yield from _array_faults(at, unit)
        yield from _arrangement_faults((*at, "array"), unit)
    if isinstance(unit, CpuCluster):
        yield from _cache_faults((*at, "caches"), unit)
        if not (unit.isa or unit.macs_per_cycle):
            text = "neither isa nor macs_per_cycle says what the cores multiply; write isa: [neon], for instance"
            yield Fault((*at, "isa"), text)


def _array_faults(at: Path_, unit: Npu) -> Iterator[Fault]:
    """Converters exist in one kind of array alone, and a weight must fit a row of its cells; blocks have one core."""
    if isinstance(unit.array, BlocksArray):
        yield from _block_faults(at, unit, unit.array)
    array, path = unit.array, (*at, "energy", "conversion")
    if not isinstance(array, InMemoryArray):
        if unit.energy.conversion is not None:
            yield Fault(path, f"an array of kind {shown(array.kind)} has no converters; leave it out")
        return
    if unit.energy.conversion is None:
        what = f'converters of an array of kind {shown(array.kind)} cost energy, write such as "{Energy.example}"'
        yield Fault(path, f"missing; {what}")
    widest = max(unit.precisions, key=lambda name: DType(name).bits, default=None)
    columns = array.columns_per_weight(DType(widest).bits) if widest else 0
    if columns > array.columns:
        takes = f"a weight of type {shown(widest)} takes {columns} columns of {array.cell_bits}-bit cells"
        yield Fault((*at, "array", "columns"), f"found {array.columns}; {takes}, write {columns} or more")


def _block_faults(at: Path_, unit: Npu, array: BlocksArray) -> Iterator[Fault]:
    if unit.cores > 1:
        text = f"found {unit.cores}; sets of multipliers that divide a block are its `engines`, write 1"
        yield Fault((*at, "cores"), text)
    if unit.sparsity is not None:
        yield Fault((*at, "sparsity"), f"an array of kind {shown(array.kind)} gains nothing from zeros; leave it out")
    taken = array.output_banks + array.table_banks
    if unit.buffer.value < (taken + 4) * array.bank.value:
        least = f'{taken} banks of "{array.bank}" are for output and tables, write four banks more at least'
        yield Fault((*at, "buffer"), f'found "{unit.buffer}"; {least}')


def _arrangement_faults(at: Path_, unit: Npu) -> Iterator[Fault]:
    """No arrangement of an unrolled array has more multipliers than the first."""
    if not isinstance(unit.array, UnrolledArray):
        return
    array, most = unit.array, prod(unit.array.unroll.values())
    others: list[tuple[Path_, dict[str, int]]] = [(("depthwise",), array.depthwise)]
    others += [(("alternatives", i), arrangement) for i, arrangement in enumerate(array.alternatives)]
    for path, arrangement in others:
        if (found := prod(arrangement.values())) > most:
            yield Fault((*at, *path), f"found {found} multipliers; `unroll` has {most}, write {most} at most")


def _cache_faults(path: Path_, unit: CpuCluster) -> Iterator[Fault]:
    for position, (inner, outer) in enumerate(pairwise(unit.caches), start=1):
        if _CACHE_ORDER.index(outer.level) <= _CACHE_ORDER.index(inner.level):
            text = f"{outer.level} follows {inner.level}; list each level once, from L1 outwards"
            yield Fault((*path, position), text)
        elif outer.size < inner.size:
            text = f"{outer.level} of {outer.size} is smaller than {inner.level} of {inner.size}; levels grow outwards"
            yield Fault((*path, position), text)


def _memory_faults(sections: Sections, name: str, unit: AnyUnit) -> Iterator[Fault]:
    reachable = _reachable(sections, name)
    apart: set[str] = set()
    for role in ("activations", "weights"):
        path = ("units", name, role)
        yield from repeated(path, getattr(unit, role))
        for position, memory in enumerate(getattr(unit, role)):
            if text := sections.unknown(memory, "memory", "memories"):
                yield Fault((*path, position), text)
            elif isinstance(cache := sections.file.memories.get(memory), SystemCache):
                text = f"{shown(memory)} keeps lines of {shown(cache.serves)}; name that memory"
                yield Fault((*path, position), text)
            elif reachable is not None and memory not in reachable | apart:
                apart.add(memory)
                text = f"no link leads from {shown(name)} to {shown(memory)}; add both to a link's `connects`"
                yield Fault((*path, position), text)
            elif role == "activations" and _is_read_only(sections.file.memories.get(memory)):
                text = f"memory {shown(memory)} cannot be written in operation; name one that can"
                yield Fault((*path, position), text)


def _is_read_only(memory: AnyMemory | None) -> bool:
    return isinstance(memory, SerialMemory) and memory.write is None


def _reachable(sections: Sections, start: str) -> set[str] | None:
    """Return what links lead to from a unit; None where a link is unsound, so that nobody can say."""
    links = sections.file.links
    ends = [end for link in links.values() for end in link.connects]
    misspelt = any(sections.unknown(end, "part", "units", "memories", "links") for end in ends)
    if misspelt or not links or len(links) < len(sections.names["links"] or ()):
        return None
    frontier = [name for name, link in links.items() if start in link.connects]
    seen = set(frontier)
    while frontier:
        joined = neighbours(links, frontier.pop())
        frontier += [name for name in joined if name in links and name not in seen]
        seen.update(joined)
    return seen


# --- links and order ----------------------------------------------------------------------------------


def _link_faults(sections: Sections) -> Iterator[Fault]:
    for name, link in sections.file.links.items():
        at = ("links", name)
        yield from repeated((*at, "connects"), link.connects)
        for position, end in enumerate(link.connects):
            if end == name:
                yield Fault((*at, "connects", position), f"{shown(name)} connects to itself; name another part")
            elif text := sections.unknown(end, "unit, memory or link", "units", "memories", "links"):
                yield Fault((*at, "connects", position), text)
            elif isinstance(cache := sections.file.memories.get(end), SystemCache):
                text = f"a system cache lies where the memory behind it does; name {shown(cache.serves)} alone"
                yield Fault((*at, "connects", position), text)
        for table, arbitration in (("weights", "weighted"), ("priorities", "priority")):
            entries = getattr(link, table)
            if entries and link.arbitration != arbitration:
                text = f'arbitration "{link.arbitration}" does not use them; write arbitration: {arbitration}'
                yield Fault((*at, table), text)
            for end in entries:
                if text := sections.unknown(end, "unit", "units"):
                    yield Fault((*at, table, end), text)


def _preference_faults(sections: Sections) -> Iterator[Fault]:
    yield from repeated(("preference",), sections.file.preference)
    for position, name in enumerate(sections.file.preference):
        if text := sections.unknown(name, "unit", "units"):
            yield Fault(("preference", position), text)


def _name_faults(sections: Sections) -> Iterator[Fault]:
    """Links join units, memories and other links by name, so that a name means one part."""
    for section, others in (("memories", ("units",)), ("links", ("units", "memories"))):
        for name in sections.names[section] or ():
            for other in others:
                if name in (sections.names[other] or ()):
                    text = f"{shown(name)} is also the name of a part in {other}; rename one of them"
                    yield Fault((section, name), text)
