"""Small networks: a builder of one operator a line, and one network for each kind of operator."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from socsim.workload.builder import GraphBuilder
from socsim.workload.dtypes import DType
from socsim.workload.graph import TensorKind

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from socsim.workload.graph import Graph


class Net:
    """Builds networks operator by operator; every method returns a tensor index.

    Args:
        dtype: type of every tensor.
    """

    def __init__(self, dtype: DType = DType.INT8) -> None:
        self.builder = GraphBuilder("net")
        self.dtype = dtype
        self.inputs: list[int] = []

    def _tensor(self, name: str, shape: tuple[int, ...], kind: TensorKind = TensorKind.ACTIVATION) -> int:
        return self.builder.tensor(name, self.dtype, shape, kind=kind)

    def shape(self, tensor: int) -> tuple[int, ...]:
        """Return the shape of a tensor."""
        return self.builder.describe(tensor).shape

    def input(self, *shape: int) -> int:
        """Add an input of the network."""
        self.inputs.append(self._tensor(f"input{len(self.inputs)}", shape, TensorKind.INPUT))
        return self.inputs[-1]

    def constant(self, *shape: int) -> int:
        """Add a constant without values."""
        return self._tensor("constant", shape, TensorKind.CONSTANT)

    def op(self, kind: str, inputs: Sequence[int], shape: tuple[int, ...] | None = None, **attributes: Any) -> int:
        """Add an operator with one output, of the first input's shape unless another is given."""
        out = self._tensor(f"{kind.lower()}_out", shape or self.shape(inputs[0]))
        self.builder.operator(kind, kind.lower(), inputs, [out], attributes)
        return out

    def conv(self, x: int, channels: int, kernel: int = 1, stride: int = 1) -> int:
        """Add a convolution without padding, NHWC."""
        n, h, w, c = self.shape(x)
        rows, columns = ((size - kernel) // stride + 1 for size in (h, w))
        weights = self.constant(channels, kernel, kernel, c)
        return self.op("CONV_2D", [x, weights], (n, rows, columns, channels), **window(kernel, stride))

    def depthwise(self, x: int, kernel: int = 3) -> int:
        """Add a depthwise convolution without padding, NHWC."""
        n, h, w, c = self.shape(x)
        weights = self.constant(1, kernel, kernel, c)
        made = (n, h - kernel + 1, w - kernel + 1, c)
        return self.op("DEPTHWISE_CONV_2D", [x, weights], made, groups=c, **window(kernel, 1))

    def pool(self, x: int, kernel: int = 2, kind: str = "MAX_POOL_2D") -> int:
        """Add a pool whose windows do not overlap, NHWC."""
        n, h, w, c = self.shape(x)
        return self.op(kind, [x], (n, h // kernel, w // kernel, c), **window(kernel, kernel))

    def dense(self, x: int, units: int) -> int:
        """Add a fully-connected layer."""
        rows, depth = self.shape(x)
        return self.op("FULLY_CONNECTED", [x, self.constant(units, depth)], (rows, units), transpose_b=True)

    def graph(self, *outputs: int) -> Graph:
        """Return the network."""
        return self.builder.build("net", "tflite", self.inputs, outputs)


def window(kernel: int, stride: int) -> dict[str, Any]:
    """Return attributes of an unpadded square window."""
    return {
        "layout": "NHWC", "kernel": (kernel, kernel), "strides": (stride, stride), "dilations": (1, 1),
        "pads": (0, 0, 0, 0),
    }  # fmt: skip


def renamed(graph: Graph) -> Graph:
    """Return the graph with other names for its tensors and operators."""
    tensors = tuple(replace(t, name=f"other {t.index}") for t in graph.tensors)
    operators = tuple(replace(op, name=f"new {op.index}") for op in graph.operators)
    return replace(graph, tensors=tensors, operators=operators)


def _image(net: Net, size: int = 16, depth: int = 32) -> int:
    return net.input(1, size, size, depth)


_PROBES: dict[str, Callable[[Net], int]] = {
    "image convolution": lambda net: net.conv(_image(net, 33, 3), 24, kernel=3, stride=2),
    "convolution": lambda net: net.conv(_image(net), 48, kernel=3),
    "pointwise convolution": lambda net: net.conv(_image(net, 14, 64), 72),
    "large kernel": lambda net: net.conv(_image(net, 20, 8), 8, kernel=7),
    "depthwise": lambda net: net.depthwise(_image(net)),
    "matrix-vector": lambda net: net.dense(net.input(1, 512), 300),
    "matrix": lambda net: net.dense(net.input(64, 96), 80),
    "addition": lambda net: net.op("ADD", [_image(net), _image(net)]),
    "activation": lambda net: net.op("RELU", [_image(net)]),
    "function": lambda net: net.op("LOGISTIC", [_image(net)]),
    "pool": lambda net: net.pool(_image(net)),
    "softmax": lambda net: net.op("SOFTMAX", [net.input(1, 1000)]),
    "concatenation": lambda net: net.op("CONCATENATION", [_image(net), _image(net)], (1, 16, 16, 64), axis=3),
    "transposition": lambda net: net.op("TRANSPOSE", [_image(net)], (1, 32, 16, 16), permutation=(0, 3, 1, 2)),
    "two convolutions": lambda net: net.conv(net.conv(_image(net, 14, 64), 64), 64),
}


def probes(dtype: DType = DType.INT8, names: Collection[str] | None = None) -> dict[str, Graph]:
    """Return small networks by what they probe: each kind of kernel, and two convolutions in a row.

    Args:
        dtype: type of every tensor.
        names: which of them; all where absent.
    """
    made = {}
    for name, build in _PROBES.items():
        if names is not None and name not in names:
            continue
        net = Net(dtype)
        made[name] = net.graph(build(net))
    return made
