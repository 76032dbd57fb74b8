"""Energies do not depend on the order of a table's rows, and are never negative."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from socsim.accuracy.table import MeasurementTable, read_measurements
from socsim.calibration import energy_targets
from socsim.calibration.energy import compare_energy
from socsim.calibration.energy_books import book
from socsim.calibration.power_tables import read_idle_floors

VALIDATION = Path(__file__).resolve().parents[2] / "validation"
FLOORS = read_idle_floors(VALIDATION / "idle_floors.csv")
PLATFORMS = {"stm32l4r5", "efr32mg24b310f1536im48", "rx65n", "gap9"}
BOOKED = cache(book)


@pytest.fixture(scope="module", autouse=True)
def _books_are_kept():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(energy_targets, "book", lambda cases: BOOKED(tuple(sorted(set(cases), key=str))))
        yield


def some_rows():
    rows = read_measurements(VALIDATION / "measurements.csv").rows
    tiny = [row for row in rows if row.platform in PLATFORMS]
    boards = (row for row in rows if row.platform == "bcm2711" and row.runtime == "armnn-neon" and row.board)
    return [*tiny, *islice((row for row in boards if row.metric in {"power", "energy_per_inference", "latency"}), 60)]


ROWS = some_rows()


def figures(rows):
    """Value and estimates by group and target."""
    found = compare_energy(MeasurementTable("t", tuple(rows), ()), FLOORS)
    return {
        (group.key, row.target.workload, row.target.rows[0].precision): (row.target.value, *row.estimates.values())
        for group in found.groups
        for row in group.rows
    }


USUAL = cache(lambda: figures(ROWS))
ENERGIES = [place for place, row in enumerate(ROWS) if row.metric == "energy_per_inference"]


@settings(max_examples=5)
@given(st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(random):
    shuffled = list(ROWS)
    random.shuffle(shuffled)
    assert figures(shuffled) == USUAL()


def test_every_estimate_is_positive():
    for value, *estimates in USUAL().values():
        assert value > 0
        for estimate in estimates:
            assert estimate.seconds > 0
            assert estimate.transfer > 0
            assert estimate.model is None or estimate.model > 0
            assert estimate.baseline is None or estimate.baseline > 0


@settings(max_examples=8)
@given(st.sampled_from(ENERGIES), st.floats(0.01, 100.0))
def test_a_figure_has_no_part_in_predictions_of_its_own_workload(place, factor):
    row = ROWS[place]
    changed = [replace(r, value=r.value * factor) if r is row else r for r in ROWS]
    found = figures(changed)
    own = [key for key in found if key[1] == row.workload]
    assert own
    assert [found[key][1:] for key in own] == [USUAL()[key][1:] for key in own]
