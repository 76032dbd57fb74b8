"""ONNX files that are damaged, hostile or just not supported: each is refused with a sentence."""

from __future__ import annotations

import os
import random
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from socsim.errors import (
    LimitExceededError,
    MalformedModelError,
    SocsimError,
    UnsupportedOperatorError,
    WorkloadError,
)
from socsim.workload.importers.onnx import import_onnx
from socsim.workload.limits import DEFAULT_LIMITS, Limits

FLOAT = TensorProto.FLOAT
NO_SHAPES = MappingProxyType({})


def load(model, *, path=Path("net.onnx"), limits=DEFAULT_LIMITS):
    data = model if isinstance(model, bytes) else model.SerializeToString()
    return import_onnx(data, path=path, name="net", batch=None, shapes=NO_SHAPES, limits=limits)


def refusal(model, error=MalformedModelError, **options):
    with pytest.raises(error) as caught:
        load(model, **options)
    assert type(caught.value) is error
    return str(caught.value)


def value(name, shape=(1, 4), kind=FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def node(op_type, inputs, outputs, domain="", **attributes):
    return helper.make_node(op_type, inputs.split(), outputs.split(), f"n_{outputs}", domain=domain, **attributes)


def network(nodes, inputs=("x",), outputs=("y",), constants=(), *, opset=17, domains=()):
    graph = helper.make_graph(nodes, "g", [value(n) for n in inputs], [value(n) for n in outputs], list(constants))
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in domains)]
    return helper.make_model(graph, opset_imports=imports, ir_version=8)


def sound():
    """Return a model of about 2 kB: convolution, shape arithmetic, pool, matrix multiplication."""
    numbers = np.random.default_rng(0).normal(size=(8, 3, 3, 3)).astype(np.float32)
    nodes = [
        node("Conv", "x w b", "c", pads=[1, 1, 1, 1], strides=[2, 2]),
        node("Clip", "c low high", "r"),
        node("GlobalAveragePool", "r", "p"),
        node("Shape", "p", "s"),
        node("Slice", "s zero two", "front"),
        node("Reshape", "p front", "f"),
        node("Gemm", "f u", "g", transB=1),
        node("Softmax", "g", "y"),
    ]
    constants = [
        numpy_helper.from_array(array, name)
        for name, array in {
            "w": numbers, "b": numbers[:, 0, 0, 0].copy(), "u": numbers.reshape(27, 8)[:5].copy(),
            "low": np.float32(0), "high": np.float32(6), "zero": np.array([0]), "two": np.array([2]),
        }.items()
    ]  # fmt: skip
    model = network(nodes, (), (), constants)
    model.graph.input.append(value("x", ("N", 3, 12, 12)))
    model.graph.output.append(value("y", ("N", 5)))
    return model


def with_tensor(**fields):
    """Return y = x + w whose initializer w has the given fields."""
    tensor = TensorProto(name="w", **{"data_type": FLOAT, **fields})
    return network([node("Add", "x w", "y")], constants=[tensor])


# The frame of the file


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "2 faults\n  - IR version 0 is outside 3 to"),
        (b"\x00" * 64, "not an ONNX file: its bytes are no ModelProto; export the model again"),
        (b"PK\x03\x04" + b"\x00" * 60, "not an ONNX file: its bytes are no ModelProto; export the model again"),
        (b"TFL3 something", "not an ONNX file: its bytes are no ModelProto; export the model again"),
        (ModelProto(ir_version=8).SerializeToString(), "the file has no graph with nodes; export the model again"),
        (ModelProto(ir_version=999).SerializeToString(), "2 faults\n  - IR version 999 is outside 3 to"),
    ],
)
def test_what_is_no_model(data, text):
    assert refusal(data).startswith(f"net.onnx: {text}")


@pytest.mark.parametrize("opset", [5, 9, 29, 99])
def test_opsets_outside_the_range(opset):
    assert refusal(network([node("Relu", "x", "y")], opset=opset), WorkloadError) == (
        f"net.onnx: opset {opset} of the default domain is outside 10 to 28; "
        "export the model with an opset from 13 to 26"
    )


