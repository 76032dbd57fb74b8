"""TFLite operators in the words of the vocabulary: types, operand roles and resolved attributes.

Beyond the attributes that `socsim.workload.operators` describes:
    padding: "SAME" or "VALID" as the file has it, beside the resolved `pads`
    axis, axes: counted from the front, never negative
    paddings, crops: ((before, after), ...) for each dimension or each block dimension
    begin, end, strides of STRIDED_SLICE, begin and size of SLICE, multiples, sizes, size, k, depth, shape:
        what the operand of that name holds; absent where the operand is computed, which then stays an input
    then_, else_, cond_, body_, init_subgraph_index: position in `Graph.subgraphs`
    intermediates: tensors that carry the scales of an LSTM's internal values
The operands of TRANSPOSE_CONV are (input, weights, bias, output shape), the last two where present.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from socsim.workload.graph import Tensor, TensorKind
from socsim.workload.importers.tflite_schema import BUILTIN_OPERATORS
from socsim.workload.operators import OPERATORS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Roles = Mapping[int, tuple[str, Callable[[tuple[int, ...], str], Any]]]

_RENAMED = {
    "LOCAL_RESPONSE_NORMALIZATION": "LRN",
    "NON_MAX_SUPPRESSION_V4": "NON_MAX_SUPPRESSION",
    "NON_MAX_SUPPRESSION_V5": "NON_MAX_SUPPRESSION",
    "PADV2": "PAD",
    "REVERSE_V2": "REVERSE",
    "SELECT_V2": "SELECT",
    "SPLIT_V": "SPLIT",
    "TOPK_V2": "TOPK",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "LSTM",
}
# Operator of the vocabulary by TFLite's name; an operator that is missing here is not supported.
TYPES: Mapping[str, str] = MappingProxyType(
    {name: _RENAMED.get(name, name) for name in BUILTIN_OPERATORS if _RENAMED.get(name, name) in OPERATORS}
)
SUBGRAPH_ATTRIBUTES = (
    "init_subgraph_index", "then_subgraph_index", "else_subgraph_index", "cond_subgraph_index",
    "body_subgraph_index",
)  # fmt: skip
_CONSTANT_ELEMENTS = 65_536  # of an operand that becomes an attribute


@dataclass(slots=True)
class OperatorView:
    """One operator while its attributes are resolved; `attributes` and `inputs` are edited in place."""

    source_type: str
    inputs: list[int | None]
    outputs: tuple[int, ...]
    attributes: dict[str, Any]
    tensors: Sequence[Tensor]

    def operand(self, position: int) -> Tensor:
        """Return an input that must be present.

        Raises:
            ValueError: it is absent.
        """
        index = self.inputs[position] if position < len(self.inputs) else None
        if index is None:
            msg = f"input {position} is absent"
            raise ValueError(msg)
        return self.tensors[index]

    def result(self) -> Tensor:
        """Return the first output.

        Raises:
            ValueError: there is none.
        """
        if not self.outputs:
            msg = "it has no output"
            raise ValueError(msg)
        return self.tensors[self.outputs[0]]


def resolve(view: OperatorView) -> None:
    """Turn shape-like constants into attributes, and raw options into resolved ones.

    Raises:
        ValueError: operands or options contradict the operator; the text says how.
    """
    if view.source_type == "TRANSPOSE_CONV":
        _reorder_transpose_conv(view)
    _absorb_constants(view)
    for step in _STEPS.get(view.source_type, ()):
        step(view)


def _integers(tensor: Tensor, role: str) -> tuple[int, ...] | None:
    """Return the integers of a constant operand, None if it is computed."""
    if tensor.kind is not TensorKind.CONSTANT or tensor.data is None:
        return None
    if not tensor.dtype.is_integer or tensor.bytes != tensor.data.nbytes or tensor.dtype.bits < 8:
        msg = f"its {role} are {tensor.dtype.value}; integers are required"
        raise ValueError(msg)
    if tensor.elements > _CONSTANT_ELEMENTS:
        msg = f"its {role} have {tensor.elements:,} elements; {_CONSTANT_ELEMENTS:,} are allowed"
        raise ValueError(msg)
    return tuple(int(v) for v in tensor.data.ravel().tolist())


def _absorb_constants(view: OperatorView) -> None:
    kept: list[int | None] = []
    roles = _CONSTANT_OPERANDS.get(view.source_type, {})
    for position, index in enumerate(view.inputs):
        role = roles.get(position)
        values = _integers(view.tensors[index], role[0]) if role and index is not None else None
        if role is None or values is None:
            kept.append(index)
        else:
            view.attributes[role[0]] = role[1](values, role[0])
    view.inputs[:] = kept


def _tuple(values: tuple[int, ...], _role: str) -> tuple[int, ...]:
    return values


def _scalar(values: tuple[int, ...], role: str) -> int:
    if len(values) != 1:
        msg = f"its {role} has {len(values)} values; one is required"
        raise ValueError(msg)
    return values[0]


def _pairs(values: tuple[int, ...], role: str) -> tuple[tuple[int, int], ...]:
    if len(values) % 2:
        msg = f"its {role} have {len(values)} values; pairs are required"
        raise ValueError(msg)
    if any(v < 0 for v in values):
        msg = f"its {role} are {values}; none may be negative"
        raise ValueError(msg)
    return tuple(zip(values[::2], values[1::2], strict=True))


_AXES: Roles = {1: ("axes", _tuple)}
_AXIS: Roles = {1: ("axis", _scalar)}
_PADDINGS: Roles = {1: ("paddings", _pairs)}
_SIZE: Roles = {1: ("size", _tuple)}

# Input position -> (attribute, form) of the operands that describe shapes rather than data.
_CONSTANT_OPERANDS: dict[str, Roles] = {
    "ARG_MAX": _AXIS,
    "ARG_MIN": _AXIS,
    "BATCH_TO_SPACE_ND": {1: ("block_shape", _tuple), 2: ("crops", _pairs)},
    "BROADCAST_TO": {1: ("shape", _tuple)},
    "CUMSUM": _AXIS,
    "EXPAND_DIMS": _AXIS,
    "FILL": {0: ("shape", _tuple)},
    "MEAN": _AXES,
    "MIRROR_PAD": _PADDINGS,
    "ONE_HOT": {1: ("depth", _scalar)},
    "PAD": _PADDINGS,
    "PADV2": _PADDINGS,
    "REDUCE_ALL": _AXES,
    "REDUCE_ANY": _AXES,
    "REDUCE_MAX": _AXES,
    "REDUCE_MIN": _AXES,
    "REDUCE_PROD": _AXES,
    "RESHAPE": {1: ("shape", _tuple)},
    "RESIZE_BILINEAR": _SIZE,
    "RESIZE_NEAREST_NEIGHBOR": _SIZE,
    "REVERSE_V2": _AXES,
    "SCATTER_ND": {2: ("shape", _tuple)},
    "SLICE": {1: ("begin", _tuple), 2: ("size", _tuple)},
    "SPACE_TO_BATCH_ND": {1: ("block_shape", _tuple), 2: ("paddings", _pairs)},
    "SPLIT": {0: ("axis", _scalar)},
    "SPLIT_V": {1: ("sizes", _tuple), 2: ("axis", _scalar)},
    "STRIDED_SLICE": {1: ("begin", _tuple), 2: ("end", _tuple), 3: ("strides", _tuple)},
    "SUM": _AXES,
    "TILE": {1: ("multiples", _tuple)},
    "TOPK_V2": {1: ("k", _scalar)},
    "TRANSPOSE": {1: ("permutation", _tuple)},
    "TRANSPOSE_CONV": {3: ("output_shape", _tuple)},
}


def _reorder_transpose_conv(view: OperatorView) -> None:
    """Put (output shape, weights, input, bias) of the file into the vocabulary's order."""
    if len(view.inputs) < 3:
        msg = f"it has {len(view.inputs)} inputs; output shape, weights and input are required"
        raise ValueError(msg)
    shape, weights, data, *rest = view.inputs
    view.inputs[:] = [data, weights, rest[0] if rest else None, shape]


