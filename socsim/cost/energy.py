"""Energy of work done: arithmetic, buffers, fabric and memories, by coefficients with sources.

Amounts are exact attojoules until a record is made, which rounds once to picojoules.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from socsim.soc.schema import Dram, SensingHub, Sram, SystemCache
from socsim.soc.technology import technology

if TYPE_CHECKING:
    from collections.abc import Iterable

    from socsim.cost.work import Transfer, Work
    from socsim.soc.platform import Platform

AJ_PER_PJ = 10**6


@dataclass(frozen=True, slots=True)
class TaskEnergy:
    """Picojoules of one task by the part that spends them.

    Args:
        unit: arithmetic, own buffers and busy cycles of the unit.
        memories: by memory.
        links: by link of the fabric.
        cycles: what busy cycles have in the unit's, whatever they compute.
    """

    unit: int
    memories: tuple[tuple[str, int], ...]
    links: tuple[tuple[str, int], ...]
    cycles: int

    @property
    def total(self) -> int:
        """Sum of the parts."""
        return self.unit + sum(pj for _, pj in self.memories) + sum(pj for _, pj in self.links)


class EnergyModel:
    """Energies of one platform at its operating points.

    Coefficients come from the unit or memory where the file gives them, from the technology of the
    process node otherwise; a unit's scale with the square of its voltage. A busy cycle of a processor costs
    at least the technology's instruction where the file has no measured figure.

    Assumes: operand values do not matter; a byte costs the same wherever in a memory it lies; a unit that
    waits (for memory, dispatch or another unit) costs its static power alone.
    Source: coefficients as `sources` of the platform and of `platforms/technology.yaml` say.
    """

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._technology = technology(platform.file.process)
        self._squares: dict[str, Fraction] = {}

    def task(self, unit: str, dtype: str, work: Work, moved: Iterable[Transfer]) -> TaskEnergy:
        """Return the energy of a task that ran `work` on a unit and moved these bytes."""
        memories: dict[str, int] = {}
        links: dict[str, int] = {}
        for transfer in moved:
            name = transfer.memory
            memories[name] = memories.get(name, 0) + self._memory_aj(transfer)
            for link in self._platform.path(unit, name):
                total = transfer.read_bytes + transfer.write_bytes
                links[link] = links.get(link, 0) + total * self._technology.link_byte
        cycles = work.core_cycles * self._cycle_aj(unit)
        return TaskEnergy(
            to_pj(self._at_voltage(unit, self._work_aj(unit, dtype, work) + cycles)),
            tuple((name, to_pj(aj)) for name, aj in sorted(memories.items())),
            tuple((name, to_pj(aj)) for name, aj in sorted(links.items())),
            to_pj(self._at_voltage(unit, cycles)),
        )

    def busy_nw(self, unit: str) -> int:
        """Return the power in nanowatts of one core of a unit that is always busy, static power left out."""
        return self._at_voltage(unit, self._cycle_aj(unit)) * self._platform.unit_hz(unit) // 10**9

    def _work_aj(self, unit: str, dtype: str, work: Work) -> int:
        own, node = self._platform.unit(unit).energy, self._technology
        mac = own.mac[dtype].value if dtype in own.mac else node.mac.get(dtype, node.mac["float32"])
        vector = own.vector_op.value if own.vector_op else node.vector_op
        local = own.local_byte.value if own.local_byte else node.local_byte
        return (
            work.executed_macs * mac
            + work.vector_elements * vector
            + work.local_bytes * local
            + work.conversions * (own.conversion.value if own.conversion else 0)
        )

    def _cycle_aj(self, unit: str) -> int:
        """Return what a busy cycle costs beside the arithmetic, at the voltage that figures hold for."""
        spec = self._platform.unit(unit)
        if spec.energy.cycle:
            return spec.energy.cycle.value
        return 0 if spec.kind == "npu" else self._technology.instruction

    def _at_voltage(self, unit: str, attojoules: int) -> int:
        """Return an energy at a unit's voltage, of one at the voltage that its figures hold for."""
        if unit not in self._squares:
            spec = self._platform.unit(unit)
            reference = spec.energy.voltage.value if spec.energy.voltage else None
            self._squares[unit] = self._platform.voltage_squared(spec.clock, reference)
        squared = self._squares[unit]
        return attojoules * squared.numerator // squared.denominator

    def _memory_aj(self, transfer: Transfer) -> int:
        memory, other = self._platform.memories[transfer.memory], self._byte_aj(transfer.memory)
        read = memory.read_aj_per_byte if memory.read_aj_per_byte is not None else other
        write = memory.write_aj_per_byte if memory.write_aj_per_byte is not None else other
        return transfer.read_bytes * read + transfer.write_bytes * write

    def _byte_aj(self, name: str) -> int:
        """Return the technology's figure for a byte in or out of a memory: by size on chip, by standard off it."""
        memory, node = self._platform.file.memories[name], self._technology
        if isinstance(memory, Sram | SystemCache):
            return node.sram_byte_at(memory.size.value)
        return node.off_chip[memory.technology if isinstance(memory, Dram) else memory.kind]

    def static(self, used_units: Iterable[str], makespan_ps: int) -> list[tuple[str, int]]:
        """Return static energy by power domain, then by memory, over a run; parts that draw nothing left out.

        Domains of used units are on, and so are domains without units (the rest of the chip) unless only
        an always-on hub works. Every other domain rests in its least powerful state, or is off where the
        file gives it none. A memory is awake while a used unit can reach it.

        Assumes: static power scales with the square of the voltage, as leakage does around an operating
        point (Weste and Harris, "CMOS VLSI Design", section 5.4).
        """
        used = list(used_units)
        on = self._domains_on(used)
        reached = {m for u in used for m in self._platform.reachable(u)}
        powers = [
            *((name, self.domain_nw(name, is_on=name in on)) for name in self._platform.file.power_domains),
            *((n, m.static_nw if n in reached else m.rest_nw) for n, m in self._platform.memories.items()),
        ]
        accounts = [(name, _static(power, makespan_ps)) for name, power in powers]
        return [(name, pj) for name, pj in accounts if pj]

    def waiting_nw(self, used_units: Iterable[str]) -> int:
        """Return the power in nanowatts while used units wait for the next inference.

        Their domains wait in their first state, from which they wake; all others rest in their least powerful
        one, and memories in theirs. A used domain without states stays on.
        """
        domains = {self._platform.units[u].power for u in used_units}
        states = {name: self._platform.file.power_domains[name].states for name in domains}
        waiting = {n: s[0].power.value if s else self.domain_nw(n, is_on=True) for n, s in states.items()}
        others = [n for n in self._platform.file.power_domains if n not in domains]
        resting = sum(self.domain_nw(n, is_on=False) for n in others)
        return sum(waiting.values()) + resting + sum(m.rest_nw for m in self._platform.memories.values())

    def _domains_on(self, used: list[str]) -> set[str]:
        units = self._platform.units
        on = {units[u].power for u in used}
        if any(not isinstance(units[u], SensingHub) for u in used):
            on |= set(self._platform.file.power_domains) - {u.power for u in units.values()}
        return on

    def domain_nw(self, name: str, *, is_on: bool) -> int:
        """Return the static power of a domain in nanowatts: on, or in its least powerful state."""
        domain = self._platform.file.power_domains[name]
        if not is_on:
            return min((s.power.value for s in domain.states), default=0)
        clocks = sorted({u.clock for u in self._platform.units.values() if u.power == name})
        reference = domain.voltage.value if domain.voltage else None
        squared = max((self._platform.voltage_squared(c, reference) for c in clocks), default=Fraction(1))
        return domain.static.value * squared.numerator // squared.denominator


def _static(power_nw: int, time_ps: int) -> int:
    """Return picojoules of a power in nanowatts (1 nW for 1 ps is 10**-21 J) over a time."""
    return (power_nw * time_ps + 5 * 10**8) // 10**9


def to_pj(attojoules: int) -> int:
    """Return picojoules, rounded half up once."""
    return (attojoules + AJ_PER_PJ // 2) // AJ_PER_PJ
