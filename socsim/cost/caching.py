"""What caches keep between operators: which operands a kernel must fetch from memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from socsim.cost.work import Kernel, Operand


def missed(operands: tuple[Operand, ...], cache_bytes: int) -> tuple[Operand, ...]:
    """Return the operands that do not stay in a cache between producer and consumer.

    Assumes: half of the last-level cache keeps what the previous operator wrote, the other half serves
    the running kernel; an operand stays whole or not at all.
    """
    return tuple(o for o in operands if 2 * o.bytes > cache_bytes)


def gemm_cache_bytes(kernel: Kernel, block_rows: int, block_columns: int) -> int:
    """Return bytes that a blocked kernel pulls through the cache beside its registers.

    A register block of `block_rows` x `block_columns` results reads each weight once for every
    `block_rows` positions and each input once for every `block_columns` channels (Goto and van de
    Geijn, "Anatomy of high-performance matrix multiplication", ACM TOMS 2008).
    """
    reads = sum(nest.macs // block_rows + nest.macs // block_columns for nest in kernel.loops)
    return reads * kernel.element_bits // 8 + kernel.output_bytes
