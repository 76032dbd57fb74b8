"""The quantized LSTM against plain integers: drawn weights, scales and steps, and what stays between inferences."""

from __future__ import annotations

import numpy as np
import oracle_operators
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle_draws import FEW, PROFILES
from oracle_lstm import Gate, Network
from oracle_run import quantization

from socsim.numerics import tables
from socsim.numerics.executor import Executable
from socsim.workload.builder import GraphBuilder
from socsim.workload.dtypes import DType
from socsim.workload.graph import TensorKind

SCALES = st.one_of(st.floats(2.0**-12, 0.125, width=32), st.integers(-12, -2).map(lambda e: 2.0**e))
SIZES = st.tuples(st.integers(1, 2), st.integers(1, 3), st.integers(1, 4), st.integers(1, 3))
POINTS = st.one_of(st.integers(-128, 127), st.sampled_from([-128, 127]))


def graph(network: Network, x: np.ndarray, units: int, time_major: bool):
    """The operator as an importer makes it; operands by TFLite's positions."""
    builder = GraphBuilder("lstm")

    def constant(name, values, dtype, scale=None):
        return builder.tensor(
            name, DType(dtype), np.shape(values), kind=TensorKind.CONSTANT, data=np.array(values, dtype),
            quantization=quantization(None if scale is None else (scale, 0)),
        )  # fmt: skip

    batch = x.shape[1 if time_major else 0]
    start = builder.tensor("x", DType.INT8, x.shape, kind=TensorKind.INPUT, quantization=quantization(network.x))
    gates = list(enumerate(network.gates))
    weights = [constant(f"w{i}", g.weights, "int8", g.scales[0]) for i, g in gates]
    recurrent = [constant(f"r{i}", g.recurrent, "int8", g.scales[1]) for i, g in gates]
    biases = [constant(f"b{i}", g.bias, "int32") for i, g in gates]
    of_hidden = quantization(network.hidden)
    hidden = builder.tensor("h", DType.INT8, (batch, units), kind=TensorKind.VARIABLE, quantization=of_hidden)
    scale = quantization((2.0**network.power, 0))
    cell = builder.tensor("c", DType.INT16, (batch, units), kind=TensorKind.VARIABLE, quantization=scale)
    gate_results = [
        builder.tensor(f"g{i}", DType.INT16, (batch, units), quantization=quantization((2.0**-12, 0))) for i in range(4)
    ]
    inner = builder.tensor("inner", DType.INT8, (batch, units), quantization=quantization(network.hidden))
    result = builder.tensor("y", DType.INT8, (*x.shape[:2], units), quantization=quantization(network.hidden))
    operands = [start, *weights, *recurrent, None, None, None, *biases, None, None, hidden, cell]
    attributes = {
        "activation": "TANH", "time_major": time_major, "cell_clip": network.clip,
        "intermediates": (*gate_results, inner),
    }  # fmt: skip
    builder.operator("LSTM", "op", operands, [result], attributes)
    return builder.build("test", "tflite", [start], [result])


@pytest.mark.parametrize("profile", PROFILES)
@FEW
@given(SIZES, st.booleans(), st.sampled_from([0.0, 0.5, 8.0]), st.integers(-15, -9), st.data())
def test_sequences(profile, sizes, time_major, clip, power, data):
    batch, steps, inputs, units = sizes
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))

    def matrix(columns):
        extreme = data.draw(st.booleans())
        return (
            rng.choice([-127, 127], (units, columns)) if extreme else rng.integers(-127, 128, (units, columns))
        ).tolist()

    limit = data.draw(st.sampled_from([0, 5000, 2**31 - 1]))
    gates = [
        Gate(matrix(inputs), matrix(units), rng.integers(-limit, limit, units, endpoint=True).tolist(),
             (data.draw(SCALES), data.draw(SCALES)))
        for _ in range(4)
    ]  # fmt: skip
    table = tables.sigmoid16().tolist() if profile == "tflm" else None
    quants = [(data.draw(SCALES), data.draw(POINTS)) for _ in range(2)]
    network = Network(gates, *quants, power, clip, table, PROFILES[profile])
    shape = (steps, batch, inputs) if time_major else (batch, steps, inputs)
    executable = None
    hidden, cell = [[quants[1][1]] * units for _ in range(batch)], [[0] * units for _ in range(batch)]
    for _ in range(2):
        x = rng.integers(-128, 128, shape, np.int8)
        executable = executable or Executable(graph(network, x, units, time_major), profile)
        found = executable.run({"x": x})[executable.graph.outputs[0]]
        for t in range(steps):
            for b in range(batch):
                at = (t, b) if time_major else (b, t)
                hidden[b], cell[b] = network.step(x[at].tolist(), hidden[b], cell[b])
                assert found[at].tolist() == hidden[b]


def test_a_step_of_zeros_keeps_the_zero_point():
    zero = Gate([[0]], [[0]], [0], (2.0**-7, 2.0**-7))
    network = Network([zero] * 4, (0.5, -3), (2.0**-7, 5), -12, 0.0, None)
    assert network.step([100], [5], [0]) == ([5], [0])
    assert network.step([100], [5], [4096])[1] == [2048], "half of the cell state is kept"
    assert oracle_operators.logistic(0, 3, 16) == 2**14
