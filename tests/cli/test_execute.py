"""Do `socsim execute` and `socsim validate numerics` read, write, print and exit as promised?"""

from __future__ import annotations

import json

import numpy as np
import pytest

import socsim as ss

KWS = "mlperf_tiny_kws"
INPUT, OUTPUT = "input_1", "Identity"


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(-128, 127, (1, 49, 10, 1), np.int8, endpoint=True)


@pytest.fixture
def inputs(tmp_path, image):
    np.savez(tmp_path / "in.npz", **{INPUT: image})
    return tmp_path / "in.npz"


def test_outputs_are_written_by_name_and_the_profile_is_named(socsim, inputs, tmp_path, image):
    code, out, err = socsim("execute", KWS, "--inputs", inputs, "--out", tmp_path / "out.npz")
    assert (code, err) == (0, "")
    assert out == f"{tmp_path / 'out.npz'}: 1 array of {KWS} under tflite (LiteRT 2.3.0, BUILTIN_REF kernels)\n"
    with np.load(tmp_path / "out.npz") as found:
        assert list(found) == [OUTPUT]
        assert found[OUTPUT].dtype == np.int8
        assert np.array_equal(found[OUTPUT], ss.execute(KWS, {INPUT: image})[OUTPUT])


def test_the_same_inputs_by_name_and_index_give_the_same_bytes(socsim, inputs, tmp_path, image):
    np.savez(tmp_path / "by_index.npz", **{"0": image})
    for name in (inputs, tmp_path / "by_index.npz"):
        assert socsim("execute", KWS, "--inputs", name, "--out", name.with_suffix(".out"))[0] == 0
    assert inputs.with_suffix(".out").read_bytes() == (tmp_path / "by_index.out").read_bytes()


def test_keep_all_writes_every_tensor(socsim, inputs, tmp_path):
    assert socsim("execute", KWS, "--inputs", inputs, "--out", tmp_path / "o.npz", "--keep-all")[0] == 0
    graph = ss.load(KWS)
    with np.load(tmp_path / "o.npz") as found:
        assert list(found) == [graph.tensors[t].name for op in graph.operators for t in op.outputs]


def test_any_number_of_threads_gives_the_same_bytes(socsim, inputs, tmp_path):
    files = [tmp_path / f"{threads}.npz" for threads in (1, 2, 5)]
    for threads, file in zip((1, 2, 5), files, strict=True):
        assert socsim("execute", KWS, "--inputs", inputs, "--out", file, "--keep-all", "--threads", threads)[0] == 0
    assert files[0].read_bytes() == files[1].read_bytes() == files[2].read_bytes()


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({}, ["input 'input_1' (tensor 0) is missing; give int8 (1, 49, 10, 1)"]),
        ({"input_1": np.zeros((1, 49, 10, 1), np.uint8)}, ["is uint8 (1, 49, 10, 1); give int8 (1, 49, 10, 1)"]),
        ({"input_2": np.zeros(3, np.int8)}, ["no input 'input_2'. Did you mean 'input_1'?", "is missing"]),
        ({"input_1": np.zeros((49, 10), np.int8)}, ["is int8 (49, 10); give int8 (1, 49, 10, 1)"]),
    ],
)
def test_wrong_inputs_are_all_in_one_message_and_nothing_is_written(socsim, tmp_path, arrays, words):
    np.savez(tmp_path / "in.npz", **arrays)
    code, out, err = socsim("execute", KWS, "--inputs", tmp_path / "in.npz", "--out", tmp_path / "out.npz")
    assert (code, out) == (2, "")
    assert all(word in err for word in words)
    assert [p.name for p in tmp_path.iterdir()] == ["in.npz"]


