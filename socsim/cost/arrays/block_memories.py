"""Memories as a block engine sees them: cycles of its clock, and whole bursts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from socsim.quantities import PS_PER_S

if TYPE_CHECKING:
    from socsim.cost.arrays.engine import ArrayContext
    from socsim.soc.arrays import BlocksArray


class Memories:
    """Latencies, rates and bursts of the memories that a unit reaches.

    Args:
        context: the unit as it stands in a run.
        spec: its array.
    """

    def __init__(self, context: ArrayContext, spec: BlocksArray) -> None:
        self._context = context
        self._bursts: dict[str, int] = {kind: size.value for kind, size in spec.bursts.items()}

    @property
    def arena(self) -> str | None:
        """On-chip memory of the unit's activations; None where it has none."""
        known = self._context.memories
        return next((m for m in self._context.unit.activations if m in known and known[m].kind == "sram"), None)

    @property
    def outer(self) -> str:
        """Last memory of the unit's activations."""
        return self._context.unit.activations[-1]

    def latency(self, memory: str) -> int:
        """Return the cycles until a memory answers."""
        return self._context.memories[memory].latency_ps * self._context.hz // PS_PER_S

    def write_latency(self, memory: str) -> int:
        """Return the cycles until a memory acknowledges a write."""
        access = self._context.memories[memory]
        latency = access.latency_ps if access.written_latency_ps is None else access.written_latency_ps
        return latency * self._context.hz // PS_PER_S

    def time(self, memory: str, amount: int) -> int:
        """Return the cycles that a memory takes to move an amount."""
        return amount * self._context.hz // self._context.memories[memory].bytes_per_s

    def burst(self, memory: str) -> int:
        """Return the bytes that a memory moves at once."""
        return self._bursts.get(self._context.memories[memory].kind, 1)
