"""ResNet-50 with seeded random weights, quantized by socsim, and the TFLite file of the result that LiteRT loads.

Source of the shapes: He et al., Deep Residual Learning for Image Recognition (arXiv 1512.03385), table 1, with the
stride in the 3 x 3 convolution of a block.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from socsim.numerics.arrays import constant_array
from socsim.numerics.quantization import quantize_graph
from socsim.workload.builder import GraphBuilder
from socsim.workload.dtypes import DType
from socsim.workload.graph import TensorKind
from socsim.workload.importers.tflite_schema import BUILTIN_OPERATORS, ENUMERATIONS, OPTIONS

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
import tflite_writer as writer

if TYPE_CHECKING:
    from socsim.workload.graph import Graph, Operator, Tensor

SHAPE = (1, 224, 224, 3)
STAGES = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))  # narrow channels, blocks, first stride
VERSIONS = {"QUANTIZE": 2, "DEQUANTIZE": 2, "CONV_2D": 3, "FULLY_CONNECTED": 4, "ADD": 2}


class _Layers:
    """A float graph, written layer by layer; padding is TFLite's SAME."""

    def __init__(self) -> None:
        self.rng, self.b = np.random.default_rng(0), GraphBuilder("resnet50")
        self.x = self.b.tensor("x", DType.FLOAT32, SHAPE, kind=TensorKind.INPUT)
        self.count, self.shapes = 0, {self.x: SHAPE}

    def _made(self, kind, inputs, shape, **attributes) -> int:
        self.count += 1
        made = self.b.tensor(f"t{self.count}", DType.FLOAT32, shape)
        self.b.operator(kind, f"op{self.count}", inputs, [made], attributes)
        self.shapes[made] = shape
        return made

    def _constant(self, shape, spread) -> int:
        self.count += 1
        data = self.rng.normal(0, spread, shape).astype(np.float32)
        return self.b.tensor(f"c{self.count}", DType.FLOAT32, shape, kind=TensorKind.CONSTANT, data=data)

    def _window(self, x, kernel, stride):
        sizes = self.shapes[x][1:3]
        result = [-(-n // stride) for n in sizes]
        total = [max((r - 1) * stride + kernel - n, 0) for r, n in zip(result, sizes, strict=True)]
        pads = (*(t // 2 for t in total), *(t - t // 2 for t in total))
        geometry = {"kernel": (kernel,) * 2, "strides": (stride,) * 2, "dilations": (1, 1), "pads": pads}
        return result, geometry | {"layout": "NHWC", "padding": "SAME"}

    def convolution(self, x, channels, kernel=1, stride=1, activation="RELU") -> int:
        depth = self.shapes[x][3]
        result, window = self._window(x, kernel, stride)
        weights = self._constant((channels, kernel, kernel, depth), (2 / (depth * kernel**2)) ** 0.5)
        inputs = [x, weights, self._constant((channels,), 0.1)]
        return self._made("CONV_2D", inputs, (1, *result, channels), **window, groups=1, activation=activation)

    def pool(self, kind, x, kernel, stride) -> int:
        result, window = self._window(x, kernel, stride)
        if kind == "AVERAGE_POOL_2D":
            result, window = [1, 1], window | {"pads": (0, 0, 0, 0), "padding": "VALID"}
        return self._made(kind, [x], (1, *result, self.shapes[x][3]), **window, activation="NONE")

    def add(self, a, b) -> int:
        return self._made("ADD", [a, b], self.shapes[a], activation="RELU")

    def dense(self, x, channels) -> int:
        depth = self.shapes[x][3]
        inputs = [x, self._constant((channels, depth), depth**-0.5), self._constant((channels,), 0.1)]
        return self._made("FULLY_CONNECTED", inputs, (1, channels), transpose_b=True, activation="NONE")


def resnet50() -> Graph:
    """Return the network, int8 with float input and output, calibrated on one random image."""
    n = _Layers()
    x = n.pool("MAX_POOL_2D", n.convolution(n.x, 64, 7, 2), 3, 2)
    for channels, blocks, first in STAGES:
        for i in range(blocks):
            stride = first if i == 0 else 1
            wide = n.convolution(n.convolution(n.convolution(x, channels), channels, 3, stride), 4 * channels,
                                 activation="NONE")  # fmt: skip
            x = n.add(wide, n.convolution(x, 4 * channels, 1, stride, "NONE") if i == 0 else x)
    y = n.dense(n.pool("AVERAGE_POOL_2D", x, 7, 7), 1000)
    image = np.random.default_rng(1).normal(0, 1, SHAPE).astype(np.float32)
    return quantize_graph(n.b.build("resnet50", "tflite", [n.x], [y]), [{"x": image}])


def tflite_file(graph: Graph) -> bytes:
    """Return a TFLite file of a graph of the operators above."""
    codes = sorted({op.type for op in graph.operators})
    buffers = [constant_array(t).tobytes() for t in graph.tensors if t.is_constant]
    numbers = iter(range(1, len(buffers) + 1))
    tensors = [_tensor(t, next(numbers) if t.is_constant else 0) for t in graph.tensors]
    operators = [_operator(op, codes.index(op.type)) for op in graph.operators]
    code_tables = [_code(name) for name in codes]
    main = writer.subgraph(tensors, list(graph.inputs), list(graph.outputs), operators)
    return writer.model(code_tables, [main], buffers)


def _code(name: str) -> writer.Table:
    table = writer.operator_code(BUILTIN_OPERATORS.index(name))
    table[2] = ("i", VERSIONS.get(name, 1))
    return table


def _tensor(tensor: Tensor, buffer: int) -> writer.Table:
    q, kind = tensor.quantization, ENUMERATIONS["type"].index(tensor.dtype.name)
    points = list(q.zero_points or (0,) * len(q.scales)) if q else []
    quant = writer.quantization(list(q.scales), points, q.axis or 0) if q else None
    return writer.tensor(tensor.name, list(tensor.shape), kind, buffer=buffer, quant=quant)


def _operator(op: Operator, code: int) -> writer.Table:
    a, known = dict(op.attributes), OPTIONS.get(op.type)
    if "strides" in a:
        a |= {"stride_h": a["strides"][0], "stride_w": a["strides"][1], "dilation_h": 1, "dilation_w": 1}
        a |= {"filter_height": a["kernel"][0], "filter_width": a["kernel"][1]}
    options = writer.Table()
    for f in known.fields if known else ():
        if f.name in a:
            names = ENUMERATIONS.get(f.kind)
            options[f.slot] = ("b", names.index(a[f.name])) if names else (f.kind, a[f.name])
    return writer.operator(
        code, list(op.inputs), list(op.outputs), options if known else None, known.union if known else 0
    )