def test_file_larger_than_the_limit():
    text = refusal(b"\x08\x08" * 100, LimitExceededError, limits=Limits(file_bytes=100))
    assert text == "net.onnx: file bytes: 200 exceeds the limit of 100"


def test_every_truncation_is_refused_or_whole():
    data = sound().SerializeToString()
    assert 1500 < len(data) < 3000
    outcomes = [survives(data[:length]) for length in range(0, len(data), 7)]
    assert not any(outcomes)
    assert survives(data)


def survives(data):
    """Whether a file loads; anything but a SocsimError leaves the test."""
    try:
        load(data)
    except SocsimError as error:
        assert str(error).startswith("net.onnx: ")  # noqa: PT017 - either outcome is right
        return False
    return True


@pytest.mark.parametrize("seed", range(4))
def test_flipped_bits(seed):
    rng = random.Random(seed)
    data = sound().SerializeToString()
    outcomes = []
    for _ in range(150):
        damaged = bytearray(data)
        for _ in range(rng.choice((1, 1, 2, 8))):
            damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
        outcomes.append(survives(bytes(damaged)))
    assert 0 < sum(outcomes) < len(outcomes)  # flips in weights and names do no harm, others do


def test_first_bytes_of_a_real_model(models):
    data = (models / "onnx_gen" / "mnv2_035_128_qop_u8u8_pt.onnx").read_bytes()
    assert not any(survives(data[:length]) for length in range(1, 20_000, 997))


# The graph


def test_name_that_is_no_text():
    data = network([node("Relu", "x", "y")]).SerializeToString().replace(b"n_y", b"n\xff\xfe")
    assert refusal(data) == "net.onnx: the name b'n\\xff\\xfe' is not UTF-8 text; the file is damaged"


def test_name_longer_than_the_limit():
    model = network([node("Relu", "x", "y")])
    model.graph.node[0].name = "é" * 3000
    text = refusal(model, LimitExceededError)
    assert text == "net.onnx: bytes of a name: 6,000 exceeds the limit of 4,096"


def test_cycle():
    model = network([node("Add", "x b", "a"), node("Relu", "a", "b"), node("Relu", "b", "y")])
    assert refusal(model) == (
        "net.onnx: node 0 Add 'n_a': reads 'b', which no earlier node has produced (a cycle, or nodes out of order)"
    )


def test_duplicate_and_missing_values_are_all_listed():
    model = network([node("Relu", "x", "a"), node("Relu", "x", "a"), node("Relu", "ghost", "x")], outputs=("y", "a"))
    assert refusal(model) == (
        "net.onnx: 4 faults\n"
        "  - node 1 Relu 'n_a': writes 'a', which node 0 already provides; value names must be unique\n"
        "  - node 2 Relu 'n_x': reads 'ghost', which nothing in the graph provides\n"
        "  - node 2 Relu 'n_x': writes 'x', which graph input already provides; value names must be unique\n"
        "  - graph output 'y' is never produced"
    )


def test_unknown_operators_are_all_listed():
    nodes = [
        node("Relu", "x", "a"), node("Warp", "a", "b", "my.domain"), node("Frobnicate", "b", "c"),
        node("Warp", "c", "d", "my.domain"), node("Det", "d", "y"),
    ]  # fmt: skip
    assert refusal(network(nodes, domains=["my.domain"]), UnsupportedOperatorError) == (
        "net.onnx: 4 operators are not supported (1 x Det, 1 x Frobnicate, 2 x my.domain.Warp); "
        "remove or replace them\n"
        "  - 1 my.domain.Warp 'n_b'\n"
        "  - 2 Frobnicate 'n_c'\n"
        "  - 3 my.domain.Warp 'n_d'\n"
        "  - 4 Det 'n_y'"
    )


def test_bodies_are_refused_as_operators_and_bounded_in_depth():
    body = helper.make_graph([node("Relu", "x", "z")], "body", [], [value("z")])
    leaf = body
    branch = helper.make_node("If", ["c"], ["y"], "choice", then_branch=body, else_branch=leaf)
    model = network([branch], constants=[numpy_helper.from_array(np.array(True), "c")])
    assert refusal(model, UnsupportedOperatorError) == (
        "net.onnx: 1 operators are not supported (1 x If); remove or replace them\n  - 0 If 'choice'"
    )
    for _ in range(17):
        inner = helper.make_node("If", ["c"], ["z"], then_branch=body, else_branch=leaf)
        body = helper.make_graph([inner], "body", [], [value("z")])
    text = refusal(network([inner], outputs=("z",)), LimitExceededError)
    assert text == "net.onnx: depth of subgraphs: 17 exceeds the limit of 16"


