"""Data movement as index arithmetic: where in the operand each element of the result comes from.

A rule takes the index of a result element, a tuple of integers, and returns that of the source; None stands
for an element that the operator fills in. Nothing here calls the code under test.
"""

from __future__ import annotations

from itertools import product
from math import prod
from typing import TYPE_CHECKING

from oracle_mac import wrap

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    Index = tuple[int, ...]


def indices(shape: Sequence[int]) -> Iterator[Index]:
    """Every index of a shape, the last axis fastest."""
    return product(*(range(n) for n in shape))


def flat(index: Index, shape: Sequence[int]) -> int:
    """Position in memory."""
    position = 0
    for i, n in zip(index, shape, strict=True):
        position = position * n + i
    return position


def unflat(position: int, shape: Sequence[int]) -> Index:
    found = []
    for n in reversed(shape):
        found.append(position % n)
        position //= n
    return tuple(reversed(found))


def view(index: Index, shape: Sequence[int], result: Sequence[int]) -> Index:
    return unflat(flat(index, result), shape)


def transpose(index: Index, permutation: Sequence[int]) -> Index:
    source = [0] * len(index)
    for i, axis in zip(index, permutation, strict=True):
        source[axis] = i
    return tuple(source)


def reverse(index: Index, shape: Sequence[int], axes: Sequence[int]) -> Index:
    gone = {a % len(shape) for a in axes}
    return tuple(n - 1 - i if d in gone else i for d, (i, n) in enumerate(zip(index, shape, strict=True)))


def box(index: Index, begin: Sequence[int]) -> Index:
    return tuple(i + b for i, b in zip(index, begin, strict=True))


def strided_axis(bounds: tuple[int, int, int], size: int, begin_open: bool, end_open: bool) -> list[int]:
    """Positions along one axis from begin to before end; negative bounds count from the end, others are clamped."""
    begin, end, step = bounds
    first, last = (0, size) if step > 0 else (size - 1, -1)
    least, most = (0, size) if step > 0 else (-1, size - 1)
    start = first if begin_open else min(max(begin + size if begin < 0 else begin, least), most)
    stop = last if end_open else min(max(end + size if end < 0 else end, least), most)
    positions = []
    while start < stop if step > 0 else start > stop:
        positions.append(start)
        start += step
    return positions


def strided(shape: Sequence[int], bounds: Sequence[tuple[int, int, int]], masks: dict[str, int]) -> list[list[int]]:
    """Positions along every axis, for slices without new axes and ellipses."""
    found = []
    for axis, size in enumerate(shape):
        bit = 1 << axis
        if masks.get("shrink_axis", 0) & bit:
            begin = bounds[axis][0]
            found.append([begin + size if begin < 0 else begin])
        else:
            found.append(
                strided_axis(bounds[axis], size, bool(masks.get("begin", 0) & bit), bool(masks.get("end", 0) & bit))
            )
    return found


def gather(index: Index, chosen: dict[Index, int], ranks: tuple[int, int, int]) -> Index:
    """`chosen`: indices by place; `ranks`: axis, dimensions of the indices, leading dimensions that both share."""
    axis, rank, batch = ranks
    place = index[:batch] + index[axis : axis + rank - batch]
    return (*index[:axis], chosen[place], *index[axis + rank - batch :])


def gather_nd(index: Index, tuples: dict[Index, Index], rank: int, batch: int = 0) -> Index:
    """`tuples`: index tuples by place, `rank` the dimensions of the places, of which `batch` are the operand's too."""
    return index[:batch] + tuples[index[:rank]] + index[rank:]


COMBINED = {
    "none": lambda old, new: new, "add": lambda old, new: wrap(old + new, 32),
    "mul": lambda old, new: wrap(old * new, 32), "max": max, "min": min,
}  # fmt: skip


def scatter_nd(
    values: dict[Index, int], updates: dict[Index, int], tuples: dict[Index, Index], rank: int, reduction: str
) -> list[int]:
    """`values`: what the updates of 32 bits land on, in order."""
    out = dict(values)
    for index, value in updates.items():
        place = tuples[index[:rank]] + index[rank:]
        out[place] = COMBINED[reduction](out[place], value)
    return list(out.values())


