"""The work of a run grows with the number of operators, and no faster: counted in calls, so that no clock decides."""

from __future__ import annotations

import sys

import pytest
from large_networks import SHAPES
from small_world import small_soc

from socsim.pipeline import Options, simulate_graph


def calls(graph, soc, detail):
    """Return how many functions of Python and C a run calls, record included."""
    count = 0

    def note(_frame, event, _argument):
        nonlocal count
        count += event in {"call", "c_call"}

    sys.setprofile(note)
    try:
        _ = simulate_graph(graph, soc, Options(detail=detail)).record
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("detail", ["transaction", "analytic"])
def test_calls_grow_with_operators_and_no_faster(shape, detail, tmp_path):
    soc = small_soc(tmp_path)
    calls(SHAPES[shape](50), soc, detail)  # what happens once in a process
    few, many = (calls(SHAPES[shape](n), soc, detail) / n for n in (200, 800))
    assert many < 1.1 * few  # the depth of the memory plan's tree grows with the logarithm
