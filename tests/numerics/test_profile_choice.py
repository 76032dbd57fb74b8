"""Is the profile that of the argument, of the platform's unit or of the format, and can it be one's own?"""

from __future__ import annotations

import json

import numpy as np
import onnx
import onnx_cases as make
import pytest
from onnx import helper

import socsim as ss
from socsim.errors import NumericsError, UsageError
from socsim.numerics.executor import Executable
from socsim.numerics.golden_inputs import recipe
from socsim.numerics.profiles import PROFILES
from socsim.soc.runtimes import runtime, runtime_names

KWS = "mlperf_tiny_kws"
UNITS = [
    ("imx93", None, None, "tflite"), ("imx93", "cpu", None, "xnnpack"), ("imx93", "cpu", "tflite-ruy", "ruy"),
    ("stm32n657", "cpu", None, "tflm"), ("orin-nano", "gpu", None, "onnx"), (None, None, "cmsis-nn", "tflm"),
]  # fmt: skip


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(-128, 127, (1, 49, 10, 1), np.int8, endpoint=True)


@pytest.fixture
def inputs(tmp_path, image):
    np.savez(tmp_path / "in.npz", input_1=image)
    return tmp_path / "in.npz"


def test_every_runtime_names_a_profile():
    assert {runtime(name).numerics for name in runtime_names()} <= set(PROFILES)


@pytest.mark.parametrize(("platform", "unit", "stack", "name"), UNITS)
def test_a_unit_has_the_profile_of_its_software(platform, unit, stack, name):
    assert ss.numerics_profile(KWS, platform=platform, unit=unit, runtime=stack) is PROFILES[name]


def test_an_explicit_profile_wins_and_the_format_comes_last(tmp_path):
    assert ss.numerics_profile(KWS, "tflm", platform="imx93", unit="cpu").name == "tflm"
    assert ss.numerics_profile(KWS).name == "tflite"
    onnx.save(make.operator("QLinearSigmoid", "int8", 1).proto(), tmp_path / "m.onnx")
    assert ss.numerics_profile(tmp_path / "m.onnx").name == "onnx"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"unit": "npu"}, "unit 'npu' needs a platform"),
        ({"platform": "imx93x"}, "Did you mean 'imx93'"),
        ({"platform": "imx93", "unit": "gpu"}, "has no unit 'gpu'"),
        ({"platform": "imx93", "unit": "npu", "runtime": "tensorrt"}, "runtime 'tensorrt' drives gpu"),
        ({"runtime": "tflite-ryu"}, "Did you mean 'tflite-ruy'"),
        ({"profile": 3}, "profile is 3; give a name or a socsim.Profile"),
    ],
)
def test_what_does_not_exist_is_refused_with_what_does(arguments, words):
    with pytest.raises(UsageError) as error:
        ss.numerics_profile(KWS, **arguments)
    assert words in str(error.value)


def test_execute_and_validate_follow_the_platform(models, image, tmp_path):
    path = models / "mlperf_tiny_kws_dscnn_int8.tflite"
    results = {name: ss.execute(path, {0: image}, name, keep_all=True) for name in ("tflite", "xnnpack")}
    by_platform = ss.execute(path, {0: image}, platform="imx93", unit="cpu", keep_all=True)
    assert all(np.array_equal(by_platform[k], v) for k, v in results["xnnpack"].items())
    assert any(not np.array_equal(by_platform[k], v) for k, v in results["tflite"].items())
    golden = models / "golden" / "mlperf_tiny_kws_dscnn_int8.json"
    assert ss.validate_numerics(path, golden, platform="imx93", modes=["seed0"]).is_equal
    other = ss.validate_numerics(path, golden, platform="imx93", unit="cpu", modes=["seed0"])
    assert other.comparison.profile == "xnnpack"


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ([], "under tflite (LiteRT 2.3.0, BUILTIN_REF kernels)"),
        (["--platform", "imx93", "--unit", "cpu"], "under xnnpack (LiteRT 2.3.0 with XNNPACK)"),
        (["--platform", "imx93", "--unit", "cpu", "--runtime", "tflite-ruy"], "under ruy ("),
        (["--platform", "imx93", "--unit", "cpu", "--profile", "tflm"], "under tflm (TFLite Micro and CMSIS-NN)"),
    ],
)
def test_the_command_line_says_which_profile_it_used(socsim, inputs, tmp_path, image, options, named):
    code, out, err = socsim("execute", KWS, "--inputs", inputs, "--out", tmp_path / "out.npz", *options)
    assert (code, err) == (0, "")
    assert named in out
    with np.load(tmp_path / "out.npz") as found:
        expected = ss.execute(KWS, {0: image}, named.split()[1])
        assert all(np.array_equal(found[name], array) for name, array in expected.items())


