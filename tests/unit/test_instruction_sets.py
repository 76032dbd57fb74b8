"""Peak rates from instruction sets and pipes."""

from __future__ import annotations

from fractions import Fraction

import pytest

from socsim.cost.models import core_rates
from socsim.errors import PlatformError
from socsim.soc.instruction_sets import MULTIPLIES, peak_rates
from socsim.soc.loader import load_platform


def test_a_newer_instruction_raises_the_rate_of_its_type_alone():
    plain = peak_rates(["neon"], 32, 16)
    dotted = peak_rates(["neon", "dotprod"], 32, 16)
    assert (plain["int8"], dotted["int8"]) == (8, 32)
    assert {t: r for t, r in plain.items() if t not in {"int8", "uint8"}} == {
        t: r for t, r in dotted.items() if t not in {"int8", "uint8"}
    }


def test_matrix_instructions_double_dot_products():
    assert peak_rates(["neon", "dotprod", "i8mm"], 32, 32)["int8"] == 64


def test_rates_follow_the_width_of_the_pipes():
    assert peak_rates(["avx512"], 128, 128)["float32"] == 2 * peak_rates(["avx2"], 64, 64)["float32"] == 32
    assert peak_rates(["helium"], 8, 8) == {
        "int8": 8, "uint8": 8, "int16": 4, "int32": 2, "float16": 4, "float32": 2,
    }  # fmt: skip


def test_every_instruction_is_reachable():
    for row in MULTIPLIES:
        assert set(row.types) <= set(peak_rates([row.isa], 16, 16))
        assert Fraction(1, 8) <= row.macs_per_byte <= 4


def test_stated_rates_win_over_the_table():
    soc = load_platform("rk3588").with_({"units.cpu_big.macs_per_cycle": {"int8": 5}})
    rates = core_rates(soc.unit("cpu_big"))
    assert (rates["int8"], rates["uint8"], rates["float32"]) == (5, 32, 8)


def test_an_unknown_instruction_set_is_refused_with_the_known_ones():
    with pytest.raises(PlatformError, match=r"units\.cpu_big\.isa\[0\]: found \"nein\"; write one of .*\"neon\""):
        load_platform("rk3588").with_({"units.cpu_big.isa": ["nein"]})


def test_cores_that_multiply_nothing_are_refused():
    with pytest.raises(PlatformError, match=r"units\.cpu_big\.isa: neither isa nor macs_per_cycle says"):
        load_platform("rk3588").with_({"units.cpu_big.isa": [], "units.cpu_big.macs_per_cycle": {}})


def test_x86_multiplies_signed_bytes_faster_than_unsigned_ones():
    """No instruction of x86 multiplies unsigned bytes by unsigned ones; kernels widen them to half-words."""
    plain, vnni = peak_rates(["avx2"], 64, 64), peak_rates(["avx512", "avx512_vnni"], 64, 64)
    assert (float(plain["int8"]), plain["uint8"]) == (pytest.approx(64 / 3), 16)
    assert (vnni["int8"], vnni["uint8"], vnni["int16"], vnni["float32"]) == (64, 16, 32, 16)


def test_dot_products_of_x86_run_where_integers_are_multiplied():
    """Gracemont: 32 bytes of float work a cycle, half of that on its one pipe for dot products."""
    assert peak_rates(["avx2", "avx_vnni"], 32, 16)["int8"] == 16
