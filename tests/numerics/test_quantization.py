"""Does the quantizer choose the ranges that ONNX Runtime's chooses, and make networks that are near the float ones?"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from quantization_networks import (
    AtOnce,
    Layers,
    Reader,
    attention_network,
    onnx_file,
    onnx_network,
    samples,
    tflite_network,
)  # fmt: skip

from socsim.errors import NumericsError, UsageError
from socsim.numerics.arrays import constant_array, integer_range
from socsim.numerics.executor import Executable, by_name
from socsim.numerics.mac import dequantized
from socsim.numerics.quantization import (
    OBSERVERS,
    SCHEMES,
    Scheme,
    affine,
    layer_errors,
    observer,
    quantize_graph,
    quantize_weights,
    scheme,
)
from socsim.numerics.quantization.calibration import observe
from socsim.numerics.quantization.lowering import lowered
from socsim.numerics.quantization.observers import Entropy, MeanSquaredError, MinMax, Percentile
from socsim.workload.dtypes import DType
from socsim.workload.graph import Quantization, Tensor, TensorKind

BATCHES = {
    "growing": [np.random.default_rng(i).normal(0, 1 + i, 5000).astype(np.float32) for i in range(4)],
    "shrinking": [np.random.default_rng(i).normal(0.5, 4 - i, 5000).astype(np.float32) for i in range(4)],
    "positive": [np.maximum(np.random.default_rng(i).normal(0, 2, 5000), 0).astype(np.float32) for i in range(3)],
    "tailed": [np.random.default_rng(7).standard_t(3, 20000).astype(np.float32)],
    "zero first": [np.zeros(100, np.float32), np.linspace(-1, 3, 1000, dtype=np.float32)],
}


def interval(watcher, batches, **options):
    for batch in batches:
        watcher.collect(batch)
    found = watcher.interval(**options)
    return found.low, found.high


# --- against ONNX Runtime -----------------------------------------------------------------------------


def collected(method, batches, **settings):
    """Return the interval that ONNX Runtime's histogram collector finds."""
    calibrate = pytest.importorskip("onnxruntime.quantization.calibrate")
    options = {"num_bins": 2048, "num_quantized_bins": 128, "percentile": 99.9, "symmetric": False, "scenario": "same"}
    collector = calibrate.HistogramCollector(method=method, **(options | settings))
    for batch in batches:
        collector.collect({"t": batch})
    return tuple(float(v) for v in collector.compute_collection_result()["t"][:2])


@pytest.mark.parametrize("name", BATCHES)
@pytest.mark.parametrize("percent", [99.999, 99.9, 95.0])
def test_percentiles_equal_those_of_onnx_runtime(name, percent):
    expected = collected("percentile", BATCHES[name], percentile=percent)
    assert interval(Percentile(percent), BATCHES[name]) == expected


@pytest.mark.parametrize("name", BATCHES)
def test_symmetric_percentiles_are_within_two_bins_of_onnx_runtime(name):
    low, high = interval(Percentile(99.0), BATCHES[name], symmetric=True)
    expected = collected("percentile", BATCHES[name], percentile=99.0, symmetric=True)
    reach = max(np.abs(batch).max() for batch in BATCHES[name])
    assert max(abs(low - expected[0]), abs(high - expected[1])) <= 2 * (2 * reach / 2048)


@pytest.mark.parametrize("name", BATCHES)
@pytest.mark.parametrize(("bins", "coarse"), [(128, 128), (512, 128), (1024, 64)])
def test_entropy_intervals_equal_those_of_onnx_runtime(name, bins, coarse):
    expected = collected("entropy", BATCHES[name], num_bins=bins, num_quantized_bins=coarse)
    assert interval(Entropy(bins, coarse), BATCHES[name]) == expected


@pytest.fixture(scope="module")
def network():
    return onnx_network()


INPUTS = samples("x", (1, 3, 8, 8), count=6)


