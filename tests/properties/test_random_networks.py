"""Networks drawn at random: the books of every run balance, whatever is fused, shared or moved."""

from __future__ import annotations

from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st
from random_networks import networks, soc_of
from small_world import PROPERTY

from socsim.pipeline import Options, make_plan, run_graph
from socsim.schedule.tasks import stored_bytes
from socsim.testing.verify import verify


@PROPERTY
@given(
    networks(),
    st.sampled_from(["small", "rk3588", "imx93", "qcs6490"]),
    st.sampled_from(["npu", "cpu"]),
    st.sampled_from(["transaction", "analytic"]),
    st.sampled_from([1, 3]),
)
def test_the_books_of_a_random_network_balance(graph, name, unit, detail, batch):
    heavy = any(op.macs for op in graph.operators)
    record = run_graph(graph, soc_of(name), Options(unit=unit if heavy else None, detail=detail, batch=batch))
    assert verify(record, graph) == []
    assert record.macs == graph.macs * batch
    assert bool(record.latency_ps) == any(row.latency_ps for row in record.operators)
    assert record.latency_ps or any("took no time" in warning for warning in record.warnings)


def waits_for(tasks):
    """Return for each task all positions that end before it starts: what it reads from, and its own unit's."""
    closed = []
    for task in tasks.tasks:
        direct = {
            *tasks.before[task.position],
            *(t.position for t in tasks.tasks[: task.position] if t.unit == task.unit),
        }
        closed.append(direct.union(*(closed[position] for position in direct)))
    return closed


@PROPERTY
@given(networks(), st.sampled_from(["small", "imx93", "qcs6490"]), st.sampled_from([1, 3]))
def test_tensors_that_share_bytes_are_never_alive_together(graph, name, batch):
    plan = make_plan(graph, soc_of(name), Options(batch=batch))
    tasks, closed = plan.tasks, waits_for(plan.tasks)
    users = {}
    for task in tasks.tasks:
        for tensor in (*task.inputs, *task.outputs):
            users.setdefault(tasks.storage.get(tensor, tensor), []).append(task.position)
    size = {
        key: stored_bytes(graph.tensors[key], plan.runtimes[tasks.tasks[at[0]].unit]) * batch
        for key, at in users.items()
    }
    kept = {tasks.storage.get(t, t) for t in graph.outputs}
    for early, late in permutations(users, 2):
        here, there = plan.memory.places[early], plan.memory.places[late]
        apart = here.offset + size[early] <= there.offset or there.offset + size[late] <= here.offset
        if here.memory == there.memory and not apart and users[early][0] <= users[late][0]:
            assert late not in graph.inputs
            assert early not in kept
            assert closed[users[late][0]] >= set(users[early])


@PROPERTY
@given(networks(), st.sampled_from(["0 B/s", "1 B/s", "999 MB/s", "4 GB/s", "50 GB/s"]))
def test_the_books_balance_beside_background_traffic(graph, rate):
    quiet = run_graph(graph, soc_of("small"), Options())
    record = run_graph(graph, soc_of("small"), Options(background={"cpu": rate}))
    assert verify(record, graph) == []
    assert record.latency_ps >= quiet.latency_ps
    assert record.operators[0].compute_ps == quiet.operators[0].compute_ps
