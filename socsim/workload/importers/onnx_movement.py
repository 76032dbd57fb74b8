"""Lowering of operators that move data or look at it under another shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from socsim.workload.importers.onnx_rules import (
    Lowered,
    Unsupported,
    front,
    integers,
    optional_integers,
    scalar,
)

if TYPE_CHECKING:
    from socsim.workload.importers.onnx_model import Model, Node
    from socsim.workload.importers.onnx_rules import Rule


def reshape(model: Model, node: Node) -> Lowered:
    """Lower Reshape and Flatten; the shape is the result's, which is known."""
    return Lowered("RESHAPE", node.inputs[:1], {"shape": model.shape(node.outputs[0])})


def squeeze(model: Model, node: Node) -> Lowered:
    """Lower Squeeze."""
    shape = model.shape(node.inputs[0])
    axes = optional_integers(model, node, 1, "axes")
    found = (
        tuple(i for i, d in enumerate(shape) if d == 1)
        if axes is None
        else tuple(sorted(front(a, len(shape)) for a in axes))
    )
    return Lowered("SQUEEZE", node.inputs[:1], {"axes": found})


def unsqueeze(model: Model, node: Node) -> Lowered:
    """Lower Unsqueeze; `axis` is there when it adds one dimension."""
    rank = len(model.shape(node.outputs[0]))
    axes = tuple(sorted(front(a, rank) for a in optional_integers(model, node, 1, "axes") or ()))
    attributes: dict[str, Any] = {"axes": axes}
    if len(axes) == 1:
        attributes["axis"] = axes[0]
    return Lowered("EXPAND_DIMS", node.inputs[:1], attributes)


def transpose(model: Model, node: Node) -> Lowered:
    """Lower Transpose; without a permutation it reverses the dimensions."""
    rank = len(model.shape(node.inputs[0]))
    permutation = tuple(node.attribute("perm") or range(rank - 1, -1, -1))
    return Lowered("TRANSPOSE", node.inputs, {"permutation": permutation})


def concat(model: Model, node: Node) -> Lowered:
    """Lower Concat."""
    rank = len(model.shape(node.outputs[0]))
    return Lowered(
        "CONCATENATION",
        node.inputs,
        {"axis": front(int(node.attribute("axis", 0)), rank), "activation": "NONE"},
    )


def split(model: Model, node: Node) -> Lowered:
    """Lower Split; the sizes are those of the results."""
    axis = front(int(node.attribute("axis", 0)), len(model.shape(node.inputs[0])))
    sizes = tuple(model.shape(name)[axis] for name in node.outputs if name)
    return Lowered("SPLIT", node.inputs[:1], {"axis": axis, "sizes": sizes, "num_splits": len(sizes)})


def slice_(model: Model, node: Node) -> Lowered:
    """Lower Slice: SLICE where all steps are 1, else STRIDED_SLICE."""
    shape = model.shape(node.inputs[0])
    starts, ends = (integers(model, node.operand(i), "its bounds") for i in (1, 2))
    axes = integers(model, node.operand(3), "its axes") if node.operand(3) else tuple(range(len(starts)))
    steps = integers(model, node.operand(4), "its steps") if node.operand(4) else (1,) * len(starts)
    begin, end, strides, end_mask = [0] * len(shape), list(shape), [1] * len(shape), 0
    for start, stop, axis, step in zip(starts, ends, axes, steps, strict=True):
        i = front(axis, len(shape))
        strides[i] = step
        begin[i], end[i] = _bounds(start, stop, step, shape[i])
        end_mask |= (end[i] < 0) << i  # backwards over the first element: no number says that
    if set(strides) <= {1}:
        return Lowered("SLICE", node.inputs[:1], {"begin": tuple(begin), "size": model.shape(node.outputs[0])})
    attributes = {"begin": tuple(begin), "end": tuple(end), "strides": tuple(strides), "end_mask": end_mask}
    return Lowered("STRIDED_SLICE", node.inputs[:1], attributes)


def _bounds(start: int, stop: int, step: int, length: int) -> tuple[int, int]:
    """Return clamped bounds; the end of a backward slice that takes the first element is -1."""
    if step == 0:
        msg = "a step of 0"
        raise ValueError(msg)
    first, last, _ = slice(start, stop, step).indices(length)
    return first, last


def pad(model: Model, node: Node) -> Lowered:
    """Lower Pad: PAD for a constant or the edge, MIRROR_PAD for a reflection; a computed value is an operand."""
    rank = len(model.shape(node.inputs[0]))
    pads = optional_integers(model, node, 1, "pads") or ()
    axes = integers(model, node.operand(3), "its axes") if node.operand(3) else tuple(range(rank))
    if any(p < 0 for p in pads):
        msg = "negative pads"
        raise Unsupported(msg)
    paddings = [(0, 0)] * rank
    for axis, before, after in zip(axes, pads[: len(axes)], pads[len(axes) :], strict=True):
        paddings[front(axis, rank)] = (before, after)
    mode = node.attribute("mode", "constant")
    attributes: dict[str, Any] = {"paddings": tuple(paddings), "mode": mode}
    if mode == "reflect":
        return Lowered("MIRROR_PAD", node.inputs[:1], attributes)
    name = node.operand(2)
    value = scalar(model, name) if name else float(node.attribute("value", 0.0))
    if value is None and mode == "constant":
        return Lowered("PAD", [node.inputs[0], name], attributes)
    return Lowered("PAD", node.inputs[:1], {**attributes, "value": value or 0.0})