@pytest.mark.parametrize(
    ("method", "make", "settings", "bins"),
    [
        ("MinMax", MinMax, {}, 0),
        (
            "Percentile",
            lambda: AtOnce(Percentile(99.0)),
            {"symmetric": False, "percentile": 99.0, "num_bins": 2048},
            2048,
        ),
        ("Entropy", lambda: AtOnce(Entropy(512, 128)), {"num_bins": 512, "num_quantized_bins": 128}, 512),
    ],
)
def test_ranges_of_a_network_are_those_of_onnx_runtimes_calibrator(tmp_path, network, method, make, settings, bins):
    """Tolerance: 1e-5 of the reach for float32 convolutions that add in another order, and one bin of a histogram."""
    calibrate = pytest.importorskip("onnxruntime.quantization.calibrate")
    (tmp_path / "net.onnx").write_bytes(onnx_file())
    calibrator = calibrate.create_calibrator(
        tmp_path / "net.onnx", [], str(tmp_path / "augmented.onnx"), calibrate.CalibrationMethod[method],
        extra_options=settings,
    )  # fmt: skip
    calibrator.collect_data(Reader(INPUTS))
    expected = {name: data.range_value for name, data in calibrator.compute_data().items()}
    plain = lowered(network)
    watched = {plain.tensors[t].name: seen for t, seen in observe(plain, INPUTS, make).items()}
    shared = [name for name in ("x", "r1", "r2", "c3", "a", "m", "v", "j", "g", "l", "y") if name in expected]
    assert len(shared) >= 10
    for name in shared:
        found, (low, high) = watched[name].interval(), (float(np.ravel(v)[0]) for v in expected[name])
        full = observe_reach(watched[name])
        tolerance = full * (1e-5 + (2.01 / bins if bins else 0))
        assert abs(found.low - low) <= tolerance, name
        assert abs(found.high - high) <= tolerance, name


def observe_reach(seen):
    if isinstance(seen, MinMax):
        return max(abs(seen.interval().low), abs(seen.interval().high), 1e-3)
    return float(seen.inner._histogram.reach)


def test_scales_and_zero_points_are_those_of_onnx_runtimes_quantizer(tmp_path, network):
    """Scales within 1e-5 relative, zero points within 1 (float32 sums differ in order), weights' equal."""
    onnx = pytest.importorskip("onnx")
    ort = pytest.importorskip("onnxruntime.quantization")
    (tmp_path / "net.onnx").write_bytes(onnx_file())
    ort.quantize_static(
        tmp_path / "net.onnx", tmp_path / "q.onnx", Reader(INPUTS), per_channel=True,
        activation_type=ort.QuantType.QInt8, weight_type=ort.QuantType.QInt8,
        calibrate_method=ort.CalibrationMethod.MinMax,
    )  # fmt: skip
    file = onnx.load(tmp_path / "q.onnx")
    constants = {i.name: onnx.numpy_helper.to_array(i) for i in file.graph.initializer}
    made = {t.name: t for t in quantize_graph(network, INPUTS).tensors}
    compared = 0
    for name in ("x", "r1", "r2", "c3", "a", "l"):
        if f"{name}_scale" not in constants:
            continue
        q = made[f"{name}_quantized"].quantization
        assert q.scales[0] == pytest.approx(float(constants[f"{name}_scale"]), rel=1e-5), name
        assert abs(q.zero_points[0] - int(constants[f"{name}_zero_point"])) <= 1, name
        compared += 1
    assert compared >= 3
    for name in ("w2", "w3"):
        q = made[f"{name}_quantized"].quantization
        assert np.array_equal(np.float32(q.scales), constants[f"{name}_scale"].ravel())
        assert np.array_equal(made[f"{name}_quantized"].data, constants[f"{name}_quantized"])


def test_an_int8_network_is_as_near_the_float_one_as_that_of_onnx_runtime(tmp_path):
    """Within 3 dB on samples that neither was calibrated with: rounding rules differ."""
    ort = pytest.importorskip("onnxruntime")
    quantizer = pytest.importorskip("onnxruntime.quantization")
    file = onnx_file(alpha=1.0, beta=1.0)  # beta = 2 costs ONNX Runtime's quantizer 22 dB
    (tmp_path / "net.onnx").write_bytes(file)
    calibration, fresh = (samples("x", (1, 3, 8, 8), count=n, seed=n) for n in (32, 100))
    quantizer.quantize_static(
        tmp_path / "net.onnx", tmp_path / "q.onnx", Reader(calibration), per_channel=True,
        activation_type=quantizer.QuantType.QInt8, weight_type=quantizer.QuantType.QInt8,
    )  # fmt: skip
    sessions = [ort.InferenceSession(m, providers=["CPUExecutionProvider"]) for m in (file, str(tmp_path / "q.onnx"))]
    real, theirs = (np.concatenate([s.run(["y"], sample)[0] for sample in fresh]) for s in sessions)
    made = quantize_graph(onnx_network(alpha=1.0, beta=1.0), calibration)
    executable = Executable(made)
    ours = np.concatenate([executable.run(sample)[made.outputs[0]] for sample in fresh])
    noise = [np.sum((real - found) ** 2) for found in (ours, theirs)]
    assert 10 * np.log10(noise[0] / noise[1]) < 3


