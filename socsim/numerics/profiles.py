"""Numerics profiles: named sets of rounding rules, each with the software that it equals.

Source: the rules were identified by experiment against the references named in each profile.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType

from socsim.errors import UsageError, did_you_mean, join_faults, misuse


class Rounding(IntEnum):
    """How a 32-bit accumulator times a real multiplier becomes an integer.

    DOUBLE: doubling high multiply rounded, then a shift rounded half away from zero (gemmlowp, TFLite).
    SINGLE: one rounding shift of the 64-bit product, half up (TFLITE_SINGLE_ROUNDING, TOSA).
    DOUBLE_UP: as DOUBLE, with the shift rounded half up (ruy on x86).
    FLOAT_EVEN: float32 product rounded half to even (XNNPACK, ONNX Runtime).
    """

    DOUBLE = 0
    SINGLE = 1
    DOUBLE_UP = 2
    FLOAT_EVEN = 3


_SPECS = ("tflite", "onnx")


@dataclass(frozen=True, slots=True)
class Profile:
    """One set of rules.

    Args:
        name: what users write.
        reference: software whose results it equals.
        convolution: rounding of CONV_2D, DEPTHWISE_CONV_2D and TRANSPOSE_CONV with 8-bit activations.
        fully_connected: rounding of FULLY_CONNECTED; None: the accumulator times the real multiplier in
            float64, rounded half away from zero (LiteRT since 1.3).
        elementwise: rounding of every other operator that scales by an integer multiplier.
        table_gates: whether LSTM gates use the sigmoid and tanh tables (TFLite Micro) instead of fixed
            point.
        spec: "tflite" or "onnx": whose operator definitions hold.
        fallbacks: profiles whose own operators are used where this one has none.

    Raises:
        UsageError: a rounding or definition that does not exist; all listed.
    """

    name: str
    reference: str
    convolution: Rounding
    fully_connected: Rounding | None
    elementwise: Rounding
    table_gates: bool = False
    spec: str = "tflite"
    fallbacks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        roundings = {"convolution": self.convolution, "elementwise": self.elementwise}
        if self.fully_connected is not None:
            roundings["fully_connected"] = self.fully_connected
        wanted = ", ".join(f"Rounding.{r.name}" for r in Rounding)
        faults = [f"{k} is {r!r}; give {wanted}" for k, r in roundings.items() if not isinstance(r, Rounding)]
        if self.spec not in _SPECS:
            faults.append(f"spec is {self.spec!r};{did_you_mean(str(self.spec), _SPECS)}")
        if faults:
            raise UsageError(join_faults(f"profile {self.name!r}", faults))


PROFILES = MappingProxyType({
    p.name: p
    for p in (
        Profile("tflite", "LiteRT 2.3.0, BUILTIN_REF kernels", Rounding.DOUBLE, None, Rounding.DOUBLE),
        Profile(
            "tflm", "TFLite Micro and CMSIS-NN", Rounding.DOUBLE, Rounding.DOUBLE, Rounding.DOUBLE, table_gates=True
        ),
        Profile(
            "single-rounding", "builds with TFLITE_SINGLE_ROUNDING", Rounding.SINGLE, Rounding.SINGLE, Rounding.SINGLE
        ),
        Profile(
            "ruy", "LiteRT 2.3.0, built-in optimized kernels on x86", Rounding.DOUBLE_UP, Rounding.DOUBLE_UP,
            Rounding.DOUBLE,
        ),
        Profile(
            "xnnpack", "LiteRT 2.3.0 with XNNPACK", Rounding.FLOAT_EVEN, Rounding.FLOAT_EVEN, Rounding.DOUBLE,
            fallbacks=("ruy",),
        ),
        Profile(
            "onnx", "ONNX Runtime 1.31, QLinear operators on x86", Rounding.FLOAT_EVEN, Rounding.FLOAT_EVEN,
            Rounding.FLOAT_EVEN, spec="onnx",
        ),
    )
})  # fmt: skip


def profile(name: str | Profile) -> Profile:
    """Return the profile of that name; one that is given whole stays.

    Raises:
        UsageError: no such profile, or fallbacks that are none.
    """
    if isinstance(name, Profile):
        unknown = [f for f in name.fallbacks if f not in PROFILES]
        if unknown:
            faults = [f"fallback {f!r} is no profile.{did_you_mean(str(f), PROFILES)}" for f in unknown]
            raise UsageError(join_faults(f"profile {name.name!r}", faults))
        return name
    if not isinstance(name, str):
        raise misuse("profile", name, "a name or a socsim.Profile")
    if name not in PROFILES:
        msg = f"numerics profile {name!r} is not known.{did_you_mean(name, PROFILES)}"
        raise UsageError(msg)
    return PROFILES[name]