def test_functions_that_double_are_not_expanded():
    opset = [helper.make_opsetid("", 17), helper.make_opsetid("f", 1)]
    functions = [helper.make_function("f", "F0", ["a"], ["c"], [node("Relu", "a", "c")], opset)]
    for i in range(1, 14):
        halves = [node(f"F{i - 1}", "a", "b", "f"), node(f"F{i - 1}", "b", "c", "f")]
        functions.append(helper.make_function("f", f"F{i}", ["a"], ["c"], halves, opset))
    model = network([node("F13", "x", "y", "f")], domains=["f"])
    model.functions.extend(functions)
    text = refusal(model, LimitExceededError, limits=Limits(operators=5000))
    assert text == "net.onnx: operators after local functions are expanded: 8,192 exceeds the limit of 5,000"


def test_function_that_calls_itself():
    opset = [helper.make_opsetid("", 17), helper.make_opsetid("f", 1)]
    model = network([node("F", "x", "y", "f")], domains=["f"])
    model.functions.append(helper.make_function("f", "F", ["a"], ["c"], [node("F", "a", "c", "f")], opset))
    text = refusal(model, LimitExceededError)
    assert text == "net.onnx: depth of local functions: 17 exceeds the limit of 16"


def test_attribute_larger_than_the_limit():
    model = network([node("Relu", "x", "y", blob=b"0" * 2000)])
    text = refusal(model, LimitExceededError, limits=Limits(attribute_bytes=1000))
    assert text.startswith("net.onnx: node 0 Relu: bytes of attribute 'blob': 2,0")


def test_the_checker_speaks_in_one_line():
    text = refusal(network([node("Relu", "x", "y", blob=3)]))
    assert text == ("net.onnx: the ONNX checker refuses the model: Unrecognized attribute: blob for operator Relu")


def test_shapes_that_contradict_each_other_are_all_listed():
    nodes = [node("Concat", "x w", "a", axis=0), node("MatMul", "x w", "b"), node("Relu", "a", "y")]
    constants = [numpy_helper.from_array(np.zeros((3, 3), np.float32), "w")]
    first, concat, matmul = refusal(network(nodes, constants=constants)).splitlines()
    assert first == "net.onnx: 2 faults"
    assert concat.startswith("  - node 0 Concat 'n_a': ")  # the sentences are the library's
    assert matmul.startswith("  - node 1 MatMul 'n_b': Incompatible dimensions")


def test_output_that_is_declared_otherwise():
    model = network([node("Concat", "x x", "y", axis=1)])
    assert refusal(model) == ("net.onnx: graph output 'y' is declared as [1, 4], but the operators compute [1, 8]")


def test_scale_that_is_not_positive():
    constants = [numpy_helper.from_array(np.float32(0), "s"), numpy_helper.from_array(np.int8(0), "z")]
    model = network([node("QuantizeLinear", "x s z", "q"), node("DequantizeLinear", "q s z", "y")], constants=constants)
    line = "quantization of 'q': scale 0 is 0.0; scales must be finite and greater than zero"
    assert refusal(model) == (
        f"net.onnx: 2 faults\n  - node 0 QuantizeLinear 'n_q': {line}\n  - node 1 DequantizeLinear 'n_y': {line}"
    )


def test_block_size_larger_than_memory_needs_no_memory():
    constants = [
        numpy_helper.from_array(np.ones((4, 4), np.int8), "w"),
        numpy_helper.from_array(np.ones((1, 4), np.float32), "s"),
    ]
    nodes = [node("DequantizeLinear", "w s", "d", axis=0, block_size=2**62), node("Add", "x d", "y")]
    model = network(nodes, constants=constants, opset=21)
    model.graph.output[0].type.tensor_type.shape.dim[0].dim_value = 4
    graph = load(model)
    assert graph.input_tensors(graph.operators[0])[1].data.tolist() == [[1.0] * 4] * 4