@pytest.mark.parametrize(("dtype", "kind"), [(DType.INT8, "INT8"), (DType.UINT8, "UINT8"), (DType.INT16, "INT16")])
@pytest.mark.parametrize("symmetric", [True, False])
def test_integers_of_weights_equal_those_of_onnx_runtime(dtype, kind, symmetric):
    utilities = pytest.importorskip("onnxruntime.quantization.quant_utils")
    onnx = pytest.importorskip("onnx")
    values = np.random.default_rng(3).normal(0.1, 1, (7, 33)).astype(np.float32)
    zero, scale, integers = utilities.quantize_data(values, getattr(onnx.TensorProto, kind), symmetric)
    found = quantize_weights(values, dtype, symmetric=symmetric)
    assert found.quantization == Quantization((float(scale),), (int(zero),))
    assert np.array_equal(found.values, np.asarray(integers).reshape(values.shape))


@pytest.mark.parametrize("block", [32, 64, 128])
@pytest.mark.parametrize("axis", [0, 1])
def test_scales_of_blocks_equal_those_of_onnx_runtime(axis, block):
    utilities = pytest.importorskip("onnxruntime.quantization.quant_utils")
    onnx = pytest.importorskip("onnx")
    if not hasattr(utilities, "compute_scale_zp_blocked"):
        pytest.skip("this onnxruntime does not quantize in blocks")
    values = np.random.default_rng(4).normal(0, 1, (200, 150)).astype(np.float32)
    points, scales = utilities.compute_scale_zp_blocked(values, onnx.TensorProto.INT8, axis, block, symmetric=True)
    found = quantize_weights(values, DType.INT8, axis=axis, block_size=block).quantization
    assert np.array_equal(np.float32(found.scales), scales.ravel())
    assert list(found.zero_points) == points.ravel().tolist()


# --- observers ----------------------------------------------------------------------------------------


def squared_error(values, low, high, dtype, *, symmetric):
    scale, zero = affine(low, high, dtype, symmetric=symmetric)
    first, last = integer_range(dtype)
    restored = (np.clip(np.rint(values / scale) + zero, first, last) - zero) * scale
    return float(np.mean((values - restored) ** 2))


@pytest.mark.parametrize("name", ["tailed", "growing", "positive"])
@pytest.mark.parametrize("dtype", [DType.INT8, DType.INT4])
@pytest.mark.parametrize("symmetric", [True, False])
def test_the_least_squared_error_is_near_that_of_an_exhaustive_search(name, dtype, symmetric):
    values = np.concatenate(BATCHES[name])
    low, high = interval(MeanSquaredError(), BATCHES[name], levels=2**dtype.bits - symmetric, symmetric=symmetric)
    ends = min(values.min(), 0.0), max(values.max(), 0.0)
    tried = [squared_error(values, *(e * s / 200 for e in ends), dtype, symmetric=symmetric) for s in range(1, 201)]
    assert squared_error(values, low, high, dtype, symmetric=symmetric) <= 1.15 * min(tried)


def test_rare_large_values_are_cut_off_by_all_but_min_max():
    values = np.random.default_rng(0).normal(0, 1, 200_000).astype(np.float32)
    values[0] = 200.0
    found = {name: interval(make(), [values])[1] for name, make in OBSERVERS.items()}
    assert found.pop("minmax") == 200.0
    assert all(3.0 < high < 200.0 for name, high in found.items() if name != "mse"), found
    assert interval(MeanSquaredError(), [values], levels=16)[1] < 50.0


@pytest.mark.parametrize("name", OBSERVERS)
def test_observers_refuse_what_has_no_range(name):
    watcher = OBSERVERS[name]()
    watcher.collect(np.zeros(0, np.float32))
    with pytest.raises(NumericsError, match="nothing was collected"):
        watcher.interval()
    with pytest.raises(NumericsError, match="NaN or infinite"):
        watcher.collect(np.array([1.0, np.nan]))
    watcher.collect(np.zeros(5, np.float32))
    found = watcher.interval()
    assert affine(found.low, found.high, DType.INT8, symmetric=False)[1] == 0


