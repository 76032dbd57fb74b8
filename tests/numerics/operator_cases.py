"""One-operator cases beyond the recorded vectors, for comparison with LiteRT as it runs."""

from __future__ import annotations

from itertools import product

import numpy as np
from operator_files import Case, Operand

BYTES, BYTES_AND_WORDS = ("int8", "uint8"), ("int8", "uint8", "int16")
_SIGNED = {"uint8": 128}


def q(dtype: str, shape: tuple[int, ...], scale: float = 0.05, zero: int = 3) -> Operand:
    return Operand(dtype, shape, scale, 0 if dtype == "int16" else zero + _SIGNED.get(dtype, 0))


def f(*shape: int) -> Operand:
    return Operand("float32", shape)


def i(*shape: int) -> Operand:
    return Operand("int32", shape)


def const(values: object, dtype: str = "int32") -> Operand:
    array = np.asarray(values, dtype)
    return Operand(dtype, array.shape, values=array)


def positive(seed: int, *shape: int) -> list[np.ndarray]:
    return [np.random.default_rng(seed).integers(4, 127, shape, np.int8, endpoint=True)]


def broadcast(op: str, dtype: str, shapes: tuple[tuple[int, ...], tuple[int, ...]], activation: str) -> Case:
    operands = [q(dtype, shapes[0], 0.04, 5), q(dtype, shapes[1], 0.011, -9)]
    return Case(op, operands, [q(dtype, np.broadcast_shapes(*shapes), 0.06, 1)], {"activation": activation})


def prelu(dtype: str) -> Case:
    return Case("PRELU", [q(dtype, (2, 4, 5, 3)), q(dtype, (1, 1, 3), 0.01)], [q(dtype, (2, 4, 5, 3), 0.04)])


def arithmetic() -> list[Case]:
    shapes = (((2, 3, 4), (4,)), ((2, 1, 4), (3, 1)), ((), (2, 3, 4)))
    activations = ("NONE", "RELU6", "RELU_N1_TO_1")
    signs = [np.array([7, -7, 9, -9, 0], np.int32), np.array([2, 2, -4, -4, 3], np.int32)]
    near, far = q("int16", (3, 5), 2**-7), q("int16", (3, 5), 2**-9)
    return [
        *(broadcast(*choice) for choice in product(("ADD", "SUB", "MUL"), BYTES_AND_WORDS, shapes, activations)),
        Case("ADD", [near, far], [near], {"pot_scale_int16": True}),
        *(prelu(dtype) for dtype in BYTES),
        *(Case(op, [f(2, 3, 4), f(4)], [f(2, 3, 4)], {"activation": "RELU6"}) for op in ("ADD", "SUB", "MUL", "DIV")),
        *(
            Case(op, [i(2, 3, 4), i(4)], [i(2, 3, 4)])
            for op in ("ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM", "SQUARED_DIFFERENCE")
        ),
        *(Case(op, [i(5), i(5)], [i(5)], given=signs) for op in ("DIV", "FLOOR_DIV", "FLOOR_MOD")),
        *(
            Case(op, [q(dtype, (2, 3, 4)), q(dtype, (4,))], [q(dtype, (2, 3, 4))])
            for op, dtype in product(("MAXIMUM", "MINIMUM"), ("uint8", "int16"))
        ),
    ]


def unary() -> list[Case]:
    wide = [np.linspace(-6, 6, 2000, dtype=np.float32)]
    floats = ("ABS", "NEG", "FLOOR", "SQUARE", "RELU", "RELU6", "RELU_N1_TO_1", "HARD_SWISH", "SIGN")
    byte = q("int8", (300,))
    return [
        *(
            Case(op, [q(dtype, (300,), 0.05)], [q(dtype, (300,), 0.023, -20)])
            for op, dtype in product(("RELU", "RELU6", "RELU_N1_TO_1"), BYTES)
        ),
        Case("LOG", [q("int16", (300,), 0.001)], [q("int16", (300,), 0.0004)]),
        Case("SQRT", [byte], [q("int8", (300,), 0.02, -60)], given=positive(1, 300)),
        *(Case("RSQRT", [byte], [q("int8", (300,), s, -60)], given=positive(2, 300)) for s in (0.02, 0.003)),
        *(Case(op, [f(2000)], [f(2000)], given=wide) for op in floats),
        *(Case(op, [i(20)], [i(20)]) for op in ("NEG", "ABS")),
        Case("LOGICAL_NOT", [Operand("bool", (9,))], [Operand("bool", (9,))]),
        Case("LEAKY_RELU", [byte], [q("int8", (300,), 0.04)], {"alpha": -0.3}),
    ]


