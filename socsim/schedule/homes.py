"""What of a platform decides where tensors lie: nothing else of it can, so that platforms may share a plan."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from socsim.soc.schema import Npu, SensingHub

if TYPE_CHECKING:
    from collections.abc import Mapping

    from socsim.soc.platform import Platform
    from socsim.soc.schema import AnyUnit


@dataclass(frozen=True, slots=True)
class Reach:
    """The memories of a unit, best first.

    Args:
        activations: for activations.
        weights: for constants.
        cascades: whether it can run operators stripe by stripe in turn.
    """

    activations: tuple[str, ...]
    weights: tuple[str, ...]
    cascades: bool

    def memories(self, *, constant: bool) -> tuple[str, ...]:
        """Return the memories for constants, or for activations."""
        return self.weights if constant else self.activations


@dataclass(frozen=True)
class Homes:
    """Memories and who reaches them; equal ones give equal plans.

    Args:
        platform: whose they are, for messages.
        rooms: bytes of each memory that networks may use, by name.
        off_chip: memories that are not on-chip SRAM.
        reaches: memories of each unit, by name.
    """

    platform: str
    rooms: tuple[tuple[str, int], ...]
    off_chip: frozenset[str]
    reaches: tuple[tuple[str, Reach], ...]

    @classmethod
    def of(cls, platform: Platform) -> Homes:
        """Return the homes that a platform has."""
        rooms = {name: memory.bytes for name, memory in platform.memories.items()}
        for unit in platform.units.values():
            if isinstance(unit, SensingHub):
                own = unit.activations[0]
                rooms[own] = max(0, rooms[own] - unit.reserved.value)
        off_chip = frozenset(name for name, memory in platform.memories.items() if memory.is_external)
        reaches = tuple((name, _reach(unit)) for name, unit in platform.units.items())
        return cls(platform.name, tuple(rooms.items()), off_chip, reaches)

    @cached_property
    def units(self) -> Mapping[str, Reach]:
        """Memories of each unit."""
        return dict(self.reaches)


def _reach(unit: AnyUnit) -> Reach:
    return Reach(tuple(unit.activations), tuple(unit.weights), isinstance(unit, Npu) and unit.cascade)
