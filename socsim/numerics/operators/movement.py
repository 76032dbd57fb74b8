"""Data movement and views: elements change place, never value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from socsim.errors import NumericsError
from socsim.numerics.node import implements
from socsim.numerics.operators.operands import is_quantized, output_dtype

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from socsim.numerics.arrays import Array
    from socsim.numerics.node import Node, Run


def parameters(node: Node, *names: str, first: int = 1) -> Callable[[Sequence[Array | None]], list[Array]]:
    """Return a function that finds shape-like operands, given all operands of a call.

    Importers turn those that are constant into attributes; the others stay, in order, from operand
    `first` on.
    """
    fixed = {name: np.asarray(node.attributes[name]) for name in names if name in node.attributes}
    rest = [name for name in names if name not in fixed]

    def find(operands: Sequence[Array | None]) -> list[Array]:
        given = dict(zip(rest, operands[first:], strict=False))
        missing = [name for name in rest if given.get(name) is None]
        if missing:
            raise NumericsError(f"{node.where}: {', '.join(missing)} missing")
        return [fixed[name] if name in fixed else np.asarray(given[name]) for name in names]

    return find


def _contiguous(values: Array) -> Array:
    """Return an array in C order; scalars stay scalars, which `np.ascontiguousarray` makes vectors of."""
    return np.asarray(values, order="C")


@implements("RESHAPE", "SQUEEZE", "EXPAND_DIMS", "IDENTITY")
def prepare_view(node: Node) -> Run:
    """The same elements under the result's shape."""
    shape = node.outputs[0].shape
    return lambda x, *_: (x.reshape(shape),)


@implements("SHAPE")
def prepare_shape(node: Node) -> Run:
    """Dimensions of the operand."""
    result = np.array(node.input(0).shape, output_dtype(node))
    return lambda _: (result,)


@implements("RANK")
def prepare_rank(node: Node) -> Run:
    """Number of dimensions of the operand."""
    result = np.array(len(node.input(0).shape), output_dtype(node)).reshape(node.outputs[0].shape)
    return lambda _: (result,)


@implements("TRANSPOSE")
def prepare_transpose(node: Node) -> Run:
    """Axes in another order."""
    find = parameters(node, "permutation")
    return lambda *x: (_contiguous(np.transpose(x[0], [int(a) for a in find(x)[0]])),)


@implements("REVERSE")
def prepare_reverse(node: Node) -> Run:
    """Elements of some axes in reverse."""
    find = parameters(node, "axes")
    return lambda *x: (_contiguous(np.flip(x[0], tuple(int(a) for a in np.atleast_1d(find(x)[0])))),)


@implements("SPLIT")
def prepare_split(node: Node) -> Run:
    """Parts along an axis, of the sizes of the results."""
    axis = node.attributes.get("axis")
    if axis is None:
        raise NumericsError(f"{node.where}: its axis is computed; a constant is required")
    ends = np.cumsum([t.shape[axis] for t in node.outputs])[:-1]
    return lambda x, *_: tuple(_contiguous(part) for part in np.split(x, ends, axis=axis))


@implements("PACK")
def prepare_pack(node: Node) -> Run:
    """Operands stacked along a new axis."""
    axis = node.attributes["axis"]
    return lambda *x: (np.stack(x, axis=axis),)


@implements("UNPACK")
def prepare_unpack(node: Node) -> Run:
    """Slices along an axis, which goes."""
    axis = node.attributes["axis"]
    return lambda x: tuple(_contiguous(part) for part in np.moveaxis(x, axis, 0))


@implements("SLICE")
def prepare_slice(node: Node) -> Run:
    """A box of `size` elements from `begin`; size -1 reaches to the end."""
    find = parameters(node, "begin", "size")

    def run(*operands: Array) -> tuple[Array, ...]:
        x = operands[0]
        begin, size = find(operands)
        ends = [n if s == -1 else b + s for b, s, n in zip(begin, size, x.shape, strict=True)]
        if any(not 0 <= b <= e <= n for b, e, n in zip(begin, ends, x.shape, strict=True)):
            raise NumericsError(f"{node.where}: from {begin.tolist()}, size {size.tolist()} is outside {x.shape}")
        return (_contiguous(x[tuple(slice(int(b), int(e)) for b, e in zip(begin, ends, strict=True))]),)

    return run


@implements("STRIDED_SLICE")
def prepare_strided_slice(node: Node) -> Run:
    """Elements from `begin` to `end` in steps, with bit masks for open ends, new axes and axes to drop."""
    find = parameters(node, "begin", "end", "strides")
    masks = {name: int(node.attributes.get(f"{name}_mask", 0)) for name in _MASKS}
    offset = bool(node.attributes.get("offset", False))

    def run(*operands: Array) -> tuple[Array, ...]:
        begin, end, strides = find(operands)
        end = begin + end if offset else end
        index = tuple(_index(i, (begin, end, strides), masks) for i in range(len(begin)))
        return (np.ascontiguousarray(operands[0][index]).reshape(node.outputs[0].shape),)

    return run


_MASKS = ("begin", "end", "ellipsis", "new_axis", "shrink_axis")


