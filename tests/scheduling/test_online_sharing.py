"""Segments that share links and memories end when the plain engine says, to the picosecond."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from online_worlds import app, jobs_world, server, world
from random_jobs import random_jobs
from small_world import PROPERTY, small_soc, with_twin

from socsim.engine.fabric import Fabric
from socsim.engine.online.engine import run
from socsim.engine.online.model import Piece, Program, Segment, Trace
from socsim.engine.simulation import Job, Stream, simulate
from socsim.pipeline import Options, prepare_graph, simulate_graph
from socsim.soc.library import find_platform
from socsim.soc.loader import load_platform
from socsim.testing.verify_world import verify_world
from socsim.workload.zoo import load_model


@pytest.fixture(scope="module")
def soc(tmp_path_factory):
    return with_twin(small_soc(tmp_path_factory.mktemp("soc")))


def ends(outcome):
    """Return when each job ended, from its slices."""
    found = {}
    for part in outcome.slices:
        found[part.label] = max(found.get(part.label, 0), part.end_ps)
    return found


def assert_equal(jobs, fabric, streams=()):
    plain, online = simulate(jobs, fabric, streams), run(jobs_world(jobs, fabric, streams))
    (served,) = online.served
    assert served.latency.most_ps == plain.makespan_ps
    worked = ends(online)
    for job, times in zip(jobs, plain.times, strict=True):
        assert worked.get(f"job {job.key}", times.end_ps) == times.end_ps
    return plain, online


@PROPERTY
@given(random_jobs(least=1, slowest=333_000_000, most_phases=4), st.integers(1, 2))
def test_jobs_end_as_in_the_plain_engine_exactly(soc, jobs, cores):
    fabric = Fabric(soc, {"npu": cores})
    plain, online = assert_equal(jobs, fabric)
    flows = {flow.resource: flow for flow in online.flows}
    for name, flow in flows.items():
        assert (flow.bytes, flow.busy_ps) == (plain.ledgers[name].bytes, plain.ledgers[name].busy_ps), name
    assert sum(s.energy_pj for s in online.served) == sum(1000 + job.key for job in jobs)


@PROPERTY
@given(random_jobs(least=1, slowest=333_000_000, most_phases=4), st.sampled_from([10**6, 10**9, 3 * 10**9]))
def test_beside_background_traffic_too(soc, jobs, rate):
    jobs = [job for job in jobs if job.unit != "cpu"]
    keys = {job.key: i for i, job in enumerate(jobs)}
    jobs = [
        Job(keys[j.key], j.unit, j.hz, j.dispatch_ps, 0, j.phases, tuple(keys[a] for a in j.after if a in keys))
        for j in jobs
    ]
    assert_equal(jobs, Fabric(soc, {}), [Stream("cpu", "dram", rate)])


def network_world(prepared, server_name, applications=("alone",), duration_ps=1):
    """Return a network that runs on one unit, as applications that are released once."""
    fabric = prepared.fabric
    jobs = prepared.jobs("transaction")
    pieces = tuple(Piece(f"{j.key}", j.dispatch_ps + j.sync_ps, fabric.steps(j), 7, j.key) for j in jobs)
    program = Program((Segment(server_name, 1, pieces),), fabric)
    shared = {
        n: r for n, r in fabric.capacities.items() if not any(fabric.is_port(n, u) for u in fabric.platform.units)
    }
    return world(
        [app(name, Trace((0,))) for name in applications], dict.fromkeys(applications, program),
        [server(server_name, cores=3)], duration_ps, capacities=shared, fabric=fabric, is_traced=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def prepared():
    graph, soc = load_model("mobilenet_v2"), load_platform(find_platform("rk3588"))
    options = Options(unit="npu", cores=1)
    return prepare_graph(graph, soc, options), simulate_graph(graph, soc, options).record


def test_an_inference_alone_takes_what_a_run_says(prepared):
    made, record = prepared
    assert {job.unit for job in made.jobs("transaction")} == {"npu"}
    outcome = run(network_world(made, "npu"))
    assert outcome.served[0].latency.most_ps == record.latency_ps
    assert outcome.events < 10  # nobody disturbs it
    moved = {flow.resource: flow.bytes for flow in outcome.flows}
    for memory in record.memories:
        assert moved.get(f"{memory.name}.read", 0) == memory.read_bytes
        assert moved.get(f"{memory.name}.write", 0) == memory.write_bytes


def test_three_inferences_on_cores_of_one_unit_share_the_dram_alone(prepared):
    """Each has ports of its own, all have the DRAM: none is faster than alone, and the DRAM is never exceeded."""
    made, record = prepared
    built = network_world(made, "npu", ("one", "two", "three"))
    outcome = run(built)
    assert verify_world(outcome, built, {}) == []
    latencies = [served.latency.most_ps for served in outcome.served]
    assert len(set(latencies)) == 1
    assert record.latency_ps < latencies[0] < 3 * record.latency_ps
