"""Float32 functions with the very steps of one C library, the GNU one of versions 2.27 to 2.40.

TFLite's tables hold what the C library returned where they were made, and libraries differ in the last
place. The reference results come from this one. Everything is float32 arithmetic, except that the
exponential works in float64.

Source: algorithms and coefficients of fdlibm (s_tanhf.c, s_expm1f.c, s_erff.c; Sun Microsystems, 1993) and
of the Arm optimized routines (expf.c, exp2f_data.c), which that library took over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from socsim.numerics.arrays import Array

_EXP_STEPS = 32  # entries of the table of fractional powers of two
_EXP_TABLE = np.array([2.0 ** (i / _EXP_STEPS) for i in range(_EXP_STEPS)])
_EXP_CUBIC = (
    float.fromhex("0x1.c6af84b912394p-5") / _EXP_STEPS**3,
    float.fromhex("0x1.ebfce50fac4f3p-3") / _EXP_STEPS**2,
    float.fromhex("0x1.62e42ff0c52d6p-1") / _EXP_STEPS,
)
_STEPS_PER_LN2 = float.fromhex("0x1.71547652b82fep+0") * _EXP_STEPS


def exp32(x: Array) -> Array:
    """Return exp(x)."""
    with np.errstate(all="ignore"):
        z = _STEPS_PER_LN2 * np.clip(np.asarray(x, np.float64), -160.0, 160.0)
        k = np.rint(z)
        r = z - k
        n = np.nan_to_num(k).astype(np.int64)
        power = np.ldexp(_EXP_TABLE[n % _EXP_STEPS], (n // _EXP_STEPS).astype(np.int32))
        y = (_EXP_CUBIC[0] * r + _EXP_CUBIC[1]) * (r * r) + (_EXP_CUBIC[2] * r + 1.0)
        result: Array = (y * power).astype(np.float32)
    return result


def tanh32(x: Array) -> Array:
    """Return tanh with the float32 steps of fdlibm, from exp - 1 of twice the magnitude.

    Source: fdlibm s_tanhf.c.
    """
    one, two = np.float32(1), np.float32(2)
    magnitude = np.minimum(np.abs(np.asarray(x, np.float32)), np.float32(22))
    large = magnitude >= one
    t = expm1_32(np.where(large, two, -two) * magnitude)
    result: Array = np.copysign(np.where(large, one - two / (t + two), -t / (t + two)), x)
    return result


def expm1_32(x: Array) -> Array:
    """Return exp(x) - 1 with the float32 steps of fdlibm, for magnitudes up to 56 ln 2.

    Source: fdlibm s_expm1f.c.
    """
    f = np.float32
    x = np.asarray(x, f)
    k = np.trunc(f(1.4426950216) * x + np.copysign(f(0.5), x))
    k = np.where(np.abs(x) < f(1.03972077), np.sign(x), k)  # below 1.5 ln 2
    k = np.where(np.abs(x) <= f(0.34657359), f(0), k)  # up to 0.5 ln 2
    high, low = x - k * f(6.9313812256e-01), k * f(9.0580006145e-06)
    r = high - low
    rest = (high - r) - low
    half = f(0.5) * r
    square = r * half
    series = np.zeros_like(square)
    for q in _EXPM1:
        series = square * (f(q) + series)
    p = f(1) + series
    t = f(3) - p * half
    e = square * ((p - t) / (f(6) - r * t))
    near = r - (r * e - square)
    e = (r * (e - rest) - rest) - square
    return np.where(k == 0, near, _scaled_expm1(r, e, k))


_EXPM1 = (-2.0109921195e-07, 4.0082177293e-06, -7.9365076090e-05, 1.5873016091e-03, -3.3333335072e-02)


def _scaled_expm1(r: Array, e: Array, k: Array) -> Array:
    """Return 2**k (1 + r - e) - 1 for each k other than 0, with the order of steps that keeps its precision."""
    f = np.float32
    n = k.astype(np.int32)
    power = np.ldexp(f(1), -n).astype(f)
    up = np.where(r < f(-0.25), f(-2) * (e - (r + f(0.5))), f(1) + f(2) * (r - e))
    far = np.ldexp(f(1) - (e - r), n).astype(f) - f(1)
    middle = np.ldexp((f(1) - power) - (e - r), n).astype(f)
    high = np.ldexp((r - (e + power)) + f(1), n).astype(f)
    choices = [k == -1, k == 1, (k <= -2) | (k > 56), k < 23]
    result: Array = np.select(choices, [f(0.5) * (r - e) - f(0.5), up, far, middle], high).astype(f)
    return result


def _horner(x: Array, coefficients: Sequence[float]) -> Array:
    """Return the polynomial of these coefficients, lowest first, in float32."""
    total = np.full_like(x, coefficients[-1])
    for c in coefficients[-2::-1]:
        total = np.float32(c) + x * total
    return total


# Rational approximations of erf and erfc, numerators and denominators, by interval of the magnitude.
_NEAR = (
    (1.2837916613e-01, -3.2504209876e-01, -2.8481749818e-02, -5.7702702470e-03, -2.3763017452e-05),
    (1.0, 3.9791721106e-01, 6.5022252500e-02, 5.0813062117e-03, 1.3249473704e-04, -3.9602282413e-06),
)  # fmt: skip
_ONE = (
    (-2.3621185683e-03, 4.1485610604e-01, -3.7220788002e-01, 3.1834661961e-01, -1.1089469492e-01, 3.5478305072e-02,
     -2.1663755178e-03),
    (1.0, 1.0642088205e-01, 5.4039794207e-01, 7.1828655899e-02, 1.2617121637e-01, 1.3637083583e-02, 1.1984500103e-02),
)  # fmt: skip
_MIDDLE = (
    (-9.8649440333e-03, -6.9385856390e-01, -1.0558626175e+01, -6.2375331879e+01, -1.6239666748e+02, -1.8460508728e+02,
     -8.1287437439e+01, -9.8143291473e+00),
    (1.0, 1.9651271820e+01, 1.3765776062e+02, 4.3456588745e+02, 6.4538726807e+02, 4.2900814819e+02, 1.0863500214e+02,
     6.5702495575e+00, -6.0424413532e-02),
)  # fmt: skip
_FAR = (
    (-9.8649431020e-03, -7.9928326607e-01, -1.7757955551e+01, -1.6063638306e+02, -6.3756646729e+02, -1.0250950928e+03,
     -4.8351919556e+02),
    (1.0, 3.0338060379e+01, 3.2579251099e+02, 1.5367296143e+03, 3.1998581543e+03, 2.5530502930e+03, 4.7452853394e+02,
     -2.2440952301e+01),
)  # fmt: skip
_ERF_OF_ONE = np.float32(8.4506291151e-01)


def erfc32(x: Array) -> Array:
    """Return the complementary error function."""
    f = np.float32
    x = np.asarray(x, f)
    size = np.abs(x)
    with np.errstate(all="ignore"):
        choices = [(size < f(0.84375), _erfc_near(x)), (size < f(1.25), _erfc_one(x)), (size < f(28), _erfc_tail(x))]
        beyond = np.where(x > 0, f(0), f(2))
        result: Array = np.select([c for c, _ in choices], [v for _, v in choices], beyond).astype(f)
    return result


def _erfc_near(x: Array) -> Array:
    f = np.float32
    z = x * x
    y = _horner(z, _NEAR[0]) / _horner(z, _NEAR[1])
    near = np.where(x < f(0.25), f(1) - (x + x * y), f(0.5) - (x * y + (x - f(0.5))))
    return np.where(np.abs(x) < f(2.0**-26), f(1) - x, near)


def _erfc_one(x: Array) -> Array:
    f = np.float32
    s = np.abs(x) - f(1)
    ratio = _horner(s, _ONE[0]) / _horner(s, _ONE[1])
    return np.where(x >= 0, (f(1) - _ERF_OF_ONE) - ratio, f(1) + (_ERF_OF_ONE + ratio))


def _erfc_tail(x: Array) -> Array:
    f = np.float32
    size = np.abs(x)
    s = f(1) / (size * size)
    middle = size.view(np.uint32) < np.uint32(0x4036DB6D)  # below 1 / 0.35
    ratio = np.where(middle, _horner(s, _MIDDLE[0]) / _horner(s, _MIDDLE[1]), _horner(s, _FAR[0]) / _horner(s, _FAR[1]))
    z = (size.view(np.uint32) & np.uint32(0xFFFFE000)).view(f)  # the square of these bits is exact
    r = exp32(-z * z - f(0.5625)) * exp32((z - size) * (z + size) + ratio) / size
    return np.where(x > 0, r, np.where(size >= f(6), f(2), f(2) - r))