def _index(i: int, bounds: tuple[Array, Array, Array], masks: dict[str, int]) -> Any:
    """Return what one position of a strided slice means to NumPy."""
    begin, end, stride = (int(v[i]) for v in bounds)
    bit = 1 << i
    if masks["ellipsis"] & bit:
        return Ellipsis
    if masks["new_axis"] & bit:
        return None
    if masks["shrink_axis"] & bit:
        return begin
    return slice(None if masks["begin"] & bit else begin, None if masks["end"] & bit else end, stride)


def _in_range(node: Node, indices: Array, size: int) -> None:
    if indices.size and (int(indices.min()) < 0 or int(indices.max()) >= size):
        msg = f"{node.where}: indices {int(indices.min())} to {int(indices.max())}; 0 to {size - 1} are allowed"
        raise NumericsError(msg)


@implements("GATHER")
def prepare_gather(node: Node) -> Run:
    """Slices along an axis, chosen by index."""
    axis, batch = node.attributes.get("axis", 0), node.attributes.get("batch_dims", 0)

    def run(x: Array, indices: Array) -> tuple[Array, ...]:
        _in_range(node, indices, x.shape[axis])
        if batch == 0:
            return (np.take(x, indices, axis=axis),)
        outer = x.shape[:batch]
        rows, chosen = x.reshape(-1, *x.shape[batch:]), indices.reshape(-1, *indices.shape[batch:])
        parts = [np.take(r, i, axis=axis - batch) for r, i in zip(rows, chosen, strict=True)]
        return (np.stack(parts).reshape(*outer, *parts[0].shape),)

    return run


@implements("GATHER_ND")
def prepare_gather_nd(node: Node) -> Run:
    """Elements or slices at index tuples."""

    def run(x: Array, indices: Array) -> tuple[Array, ...]:
        for i in range(indices.shape[-1]):
            _in_range(node, indices[..., i], x.shape[i])
        return (x[tuple(np.moveaxis(indices, -1, 0))],)

    return run


@implements("SCATTER_ND")
def prepare_scatter_nd(node: Node) -> Run:
    """Updates added to zeros at index tuples."""
    shape = node.outputs[0].shape

    def run(indices: Array, updates: Array, *_: Array) -> tuple[Array, ...]:
        for i in range(indices.shape[-1]):
            _in_range(node, indices[..., i], shape[i])
        out = np.zeros(shape, updates.dtype)
        np.add.at(out, tuple(np.moveaxis(indices, -1, 0)), updates)
        return (out,)

    return run


@implements("EMBEDDING_LOOKUP")
def prepare_embedding(node: Node) -> Run:
    """Rows of a table; operands are (indices, table)."""

    def run(indices: Array, table: Array) -> tuple[Array, ...]:
        _in_range(node, indices, table.shape[0])
        return (table[indices],)

    return run


@implements("DYNAMIC_UPDATE_SLICE")
def prepare_update_slice(node: Node) -> Run:
    """An operand with a box overwritten; the start is moved so that the box fits."""

    def run(x: Array, update: Array, start: Array) -> tuple[Array, ...]:
        out = x.copy()
        first = [min(max(int(s), 0), n - m) for s, n, m in zip(start, x.shape, update.shape, strict=True)]
        out[tuple(slice(f, f + m) for f, m in zip(first, update.shape, strict=True))] = update
        return (out,)

    return run


@implements("ONE_HOT")
def prepare_one_hot(node: Node) -> Run:
    """The on-value at an index along a new axis, the off-value elsewhere."""
    find = parameters(node, "depth")
    axis = node.attributes.get("axis", -1)

    def run(*operands: Array) -> tuple[Array, ...]:
        indices, on, off = operands[0], operands[-2], operands[-1]
        depth = int(find(operands)[0])
        rank = indices.ndim + 1
        position = np.arange(depth).reshape([-1 if i == axis % rank else 1 for i in range(rank)])
        return (np.where(np.expand_dims(indices, axis) == position, on, off).astype(on.dtype),)

    return run


@implements("TILE")
def prepare_tile(node: Node) -> Run:
    """Repetitions along each axis."""
    find = parameters(node, "multiples")
    return lambda *x: (np.tile(x[0], [int(m) for m in find(x)[0]]),)


@implements("BROADCAST_TO")
def prepare_broadcast(node: Node) -> Run:
    """Repetition of dimensions of one."""
    shape = node.outputs[0].shape
    return lambda x, *_: (_contiguous(np.broadcast_to(x, shape)),)


@implements("FILL")
def prepare_fill(node: Node) -> Run:
    """One value everywhere."""
    shape = node.outputs[0].shape
    return lambda *x: (np.full(shape, x[-1]),)


@implements("RANGE")
def prepare_range(node: Node) -> Run:
    """Numbers from a start, in steps, to before a limit."""
    dtype = output_dtype(node)

    def run(start: Array, limit: Array, step: Array) -> tuple[Array, ...]:
        if not step:
            raise NumericsError(f"{node.where}: its step is 0")
        return (np.arange(float(start), float(limit), float(step)).astype(dtype),)

    return run