@pytest.mark.parametrize(
    "make", [lambda: Percentile(0), lambda: Percentile(101), lambda: Percentile(bins=3), lambda: Entropy(64, 128)]
)
def test_observers_refuse_settings_without_meaning(make):
    with pytest.raises(UsageError, match="give"):
        make()


# --- scales and weights -------------------------------------------------------------------------------

REALS = st.floats(-1e6, 1e6, width=32)


@given(REALS, REALS, st.sampled_from([DType.INT4, DType.INT8, DType.UINT8, DType.INT16]), st.booleans())
def test_zero_is_exact_and_ends_are_within_a_step(a, b, dtype, symmetric):
    low, high = min(a, b), max(a, b)
    scale, zero = affine(low, high, dtype, symmetric=symmetric)
    first, last = integer_range(dtype)
    assert first <= zero <= last
    assert scale > 0
    step = float(scale) * (1 + 1e-4)
    assert (first - int(zero)) * float(scale) <= low + step
    assert (last - int(zero)) * float(scale) >= high - step


def test_ranges_without_meaning_are_refused():
    for low, high in ((0.0, np.inf), (np.nan, 1.0), (2.0, 1.0)):
        with pytest.raises(NumericsError, match="cannot be quantized"):
            affine(low, high, DType.INT8, symmetric=False)


@given(
    st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 70), st.sampled_from([DType.INT4, DType.INT8]),
    st.sampled_from([(None, None), (0, None), (1, None), (1, 32), (0, 2)]),
)  # fmt: skip
def test_symmetric_weights_are_within_half_a_step(seed, rows, columns, dtype, split):
    axis, block = split
    values = np.random.default_rng(seed).normal(0, 1, (rows, columns)).astype(np.float32)
    found = quantize_weights(values, dtype, axis=axis, block_size=block)
    tensor = Tensor(0, "w", dtype, values.shape, TensorKind.CONSTANT, found.quantization, found.values)
    steps = dequantized(
        Tensor(0, "s", dtype, values.shape, TensorKind.CONSTANT, found.quantization), np.ones(values.shape)
    )
    assert np.all(np.abs(dequantized(tensor, constant_array(tensor)) - values) <= steps * (0.5 + 1e-5))
    assert set(found.quantization.zero_points) == {0}
    assert abs(int(found.values.min())) <= integer_range(dtype)[1]


def test_weights_without_meaning_are_refused():
    with pytest.raises(NumericsError, match="finite"):
        quantize_weights(np.array([np.inf]), DType.INT8)
    with pytest.raises(NumericsError, match="axis 2"):
        quantize_weights(np.ones((2, 2)), DType.INT8, axis=2)
    with pytest.raises(NumericsError, match="blocks of 32"):
        quantize_weights(np.ones((2, 2)), DType.INT8, block_size=32)


# --- networks -----------------------------------------------------------------------------------------

NETWORKS = {"onnx": (onnx_network, (1, 3, 8, 8)), "tflite": (tflite_network, (1, 8, 8, 3))}
LEAST_SQNR = {"int8": 30, "int8-per-tensor": 30, "int8-symmetric": 27, "uint8": 30, "int16x8": 36, "w4a8": 12}


def network_of(name):
    make, shape = NETWORKS[name]
    return make(), samples("x", shape, count=4)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("rules", SCHEMES)
