"""From a float network to a quantized one that computes as TFLite does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from socsim.numerics.arrays import constant_array, integer_range
from socsim.numerics.executor import output_names
from socsim.numerics.quantization.calibration import intervals, observe
from socsim.numerics.quantization.lowering import channel_axis, lowered
from socsim.numerics.quantization.observers import observer as observer_of
from socsim.numerics.quantization.schemes import Scheme, affine
from socsim.numerics.quantization.schemes import scheme as scheme_of
from socsim.numerics.quantization.weights import quantize_weights
from socsim.workload.builder import GraphBuilder
from socsim.workload.dtypes import DType
from socsim.workload.graph import Quantization, TensorKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from socsim.numerics.arrays import Array
    from socsim.numerics.quantization.observers import Interval, Observer
    from socsim.numerics.quantization.weights import QuantizedWeights
    from socsim.workload.graph import Graph, Operator

SUFFIX = "_quantized"
"""What the integer form of a tensor adds to its name."""

_WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
_SCALED = ("ADD", "SUB", "MUL", "RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1", "LEAKY_RELU", "HARD_SWISH", "MEAN",
           "BATCH_MATMUL")  # fmt: skip
_COPIES = ("AVERAGE_POOL_2D", "MAX_POOL_2D", "RESHAPE", "SQUEEZE", "EXPAND_DIMS", "IDENTITY", "TRANSPOSE", "PAD",
           "SLICE", "STRIDED_SLICE", "SPLIT", "UNPACK", "GATHER", "REVERSE", "TILE", "BROADCAST_TO",
           "DEPTH_TO_SPACE", "SPACE_TO_DEPTH", "RESIZE_NEAREST_NEIGHBOR", "RESIZE_BILINEAR")  # fmt: skip
_JOINS = ("CONCATENATION", "PACK")
# Kernels fix the scale and zero point of these results. Source: TFLite kernels/activations.cc.
_UNIT = {DType.INT8: (2.0**-8, -128), DType.UINT8: (2.0**-8, 0), DType.INT16: (2.0**-15, 0)}
_FIXED = {
    "SOFTMAX": _UNIT,
    "LOGISTIC": _UNIT,
    "TANH": {DType.INT8: (2.0**-7, 0), DType.UINT8: (2.0**-7, 128), DType.INT16: (2.0**-15, 0)},
}
_EIGHT_BITS = ("HARD_SWISH",)
_WIDE_BIAS = 2.0**-30  # weights' scales are raised until a 32-bit bias has a magnitude of 2**30 or less


def quantize_graph(
    graph: Graph,
    samples: Iterable[Mapping[Any, Any]],
    scheme: Scheme | str = "int8",
    observer: str | Callable[[], Observer] = "minmax",
) -> Graph:
    """Quantize a float network by what its tensors are on samples.

    The result takes and gives float32 under the same names; QUANTIZE and DEQUANTIZE stand between. The
    integer form of tensor `x` is called `x_quantized`. Operators without an integer form stay in float32.
    A scheme whose activations are float32 replaces weights alone, and reads them as floats.

    Args:
        graph: float32, with constants' values; from ONNX or TFLite.
        samples: inputs of an inference each, as `Executable.run` takes them.
        scheme: a scheme or its name.
        observer: the name of an observer, or what makes one.

    Raises:
        UsageError: unknown scheme or observer, no samples, or samples that do not fit.
        UnsupportedOperatorError: operators that cannot be executed in float32, all listed.
        NumericsError: a network that is quantized already, or values that are not finite.

    Source: TFLite 8-bit quantization specification, for what shares a scale and how biases are scaled.
    """
    rules = scheme_of(scheme) if isinstance(scheme, str) else scheme
    make = observer_of(observer)
    plain = lowered(graph)
    if rules.activations is None:
        return _Rewriting(plain, rules, DType.FLOAT32, {}).run()
    found = intervals(observe(plain, samples, make), rules)
    return _Rewriting(plain, rules, rules.activations, found).run()


class _Rewriting:
    """Writes operators in integers where they have such a form, and changes representation where needed.

    Args:
        graph: a lowered float network.
        scheme: integers to use.
        dtype: type of activations; float32 leaves them alone.
        found: interval of each computed tensor.
    """

    def __init__(self, graph: Graph, scheme: Scheme, dtype: DType, found: Mapping[int, Interval]) -> None:
        self._graph, self._scheme, self._dtype, self._found = graph, scheme, dtype, found
        self._names = output_names(graph, range(len(graph.tensors)))
        self._builder = GraphBuilder(graph.name)
        self._real: dict[int, int] = {}
        self._integer: dict[int, int] = {}
        self._requantized: dict[tuple[int, Quantization], int] = {}

    def run(self) -> Graph:
        graph = self._graph
        inputs = [self._real_tensor(t, TensorKind.INPUT) for t in graph.inputs]
        for op in graph.operators:
            self._write(op)
        outputs = [self._as_real(t) for t in graph.outputs]
        name = f"{graph.name}_{self._scheme.name}"
        # Weights alone: ONNX turns integer weights of float activations into floats, TFLite quantizes both.
        return self._builder.build(name, "onnx" if self._dtype.is_float else "tflite", inputs, outputs)

    def _write(self, op: Operator) -> None:
        if op.type in _WEIGHTED and self._has_constant_weights(op):
            (self._write_weights_alone if self._dtype.is_float else self._write_weighted)(op)
        elif self._dtype.is_float or not self._has_integer_form(op):
            self._write_real(op)
        elif op.type in _COPIES:
            self._write_integers(op, self._described(self._as_integer(op.inputs[0] or 0)))
        elif op.type in _FIXED:
            scale, zero = _FIXED[op.type][self._dtype]
            self._write_integers(op, Quantization((scale,), (zero,)))
        else:
            self._write_integers(op, self._observed(op.outputs[0]), joins=op.type in _JOINS)

    # --- what an operator can have --------------------------------------------------------------------

    def _has_constant_weights(self, op: Operator) -> bool:
        operands = [self._graph.tensors[t] for t in op.inputs if t is not None]
        factors = [op.attributes.get(key, 1.0) for key in ("alpha", "beta")]
        return (
            all(t.dtype is DType.FLOAT32 for t in operands)
            and len(operands) > 1
            and all(t.is_constant and t.data is not None for t in operands[1:])
            and (len(operands) == 2 or operands[2].elements in (1, self._channels(op)))
            and factors == [1.0, 1.0]
        )

    def _channels(self, op: Operator) -> int:
        return self._graph.tensors[op.inputs[1] or 0].shape[channel_axis(op)]

    def _has_integer_form(self, op: Operator) -> bool:
        known = op.type in (*_SCALED, *_COPIES, *_JOINS) or op.type in _FIXED
        operands = [self._graph.tensors[t] for t in op.inputs if t is not None]
        floats = [t for t in operands if t.dtype is DType.FLOAT32]
        plain = not (op.type == "BATCH_MATMUL" and (len(operands) > 2 or op.attributes.get("alpha", 1.0) != 1.0))
        made = all(self._graph.tensors[t].dtype is DType.FLOAT32 for t in op.outputs)
        fits = op.type not in _EIGHT_BITS or self._dtype.bits == 8
        first = bool(op.inputs) and op.inputs[0] is not None and bool(floats) and operands[0] is floats[0]
        return known and first and plain and made and fits

    # --- operators ------------------------------------------------------------------------------------

    def _write_real(self, op: Operator) -> None:
        inputs = [None if t is None else self._as_real(t) for t in op.inputs]
        self._emit(op, inputs, [self._real_tensor(t) for t in op.outputs])

    def _write_integers(self, op: Operator, quantization: Quantization, *, joins: bool = False) -> None:
        """Write an operator whose float operands are integers; joined ones share the result's scale."""
        inputs = [None if t is None else self._operand(t, quantization if joins else None) for t in op.inputs]
        self._emit(op, inputs, [self._integer_tensor(t, quantization) for t in op.outputs])

    def _write_weighted(self, op: Operator) -> None:
        source = self._as_integer(op.inputs[0] or 0)
        scale = self._described(source).scales[0]
        bias = self._bias(op)
        bounded = bias if self._dtype.bits == 8 else None
        weights = self._weights(op, None if bounded is None else _WIDE_BIAS * np.abs(bounded) / scale)
        inputs = [source, self._constant(op.inputs[1] or 0, self._scheme.weights, weights)]
        if bias is not None:
            inputs.append(self._bias_constant(op, bias, scale, weights.quantization))
        self._emit(op, inputs, [self._integer_tensor(t, self._observed(t)) for t in op.outputs])

    def _write_weights_alone(self, op: Operator) -> None:
        weights = self._constant(op.inputs[1] or 0, self._scheme.weights, self._weights(op, None))
        rest = [None if t is None else self._as_real(t) for t in op.inputs[2:]]
        inputs = [self._as_real(op.inputs[0] or 0), weights, *rest]
        self._emit(op, inputs, [self._real_tensor(t) for t in op.outputs])

    def _emit(self, op: Operator, inputs: list[Any], outputs: list[int]) -> None:
        self._builder.operator(op.type, op.name, inputs, outputs, op.attributes, op.source_type)

    # --- weights --------------------------------------------------------------------------------------

    def _weights(self, op: Operator, least: Array | None) -> QuantizedWeights:
        """Return quantized weights; `least` holds the least scale of each channel that its bias allows."""
        rules, axis = self._scheme, channel_axis(op)
        values = constant_array(self._graph.tensors[op.inputs[1] or 0])
        if rules.block_size and op.type == "FULLY_CONNECTED":
            return quantize_weights(values, rules.weights, axis=1 - axis, block_size=rules.block_size)
        if least is not None and not rules.per_channel:
            least = least.max(keepdims=True)
        slices = axis if rules.per_channel else None
        symmetric = rules.symmetric_weights
        return quantize_weights(values, rules.weights, axis=slices, symmetric=symmetric, least_scales=least)

    def _bias(self, op: Operator) -> Array | None:
        if len(op.inputs) < 3 or op.inputs[2] is None:
            return None
        values = constant_array(self._graph.tensors[op.inputs[2]]).ravel().astype(np.float64)
        return np.broadcast_to(values, (self._channels(op),))

    def _bias_constant(self, op: Operator, bias: Array, scale: float, weights: Quantization) -> int:
        """Add a bias in units of the accumulator: 32 bits, or 64 for 16-bit activations."""
        dtype = DType.INT64 if self._dtype is DType.INT16 else DType.INT32
        scales = np.float64(scale) * np.array(weights.scales, np.float64)
        low, high = integer_range(dtype)
        integers = [min(max(int(v), low), high) for v in np.rint(bias / scales)]
        values = np.array(integers, np.int64 if dtype is DType.INT64 else np.int32)
        axis = 0 if scales.size > 1 else None
        table = Quantization(tuple(float(np.float32(s)) for s in scales), (0,) * scales.size, axis)
        name = self._names[op.inputs[2] or 0] + SUFFIX
        return self._builder.tensor(
            name, dtype, values.shape, kind=TensorKind.CONSTANT, quantization=table, data=values
        )

    def _constant(self, t: int, dtype: DType, found: QuantizedWeights) -> int:
        return self._builder.tensor(
            self._names[t] + SUFFIX, dtype, self._graph.tensors[t].shape,
            kind=TensorKind.CONSTANT, quantization=found.quantization, data=found.values,
        )  # fmt: skip

    # --- tensors --------------------------------------------------------------------------------------

    def _observed(self, t: int) -> Quantization:
        interval = self._found[t]
        symmetric = self._scheme.symmetric_activations
        scale, zero = affine(interval.low, interval.high, self._dtype, symmetric=symmetric)
        return Quantization((float(scale),), (int(zero),))

    def _described(self, index: int) -> Quantization:
        quantization = self._builder.describe(index).quantization
        assert quantization is not None  # noqa: S101  (integer tensors are made with one)
        return quantization

    def _real_tensor(self, t: int, kind: TensorKind = TensorKind.ACTIVATION) -> int:
        tensor = self._graph.tensors[t]
        self._real[t] = self._builder.tensor(self._names[t], tensor.dtype, tensor.shape, kind=kind, data=tensor.data)
        return self._real[t]

    def _integer_tensor(self, t: int, quantization: Quantization) -> int:
        self._integer[t] = self._builder.tensor(
            self._names[t] + SUFFIX, self._dtype, self._graph.tensors[t].shape, quantization=quantization
        )
        return self._integer[t]

    def _as_real(self, t: int) -> int:
        """Return the tensor as it was: computed, constant, or from integers."""
        if t not in self._real and t not in self._integer:
            return self._real_tensor(t, self._graph.tensors[t].kind)
        if t not in self._real:
            name, made = self._names[t], self._real_tensor(t)
            self._builder.operator("DEQUANTIZE", f"{name}_dequantize", [self._integer[t]], [made])
        return self._real[t]

    def _as_integer(self, t: int) -> int:
        """Return the tensor's integers, quantized here where it is computed in float32 or constant."""
        if t in self._integer:
            return self._integer[t]
        tensor = self._graph.tensors[t]
        if tensor.is_constant:
            symmetric = self._scheme.symmetric_activations
            found = quantize_weights(constant_array(tensor), self._dtype, symmetric=symmetric)
            self._integer[t] = self._constant(t, self._dtype, found)
            return self._integer[t]
        source, made = self._as_real(t), self._integer_tensor(t, self._observed(t))
        self._builder.operator("QUANTIZE", f"{self._names[t]}_quantize", [source], [made])
        return made

    def _operand(self, t: int, wanted: Quantization | None) -> int:
        """Return an operand of an integer operator: integers where it was float32, under `wanted` if given."""
        if self._graph.tensors[t].dtype is not DType.FLOAT32:
            return self._as_real(t)
        integers = self._as_integer(t)
        if wanted is None or self._described(integers) == wanted:
            return integers
        if (t, wanted) not in self._requantized:
            tensor = self._builder.describe(integers)
            name = f"{self._names[t]}_requantized"
            made = self._builder.tensor(name, tensor.dtype, tensor.shape, quantization=wanted)
            self._builder.operator("QUANTIZE", f"{name}_{made}", [integers], [made])
            self._requantized[t, wanted] = made
        return self._requantized[t, wanted]
