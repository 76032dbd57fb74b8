"""Real multipliers in the form that element-wise kernels apply: one product and one rounding shift."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from socsim.errors import NumericsError
from socsim.numerics.fixed_point import quantize_multiplier
from socsim.numerics.jit import inlined
from socsim.numerics.profiles import Rounding

if TYPE_CHECKING:
    from socsim.numerics.arrays import Array
    from socsim.numerics.node import Node

_HALF = 2**30  # half of the doubling high multiply's last place


@dataclass(frozen=True, slots=True)
class Scaling:
    """A multiplier for 32-bit values x.

    y = (wrap32(x << left) * mantissa + half + (positive if x >= 0 else negative)) >> right

    One form holds for every integer rounding: the two roundings of gemmlowp are one shift with two
    nudges, the second away from zero (`positive`, `negative`) or up (both positive).

    Source: equality with TFLite's two roundings holds for all 32-bit values and was checked on
    adversarial ones; TOSA specification, apply_scale_32 with double_round.
    """

    left: int
    mantissa: int
    half: int
    positive: int
    negative: int
    right: int

    def apply(self, values: Array) -> Array:
        """Return int64 results for integers of 32 bits or fewer."""
        x = wrapped(np.asarray(values, np.int64) << np.int64(self.left))
        nudge = np.where(x >= 0, np.int64(self.positive), np.int64(self.negative))
        scaled: Array = (x * np.int64(self.mantissa) + np.int64(self.half) + nudge) >> np.int64(self.right)
        return scaled

    @property
    def packed(self) -> Array:
        """The six numbers as a kernel takes them."""
        return np.array(astuple(self), np.int64)


def wrapped(values: Array) -> Array:
    """Return the low 32 bits of int64 values as signed numbers, in int64."""
    low: Array = values.astype(np.int32).astype(np.int64)
    return low


def scaling_of(mantissa: int, shift: int, rounding: Rounding) -> Scaling:
    """Return mantissa / 2**31 x 2**shift under an integer rounding.

    Raises:
        NumericsError: the rounding is not an integer one.
    """
    if shift < -31:  # below the last place of every 32-bit value
        return Scaling(0, 0, 0, 0, 0, 31)
    if rounding is Rounding.SINGLE:
        return Scaling(0, mantissa, 1 << (30 - shift), 0, 0, 31 - shift)
    if rounding not in (Rounding.DOUBLE, Rounding.DOUBLE_UP):
        msg = f"rounding {rounding.name} does not scale by integers; use a profile whose element-wise rounding does"
        raise NumericsError(msg)
    if shift >= 0:
        return Scaling(shift, mantissa, 0, _HALF, _HALF, 31)
    negative = -_HALF if rounding is Rounding.DOUBLE else _HALF
    return Scaling(0, mantissa, 1 << (30 - shift), _HALF, negative, 31 - shift)


def scaling(node: Node, real: float | np.floating[Any]) -> Scaling:
    """Return a real multiplier under the profile's element-wise rounding.

    Raises:
        NumericsError: no kernel can apply the multiplier; the message names the operator.
    """
    try:
        return scaling_of(*quantize_multiplier(float(real)), node.profile.elementwise)
    except NumericsError as error:
        msg = f"{node.where}: {error}"
        raise NumericsError(msg) from None


@inlined
def scaled(x: int | np.signedinteger[Any], p: Array) -> Any:
    """Return x under a packed `Scaling`, in a kernel."""
    shifted = np.int64(np.int32(np.int64(x) << p[0]))
    return (shifted * p[1] + p[2] + (p[3] if shifted >= 0 else p[4])) >> p[5]
