"""Exact integer quantities: each has one base unit, and text must carry a unit.

`Frequency("800 MHz")` holds 800_000_000 Hz. Text that is not a whole number of base units is refused
rather than rounded, kB is 1000 bytes and KiB 1024.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache, total_ordering
from typing import Any, ClassVar, Self

from socsim.errors import shown

_NUMBER = re.compile(r"([+-]?(?:[0-9][0-9_]*\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?)\s*(.*)", re.DOTALL)
_LONGEST_TEXT = 64
_LIMIT = 2**63
PS_PER_S = 10**12


@total_ordering
class Quantity:
    """A whole number of a base unit; subclasses name the units.

    Args:
        text: a number and a unit such as "800 MHz", or another quantity of the same kind.

    Raises:
        ValueError: no unit, an unknown unit, not a whole number of base units, or 2**63 of them or more.
        TypeError: a bare number, or no text at all.
    """

    __slots__ = ("value",)
    noun: ClassVar[str]
    example: ClassVar[str]
    base: ClassVar[str]
    units: ClassVar[dict[str, Fraction | int]]
    least: ClassVar[int] = 0
    """The least that a file may say, in base units; Python code may go below it."""
    value: int

    def __init__(self, text: str | Self) -> None:
        if isinstance(text, type(self)):
            self.value = text.value
        elif isinstance(text, str):
            self.value = self._parse(text)
        else:
            bare = isinstance(text, int | float) and not isinstance(text, bool)
            found = f"{text} has no unit" if bare else f"found {shown(text)}"
            msg = f"{found}; {self._hint()}"
            raise TypeError(msg)

    @classmethod
    def of(cls, value: int) -> Self:
        """Return the quantity of `value` base units."""
        made = cls.__new__(cls)
        made.value = value
        return made

    @classmethod
    def _hint(cls) -> str:
        article = "an" if cls.noun[0] in "aeiou" else "a"
        return f'write {article} {cls.noun} such as "{cls.example}"'

    @classmethod
    def _too_low(cls, value: int) -> str:
        if cls.least < 0:
            return f"below {cls.of(cls.least)}"
        return "negative" if value < 0 else "zero"

    @classmethod
    def _parse(cls, text: str) -> int:
        match = _NUMBER.fullmatch(text.strip()) if len(text) <= _LONGEST_TEXT else None
        if match is None:
            msg = f"{shown(text)} does not begin with a number; {cls._hint()}"
            raise ValueError(msg if len(text) <= _LONGEST_TEXT else f"{shown(text)} is too long; {cls._hint()}")
        number, unit = match[1].replace("_", ""), match[2]
        if not unit:
            msg = f"{shown(text)} has no unit; {cls._hint()}"
            raise ValueError(msg)
        if unit not in cls.units:
            allowed = f"one of {', '.join(cls.units)}" if len(cls.units) > 1 else cls.base
            msg = f"{shown(text)}: {shown(unit)} is not a unit of {cls.noun}; use {allowed}"
            raise ValueError(msg)
        return cls._whole(Fraction(number) * cls.units[unit], text)

    @classmethod
    def _whole(cls, exact: Fraction, text: str) -> int:
        if exact.denominator != 1:
            msg = f"{shown(text)} is not a whole number of {cls.base}; the finest step is 1 {cls.base}"
            raise ValueError(msg)
        if abs(exact) >= _LIMIT:
            msg = f"{shown(text)} is out of range; the limit is 2**63 {cls.base}"
            raise ValueError(msg)
        return int(exact)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.value == other.value

    def __lt__(self, other: Self) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self.value < other.value

    def __hash__(self) -> int:
        return hash((type(self).__name__, self.value))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def __str__(self) -> str:
        """Return the shortest text that is exactly this quantity."""
        return _shortest(type(self), self.value)  # type: ignore[arg-type]  # classes hash by identity

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any:
        """Let pydantic read the quantity from text and write it back as text."""
        from pydantic_core import PydanticCustomError, core_schema

        def validate(value: Any) -> Quantity:
            try:
                made = cls(value)
            except (TypeError, ValueError) as error:
                raise PydanticCustomError("quantity", "{reason}", {"reason": str(error)}) from None
            if made.value < cls.least:
                reason = f"{shown(value)} is {cls._too_low(made.value)}; {cls._hint()}"
                raise PydanticCustomError("quantity", "{reason}", {"reason": reason})
            return made

        return core_schema.no_info_plain_validator_function(
            validate,
            serialization=core_schema.plain_serializer_function_ser_schema(str),
            json_schema_input_schema=core_schema.str_schema(),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, _core: Any, _handler: Any) -> dict[str, Any]:
        return {"type": "string", "description": cls.noun, "examples": [cls.example]}


@lru_cache(maxsize=4096)
def _shortest(kind: Any, value: int) -> str:
    best = f"{value} {kind.base}"
    for unit, scale in kind.units.items():
        exact = Fraction(value) / scale
        number = str(exact) if exact.denominator == 1 else f"{float(exact):g}"
        text = f"{number} {unit}"
        if Fraction(number) * scale == value and len(text) < len(best):
            best = text
    return best


class Frequency(Quantity):
    """Hertz."""

    __slots__ = ()
    noun, example, base = "frequency", "800 MHz", "Hz"
    units: ClassVar = {"Hz": 1, "kHz": 10**3, "MHz": 10**6, "GHz": 10**9}
    least = 1


class Time(Quantity):
    """Picoseconds."""

    __slots__ = ()
    noun, example, base = "time", "25 us", "ps"
    units: ClassVar = {
        "ps": 1, "ns": 10**3, "us": 10**6, "µs": 10**6, "ms": 10**9, "s": PS_PER_S, "min": 60 * PS_PER_S,
        "h": 3600 * PS_PER_S, "d": 86400 * PS_PER_S,
    }  # fmt: skip


class Size(Quantity):
    """Bytes; kB is 1000, KiB is 1024."""

    __slots__ = ()
    noun, example, base = "size", "512 KiB", "B"
    units: ClassVar = {
        "B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30,
    }  # fmt: skip


class Bandwidth(Quantity):
    """Bytes per second."""

    __slots__ = ()
    noun, example, base = "bandwidth", "12.8 GB/s", "B/s"
    units: ClassVar = {"B/s": 1, "kB/s": 10**3, "MB/s": 10**6, "GB/s": 10**9}
    least = 1


class BytesPerCycle(Quantity):
    """Bytes per clock cycle of the part that it belongs to."""

    __slots__ = ()
    noun, example, base = "width per cycle", "16 B/cycle", "B/cycle"
    units: ClassVar = {"B/cycle": 1}
    least = 1


class BitWidth(Quantity):
    """Bits of a bus or a register."""

    __slots__ = ()
    noun, example, base = "width", "128 bit", "bit"
    units: ClassVar = {"bit": 1}
    least = 1


class DataRate(Quantity):
    """Transfers per second on each pin."""

    __slots__ = ()
    noun, example, base = "data rate", "4266 MT/s", "T/s"
    units: ClassVar = {"T/s": 1, "MT/s": 10**6, "GT/s": 10**9}
    least = 1


class Voltage(Quantity):
    """Microvolts."""

    __slots__ = ()
    noun, example, base = "voltage", "0.85 V", "uV"
    units: ClassVar = {"uV": 1, "mV": 10**3, "V": 10**6}
    least = 1


class Power(Quantity):
    """Nanowatts, so that a sensing hub's sleep states stay whole."""

    __slots__ = ()
    noun, example, base = "power", "25 mW", "nW"
    units: ClassVar = {"nW": 1, "uW": 10**3, "µW": 10**3, "mW": 10**6, "W": 10**9}