def test_validation_on_the_command_line_follows_the_platform(socsim, inputs, tmp_path, image):
    made = ss.execute(KWS, {0: image}, "xnnpack")
    np.savez(tmp_path / "golden.npz", **{"in/0": image}, **{f"out/{k}": v for k, v in made.items()})
    options = ["--golden", tmp_path / "golden.npz", "--platform", "imx93", "--unit", "cpu", "--json"]
    code, out, _ = socsim("validate", "numerics", KWS, *options)
    assert code == 0
    assert json.loads(out)["profile"] == "xnnpack"


# --- own profiles -------------------------------------------------------------------------------------


def test_a_profile_of_ones_own_follows_its_roundings(image):
    """One rounding shift in convolutions, as TOSA has it, with XNNPACK's own element-wise operators."""
    single, double = ss.Rounding.SINGLE, ss.Rounding.DOUBLE
    mine = ss.Profile("mine", "a device", convolution=single, fully_connected=single, elementwise=single)
    made = ss.execute(KWS, {0: image}, mine, keep_all=True)
    expected = ss.execute(KWS, {0: image}, "single-rounding", keep_all=True)
    assert all(np.array_equal(made[name], array) for name, array in expected.items())
    mixed = ss.Profile("mixed", "another", convolution=double, fully_connected=None, elementwise=double)
    assert ss.numerics_profile(KWS, mixed) is mixed
    reference = ss.execute(KWS, {0: image}, keep_all=True)
    assert all(np.array_equal(a, reference[k]) for k, a in ss.execute(KWS, {0: image}, mixed, keep_all=True).items())


def test_a_profile_without_sense_is_refused_with_all_its_faults():
    with pytest.raises(UsageError) as error:
        ss.Profile("mine", "", convolution=1, fully_connected=None, elementwise="double", spec="tosa")
    text = str(error.value)
    assert "3 faults" in text
    assert "convolution is 1; give Rounding.DOUBLE, Rounding.SINGLE, Rounding.DOUBLE_UP, Rounding.FLOAT_EVEN" in text
    assert "elementwise is 'double'" in text
    assert "spec is 'tosa'; Known: onnx, tflite." in text
    up = ss.Rounding.DOUBLE_UP
    lost = ss.Profile("mine", "", convolution=up, fully_connected=up, elementwise=up, fallbacks=("ruyy",))
    with pytest.raises(UsageError, match=r"fallback 'ruyy' is no profile\. Did you mean 'ruy'"):
        ss.numerics_profile(KWS, lost)


# --- ONNX files by the rules of other software ----------------------------------------------------------


@pytest.mark.slow
def test_xnnpack_and_onnx_runtime_round_alike_in_networks_of_quantized_operators(models):
    """Both scale by float32 and round half to even, so that MobileNetV2's classes are the same bits."""
    graph = ss.load(models / "onnx_gen" / "mnv2_035_128_qop_u8u8_pt.onnx")
    inputs = recipe("seed0")(graph, models / "golden" / "onnx_gen")
    made = {p: Executable(graph, p).run(inputs)[graph.outputs[0]] for p in ("onnx", "xnnpack", "tflite")}
    assert np.array_equal(made["onnx"], made["xnnpack"])
    assert not np.array_equal(made["onnx"], made["tflite"])
    assert np.abs(made["onnx"] - made["tflite"]).max() < 0.05


def _qdq(tmp_path, file: make.File):
    onnx.save(file.proto(), tmp_path / "m.onnx")
    graph = ss.load(tmp_path / "m.onnx")
    return lambda profile: Executable(graph, profile).run(file.feed)[graph.outputs[0]]


POOLS = {
    "GlobalAveragePool": make.qdq("GlobalAveragePool", "int8", 3),
    "AveragePool": make.qdq("AveragePool", "int8", 3, kernel_shape=[2, 3]),
    "AveragePool in one scale": make.qdq("AveragePool", "uint8", 3, same=True, kernel_shape=[2, 3], strides=[2, 2]),
    "MaxPool": make.qdq("MaxPool", "int8", 3, kernel_shape=[2, 3]),
    "Resize": make.qdq("Resize", "int8", 3, mode="linear", extra={"r": None, "s": np.float32([1, 1, 2, 2])}),
    "Gather": make.qdq("Gather", "int8", 3, extra={"i": np.array([3, 0, -1])}, axis=1),
}  # fmt: skip


