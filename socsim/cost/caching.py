"""What caches do for a kernel: which operands must come from memory, and what each level feeds the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from socsim.quantities import ceil_div

if TYPE_CHECKING:
    from collections.abc import Sequence

    from socsim.cost.work import Operand
    from socsim.soc.schema import Cache


def missed(operands: tuple[Operand, ...], cache_bytes: int) -> tuple[Operand, ...]:
    """Return the operands that do not stay in a cache between producer and consumer.

    What another unit or the caller makes or reads always moves.

    Assumes: half of the last-level cache keeps what the previous operator wrote, the other half serves
    the running kernel; an operand stays whole or not at all.
    """
    return tuple(o for o in operands if not o.private or 2 * o.bytes > cache_bytes)


def blocked(left: int, right: int, left_room: int, right_room: int) -> int:
    """Return the bytes that a product of two operands brings into a cache.

    The cache holds a block of one operand while the other streams past it, once for each block; the operand
    that is held is the one that leaves less to bring in.

    Args:
        left: bytes of one operand.
        right: bytes of the other.
        left_room: bytes of the cache for a block of the left operand, where that is held.
        right_room: the same for the right one.

    Assumes: sums stay in registers, so that blocks of the depth cost nothing.

    Source: Goto and van de Geijn, "Anatomy of high-performance matrix multiplication", ACM TOMS 2008.
    """
    return min(left * ceil_div(right, right_room) + right, right * ceil_div(left, left_room) + left)


def holding_level(caches: Sequence[Cache], amount: int, cores: int) -> int:
    """Return the index of the innermost level that holds `amount` bytes, the last one where none does.

    Private caches share the amount, each with the part of its core.
    """
    return next(
        (i for i, c in enumerate(caches) if c.size.value >= (ceil_div(amount, cores) if c.scope == "core" else amount)),
        len(caches) - 1,
    )