def test_a_pickle_is_never_loaded(socsim, tmp_path):
    np.savez(tmp_path / "in.npz", **{INPUT: np.array([print], object)})
    code, _, err = socsim("execute", KWS, "--inputs", tmp_path / "in.npz", "--out", tmp_path / "out.npz")
    assert code == 3
    assert "integers, floats and booleans are allowed" in err


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--profile", "tflit"], 2, "Did you mean 'tflite'"),
        (["--inputs", "nosuch.npz"], 3, "nosuch.npz: cannot be read"),
        (["--threads", "0"], 2, "threads is 0; give an integer from 1 to 256"),
        (["--threads", "257"], 2, "threads is 257; give an integer from 1 to 256"),
        (["--out", "no/such/folder.npz"], 3, "folder"),
        (["--out", "link.npz"], 3, "symbolic link"),
    ],
)
def test_every_mistake_is_one_message(socsim, inputs, tmp_path, monkeypatch, options, code, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link.npz").symlink_to(tmp_path / "kept")
    found, out, err = socsim("execute", KWS, "--inputs", inputs, "--out", tmp_path / "out.npz", *options)
    assert (found, out) == (code, "")
    assert words in err
    assert "Traceback" not in err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.npz", "link.npz"]


def test_a_network_without_values_is_refused(socsim, inputs, tmp_path):
    code, _, err = socsim("execute", "ncnn/squeezenet", "--inputs", inputs, "--out", tmp_path / "out.npz")
    assert code == 3
    assert "can be costed but not executed" in err


# --- validate numerics --------------------------------------------------------------------------------


@pytest.fixture
def golden(tmp_path, image):
    """An .npz golden file of this implementation's own results, with one changed where asked."""
    graph = ss.load(KWS)
    every = ss.execute(graph, {INPUT: image}, keep_all=True)
    index = {graph.tensors[t].name: t for op in graph.operators for t in op.outputs}

    def write(change=None):
        arrays = {f"in/{INPUT}": image, f"out/{OUTPUT}": every[OUTPUT]}
        arrays |= {f"tensor/{index[name]}": array.copy() for name, array in every.items()}
        if change:
            change(arrays)
        np.savez(tmp_path / "golden.npz", **arrays)
        return tmp_path / "golden.npz"

    return write


def test_an_equal_network_exits_with_0(socsim, golden):
    code, out, err = socsim("validate", "numerics", KWS, "--golden", golden())
    assert (code, err) == (0, "")
    assert "all of 13 tensors equal, 0 mismatches" in out
    assert "CONV_2D" in out


def test_a_mismatch_exits_with_1_and_says_where(socsim, golden):
    def change(arrays):
        arrays[f"out/{OUTPUT}"] = arrays[f"out/{OUTPUT}"] ^ np.int8(1)

    path = golden(change)
    code, out, _ = socsim("validate", "numerics", KWS, "--golden", path)
    assert code == 1
    assert "1 of 13 tensors differ, 12 mismatches" in out
    code, out, _ = socsim("validate", "numerics", KWS, "--golden", path, "--json")
    document = json.loads(out)
    last = document["operators"][-1]
    assert code == 1
    assert document["schema_version"] == "socsim.numerics/1"
    assert document["mismatches"] == 12
    assert (last["type"], last["elements"], last["mismatches"], last["max_difference"]) == ("SOFTMAX", 12, 12, 1)
    assert last["first_difference"] == 0


def test_a_recorded_json_is_compared_in_every_mode(socsim, models):
    golden = models / "golden" / "mlperf_tiny_kws_dscnn_int8.json"
    code, out, _ = socsim("validate", "numerics", KWS, "--golden", golden, "--json")
    document = json.loads(out)
    assert code == 0
    assert document["modes"] == ["zeros", "seed0", "seed1", "seed2", "seed3", "seed4", "img"]
    assert (document["mismatches"], len(document["operators"])) == (0, 13)
    code, out, _ = socsim("validate", "numerics", KWS, "--golden", golden, "--mode", "img", "--json")
    assert (code, json.loads(out)["modes"]) == (0, ["img"])


def test_a_golden_file_of_another_network_is_refused(socsim, models):
    golden = models / "golden" / "mlperf_tiny_ic_resnet8_int8.json"
    code, out, err = socsim("validate", "numerics", KWS, "--golden", golden)
    assert (code, out) == (3, "")
    assert "inputs.zeros: has int8 (1, 32, 32, 3); the model has int8 (1, 49, 10, 1)" in err


def test_an_unknown_mode_is_a_usage_error(socsim, models):
    golden = models / "golden" / "mlperf_tiny_kws_dscnn_int8.json"
    code, _, err = socsim("validate", "numerics", KWS, "--golden", golden, "--mode", "seed")
    assert code == 2
    assert "Did you mean 'seed" in err
