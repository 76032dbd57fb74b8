"""What caches do for a kernel: which operands must come from memory, and what feeds the registers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from socsim.quantities import ceil_div

if TYPE_CHECKING:
    from collections.abc import Sequence

    from socsim.cost.work import Operand
    from socsim.soc.schema import Cache
    from socsim.workload.loops import LoopNest


def missed(operands: tuple[Operand, ...], cache_bytes: int) -> tuple[Operand, ...]:
    """Return the operands that do not stay in a cache between producer and consumer.

    What another unit or the caller makes or reads always moves.

    Assumes: half of the last-level cache keeps what the previous operator wrote, the other half serves
    the running kernel; an operand stays whole or not at all.
    """
    return tuple(o for o in operands if not o.private or 2 * o.bytes > cache_bytes)


def gemm_reads(nest: LoopNest, block_rows: int, block_columns: int) -> tuple[int, int]:
    """Return (input, weight) elements that a blocked kernel loads into its registers.

    A register block of `block_rows` x `block_columns` results reads each weight once for every
    `block_rows` positions and each input once for every `block_columns` channels.

    Source: Goto and van de Geijn, "Anatomy of high-performance matrix multiplication", ACM TOMS 2008; the loop
    order is that of XNNPACK's GEMM micro-kernels, which do not block the depth.
    """
    positions = nest.n * nest.p * nest.q
    inputs = nest.g * positions * nest.c * nest.r * nest.s * ceil_div(nest.k, block_columns)
    return inputs, nest.weights * ceil_div(positions, block_rows)


def holding_level(caches: Sequence[Cache], amount: int) -> int:
    """Return the index of the innermost cache that holds `amount` bytes, the last one where none does.

    Of a private cache, one core's counts: cores divide the positions, and each reads all weights. Where
    no cache holds them, kernels block the output channels for the last one.
    """
    return next((i for i, cache in enumerate(caches) if cache.size.value >= amount), len(caches) - 1)
