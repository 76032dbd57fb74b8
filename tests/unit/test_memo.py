"""Kept results: bounded, shared by threads, never stale, and the same as fresh ones."""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError, replace

import pytest
from small_world import Net, altered, small_soc

from socsim.errors import InfeasibleError
from socsim.memo import Memo, Same
from socsim.pipeline import Options, run_graph, simulate_graph
from socsim.schedule.precision import at_precision
from socsim.session import Run


@pytest.fixture
def soc(tmp_path):
    return small_soc(tmp_path)


def network():
    net = Net()
    x = net.op("RELU", [net.conv(net.input(1, 16, 16, 16), 32, 3)])
    x = net.op("SIN", [net.conv(x, 32)])
    return net.graph(net.op("ADD", [x, net.conv(x, 32)]))


# --- the table itself ---------------------------------------------------------------------------------


def test_a_result_is_made_once_and_the_least_recently_used_leaves_first():
    memo, made = Memo(2), []

    def asked(key):
        return memo.get(key, lambda: made.append(key) or key)

    for key in ("a", "b", "a", "c", "a", "b"):
        assert asked(key) == key
    assert made == ["a", "b", "c", "b"]
    assert len(memo) == 2


def test_an_error_is_not_kept():
    memo = Memo(2)
    with pytest.raises(ZeroDivisionError):
        memo.get("a", lambda: 1 // 0)
    assert memo.get("a", lambda: 7) == 7


def test_a_copy_is_empty():
    memo = Memo(2)
    memo.get("a", lambda: 1)
    assert len(pickle.loads(pickle.dumps(memo))) == len(copy.deepcopy(memo)) == 0
    assert len(memo) == 1


def test_same_is_identity():
    a, b = [1], [1]
    assert Same(a) == Same(a)
    assert hash(Same(a)) == hash(Same(a))
    assert Same(a) != Same(b)
    assert Same(a) != a


# --- runs ---------------------------------------------------------------------------------------------

VARIANTS = [
    {}, {"detail": "analytic"}, {"detail": "tile"}, {"cores": 2}, {"batch": 3}, {"unit": "cpu"}, {"precision": "int16"},
    {"precision": "fp16", "unit": "npu"}, {"background": {"cpu": "1 GB/s"}}, {"sparsity": 0.5},
    {"unit": "cpu", "cores": 2}, {"runtime": altered("rknn", fuses=[])}, {},
]  # fmt: skip


def test_a_network_that_was_run_in_many_ways_gives_the_results_of_a_fresh_one(soc):
    graph = network()
    fast = soc.with_({"units.npu.vector": 64, "memories.dram.data_rate": "2000 MT/s"})
    platforms = [soc, fast, soc.with_({"units.npu.buffer": "1 KiB"}), soc.with_({"memories.dram.size": "64 KiB"}), soc]
    fresh_soc = {id(p): p.with_({}) for p in platforms}
    seen = set()
    for platform in platforms:
        for options in VARIANTS:
            kept = run_graph(graph, platform, Options(**options))
            fresh = run_graph(replace(graph), fresh_soc[id(platform)], Options(**options))
            assert replace(kept, overrides=()) == replace(fresh, overrides=())
            seen.add((kept.latency_ps, kept.energy_pj))
    assert len(seen) > 20  # a key that left something out would give equal figures


def test_a_network_keeps_few_results(soc):
    graph = network()
    for i in range(80):
        simulate_graph(graph, soc.with_({"units.npu.vector": i + 1}), Options())
    assert len(graph.memo) == 64


def test_an_infeasible_platform_stays_infeasible_and_does_not_spoil_others(soc):
    graph, full = network(), soc.with_({"memories.dram.size": "1 KiB"})
    for _ in range(2):
        with pytest.raises(InfeasibleError):
            run_graph(graph, full, Options())
        assert run_graph(graph, soc, Options()).latency_ps


def test_platforms_that_differ_elsewhere_share_tasks_and_memory_plan(soc):
    graph = network()
    for platform in (soc, soc.with_({"units.npu.vector": 64})):
        simulate_graph(graph, platform, Options())
    kinds = sorted(key[0] for key in graph.memo._kept)
    assert kinds == [
        "borders", "fused", "kernels", "lives", "outlines", "places", "prepared", "prepared", "residency", "tasks",
    ]  # fmt: skip


def test_operating_points_are_one_platform_each(soc):
    assert soc.at({"npu": "only"}) is soc.at({"npu": "only"})


def test_what_results_are_kept_for_cannot_change(soc):
    graph = network()
    recast = at_precision(graph, "int16")
    assert at_precision(graph, "int16") is recast
    for thing, field in ((graph, "tensors"), (graph.operators[0], "attributes"), (soc, "file")):
        with pytest.raises(FrozenInstanceError):
            setattr(thing, field, None)
    for op in (*graph.operators, *recast.operators):
        with pytest.raises(TypeError):
            op.attributes["strides"] = (9, 9)
    with pytest.raises(ValueError, match="frozen"):
        soc.file.units["npu"].cores = 7


def test_threads_share_a_network(soc):
    graph, wanted = network(), [run_graph(network(), soc, Options(**options)) for options in VARIANTS]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            found = list(pool.map(lambda options: run_graph(graph, soc, Options(**options)), VARIANTS))
            assert found == wanted


def test_latency_and_energy_are_there_before_the_record_is_made(soc, monkeypatch):
    def refuse(_self):
        raise AssertionError

    graph = network()
    record = run_graph(graph, soc, Options())
    monkeypatch.setattr("socsim.recording._Recorder.record", refuse)
    run = Run(simulate_graph(graph, soc, Options()))
    assert (run.latency_ps, run.energy_pj) == (record.latency_ps, record.energy_pj)
    monkeypatch.undo()
    assert run.record == record
    assert run.record is run.record


def test_a_run_can_be_pickled(soc):
    run = Run(simulate_graph(network(), soc, Options()))
    assert pickle.loads(pickle.dumps(run)).record == run.record


def test_the_largest_networks_still_share_between_platforms(soc):
    graph = network()
    graph.__dict__["memo"] = Memo(12)  # what a network of 100,000 operators keeps
    kept = []
    for i in range(9):
        simulate_graph(graph, soc.with_({"units.npu.vector": i + 1}), Options())
        shared = {key: value for key, value in graph.memo._kept.items() if key[0] in {"tasks", "residency", "kernels"}}
        kept.append(shared)
    assert len(kept[0]) == 3
    assert all(table[key] is value for table in kept for key, value in kept[0].items())
