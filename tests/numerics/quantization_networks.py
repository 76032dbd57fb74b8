"""Float networks to quantize, small, with seeded weights; and samples as ONNX Runtime's calibrators take them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from socsim.numerics.quantization import Observer
from socsim.workload.builder import GraphBuilder
from socsim.workload.dtypes import DType
from socsim.workload.graph import TensorKind
from socsim.workload.importers.onnx import import_onnx
from socsim.workload.limits import DEFAULT_LIMITS


def samples(name, shape, count=4, seed=0):
    rng = np.random.default_rng(seed)
    return [{name: rng.normal(0, 1, shape).astype(np.float32)} for _ in range(count)]


def onnx_file(alpha=0.5, beta=2.0) -> bytes:
    """Conv + BatchNormalization + Relu, depthwise + Clip(0, 6), residual Add, MaxPool, Concat, pool, Gemm, Softmax."""
    import onnx
    from onnx import helper, numpy_helper

    rng = np.random.default_rng(1)
    constants = {
        "w1": rng.normal(0, 0.3, (8, 3, 3, 3)), "gamma": rng.uniform(0.5, 2, 8), "beta": rng.normal(0, 0.3, 8),
        "mean": rng.normal(0, 0.3, 8), "var": rng.uniform(0.5, 2, 8), "w2": rng.normal(0, 0.3, (8, 1, 3, 3)),
        "b2": rng.normal(0, 0.2, 8), "w3": rng.normal(0, 0.3, (8, 8, 1, 1)), "b3": rng.normal(0, 0.2, 8),
        "w4": rng.normal(0, 0.3, (5, 16)), "b4": rng.normal(0, 0.2, 5), "low": np.zeros(()), "high": np.full((), 6.0),
    }  # fmt: skip
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["c1"], pads=[1, 1, 1, 1]),
        helper.make_node("BatchNormalization", ["c1", "gamma", "beta", "mean", "var"], ["n1"]),
        helper.make_node("Relu", ["n1"], ["r1"]),
        helper.make_node("Conv", ["r1", "w2", "b2"], ["c2"], pads=[1, 1, 1, 1], group=8),
        helper.make_node("Clip", ["c2", "low", "high"], ["r2"]),
        helper.make_node("Conv", ["r2", "w3", "b3"], ["c3"]),
        helper.make_node("Add", ["c3", "r1"], ["a"]),
        helper.make_node("MaxPool", ["a"], ["m"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("AveragePool", ["r2"], ["v"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Concat", ["m", "v"], ["j"], axis=1),
        helper.make_node("GlobalAveragePool", ["j"], ["g"]),
        helper.make_node("Flatten", ["g"], ["f"]),
        helper.make_node("Gemm", ["f", "w4", "b4"], ["l"], transB=1, alpha=alpha, beta=beta),
        helper.make_node("Softmax", ["l"], ["y"], axis=-1),
    ]
    graph = helper.make_graph(
        nodes, "net",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 3, 8, 8])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 5])],
        [numpy_helper.from_array(np.asarray(v, np.float32), k) for k, v in constants.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def onnx_network(**factors):
    return import_onnx(
        onnx_file(**factors), path=Path("net.onnx"), name="net", batch=None, shapes={}, limits=DEFAULT_LIMITS
    )


class Layers:
    """A float TFLite graph, written layer by layer."""

    def __init__(self, name, shape, seed=2):
        self.b, self.rng = GraphBuilder(name), np.random.default_rng(seed)
        self.name, self.x = name, self.b.tensor("x", DType.FLOAT32, shape, kind=TensorKind.INPUT)

    def constant(self, name, shape, spread=0.3):
        data = self.rng.normal(0, spread, shape).astype(np.float32)
        return self.b.tensor(name, DType.FLOAT32, shape, kind=TensorKind.CONSTANT, data=data)

    def layer(self, kind, name, inputs, shape, **attributes):
        made = self.b.tensor(name, DType.FLOAT32, shape)
        self.b.operator(kind, name, inputs, [made], attributes)
        return made

    def build(self, *outputs):
        return self.b.build(self.name, "tflite", [self.x], list(outputs))


WINDOW = {"layout": "NHWC", "kernel": (3, 3), "strides": (1, 1), "dilations": (1, 1), "pads": (1, 1, 1, 1)}


def tflite_network():
    """CONV_2D, RELU6, DEPTHWISE_CONV_2D, PAD, pool, CONCATENATION, LOGISTIC, MEAN, FULLY_CONNECTED, SOFTMAX."""
    n = Layers("channels_last", (1, 8, 8, 3))
    conv = n.layer("CONV_2D", "conv", [n.x, n.constant("w1", (8, 3, 3, 3)), n.constant("b1", (8,))], (1, 8, 8, 8),
                   **WINDOW, groups=1, activation="NONE")  # fmt: skip
    relu = n.layer("RELU6", "relu", [conv], (1, 8, 8, 8))
    depth = n.layer("DEPTHWISE_CONV_2D", "depth", [relu, n.constant("w2", (1, 3, 3, 8)), n.constant("b2", (8,))],
                    (1, 8, 8, 8), **WINDOW, groups=8, activation="NONE")  # fmt: skip
    gate = n.layer("LOGISTIC", "gate", [depth], (1, 8, 8, 8))
    product = n.layer("MUL", "product", [gate, depth], (1, 8, 8, 8), activation="NONE")
    joined = n.layer("CONCATENATION", "joined", [product, gate], (1, 8, 8, 16), axis=3)
    padded = n.layer("PAD", "padded", [joined], (1, 9, 9, 16), paddings=((0, 0), (1, 0), (1, 0), (0, 0)))
    pooled = n.layer("AVERAGE_POOL_2D", "pooled", [padded], (1, 3, 3, 16), layout="NHWC", kernel=(3, 3), strides=(3, 3),
                     dilations=(1, 1), pads=(0, 0, 0, 0), activation="NONE")  # fmt: skip
    mean = n.layer("MEAN", "mean", [pooled], (1, 16), axes=(1, 2), keep_dims=False)
    dense = n.layer("FULLY_CONNECTED", "dense", [mean, n.constant("w3", (5, 16)), n.constant("b3", (5,))], (1, 5),
                    transpose_b=True, activation="NONE")  # fmt: skip
    return n.build(n.layer("SOFTMAX", "y", [dense], (1, 5), beta=1.0), dense)


def attention_network():
    """Two BATCH_MATMUL, the first of a tensor with itself, with a SOFTMAX between, and a constant added."""
    n = Layers("attention", (2, 6, 8))
    scores = n.layer("BATCH_MATMUL", "scores", [n.x, n.x], (2, 6, 6), transpose_a=False, transpose_b=True)
    shares = n.layer("SOFTMAX", "shares", [scores], (2, 6, 6), beta=1.0)
    mixed = n.layer("BATCH_MATMUL", "mixed", [shares, n.x], (2, 6, 8), transpose_a=False, transpose_b=False)
    return n.build(n.layer("ADD", "y", [mixed, n.constant("offset", (8,))], (2, 6, 8), activation="NONE"))


class Reader:
    """Samples as ONNX Runtime's calibrators read them."""

    def __init__(self, given_samples):
        self._rest = iter(given_samples)

    def get_next(self):
        return next(self._rest, None)

    def __iter__(self):
        return self._rest


class AtOnce(Observer):
    """Gives all samples to an observer as one, as ONNX Runtime's calibrators do with histograms."""

    def __init__(self, inner):
        self.inner, self._parts = inner, []

    def _collect(self, flat):
        self._parts.append(flat)

    def interval(self, **options):
        if self._parts:
            self.inner.collect(np.concatenate(self._parts))
            self._parts = []
        return self.inner.interval(**options)