def test_views_of_nothing_cost_nothing_but_are_bounded():
    shape = numpy_helper.from_array(np.array([2**20, 2**20]), "n")
    nodes = [node("ConstantOfShape", "n", "c"), node("ReduceMax", "c", "m"), node("Add", "x m", "y")]
    text = refusal(network(nodes, constants=[shape]), LimitExceededError)
    assert text.startswith("net.onnx: tensor 1: elements: 1,099,511,627,776 exceeds the limit of")


@pytest.mark.parametrize("error", [ValueError("odd"), OverflowError("odd"), RecursionError("odd"), MemoryError("odd")])
def test_what_only_a_damaged_file_can_cause_is_the_file_s_fault(monkeypatch, error):
    def broken(*_args):
        raise error

    monkeypatch.setattr("socsim.workload.importers.onnx.lower", broken)
    name = type(error).__name__
    assert refusal(sound()) == f"net.onnx: the model contradicts itself ({name}: odd); export it again"


@pytest.mark.parametrize("error", [TypeError, KeyError, IndexError, AttributeError])
def test_a_mistake_of_the_importer_is_not_the_file_s_fault(monkeypatch, error):
    def broken(*_args):
        raise error

    monkeypatch.setattr("socsim.workload.importers.onnx.lower", broken)
    with pytest.raises(error):
        load(sound())


# Constants


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"dims": [-1, 4], "raw_data": b"\0" * 16}, "dimensions [-1, 4]; a constant's dimensions are 0 or more"),
        ({"dims": [1, 4], "raw_data": b"\0" * 15}, "15 bytes of data where shape [1, 4] of float32 needs 16"),
        ({"dims": [1, 4], "raw_data": b""}, "0 bytes of data where shape [1, 4] of float32 needs 16"),
        ({"dims": [1, 4], "float_data": [1.0]}, "1 elements in float_data where shape [1, 4] needs 4"),
        ({"dims": [4], "data_type": TensorProto.INT8, "int32_data": [1]},
         "1 elements in int32_data where shape [4] needs 4"),
        ({"dims": [5], "data_type": TensorProto.INT4, "raw_data": b"\0" * 5},
         "5 bytes of data where shape [5] of int4 needs 3"),
        ({"dims": [2**40, 2**40]},
         "dimensions [1099511627776, 1099511627776] exceed the limits of 8 dimensions and 2,147,483,648 elements"),
        ({"dims": [1] * 9},
         "dimensions [1, 1, 1, 1, 1, 1, 1, 1, 1] exceed the limits of 8 dimensions and 2,147,483,648 elements"),
        ({"dims": [1], "data_type": TensorProto.STRING}, "0 strings where the shape needs 1"),
    ],
)  # fmt: skip
def test_constants_that_contradict_themselves(fields, text):
    assert refusal(with_tensor(**fields)) == f"net.onnx: initializer 0 'w': {text}"


def test_element_type_without_a_word():
    text = refusal(with_tensor(dims=[1], data_type=TensorProto.COMPLEX64, raw_data=b"\0" * 8))
    assert text.startswith("net.onnx: initializer 0 'w': element type COMPLEX64 is not supported; allowed are float32")


def test_constant_node_is_checked_like_an_initializer():
    made = helper.make_node("Constant", [], ["w"], "k", value=TensorProto(dims=[3], data_type=FLOAT, raw_data=b"\0"))
    text = refusal(network([made, node("Add", "x w", "y")]))
    assert text == "net.onnx: node 0 Constant 'k': 1 bytes of data where shape [3] of float32 needs 12"


# External data


def external(**entries):
    tensor = TensorProto(name="w", data_type=FLOAT, dims=[1, 4], data_location=TensorProto.EXTERNAL)
    for key, text in entries.items():
        tensor.external_data.add(key=key, value=text)
    return network([node("Add", "x w", "y")], constants=[tensor])


@pytest.fixture
def folder(tmp_path):
    """A model's directory with a proper data file in it, and a secret beside it."""
    (tmp_path / "secret.bin").write_bytes(b"\1" * 16)
    inside = tmp_path / "model"
    inside.mkdir()
    (inside / "w.bin").write_bytes(b"\0" * 16)
    return inside


