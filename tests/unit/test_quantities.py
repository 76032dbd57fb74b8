"""Quantities are exact, carry units, and say what they refuse."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from socsim.quantities import (
    Bandwidth,
    BitWidth,
    BytesPerCycle,
    DataRate,
    Energy,
    EnergyPerByte,
    Frequency,
    Power,
    Quantity,
    Size,
    Time,
    Voltage,
    ceil_div,
    cycles_to_ps,
    format_energy,
    format_si,
    format_time,
)

KINDS = sorted(Quantity.__subclasses__(), key=lambda kind: kind.__name__)


@pytest.mark.parametrize(
    ("quantity", "value"),
    [
        (Frequency("800 MHz"), 800_000_000),
        (Frequency("1.2345 GHz"), 1_234_500_000),
        (Frequency(" 2_400MHz "), 2_400_000_000),
        (Frequency("1e-3 GHz"), 1_000_000),
        (Frequency(".5 kHz"), 500),
        (Time("25 us"), 25_000_000),
        (Time("25 µs"), 25_000_000),
        (Time("0.1 ns"), 100),
        (Time("1 s"), 10**12),
        (Size("1 kB"), 1000),
        (Size("1 KiB"), 1024),
        (Size("0.5 MiB"), 524_288),
        (Size("8 GiB"), 8 * 2**30),
        (Bandwidth("12.8 GB/s"), 12_800_000_000),
        (BytesPerCycle("16 B/cycle"), 16),
        (BitWidth("128 bit"), 128),
        (DataRate("4266 MT/s"), 4_266_000_000),
        (Voltage("762.5 mV"), 762_500),
        (Power("25 mW"), 25_000_000),
        (Power("3 µW"), 3000),
        (Energy("0.2 pJ"), 200_000),
        (EnergyPerByte("4 pJ/bit"), 32_000_000),
        (EnergyPerByte("4 pJ/B"), 4_000_000),
        (Time("-3 ps"), -3),
        (Size("9223372036854775807 B"), 2**63 - 1),
    ],
)
def test_text_becomes_whole_base_units(quantity: Quantity, value: int) -> None:
    assert quantity.value == value
    assert type(quantity.value) is int


def test_decimal_text_does_not_pass_through_floats() -> None:
    assert Frequency("0.1 GHz").value * 3 == Frequency("0.3 GHz").value
    assert Size("9007199254740993 B").value == 2**53 + 1


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        (Frequency, "800", '"800" has no unit; write a frequency such as "800 MHz"'),
        (Energy, "3", '"3" has no unit; write an energy such as "0.2 pJ"'),
        (Frequency, "fast", '"fast" does not begin with a number; write a frequency such as "800 MHz"'),
        (Frequency, "", '"" does not begin with a number; write a frequency such as "800 MHz"'),
        (Frequency, "MHz 800", '"MHz 800" does not begin with a number; write a frequency such as "800 MHz"'),
        (Frequency, "٣ MHz", '"٣ MHz" does not begin with a number; write a frequency such as "800 MHz"'),
        (Time, "5 MHz", '"5 MHz": "MHz" is not a unit of time; use one of ps, ns, us, µs, ms, s, min, h, d'),
        (Size, "1 KB", '"1 KB": "KB" is not a unit of size; use one of B, kB, MB, GB, KiB, MiB, GiB'),
        (BitWidth, "4 B", '"4 B": "B" is not a unit of width; use bit'),
        (Time, "1 ns 2", '"1 ns 2": "ns 2" is not a unit of time; use one of ps, ns, us, µs, ms, s, min, h, d'),
        (Time, "0.0001 ns", '"0.0001 ns" is not a whole number of ps; the finest step is 1 ps'),
        (Size, "0.5 B", '"0.5 B" is not a whole number of B; the finest step is 1 B'),
        (Size, "9223372036854775808 B", '"9223372036854775808 B" is out of range; the limit is 2**63 B'),
        (Time, "1e999 s", '"1e999 s" is out of range; the limit is 2**63 ps'),
        (Size, "1" * 65, f'"{"1" * 60}…" is too long; write a size such as "512 KiB"'),
    ],
)
def test_refused_text_and_why(kind: type[Quantity], text: str, message: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        kind(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (800, "800 has no unit"),
        (1.5, "1.5 has no unit"),
        (None, "found nothing"),
        (True, "found true"),
        ([1], "found a list"),
        ({}, "found a mapping"),
    ],
)
def test_bare_values_are_refused(value: object, found: str) -> None:
    with pytest.raises(TypeError) as caught:
        Frequency(value)  # type: ignore[arg-type]
    assert str(caught.value) == f'{found}; write a frequency such as "800 MHz"'


def test_a_quantity_of_another_kind_is_refused() -> None:
    with pytest.raises(TypeError, match='write a size such as "512 KiB"'):
        Size(Frequency("1 Hz"))  # type: ignore[arg-type]


@given(st.sampled_from(KINDS), st.integers(-(2**63) + 1, 2**63 - 1))
def test_text_of_a_quantity_reads_back_as_itself(kind: type[Quantity], value: int) -> None:
    quantity = kind.of(value)
    assert kind(str(quantity)) == quantity
    assert kind(quantity) == quantity
    assert len(str(quantity)) <= len(f"{value} {kind.base}")
    assert repr(quantity) == f"{kind.__name__}({str(quantity)!r})"


@given(st.sampled_from(KINDS), st.text(max_size=80))
def test_any_text_is_read_or_refused(kind: type[Quantity], text: str) -> None:
    try:
        assert abs(kind(text).value) < 2**63
    except ValueError as error:
        assert kind.example in str(error) or "use " in str(error) or kind.base in str(error)  # noqa: PT017


@given(st.integers(0, 10**9), st.integers(0, 6), st.sampled_from(KINDS), st.data())
def test_a_decimal_is_read_exactly_or_refused(
    digits: int, places: int, kind: type[Quantity], data: st.DataObject
) -> None:
    unit = data.draw(st.sampled_from(list(kind.units)))
    exact = Fraction(digits, 10**places) * kind.units[unit]
    text = f"{digits // 10**places}.{digits % 10**places:0{max(places, 1)}d} {unit}"
    if exact.denominator == 1 and exact < 2**63:
        assert kind(text).value == exact
    else:
        with pytest.raises(ValueError, match=r"not a whole number|out of range"):
            kind(text)


def test_the_shortest_text_is_chosen() -> None:
    assert str(Frequency.of(800_000_000)) == "800 MHz"
    assert str(Size.of(1536 * 1024)) == "1.5 MiB"
    assert str(Size.of(10**15)) == "1000000 GB"
    assert str(Size.of(0)) == "0 B"
    assert str(Power.of(0)) == "0 W"
    assert repr(Time("25 us")) == "Time('25 us')"


@given(st.integers(), st.integers())
def test_order_is_that_of_the_values(a: int, b: int) -> None:
    first, second = Time.of(a), Time.of(b)
    assert (first < second, first <= second, first > second, first >= second) == (a < b, a <= b, a > b, a >= b)
    assert (first == second) == (a == b)
    assert a != b or hash(first) == hash(second)


def test_kinds_do_not_mix() -> None:
    one_hertz, one_byte = Frequency("1 Hz"), Size("1 B")
    assert one_hertz != one_byte
    assert len({one_hertz, one_byte}) == 2
    with pytest.raises(TypeError, match="not supported"):
        assert one_hertz < one_byte


# --- in models ----------------------------------------------------------------------------------------


class Part(BaseModel):
    clock: Frequency = Frequency("1 Hz")
    static: Power = Power("0 W")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"clock": 800}, '800 has no unit; write a frequency such as "800 MHz"'),
        ({"clock": "-800 MHz"}, '"-800 MHz" is negative; write a frequency such as "800 MHz"'),
        ({"clock": "0 MHz"}, '"0 MHz" is zero; write a frequency such as "800 MHz"'),
        ({"static": "-1 nW"}, '"-1 nW" is negative; write a power such as "25 mW"'),
    ],
)
def test_models_refuse(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Part.model_validate(values)
    assert [error["msg"] for error in caught.value.errors()] == [message]


def test_models_write_text_and_read_it_back() -> None:
    part = Part(clock=Frequency("1.5 GHz"), static=Power("0 mW"))
    assert part.model_dump(mode="json") == {"clock": "1.5 GHz", "static": "0 W"}
    assert Part.model_validate_json(part.model_dump_json()) == part
    schema = Part.model_json_schema()["properties"]["clock"]
    assert (schema["type"], schema["examples"]) == ("string", ["800 MHz"])


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_says_an_example_that_it_reads(kind: type[Quantity]) -> None:
    assert kind(kind.example).value > 0
    assert kind.units[kind.base] == 1


# --- arithmetic and words -----------------------------------------------------------------------------


@given(st.integers(0, 2**63), st.integers(1, 2**40))
def test_cycles_round_up_once(cycles: int, hz: int) -> None:
    exact = Fraction(cycles * 10**12, hz)
    assert 0 <= cycles_to_ps(cycles, hz) - exact < 1


@given(st.integers(-(10**30), 10**30), st.integers(1, 10**20))
def test_ceil_div_is_exact(a: int, b: int) -> None:
    assert (ceil_div(a, b) - 1) * b < a <= ceil_div(a, b) * b


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 B/s"),
        (1, "1 B/s"),
        (999, "999 B/s"),
        (999.6, "1 kB/s"),
        (1000, "1 kB/s"),
        (2.5e9, "2.5 GB/s"),
        (-2.5e9, "-2.5 GB/s"),
        (3.2e12, "3.2 TB/s"),
        (1.5e15, "1500 TB/s"),
        (0.5, "500 mB/s"),
        (2e-6, "2 uB/s"),
        (2e-9, "2 nB/s"),
        (4e-12, "4 pB/s"),
    ],
)
def test_numbers_with_prefixes(value: float, text: str) -> None:
    assert format_si(value, "B/s") == text


@pytest.mark.parametrize(
    ("ps", "text"),
    [
        (0, "0 s"),
        (1, "1 ps"),
        (1234, "1.234 ns"),
        (999_999, "1 us"),
        (12_345_678, "12.35 us"),
        (10**12, "1 s"),
        (90 * 10**12, "90 s"),
    ],
)
def test_times_in_words(ps: int, text: str) -> None:
    assert format_time(ps) == text


def test_energies_in_words() -> None:
    assert [format_energy(pj) for pj in (0, 250, 1_500_000, 2 * 10**12)] == ["0 J", "250 pJ", "1.5 uJ", "2 J"]


@given(st.floats(1e-11, 1e14))
def test_prefixed_numbers_keep_three_digits(value: float) -> None:
    number, unit = format_si(value, "s").split()
    factor = {"p": 1e-12, "n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}[unit[:-1]]
    assert float(number) * factor == pytest.approx(value, rel=0.0051)
