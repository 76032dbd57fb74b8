"""Does the executor check what it is given, name what it returns, and compare with what was recorded?"""

from __future__ import annotations

import io
import json
import zipfile
from hashlib import sha256

import numpy as np
import pytest

import socsim as ss
from socsim.errors import NumericsError, ResultError, UnsupportedOperatorError, UsageError
from socsim.numerics.array_files import npz_bytes, read_npy, read_npz
from socsim.numerics.arrays import constant_array
from socsim.numerics.comparison import Difference, Expected, difference
from socsim.numerics.executor import Executable, by_name, checked_inputs
from socsim.numerics.node import IMPLEMENTATIONS
from socsim.numerics.profiles import PROFILES, profile
from socsim.workload.builder import GraphBuilder
from socsim.workload.dtypes import DType
from socsim.workload.graph import Quantization, Tensor, TensorKind

Q = Quantization((0.5,), (0,))
SHAPE = (1, 4)


def chain(names=("a", "b", "c", "out"), inputs=("x",)):
    """Inputs added up by a chain of operators; made of RELU, whose implementation `counting` replaces."""
    b = GraphBuilder("chain")
    given = [b.tensor(name, DType.INT8, SHAPE, kind=TensorKind.INPUT, quantization=Q) for name in inputs]
    last = given[0]
    outputs = []
    for number, name in enumerate(names):
        made = b.tensor(name, DType.INT8, SHAPE, quantization=Q)
        b.operator("RELU", f"op{number}", [last], [made])
        outputs.append(made)
        last = made
    return b.build("chain", "tflite", given, [outputs[-1]])


@pytest.fixture
def counting(monkeypatch):
    """An implementation of RELU that adds one, so that these tests depend on no real operator."""
    calls = []

    def prepare(node):
        def run(x):
            calls.append(node.op.index)
            return ((x + np.int8(1)).astype(np.int8),)

        return run

    monkeypatch.setitem(IMPLEMENTATIONS, "RELU", prepare)
    return calls


X = np.array([[0, 1, 2, 3]], np.int8)


def test_outputs_come_by_name_and_intermediate_tensors_on_request(counting):
    assert {k: v.tolist() for k, v in ss.execute(chain(), {"x": X}).items()} == {"out": [[4, 5, 6, 7]]}
    every = ss.execute(chain(), {"x": X}, keep_all=True)
    assert list(every) == ["a", "b", "c", "out"]
    assert every["b"].tolist() == [[2, 3, 4, 5]]
    assert counting == [0, 1, 2, 3] * 2


@pytest.mark.parametrize("key", ["x", 0, "0"])
def test_inputs_go_by_name_or_index(counting, key):
    assert ss.execute(chain(), {key: X})["out"].tolist() == [[4, 5, 6, 7]]


def test_a_prepared_network_runs_many_times(counting):
    executable = Executable(chain())
    first = executable.run({"x": X})
    executable.run({"x": X + np.int8(1)})
    again = executable.run({"x": X})
    assert [a.tobytes() for a in first.values()] == [a.tobytes() for a in again.values()]


def test_shared_and_empty_names_get_their_index(counting):
    every = ss.execute(chain(("a", "a", "", "a#1", "out")), {"x": X}, keep_all=True)
    assert list(every) == ["a#1#1", "a#2", "#3", "a#1", "out"]
    assert by_name(chain(("a", "out")), {1: X, 2: X}).keys() == {"a", "out"}


def test_all_faults_of_the_inputs_are_in_one_message():
    graph = chain(inputs=("x", "y", "z"))
    given = {"x": X.astype(np.int16), "y": X[:, :3], "w": X}
    with pytest.raises(UsageError) as error:
        checked_inputs(graph, given)
    text = str(error.value)
    assert "4 faults" in text
    assert "no input 'w'. Known: x, y, z." in text
    assert "input 'x' (tensor 0) is int16 (1, 4); give int8 (1, 4)" in text
    assert "input 'y' (tensor 1) is int8 (1, 3); give int8 (1, 4)" in text
    assert "input 'z' (tensor 2) is missing; give int8 (1, 4)" in text