def _drop_trailing_absent(view: OperatorView) -> None:
    while view.inputs and view.inputs[-1] is None:
        view.inputs.pop()


def _pair(view: OperatorView, name: str, high: str, wide: str) -> tuple[int, int]:
    pair = (view.attributes.pop(high), view.attributes.pop(wide))
    if min(pair) < 1:
        msg = f"its {name} are {pair}; both must be 1 or more"
        raise ValueError(msg)
    view.attributes[name] = pair
    return pair


def _four(tensor: Tensor, role: str) -> tuple[int, ...]:
    if len(tensor.shape) != 4 or 0 in tensor.shape:
        msg = f"its {role} has shape {tensor.shape}; four dimensions of 1 or more are required"
        raise ValueError(msg)
    return tensor.shape


def same_pads(
    size: tuple[int, int], kernel: tuple[int, int], strides: tuple[int, int], dilations: tuple[int, int]
) -> tuple[int, int, int, int]:
    """Return (top, left, bottom, right) of "SAME" padding for an input of `size` rows and columns.

    The output has ceil(size / stride) rows; what is missing goes half to the front, rounded down, and
    the rest to the end.

    Source: google-ai-edge/LiteRT, tflite/kernels/padding.h, ComputePaddingWithOffset.
    """
    before, after = [], []
    for n, k, stride, dilation in zip(size, kernel, strides, dilations, strict=True):
        total = max((-(-n // stride) - 1) * stride + (k - 1) * dilation + 1 - n, 0)
        before.append(total // 2)
        after.append(total - total // 2)
    return before[0], before[1], after[0], after[1]


def _windows(view: OperatorView, size: tuple[int, ...], kernel: tuple[int, int], dilations: tuple[int, int]) -> None:
    """Resolve what convolutions and pools share."""
    strides = _pair(view, "strides", "stride_h", "stride_w")
    if min(kernel) < 1:
        msg = f"its kernel is {kernel}; both must be 1 or more"
        raise ValueError(msg)
    same = view.attributes["padding"] == "SAME"
    pads = same_pads((size[1], size[2]), kernel, strides, dilations) if same else (0, 0, 0, 0)
    view.attributes.update(kernel=kernel, pads=pads, layout="NHWC")


def _conv_2d(view: OperatorView) -> None:
    size, weights = _four(view.operand(0), "input"), _four(view.operand(1), "weights")
    dilations = _pair(view, "dilations", "dilation_h", "dilation_w")
    _windows(view, size, (weights[1], weights[2]), dilations)
    if size[3] % weights[3]:
        msg = f"{size[3]} input channels are no multiple of the weights' {weights[3]}"
        raise ValueError(msg)
    view.attributes["groups"] = size[3] // weights[3]


def _depthwise_conv_2d(view: OperatorView) -> None:
    size, weights = _four(view.operand(0), "input"), _four(view.operand(1), "weights")
    dilations = _pair(view, "dilations", "dilation_h", "dilation_w")
    _windows(view, size, (weights[1], weights[2]), dilations)
    if weights[3] % size[3]:
        msg = f"{weights[3]} output channels are no multiple of the input's {size[3]}"
        raise ValueError(msg)
    # The file's own depth_multiplier is redundant, and runtimes ignore it (schema.fbs).
    view.attributes.update(groups=size[3], depth_multiplier=weights[3] // size[3])


def _transpose_conv(view: OperatorView) -> None:
    _drop_trailing_absent(view)
    weights = _four(view.operand(1), "weights")
    _windows(view, _four(view.result(), "output"), (weights[1], weights[2]), (1, 1))
    view.attributes.update(groups=1, dilations=(1, 1))


def _pool(view: OperatorView) -> None:
    kernel = (view.attributes.pop("filter_height"), view.attributes.pop("filter_width"))
    _windows(view, _four(view.operand(0), "input"), kernel, (1, 1))


def _fully_connected(view: OperatorView) -> None:
    view.attributes["transpose_b"] = True


def _reshape(view: OperatorView) -> None:
    """Take the new shape from the option where there is no operand."""
    option = view.attributes.pop("new_shape")
    if "shape" not in view.attributes and len(view.inputs) < 2:
        view.attributes["shape"] = option or view.result().shape


def _front_axis(axis: int, rank: int) -> int:
    if not -rank <= axis < max(rank, 1):
        msg = f"its axis {axis} is outside a tensor of rank {rank}"
        raise ValueError(msg)
    return axis + rank if axis < 0 else axis


def _axis_of_input(view: OperatorView) -> None:
    if "axis" in view.attributes:
        rank = len(view.operand(0).shape)
        view.attributes["axis"] = _front_axis(view.attributes["axis"], rank)


def _axis_of_output(view: OperatorView) -> None:
    if "axis" in view.attributes:
        rank = len(view.result().shape)
        view.attributes["axis"] = _front_axis(view.attributes["axis"], rank)


def _last_axis(view: OperatorView) -> None:
    view.attributes["axis"] = max(len(view.operand(0).shape) - 1, 0)


def _axes_of_input(view: OperatorView) -> None:
    if "axes" in view.attributes:
        rank = len(view.operand(0).shape)
        view.attributes["axes"] = tuple(sorted({_front_axis(a, rank) for a in view.attributes["axes"]}))


def _batch_dims(view: OperatorView) -> None:
    view.attributes["batch_dims"] = _front_axis(view.attributes["batch_dims"], len(view.operand(1).shape) + 1)


def _squeeze(view: OperatorView) -> None:
    _axes_of_input(view)
    shape = view.operand(0).shape
    axes = view.attributes["axes"] or tuple(i for i, d in enumerate(shape) if d == 1)
    if any(shape[a] != 1 for a in axes):
        msg = f"it removes axes {axes} of shape {shape}; only dimensions of 1 can be removed"
        raise ValueError(msg)
    view.attributes["axes"] = axes


def _permutation(view: OperatorView) -> None:
    rank = len(view.operand(0).shape)
    permutation = view.attributes.get("permutation", tuple(range(rank)))
    if sorted(permutation) != list(range(rank)):
        msg = f"its permutation {permutation} is not one of {rank} axes"
        raise ValueError(msg)


def _paddings(view: OperatorView) -> None:
    rank = len(view.operand(0).shape)
    found = len(view.attributes.get("paddings", (None,) * rank))
    if found != rank:
        msg = f"it pads {found} dimensions of a tensor of rank {rank}"
        raise ValueError(msg)


def _block_size(view: OperatorView) -> None:
    if view.attributes["block_size"] < 1:
        msg = f"its block size is {view.attributes['block_size']}; it must be 1 or more"
        raise ValueError(msg)


def _lstm(view: OperatorView) -> None:
    """Name the sizes that decide the work: units, gates, and the width of what recurs.

    Source: tflite/kernels/lstm.cc, operand order: input; four input weights; four recurrent weights;
    three peepholes; four biases; projection weights and bias; two states; four normalisations.
    """
    if view.attributes.get("kernel_type") == "BASIC":
        return
    weights, recurrent = view.operand(2).shape, view.operand(6).shape
    if len(weights) != 2 or len(recurrent) != 2:
        msg = f"its weights have shapes {weights} and {recurrent}; two dimensions are required"
        raise ValueError(msg)
    # Without weights of the input gate, that gate is one minus the forget gate.
    view.attributes["gates"] = 3 if view.inputs[1] is None else 4
    view.attributes["units"] = weights[0]
    view.attributes["recurrent_size"] = recurrent[-1]
    view.attributes["has_projection"] = len(view.inputs) > 16 and view.inputs[16] is not None


def _shape_preserved(view: OperatorView) -> None:
    found, wanted = prod(view.result().shape), prod(view.operand(0).shape)
    if found != wanted:
        msg = f"it makes {found:,} elements of {wanted:,}"
        raise ValueError(msg)


_STEPS: dict[str, tuple[Callable[[OperatorView], None], ...]] = {
    "ARG_MAX": (_axis_of_input,),
    "ARG_MIN": (_axis_of_input,),
    "AVERAGE_POOL_2D": (_pool,),
    "CONCATENATION": (_axis_of_output,),
    "CONV_2D": (_conv_2d,),
    "CUMSUM": (_axis_of_input,),
    "DEPTHWISE_CONV_2D": (_depthwise_conv_2d,),
    "DEPTH_TO_SPACE": (_block_size,),
    "EXPAND_DIMS": (_axis_of_output, _shape_preserved),
    "FULLY_CONNECTED": (_fully_connected,),
    "GATHER": (_axis_of_input, _batch_dims),
    "L2_NORMALIZATION": (_last_axis,),
    "LOG_SOFTMAX": (_last_axis,),
    "LSTM": (_lstm,),
    "MAX_POOL_2D": (_pool,),
    "MEAN": (_axes_of_input,),
    "MIRROR_PAD": (_paddings,),
    "ONE_HOT": (_axis_of_output,),
    "PACK": (_axis_of_output,),
    "PAD": (_paddings,),
    "PADV2": (_paddings,),
    "REDUCE_ALL": (_axes_of_input,),
    "REDUCE_ANY": (_axes_of_input,),
    "REDUCE_MAX": (_axes_of_input,),
    "REDUCE_MIN": (_axes_of_input,),
    "REDUCE_PROD": (_axes_of_input,),
    "RESHAPE": (_reshape, _shape_preserved),
    "REVERSE_V2": (_axes_of_input,),
    "SOFTMAX": (_last_axis,),
    "SPACE_TO_DEPTH": (_block_size,),
    "SPLIT": (_axis_of_input,),
    "SPLIT_V": (_axis_of_input,),
    "SQUEEZE": (_squeeze, _shape_preserved),
    "SUM": (_axes_of_input,),
    "TRANSPOSE": (_permutation, _shape_preserved),
    "TRANSPOSE_CONV": (_transpose_conv,),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": (_lstm,),
    "UNPACK": (_axis_of_input,),
}
