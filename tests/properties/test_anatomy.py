"""Anatomies: the times that calibrations are fitted with are those that runs take under the fitted parameters."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_networks import networks, soc_of
from small_world import PROPERTY

from socsim.accuracy.anatomy import anatomy
from socsim.accuracy.groups import GroupKey
from socsim.calibration.samples import Sample, SampleGroup
from socsim.cost.corrections import Correction, parameters
from socsim.pipeline import Options, prepare_graph, simulate_graph

UNITS = [("small", "npu"), ("small", "cpu"), ("rk3588", "npu"), ("rk3588", "cpu"), ("orin-nano", "gpu")]


def group_of(prepared, kind):
    key = GroupKey("any", kind, "", "any", "latency")
    return SampleGroup(key, kind, [Sample("net", "net", anatomy(prepared, kind), 1.0, (2,))], parameters(kind))


@pytest.mark.parametrize(("name", "kind"), UNITS)
@settings(PROPERTY, max_examples=30)
@given(graph=networks(), seed=st.integers(0, 2**32 - 1), spread=st.sampled_from([0.0, 0.3, 1.0]))
def test_fitted_times_are_those_of_runs(name, kind, graph, seed, spread):
    soc, options = soc_of(name), Options(unit=kind, detail="analytic")
    group = group_of(prepare_graph(graph, soc, options), kind)
    fitted = np.array([p.start for p in group.parameters])
    fitted += np.random.default_rng(seed).normal(0, spread, len(fitted))
    values = {p.name: p.value(float(v)) for p, v in zip(group.parameters, fitted, strict=True)}
    run = simulate_graph(graph, soc, Options(unit=kind, detail="analytic", correction=Correction.of(kind, values, "")))
    (time,), _ = group.times(fitted)
    assert run.latency_ps == pytest.approx(time, rel=0.02, abs=20_000)  # cycles are whole