def test_an_input_given_twice_is_refused():
    with pytest.raises(UsageError, match=r"'x' \(tensor 0\) is given twice"):
        checked_inputs(chain(), {"x": X, 0: X})


def test_inputs_that_share_a_name_go_by_index():
    graph = chain(inputs=("x", "x"))
    assert list(checked_inputs(graph, {0: X, 1: X})) == [0, 1]
    with pytest.raises(UsageError, match="no input 'x'"):
        checked_inputs(graph, {"x": X})


def test_an_array_is_not_a_mapping(counting):
    with pytest.raises(UsageError, match="inputs are a ndarray; give a mapping"):
        ss.execute(chain(), X)


def test_values_must_fit_four_bits():
    b = GraphBuilder("four")
    t = b.tensor("x", DType.INT4, (2,), kind=TensorKind.INPUT, quantization=Q)
    made = b.tensor("y", DType.INT4, (2,), quantization=Q)
    b.operator("RELU", "op", [t], [made])
    graph = b.build("four", "tflite", [t], [made])
    assert checked_inputs(graph, {"x": np.array([-8, 7], np.int8)})[0].tolist() == [-8, 7]
    with pytest.raises(UsageError, match="values from -9 to 7; int4 holds fewer"):
        checked_inputs(graph, {"x": np.array([-9, 7], np.int8)})


def test_unknown_profiles_are_named_with_near_matches():
    with pytest.raises(UsageError, match="Did you mean 'tflite'"):
        ss.execute(chain(), {"x": X}, "tflit")
    assert [profile(name).name for name in PROFILES] == list(PROFILES)


def test_unsupported_operators_are_all_listed(monkeypatch):
    monkeypatch.delitem(IMPLEMENTATIONS, "RELU", raising=False)
    with pytest.raises(UnsupportedOperatorError) as error:
        ss.execute(chain(), {"x": X})
    assert all(f"{n} RELU" in str(error.value) for n in range(4))
    assert error.value.exit_code == 4


def test_an_implementation_that_breaks_its_promise_is_caught(monkeypatch):
    monkeypatch.setitem(IMPLEMENTATIONS, "RELU", lambda node: lambda x: (x.astype(np.int16),))
    with pytest.raises(NumericsError, match=r"operator 0 made int16 \(1, 4\) for tensor 1 'a', which is int8"):
        ss.execute(chain(), {"x": X})


def test_a_network_without_values_can_only_be_costed(counting):
    b = GraphBuilder("bare")
    w = b.tensor("w", DType.INT8, SHAPE, kind=TensorKind.CONSTANT, quantization=Q)
    made = b.tensor("y", DType.INT8, SHAPE, quantization=Q)
    b.operator("RELU", "op", [w], [made])
    with pytest.raises(NumericsError, match=r"1 constants have no values \('w'…\): a ncnn file .* can be costed"):
        ss.execute(b.build("bare", "ncnn", [], [made]), {})


def test_packed_constants_have_the_low_half_first():
    packed = Tensor(0, "w", DType.INT4, (3,), TensorKind.CONSTANT, Q, np.array([0x8F, 0x07], np.uint8))
    assert constant_array(packed).tolist() == [-1, -8, 7]


# --- differences --------------------------------------------------------------------------------------


def test_integers_are_equal_or_not():
    recorded = np.array([1, -128, 3, 4], np.int8)
    assert difference(recorded, Expected(values=recorded)) == Difference(4)
    found = difference(np.array([1, 127, 3, 5], np.int8), Expected(values=recorded))
    assert (found.elements, found.mismatches, found.largest, found.first, found.is_failure) == (4, 2, 255, 1, True)


def test_wide_integers_are_exact():
    found = difference(np.array([2**63 - 1]), Expected(values=np.array([-(2**63)])))
    assert found.largest == 2**64 - 1
    assert difference(np.array([2**62 + 1]), Expected(values=np.array([2**62]))).mismatches == 1


