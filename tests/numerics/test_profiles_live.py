"""Do the profiles `tflite`, `ruy` and `xnnpack` equal the kernels of a live LiteRT, run in a subprocess?"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from profile_cases import cases

import socsim as ss
from benchmarks.resnet50 import resnet50, tflite_file
from socsim.numerics.comparison import Expected, difference
from socsim.numerics.executor import Executable
from socsim.numerics.golden_inputs import recipe
from socsim.numerics.threads import Team
from socsim.workload.importers import load_graph
from tests import tflite_writer as writer
from tests.conftest import SHARED

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("ai_edge_litert") is None, reason="ai-edge-litert is not installed"),
]

MODELS = SHARED / "models"
VECTORS = MODELS / "golden" / "op_vectors"
WORKER = Path(__file__).with_name("litert_worker.py")
KERNELS = {"tflite": "reference", "ruy": "optimized", "xnnpack": "xnnpack"}
MODES = ("seed0", "img")
SKIPPED = "mlperf_mobile_edsr_f32b5_int8"  # takes minutes in its own shape; its reference is tested in the recorded one


def _models() -> list[dict]:
    manifest = MODELS / "manifest.json"
    entries = json.loads(manifest.read_text())["models"] if manifest.is_file() else []
    quantized = [m for m in entries if m["file"].endswith(".tflite") and m["class"].startswith("bit-exact")]
    return [m for m in quantized if not m["name"].startswith("seanet/") and m["name"] != SKIPPED]


def live(folder: Path, model: Path, profile: str, sets: dict[str, list]) -> dict[str, np.ndarray]:
    """Return what LiteRT makes of each set of inputs, as SET/POSITION."""
    inputs, outputs = folder / "live_in.npz", folder / "live_out.npz"
    np.savez(inputs, **{f"{name}/{i}": array for name, arrays in sets.items() for i, array in enumerate(arrays)})
    command = [sys.executable, WORKER, model, KERNELS[profile], inputs, outputs]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    with np.load(outputs) as found:
        return dict(found)


def unequal(graph, profile: str, sets: dict[str, list], wanted: dict[str, np.ndarray]) -> dict[str, str]:
    """Return the outputs that differ: integers at all, floats by more than the tolerance."""
    executable = Executable(graph, profile)
    wrong = {}
    for name, arrays in sets.items():
        executable.reset()
        results = executable.run(dict(zip(graph.inputs, arrays, strict=True)))
        for position, t in enumerate(graph.outputs):
            found = difference(results[t], Expected(values=wanted[f"{name}/{position}"]))
            if found.is_failure:
                wrong[f"{name}/{position}"] = f"{found.mismatches} of {found.elements}, largest {found.largest}"
    return wrong


@pytest.mark.parametrize("entry", _models(), ids=lambda m: m["name"])
@pytest.mark.parametrize("profile", ["ruy", "xnnpack"])
def test_a_network_equals_the_live_kernels(entry, profile, tmp_path):
    path = MODELS / entry.get("run_file", entry["file"])
    graph = ss.load(path)
    recorded = json.loads((MODELS / entry["golden"]).read_text())["modes"]
    modes = [mode for mode in MODES if mode in recorded]
    sets = {mode: list(recipe(mode)(graph, MODELS / "golden").values()) for mode in modes}
    assert unequal(graph, profile, sets, live(tmp_path, path, profile, sets)) == {}


@pytest.mark.parametrize("name", sorted(path.stem for path in VECTORS.glob("*.npz")))
@pytest.mark.parametrize("profile", ["ruy", "xnnpack"])
def test_an_operator_equals_the_live_kernels(shared, profile, name, tmp_path):
    with np.load(VECTORS / f"{name}.npz") as vectors:
        cases = [str(i) for i in range(8)]
        sets = {i: [vectors[key] for key in sorted(vectors) if key.startswith(f"in_{i}_")] for i in cases}
        models = {i: vectors[f"model_{i}"].tobytes() for i in cases}
    wanted = live(tmp_path, VECTORS / f"{name}.npz", profile, sets)
    for i in cases:
        path = tmp_path / f"{i}.tflite"
        path.write_bytes(models[i])
        assert unequal(load_graph(path), profile, {i: sets[i]}, wanted) == {}


@pytest.fixture(scope="module", params=["tflite", "ruy", "xnnpack"])
def whole_domains(request, tmp_path_factory):
    """(profile, cases, what LiteRT makes of them), without those that the reference kernels get wrong."""
    drawn = [c for c in cases() if request.param != "tflite" or c.op != "SUM" or c.inputs[0].dtype == "uint8"]
    folder = tmp_path_factory.mktemp(request.param)
    files = {f"model_{i}": np.frombuffer(case.file(), np.uint8) for i, case in enumerate(drawn)}
    np.savez(folder / "models.npz", **files)
    sets = {str(i): case.arrays() for i, case in enumerate(drawn)}
    return request.param, drawn, live(folder, folder / "models.npz", request.param, sets)


@pytest.mark.parametrize("op", sorted({case.op for case in cases()}))
def test_whole_domains_equal_the_live_kernels(whole_domains, op):
    profile, drawn, wanted = whole_domains
    for i, case in enumerate(drawn):
        if case.op == op:
            assert unequal(case.graph(), profile, {str(i): case.arrays()}, wanted) == {}, case


def test_profiles_differ_from_each_other(shared, tmp_path):
    """Else equality with one of them would prove nothing."""
    name = "MEAN_int8"
    with np.load(VECTORS / f"{name}.npz") as vectors:
        (tmp_path / "m.tflite").write_bytes(vectors["model_0"].tobytes())
        given = {"0": [vectors["in_0_0"]]}
    graph = load_graph(tmp_path / "m.tflite")
    found = {p: Executable(graph, p).run({0: given["0"][0]}) for p in ("tflite", "ruy")}
    assert not np.array_equal(*(next(iter(result.values())) for result in found.values()))


@pytest.mark.parametrize("profile", ["tflite", "ruy"])
def test_blockwise_weights_equal_the_kernels_that_compute_them(shared, profile, tmp_path):
    """The reference kernels leave the result unwritten, so both profiles follow the optimized ones."""
    path = MODELS / "litert_qwen_fc_blockwise_int4.tflite"
    graph = ss.load(path)
    sets = {mode: list(recipe(mode)(graph, MODELS).values()) for mode in ("seed0", "seed1", "seed2")}
    assert unequal(graph, profile, sets, live(tmp_path, path, "ruy", sets)) == {}


@pytest.mark.parametrize("profile", ["tflite", "ruy"])
def test_hybrid_layers_are_equal_in_every_bit(shared, profile, tmp_path):
    path = MODELS / "mlperf_tiny_ad_toycar_hybrid.tflite"
    graph = ss.load(path)
    inputs = list(recipe("seed0")(graph, MODELS).values())
    wanted = live(tmp_path, path, profile, {"seed0": inputs})["seed0/0"]
    found = Executable(graph, profile).run({graph.inputs[0]: inputs[0]})[graph.outputs[0]]
    assert found.tobytes() == wanted.tobytes()


RNG = np.random.default_rng(3)


def hybrid_layer(
    code: int, weights: np.ndarray, scales: list[float], given: list[int], made: list[int], options
) -> bytes:
    """Return a file of one layer with float activations and int8 weights."""
    bias = RNG.normal(size=weights.shape[0]).astype(np.float32)
    quant = writer.quantization(scales, [0] * len(scales))
    tensors = [
        writer.tensor("x", given, writer.FLOAT32),
        writer.tensor("w", list(weights.shape), writer.INT8, buffer=1, quant=quant),
        writer.tensor("b", [len(bias)], writer.FLOAT32, buffer=2),
        writer.tensor("y", made, writer.FLOAT32),
    ]
    op = writer.operator(0, [0, 1, 2], [3], *options)
    return writer.single(code, tensors, [0], [3], op, (weights.tobytes(), bias.tobytes()))


def _convolution(channels: int, scales: int) -> bytes:
    weights = RNG.integers(-127, 127, (channels, 3, 3, 5), np.int8, endpoint=True)
    options = writer.Table({0: ("b", 0), 1: ("i", 2), 2: ("i", 1), 3: ("b", 1)})
    table = RNG.uniform(0.001, 0.01, scales).astype(np.float32).tolist()
    return hybrid_layer(writer.CONV_2D, weights, table, [2, 7, 8, 5], [2, 7, 4, channels], (options, 1))


def _fully_connected(scales: int, *, is_asymmetric: bool) -> bytes:
    weights = RNG.integers(-127, 127, (6, 40), np.int8, endpoint=True)
    options = writer.Table({3: ("?", is_asymmetric)})
    table = RNG.uniform(0.001, 0.01, scales).astype(np.float32).tolist()
    return hybrid_layer(writer.FULLY_CONNECTED, weights, table, [3, 40], [3, 6], (options, 8))


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(_convolution(6, 1), id="convolution"),
        pytest.param(_convolution(6, 6), id="convolution-per-channel"),
        pytest.param(_fully_connected(1, is_asymmetric=False), id="symmetric"),
        pytest.param(_fully_connected(1, is_asymmetric=True), id="asymmetric"),
        pytest.param(_fully_connected(6, is_asymmetric=False), id="symmetric-per-channel"),
        pytest.param(_fully_connected(6, is_asymmetric=True), id="asymmetric-per-channel"),
    ],
)
def test_single_hybrid_layers_equal_the_reference(content, tmp_path):
    path = tmp_path / "m.tflite"
    path.write_bytes(content)
    graph = load_graph(path)
    shape = graph.tensors[graph.inputs[0]].shape
    sets = {str(i): [np.random.default_rng(i).normal(i / 4, 1, shape).astype(np.float32)] for i in range(4)}
    sets["zeros"] = [np.zeros(shape, np.float32)]
    wanted = live(tmp_path, path, "tflite", sets)
    executable = Executable(graph)
    for name, arrays in sets.items():
        found = executable.run({graph.inputs[0]: arrays[0]})[graph.outputs[0]]
        assert np.array_equal(found, wanted[f"{name}/0"]), (name, np.abs(found - wanted[f"{name}/0"]).max())


@pytest.mark.parametrize("threads", [1, 2])
def test_a_resnet50_that_was_quantized_here_equals_the_reference(resnet50_live, threads):
    graph, image, wanted = resnet50_live
    found = Executable(graph, team=Team(threads)).run({graph.inputs[0]: image})[graph.outputs[0]]
    np.testing.assert_array_equal(found, wanted, strict=True)
    assert len(np.unique(found)) > 50, "nearly all outputs are one value: the test shows nothing"


@pytest.fixture(scope="module")
def resnet50_live(tmp_path_factory):
    """ResNet-50 of seeded weights, an image, and what the reference kernels make of the file that we write."""
    graph, folder = resnet50(), tmp_path_factory.mktemp("resnet50")
    (folder / "resnet50.tflite").write_bytes(tflite_file(graph))
    image = np.random.default_rng(0).normal(0, 1, graph.tensors[graph.inputs[0]].shape).astype(np.float32)
    return graph, image, live(folder, folder / "resnet50.tflite", "tflite", {"image": [image]})["image/0"]