class Energy(Quantity):
    """Attojoules for each event."""

    __slots__ = ()
    noun, example, base = "energy", "0.2 pJ", "aJ"
    units: ClassVar = {
        "aJ": 1, "fJ": 10**3, "pJ": 10**6, "nJ": 10**9, "uJ": 10**12, "µJ": 10**12, "mJ": 10**15,
    }  # fmt: skip


class Area(Quantity):
    """Area on a die, in whole square micrometres."""

    __slots__ = ()
    noun, example, base = "area", "2.5 mm2", "um2"
    units: ClassVar = {"um2": 1, "mm2": 10**6}


class EnergyPerByte(Quantity):
    """Attojoules for each byte moved."""

    __slots__ = ()
    noun, example, base = "energy per byte", "4 pJ/bit", "aJ/B"
    units: ClassVar = {
        "aJ/B": 1, "fJ/B": 10**3, "pJ/B": 10**6, "nJ/B": 10**9,
        "fJ/bit": 8 * 10**3, "pJ/bit": 8 * 10**6, "nJ/bit": 8 * 10**9,
    }  # fmt: skip


class Temperature(Quantity):
    """Thousandths of a degree Celsius."""

    __slots__ = ()
    noun, example, base = "temperature", "25 degC", "mdegC"
    units: ClassVar = {"mdegC": 1, "degC": 10**3, "°C": 10**3}
    least = -273_150


class ThermalResistance(Quantity):
    """Microkelvin per watt."""

    __slots__ = ()
    noun, example, base = "thermal resistance", "2.5 K/W", "uK/W"
    units: ClassVar = {"uK/W": 1, "mK/W": 10**3, "K/W": 10**6}
    least = 1


class HeatCapacity(Quantity):
    """Microjoules per kelvin."""

    __slots__ = ()
    noun, example, base = "heat capacity", "0.4 J/K", "uJ/K"
    units: ClassVar = {"uJ/K": 1, "mJ/K": 10**3, "J/K": 10**6}
    least = 1


class Charge(Quantity):
    """Microampere hours."""

    __slots__ = ()
    noun, example, base = "charge", "220 mAh", "uAh"
    units: ClassVar = {"uAh": 1, "mAh": 10**3, "Ah": 10**6}
    least = 1


def ceil_div(a: int, b: int) -> int:
    """Return a / b rounded up, for b > 0."""
    return -(-a // b)


def cycles_to_ps(cycles: int, hz: int) -> int:
    """Return the time of `cycles` at `hz` in picoseconds, rounded up once."""
    return ceil_div(cycles * PS_PER_S, hz)


_PREFIXES = (
    (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1, ""), (1e-3, "m"), (1e-6, "u"), (1e-9, "n"), (1e-12, "p"),
)  # fmt: skip


def format_si(value: float, unit: str, *, digits: int = 3) -> str:
    """Format `value` with an SI prefix: `format_si(2.5e9, "B/s")` is "2.5 GB/s"."""
    if value == 0:
        return f"0 {unit}"
    rounded = float(f"{value:.{digits}g}")  # first, so that 999.96 of one prefix becomes 1 of the next
    factor, prefix = next((row for row in _PREFIXES if abs(rounded) >= row[0]), _PREFIXES[-1])
    scaled = rounded / factor
    return f"{scaled:.0f} {prefix}{unit}" if abs(scaled) >= 1000 else f"{scaled:.{max(digits, 3)}g} {prefix}{unit}"


def format_time(ps: int) -> str:
    """Format picoseconds for people, four significant digits."""
    return format_si(ps / PS_PER_S, "s", digits=4)


def format_energy(pj: int) -> str:
    """Format picojoules for people, four significant digits."""
    return format_si(pj / PS_PER_S, "J", digits=4)