def test_every_layer_of_a_quantized_network_is_near_the_float_one(name, rules):
    net, given_samples = network_of(name)
    errors = layer_errors(net, quantize_graph(net, given_samples, rules), given_samples)
    least = LEAST_SQNR.get(rules, 12)
    assert len(errors) >= 10
    assert min(e.sqnr_db for e in errors) > least, errors
    assert min(e.cosine for e in errors) > 0.98
    assert all(e.largest > 0 for e in errors if e.type in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"))


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("rule", ["minmax", "percentile", "mse"])
def test_observers_calibrate_networks(name, rule):
    net, given_samples = network_of(name)
    errors = layer_errors(net, quantize_graph(net, given_samples, "int8", rule), given_samples)
    assert min(e.sqnr_db for e in errors) > 30


def test_a_lowered_network_computes_what_onnx_runtime_does(network):
    """Tolerance 1e-5: folding the normalisation and another order of sums."""
    ort = pytest.importorskip("onnxruntime")
    session = ort.InferenceSession(onnx_file(), providers=["CPUExecutionProvider"])
    plain = lowered(network)
    for sample in INPUTS:
        found = by_name(plain, Executable(plain).run(sample))["y"]
        np.testing.assert_allclose(found, session.run(["y"], sample)[0], rtol=0, atol=1e-5)
    assert [op.type for op in plain.operators].count("BATCH_NORM") == 0
    assert [op.attributes.get("activation") for op in plain.operators[:2]] == ["RELU", "RELU6"]


@pytest.mark.parametrize("name", NETWORKS)
def test_only_ends_change_representation(name):
    net, given_samples = network_of(name)
    made = quantize_graph(net, given_samples, "int8")
    types = [op.type for op in made.operators]
    assert types[0] == "QUANTIZE"
    assert types.count("DEQUANTIZE") == len(net.outputs)
    assert [made.tensors[t].name for t in (*made.inputs, *made.outputs)] == [
        net.tensors[t].name for t in (*net.inputs, *net.outputs)
    ]
    assert all(made.tensors[t].dtype is DType.FLOAT32 for t in (*made.inputs, *made.outputs))
    joins = [op for op in made.operators if op.type == "CONCATENATION"]
    for op in joins:
        assert len({made.tensors[t].quantization for t in (*op.inputs, *op.outputs)}) == 1
    softmax = next(op for op in made.operators if op.type == "SOFTMAX")
    assert made.tensors[softmax.outputs[0]].quantization == Quantization((1 / 256,), (-128,))


@pytest.mark.parametrize(("rules", "dtype"), [("int8", DType.INT32), ("uint8", DType.INT32), ("int16x8", DType.INT64)])
@pytest.mark.parametrize("name", NETWORKS)
def test_biases_are_in_units_of_the_accumulator(name, rules, dtype):
    net, given_samples = network_of(name)
    made = quantize_graph(net, given_samples, rules)
    plain = lowered(net)
    reals = {op.name: constant_array(plain.tensors[op.inputs[2]]) for op in plain.operators if len(op.inputs) == 3}
    weighted = [op for op in made.operators if op.type in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")]
    assert len(weighted) >= 3
    for op in weighted:
        source, weights, bias = (made.tensors[t] for t in op.inputs)
        units = np.float64(source.quantization.scales[0]) * np.array(weights.quantization.scales)
        assert bias.dtype is dtype
        np.testing.assert_allclose(bias.quantization.scales, units, rtol=1e-6)
        assert np.all(np.abs(bias.data * units - reals[op.name].ravel()) <= units * 0.501)
        channels = made.tensors[op.outputs[0]].shape[1 if op.attributes.get("layout") == "NCHW" else -1]
        assert len(weights.quantization.scales) == (channels if SCHEMES[rules].per_channel else 1)


@pytest.mark.parametrize("per_channel", [True, False])
def test_a_bias_that_its_accumulator_cannot_hold_raises_the_scale_of_the_weights(per_channel):
    n = Layers("wide", (1, 4))
    weights = np.zeros((2, 4), np.float32)
    weights[0], weights[1] = 1e-9, 0.5
    w = n.b.tensor("w", DType.FLOAT32, (2, 4), kind=TensorKind.CONSTANT, data=weights)
    b = n.b.tensor("b", DType.FLOAT32, (2,), kind=TensorKind.CONSTANT, data=np.array([100.0, 0.0], np.float32))
    net = n.build(n.layer("FULLY_CONNECTED", "y", [n.x, w, b], (1, 2), transpose_b=True, activation="NONE"))
    rules = Scheme("own", DType.INT8, DType.INT8, per_channel=per_channel)
    given_samples = samples("x", (1, 4))
    errors = layer_errors(net, quantize_graph(net, given_samples, rules), given_samples)
    assert errors[0].largest < 0.5


def test_blocks_of_four_bit_weights_stay_floats_times_integers():
    n = Layers("wide", (2, 200))
    net = n.build(n.layer("FULLY_CONNECTED", "y", [n.x, n.constant("w", (16, 200))], (2, 16), transpose_b=True))
    given_samples = samples("x", (2, 200))
    errors = {}
    for block in (32, 64, 128):
        made = quantize_graph(net, given_samples, f"w4a16-{block}")
        weights = made.tensors[made.operators[0].inputs[1]]
        assert (weights.dtype, weights.quantization.block_size) == (DType.INT4, block)
        assert len(weights.quantization.scales) == 16 * -(-200 // block)
        real = dequantized(weights, constant_array(weights))
        result = Executable(made).run(given_samples[0])[made.outputs[0]]
        np.testing.assert_allclose(result, given_samples[0]["x"] @ real.T, rtol=1e-4, atol=1e-4)
        errors[block] = layer_errors(net, made, given_samples)[0].sqnr_db
    assert errors[32] > errors[64] > errors[128] > 15


@pytest.mark.parametrize(("rules", "least"), [("int8", 25), ("uint8", 25), ("int16x8", 55)])
def test_products_of_two_computed_matrices(rules, least):
    net, given_samples = attention_network(), samples("x", (2, 6, 8))
    made = quantize_graph(net, given_samples, rules)
    assert [op.type for op in made.operators if "QUANTIZE" not in op.type] == [op.type for op in net.operators]
    assert [op.type for op in made.operators].count("QUANTIZE") == 1
    assert min(e.sqnr_db for e in layer_errors(net, made, given_samples)) > least


@pytest.mark.parametrize("rules", ["int8", "w4a16-32"])
@pytest.mark.parametrize("profile", ["tflm", "ruy", "xnnpack", "single-rounding"])
def test_other_profiles_run_quantized_networks(profile, rules):
    net, given_samples = network_of("tflite")
    errors = layer_errors(net, quantize_graph(net, given_samples, rules), given_samples, profile)
    assert min(e.sqnr_db for e in errors) > LEAST_SQNR.get(rules, 12)


def test_what_cannot_be_lowered_is_named():
    n = Layers("odd", (1, 4, 4, 2))
    padded = n.layer("PAD", "p", [n.x], (1, 6, 6, 2), paddings=((0, 0), (1, 1), (1, 1), (0, 0)), value=2.0)
    net = n.build(n.layer("AVERAGE_POOL_2D", "v", [padded], (1, 6, 6, 2), layout="NHWC", kernel=(3, 3), strides=(1, 1),
                          dilations=(1, 1), pads=(1, 1, 1, 1), activation="NONE", count_include_pad=True))  # fmt: skip
    with pytest.raises(NumericsError, match=r"(?s)2 faults.*PAD 'p': pads with constant 2.0.*border counts"):
        quantize_graph(net, samples("x", (1, 4, 4, 2)))


def test_operators_without_an_integer_form_stay_in_float():
    n = Layers("mixed", (1, 8))
    a = n.layer("ADD", "a", [n.x, n.constant("k", (1, 8))], (1, 8), activation="NONE")
    c = n.layer("COS", "c", [a], (1, 8))
    net = n.build(n.layer("MUL", "y", [c, a], (1, 8), activation="NONE"))
    made = quantize_graph(net, samples("x", (1, 8)))
    assert [op.type for op in made.operators] == [
        "QUANTIZE", "ADD", "DEQUANTIZE", "COS", "QUANTIZE", "MUL", "DEQUANTIZE",
    ]  # fmt: skip
    assert min(e.sqnr_db for e in layer_errors(net, made, samples("x", (1, 8)))) > 25


def test_the_same_samples_make_the_same_network(network):
    for rule in OBSERVERS:
        first, second = (quantize_graph(network, INPUTS, "int8", rule) for _ in range(2))
        assert first == second
        assert all(np.array_equal(a.data, b.data) for a, b in zip(first.tensors, second.tensors, strict=True)
                   if a.data is not None)  # fmt: skip


def test_errors_compare_tensors_by_index_too(network):
    made = quantize_graph(network, INPUTS)
    by_index = [{network.inputs[0]: sample["x"]} for sample in INPUTS]
    assert layer_errors(network, made, by_index) == layer_errors(network, made, INPUTS)


def test_misuse_is_named(network):
    with pytest.raises(UsageError, match=r"'int9' is not known.*int8"):
        scheme("int9")
    with pytest.raises(UsageError, match=r"'minmix' is not known.*minmax"):
        observer("minmix")
    with pytest.raises(UsageError, match="no samples"):
        quantize_graph(network, [])
    with pytest.raises(UsageError, match="input 'x'"):
        quantize_graph(network, [{}])
    with pytest.raises(NumericsError, match=r"tensor \d+ 'x': a value is NaN"):
        quantize_graph(network, [{"x": np.full((1, 3, 8, 8), np.nan, np.float32)}])
    with pytest.raises(NumericsError, match="is quantized int8"):
        quantize_graph(quantize_graph(network, INPUTS), INPUTS)
    with pytest.raises(NumericsError, match="was not made from net"):
        layer_errors(network, quantize_graph(tflite_network(), samples("x", (1, 8, 8, 3))), INPUTS)
