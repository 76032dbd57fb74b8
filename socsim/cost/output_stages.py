"""What works beside an array on its results: stages with rates of their own, and the vector unit for the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from socsim.cost.model import as_fraction, cycles
from socsim.quantities import ceil_div

if TYPE_CHECKING:
    from collections.abc import Iterator

    from socsim.cost.work import Kernel
    from socsim.soc.schema import Npu


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage: what it is, and the cycles that each core spends in it."""

    what: str
    cycles: int

    def __str__(self) -> str:
        return f"{self.what} = {self.cycles:,} cycles"


def stages(kernel: Kernel, unit: Npu, cores: int, results: int) -> tuple[Stage, ...]:
    """Return the stages that a kernel's elements pass, all of which work at the same time.

    Args:
        kernel: the task.
        unit: description of the unit.
        cores: cores that share the work.
        results: what leaves the array, all cores, blocks of channels that leave whole counted whole; 0 for a
            kernel without products.
    """
    made = sum(nest.outputs for nest in kernel.loops)
    left = results if unit.outputs.whole_blocks else made
    return tuple(_stages(kernel, unit, cores, made, left))


def _stages(kernel: Kernel, unit: Npu, cores: int, made: int, left: int) -> Iterator[Stage]:
    """Yield the stages of a kernel whose array makes some results, of which more may leave it."""
    rates, staged, rest = unit.outputs, kernel.staged, kernel.vector_elements
    if rates.results and left:
        rest -= made
        yield _stage(left, "results", rates.results, cores)
    if rates.functions and staged.functions:
        rest -= staged.function_operations
        passing = ceil_div(staged.functions * left, made) if made else staged.functions
        yield _stage(passing, "functions from a table", rates.functions, cores)
    if rates.pools and staged.pooled:
        rest -= staged.pool_operations
        yield _stage(staged.pooled, "elements into a pool", rates.pools, cores)
    if rest > 0:
        if unit.vector_bits is not None:
            rest = ceil_div(rest * max(kernel.element_bits, unit.vector_bits), unit.vector_bits)
        yield _stage(rest, "element operations of the vector unit", unit.vector, cores)


def _stage(amount: int, what: str, rate: float, cores: int) -> Stage:
    on = f" on each of {cores} cores" if cores > 1 else ""
    return Stage(f"{amount:,} {what} at {rate:g} a cycle{on}", cycles(amount, as_fraction(rate) * cores))
