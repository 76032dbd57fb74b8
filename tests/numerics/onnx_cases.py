"""One-operator ONNX files of both forms (QOperator and QDQ), for comparison with ONNX Runtime as it runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

SHAPE = (2, 5, 9, 11)
MICROSOFT = "com.microsoft"
_TYPES = {
    "int8": onnx.TensorProto.INT8, "uint8": onnx.TensorProto.UINT8, "int16": onnx.TensorProto.INT16,
    "uint16": onnx.TensorProto.UINT16, "float32": onnx.TensorProto.FLOAT, "int64": onnx.TensorProto.INT64,
    "int32": onnx.TensorProto.INT32,
}  # fmt: skip


@dataclass
class File:
    """A file of some nodes; constants become initializers, `feed` the inputs."""

    nodes: list[Any]
    feed: dict[str, Any]
    constants: dict[str, Any] = field(default_factory=dict)
    outputs: tuple[str, ...] = ("y",)
    types: tuple[str, ...] = ("uint8",)
    opset: int = 21

    def proto(self) -> Any:
        inputs = [helper.make_tensor_value_info(n, _TYPES[v.dtype.name], v.shape) for n, v in self.feed.items()]
        types = (*self.types, *self.types[-1:] * len(self.outputs))
        outputs = [helper.make_tensor_value_info(n, _TYPES[t], None) for n, t in zip(self.outputs, types, strict=False)]
        initializers = [numpy_helper.from_array(np.asarray(v), n) for n, v in self.constants.items()]
        graph = helper.make_graph(self.nodes, "g", inputs, outputs, initializers)
        opsets = [helper.make_opsetid("", self.opset), helper.make_opsetid(MICROSOFT, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def drawn(rng: np.random.Generator, dtype: str, shape: tuple[int, ...] = SHAPE) -> Any:
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max, shape, dtype, endpoint=True)


def numbers(rng: np.random.Generator, dtype: str, *names: str) -> dict[str, Any]:
    """A scale s and a zero point z for each name, such that few results saturate."""
    found: dict[str, Any] = {}
    info = np.iinfo(dtype)
    quarter = (info.max - info.min) // 4
    for name in names:
        zero = rng.integers(info.min + quarter, info.max - quarter, (), dtype)
        found |= {f"s{name}": np.float32(rng.uniform(0.02, 0.06)), f"z{name}": np.asarray(zero)}
    return found


def operator(name: str, dtype: str, seed: int, **attributes: Any) -> File:
    """A com.microsoft operator of one operand."""
    rng = np.random.default_rng(seed)
    node = helper.make_node(name, ["x", "sx", "zx", "sy", "zy"], ["y"], domain=MICROSOFT, **attributes)
    constants = numbers(rng, dtype, "x", "y")
    if name in ("QLinearSigmoid", "QLinearSoftmax"):
        constants |= {"sy": np.float32(1 / 256), "zy": np.array(np.iinfo(dtype).min, dtype)}
    return File([node], {"x": drawn(rng, dtype)}, constants, types=(dtype,))


def pair(name: str, dtype: str, seed: int, shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> File:
    """A com.microsoft operator of two operands."""
    rng = np.random.default_rng(seed)
    node = helper.make_node(name, ["x", "sx", "zx", "w", "sw", "zw", "sy", "zy"], ["y"], domain=MICROSOFT)
    feed = {"x": drawn(rng, dtype, shapes[0]), "w": drawn(rng, dtype, shapes[1])}
    return File([node], feed, numbers(rng, dtype, "x", "w", "y"), types=(dtype,))


def dequantized(name: str, **attributes: Any) -> Any:
    return helper.make_node("DequantizeLinear", [name, f"s{name}", f"z{name}"], [f"{name}f"], **attributes)


def quantized(source: str, name: str = "y") -> Any:
    return helper.make_node("QuantizeLinear", [source, f"s{name}", f"z{name}"], [name])


def qdq(
    name: str, dtype: str, seed: int, *, same: bool = False, extra: dict[str, Any] | None = None, **kw: Any
) -> File:
    """An operator between DequantizeLinear and QuantizeLinear; `extra` are constant operands, None for absent ones."""
    rng = np.random.default_rng(seed)
    constants = numbers(rng, dtype, "x", "y")
    if same:
        constants |= {"sy": constants["sx"], "zy": constants["zx"]}
    extra = extra or {}
    operands = ["xf", *("" if v is None else k for k, v in extra.items())]
    nodes = [dequantized("x"), helper.make_node(name, operands, ["yf"], **kw), quantized("yf")]
    constants |= {k: v for k, v in extra.items() if v is not None}
    return File(nodes, {"x": drawn(rng, dtype)}, constants, types=(dtype,), opset=17 if dtype[-1] == "8" else 21)


def qdq_pair(name: str, dtype: str, seed: int, **attributes: Any) -> File:
    rng = np.random.default_rng(seed)
    if name == "Concat":
        attributes["axis"] = 1
    nodes = [dequantized("x"), dequantized("w"), helper.make_node(name, ["xf", "wf"], ["yf"], **attributes)]
    shape = SHAPE if name == "Concat" else (5, 1, 11)
    feed = {"x": drawn(rng, dtype), "w": drawn(rng, dtype, shape)}
    return File([*nodes, quantized("yf")], feed, numbers(rng, dtype, "x", "w", "y"), types=(dtype,), opset=17)


def convolution(dtype: str, seed: int, groups: int, outputs: int, activation: str) -> File:
    """A QDQ convolution with int8 weights for each channel, a bias, and what follows it."""
    rng = np.random.default_rng(seed)
    constants = numbers(rng, dtype, "x", "y") | {
        "w": rng.integers(-127, 128, (outputs, 5 // groups, 3, 3), np.int8),
        "sw": rng.uniform(0.001, 0.01, outputs).astype(np.float32), "zw": np.zeros(outputs, np.int8),
        "b": rng.integers(-999, 999, outputs, np.int32), "zb": np.zeros(outputs, np.int32),
        "low": np.float32(0), "high": np.float32(6),
    }  # fmt: skip
    constants["sb"] = (constants["sx"] * constants["sw"]).astype(np.float32)
    nodes = [dequantized("x"), dequantized("w", axis=0), dequantized("b", axis=0)]
    nodes.append(helper.make_node("Conv", ["xf", "wf", "bf"], ["c"], group=groups, pads=[1, 0, 1, 2], strides=[2, 1]))
    if activation != "NONE":
        bounds = ["low", "high"] if activation == "Clip" else []
        nodes.append(helper.make_node(activation, ["c", *bounds], ["r"]))
    nodes.append(quantized("c" if activation == "NONE" else "r"))
    used = {name for node in nodes for name in node.input}
    kept = {name: value for name, value in constants.items() if name in used}
    return File(nodes, {"x": drawn(rng, dtype)}, kept, types=(dtype,), opset=17)


def product(name: str, types: tuple[str, str], seed: int, **attributes: Any) -> File:
    """QLinearMatMul or QGemm with constant weights."""
    rng = np.random.default_rng(seed)
    left, right = types
    constants = numbers(rng, left, "x", "y") | numbers(rng, right, "w") | {"w": drawn(rng, right, (11, 7))}
    is_gemm = name == "QGemm"
    bias = ["b"] if is_gemm else []
    constants |= {"b": rng.integers(-999, 999, 7, np.int32)} if is_gemm else {}
    operands = ["x", "sx", "zx", "w", "sw", "zw", *bias, "sy", "zy"]
    node = helper.make_node(name, operands, ["y"], domain=MICROSOFT if is_gemm else "", **attributes)
    constants["sy"] = constants["sx"] * constants["sw"] * np.float32(rng.uniform(500, 900))
    return File([node], {"x": drawn(rng, left, (4, 11))}, constants, types=(left,))


def concatenation(dtype: str, seed: int) -> File:
    rng = np.random.default_rng(seed)
    operands = ["sy", "zy", "x", "sx", "zx", "w", "sw", "zw", "v", "sy", "zy"]
    node = helper.make_node("QLinearConcat", operands, ["y"], axis=2, domain=MICROSOFT)
    feed = {name: drawn(rng, dtype) for name in "xwv"}
    return File([node], feed, numbers(rng, dtype, "x", "w", "y"), types=(dtype,))


def resize(mode: str, coordinates: str, nearest: str, size: tuple[int, ...]) -> File:
    node = helper.make_node(
        "Resize", ["x", "", "", "size"], ["y"], mode=mode, coordinate_transformation_mode=coordinates,
        nearest_mode=nearest,
    )  # fmt: skip
    x = np.random.default_rng(1).normal(size=SHAPE).astype(np.float32)
    return File([node], {"x": x}, {"size": np.array((*SHAPE[:2], *size), np.int64)}, types=("float32",), opset=17)


def session(model: Any) -> Any:
    """ONNX Runtime with all optimizations and one thread; skips where it is not installed."""
    ort = pytest.importorskip("onnxruntime")
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
