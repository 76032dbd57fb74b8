"""Do real quantized networks give every recorded byte: all outputs, all intermediate tensors, all inputs?"""

from __future__ import annotations

import json

import numpy as np
import pytest

import socsim as ss
from tests.conftest import SHARED

MODELS = SHARED / "models"
LARGE_MACS = 100_000_000  # such networks take seconds for all their inputs
FLOAT_TAIL = "bit-exact up to the float tail"
TOLERANCE = "tolerance (float compute ops)"
DEFECTIVE = ["litert_qwen_fc_blockwise_int4"]  # BUILTIN_REF leaves results of blockwise weights unwritten
VARIABLE_OPERATORS = {"VAR_HANDLE"}  # make a handle, which has no bytes to record


def _entries() -> list[dict]:
    manifest = MODELS / "manifest.json"
    entries = json.loads(manifest.read_text())["models"] if manifest.is_file() else []
    return [m for m in entries if m["file"].endswith(".tflite")]


def _parameters(*classes: str) -> list:
    return [
        pytest.param(m, id=m["name"], marks=[pytest.mark.slow] if m.get("macs", 0) > LARGE_MACS else [])
        for m in _entries()
        if m["class"] in classes
    ]


def _validation(entry: dict):
    graph = ss.load(MODELS / entry.get("run_file", entry["file"]))
    return graph, ss.validate_numerics(graph, MODELS / entry["golden"], "tflite")


def _recorded_modes(entry: dict) -> list[str]:
    record = json.loads((MODELS / entry["golden"]).read_text())
    order = record.get("sequence", {}).get("order", ())
    return [*record["modes"], *(f"sequence:{mode}" for mode in order)]


def _compares_everything(graph, found, entry: dict) -> None:
    """A comparison that leaves tensors or inputs out could be equal for the wrong reason."""
    handles = {t for op in graph.operators if op.type in VARIABLE_OPERATORS for t in op.outputs}
    made = {t for op in graph.operators for t in op.outputs} - handles
    assert list(found.comparison.modes) == _recorded_modes(entry)
    assert {row.tensor for row in found.comparison.operators} == made
    assert len(found.comparison.not_compared) == len(handles)


@pytest.mark.parametrize("entry", _parameters("bit-exact"))
def test_every_tensor_of_a_bit_exact_network_equals_the_record(entry):
    graph, found = _validation(entry)
    assert found.is_equal, str(found)
    assert found.mismatches == 0
    assert all(row.mismatches == 0 for row in found.comparison.operators)
    _compares_everything(graph, found, entry)


@pytest.mark.parametrize("entry", _parameters(FLOAT_TAIL))
def test_integer_tensors_before_a_float_tail_are_exact_and_the_tail_is_close(entry):
    graph, found = _validation(entry)
    assert found.is_equal, str(found)
    integers = [r for r in found.comparison.operators if not graph.tensors[r.tensor].dtype.value.startswith("float")]
    assert len(integers) > 100
    assert all(row.mismatches == 0 for row in integers)
    _compares_everything(graph, found, entry)


@pytest.mark.parametrize("entry", [p for p in _parameters(TOLERANCE) if p.id not in DEFECTIVE])
def test_float_and_hybrid_networks_have_no_mismatch(entry):
    """Floats may differ within the tolerance where values are recorded; a hash alone has to be equal."""
    graph, found = _validation(entry)
    assert found.is_equal, str(found)
    assert all(row.mismatches == 0 for row in found.comparison.operators)
    _compares_everything(graph, found, entry)


@pytest.mark.parametrize("name", DEFECTIVE)
def test_what_the_reference_never_computed_was_recorded_as_zeros(models, name):
    """Else the record would have to be equal; `test_profiles_live` compares with kernels that do compute it."""
    with np.load(models / "golden" / f"{name}.npz") as recorded:
        assert not any(array.any() for array in recorded.values())


def test_a_sequence_of_inferences_depends_on_its_order(models):
    """Else the recorded sequences of stateful networks would prove nothing about variables."""
    graph = ss.load(models / "mww_v2_vad_int8.tflite")
    found = ss.validate_numerics(graph, models / "golden" / "mww_v2_vad_int8.json")
    assert "sequence:seed2" in found.comparison.modes
    record = json.loads((models / "golden" / "mww_v2_vad_int8.json").read_text())
    alone = [record["outputs"][mode][0]["sha256"] for mode in record["sequence"]["order"]]
    assert [digests[0] for digests in record["sequence"]["REF"]] != alone
    assert found.is_equal, str(found)


def test_a_golden_file_for_other_shapes_runs_the_network_in_those_shapes(models):
    graph = ss.load(models / "mlperf_mobile_edsr_f32b5_int8.patched.tflite")
    golden = models / "golden" / "mlperf_mobile_edsr_f32b5_int8.json"
    found = ss.validate_numerics(graph, golden, modes=["seed0"])
    assert found.is_equal, str(found)
    assert found.comparison.operators[-1].elements == 136 * 240 * 3


def test_another_profile_differs_where_its_rounding_does(models):
    """The comparison must be able to fail: single rounding is not LiteRT's."""
    graph = ss.load(models / "mlperf_tiny_ic_resnet8_int8.tflite")
    golden = models / "golden" / "mlperf_tiny_ic_resnet8_int8.json"
    found = ss.validate_numerics(graph, golden, "single-rounding", modes=["seed0"])
    first = found.comparison.operators[0]
    assert not found.is_equal
    assert (first.type, first.mismatches, first.mode) == ("CONV_2D", None, "seed0")
    assert "hash alone" in first.reason
    assert found.comparison.operators[-1].elements == 10
