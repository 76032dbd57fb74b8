"""A cache before the DRAM: what it holds, against lines followed one by one, and what that changes in a run."""

from __future__ import annotations

from collections import Counter, OrderedDict

import pytest
from small_world import Net, small_soc, with_twin

import socsim as ss
from socsim.cost.system_cache import Kept, through_cache
from socsim.cost.work import Phase, Transfer, Work
from socsim.errors import PlatformError
from socsim.pipeline import DETAILS, Options, make_plan, run_graph
from socsim.schedule.reuse import Operands, kept_by_task
from socsim.testing.verify import verify

SLICES = 64
"""Steps in which the operands of a task advance side by side."""


def cache(size, *units, **changes):
    """Return the changes to a platform that give it a system cache."""
    fields = {
        "kind": "system_cache", "serves": "dram", "size": f"{size} B", "allocates": dict.fromkeys(units, f"{size} B"),
        "clock": "1000 MHz", "read": "32 B/cycle", "write": "32 B/cycle", "latency": "64 ns",
    }  # fmt: skip
    return {"memories.slc": fields | changes}


@pytest.fixture(scope="module")
def soc(tmp_path_factory):
    return with_twin(small_soc(tmp_path_factory.mktemp("soc")))


def chain(depth=6, channels=64, size=16):
    net = Net()
    x = net.input(1, size, size, channels)
    for _ in range(depth):
        x = net.conv(x, channels)
    return net.graph(x)


def forked():
    """Return a network whose branches meet late, so that results wait for their second reader."""
    net = Net()
    x = net.conv(net.input(1, 24, 24, 32), 48)
    kept = x
    for _ in range(4):
        x = net.conv(net.op("LOGISTIC", [x]), 48)
    return net.graph(net.op("ADD", [net.pool(x), net.pool(kept)]))


def shrinking():
    net = Net()
    x = net.input(1, 64, 64, 16)
    for channels in (32, 48, 96, 160):
        x = net.pool(net.conv(x, channels))
    return net.graph(net.conv(x, 320))


NETWORKS = {"chain": chain, "forked": forked, "shrinking": shrinking}


class Lines:
    """A cache of lines, the least recently used of which leaves first."""

    def __init__(self, size, line):
        self.places, self.line = size // line, line
        self.kept = OrderedDict()
        """By line the task that wrote it, None where it is as in memory."""

    def touch(self, line, task, *, write):
        """Touch a line; return whether it was there, and the task whose bytes are written over."""
        there, writer = line in self.kept, self.kept.pop(line, None)
        self.kept[line] = task if write else writer
        if len(self.kept) > self.places:
            self.kept.popitem(last=False)
        return there, writer if write else None


