"""ONNX's own tests of operators, as they are: every operator that the importer takes gives what ONNX says.

A test whose shape-like operands (axes, pads, sizes) are inputs is read with these as constants, for shapes are static.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import socsim as ss
from socsim.errors import SocsimError, UnsupportedOperatorError
from socsim.numerics.executor import Executable
from socsim.workload.small_floats import decoded

if TYPE_CHECKING:
    from socsim.workload.dtypes import DType

QUANTIZED = (
    "qlinearconv", "qlinearmatmul", "quantizelinear", "dequantizelinear", "dynamicquantizelinear", "convinteger",
    "matmulinteger",
)  # fmt: skip
OTHERWISE = {
    "averagepool_2d_ceil_last_window_starts_on_pad": "ONNX Runtime counts another number of padded pixels",
    "resize_downsample_scales_linear_align_corners": "ONNX Runtime divides by the whole number of pixels",
}  # fmt: skip
"""Tests that ONNX Runtime, which the profile follows, does not pass, and why."""
NO_RULE = (
    "can be costed but not executed", "unsupported type", "element type", "antialias has no rule",
    "only TFLite's form has a rule", "gives indices too", "constants have no values", "the graph has no operators",
    "depends on data", "is not registered", "opset",
)  # fmt: skip
BYTES = {"int2": np.int8, "int4": np.int8, "uint2": np.uint8, "uint4": np.uint8}


@pytest.fixture(scope="module")
def cases() -> dict:
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = {case.name.removeprefix("test_"): case for case in collect_testcases(None)}
    return {n: c for n, c in found.items() if _is_wanted(n) and _has_tensors(c)}


def _is_wanted(name: str) -> bool:
    """Whether a test is of inference, and no function's second form (but those of quantized operators)."""
    return "training" not in name and ("_expanded" not in name or name.startswith(QUANTIZED))


def _has_tensors(case) -> bool:
    values = (*case.data_sets[0][0], *case.data_sets[0][1])
    return all(isinstance(v, np.ndarray | np.generic | onnx.TensorProto | float | int) for v in values)


def _array(value):
    """Return a value as socsim holds it: one element a byte, small floats as their codes."""
    array = numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else np.asarray(value)
    if array.dtype.name in BYTES:
        return array.astype(BYTES[array.dtype.name])
    return array.view(np.uint8) if array.dtype.name.startswith(("float8", "float4")) else array


def _with_constants(model, values: dict):
    """Return the model with all inputs but the first, and the data of a product, as constants."""
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    kept = [v for i, v in enumerate(fixed.graph.input) if i == 0 or v.name in ("b", "B")]
    names = {v.name for v in kept}
    for name, value in values.items():
        if name not in names:
            tensor = onnx.TensorProto()
            is_proto = isinstance(value, onnx.TensorProto)
            tensor.CopyFrom(value if is_proto else numpy_helper.from_array(np.asarray(value)))
            tensor.name = name
            fixed.graph.initializer.append(tensor)
    inputs = [onnx.ValueInfoProto.FromString(v.SerializeToString()) for v in kept]
    del fixed.graph.input[:]
    fixed.graph.input.extend(inputs)
    return fixed


def _differences(model, values: dict, expected, folder) -> list[str]:
    """Return what differs between a model's results and the expected ones."""
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    graph = ss.load(folder / "model.onnx")
    given = {graph.tensors[t].name: _array(values[graph.tensors[t].name]) for t in graph.inputs}
    made = Executable(graph, "onnx").run(given)
    pairs = zip(graph.outputs, map(_array, expected), strict=True)
    return [graph.tensors[t].name for t, e in pairs if not _is_equal(made[t], e, graph.tensors[t].dtype)]


def _is_equal(made, expected, dtype: DType) -> bool:
    """Integers exactly, small floats by number, floats within 1e-4 (float16: 1e-2)."""
    if made.dtype != expected.dtype or made.shape != expected.shape:
        return False
    if dtype.value.startswith(("float8", "float4")):
        return np.array_equal(decoded(made, dtype), decoded(expected, dtype), equal_nan=True)
    if made.dtype.kind != "f":
        return np.array_equal(made, expected)
    near = 1e-2 if made.dtype == np.float16 else 1e-4
    return np.allclose(made, expected, rtol=near, atol=near / 10, equal_nan=True)


def _values(case) -> dict:
    return dict(zip([v.name for v in case.model.graph.input], case.data_sets[0][0], strict=True))


def test_every_quantized_operator_passes_the_tests_of_onnx(cases, tmp_path):
    quantized = {n: c for n, c in cases.items() if n.startswith(QUANTIZED)}
    failed = []
    for name, case in quantized.items():
        if _differences(case.model, _values(case), case.data_sets[0][1], tmp_path):
            failed.append(name)
    assert not failed
    assert len(quantized) >= 45


def _is_expected(error: SocsimError) -> bool:
    """Whether a refusal is of an operator without a word, a type or a form without a rule, or nothing to run."""
    return isinstance(error, UnsupportedOperatorError) or any(reason in str(error) for reason in NO_RULE)


@pytest.mark.slow
def test_every_operator_that_is_taken_passes_the_tests_of_onnx(cases, tmp_path):
    """What is not taken is refused by name; nothing else is raised, and nothing else computed."""
    passed, failed, refused = [], {}, {}
    for name, case in cases.items():
        values, expected = _values(case), case.data_sets[0][1]
        try:
            try:
                wrong = _differences(case.model, values, expected, tmp_path)
            except SocsimError:
                wrong = _differences(_with_constants(case.model, values), values, expected, tmp_path)
        except SocsimError as error:
            refused[name] = error
            continue
        (failed.setdefault(name, wrong) if wrong else passed.append(name))
    assert set(failed) == set(OTHERWISE), failed
    assert len(passed) > 800
    assert not [str(e) for e in refused.values() if not _is_expected(e)]
