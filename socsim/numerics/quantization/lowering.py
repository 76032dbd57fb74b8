"""From a float network to one of the operators that integers have: activations fused, pools channels-last.

Tensors keep their indices, so that what is known of the network's tensors holds for the lowered one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from socsim.errors import NumericsError, join_faults
from socsim.numerics.arrays import constant_array
from socsim.workload.builder import GraphBuilder
from socsim.workload.dtypes import DType
from socsim.workload.graph import TensorKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from socsim.numerics.arrays import Array
    from socsim.workload.graph import Graph, Operator, Tensor

_FUSED = ("RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1")
_FUSING = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "ADD", "SUB", "MUL")
_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")
_POOLS = ("AVERAGE_POOL_2D", "MAX_POOL_2D")
_TO_LAST, _TO_FIRST = (0, 2, 3, 1), (0, 3, 1, 2)


def lowered(graph: Graph) -> Graph:
    """Return a graph that computes the same in float32 and has a form that can be quantized.

    BATCH_NORM after a convolution becomes part of its weights and bias, then RELU and its like part of the
    operator before them; global pools of ONNX become MEAN, others get TRANSPOSE before and after. The weights
    and bias of Gemm take up its factors.

    Raises:
        NumericsError: tensors that are quantized already, or operators that no float kernel computes.
    """
    _check(graph)
    return _Lowering(graph).run()


def _check(graph: Graph) -> None:
    used = {t for op in graph.operators for t in (*op.inputs, *op.outputs) if t is not None}
    tensors = [graph.tensors[t] for t in sorted(used)]
    faults = [
        f"tensor {t.index} {t.name!r} is quantized {t.dtype.value}; float32 networks are quantized"
        for t in tensors
        if t.quantization is not None and t.quantization.scales
    ]
    halves = (DType.FLOAT16, DType.BFLOAT16, DType.FLOAT64)
    faults += [
        f"tensor {t.index} {t.name!r} is {t.dtype.value}; float32 is needed" for t in tensors if t.dtype in halves
    ]
    faults += [f"operator {op.index} {op.type} {op.name!r}: {text}" for op in graph.operators if (text := _fault(op))]
    if faults:
        raise NumericsError(join_faults(graph.name, faults))


def _fault(op: Operator) -> str:
    a = op.attributes
    if "computed_quantization" in a:
        return "it is quantized, by scales that are computed; float32 networks are quantized"
    if op.type == "PAD" and (a.get("value") or a.get("mode", "constant") != "constant"):
        return f"pads with {a.get('mode', 'constant')} {a.get('value')}; a border of zeros can be quantized"
    if op.type == "AVERAGE_POOL_2D" and a.get("count_include_pad") and any(a["pads"]):
        return "its border counts in the average; without count_include_pad it can be quantized"
    if a.get("layout", "NHWC") != "NHWC" and op.type not in (*_CONVOLUTIONS, *_POOLS, "BATCH_NORM"):
        return f"its layout is {a['layout']}; NHWC is needed"
    return ""


class _Lowering:
    """Copies a graph operator by operator; an operator writes what the last of those fused into it wrote."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._builder = GraphBuilder(graph.name)
        self._skipped: set[int] = set()
        for t in graph.tensors:
            self._builder.tensor(t.name, t.dtype, t.shape, kind=t.kind, quantization=t.quantization, data=t.data)

    def run(self) -> Graph:
        graph = self._graph
        for op in graph.operators:
            if op.index in self._skipped:
                continue
            if op.type in _POOLS and op.attributes.get("layout", "NHWC") != "NHWC":
                (self._mean if self._is_global(op) else self._channels_last)(op)
            else:
                self._copy(op)
        return self._builder.build(graph.name, graph.source_format, graph.inputs, graph.outputs)

    def _copy(self, op: Operator) -> None:
        inputs, attributes, output = list(op.inputs), dict(op.attributes), op.outputs
        if op.type == "FULLY_CONNECTED":
            self._take_up_factors(inputs, attributes)
        after = self._only_reader(output[0])
        if op.type in _CONVOLUTIONS and after and after.type == "BATCH_NORM" and self._can_fold(op, after):
            self._fold(inputs, op, after)
            output = self._skip(after)
            after = self._only_reader(output[0])
        if op.type in _FUSING and after and after.type in _FUSED and attributes.get("activation", "NONE") == "NONE":
            attributes["activation"] = after.type
            output = self._skip(after)
        self._builder.operator(op.type, op.name, inputs, output, attributes, op.source_type)

    def _skip(self, op: Operator) -> tuple[int, ...]:
        self._skipped.add(op.index)
        return op.outputs

    def _only_reader(self, tensor: int) -> Operator | None:
        """Return the one operator that reads a tensor, if nothing else does."""
        readers = self._graph.consumers.get(tensor, ())
        if len(readers) != 1 or tensor in self._graph.outputs:
            return None
        return self._graph.operators[readers[0]]

    # --- constants ------------------------------------------------------------------------------------

    def _values(self, tensor: int | None) -> Array | None:
        """Return a float constant's values; None for anything else."""
        found = None if tensor is None else self._graph.tensors[tensor]
        is_known = found is not None and found.is_constant and found.dtype is DType.FLOAT32 and found.data is not None
        return constant_array(found) if found is not None and is_known else None

    def _constant(self, name: str, values: Array) -> int:
        return self._builder.tensor(name, DType.FLOAT32, values.shape, kind=TensorKind.CONSTANT, data=values)

    def _take_up_factors(self, inputs: list[int | None], attributes: dict[str, Any]) -> None:
        """Multiply Gemm's alpha into constant weights and beta into a constant bias."""
        for position, key in ((1, "alpha"), (2, "beta")):
            factor = float(attributes.get(key, 1.0))
            values = self._values(inputs[position]) if position < len(inputs) else None
            if factor != 1.0 and values is not None:
                name = self._graph.tensors[inputs[position] or 0].name
                inputs[position] = self._constant(f"{name}_{key}", values * np.float32(factor))
                attributes[key] = 1.0

    def _can_fold(self, op: Operator, norm: Operator) -> bool:
        constants = [*norm.inputs[1:5], op.inputs[1], *(i for i in op.inputs[2:3] if i is not None)]
        plain = op.attributes.get("activation", "NONE") == "NONE" and op.inputs[0] != op.outputs[0]
        return plain and len(norm.inputs) == 5 and all(self._values(t) is not None for t in constants)

    def _fold(self, inputs: list[int | None], op: Operator, norm: Operator) -> None:
        """Scale the weights and move the bias by what the normalisation does to each channel."""
        gamma, beta, mean, variance = (np.asarray(self._values(t), np.float64) for t in norm.inputs[1:5])
        factor = gamma / np.sqrt(variance + float(norm.attributes.get("epsilon", 1e-5)))
        weights = np.asarray(self._values(inputs[1]), np.float64)
        bias = self._values(inputs[2]) if len(inputs) > 2 else None
        shape = [1] * weights.ndim
        shape[channel_axis(op)] = -1
        moved = beta + ((0.0 if bias is None else bias.astype(np.float64)) - mean) * factor
        name = self._graph.tensors[inputs[1] or 0].name
        inputs[1] = self._constant(f"{name}_folded", (weights * factor.reshape(shape)).astype(np.float32))
        inputs[2:] = [self._constant(f"{name}_bias", moved.astype(np.float32))]

    # --- layout ---------------------------------------------------------------------------------------

    def _is_global(self, op: Operator) -> bool:
        """Whether a pool is the average of the whole image."""
        shape = self._graph.tensors[op.inputs[0] or 0].shape
        whole = tuple(op.attributes["kernel"]) == shape[2:] and not any(op.attributes["pads"])
        return op.type == "AVERAGE_POOL_2D" and whole

    def _mean(self, op: Operator) -> None:
        """Write a global pool as a MEAN, whose result has a scale of its own and any layout."""
        attributes = {"axes": (2, 3), "keep_dims": True}
        self._builder.operator("MEAN", op.name, op.inputs, op.outputs, attributes, op.source_type)

    def _channels_last(self, op: Operator) -> None:
        """Write a pool of [B, C, H, W] as one of [B, H, W, C] between two transpositions."""
        source, result = (self._graph.tensors[t] for t in (op.inputs[0] or 0, op.outputs[0]))
        last, made = (self._transposed(t) for t in (source, result))
        self._builder.operator("TRANSPOSE", f"{op.name}_in", [source.index], [last], {"permutation": _TO_LAST})
        attributes: Mapping[str, Any] = dict(op.attributes) | {"layout": "NHWC", "ceil_mode": False}
        self._builder.operator(op.type, op.name, [last], [made], attributes, op.source_type)
        self._builder.operator("TRANSPOSE", f"{op.name}_out", [made], [result.index], {"permutation": _TO_FIRST})

    def _transposed(self, tensor: Tensor) -> int:
        shape = tuple(tensor.shape[i] for i in _TO_LAST)
        return self._builder.tensor(f"{tensor.name}_nhwc", tensor.dtype, shape)


def channel_axis(op: Operator) -> int:
    """Return the axis of a multiply-accumulate operator's weights that its results' channels lie along."""
    if op.type == "FULLY_CONNECTED":
        return 0 if op.attributes.get("transpose_b") else 1
    is_last = op.type == "DEPTHWISE_CONV_2D" and op.attributes.get("layout", "NHWC") == "NHWC"
    return 3 if is_last else 0
