"""The precision pass: other types for cost, everything else as it was."""

from __future__ import annotations

import pytest
from small_world import Net

from socsim.errors import UsageError
from socsim.schedule.precision import PRECISIONS, at_precision
from socsim.workload.dtypes import DType
from socsim.workload.graph import TensorKind


@pytest.fixture
def graph():
    net = Net()
    x = net.input(1, 8, 8, 8)
    weights, out = net.constant(4, 1, 1, 8), net.builder.tensor("out", DType.INT8, (1, 8, 8, 4))
    bias = net.builder.tensor("bias", DType.INT32, (4,), kind=TensorKind.CONSTANT)
    slope = net.builder.tensor("slope", DType.INT8, (4,), kind=TensorKind.CONSTANT)
    attributes = {
        "layout": "NHWC", "kernel": (1, 1), "strides": (1, 1), "dilations": (1, 1), "pads": (0, 0, 0, 0),
        "compute_dtype": "int8",
    }  # fmt: skip
    net.builder.operator("CONV_2D", "conv", [x, weights, bias], [out], attributes)
    return net.graph(net.op("PRELU", [out, slope]))


def types(graph):
    return {t.name: t.dtype for t in graph.tensors}


def test_no_precision_leaves_the_graph_alone(graph):
    assert at_precision(graph, None) is graph


@pytest.mark.parametrize("name", sorted(PRECISIONS))
def test_weights_and_activations_take_the_types_of_their_name(graph, name):
    weights, activations = PRECISIONS[name]
    assert types(at_precision(graph, name)) == {
        "input0": activations, "constant": weights, "out": activations, "prelu_out": activations,
        "bias": DType.INT32, "slope": DType.INT8,
    }  # fmt: skip


def test_bytes_follow_the_types_and_work_does_not(graph):
    halved = at_precision(graph, "int4")
    assert halved.macs == graph.macs
    assert halved.tensors[0].bytes * 2 == graph.tensors[0].bytes
    assert halved.tensors[1].bytes * 2 == graph.tensors[1].bytes


def test_a_declared_compute_type_gives_way(graph):
    assert "compute_dtype" in graph.operators[0].attributes
    assert "compute_dtype" not in at_precision(graph, "int16").operators[0].attributes


def test_an_unknown_precision_comes_with_its_neighbours(graph):
    with pytest.raises(UsageError, match=r"precision 'int9' is not known\. Did you mean .*'int8'"):
        at_precision(graph, "int9")
