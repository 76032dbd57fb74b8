"""Networks of one layer from the rows of per-layer logs."""

from __future__ import annotations

import re
from typing import Any

from socsim.workload.builder import GraphBuilder
from socsim.workload.dtypes import DType
from socsim.workload.graph import Graph, TensorKind

Shape = tuple[int, ...]
ACTIVATIONS = {"Relu": "RELU", "LeakyRelu": "LEAKY_RELU", "Clip": "RELU6", "Sigmoid": "LOGISTIC", "ExSwish": "SWISH"}
PLAIN = {"Concat": "CONCATENATION", "Add": "ADD", "Mul": "MUL", "Resize": "RESIZE_NEAREST_NEIGHBOR",
         "Resize(CPU)": "RESIZE_BILINEAR"}  # fmt: skip


class Layer:
    """Builds the network of one layer, channels last."""

    def __init__(self, name: str, dtype: DType) -> None:
        self.builder = GraphBuilder(name)
        self.name, self.dtype = name, dtype
        self.inputs: list[int] = []

    def input(self, shape: Shape) -> int:
        self.inputs.append(self.builder.tensor("input", self.dtype, shape, kind=TensorKind.INPUT))
        return self.inputs[-1]

    def constant(self, shape: Shape, dtype: DType | None = None) -> int:
        return self.builder.tensor("constant", dtype or self.dtype, shape, kind=TensorKind.CONSTANT)

    def bias(self, channels: int) -> int:
        return self.constant((channels,), DType.INT32 if self.dtype is DType.INT8 else None)

    def op(self, kind: str, inputs: list[int], shape: Shape | None = None, **attributes: Any) -> int:
        made = self.builder.tensor(kind, self.dtype, shape or self.builder.describe(inputs[0]).shape)
        self.builder.operator(kind, kind, inputs, [made], attributes)
        return made

    def graph(self, *outputs: int) -> Graph:
        return self.builder.build(self.name, "tflite", self.inputs, outputs)


def channels_last(shape: Shape) -> Shape:
    return (shape[0], *shape[2:], shape[1]) if len(shape) == 4 else shape


def window(size: Shape, made: Shape, kernel: Shape) -> dict[str, Any]:
    """Return the attributes of a square window that makes an image of one size from one of another."""
    stride = max(1, round((size[0] - kernel[0]) / max(1, made[0] - 1))) if made[0] > 1 else size[0]
    lacking = [max(0, (m - 1) * stride + k - s) for s, m, k in zip(size, made, kernel, strict=True)]
    top, left = (n // 2 for n in lacking)
    pads = (top, left, lacking[0] - top, lacking[1] - left)
    return {"layout": "NHWC", "kernel": kernel, "strides": (stride, stride), "dilations": (1, 1), "pads": pads}


def shapes(text: str) -> list[Shape]:
    """Return shapes as a log writes them: "2x(1,64,80,80)" is two of them."""
    found = re.findall(r"(?:(\d+)x)?\(([\d,]+)\)", text)
    return [tuple(int(n) for n in dims.split(",")) for times, dims in found for _ in range(int(times or 1))]


def rknn_graph(kind: str, shape: str, dtype: DType) -> Graph:
    """Return the network of one row of an RKNN log: `(inputs),(kernel) -> (outputs)`, channels first."""
    before, after = shape.split(" -> ")
    taken, made = shapes(before), [channels_last(s) for s in shapes(after)]
    layer = Layer(kind, dtype)
    if kind.startswith("Conv"):
        return _convolution(layer, kind, taken, made[0], depthwise="dw" in before)
    inputs = [layer.input(channels_last(s)) for s in taken]
    size = channels_last(taken[0])
    match kind:
        case "Split":
            parts = [layer.builder.tensor("part", dtype, s) for s in made]
            layer.builder.operator("SPLIT", "SPLIT", inputs, parts, {"axis": 3, "num_splits": len(parts)})
            return layer.graph(*parts)
        case "MaxPool":
            kernel = (5, 5) if size == made[0] else (2, 2)
            out = layer.op("MAX_POOL_2D", inputs, made[0], **window(size[1:3], made[0][1:3], kernel))
        case "Pad":
            out = layer.op("PAD", inputs, made[0], paddings=((0, 0), (1, 1), (1, 1), (0, 0)))
        case "Transpose":
            out = layer.op("TRANSPOSE", inputs, shapes(after)[0], permutation=(1, 2, 0, 3))
        case plain:
            attributes = {"axis": 3} if plain == "Concat" else {"layout": "NHWC"} if plain.startswith("Resize") else {}
            out = layer.op(PLAIN[plain], inputs, made[0], **attributes)
    return layer.graph(out)


def _convolution(layer: Layer, kind: str, taken: list[Shape], made: Shape, *, depthwise: bool) -> Graph:
    size, kernel, *added = taken
    x = layer.input(channels_last(size))
    rows, columns = kernel[2:]
    if kind == "ConvTranspose":
        weights = layer.constant((1, rows, columns, kernel[0]))
        attributes = {"layout": "NHWC", "kernel": (rows, columns), "strides": (2, 2), "dilations": (1, 1)}
        out = layer.op(
            "TRANSPOSE_CONV", [x, weights, layer.bias(kernel[0])], made, **attributes,
            groups=kernel[0], pads=(1, 1, 1, 1), output_shape=made,
        )  # fmt: skip
        return layer.graph(out)
    attributes = window(size[2:], made[1:3], (rows, columns))
    if depthwise:
        weights = layer.constant((1, rows, columns, size[1]))
        operands = [x, weights, layer.bias(size[1])]
        out = layer.op("DEPTHWISE_CONV_2D", operands, made, **attributes, groups=size[1])
    else:
        weights = layer.constant((kernel[0], rows, columns, kernel[1]))
        out = layer.op("CONV_2D", [x, weights, layer.bias(kernel[0])], made, **attributes)
    function = kind.removeprefix("Conv").removesuffix("Add")
    if function:
        out = layer.op(ACTIVATIONS[function], [out])
    if added:
        out = layer.op("ADD", [out, layer.input(channels_last(added[0]))])
    return layer.graph(out)


def neural_art_graph(name: str, shape: str) -> Graph:
    """Return the network of one row of an ST log: a convolution, a pool where there is one, ReLU, a mean."""
    rows, columns, channels = (int(n) for n in shape.split("x"))
    convolution, *rest = name.split("+")
    kernel = int(convolution[-1])
    layer = Layer(name, DType.INT8)
    depthwise = convolution.startswith("depthwise")
    filters = channels if depthwise else int(re.findall(r"_(\d+)f_", convolution)[0])
    operands = [layer.input((1, rows, columns, channels))]
    operands += [layer.constant((1 if depthwise else filters, kernel, kernel, channels)), layer.bias(filters)]
    made = (1, rows, columns, filters)
    attributes = window((rows, columns), (rows, columns), (kernel, kernel))
    if depthwise:
        out = layer.op("DEPTHWISE_CONV_2D", operands, made, **attributes, groups=channels)
    else:
        out = layer.op("CONV_2D", operands, made, **attributes)
    if "maxpool" in rest:
        halved = (1, rows // 2, columns // 2, filters)
        out = layer.op("MAX_POOL_2D", [out], halved, **window((rows, columns), halved[1:3], (2, 2)))
    mean = layer.op("MEAN", [layer.op("RELU", [out])], (1, 1, 1, filters), axes=(1, 2), keep_dims=True)
    return layer.graph(mean)