def update_start(start: Sequence[int], shape: Sequence[int], update: Sequence[int]) -> list[int]:
    """Where an update lands: moved inside the operand."""
    return [min(max(s, 0), n - m) for s, n, m in zip(start, shape, update, strict=True)]


def tile(index: Index, shape: Sequence[int]) -> Index:
    return tuple(i % n for i, n in zip(index, shape, strict=True))


def broadcast(index: Index, shape: Sequence[int]) -> Index:
    """Source of an element of a result with more or longer axes."""
    return tuple(i if n > 1 else 0 for i, n in zip(index[len(index) - len(shape) :], shape, strict=True))


def concatenated(index: Index, axis: int, sizes: Sequence[int]) -> tuple[int, Index]:
    """Operand and index in it."""
    at, operand = index[axis], 0
    while at >= sizes[operand]:
        at -= sizes[operand]
        operand += 1
    return operand, (*index[:axis], at, *index[axis + 1 :])


def padded(index: Index, shape: Sequence[int], widths: Sequence[Sequence[int]]) -> Index | None:
    source = tuple(i - before for i, (before, _) in zip(index, widths, strict=True))
    return source if all(0 <= i < n for i, n in zip(source, shape, strict=True)) else None


def mirrored(index: Index, shape: Sequence[int], widths: Sequence[Sequence[int]], with_edge: bool) -> Index:
    """Borders no wider than the operand: each element is reflected at most once."""
    source = []
    for i, n, (before, _) in zip(index, shape, widths, strict=True):
        at = i - before
        if at < 0:
            at = -at - with_edge
        elif at >= n:
            at = 2 * n - 2 - at + with_edge
        source.append(at)
    return tuple(source)


def repeated(index: Index, shape: Sequence[int], widths: Sequence[Sequence[int]], around: bool) -> Index:
    """Borders of the nearest edge, or of the other side."""
    at = [i - before for i, (before, _) in zip(index, widths, strict=True)]
    return tuple(i % n if around else min(max(i, 0), n - 1) for i, n in zip(at, shape, strict=True))


# --- blocks of images -----------------------------------------------------------------------------------


def depth_to_space(index: Index, block: int, channels: int) -> Index:
    """NHWC; `channels` of the result."""
    b, y, x, c = index
    return b, y // block, x // block, ((y % block) * block + x % block) * channels + c


def space_to_depth(index: Index, block: int, channels: int) -> Index:
    """NHWC; `channels` of the operand."""
    b, y, x, c = index
    place = c // channels
    return b, y * block + place // block, x * block + place % block, c % channels


def depth_to_space_first(index: Index, block: int, channels: int, by_column: bool) -> Index:
    """NCHW: the block is the outer number of a channel (DCR), or the inner one (CRD)."""
    b, c, y, x = index
    place = (y % block) * block + x % block
    return b, c * block * block + place if by_column else place * channels + c, y // block, x // block


def space_to_depth_first(index: Index, block: int, channels: int) -> Index:
    """NCHW; `channels` of the operand."""
    b, c, y, x = index
    place = c // channels
    return b, c % channels, y * block + place // block, x * block + place % block


def space_to_batch(index: Index, shape: Sequence[int], block: Sequence[int], paddings: Sequence[Sequence[int]]):
    """Source, None in the border; `shape` of the operand."""
    place, batch = divmod(index[0], shape[0])
    offsets = unflat(place, block)
    pixel = [i * n + o - p[0] for i, n, o, p in zip(index[1:], block, offsets, paddings, strict=False)]
    inside = all(0 <= i < n for i, n in zip(pixel, shape[1:], strict=False))
    return (batch, *pixel, *index[1 + len(block) :]) if inside else None


def batch_to_space(index: Index, shape: Sequence[int], block: Sequence[int], crops: Sequence[Sequence[int]]) -> Index:
    """`shape` of the operand."""
    batches = shape[0] // prod(block)
    whole = [i + c[0] for i, c in zip(index[1:], crops, strict=False)]
    place = flat(tuple(i % n for i, n in zip(whole, block, strict=True)), block)
    pixel = [i // n for i, n in zip(whole, block, strict=True)]
    return (place * batches + index[0], *pixel, *index[1 + len(block) :])
