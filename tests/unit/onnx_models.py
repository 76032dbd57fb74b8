"""Small ONNX models and the ways in which tests load them."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from socsim.workload.importers.onnx import import_onnx
from socsim.workload.limits import DEFAULT_LIMITS

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
NO_SHAPES = MappingProxyType({})


def load(model, *, path=Path("net.onnx"), batch=None, shapes=NO_SHAPES, limits=DEFAULT_LIMITS):
    data = model if isinstance(model, bytes) else model.SerializeToString()
    return import_onnx(data, path=path, name="net", batch=batch, shapes=shapes, limits=limits)


def value(name, shape, dtype=FLOAT):
    return helper.make_tensor_value_info(name, dtype, shape)


def constant(name, array):
    return numpy_helper.from_array(np.asarray(array), name)


def network(nodes, inputs, outputs, constants=(), *, opset=17, microsoft=False, **more):
    graph = helper.make_graph(nodes, "g", inputs, outputs, list(constants), **more)
    imports = [helper.make_opsetid("", opset)] + [helper.make_opsetid("com.microsoft", 1)] * microsoft
    return helper.make_model(graph, opset_imports=imports, ir_version=8 if opset < 21 else 10)


def node(op_type, inputs, outputs, **attributes):
    return helper.make_node(op_type, inputs.split(), outputs.split(), name=f"n_{outputs.split()[0]}", **attributes)


def weights(*shape):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def only(graph, operator_type):
    found = [op for op in graph.operators if op.type == operator_type]
    assert len(found) == 1, graph.operator_counts
    return found[0]


def single(op_type, shapes, result, *, constants=(), opset=17, microsoft=False, **attributes):
    """Return the graph of one node x0, x1, … -> y, with constants as its last operands."""
    inputs = [value(f"x{i}", s) for i, s in enumerate(shapes)]
    named = [constant(f"c{i}", c) for i, c in enumerate(constants)]
    names = [v.name for v in inputs] + [c.name for c in named]
    domain = "com.microsoft" if microsoft else ""
    made = helper.make_node(op_type, names, ["y"], name="n", domain=domain, **attributes)
    return load(network([made], inputs, [value("y", result)], named, opset=opset, microsoft=microsoft))