def test_floats_are_compared_with_the_largest_magnitude():
    recorded = np.array([1000.0, 0.0], np.float32)
    assert not difference(np.array([1000.0, 0.009], np.float32), Expected(values=recorded)).is_failure
    assert difference(np.array([1000.0, 0.011], np.float32), Expected(values=recorded)).first == 1


def test_nan_is_equal_to_nan_alone():
    nan, one = np.array([np.nan], np.float32), np.array([1], np.float32)
    assert not difference(nan, Expected(values=nan)).is_failure
    assert difference(nan, Expected(values=one)).is_failure
    assert difference(one, Expected(values=nan)).largest == np.inf


def test_hashes_alone_say_equal_or_unknown():
    digest = sha256(X.tobytes()).hexdigest()
    assert difference(X, Expected(digest)) == Difference(4)
    wrong = difference(X + np.int8(1), Expected(digest))
    assert (wrong.mismatches, wrong.largest, wrong.is_failure) == (None, None, True)
    assert "hash alone" in wrong.reason
    floats = difference(X.astype(np.float32), Expected(digest))
    assert (floats.mismatches, floats.is_failure) == (None, False)


def test_a_record_of_another_shape_or_type_is_a_failure():
    found = difference(X, Expected(values=X.reshape(4)))
    assert found.is_failure
    assert "recorded as int8 (4,), made as int8 (1, 4)" in found.reason


# --- array files --------------------------------------------------------------------------------------


def write(path, members: dict[str, bytes], compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def npy_bytes(array) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def header(shape: str, descr: str = "|i1") -> bytes:
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


def test_arrays_survive_a_file_and_equal_arrays_give_equal_bytes(tmp_path):
    arrays = {"in/a;b:0": X, "file": np.float32(2.5), "f": np.asfortranarray(np.arange(6.0).reshape(2, 3))}
    (tmp_path / "a.npz").write_bytes(npz_bytes(arrays))
    found = read_npz(tmp_path / "a.npz")
    assert list(found) == list(arrays)
    assert all(np.array_equal(found[name], arrays[name]) for name in arrays)
    assert found["f"].flags.c_contiguous
    assert npz_bytes(arrays) == npz_bytes(found | {"f": arrays["f"]})
    with np.load(tmp_path / "a.npz") as other:
        assert np.array_equal(other["in/a;b:0"], X)


def test_big_endian_arrays_become_native(tmp_path):
    path = write(tmp_path / "a.npz", {"x.npy": npy_bytes(np.array([1, 2], ">i2"))})
    assert read_npz(path)["x"].dtype == np.int16
    assert read_npz(path)["x"].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("member", "words"),
    [
        (header("(1000000000000000,)"), "claims 1,000,000,000,000,000 bytes, which exceeds the limit"),
        (header("(64,)") + bytes(8), "claims 64 bytes and has 8"),
        (header("(4,)") + bytes(8), "claims 4 bytes and has more"),
        (header("(-4,)"), "claims -4 bytes"),
        (header("(4,)", "|O"), "integers, floats and booleans are allowed"),
        (npy_bytes(np.array([{}], object)), "integers, floats and booleans are allowed"),
        (npy_bytes(np.zeros(2, "i1,i1")), "integers, floats and booleans are allowed"),
        (header("('a',)"), "not an array that can be read"),
        (b"", "not an array that can be read"),
        (b"\x93NUMPY\x09\x00", "has version (9, 0) of the .npy format"),
    ],
)
def test_a_hostile_array_is_one_message(tmp_path, member, words):
    with pytest.raises(ResultError) as error:
        read_npz(write(tmp_path / "a.npz", {"x.npy": member}))
    assert words in str(error.value)
    assert '"x"' in str(error.value)