@implements("CONCATENATION")
def prepare_concatenation(node: Node) -> Run:
    """Operands one after the other along an axis; unequal uint8 scales are brought to the result's.

    Source: TFLite reference/concatenation.h, ConcatenationWithScaling.
    """
    from socsim.numerics.operators.rescaled_copies import copies

    axis = node.attributes["axis"]
    converted = copies(node)
    return lambda *x: (np.concatenate([convert(part) for convert, part in zip(converted, x, strict=True)], axis=axis),)


@implements("PAD")
def prepare_pad(node: Node) -> Run:
    """A border of one value: real zero where none is given."""
    find = parameters(node, "paddings")
    has_value = len(node.op.inputs) > (1 if "paddings" in node.attributes else 2)
    zero = node.zero_point(node.outputs[0]) if is_quantized(node.outputs[0]) else 0

    def run(*operands: Array) -> tuple[Array, ...]:
        x = operands[0]
        widths = [tuple(int(v) for v in pair) for pair in find(operands)[0]]
        out = np.full(
            [b + n + a for (b, a), n in zip(widths, x.shape, strict=True)], operands[-1] if has_value else zero, x.dtype
        )
        out[tuple(slice(b, b + n) for (b, _), n in zip(widths, x.shape, strict=True))] = x
        return (out,)

    return run


@implements("MIRROR_PAD")
def prepare_mirror_pad(node: Node) -> Run:
    """A border of mirrored elements, with or without the edge."""
    find = parameters(node, "paddings")
    mode: Any = "symmetric" if node.attributes.get("mode") == "SYMMETRIC" else "reflect"
    return lambda *x: (np.pad(x[0], [tuple(int(v) for v in pair) for pair in find(x)[0]], mode=mode),)


# --- blocks of an image -------------------------------------------------------------------------------


@implements("DEPTH_TO_SPACE")
def prepare_depth_to_space(node: Node) -> Run:
    """Channels to blocks of pixels, NHWC."""
    block = node.attributes["block_size"]
    shape = node.outputs[0].shape

    def run(x: Array) -> tuple[Array, ...]:
        n, h, w, c = x.shape
        blocks = x.reshape(n, h, w, block, block, c // block**2).transpose(0, 1, 3, 2, 4, 5)
        return (np.ascontiguousarray(blocks).reshape(shape),)

    return run


@implements("SPACE_TO_DEPTH")
def prepare_space_to_depth(node: Node) -> Run:
    """Blocks of pixels to channels, NHWC."""
    block = node.attributes["block_size"]
    shape = node.outputs[0].shape

    def run(x: Array) -> tuple[Array, ...]:
        n, h, w, c = x.shape
        blocks = x.reshape(n, h // block, block, w // block, block, c).transpose(0, 1, 3, 2, 4, 5)
        return (np.ascontiguousarray(blocks).reshape(shape),)

    return run


@implements("SPACE_TO_BATCH_ND")
def prepare_space_to_batch(node: Node) -> Run:
    """Padded blocks of pixels to the batch."""
    find = parameters(node, "block_shape", "paddings")
    zero = node.zero_point(node.outputs[0]) if is_quantized(node.outputs[0]) else 0

    def run(*operands: Array) -> tuple[Array, ...]:
        x = operands[0]
        block, paddings = find(operands)
        sizes, m = [int(b) for b in block], len(block)
        pads = [(0, 0), *[(int(b), int(a)) for b, a in paddings], *[(0, 0)] * (x.ndim - m - 1)]
        padded = np.pad(x, pads, constant_values=zero)
        spatial = [v for n, b in zip(padded.shape[1 : m + 1], sizes, strict=True) for v in (n // b, b)]
        split = padded.reshape(x.shape[0], *spatial, *x.shape[m + 1 :])
        order = [*range(2, 2 * m + 1, 2), 0, *range(1, 2 * m, 2), *range(2 * m + 1, split.ndim)]
        return (np.ascontiguousarray(split.transpose(order)).reshape(node.outputs[0].shape),)

    return run


@implements("BATCH_TO_SPACE_ND")
def prepare_batch_to_space(node: Node) -> Run:
    """The batch to blocks of pixels, cropped."""
    find = parameters(node, "block_shape", "crops")

    def run(*operands: Array) -> tuple[Array, ...]:
        x = operands[0]
        block, crops = find(operands)
        sizes, m = [int(b) for b in block], len(block)
        batch = x.shape[0] // int(np.prod(sizes))
        split = x.reshape(*sizes, batch, *x.shape[1:])
        order = [m, *[v for i in range(m) for v in (m + 1 + i, i)], *range(2 * m + 1, split.ndim)]
        spatial = [n * b for n, b in zip(x.shape[1 : m + 1], sizes, strict=True)]
        whole = split.transpose(order).reshape(batch, *spatial, *x.shape[m + 1 :])
        kept = tuple(slice(int(b), n - int(a)) for (b, a), n in zip(crops, spatial, strict=True))
        return (np.ascontiguousarray(whole[(slice(None), *kept)]),)

    return run
