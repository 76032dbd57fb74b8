"""Does the fit of positive coefficients find them, within bounds, and say how sure it is?"""

from __future__ import annotations

from math import exp, isfinite, log, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socsim.calibration.energy_fit import Prior, fit

WIDE = Prior(1.0, 3.0, 1e-6, 1e6)
TERMS = [(1.0, 0.1), (1.0, 2.0), (3.0, 1.0), (0.5, 4.0), (2.0, 2.0)]


def values(coefficients, terms=TERMS):
    return [sum(c * t for c, t in zip(coefficients, row, strict=True)) for row in terms]


@pytest.mark.parametrize("true", [(2.0, 0.3), (0.05, 7.0), (40.0, 40.0)])
def test_exact_rows_give_their_coefficients_back(true):
    found = fit(TERMS, values(true), (WIDE, WIDE), scatter=0.001)
    assert found.values == pytest.approx(true, rel=1e-3)


def test_one_row_out_of_line_hardly_pulls():
    good = values((2.0, 0.3))
    wild = [good[0] * 10, *good[1:]]
    found = fit(TERMS, wild, (WIDE, WIDE), scatter=0.01)
    assert found.values == pytest.approx((2.0, 0.3), rel=0.05)


def test_one_coefficient_is_the_precision_weighted_mean_of_rows_and_prior_by_hand():
    """log 2 thrice with scatter 0.1 weighs 300, log 1 with spread 0.1 weighs 100."""
    found = fit([[1.0]] * 3, [2.0] * 3, [Prior(1.0, 0.1, 0.1, 10.0)], scatter=1.0)
    assert log(found.values[0]) == pytest.approx(log(2) * 3 / (3 + 100), rel=1e-6)
    assert found.spreads[0] == pytest.approx(1 / sqrt(103), rel=1e-6)


def test_no_row_gives_the_prior_and_its_spread():
    found = fit([], [], (Prior(3.0, 0.5, 0.1, 10.0), Prior(0.2, 1.5, 0.1, 10.0)), scatter=0.05)
    assert found.values == pytest.approx((3.0, 0.2))
    assert found.spreads == pytest.approx((0.5, 1.5))


def test_a_coefficient_without_spread_is_kept():
    found = fit(TERMS, values((2.0, 0.3)), (WIDE, Prior(5.0, 0.0, 0.1, 10.0)), scatter=0.05)
    assert found.values[1] == pytest.approx(5.0)
    assert found.spreads[1] == 0


def test_bounds_hold():
    found = fit(TERMS, values((20.0, 0.3)), (Prior(1.0, 3.0, 0.5, 4.0), WIDE), scatter=0.01)
    assert found.values[0] == pytest.approx(4.0)


def test_scatter_beyond_the_expected_widens_the_uncertainty():
    noisy = [v * f for v, f in zip(values((2.0, 0.3)), (1.2, 0.8, 1.2, 0.8, 1.2), strict=True)]
    calm = fit(TERMS, values((2.0, 0.3)), (WIDE, WIDE), scatter=0.05)
    found = fit(TERMS, noisy, (WIDE, WIDE), scatter=0.05)
    assert found.spreads[0] > 1.5 * calm.spreads[0]


@given(
    st.lists(st.tuples(st.floats(1e-3, 1e3), st.floats(0, 1e3), st.floats(1e-6, 1e6)), max_size=12),
    st.floats(0.01, 0.5),
)
def test_coefficients_are_positive_finite_and_within_bounds_whatever_the_rows(rows, scatter):
    priors = (Prior(1.0, 1.0, 1e-3, 1e3), Prior(0.1, 2.0, 1e-3, 1e3))
    terms, targets = [row[:2] for row in rows], [row[2] for row in rows]
    found = fit(terms, targets, priors, scatter)
    assert found == fit(terms, targets, priors, scatter)
    for value, spread, prior in zip(found.values, found.spreads, priors, strict=True):
        assert prior.low * (1 - 1e-9) <= value <= prior.high * (1 + 1e-9)
        assert isfinite(spread)
        assert spread >= 0


@given(st.floats(0.2, 5.0), st.floats(0.2, 5.0))
def test_a_weak_prior_elsewhere_changes_little(first, second):
    found = fit(TERMS, values((first, second)), (WIDE, Prior(exp(1), 3.0, 1e-6, 1e6)), scatter=0.01)
    assert found.values == pytest.approx((first, second), rel=0.02)
