"""Drawn multiply-accumulate operators, and the graphs that hold them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from socsim.numerics.arrays import numpy_dtype
from socsim.workload.builder import GraphBuilder
from socsim.workload.dtypes import DType
from socsim.workload.graph import Graph, Quantization, TensorKind

RANGES = {DType.INT4: (-8, 7), DType.INT8: (-128, 127), DType.UINT8: (0, 255), DType.INT16: (-32768, 32767)}


@dataclass
class Case:
    """One operator with drawn numbers; weights are [O, rows, columns, I] whatever the operator is."""

    type: str
    image: Any
    weights: Any
    bias: Any
    types: tuple[DType, DType, DType]
    zero: int
    weight_zero: list[int]
    scales: tuple[float, list[float], float]
    result_zero: int
    activation: str
    geometry: tuple[tuple[int, int], tuple[int, int], tuple[int, int, int, int]]
    groups: int

    @property
    def wide(self) -> bool:
        return self.types[2] is DType.INT64

    @property
    def size(self) -> tuple[int, int]:
        strides, dilations, pads = self.geometry
        sizes, kernel = self.image.shape[1:3], self.weights.shape[1:3]
        ends = pads[:2], pads[2:]
        if self.type == "TRANSPOSE_CONV":
            return tuple((n - 1) * s + k - a - b for n, s, k, a, b in zip(sizes, strides, kernel, *ends, strict=True))
        rows = zip(sizes, strides, kernel, dilations, *ends, strict=True)
        return tuple((n + a + b - (k - 1) * d - 1) // s + 1 for n, s, k, d, a, b in rows)


SCALES = st.one_of(st.floats(2.0**-10, 0.5, width=32), st.sampled_from([0.5, 0.25, 1.0, 0.0078125]))
EXTREME = st.one_of(SCALES, st.integers(-30, 20).map(lambda e: 2.0**e), st.floats(2.0**-30, 2.0**20, width=32))
TYPES = [
    (DType.INT8, DType.INT8, DType.INT32), (DType.UINT8, DType.UINT8, DType.INT32),
    (DType.INT16, DType.INT8, DType.INT64), (DType.INT8, DType.INT4, DType.INT32),
    (DType.INT16, DType.INT8, DType.INT32),
]  # fmt: skip


@st.composite
def cases(draw, operator_type: str, scales: st.SearchStrategy[float] = SCALES) -> Case:
    types = draw(st.sampled_from(TYPES))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    kernel, strides = (tuple(draw(st.lists(st.integers(1, n), min_size=2, max_size=2))) for n in (3, 5))
    transposed = operator_type == "TRANSPOSE_CONV"
    dilations = (1, 1) if transposed else tuple(draw(st.lists(st.integers(1, 2), min_size=2, max_size=2)))
    pads = tuple(draw(st.integers(0, kernel[i % 2] - 1)) for i in range(4))
    depth, outputs = draw(st.integers(1, 3)), draw(st.sampled_from([1, 2, 3, 9]))
    groups = {"DEPTHWISE_CONV_2D": depth, "TRANSPOSE_CONV": 1}.get(operator_type) or draw(st.sampled_from([1, 1, 2]))
    inner = depth if operator_type != "DEPTHWISE_CONV_2D" else 1
    channels, outputs = inner * groups, outputs * groups
    extra = draw(st.integers(0, 3)), draw(st.integers(0, 3))
    size = tuple(
        max((kernel[i] - 1) * dilations[i] + 1 - draw(st.sampled_from([0, pads[i] + pads[i + 2]])), 1) + extra[i]
        for i in (0, 1)
    )  # the padding alone may make room for the kernel
    low, high = RANGES[types[0]]
    image = rng.integers(low, high, (draw(st.integers(1, 2)), *size, channels), numpy_dtype(types[0]), endpoint=True)
    image = draw(st.sampled_from([image, np.full_like(image, low), np.full_like(image, high)]))
    weights = rng.integers(*RANGES[types[1]], (outputs, *kernel, inner), numpy_dtype(types[1]), endpoint=True)
    weights = draw(st.sampled_from([weights, np.full_like(weights, RANGES[types[1]][0])]))
    symmetric = types[0] is DType.INT16
    per_channel = types[0] is not DType.UINT8 and draw(st.booleans())
    points = [draw(st.integers(0, 255))] * outputs if types[0] is DType.UINT8 else [0] * outputs
    point = st.one_of(st.integers(low, high), st.sampled_from([low, high]))
    limit = draw(st.sampled_from([0, 5000, 2**31 - 1]))
    bias = rng.integers(-limit, limit, outputs, numpy_dtype(types[2]), endpoint=True)
    return Case(
        operator_type, image, weights, bias, types, 0 if symmetric else draw(point), points,
        (draw(scales), [draw(scales) for _ in range(outputs if per_channel else 1)], draw(scales)),
        0 if symmetric else draw(point),
        draw(st.sampled_from(["NONE", "RELU", "RELU6", "RELU_N1_TO_1"])), (strides, dilations, pads), groups,
    )  # fmt: skip


def graph_of(case: Case, layout: str = "NHWC", *, with_bias: bool = True) -> Graph:
    builder = GraphBuilder("test")
    last = layout == "NHWC"
    shape = case.image.shape
    result = (shape[0], *case.size, len(case.weights))
    to_layout = (0, 1, 2, 3) if last else (0, 3, 1, 2)
    weights, axis = stored_weights(case, last=last)
    left, right, quotient = case.scales
    several = len(right) > 1
    x = builder.tensor(
        "x", case.types[0], [shape[i] for i in to_layout], kind=TensorKind.INPUT,
        quantization=Quantization((left,), (case.zero,)),
    )  # fmt: skip
    points = tuple(case.weight_zero) if several else tuple(case.weight_zero[:1])
    w = builder.tensor(
        "w", case.types[1], weights.shape, kind=TensorKind.CONSTANT, data=weights,
        quantization=Quantization(tuple(right), points, axis if several else None),
    )  # fmt: skip
    b = builder.tensor("b", case.types[2], case.bias.shape, kind=TensorKind.CONSTANT, data=case.bias)
    y = builder.tensor(
        "y", case.types[0], [result[i] for i in to_layout], quantization=Quantization((quotient,), (case.result_zero,))
    )
    strides, dilations, pads = case.geometry
    attributes = {
        "kernel": case.weights.shape[1:3], "strides": strides, "dilations": dilations, "pads": pads,
        "layout": layout, "groups": case.groups, "activation": case.activation,
        "depth_multiplier": len(case.weights) // shape[3],
    }  # fmt: skip
    builder.operator(case.type, "op", [x, w, b] if with_bias else [x, w], [y], attributes)
    return builder.build("test", "tflite" if last else "onnx", [x], [y])


def stored_weights(case: Case, *, last: bool):
    """Weights and the axis of their channels as files hold them."""
    w = case.weights
    if case.type == "DEPTHWISE_CONV_2D" and last:
        return np.ascontiguousarray(w.transpose(3, 1, 2, 0)), 3
    if last:
        return w, 0
    order = (3, 0, 1, 2) if case.type == "TRANSPOSE_CONV" else (0, 3, 1, 2)
    return np.ascontiguousarray(w.transpose(order)), 1 if case.type == "TRANSPOSE_CONV" else 0
