"""Strategies of quantized numbers that reach the limits: of types, zero points, scales and multipliers."""

from __future__ import annotations

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from oracle_operators import INT8, INT16, UINT8, double, one_rounding
from small_world import PROPERTY

FEW = settings(PROPERTY, max_examples=max(settings.default.max_examples // 6, 10))
"""For operators whose tables take long to make."""

HALF = settings(PROPERTY, max_examples=max(settings.default.max_examples // 2, 10))
"""For tests that are made for each of several profiles."""

LIMITS = {"int8": INT8, "uint8": UINT8, "int16": INT16}
PROFILES = {"tflite": double, "tflm": double, "single-rounding": one_rounding}
"""The profiles that scale by integers alone, and how."""

USUAL = st.floats(2.0**-10, 1.0, width=32)
POWERS = st.integers(-30, 20).map(lambda e: 2.0**e)
SCALES = st.one_of(
    USUAL, POWERS, st.floats(2.0**-30, 2.0**20, width=32), st.sampled_from([1 / 255, float(np.float32(1 / 3))])
)


def zeros(dtype: str) -> st.SearchStrategy[int]:
    low, high = LIMITS[dtype]
    return st.just(0) if dtype == "int16" else st.one_of(st.integers(low, high), st.sampled_from([low, high, 0]))


def values(dtype: str) -> st.SearchStrategy[int]:
    low, high = LIMITS[dtype]
    return st.one_of(st.integers(low, high), st.sampled_from([low, low + 1, high, 0]))


def quants(dtype: str, scales: st.SearchStrategy[float] = SCALES) -> st.SearchStrategy[tuple[float, int]]:
    return st.tuples(scales, zeros(dtype))


@st.composite
def arrays(draw, dtype: str, shape: tuple[int, ...]):
    """An array of drawn values for a few elements, of random ones for many."""
    size = int(np.prod(shape))
    if size > 12:
        rng = np.random.default_rng(draw(st.integers(0, 2**32)))
        return rng.integers(*LIMITS[dtype], shape, dtype, endpoint=True)
    return np.array(draw(st.lists(values(dtype), min_size=size, max_size=size)), dtype).reshape(shape)


SHAPES = st.lists(st.integers(0, 3), max_size=3).map(tuple)


@st.composite
def broadcast(draw) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Two shapes that broadcast: some axes of one, some absent."""
    shape = draw(SHAPES)
    a, b = (tuple(1 if draw(st.booleans()) else n for n in shape) for _ in range(2))
    cut = draw(st.integers(0, len(shape)))
    pair = (a, b[cut:])
    return pair if draw(st.booleans()) else pair[::-1]
