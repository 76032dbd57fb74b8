"""Every cost model on every unit that ships, and every kind of array, satisfies the conformance kit."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from small_world import PROPERTY, Net, small_soc, window

from socsim.cost.model import MODELS
from socsim.cost.npu import NpuModel
from socsim.cost.work import Transfer
from socsim.errors import InfeasibleError
from socsim.soc.loader import load_platform, platform_names
from socsim.testing.conformance import conformance, conformance_faults
from socsim.testing.networks import probes
from socsim.testing.relations import Subject, arithmetic_takes_time, bytes_lie_between_compulsory_and_demand
from socsim.testing.relations import books_balance as balance
from socsim.testing.relations import details_agree as agree
from socsim.workload.dtypes import DType

ARRAYS = {
    "systolic": {"kind": "systolic", "rows": 16, "columns": 8, "dataflow": "output_stationary", "doubled": True},
    "systolic_weights": {
        "kind": "systolic", "rows": 8, "columns": 16, "dataflow": "weight_stationary", "doubled": False,
    },
    "vector_matrix": {"kind": "vector_matrix", "lanes": 16, "depth": 8, "held": "weights", "load": 4},
    "pipeline": {"kind": "pipeline", "slices": 16, "macs_per_slice": 8},
    "in_memory": {
        "kind": "in_memory", "macros": 4, "rows": 64, "columns": 64, "cell_bits": 1, "input_steps": 8,
        "columns_per_converter": 4, "conversion_cycles": 1, "row_write_cycles": 1,
    },
}  # fmt: skip


def small():
    with TemporaryDirectory() as folder:
        return small_soc(Path(folder))


def units(*, is_nightly):
    """Return (platform, unit) of one unit for each kind, array and runtime; of every unit in a nightly run."""
    found = {}
    for name in platform_names():
        for unit, spec in load_platform(name).units.items():
            array = getattr(getattr(spec, "array", None), "kind", "")
            key = (name, unit) if is_nightly else (spec.kind, array, spec.runtime)
            found.setdefault(key, (name, unit))
    return list(found.values())


SMALL = small()
IS_NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
UNITS = units(is_nightly=IS_NIGHTLY)
for _name, _unit in UNITS:
    globals()[f"Test_{_name}_{_unit}"] = conformance(_name, _unit)
for _kind, _array in ARRAYS.items():
    _energy = {"units.npu.energy.conversion": "2 pJ"} if _kind == "in_memory" else {}
    globals()[f"Test_array_{_kind}"] = conformance(SMALL.with_({"units.npu.array": _array, **_energy}), "npu")
globals()["Test_array_with_cores"] = conformance(SMALL.with_({"units.npu.default_cores": 2}), "npu")


def test_every_kind_of_unit_has_a_subject():
    kinds = {unit.kind for name in platform_names() for unit in load_platform(name).units.values()}
    assert kinds == set(MODELS.names())


# --- the kit finds what is wrong ----------------------------------------------------------------------

ONE = {"convolution": probes()["convolution"], "two": probes()["two convolutions"]}


def altered(change):
    """Return a `work` that changes what the NPU model returns."""
    original = NpuModel.work
    return lambda model, kernel: change(model, kernel, original(model, kernel))


def phases(work, change):
    return replace(work, phases=tuple(change(phase) for phase in work.phases))


def without_cycles(_model, _kernel, work):
    return phases(work, lambda p: replace(p, compute_cycles=0))


def too_many_macs(_model, _kernel, work):
    return replace(work, executed_macs=100 * work.executed_macs)


def without_reads(_model, _kernel, work):
    return phases(work, lambda p: replace(p, transfers=tuple(replace(t, read_bytes=0) for t in p.transfers)))


def reads_without_end(_model, kernel, work):
    more = Transfer("dram", 1000 * kernel.macs, 0)
    return phases(work, lambda p: replace(p, transfers=(more,)))


def keeps_a_count(model, _kernel, work):
    model.calls = getattr(NpuModel, "calls", 0) + 1
    NpuModel.calls = model.calls
    return phases(work, lambda p: replace(p, compute_cycles=p.compute_cycles + 10**4 * model.calls))


def knows_its_clock(model, _kernel, work):
    """Cycles that grow with the square of the clock: a faster chip is slower."""
    return phases(work, lambda p: replace(p, compute_cycles=p.compute_cycles * (model.context.hz // 10**8) ** 2))


def a_fixed_time(_model, _kernel, work):
    return replace(work, sync_ps=work.sync_ps + 10**6)


def without_words(_model, _kernel, work):
    return replace(work, terms=())


def a_negative_setup(_model, _kernel, work):
    return replace(work, setup_ps=-1)


def free_of_energy(_model, _kernel, work):
    idle = replace(work, executed_macs=0, vector_elements=0, local_bytes=0, core_cycles=0)
    return phases(idle, lambda p: replace(p, transfers=()))


@pytest.mark.parametrize(
    ("change", "relation"),
    [
        (without_cycles, "arithmetic_takes_time"),
        (too_many_macs, "arithmetic_takes_time"),
        (too_many_macs, "books_balance"),
        (without_words, "arithmetic_takes_time"),
        (a_negative_setup, "arithmetic_takes_time"),
        (without_reads, "bytes_lie_between_compulsory_and_demand"),
        (reads_without_end, "bytes_lie_between_compulsory_and_demand"),
        (keeps_a_count, "the_same_twice"),
        (keeps_a_count, "names_change_only_names"),
        (keeps_a_count, "details_agree"),
        (knows_its_clock, "faster_is_never_slower"),
        (knows_its_clock, "time_scales"),
        (a_fixed_time, "time_scales"),
        (free_of_energy, "another_operator_adds_energy"),
    ],
)
def test_a_wrong_model_is_found(monkeypatch, change, relation):
    monkeypatch.setattr(NpuModel, "work", altered(change))
    monkeypatch.setattr(NpuModel, "calls", 0, raising=False)
    found = conformance_faults(SMALL, "npu", ONE)
    assert any(fault.startswith(f"{relation}: ") for fault in found), found


def test_a_right_model_passes_the_same_networks():
    assert conformance_faults(SMALL, "npu", ONE) == []


def test_networks_that_a_unit_cannot_run_are_no_proof():
    assert any(fault.startswith("it_has_probes") for fault in conformance_faults(SMALL, "npu", {}))


def test_energy_that_ignores_its_coefficient_is_found(monkeypatch):
    from socsim.cost.energy import EnergyModel

    monkeypatch.setattr(EnergyModel, "_at_voltage", lambda *_: 10**12)
    found = conformance_faults(SMALL, "npu", ONE)
    assert {fault.split(":")[0] for fault in found} >= {"energy_follows_its_coefficients", "lower_voltage_costs_less"}


def test_the_fault_names_the_model_and_the_network(monkeypatch):
    monkeypatch.setattr(NpuModel, "work", altered(without_cycles))
    with pytest.raises(AssertionError, match=r"(?s)npu on small.*two.*MACs take 0"):
        conformance(SMALL, "npu", ONE)().test_arithmetic_takes_time()


# --- shapes drawn at random ---------------------------------------------------------------------------


DRAWN = (arithmetic_takes_time, bytes_lie_between_compulsory_and_demand, balance, agree)


@st.composite
def layers(draw):
    """Draw a layer that every unit runs, of any shape: odd sizes, few channels, single positions."""
    net = Net(DType.INT8)
    kind = draw(st.sampled_from(["conv", "conv", "depthwise", "dense", "add", "pool"]))
    size, depth = draw(st.integers(1, 40)), draw(st.integers(1, 300))
    kernel = draw(st.integers(1, min(size, 7)))
    x = net.input(1, size, size, depth)
    match kind:
        case "conv":
            out = net.conv(x, draw(st.integers(1, 300)), kernel, draw(st.integers(1, kernel)))
        case "depthwise":
            out = net.depthwise(x, kernel)
        case "dense":
            net = Net(DType.INT8)
            out = net.dense(net.input(draw(st.integers(1, 70)), depth * size), draw(st.integers(1, 1200)))
        case "add":
            out = net.op("ADD", [x, net.input(1, size, size, depth)])
        case _:
            made = (1, size - kernel + 1, size - kernel + 1, depth)
            out = net.op("MAX_POOL_2D", [x], made, **window(kernel, 1))
    return net.graph(out)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "unit"), UNITS if IS_NIGHTLY else [("rk3588", "npu"), ("rk3588", "cpu_big")])
@settings(PROPERTY, max_examples=30)
@given(graph=layers())
def test_any_shape_keeps_the_relations_of_one_work(name, unit, graph):
    subject = Subject.of(name, unit, {"drawn": graph})
    try:
        found = [fault for relation in DRAWN for fault in relation(subject)]
    except InfeasibleError:  # a hub's memory holds small layers alone
        reject()
    assert found == []