@pytest.mark.parametrize("name", POOLS)
@pytest.mark.parametrize("profile", ["tflite", "single-rounding", "ruy", "xnnpack"])
def test_images_of_onnx_files_go_through_the_kernels_of_the_profile(tmp_path, name, profile):
    """Channels stand where ONNX has them; the rounding is another, by two steps at most."""
    run = _qdq(tmp_path, POOLS[name])
    made, expected = run(profile), run("onnx")
    assert made.dtype == expected.dtype
    assert np.unique(expected).size > 5
    assert np.abs(made.astype(int) - expected.astype(int)).max() <= 2


def test_what_only_onnx_has_is_refused_under_other_rules(tmp_path):
    run = _qdq(tmp_path, make.qdq("AveragePool", "int8", 3, kernel_shape=[3, 3], pads=[1] * 4, count_include_pad=1))
    with pytest.raises(NumericsError, match="count_include_pad has a rule under the profile onnx alone"):
        run("tflite")
    pads = {"p": np.array([0, 0, 1, 2, 0, 0, 1, 0]), "v": np.float32(0.3)}
    with pytest.raises(NumericsError, match=r"a border of 0\.3.* under the profile onnx alone"):
        _qdq(tmp_path, make.qdq("Pad", "int8", 3, extra=pads))("tflite")


def test_reals_of_onnx_files_are_those_of_onnx_under_every_profile(tmp_path):
    nodes = [helper.make_node("Elu", ["x"], ["e"], alpha=0.3), helper.make_node("TopK", ["e", "k"], ["y", "i"], axis=1)]
    feed = {"x": np.random.default_rng(0).normal(size=(2, 6, 3)).astype(np.float32)}
    file = make.File(nodes, feed, {"k": np.array([2])}, ("y", "i"), ("float32", "int64"))
    onnx.save(file.proto(), tmp_path / "m.onnx")
    made = {p: ss.execute(tmp_path / "m.onnx", feed, p) for p in PROFILES}
    assert all(np.array_equal(made[p][k], v) for p in PROFILES for k, v in made["onnx"].items())
    assert made["tflite"]["i"].dtype == np.int64


def test_all_operators_without_a_rule_are_in_one_message(tmp_path):
    pads = {"p": np.array([0, 0, 1, 2, 0, 0, 1, 0]), "v": np.array(0.3, np.float32)}
    pairs = [("xf", "a", "x"), ("af", "y", "y")]
    nodes = [make.dequantized("x")]
    for source, name, scales in pairs:
        nodes.append(helper.make_node("Pad", [source, "p", "v"], [f"{name}r"]))
        nodes.append(helper.make_node("QuantizeLinear", [f"{name}r", f"s{scales}", f"z{scales}"], [name]))
    nodes.insert(3, helper.make_node("DequantizeLinear", ["a", "sx", "zx"], ["af"]))
    rng = np.random.default_rng(0)
    file = make.File(nodes, {"x": make.drawn(rng, "int8")}, make.numbers(rng, "int8", "x", "y") | pads, types=("int8",))
    run = _qdq(tmp_path, file)
    assert run("onnx").dtype == np.int8
    with pytest.raises(NumericsError) as error:
        run("tflite")
    text = str(error.value)
    assert text.startswith("m: 2 faults\n  - operator 0 PAD")
    assert text.count("has a rule under the profile onnx alone") == 2


@pytest.mark.parametrize("profile", PROFILES)
def test_small_floats_and_computed_scales_are_those_of_onnx_under_every_profile(tmp_path, profile):
    element = onnx.TensorProto.FLOAT8E5M2
    nodes = [helper.make_node("QuantizeLinear", ["x", "s"], ["q"], output_dtype=element)]
    nodes.append(helper.make_node("DequantizeLinear", ["q", "s"], ["y"]))
    feed = {"x": np.float32([[0.3, -7.4], [1e9, 5.0]]), "s": np.array(0.5, np.float32)}
    onnx.save(make.File(nodes, feed, types=("float32",), opset=23).proto(), tmp_path / "m.onnx")
    made = ss.execute(tmp_path / "m.onnx", feed, profile)["y"]
    assert made.tolist() == [[0.3125, -7.0], [28672.0, 5.0]]