def comparison(op: str, dtype: str, scale: float) -> Case:
    return Case(op, [q(dtype, (4, 300)), q(dtype, (300,), scale)], [Operand("bool", (4, 300))])


def comparisons() -> list[Case]:
    ops = ("EQUAL", "NOT_EQUAL", "LESS", "LESS_EQUAL", "GREATER", "GREATER_EQUAL")
    boolean = Operand("bool", (3, 4))
    return [
        *(comparison(*choice) for choice in product(ops, BYTES, (0.05, 0.02))),
        *(Case(op, [i(4, 30), i(30)], [Operand("bool", (4, 30))]) for op in ops),
        *(Case(op, [boolean, boolean], [boolean]) for op in ("LOGICAL_AND", "LOGICAL_OR")),
        Case("SELECT", [Operand("bool", (3,)), i(3, 4), i(3, 4)], [i(3, 4)]),
        Case("SELECT_V2", [Operand("bool", (4,)), q("int8", (3, 4)), q("int8", (1, 4))], [q("int8", (3, 4))]),
    ]


def reduction(op: str, dtype: str, keep: bool, axes: tuple[int, ...]) -> Case:
    full = (2, 3, 5, 4)
    gone = {a % 4 for a in axes}
    shape = tuple(1 if n in gone else size for n, size in enumerate(full) if keep or n not in gone)
    result = q(dtype, shape, 0.05 if op == "REDUCE_MAX" else 0.031)
    return Case(op, [q(dtype, full), const(axes)], [result], {"keep_dims": keep})


def reductions() -> list[Case]:
    kinds = (*product(["MEAN"], BYTES_AND_WORDS), ("SUM", "uint8"), *product(["REDUCE_MAX"], BYTES))
    choices = product(kinds, (True, False), ((1, 2), (-1,), (0, 1, 2, 3)))
    boolean, row = Operand("bool", (3, 4)), Operand("bool", (3,))
    return [
        *(reduction(*kind, keep, axes) for kind, keep, axes in choices),
        *(Case(op, [i(2, 3, 5), const([1])], [i(2, 5)]) for op in ("SUM", "REDUCE_PROD", "REDUCE_MIN", "MEAN")),
        *(Case(op, [boolean, const([1])], [row]) for op in ("REDUCE_ANY", "REDUCE_ALL")),
        *(
            Case("CUMSUM", [i(3, 5), const(1)], [i(3, 5)], {"exclusive": exclusive, "reverse": reverse})
            for exclusive, reverse in product((False, True), repeat=2)
        ),
    ]