NOT_ALLOWED = "is not allowed; write a path relative to the model, inside its directory, with forward slashes"


@pytest.mark.parametrize(
    ("entries", "text"),
    [
        ({"location": "../secret.bin"}, f"external data location '../secret.bin' {NOT_ALLOWED}"),
        ({"location": "a/../../secret.bin"}, f"external data location 'a/../../secret.bin' {NOT_ALLOWED}"),
        ({"location": "/etc/passwd"}, f"external data location '/etc/passwd' {NOT_ALLOWED}"),
        ({"location": "..\\secret.bin"}, f"external data location '..\\\\secret.bin' {NOT_ALLOWED}"),
        ({"location": "C:secret.bin"}, f"external data location 'C:secret.bin' {NOT_ALLOWED}"),
        ({"location": "."}, f"external data location '.' {NOT_ALLOWED}"),
        ({"location": "w.bin\0x"}, f"external data location 'w.bin\\x00x' {NOT_ALLOWED}"),
        ({}, "external data has no location"),
        ({"location": "no.bin"}, "external data file 'no.bin' is missing; put it in the model's directory"),
        ({"location": "w.bin", "basepath": "/"},
         "external data has the key 'basepath'; allowed are location, offset, length, checksum"),
        ({"location": "w.bin", "offset": "-4"}, "external data offset '-4' is not a whole number of bytes"),
        ({"location": "w.bin", "length": "9" * 19},
         f"external data length '{'9' * 19}' is not a whole number of bytes"),
        ({"location": "w.bin", "length": "12"}, "external data has length 12, but shape and type need 16 bytes"),
        ({"location": "w.bin", "offset": "4"},
         "external data of 16 bytes at offset 4 ends after the file 'w.bin', which has 16 bytes"),
    ],
)  # fmt: skip
def test_external_data_that_is_refused(folder, entries, text):
    path = folder / "net.onnx"
    assert refusal(external(**entries), path=path) == f"{path}: initializer 0 'w': {text}"


def test_external_data_through_links(folder):
    (folder / "link.bin").symlink_to(folder.parent / "secret.bin")
    (folder / "here.bin").symlink_to(folder / "w.bin")
    (folder / "up").symlink_to(folder.parent)
    path = folder / "net.onnx"
    for location in ("link.bin", "here.bin", "up/secret.bin"):
        assert refusal(external(location=location), path=path) == (
            f"{path}: initializer 0 'w': external data file {location!r} is reached through a symbolic link; "
            "use the file itself"
        )


def test_external_data_with_several_hard_links(folder):
    os.link(folder.parent / "secret.bin", folder / "hard.bin")
    path = folder / "net.onnx"
    assert refusal(external(location="hard.bin"), path=path) == (
        f"{path}: initializer 0 'w': external data file 'hard.bin' has 2 hard links; one is allowed, so copy the file"
    )


def test_external_data_in_a_pipe_or_a_directory(folder):
    os.mkfifo(folder / "pipe")
    (folder / "inner").mkdir()
    path = folder / "net.onnx"
    for location in ("pipe", "inner"):
        text = refusal(external(location=location), path=path)
        assert text.startswith(f"{path}: initializer 0 'w': external data file {location!r} ")


def test_external_data_of_an_attribute_is_never_read(folder):
    tensor = TensorProto(data_type=FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="w.bin")
    made = helper.make_node("Constant", [], ["w"], "k", value=tensor)
    text = refusal(network([made, node("Add", "x w", "y")]), path=folder / "net.onnx")
    assert "node 0 Constant 'k': attribute 'value' has external data; only initializers may" in text


def test_missing_external_files_are_all_listed(folder):
    model = external(location="no.bin")
    second = model.graph.initializer.add()
    second.CopyFrom(model.graph.initializer[0])
    second.name = "v"
    path = folder / "net.onnx"
    missing = "external data file 'no.bin' is missing; put it in the model's directory"
    assert refusal(model, path=path) == (
        f"{path}: 2 faults\n  - initializer 0 'w': {missing}\n  - initializer 1 'v': {missing}"
    )
