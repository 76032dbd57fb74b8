"""Damaged and hostile TFLite files: each loads or fails with one of three errors, soon and cheaply."""

from __future__ import annotations

import struct
import time
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from tflite_writer import (
    INT32,
    Table,
    Vector,
    Writer,
    model,
    operator,
    operator_code,
    quantization,
    single,
    subgraph,
    tensor,
)

from socsim.errors import LimitExceededError, MalformedModelError, UnsupportedOperatorError
from socsim.workload.importers.tflite import import_tflite
from socsim.workload.limits import DEFAULT_LIMITS

ALLOWED = (MalformedModelError, LimitExceededError, UnsupportedOperatorError)
SMALL = ("coral_split_concat", "mww_v2_vad_int8", "tflm_hello_world_int8", "seanet/transpose_conv0")
DAMAGED = "; the file is damaged, fetch or convert it again"


def load(data, limits=DEFAULT_LIMITS):
    return import_tflite(bytes(data), where="m.tflite", name="m", batch=None, shapes={}, limits=limits)


def outcome(data):
    """Return the name of the error, "" if the file loads; any other exception fails the test."""
    try:
        load(data)
    except ALLOWED as error:
        return type(error).__name__ if str(error).startswith("m.tflite: ") else f"bad message: {error}"
    return ""


def message(data, error=MalformedModelError, limits=DEFAULT_LIMITS):
    with pytest.raises(error) as caught:
        load(data, limits)
    assert type(caught.value) is error
    return str(caught.value)


def fully_connected(*, weights=(2, 4), kind=9, quant=None, stored=8, buffer=1, inputs=(0, 1, -1), outputs=(2,)):
    tensors = [
        tensor("x", [1, 4]),
        tensor("w", list(weights), kind, buffer=buffer, quant=quant),
        tensor("y", [1, 2]),
    ]
    return single(9, tensors, [0], [2], operator(0, list(inputs), list(outputs), Table(), 8), (bytes(stored),))


def test_the_undamaged_file_loads():
    assert outcome(fully_connected()) == ""


# Damage at random and by truncation