def movement() -> list[Case]:
    image, square = q("int8", (2, 4, 6, 3)), q("int8", (4, 6))
    cases = [
        Case("SPACE_TO_BATCH_ND", [image, const([2, 3]), const([[1, 1], [0, 0]])], [q("int8", (12, 3, 2, 3))]),
        Case(
            "BATCH_TO_SPACE_ND",
            [q("int8", (12, 3, 2, 3)), const([2, 3]), const([[1, 1], [0, 2]])],
            [q("int8", (2, 4, 4, 3))],
        ),
        Case("SPACE_TO_DEPTH", [image], [q("int8", (2, 2, 3, 12))], {"block_size": 2}),
        Case("DEPTH_TO_SPACE", [q("int8", (2, 2, 3, 12))], [image], {"block_size": 2}),
        Case("MIRROR_PAD", [square, const([[1, 2], [3, 0]])], [q("int8", (7, 9))], {"mode": "REFLECT"}),
        Case("MIRROR_PAD", [square, const([[1, 2], [3, 0]])], [q("int8", (7, 9))], {"mode": "SYMMETRIC"}),
        Case("PAD", [square, const([[1, 2], [3, 0]])], [q("int8", (7, 9))]),
        Case("TRANSPOSE", [image, const([3, 1, 0, 2])], [q("int8", (3, 4, 2, 6))]),
        Case("SLICE", [image, const([0, 1, 2, 0]), const([1, 2, -1, 2])], [q("int8", (1, 2, 4, 2))]),
        Case("GATHER", [square, const([3, 0, 1])], [q("int8", (3, 6))], {"axis": 0}),
        Case("GATHER", [square, const([[5, 0], [1, 1]])], [q("int8", (4, 2, 2))], {"axis": 1}),
        Case("GATHER_ND", [image, const([[0, 1], [1, 3]])], [q("int8", (2, 6, 3))]),
        Case("SCATTER_ND", [const([[0], [2], [0]]), i(3, 4), const([5, 4])], [i(5, 4)]),
        Case("TILE", [square, const([2, 3])], [q("int8", (8, 18))]),
        Case("FILL", [const([2, 3]), i()], [i(2, 3)]),
        Case("REVERSE_V2", [square, const([1])], [square]),
        Case("PACK", [square, square], [q("int8", (4, 2, 6))], {"values_count": 2, "axis": 1}),
        Case("UNPACK", [q("int8", (3, 2))], [q("int8", (3,)), q("int8", (3,))], {"num": 2, "axis": 1}),
        Case("SPLIT", [const(1), square], [q("int8", (4, 3))] * 2, {"num_splits": 2}),
        Case("SPLIT_V", [square, const([1, 5]), const(1)], [q("int8", (4, 1)), q("int8", (4, 5))], {"num_splits": 2}),
        Case("CONCATENATION", [square, square], [q("int8", (8, 6))], {"axis": 0}),
        Case("RANK", [square], [i()]),
        Case("ONE_HOT", [i(3), const(8), const(5), const(-2)], [i(3, 8)], {"axis": -1}),
        Case("TOPK_V2", [i(3, 9), const(4)], [i(3, 4), i(3, 4)]),
        Case("SQUEEZE", [q("int8", (1, 4, 1))], [q("int8", (4,))], {"axes": [0, 2]}),
        Case("EXPAND_DIMS", [square, const(1)], [q("int8", (4, 1, 6))]),
        Case("EMBEDDING_LOOKUP", [const([2, 0]), f(4, 6)], [f(2, 6)]),
        Case("CAST", [i(9)], [f(9)]),
        Case("CAST", [f(9)], [i(9)]),
    ]
    masks = {"begin_mask": 1, "end_mask": 2, "shrink_axis_mask": 4, "ellipsis_mask": 0, "new_axis_mask": 0}
    numbers = [const([1, 5, -1, 0]), const([2, 0, 0, 3]), const([1, -2, 1, 2])]
    cases.append(Case("STRIDED_SLICE", [image, *numbers], [q("int8", (2, 2, 2))], masks))
    return cases


def resize(dtype: str, mode: tuple[bool, bool], size: tuple[int, int], op: str) -> Case:
    options = dict(zip(("align_corners", "half_pixel_centers"), mode, strict=True))
    return Case(op, [q(dtype, (2, 5, 6, 3)), const(size)], [q(dtype, (2, *size, 3))], options)


def pool(dtype: str, op: str, padding: str) -> Case:
    window = {"padding": padding, "stride_w": 2, "stride_h": 2, "filter_width": 3, "filter_height": 3}
    size = (3, 4) if padding == "SAME" else (2, 3)
    return Case(op, [q(dtype, (2, 6, 7, 3))], [q(dtype, (2, *size, 3))], window | {"activation": "RELU"})


def images() -> list[Case]:
    modes = ((False, False), (True, False), (False, True))
    sizes = ((9, 4), (3, 13), (5, 6), (1, 1))
    resizes = product(BYTES_AND_WORDS, modes, sizes, ("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"))
    pools = product(BYTES_AND_WORDS, ("AVERAGE_POOL_2D", "MAX_POOL_2D"), ("SAME", "VALID"))
    return [*(resize(*choice) for choice in resizes), *(pool(*choice) for choice in pools)]


CASES = [*arithmetic(), *unary(), *comparisons(), *reductions(), *movement(), *images()]
