"""Relations between runs that must hold exactly, whatever the numbers are."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_world import PROPERTY, Net, one_conv, renamed, small_soc, window, with_twin

from socsim.cost.work import Phase, Transfer
from socsim.engine.closed_form import analyse
from socsim.engine.fabric import Fabric
from socsim.engine.simulation import Job, simulate
from socsim.pipeline import Options, make_plan, run_graph
from socsim.quantities import Time
from socsim.records import LATENCY_PARTS
from socsim.soc.platform import Platform

TIMES = ("start_ps", "end_ps", "latency_ps", *LATENCY_PARTS, "overlapped_ps")


@pytest.fixture(scope="module")
def soc(tmp_path_factory):
    return small_soc(tmp_path_factory.mktemp("soc"))


@pytest.fixture(scope="module")
def graph():
    """Two convolutions with a skip connection, a pool on the NPU and a sine on the CPU."""
    net = Net()
    skip = net.conv(net.input(1, 16, 16, 16), 16)
    x = net.op("RELU", [net.op("ADD", [net.conv(skip, 16), skip])])
    x = net.op("SIN", [net.op("MAX_POOL_2D", [x], **window(1, 1))])
    return net.graph(net.conv(net.depthwise(x), 24))


# --- time ---------------------------------------------------------------------------------------------


class Slowed(Platform):
    """A platform whose runtimes take longer by a factor, which no platform file can say; each unit has its own."""

    factor = 1

    def runtime(self, unit):
        base = super().runtime(unit)
        fixed = ("submit", "per_operator", "handover")
        times = {name: Time.of(getattr(base, name).value * self.factor) for name in fixed}
        return base.model_copy(update=times | {"fallbacks": {}})


def slower(soc, k):
    """Return the SoC with every clock divided by k and every fixed time multiplied by it."""
    changed = soc.with_({
        "clocks.npu.opps": [{"name": "only", "clock": f"{1000 // k} MHz", "voltage": "800 mV"}],
        "clocks.cpu.opps": [{"name": "only", "clock": f"{1000 // k} MHz", "voltage": "800 mV"}],
        "links.bus.clock": f"{1000 // k} MHz",
        "memories.dram.data_rate": f"{1000 // k} MT/s",
        "memories.dram.latency": f"{128 * k} ns",
        "units.npu.command": f"{k} us",
        "units.npu.core_sync": f"{2 * k} us",
        "units.cpu.thread_sync": f"{k} us",
    })  # fmt: skip
    made = Slowed(changed.file, changed.document, changed.overrides, changed.opps)
    object.__setattr__(made, "factor", k)
    return made


@pytest.mark.parametrize("k", [2, 4, 5, 8])
@pytest.mark.parametrize("options", [{}, {"cores": 2}, {"unit": "cpu"}, {"batch": 3}, {"detail": "analytic"}])
def test_slower_clocks_scale_all_times_and_nothing_else(soc, graph, k, options):
    base, slow = (run_graph(graph, slower(soc, factor), Options(**options)) for factor in (1, k))
    assert slow.latency_ps == k * base.latency_ps
    for before, after in zip(base.operators, slow.operators, strict=True):
        times = {name: k * getattr(before, name) for name in TIMES if getattr(before, name) is not None}
        assert {name: getattr(after, name) for name in times} == times
        unchanged = ("unit", "placement_reason", "fused_into", "bound", "read_bytes", "write_bytes", "utilisation")
        assert all(getattr(after, name) == getattr(before, name) for name in unchanged)
    assert [u.busy_ps for u in slow.units] == [k * u.busy_ps for u in base.units]
    assert [a for a in slow.energy if a.kind != "static"] == [a for a in base.energy if a.kind != "static"]


def test_idle_time_at_the_end_changes_leakage_and_makespan_only(soc, graph):
    plan = make_plan(graph, soc, Options())
    used = ["npu", "cpu"]
    short, long = (dict(plan.energy.static(used, time)) for time in (10**9, 3 * 10**9))
    assert long == {name: 3 * energy for name, energy in short.items()}
    assert short["npu"] == 10 * 10**9 // 10**3  # 10 mW for 1 ms is 10 uJ


# --- names --------------------------------------------------------------------------------------------


def test_other_names_change_only_names(soc, graph):
    base, other = (run_graph(g, soc, Options()) for g in (graph, renamed(graph)))
    assert replace(other, operators=base.operators) == base
    for before, after in zip(base.operators, other.operators, strict=True):
        assert after.name != before.name
        assert replace(after, name=before.name) == before


def test_equal_units_may_be_exchanged(soc):
    fabric = Fabric(with_twin(soc), {})
    phases = [(Phase("steady", 10 * i, (Transfer("dram", 900 * i, 100),)),) for i in (1, 2)]

    def makespan(*names):
        jobs = [Job(i, name, 10**9, 0, 0, p, ()) for i, (name, p) in enumerate(zip(names, phases, strict=True))]
        return simulate(jobs, fabric).makespan_ps

    assert makespan("npu", "twin") == makespan("twin", "npu")


# --- faster hardware, one operator --------------------------------------------------------------------

FASTER = {
    "clock": ("units.npu.clock", ["200 MHz", "500 MHz", "1000 MHz", "1300 MHz", "3 GHz"]),
    "memory": ("memories.dram.data_rate", ["300 MT/s", "1000 MT/s", "1700 MT/s", "9000 MT/s"]),
    "share of the pins": ("memories.dram.efficiency", [0.3, 0.61, 1.0]),
    "latency": ("memories.dram.latency", ["1 us", "500 ns", "128 ns", "1 ns"]),
    "bursts": ("units.npu.port.outstanding", [1, 3, 8, 64]),
    "port": ("units.npu.port.width", ["1 B/cycle", "3 B/cycle", "16 B/cycle"]),
    "link": ("links.bus.width", ["8 bit", "24 bit", "128 bit"]),
    "command": ("units.npu.command", ["5 us", "1 us", "0 us"]),
    "buffer": ("units.npu.buffer", ["1 KiB", "2 KiB", "4 KiB", "16 KiB", "1 MiB"]),
    "vector unit": ("units.npu.vector", [1, 2, 8, 64]),
}


@pytest.mark.parametrize("what", FASTER)
@pytest.mark.parametrize("detail", ["transaction", "analytic"])
def test_faster_hardware_is_never_slower_for_one_operator(soc, what, detail):
    path, values = FASTER[what]
    net = Net()
    addition = net.graph(net.op("ADD", [net.input(1, 16, 16, 16), net.input(1, 16, 16, 16)]))
    for single in (one_conv(16, 32, 32, 3), one_conv(16, 32, 32, 1), one_conv(4, 8, 8, 1), addition):
        options = Options(unit="npu", detail=detail)
        latencies = [run_graph(single, soc.with_({path: value}), options).latency_ps for value in values]
        assert latencies == sorted(latencies, reverse=True)


@pytest.mark.parametrize("what", FASTER)
def test_each_of_them_matters_to_some_operator(soc, what):
    path, values = FASTER[what]
    singles = [one_conv(16, 32, 32, 3), one_conv(16, 32, 32, 1), one_conv()]
    slowest, fastest = (
        sum(run_graph(g, soc.with_({path: v}), Options(unit="npu")).latency_ps for g in singles)
        for v in (values[0], values[-1])
    )
    assert fastest < slowest


# --- energy -------------------------------------------------------------------------------------------


def doubled(soc, factor):
    """Return the SoC with its own coefficients of energy multiplied."""
    return soc.with_({
        "units.npu.energy": {
            "voltage": "800 mV", "mac": {"int8": f"{factor} pJ"}, "vector_op": f"{2 * factor} pJ",
            "local_byte": f"{3 * factor} pJ/B",
        },
        "memories.dram.energy": {"read": f"{4 * factor} pJ/bit", "write": f"{4 * factor} pJ/bit"},
    })  # fmt: skip


@pytest.mark.parametrize("factor", [2, 3])
def test_coefficients_scale_the_accounts_that_they_belong_to(soc, factor):
    base, more = (run_graph(one_conv(16, 32, 32, 3), doubled(soc, f), Options(unit="npu")) for f in (1, factor))
    for before, after in zip(base.energy, more.energy, strict=True):
        expected = before.energy_pj * (factor if before.kind in {"unit", "memory"} else 1)
        assert abs(after.energy_pj - expected) <= factor  # one picojoule of rounding for each record
    assert more.latency_ps == base.latency_ps


@pytest.mark.parametrize(("millivolts", "numerator"), [(800, 16), (600, 9), (400, 4)])
def test_energy_of_a_unit_falls_with_the_square_of_its_voltage(soc, millivolts, numerator):
    opps = [{"name": "only", "clock": "1000 MHz", "voltage": f"{millivolts} mV"}]
    base, low = (run_graph(one_conv(), s, Options(unit="npu")) for s in (soc, soc.with_({"clocks.npu.opps": opps})))
    assert abs(low.units[0].energy_pj - base.units[0].energy_pj * numerator / 16) <= 1
    assert low.energy_pj <= base.energy_pj
    assert low.latency_ps == base.latency_ps


def test_another_operator_adds_energy(soc):
    net = Net()
    x = net.conv(net.input(1, 8, 8, 8), 8)
    longer = net.graph(net.conv(x, 8))
    short, long = (run_graph(g, soc, Options(unit="npu")) for g in (one_conv(), longer))
    for kind in ("unit", "memory", "link", "static"):
        assert sum(a.energy_pj for a in long.energy if a.kind == kind) > sum(
            a.energy_pj for a in short.energy if a.kind == kind
        )


# --- bounds -------------------------------------------------------------------------------------------


phases_ = st.builds(
    lambda cycles, read, write: Phase("steady", cycles, (Transfer("dram", read, write),)),
    st.integers(0, 5000), st.integers(0, 9000), st.integers(0, 9000),
)  # fmt: skip


@st.composite
def job_lists(draw):
    """Draw jobs on three units with phases, and dependencies on earlier jobs."""
    made = []
    for key in range(draw(st.integers(1, 8))):
        phases = tuple(draw(st.lists(phases_, min_size=1, max_size=3)))
        after = tuple(sorted(draw(st.sets(st.integers(0, key - 1), max_size=2)))) if key else ()
        unit = draw(st.sampled_from(["npu", "twin", "cpu"]))
        made.append(Job(key, unit, 10**9, draw(st.integers(0, 10**6)), 0, phases, after))
    return made


@PROPERTY
@given(job_lists())
def test_makespan_lies_between_the_critical_path_and_one_after_the_other(soc, jobs):
    fabric = Fabric(with_twin(soc), {})
    shared, serial = simulate(jobs, fabric), analyse(jobs, fabric)
    alone = [t.end_ps - t.start_ps for t in serial.times]
    ends, free = [], {}
    for job, time in zip(jobs, alone, strict=True):
        ends.append(max([0, free.get(job.unit, 0), *(ends[k] for k in job.after)]) + time)
        free[job.unit] = ends[-1]
    phases = sum(len(job.phases) for job in jobs)
    assert max(ends) <= shared.makespan_ps
    # A share is a whole number of bytes a second, which loses at most one part in 10**9 of a phase.
    assert shared.makespan_ps <= serial.makespan_ps + phases
    for time, end in zip(shared.times, ends, strict=True):
        assert time.end_ps >= end
    for name, ledger in shared.ledgers.items():
        assert ledger.bytes == serial.ledgers[name].bytes
        assert ledger.busy_ps <= shared.makespan_ps