@pytest.mark.parametrize("name", SMALL)
def test_every_truncation_is_refused(models, name):
    data = (models / f"{name}.tflite").read_bytes()
    lengths = sorted({*range(64), *(len(data) * i // 64 for i in range(64))})
    found = {outcome(data[:length]) for length in lengths}
    # A file may end in padding or in weights that nothing reads, so only the far ends are certain.
    assert found <= {"MalformedModelError", ""}
    assert {outcome(data[:length]) for length in range(64)} == {"MalformedModelError"}


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("region", ["everywhere", "front", "back"])
def test_flipped_bits_never_raise_anything_else(models, name, region):
    data = (models / f"{name}.tflite").read_bytes()
    low, high = {
        "everywhere": (0, len(data)),
        "front": (0, 2048),
        "back": (max(len(data) - 4096, 0), len(data)),
    }[region]
    rng = np.random.default_rng(2024)
    found = []
    for _ in range(200):
        damaged = bytearray(data)
        for position in rng.integers(low, min(high, len(data)), int(rng.integers(1, 4))):
            damaged[position] ^= 1 << int(rng.integers(8))
        found.append(outcome(damaged))
    assert set(found) <= {"", *(error.__name__ for error in ALLOWED)}
    assert "MalformedModelError" in found


@pytest.mark.parametrize("name", SMALL)
def test_words_of_the_worst_values_never_raise_anything_else(models, name):
    """Offsets, lengths, indices, dimensions and scales are all aligned words of the file."""
    data = (models / f"{name}.tflite").read_bytes()
    worst = (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, len(data), 0x7FC00000, 0x7F800000)
    rng = np.random.default_rng(7)
    last = max(len(data) - 4096, 0)
    places = [*range(0, 512, 4), *(last + 4 * rng.integers(0, (len(data) - last) // 4, 128))]
    for i, place in enumerate(places):
        damaged = bytearray(data)
        struct.pack_into("<I", damaged, int(place), worst[i % len(worst)])
        assert outcome(damaged) in {"", *(error.__name__ for error in ALLOWED)}


def test_every_word_of_a_tiny_file_may_take_every_bad_value():
    data = fully_connected(quant=quantization([0.5, 1.0], [0, 0]))
    found = set()
    for place in range(0, len(data) - 3, 4):
        for value in (0, 3, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x7FC00000):
            damaged = bytearray(data)
            struct.pack_into("<I", damaged, place, value)
            found.add(outcome(damaged))
    assert found == {"", "MalformedModelError", "LimitExceededError", "UnsupportedOperatorError"}


def test_other_bytes_never_raise_anything_else():
    rng = np.random.default_rng(11)
    for _ in range(200):
        noise = bytearray(rng.bytes(int(rng.integers(8, 400))))
        noise[4:8] = b"TFL3"
        assert outcome(noise) == "MalformedModelError"


# The container


def test_the_identifier_is_required():
    data = bytearray(fully_connected())
    data[4:8] = b"TFL2"
    assert message(data) == f"m.tflite: file identifier b'TFL2' at byte 4; b'TFL3' is required{DAMAGED}"


def test_the_root_must_be_inside_the_file():
    data = bytearray(fully_connected())
    struct.pack_into("<I", data, 0, 0x7FFFFFFC)
    assert message(data) == (
        f"m.tflite: model needs bytes 2,147,483,644 to 2,147,483,648, but the file has {len(data):,}{DAMAGED}"
    )


def test_the_root_must_be_aligned():
    data = bytearray(fully_connected())
    (root,) = struct.unpack_from("<I", data, 0)
    struct.pack_into("<I", data, 0, root + 2)
    assert message(data) == f"m.tflite: model at byte {root + 2} is not aligned to 4 bytes{DAMAGED}"


def test_a_vtable_must_be_inside_the_file():
    data = bytearray(fully_connected())
    (root,) = struct.unpack_from("<I", data, 0)
    struct.pack_into("<i", data, root, 0x1000)
    assert message(data) == (
        f"m.tflite: model: vtable needs bytes {root - 0x1000:,} to {root - 0x1000 + 4:,}, "
        f"but the file has {len(data):,}{DAMAGED}"
    )


@pytest.mark.parametrize(("vtable", "table"), [(2, 24), (5, 24), (14, 2)])
def test_the_sizes_of_a_vtable_must_be_sane(vtable, table):
    data = bytearray(fully_connected())
    (root,) = struct.unpack_from("<I", data, 0)
    (back,) = struct.unpack_from("<i", data, root)
    struct.pack_into("<HH", data, root - back, vtable, table)
    assert message(data) == f"m.tflite: model: vtable of {vtable} bytes for a table of {table} bytes{DAMAGED}"


def test_a_field_must_be_inside_its_table():
    data = bytearray(fully_connected())
    (root,) = struct.unpack_from("<I", data, 0)
    (back,) = struct.unpack_from("<i", data, root)
    (size,) = struct.unpack_from("<H", data, root - back + 2)
    struct.pack_into("<H", data, root - back + 4, size - 2)
    assert message(data) == f"m.tflite: model: field 0 is at byte {size - 2} of a table of {size} bytes{DAMAGED}"


def test_a_vector_of_two_thousand_million_elements_is_refused():
    tensors = [tensor("x", [2]), tensor("y", [2])]
    op = operator(0, [0], [1])
    op[1] = Vector("i", [0], count=0x7FFFFFFF)
    text = message(single(19, tensors, [0], [1], op))
    assert "subgraph 0: operator 0: inputs (2,147,483,647 elements) needs bytes" in text


def test_a_long_string_is_refused():
    name = "n" * 5000
    data = single(19, [tensor(name, [2]), tensor("y", [2])], [0], [1], operator(0, [0], [1]))
    assert message(data, LimitExceededError) == (
        "m.tflite: subgraph 0: tensor 0: name: bytes: 5,000 exceeds the limit of 4,096"
    )


def test_a_name_that_is_not_utf_8_is_kept_readable():
    data = single(19, [tensor("x", [2]), tensor("yyyy", [2])], [0], [1], operator(0, [0], [1]))
    graph = load(data.replace(b"yyyy", b"y\xff\xfey"))
    assert graph.tensors[1].name == "y\ufffd\ufffdy"


class Walk:
    """Positions in a file that the writer made."""

    def __init__(self, data):
        self.data = data

    def place(self, table, slot):
        (back,) = struct.unpack_from("<i", self.data, table)
        return table + struct.unpack_from("<H", self.data, table - back + 4 + 2 * slot)[0]

    def field(self, table, slot):
        place = self.place(table, slot)
        return place + struct.unpack_from("<I", self.data, place)[0]

    def element(self, vector, i):
        place = vector + 4 + 4 * i
        return place + struct.unpack_from("<I", self.data, place)[0]


def test_an_offset_cannot_point_backwards():
    """Offsets are unsigned, so a table cannot contain itself and reading always ends."""
    data = bytearray(fully_connected())
    walk = Walk(data)
    (root,) = struct.unpack_from("<I", data, 0)
    vector = walk.field(root, 2)
    struct.pack_into("<i", data, vector + 4, root - (vector + 4))
    start = vector + 4 + (root - vector - 4) % 2**32
    assert message(data) == (
        f"m.tflite: subgraph 0 needs bytes {start:,} to {start + 4:,}, but the file has {len(data):,}{DAMAGED}"
    )


def test_many_tables_that_share_one_vector_meet_the_budget():
    """One operator of 20,000 inputs, named 2,000 times, would be 40 million numbers from 100 kB."""
    data = shared_operators(2000, 20_000)
    assert len(data) < 120_000
    tracemalloc.start()
    started = time.perf_counter()
    text = message(data, LimitExceededError)
    elapsed = time.perf_counter() - started
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert text == (
        "m.tflite: tables and vectors hold more than the 67,108,864 bytes, or 4 times the file's length, "
        "that may be decoded"
    )
    assert elapsed < 5
    assert peak < 100 * 2**20


def shared_operators(count, width):
    """A file in which `count` operators are one table, whose inputs are `width` numbers."""
    op = operator(0, [0] * width, [0])
    sub = subgraph([tensor("x", [2])], [0], [0], [Table() for _ in range(count)])
    writer = Writer(bytearray(b"\0\0\0\0TFL3"))
    root = Table({0: ("I", 3), 1: [operator_code(88)], 2: [sub], 4: [Table()]})
    writer.point(0, writer.table(root))
    shared = writer.write(op)
    walk = Walk(writer.data)
    (root_at,) = struct.unpack_from("<I", writer.data, 0)
    vector = walk.field(walk.element(walk.field(root_at, 2), 0), 3)
    for i in range(count):
        writer.point(vector + 4 + 4 * i, shared)
    return writer.data


# What the tables say


def test_the_schema_version_is_required():
    op = operator(0, [0], [1])
    data = model([operator_code(19)], [subgraph([tensor("x", [2]), tensor("y", [2])], [0], [1], [op])], [], 2)
    assert message(data) == "m.tflite: schema version 2; version 3 is required"


def test_a_model_without_subgraphs_is_refused():
    assert message(model([operator_code(19)], [], [])) == "m.tflite: the model has no subgraph"


def test_a_graph_without_operators_is_refused():
    data = model([], [subgraph([tensor("x", [2])], [0], [0], [])], [])
    assert message(data) == "m.tflite: the graph has no operators"


def test_an_operator_code_must_exist():
    data = single(19, [tensor("x", [2]), tensor("y", [2])], [0], [1], operator(5, [0], [1]))
    assert message(data) == ("m.tflite: subgraph 0: operator 0: operator code 5 does not exist; the model has 1")


def test_a_buffer_must_exist():
    assert message(fully_connected(buffer=7)) == (
        "m.tflite: subgraph 0: tensor 1 'w': buffer 7 does not exist; the model has 2 buffers"
    )


@pytest.mark.parametrize(("stored", "needed"), [(7, 8), (9, 8), (16, 8)])
def test_constants_have_the_bytes_of_their_shape(stored, needed):
    assert (
        f"subgraph 0: tensor 1 'w': its buffer holds {stored} bytes, but shape (2, 4) of int8 needs {needed}"
    ) in message(fully_connected(stored=stored))


def test_int4_constants_have_half_the_bytes():
    assert outcome(fully_connected(kind=17, stored=4)) == ""
    assert "its buffer holds 8 bytes, but shape (2, 4) of int4 needs 4" in message(fully_connected(kind=17))


def test_buffer_zero_is_empty():
    sub = subgraph([tensor("x", [2]), tensor("y", [2])], [0], [1], [operator(0, [0], [1])])
    root = Table({0: ("I", 3), 1: [operator_code(19)], 2: [sub], 4: [Table({0: b"ab"})]})
    writer = Writer(bytearray(b"\0\0\0\0TFL3"))
    writer.point(0, writer.table(root))
    assert message(writer.data) == (
        "m.tflite: buffer 0 holds 2 bytes; tensors without data refer to it, so it must be empty"
    )


def test_data_behind_the_flatbuffer_is_inside_the_file():
    place = Table({1: ("Q", 100_000), 2: ("Q", 8)})
    tensors = [tensor("x", [1, 4]), tensor("w", [2, 4], buffer=1), tensor("y", [1, 2])]
    data = single(9, tensors, [0], [2], operator(0, [0, 1], [2], Table(), 8), (place,))
    assert message(data) == (
        f"m.tflite: buffer 1: external data needs bytes 100,000 to 100,008, but the file has {len(data):,}{DAMAGED}"
    )


def test_element_types_are_known():
    data = single(19, [tensor("x", [2], 77), tensor("y", [2])], [0], [1], operator(0, [0], [1]))
    assert message(data) == ("m.tflite: subgraph 0: tensor 0: element type 77 is unknown; the schema has types 0 to 22")


def test_dimensions_are_not_negative():
    data = single(19, [tensor("x", [-1, 2]), tensor("y", [2])], [0], [1], operator(0, [0], [1]))
    assert message(data) == (
        "m.tflite: subgraph 0: tensor 0 'x': shape (-1, 2) has a negative dimension; only a signature may have -1"
    )


@pytest.mark.parametrize("signature", [[2], [-1, 3], [-2, 2]])
def test_a_signature_fits_its_shape(signature):
    tensors = [tensor("x", [1, 2], signature=signature), tensor("y", [1, 2])]
    assert message(single(19, tensors, [0], [1], operator(0, [0], [1]))) == (
        f"m.tflite: subgraph 0: tensor 0 'x': shape signature {tuple(signature)} contradicts the shape "
        "(1, 2); each entry is the dimension or -1"
    )


def test_rank_and_elements_are_limited():
    deep = single(19, [tensor("x", [1] * 9), tensor("y", [1])], [0], [1], operator(0, [0], [1]))
    assert message(deep, LimitExceededError) == ("m.tflite: subgraph 0: tensor 0: shape rank: 9 exceeds the limit of 8")
    large = single(19, [tensor("x", [2**30, 0, 4]), tensor("y", [1])], [0], [1], operator(0, [0], [1]))
    assert message(large, LimitExceededError) == (
        "m.tflite: subgraph 0: tensor 0 'x': elements: 4,294,967,296 exceeds the limit of 2,147,483,648"
    )


@pytest.mark.parametrize("limit", ["tensors", "operators"])
def test_counts_are_limited(limit):
    limits = replace(DEFAULT_LIMITS, **{limit: 1})
    tensors = [tensor("x", [2]), tensor("y", [2]), tensor("z", [2])]
    operators = [operator(0, [0], [1]), operator(0, [1], [2])]
    data = model([operator_code(19)], [subgraph(tensors, [0], [2], operators)], [])
    found = {"tensors": 3, "operators": 2}[limit]
    assert message(data, LimitExceededError, limits) == (
        f"m.tflite: subgraph 0: {limit}: {found} exceeds the limit of 1"
    )


# Quantization


@pytest.mark.parametrize("scale", [0.0, -0.5, float("nan"), float("inf")])
def test_scales_are_finite_and_positive(scale):
    assert message(fully_connected(quant=quantization([scale], [0]))) == (
        f"m.tflite: subgraph 0: tensor 1 'w': scale 0 is {scale}; scales must be finite and greater than zero"
    )


@pytest.mark.parametrize("point", [-129, 128, 2**40])
def test_zero_points_are_inside_the_type(point):
    assert message(fully_connected(quant=quantization([0.5], [point]))) == (
        f"m.tflite: subgraph 0: tensor 1 'w': zero point 0 is {point}; int8 allows -128 to 127"
    )


@pytest.mark.parametrize(("scales", "dimension"), [(3, 0), (2, 1), (2, 2), (2, -1)])
def test_scales_belong_to_a_dimension_of_their_number(scales, dimension):
    quant = quantization([0.5] * scales, [0] * scales, dimension)
    assert message(fully_connected(quant=quant)) == (
        f"m.tflite: subgraph 0: tensor 1 'w': {scales} scales along dimension {dimension} of shape (2, 4); "
        "1 or the size of that dimension is allowed"
    )


def test_zero_points_are_as_many_as_scales():
    quant = quantization([0.5, 0.5], [0, 0, 0])
    assert message(fully_connected(quant=quant)) == (
        "m.tflite: subgraph 0: tensor 1 'w': 3 zero points, 2 scales; 0, 1 or 2 are allowed"
    )


def test_empty_quantization_is_none():
    assert load(fully_connected(quant=quantization([], []))).tensors[1].quantization is None


@pytest.mark.parametrize(
    ("scales", "block", "text"),
    [
        (9, 2, "blockwise scales in tensor 9, which is no constant of 4 numbers"),
        (-5, 2, "blockwise scales in tensor -5, which is no constant of 4 numbers"),
        (0, 2, "blockwise scales in tensor 0, which is no constant of 4 numbers"),
        (1, 3, "blocks of 3 do not divide the last dimension of shape (2, 4)"),
        (1, 0, "blocks of 0 do not divide the last dimension of shape (2, 4)"),
    ],
)
def test_blocks_and_their_scales_exist(scales, block, text):
    details = Table({0: ("i", scales), 1: ("i", -1), 2: ("i", block)})
    quant = Table({4: ("B", 2), 5: details})
    assert message(fully_connected(quant=quant)) == f"m.tflite: subgraph 0: tensor 1 'w': {text}"


# Structure of the graph


def test_faults_are_collected():
    quant = quantization([0.0], [300])
    assert message(fully_connected(quant=quant, stored=7, outputs=(9,))) == (
        "m.tflite: 5 faults\n"
        "  - subgraph 0: tensor 1 'w': its buffer holds 7 bytes, but shape (2, 4) of int8 needs 8\n"
        "  - subgraph 0: tensor 1 'w': scale 0 is 0.0; scales must be finite and greater than zero\n"
        "  - subgraph 0: tensor 1 'w': zero point 0 is 300; int8 allows -128 to 127\n"
        "  - operator 0 FULLY_CONNECTED '': output 9 is not a tensor; the graph has tensors 0 to 2\n"
        "  - graph output 2 'y' is never produced"
    )


def chain(edges, count=3):
    tensors = [tensor(f"t{i}", [2]) for i in range(count)]
    operators = [operator(0, list(reads), list(writes)) for reads, writes in edges]
    return model([operator_code(19)], [subgraph(tensors, [0], [count - 1], operators)], [])


def test_a_cycle_is_refused():
    assert message(chain([([2], [1]), ([1], [2])])) == (
        "m.tflite: operator 0 RELU 't1': reads tensor 2, which nothing has produced yet "
        "(a cycle, or operators out of order)"
    )


def test_a_tensor_has_one_producer():
    assert message(chain([([0], [1]), ([0], [1]), ([1], [2])])) == (
        "m.tflite: operator 1 RELU 't1': writes tensor 1, which already has a value"
    )


@pytest.mark.parametrize("index", [3, -2, 2**31 - 1])
def test_operands_exist(index):
    assert (f"operator 0 RELU 't1': input {index} is not a tensor; the graph has tensors 0 to 2") in message(
        chain([([index], [1]), ([1], [2])])
    )


def test_graph_inputs_and_outputs_exist():
    tensors = [tensor("x", [2]), tensor("y", [2])]
    assert message(single(19, tensors, [0, 5], [1, 9], operator(0, [0], [1]))) == (
        "m.tflite: 2 faults\n"
        "  - graph input 5 is not a tensor; the graph has tensors 0 to 1\n"
        "  - graph output 9 is not a tensor; the graph has tensors 0 to 1"
    )


def test_options_belong_to_their_operator():
    tensors = [tensor("x", [1, 4]), tensor("y", [1, 4])]
    data = single(25, tensors, [0], [1], operator(0, [0], [1], Table(), 5))
    assert message(data) == (
        "m.tflite: subgraph 0: operator 0: SOFTMAX has options of type 5; type 9 or none is allowed"
    )


def test_enumerations_are_known():
    tensors = [tensor("x", [2]), tensor("y", [2]), tensor("z", [2])]
    data = single(0, tensors, [0, 1], [2], operator(0, [0, 1], [2], Table({0: ("b", 9)}), 11))
    assert message(data) == ("m.tflite: subgraph 0: operator 0: options: activation is 9; 0 to 5 are allowed")


def test_a_custom_operator_has_a_code():
    sub = subgraph([tensor("x", [2]), tensor("y", [2])], [0], [1], [operator(0, [0], [1])])
    assert message(model([operator_code(32)], [sub], [])) == (
        "m.tflite: operator code 0: a custom operator without a custom code"
    )


def test_custom_options_are_limited():
    op = operator(0, [0], [1], more={5: bytes(100)})
    sub = subgraph([tensor("x", [2]), tensor("y", [2])], [0], [1], [op])
    data = model([operator_code(32, "c")], [sub], [])
    assert message(data, LimitExceededError, replace(DEFAULT_LIMITS, attribute_bytes=99)) == (
        "m.tflite: subgraph 0: operator 0: bytes of custom options: 100 exceeds the limit of 99"
    )


@pytest.mark.parametrize(
    ("code", "values", "out", "text"),
    [
        ("RESHAPE", [6], [7], "it makes 7 elements of 6"),
        ("TRANSPOSE", [0, 0], [2, 3], "its permutation (0, 0) is not one of 2 axes"),
        ("PAD", [1, 1], [2, 3], "it pads 1 dimensions of a tensor of rank 2"),
        ("PAD", [1, 1, 1, -1], [4, 3], "its paddings are (1, 1, 1, -1); none may be negative"),
        ("MEAN", [2], [2], "its axis 2 is outside a tensor of rank 2"),
        ("ARG_MAX", [-3], [2], "its axis -3 is outside a tensor of rank 2"),
        ("ARG_MAX", [0, 1], [2], "its axis has 2 values; one is required"),
    ],
)
def test_constant_operands_fit_their_operator(code, values, out, text):
    from socsim.workload.importers.tflite_schema import BUILTIN_OPERATORS

    tensors = [tensor("x", [2, 3]), tensor("c", [len(values)], INT32, buffer=1), tensor("y", out)]
    stored = struct.pack(f"<{len(values)}i", *values)
    number = BUILTIN_OPERATORS.index(code)
    data = single(number, tensors, [0], [2], operator(0, [0, 1], [2]), (stored,))
    assert f"operator 0 {code} 'y': {text}" in message(data)


def test_a_convolution_needs_strides():
    tensors = [tensor("x", [1, 4, 4, 1]), tensor("w", [1, 1, 1, 1], buffer=1), tensor("y", [1, 4, 4, 1])]
    data = single(3, tensors, [0], [2], operator(0, [0, 1], [2], Table(), 1), (b"\1",))
    assert message(data) == ("m.tflite: operator 0 CONV_2D 'y': its strides are (0, 0); both must be 1 or more")


# Subgraphs


def calls(targets):
    """A model in which subgraph i initialises subgraph `targets[i]`; the last one calls nothing."""
    subs = []
    for target in targets:
        call = operator(1, [], [], Table({0: ("i", target)}), 103)
        subs.append(subgraph([tensor("x", [2]), tensor("y", [2])], [0], [1], [operator(0, [0], [1]), call]))
    subs.append(subgraph([tensor("x", [2]), tensor("y", [2])], [0], [1], [operator(0, [0], [1])]))
    return model([operator_code(19), operator_code(129)], subs, [])


def test_a_subgraph_cannot_call_itself():
    assert message(calls([1, 0])) == f"m.tflite: subgraph 0 calls itself{DAMAGED}"


@pytest.mark.parametrize("target", [-1, 2, 2**31 - 1])
def test_called_subgraphs_exist(target):
    assert message(calls([target])) == (
        f"m.tflite: an operator calls subgraph {target}; the model has subgraphs 0 to 1"
    )


def test_nesting_is_limited():
    assert outcome(calls(range(1, 17))) == ""
    assert message(calls(range(1, 18)), LimitExceededError) == (
        "m.tflite: nesting of subgraphs: 17 exceeds the limit of 16"
    )


def test_faults_of_a_subgraph_name_it():
    body = subgraph([tensor("x", [2]), tensor("y", [2])], [0], [1], [operator(0, [9], [1])])
    call = operator(1, [], [], Table({0: ("i", 1)}), 103)
    main = subgraph([tensor("x", [2]), tensor("y", [2])], [0], [1], [operator(0, [0], [1]), call])
    data = model([operator_code(19), operator_code(129)], [main, body], [])
    assert message(data) == (
        "m.tflite: subgraph 1: operator 0 RELU 'y': input 9 is not a tensor; the graph has tensors 0 to 1"
    )