def followed(operands, size, line):
    """Return by task the bytes found, and those written over in the cache, in the second of three inferences."""
    lines, found, stays = Lines(size, line), Counter(), Counter()
    for inference in range(3):
        for use in operands.handed_in:
            for place in range(use.offset // line, (use.offset + use.bytes) // line):
                lines.kept.pop(place, None)
        for task, uses in enumerate(operands.by_task):
            for step in range(SLICES):
                for use in uses:
                    first, last = (-(-use.bytes * at // (SLICES * line)) for at in (step, step + 1))
                    for place in range(use.offset // line + first, use.offset // line + last):
                        there, over = lines.touch(place, (inference, task), write=use.is_written)
                        found[inference, task] += line * (there and use.is_read)
                        stays[over] += line * (over is not None)
    count = len(operands.by_task)
    return [found[1, t] for t in range(count)], [stays[1, t] for t in range(count)]


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("kibibytes", [8, 24, 40, 60, 96, 200, 400, 4096])
def test_what_is_held_is_what_lines_followed_one_by_one_say(soc, name, kibibytes):
    cached = soc.with_(cache(kibibytes * 1024, "npu"))
    plan = make_plan(NETWORKS[name](), cached, Options(unit="npu"))
    operands = Operands(plan.tasks, plan.memory, 1, "dram")
    whole = sum(use.bytes for uses in operands.by_task for use in uses)
    kept = kept_by_task(plan.tasks, plan.memory, cached, 1)
    found, stays = followed(operands, kibibytes * 1024, 64)
    assert abs(sum(part.found for (part,) in kept) - sum(found)) <= 0.02 * whole
    assert abs(sum(part.stays for (part,) in kept) - sum(stays)) <= 0.02 * whole


@pytest.mark.parametrize(("size", "of_each"), [(36 * 1024, 16384), (36 * 1024 - 1, 0)])
def test_a_chain_by_hand(soc, size, of_each):
    """Convolutions of 16 KiB in and out and 4 KiB of weights, whose results take turns in two buffers.

    Between a line's writing and its reading lie what is left of its maker's 36 KiB and the part of its reader's that
    has gone by. Their buffers are the same two, so that the weights of the one or the other are what changes: 4 KiB in
    all at every point, 36 KiB with the buffers.
    """
    cached = soc.with_(cache(size, "npu"))
    plan = make_plan(chain(), cached, Options(unit="npu"))
    kept = [part for (part,) in kept_by_task(plan.tasks, plan.memory, cached, 1)]
    assert {(part.reads, part.writes) for part in kept} == {(20480, 16384)}
    assert [part.found for part in kept] == [0, *[of_each] * 5]
    assert [part.stays for part in kept] == [*[of_each] * 5, 0]


def records(soc, graph, **options):
    return {detail: run_graph(graph, soc, Options(detail=detail, **options)) for detail in DETAILS}


def moved(record):
    return {m.name: (m.read_bytes, m.write_bytes) for m in record.memories}


@pytest.fixture(scope="module")
def banked(soc):
    """Return the SoC with a DRAM whose banks are known, for the burst level."""
    return soc.with_({
        "memories.dram.device": "lpddr4-3200", "memories.dram.data_rate": "3200 MT/s", "memories.dram.efficiency": None,
    })  # fmt: skip


def test_books_balance_and_levels_of_detail_move_the_same_bytes(banked):
    cached = banked.with_(cache(64 * 1024, "npu"))
    runs = records(cached, chain(), unit="npu")
    assert all(verify(record, chain()) == [] for record in runs.values())
    split = {tuple(sorted(moved(record).items())) for record in runs.values()}
    assert len(split) == 1
    assert all(record.operators[3].dram_bytes < chain().tensors[0].bytes for record in runs.values())


def test_what_is_moved_in_all_stays_the_same(banked):
    graph = shrinking()
    without = run_graph(graph, banked, Options(unit="npu"))
    for size in (16, 64, 256, 4096):
        record = run_graph(graph, banked.with_(cache(size * 1024, "npu")), Options(unit="npu"))
        parts = moved(record)
        assert tuple(a + b for a, b in zip(parts["dram"], parts["slc"], strict=True)) == moved(without)["dram"]


def test_a_larger_cache_takes_more_off_the_dram_and_saves_time_and_energy(banked):
    graph = forked()
    sizes = (None, 16, 48, 96, 256, 1024)
    runs = [run_graph(graph, banked.with_(cache(s * 1024, "npu")) if s else banked, Options(unit="npu")) for s in sizes]
    bytes_moved = [sum(moved(r)["dram"]) for r in runs]
    assert bytes_moved == sorted(bytes_moved, reverse=True)
    assert bytes_moved[-1] < bytes_moved[0] / 2
    assert runs[0].energy_pj == max(r.energy_pj for r in runs)  # a byte of a larger cache costs more again
    assert runs[-1].energy_pj < runs[0].energy_pj
    assert [r.latency_ps for r in runs] == sorted((r.latency_ps for r in runs), reverse=True)


def test_a_cache_that_holds_everything_leaves_the_dram_what_the_caller_hands_over(banked):
    record = run_graph(chain(), banked.with_(cache(1 << 20, "npu")), Options(unit="npu"))
    assert moved(record)["dram"][0] == chain().tensors[0].bytes


def test_units_that_do_not_allocate_pass_by(banked):
    cached = banked.with_(cache(1 << 20, "twin"))
    assert sum(moved(run_graph(chain(), cached, Options(unit="npu")))["slc"]) == 0
    assert sum(moved(run_graph(chain(), cached, Options(unit="twin")))["slc"]) > 0


def test_a_unit_keeps_no_more_than_it_is_given(banked):
    room = {"npu": f"{40 * 1024} B"}
    given = run_graph(chain(), banked.with_(cache(1 << 20, allocates=room)), Options(unit="npu"))
    whole = run_graph(chain(), banked.with_(cache(40 * 1024, "npu")), Options(unit="npu"))
    assert moved(given) == moved(whole)


@pytest.mark.parametrize("bursts", [False, True])
def test_a_port_with_a_short_window_gains_the_difference_in_latency(banked, bursts):
    """Bursts under way come back after 64 ns instead of 128, so that a bound port moves twice as much."""
    narrow = {"units.npu.port.outstanding": 1, "memories.dram.latency": "128 ns"}
    detail = "burst" if bursts else "transaction"
    slow = run_graph(chain(), banked.with_(narrow), Options(unit="npu", detail=detail))
    fast = run_graph(chain(), banked.with_(narrow | cache(1 << 20, "npu")), Options(unit="npu", detail=detail))
    second = [
        sum(r.operators[3].latency_ps for r in [record]) - record.operators[3].dispatch_ps for record in (slow, fast)
    ]
    assert second[0] / second[1] == pytest.approx(2, rel=0.12)


def test_operators_say_what_the_cache_holds(banked):
    run = ss.run(chain(), banked.with_(cache(64 * 1024, "npu")), unit="npu", calibration="none")
    assert "slc holds 20,480 of 20,480 B read from dram" in str(run.explain(3))


def work(read, written):
    phases = (Phase("prologue", 0, (Transfer("dram", read // 4, 0),)),
              Phase("steady", 10, (Transfer("dram", read - read // 4, written), Transfer("sram", 7, 9))))  # fmt: skip
    return Work(phases, 0, 0, 0, 10, 0, 0, 0, (), ())


def held(made):
    mine = [t for phase in made.phases for t in phase.transfers if t.memory == "slc"]
    return [sum(t.read_bytes for t in mine), sum(t.write_bytes for t in mine)]


def test_own_caches_of_a_unit_take_first_what_would_be_found():
    kept = Kept("slc", "dram", reads=1000, found=600, writes=500, stays=500, holds_all=False)
    assert held(through_cache(work(1000, 500), kept)) == [600, 500]
    assert held(through_cache(work(700, 500), kept)) == [300, 500]
    assert through_cache(work(400, 0), kept) == work(400, 0)


def test_what_a_kernel_moves_again_is_there_where_all_of_it_fits():
    kept = Kept("slc", "dram", reads=1000, found=600, writes=500, stays=500, holds_all=False)
    assert held(through_cache(work(3000, 500), kept)) == [600, 500]
    fits = Kept("slc", "dram", reads=1000, found=600, writes=500, stays=500, holds_all=True)
    assert held(through_cache(work(3000, 500), fits)) == [2600, 500]
    assert [t for p in through_cache(work(3000, 0), fits).phases for t in p.transfers if t.memory == "sram"]


def test_faults_of_a_cache_are_told(soc):
    wrong = cache(4096, serves="drum", allocates={"npu": "8 KiB", "cqu": "1 KiB"})
    with pytest.raises(PlatformError) as caught:
        soc.with_(wrong | {"links.bus.connects": ["npu", "twin", "cpu", "dram", "slc"], "units.cpu.weights": ["slc"]})
    told = str(caught.value)
    assert "memories.slc.serves: \"drum\" is not a DRAM. Did you mean 'dram'?" in told
    assert 'memories.slc.allocates.npu: found "8 KiB"; the cache has "4 KiB", write that at most' in told
    assert 'memories.slc.allocates.cqu: "cqu" is not a unit.' in told
    assert "links.bus.connects[4]: a system cache lies where the memory behind it does" in told
    assert 'units.cpu.weights[0]: "slc" keeps lines of "drum"; name that memory' in told


def test_a_dram_has_one_cache_before_it(soc):
    both = cache(4096, "npu") | {"memories.other": cache(4096, "npu")["memories.slc"]}
    with pytest.raises(PlatformError, match='"dram" is served by "slc" already; keep one of them'):
        soc.with_(both)


def test_the_cache_of_qcs6490_is_ahead_of_its_dram_as_that_of_a_relative():
    """2 MB at about 40 GB/s before a DRAM of a little under 30 GB/s on Snapdragon 855."""
    soc = ss.platform("qcs6490")
    ahead = soc.memories["llcc"].read_bytes_per_s / soc.memories["dram"].read_bytes_per_s
    assert ahead == pytest.approx(40 / 30, rel=0.1)


def test_the_cache_of_qcs6490_takes_a_part_off_the_dram_for_its_gpu():
    soc, net = ss.platform("qcs6490"), ss.load("mobilenet_v2")
    plain = soc.with_({"memories.llcc.allocates": {"cpu_big": "768 KiB"}})
    runs = [ss.run(net, variant, unit="gpu", calibration="none").record for variant in (plain, soc)]
    alone, cached = (sum(moved(record)["dram"]) for record in runs)
    assert 0.6 < cached / alone < 0.9
    assert 0.9 < runs[1].latency_ps / runs[0].latency_ps < 1
    assert all(verify(record, net) == [] for record in runs)