def test_a_compressed_bomb_is_refused_before_it_expands(tmp_path):
    data = header("(100000000,)") + bytes(100_000_000)
    path = write(tmp_path / "a.npz", {"x.npy": data}, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 200_000
    with pytest.raises(ResultError, match="exceeds the limit of 1,000,000 "):
        read_npz(path, 1_000_000)


def test_the_budget_is_for_all_members_together(tmp_path):
    data = npy_bytes(np.zeros(6000, np.int8))
    path = write(tmp_path / "a.npz", {"x.npy": data, "y.npy": data}, zipfile.ZIP_DEFLATED)
    with pytest.raises(ResultError, match='"y": claims 6,000 bytes, which exceeds the limit of 4,000'):
        read_npz(path, 10_000)


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04", b"\x93NUMPY", bytes(100)], ids=["empty", "cut", "npy", "zeros"]
)
def test_what_is_no_archive_is_one_message(tmp_path, content):
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(ResultError, match=r"a\.npz"):
        read_npz(tmp_path / "a.npz")


def test_missing_files_and_folders_are_refused(tmp_path):
    with pytest.raises(ResultError, match="cannot be read: No such file"):
        read_npz(tmp_path / "no.npz")
    with pytest.raises(ResultError, match=r"directory|regular file"):
        read_npy(tmp_path)


# --- golden files -------------------------------------------------------------------------------------


@pytest.fixture
def recorded(tmp_path, counting):
    """A graph with an .npz golden file of all its tensors."""
    graph = chain()
    every = Executable(graph).run({"x": X}, keep_all=True)
    arrays = {"in/x": X, "out/out": every[4]} | {f"tensor/{t}": array for t, array in every.items()}

    def write_golden(**changes):
        (tmp_path / "g.npz").write_bytes(npz_bytes(arrays | {k.replace("__", "/"): v for k, v in changes.items()}))
        return graph, tmp_path / "g.npz"

    return write_golden


def test_an_equal_network_is_equal(recorded):
    found = ss.validate_numerics(*recorded())
    assert found.is_equal
    assert found.mismatches == 0
    assert found.operators.column("index") == (0, 1, 2, 3)
    assert found.operators.column("elements") == (4, 4, 4, 4)
    assert "all of 4 tensors equal, 0 mismatches in 16 elements" in str(found)


def test_each_mismatch_is_counted_where_it_is(recorded):
    found = ss.validate_numerics(*recorded(tensor__2=np.array([[2, 3, 9, 0]], np.int8)))
    assert not found.is_equal
    assert found.mismatches == 2
    row = list(found.operators)[1]
    assert (row["index"], row["tensor"], row["mismatches"], row["max_difference"]) == (1, 2, 2, 5)
    assert (row["first_difference"], row["mode"]) == (2, "values")
    assert "1 of 4 tensors differ, 2 mismatches in 16 elements" in str(found)


def test_the_document_has_the_promised_keys(recorded):
    document = json.loads(ss.validate_numerics(*recorded(out__out=X, tensor__4=X)).to_json())
    assert document["schema_version"] == "socsim.numerics/1"
    assert document["mismatches"] == 4
    assert {"index", "type", "tensor", "elements", "mismatches", "max_difference"} <= set(document["operators"][0])
    assert document["operators"][3]["max_difference"] == 4


def test_what_was_not_recorded_is_said(tmp_path, counting):
    (tmp_path / "g.npz").write_bytes(npz_bytes({"in/x": X, "out/out": X + np.int8(4)}))
    found = ss.validate_numerics(chain(), tmp_path / "g.npz")
    assert found.is_equal
    assert [left.tensor for left in found.comparison.not_compared] == ["1 'a'", "2 'b'", "3 'c'"]
    assert "not compared: 3 tensors" in str(found)


def test_keys_that_name_nothing_are_all_listed(tmp_path, counting):
    (tmp_path / "g.npz").write_bytes(npz_bytes({"in/x": X, "out/nosuch": X, "tensor/99": X, "x": X}))
    with pytest.raises(ResultError) as error:
        ss.validate_numerics(chain(), tmp_path / "g.npz")
    assert all(word in str(error.value) for word in ('"out/nosuch"', '"tensor/99"', '"x"', "nothing to compare with"))


