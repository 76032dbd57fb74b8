"""Signs of a wrong cost model in what it returned: work that costs nothing, and arithmetic above the peak."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from fractions import Fraction

    from socsim.cost.work import Kernel, Work


def audit(kernel: Kernel, work: Work, rates: Mapping[str, Fraction]) -> Iterator[str]:
    """Yield what cannot be right about the Work of a kernel, in words.

    Executed multiply-accumulates count, not nominal ones: Winograd's algorithm does fewer.

    Args:
        kernel: what the model was asked about.
        work: its answer.
        rates: peak multiply-accumulates a cycle of the unit, by type.
    """
    count = sum(phase.compute_cycles for phase in work.phases)
    if kernel.macs and not (count and work.executed_macs):
        yield f"{kernel.macs} MACs take {count} cycles, {work.executed_macs} of them are executed"
    peak = rates.get(kernel.dtype, 0)
    if work.executed_macs > peak * count:
        yield f"{work.executed_macs} MACs are executed in {count} cycles, at most {float(peak):g} a cycle"
    if not count and not any(phase.transfers for phase in work.phases):
        yield "it neither computes nor moves anything"