_COORDINATES = {
    "half_pixel": (False, True), "pytorch_half_pixel": (False, True), "align_corners": (True, False),
    "asymmetric": (False, False), "half_pixel_symmetric": (False, True),
}  # fmt: skip
_ROI = 11  # from this opset on, Resize has a region of interest before its scales
_RESIZES = {"nearest": "RESIZE_NEAREST_NEIGHBOR", "linear": "RESIZE_BILINEAR"}


def resize(model: Model, node: Node) -> Lowered:
    """Lower Resize of rows and columns; `scales` are there where the file gives them, and not the sizes."""
    before, after = model.shape(node.inputs[0]), model.shape(node.outputs[0])
    is_first = model.opset < _ROI
    mode, coordinates = (
        node.attribute("mode", "nearest"),
        node.attribute("coordinate_transformation_mode", "asymmetric" if is_first else "half_pixel"),
    )
    if len(before) != 4 or before[:2] != after[:2]:
        msg = "resizes other dimensions than rows and columns"
        raise Unsupported(msg)
    if mode not in _RESIZES or coordinates not in _COORDINATES:
        msg = f"mode {mode} with coordinates {coordinates}"
        raise Unsupported(msg)
    align_corners, half_pixel = _COORDINATES[coordinates]
    attributes = {
        "size": after[2:], "layout": "NCHW", "align_corners": align_corners, "half_pixel_centers": half_pixel,
        "coordinates": coordinates, "antialias": bool(node.attribute("antialias", 0)),
        "nearest_mode": node.attribute("nearest_mode", "floor" if is_first else "round_prefer_floor"),
    }  # fmt: skip
    scales = _resize_scales(model, node, 1 if is_first else 2)
    if scales:
        attributes["scales"] = scales
    return Lowered(_RESIZES[mode], node.inputs[:1], attributes)


def _resize_scales(model: Model, node: Node, position: int) -> tuple[float, ...]:
    """Return the factors of rows and columns that stretch the image, () where its sizes say them.

    Raises:
        Unsupported: they are computed.
    """
    name = node.operand(position)
    if name and model.shape(name) != (0,):
        data = model.constant(name)
        if data is None:
            msg = "its scales are computed, not constant"
            raise Unsupported(msg)
        return _of_image(model, node, data.reshape(-1).tolist(), 1.0)
    policy = node.attribute("keep_aspect_ratio_policy", "stretch")
    if policy == "stretch":
        return ()
    before, sizes = model.shape(node.inputs[0]), integers(model, node.operand(3), "its sizes")
    axes = [front(int(a), len(before)) for a in node.attribute("axes") or range(len(before))]
    factors = [wanted / before[axis] for wanted, axis in zip(sizes, axes, strict=True)]
    kept = min(factors) if policy == "not_larger" else max(factors)
    return _of_image(model, node, [kept] * len(axes), 1.0)


def _of_image(model: Model, node: Node, numbers: list[float], default: float) -> tuple[float, ...]:
    """Return the numbers of rows and columns; they are given for each dimension, or for `axes` in their order."""
    rank = len(model.shape(node.inputs[0]))
    axes = [front(int(a), rank) for a in node.attribute("axes") or range(rank)]
    given = dict(zip(axes, map(float, numbers), strict=True))
    return tuple(given.get(axis, default) for axis in (rank - 2, rank - 1))


def rearrange(operator_type: str) -> Rule:
    """Return the rule of DepthToSpace or SpaceToDepth."""

    def rule(_model: Model, node: Node) -> Lowered:
        attributes = {
            "block_size": int(node.attribute("blocksize", 1)),
            "mode": node.attribute("mode", "DCR"),
            "layout": "NCHW",
        }
        return Lowered(operator_type, node.inputs, attributes)

    return rule


def gather(model: Model, node: Node) -> Lowered:
    """Lower Gather; the indices stay an operand."""
    rank = len(model.shape(node.inputs[0]))
    return Lowered("GATHER", node.inputs, {"axis": front(int(node.attribute("axis", 0)), rank), "batch_dims": 0})


def broadcast(model: Model, node: Node) -> Lowered:
    """Lower Expand."""
    return Lowered("BROADCAST_TO", node.inputs[:1], {"shape": model.shape(node.outputs[0])})


def tile(model: Model, node: Node) -> Lowered:
    """Lower Tile."""
    return Lowered("TILE", node.inputs[:1], {"multiples": integers(model, node.operand(1), "its repeats")})


def one_hot(model: Model, node: Node) -> Lowered:
    """Lower OneHot; operands are the indices and the pair of off and on values."""
    rank = len(model.shape(node.outputs[0]))
    depth = integers(model, node.operand(1), "its depth")
    attributes = {"depth": depth[0] if depth else 0, "axis": front(int(node.attribute("axis", -1)), rank)}
    return Lowered("ONE_HOT", [node.inputs[0], node.operand(2)], attributes)


def cumsum(model: Model, node: Node) -> Lowered:
    """Lower CumSum."""
    axis = integers(model, node.operand(1), "its axis")
    attributes = {
        "axis": front(axis[0] if axis else 0, len(model.shape(node.inputs[0]))),
        "exclusive": bool(node.attribute("exclusive", 0)), "reverse": bool(node.attribute("reverse", 0)),
    }  # fmt: skip
    return Lowered("CUMSUM", node.inputs[:1], attributes)


def top_k(model: Model, node: Node) -> Lowered:
    """Lower TopK."""
    k = integers(model, node.operand(1), "its k")
    attributes = {
        "k": k[0] if k else 0,
        "axis": front(int(node.attribute("axis", -1)), len(model.shape(node.inputs[0]))),
        "largest": bool(node.attribute("largest", 1)), "sorted": bool(node.attribute("sorted", 1)),
    }  # fmt: skip
    return Lowered("TOPK", node.inputs[:1], attributes)
