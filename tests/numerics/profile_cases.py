"""Operators whose rounding depends on the kernels, over whole domains, for comparison with LiteRT as it runs."""

from __future__ import annotations

from itertools import product

import numpy as np
from operator_files import Case, Operand

KINDS = ("int8", "uint8", "int16")
PAIRS = 1 << 16


class Draw:
    """Operands with drawn scales, zero points and values."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def scale(self) -> float:
        return float(np.float32(2.0 ** self.rng.uniform(-8, 0)))

    def operand(self, dtype: str, shape: tuple[int, ...], scale: float, **constant: object) -> Operand:
        zero = (
            0 if dtype == "int16" else int(self.rng.integers(np.iinfo(dtype).min, np.iinfo(dtype).max, endpoint=True))
        )
        return Operand(dtype, shape, float(np.float32(scale)), zero, **constant)

    def values(self, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
        return self.rng.integers(np.iinfo(dtype).min, np.iinfo(dtype).max, shape, dtype, endpoint=True)

    def pairs(self, dtype: str) -> list[np.ndarray]:
        """Every pair of two 8-bit values once, in any order; as many random ones of 16 bits."""
        if dtype == "int16":
            return [self.values(dtype, (PAIRS,)) for _ in range(2)]
        codes = self.rng.permutation(PAIRS)
        return [half.astype(np.uint8).view(dtype) for half in (codes & 255, codes >> 8)]


SHAPES = {
    "same": ((1, 16, 64, 64), (1, 16, 64, 64)),
    "scalar": ((1, 16, 64, 64), (1,)),
    "row": ((1, 64, 32, 21), (21,)),
    "column": ((1, 64, 32, 32), (1, 1, 32, 1)),
    "outer": ((16, 1, 3, 67), (1, 5, 1, 67)),
    "odd": ((1005,), (1005,)),
}


def binary(draw: Draw, op: str, dtype: str, form: str) -> Case:
    a, b = draw.scale(), draw.scale()
    ratio = draw.rng.uniform(-1, 1.5)
    made = a * b * 2 ** (5 + 3 * ratio) if op == "MUL" else max(a, b) * 2**ratio
    arrays = [
        values[: np.prod(shape)].reshape(shape) for values, shape in zip(draw.pairs(dtype), SHAPES[form], strict=True)
    ]
    result = np.broadcast_shapes(*SHAPES[form])
    operands = [draw.operand(dtype, array.shape, s) for array, s in zip(arrays, (a, b), strict=True)]
    options = {"pot_scale_int16": False} if dtype == "int16" else {}
    return Case(op, operands, [draw.operand(dtype, result, made)], options, given=arrays)


def conversion(draw: Draw, op: str, dtype: str, to: str, **options: float) -> Case:
    scale, values = draw.scale(), draw.pairs(dtype)[0][:1005]
    made = draw.operand(to, values.shape, scale * 2 ** draw.rng.uniform(-2, 2))
    return Case(op, [draw.operand(dtype, values.shape, scale)], [made], options, given=[values])


def reduction(draw: Draw, op: str, dtype: str, axes: tuple[int, ...], keep_dims: bool) -> Case:
    full, scale = (2, 7, 5, 37), draw.scale()
    shape = tuple(1 if i in axes else n for i, n in enumerate(full) if keep_dims or i not in axes)
    made = scale * 2 ** draw.rng.uniform(-2, 1) * (16 if op == "SUM" else 1)
    operands = [draw.operand(dtype, full, scale), Operand("int32", (len(axes),), values=np.array(axes, np.int32))]
    return Case(
        op, operands, [draw.operand(dtype, shape, made)], {"keep_dims": keep_dims}, given=[draw.values(dtype, full)]
    )


def resize(draw: Draw, dtype: str, sizes: tuple[tuple[int, ...], tuple[int, int]], mode: str) -> Case:
    shape, size = sizes
    x = draw.operand(dtype, shape, 0.1)
    made = Operand(dtype, (shape[0], *size, shape[3]), x.scale, x.zero)
    options = {mode: True} if mode else {}
    operands = [x, Operand("int32", (2,), values=np.array(size, np.int32))]
    return Case("RESIZE_BILINEAR", operands, [made], options, given=[draw.values(dtype, shape)])


def extents(op: str, window: tuple[int, int, str]) -> tuple[tuple[int, ...], ...]:
    """Shapes of image, weights and result."""
    if op == "FULLY_CONNECTED":
        return (7, 33), (12, 33), (7, 12)
    size, stride, padding = window
    if op == "TRANSPOSE_CONV":
        rows = [n * stride if padding == "SAME" else (n - 1) * stride + size for n in (11, 10)]
    else:
        rows = [-(-n // stride) if padding == "SAME" else (n - size) // stride + 1 for n in (11, 10)]
    if op == "DEPTHWISE_CONV_2D":
        return (1, 11, 10, 12), (1, size, size, 12), (1, *rows, 12)
    return (1, 11, 10, 8), (12, size, size, 8), (1, *rows, 12)


def product_sum(draw: Draw, op: str, dtype: str, bias: str | None, window: tuple[int, int, str]) -> Case:
    """A multiply-accumulate; `window` is kernel size, stride and padding."""
    image, weights, result = extents(op, window)
    kind = "uint8" if dtype == "uint8" else "int8"
    x, values = draw.operand(dtype, image, draw.scale()), draw.values(kind, weights)
    w = draw.operand(kind, weights, draw.scale() / 16, values=values if kind == "uint8" else np.maximum(values, -127))
    w.zero = w.zero if kind == "uint8" else 0
    spread = np.sqrt(np.prod(weights[1:])) * 50 * 2 ** draw.rng.uniform(-1, 1)
    y = draw.operand(dtype, result, x.scale * w.scale * spread)
    operands = [x, w] if op != "TRANSPOSE_CONV" else [Operand("int32", (4,), values=np.array(result, np.int32)), w, x]
    if bias is not None:
        operands.append(Operand(bias, (12,), x.scale * w.scale, 0, np.arange(12) * 99))
    options = {"padding": window[2], "stride_w": window[1], "stride_h": window[1], "depth_multiplier": 1}
    options |= {"quantized_bias_type": "INT32"} if (dtype, bias) == ("int16", "int32") else {}
    return Case(op, operands, [y], options)


WINDOWS = ((3, 1, "SAME"), (3, 2, "VALID"), (1, 2, "SAME"), (1, 1, "VALID"), (2, 3, "SAME"))
AXES = (((1, 2), True), ((1, 2), False), ((3,), False), ((0, 1, 2, 3), True), ((0, 2), False))
SIZES = (((1, 5, 7, 3), (11, 13)), ((1, 8, 8, 16), (17, 3)), ((1, 12, 10, 5), (7, 33)), ((1, 2, 3, 8), (16, 24)))
MODES = ("", "align_corners", "half_pixel_centers")


# Draws of ADD with elements in which the kernels' roundings differ: one element in a million does.
TELLING_SUMS = (
    ("int16", "same", 1), ("uint8", "same", 22), ("uint8", "same", 34), ("int8", "same", 248), ("int8", "same", 287),
    ("int8", "same", 582), ("uint8", "row", 1273), ("uint8", "scalar", 1273),
)  # fmt: skip
TELLING_REDUCTIONS = (236, 910, 1091, 1116)  # likewise of SUM over the last of AXES


def biases(op: str, dtype: str) -> tuple[str | None, ...]:
    """Types of bias that LiteRT takes, None for an absent one."""
    absent = (None,) if op in ("TRANSPOSE_CONV", "FULLY_CONNECTED") else ()
    if dtype != "int16":
        return ("int32", *absent)
    return ("int64", *(() if op == "DEPTHWISE_CONV_2D" else ("int32",)), *absent)


def cases() -> list[Case]:
    draw = Draw(0)
    short, sums = KINDS[:2], ("ADD", "SUB", "MUL")
    multiplications = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED")
    return [
        *(binary(draw, *choice) for choice in product(sums, KINDS, SHAPES) for _ in range(3)),
        *(binary(Draw(seed), "ADD", dtype, form) for dtype, form, seed in TELLING_SUMS),
        *(reduction(Draw(seed), "SUM", "int8", *AXES[-1]) for seed in TELLING_REDUCTIONS),
        *(conversion(draw, "QUANTIZE", *types) for types in product(short, short) for _ in range(4)),
        *(conversion(draw, "LEAKY_RELU", t, t, alpha=a) for t, a in product(short, (0.01, 0.3, 0.875, -0.5))),
        *(reduction(draw, op, t, *axes) for op, t, axes in product(("MEAN", "SUM"), short, AXES)),
        *(reduction(draw, "MEAN", "int16", *axes) for axes in AXES),
        *(resize(draw, *choice) for choice in product(KINDS, SIZES, MODES)),
        *(
            product_sum(draw, op, dtype, bias, window)
            for op, dtype, window in product(multiplications, KINDS, WINDOWS)
            for bias in biases(op, dtype)
            if op != "FULLY_CONNECTED" or window == WINDOWS[0]
            for _ in range(3)
        ),
    ]