def record(**changes) -> dict:
    """A record of `chain`'s inference on zeros."""
    result = np.full(SHAPE, 4, np.int8)
    described = {"name": "x", "shape": list(SHAPE), "dtype": "int8"}
    return {
        "file": "chain.tflite",
        "sha256": "",
        "modes": ["zeros"],
        "inputs": {"zeros": [described | {"sha256": sha256(bytes(4)).hexdigest()}]},
        "outputs": {"zeros": [described | {"name": "out", "sha256": sha256(result.tobytes()).hexdigest()}]},
        "tensors": {"zeros": {"4": sha256(result.tobytes()).hexdigest()}},
    } | changes


def written(tmp_path, document) -> tuple:
    (tmp_path / "g.json").write_text(json.dumps(document))
    return chain(), tmp_path / "g.json"


def test_a_record_of_hashes_is_compared(tmp_path, counting):
    found = ss.validate_numerics(*written(tmp_path, record()))
    assert found.is_equal
    assert found.comparison.modes == ("zeros",)


def test_an_unknown_number_of_mismatches_is_null_with_a_reason_and_counts_as_one(tmp_path, counting):
    found = ss.validate_numerics(*written(tmp_path, record(tensors={"zeros": {"2": "0" * 64, "4": "0" * 64}})))
    rows = json.loads(found.to_json())["operators"]
    assert [(r["tensor"], r["mismatches"]) for r in rows] == [(2, None), (4, 0)]  # the output's own record decides
    assert "hash alone" in rows[0]["reason"]
    assert found.mismatches == 1
    assert not found.is_equal


def test_values_beside_a_record_give_the_detail_of_a_mismatch(tmp_path, counting):
    document = record(outputs={"zeros": [record()["outputs"]["zeros"][0] | {"sha256": "0" * 64}]})
    (tmp_path / "g.npz").write_bytes(npz_bytes({"zeros/0": np.array([[4, 4, 4, 1]], np.int8)}))
    row = ss.validate_numerics(*written(tmp_path, document)).comparison.operators[0]
    assert (row.mismatches, row.max_difference, row.first_difference, row.mode) == (1, 3, 3, "zeros")


def test_another_file_than_the_recorded_one_is_noted(tmp_path, counting):
    found = ss.validate_numerics(*written(tmp_path, record(sha256="ab" * 32)))
    assert "recorded from chain.tflite with other bytes (sha256 abababababab" in str(found)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"modes": ["noise"]}, "inputs.noise: has nothing; the model has int8 (1, 4)"),
        ({"inputs": {"zeros": []}}, "inputs.zeros: has nothing"),
        ({"outputs": {}}, "outputs.zeros: has nothing"),
        ({"inputs": {"zeros": [{"shape": [1, 4], "dtype": "int8", "sha256": "00"}]}}, "another hash than recorded"),
        ({"inputs": 3}, "inputs: Input should be"),
        ({"resized_input": [1, 9]}, "resized input"),
    ],
)
def test_a_record_that_does_not_fit_is_one_message(tmp_path, counting, changes, words):
    with pytest.raises(ResultError) as error:
        ss.validate_numerics(*written(tmp_path, record(**changes)))
    assert words in str(error.value)
    assert error.value.exit_code == 3


def test_a_mode_without_a_recipe_is_refused(tmp_path, counting):
    base = record()
    document = record(
        modes=["noise"], inputs={"noise": base["inputs"]["zeros"]}, outputs={"noise": base["outputs"]["zeros"]}
    )
    with pytest.raises(ResultError, match='"noise" cannot be made again'):
        ss.validate_numerics(*written(tmp_path, document))


def test_no_json_is_one_message(tmp_path, counting):
    (tmp_path / "g.json").write_text("{")
    with pytest.raises(ResultError, match="no golden record"):
        ss.validate_numerics(chain(), tmp_path / "g.json")


def test_modes_can_be_chosen(tmp_path, counting):
    with pytest.raises(UsageError, match=r'"seed9" is not a mode of g\.json'):
        ss.validate_numerics(*written(tmp_path, record()), modes=["seed9"])
