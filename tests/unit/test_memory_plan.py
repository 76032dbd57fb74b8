"""Memory planning: places, peaks, and what is said when there is no room."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_world import PROPERTY, Net, small_soc, window

from socsim.cost.memory_plan import Buffer, MemoryUse, Place, plan_memory
from socsim.errors import InfeasibleError
from socsim.pipeline import Options, make_plan
from socsim.schedule.lives import last_beside
from socsim.workload.dtypes import DType
from socsim.workload.graph import TensorKind

STEPS = 6


def buffer(key, size, first=0, last=0, memories=("sram", "dram"), *, constant=False):
    return Buffer(key, f"t{key}", size, first, last, memories, constant)


@st.composite
def buffer_lists(draw):
    made = []
    for key in range(draw(st.integers(1, 12))):
        constant = draw(st.booleans())
        first = -1 if constant else draw(st.integers(-1, STEPS - 1))
        last = STEPS if constant else draw(st.integers(max(first, 0), STEPS))
        memories = draw(st.sampled_from([("sram",), ("dram",), ("sram", "dram"), ("dram", "sram")]))
        made.append(buffer(key, draw(st.integers(1, 100)), first, last, memories, constant=constant))
    return made


@PROPERTY
@given(buffer_lists(), st.integers(50, 700))
def test_a_plan_is_legal_and_its_peaks_are_right_or_its_refusal_has_a_gap(buffers, capacity):
    capacities = {"sram": capacity, "dram": 400}
    try:
        plan = plan_memory(buffers, capacities, STEPS)
    except InfeasibleError as error:
        assert_says_why(error)
        return
    for b in buffers:
        assert plan.places[b.key].memory in b.memories
        assert all(disjoint(b, other, plan) for other in buffers if other.key < b.key)
    for memory, room in capacities.items():
        here = [b for b in buffers if plan.places[b.key].memory == memory]
        weights = sum(b.bytes for b in here if b.constant)
        top = max((plan.places[b.key].offset + b.bytes for b in here if not b.constant), default=weights)
        assert plan.use[memory] == MemoryUse(top, weights, top - weights)
        assert plan.use[memory].peak_bytes <= room
        assert all(plan.places[b.key].offset >= weights for b in here if not b.constant)


def assert_says_why(error):
    report = error.report
    assert report.gap == report.demand - report.bound > 0
    for name in ("demand", "bound", "gap"):
        assert f"{name} {getattr(report, name):,} B" in str(error)


def disjoint(a, b, plan):
    """Whether two buffers never hold the same byte at the same step."""
    here, there = plan.places[a.key], plan.places[b.key]
    together = (a.constant or b.constant) or (a.first <= b.last and b.first <= a.last)
    apart = here.offset + a.bytes <= there.offset or there.offset + b.bytes <= here.offset
    return here.memory != there.memory or not together or apart


def test_buffers_that_never_meet_share_their_bytes():
    plan = plan_memory([buffer(0, 60, 0, 1), buffer(1, 60, 2, 3)], {"sram": 60, "dram": 0}, STEPS)
    assert plan.places == {0: Place("sram", 0), 1: Place("sram", 0)}
    assert plan.use["sram"] == MemoryUse(60, 0, 60)


def test_a_gap_between_neighbours_is_used():
    buffers = [buffer(0, 50, 0, 1), buffer(1, 40, 0, 5), buffer(2, 30, 2, 5)]
    plan = plan_memory(buffers, {"sram": 90, "dram": 0}, STEPS)
    assert [plan.places[k].offset for k in range(3)] == [0, 50, 0]


def test_constants_lie_below_activations():
    plan = plan_memory([buffer(0, 90, 0, 5), buffer(1, 10, -1, 5, constant=True)], {"sram": 100, "dram": 0}, STEPS)
    assert [plan.places[k].offset for k in range(2)] == [10, 0]
    assert plan.use["sram"] == MemoryUse(100, 10, 90)


def test_what_does_not_fit_goes_to_the_next_memory():
    plan = plan_memory([buffer(0, 80, 0, 1), buffer(1, 70, 0, 1)], {"sram": 100, "dram": 100}, STEPS)
    assert [plan.places[k].memory for k in range(2)] == ["sram", "dram"]


def test_a_buffer_larger_than_each_memory_is_refused_with_the_nearest_one():
    with pytest.raises(InfeasibleError) as error:
        plan_memory([buffer(0, 90, 0, 1)], {"sram": 50, "dram": 60}, STEPS)
    report = error.value.report
    assert (report.what, report.demand, report.bound, report.gap, report.unit_of_measure) == (
        "weights and activations in dram", 90, 60, 30, "B",
    )  # fmt: skip
    assert "activation 't0' of 90 B finds no room in sram, dram" in str(error.value)
    assert "a unit with more memory" in str(error.value)


def test_a_refusal_counts_everything_that_wants_the_memory():
    wanted = [buffer(i, 40, 0, 1, ("sram",), constant=i == 0) for i in range(3)]
    with pytest.raises(InfeasibleError) as error:
        plan_memory(wanted, {"sram": 100, "dram": 0}, STEPS)
    assert (error.value.report.demand, error.value.report.bound) == (120, 100)
    assert "demand 120 B (40 B of weights, 80 B of activations), bound 100 B in sram, gap 20 B" in str(error.value)


# --- what the schedule asks of the planner ------------------------------------------------------------


def plan_of(net, soc, *outputs, **options):
    return make_plan(net.graph(*outputs), soc, Options(**options))


@pytest.fixture(scope="module")
def soc(tmp_path_factory):
    return small_soc(tmp_path_factory.mktemp("soc"))


def test_a_chain_holds_two_tensors_at_a_time(soc):
    net = Net()
    x = net.input(1, 8, 8, 8)
    for _ in range(4):
        x = net.conv(x, 8)
    use = plan_of(net, soc, x).memory.use["dram"]
    assert use == MemoryUse(4 * 64 + 2 * 512, 4 * 64, 2 * 512)


def test_a_skip_connection_stays_alive_to_its_reader(soc):
    net = Net()
    x = net.input(1, 8, 8, 8)
    middle = net.conv(net.conv(x, 8), 8)
    use = plan_of(net, soc, net.op("MUL", [x, middle])).memory.use["dram"]
    assert use.activation_peak_bytes == 3 * 512


def two_branches(soc):
    """Return the plan of a CPU task beside a chain on the NPU, which joins it at the end."""
    net = Net()
    first = net.conv(net.input(1, 8, 8, 8), 8)
    branch = net.op("SIN", [first])
    x = first
    for _ in range(4):
        x = net.conv(x, 8)
    return first, branch, plan_of(net, soc, net.op("MUL", [x, branch]))


def test_what_another_unit_may_still_read_keeps_its_bytes(soc):
    first, branch, plan = two_branches(soc)
    assert [task.unit for task in plan.tasks.tasks] == ["npu", "cpu", "npu", "npu", "npu", "npu", "npu"]
    assert last_beside(plan.tasks) == [0, 5, 2, 3, 4, 5, 6]  # only the join waits for the CPU
    held = {plan.memory.places[first].offset, plan.memory.places[branch].offset}
    others = {place.offset for key, place in plan.memory.places.items() if key not in {first, branch}}
    chain = [task.outputs[0] for task in plan.tasks.tasks[2:6]]
    assert held.isdisjoint(plan.memory.places[key].offset for key in chain)
    assert others


def test_what_runs_beside_everything_holds_its_bytes_to_the_end(soc):
    net = Net()
    first = net.conv(net.input(1, 8, 8, 8), 8)
    branch = net.op("SIN", [first])  # an output of its own: no task ever waits for it
    x = first
    for _ in range(3):
        x = net.conv(x, 8)
    plan = plan_of(net, soc, x, branch)
    assert last_beside(plan.tasks) == [0, 4, 2, 3, 4]
    places = plan.memory.places
    assert all(places[key].offset != places[first].offset for key in (branch, x, plan.tasks.tasks[2].outputs[0]))


def test_on_one_unit_each_task_ends_where_it_stands(soc):
    net = Net()
    x = net.input(1, 8, 8, 8)
    y = net.op("MUL", [net.conv(net.conv(x, 8), 8), net.conv(x, 8)])
    tasks = plan_of(net, soc, y, unit="npu").tasks
    assert last_beside(tasks) == list(range(len(tasks.tasks)))


def test_a_batch_multiplies_activations_and_not_weights(soc):
    net = Net()
    use = plan_of(net, soc, net.conv(net.input(1, 8, 8, 8), 8), batch=4).memory.use["dram"]
    assert (use.weight_bytes, use.activation_peak_bytes) == (64, 4 * 2 * 512)


def test_a_view_takes_no_room_of_its_own(soc):
    net = Net()
    x = net.conv(net.input(1, 8, 8, 8), 8)
    view = net.op("RESHAPE", [x], (64, 8))
    plan = plan_of(net, soc, net.dense(view, 8)).memory
    assert view not in plan.places
    assert plan.places[x].memory == "dram"


def test_a_state_keeps_its_place_to_the_end(soc):
    net = Net()
    state = net.builder.tensor("state", DType.INT8, (1, 8, 8, 8), kind=TensorKind.VARIABLE)
    x = net.op("ADD", [net.input(1, 8, 8, 8), state])
    for _ in range(3):
        x = net.op("MAX_POOL_2D", [x], **window(1, 1))
    plan = plan_of(net, soc, x).memory
    others = [place.offset for key, place in plan.places.items() if key != state]
    assert all(abs(offset - plan.places[state].offset) >= 512 for offset in others)
