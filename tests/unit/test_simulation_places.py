"""Where steps go and what they cost there: classes, wishes, servers, links, resumption, programs."""

from __future__ import annotations

import numpy as np
import pytest

import socsim as ss
from socsim.errors import InfeasibleError, UsageError, WorkloadError
from socsim.pipeline import Options, calibrated, prepare_graph
from socsim.quantities import ceil_div
from socsim.schedule.policies import QUANTUM_PS
from socsim.simulation.options import SimulationOptions
from socsim.simulation.resuming import resume_ps
from socsim.simulation.run import power_settings, used_units
from socsim.simulation.ways import clocks_of, energy_pj, length_ps
from socsim.simulation.world import prepare_world

MS, PS_PER_S = 10**9, 10**12


def scenario(task_class, *steps, **more):
    arrival = {"kind": "periodic", "period": "1 s"}
    application = {"class": task_class, "arrival": arrival, "steps": list(steps)}
    return ss.scenario({
        "schema": "socsim.scenario/1", "name": "one", "title": "one application", "duration": "1 s",
        "applications": {"app": application}, **more,
    })  # fmt: skip


def network(name="mobilenet_v1", **more):
    return {"name": "infer", "kind": "network", "network": name, "precision": "int8", **more}


def prepared(made, platform="rk3588", **options):
    return prepare_world(made, ss.platform(platform), SimulationOptions.of(**options))


def decision(task_class, platform, *steps, **more):
    return prepared(scenario(task_class, *steps, **more), platform).decisions["app", 0]


# --- classes ------------------------------------------------------------------------------------------


def test_small_networks_on_demand_stay_on_a_processor_and_large_ones_leave_it():
    small = decision("on_demand", "qcs6490", network("mlperf_tiny_ad", precision=None))
    large = decision("on_demand", "qcs6490", network("resnet50"))
    soc = ss.platform("qcs6490")
    assert soc.unit(small.ways[0].name).kind == "cpu"
    assert large.ways[0].name == "npu"
    assert small.reason.startswith("on demand: fastest, ")


def test_on_demand_is_the_fastest_of_all_runs():
    chosen = decision("on_demand", "rk3588", network())
    latency = {
        u: ss.run(ss.load("mobilenet_v1", precision="int8"), "rk3588", unit=u).latency_ps for u in ("npu", "gpu")
    }
    latency |= {
        f"cpu_{c}": ss.run(ss.load("mobilenet_v1", precision="int8"), "rk3588", unit="cpu", cluster=c).latency_ps
        for c in ("big", "little")
    }
    assert chosen.ways[0].name == min(latency, key=lambda unit: latency[unit])
    assert all(unit in chosen.reason for unit in latency)


def test_sustained_work_goes_to_the_neural_unit_and_elsewhere_where_there_is_none():
    assert decision("sustained", "rk3588", network()).reason == "sustained: npu preferred"
    without = decision("sustained", "bcm2711", network())
    assert without.ways[0].name in ss.platform("bcm2711").units
    assert "no npu, dsp" in without.reason


def test_pervasive_work_goes_to_the_hub_else_to_the_most_frugal():
    wake_word = network("mlperf_tiny_kws", precision=None)
    assert decision("pervasive", "qcs6490", wake_word).ways[0].name == "sensing_hub"
    frugal = decision("pervasive", "rk3588", wake_word)
    assert frugal.reason.startswith("pervasive: no sensing hub here; most frugal, ")
    too_large = decision("pervasive", "qcs6490", network("resnet50"))
    assert too_large.reason.startswith("pervasive: does not fit the sensing hub; most frugal, ")


# --- wishes -------------------------------------------------------------------------------------------


def test_a_unit_that_is_named_wins_and_one_that_is_missing_is_replaced():
    named = decision("sustained", "rk3588", network(unit="gpu"))
    assert (named.ways[0].name, named.reason) == ("gpu", "the scenario names gpu")
    missing = decision("sustained", "rk3588", network(unit="dsp"))
    assert missing.reason == "rk3588 has no dsp; sustained: npu preferred"
    cluster = decision("sustained", "rk3588", network(unit="cpu", cluster="little"))
    assert cluster.ways[0].name == "cpu_little"


def test_other_units_may_take_over_in_the_order_of_the_scenario():
    made = decision("sustained", "rk3588", network(unit="npu", others=["gpu", "dsp", "npu"]))
    assert [way.name for way in made.ways] == ["npu", "gpu"]


def test_what_no_unit_can_run_says_why_for_each():
    with pytest.raises(InfeasibleError) as caught:
        decision("sustained", "stm32g0b1", network("resnet50"))
    assert caught.value.report.gap == 1
    assert "no unit of stm32g0b1 can run it" in str(caught.value)
    assert "  - cpu: " in str(caught.value)


def test_faults_of_several_steps_are_said_at_once_and_wrong_names_come_first():
    steps = [network("resnet50"), network("resnet5") | {"name": "second"}, network("mobilnet") | {"name": "third"}]
    with pytest.raises(WorkloadError) as caught:
        decision("sustained", "stm32g0b1", *steps)
    text = str(caught.value)
    assert text.startswith("scenario one: 3 faults\n  - applications.app.infer: resnet50: no unit of stm32g0b1 can run")
    assert "applications.app.second: 'resnet5' is neither a file nor a network" in text
    assert "applications.app.third: 'mobilnet' is neither a file nor a network" in text
    with pytest.raises(InfeasibleError, match="scenario one: 2 faults"):
        decision("sustained", "stm32g0b1", network("resnet50"), network("vgg16") | {"name": "second"})


def test_a_strategy_divides_a_network_among_units():
    made = decision("sustained", "rk3588", network("yolov8n", strategy="heft"))
    assert made.reason == "strategy heft places it, by what it costs at the fastest points that governors may take"
    (way,), soc = made.ways, ss.platform("rk3588")
    assert len(way.places) > 1
    assert way.units(soc) == tuple(unit for unit in soc.units if unit in way.places)
    assert {soc.unit(unit).clock for unit in way.places} <= {*clocks_of(soc, way.units(soc)), None}


@pytest.mark.parametrize("strategy", ["heft", "pipelined"])
def test_what_a_strategy_placed_stays_there_and_takes_longer_at_slower_points(strategy):
    soc = ss.platform("rk3588")
    made = prepare_world(
        scenario("sustained", network("yolov8n", strategy=strategy)), soc, SimulationOptions.of(calibration="none")
    )
    (way,) = made.decisions["app", 0].ways
    slowest = {name: min(clock.opps, key=lambda p: p.clock.value).name for name, clock in soc.file.clocks.items()}
    fast, slow = way.prepared(soc, 1), way.prepared(soc.at(slowest), 1)
    assert slow.plan.placed == fast.plan.placed
    assert slow.plan.tasks is fast.plan.tasks
    programs = [way.program(platform, 1) for platform in (soc, soc.at(slowest))]
    fast_servers, slow_servers = ([s.server for s in program.segments] for program in programs)
    assert slow_servers == fast_servers
    assert length_ps(programs[1]) > 1.5 * length_ps(programs[0])
    assert energy_pj(programs[1]) < energy_pj(programs[0])


def test_a_governor_slows_down_what_a_strategy_placed_as_much_as_anything_else():
    steps = [network(unit="cpu"), network(unit="cpu", strategy="single")]
    for governor in ("performance", "powersave"):
        plain, placed = (
            ss.simulate(scenario("sustained", step), "rk3588", governor=governor).record.applications[0].latency
            for step in steps
        )
        assert plain == placed


def test_a_seed_of_numpy_is_a_seed():
    made = scenario("sustained", {"name": "s", "kind": "stage", "time": "1 ms"})
    assert ss.simulate(made, "rk3588", seed=np.int64(4)).to_json() == ss.simulate(made, "rk3588", seed=4).to_json()


def test_operators_that_fall_back_are_named_with_the_reason():
    made = decision("sustained", "imx93", network("yolov8n"))
    assert made.ways[0].places == ("npu", "cpu")
    assert made.fallbacks
    assert all(" on cpu: " in line for line in made.fallbacks)


# --- servers ------------------------------------------------------------------------------------------

LINK = {"rate": "1 MB/s", "latency": "1 ms", "energy": "1 nJ/B"}
STAGE = {"name": "work", "kind": "stage", "time": "1 ms", "server": "own"}


def test_cores_that_are_set_apart_are_missing_elsewhere():
    made = prepared(scenario("sustained", STAGE, servers={"own": {"unit": "cpu", "cores": 3, "policy": "edf"}}))
    cores = {server.name: (server.unit, server.cores, server.policy.name) for server in made.world.servers}
    assert cores["own"] == ("cpu_big", 3, "edf")
    assert cores["cpu_big"] == ("cpu_big", 1, "priority")
    assert made.notes == ()


def test_cores_that_a_unit_cannot_spare_are_shared():
    made = prepared(scenario("sustained", STAGE, servers={"own": {"unit": "cpu", "cores": 1}}), "stm32n657")
    assert made.decisions["app", 0].ways[0].name == "cpu"
    assert made.notes == (
        "server 'own': cpu has 1 core, so that 1 cannot be set apart; it shares them with all others",
    )


def test_a_network_uses_no_more_cores_than_its_server_has():
    made = prepared(scenario("sustained", network(server="own"), servers={"own": {"unit": "cpu", "cores": 2}}))
    [segment] = made.programs.program("app", 0, 0, 1, {}).segments
    assert (segment.server, segment.cores) == ("own", 2)


def test_settings_of_a_kind_hold_for_its_units_and_options_go_before_them():
    servers = {"cpu": {"policy": "round_robin", "quantum": "2 ms", "switch": "5 us"}}
    made = prepared(scenario("sustained", network(), servers=servers), policy={"cpu_little": "fifo", "*": "edf"})
    found = {s.name: (s.policy.name, s.switch_ps) for s in made.world.servers}
    assert found["cpu_little"] == ("fifo", 5 * 10**6)
    assert found["npu"] == ("edf", 0)
    own = prepared(scenario("sustained", network(), servers=servers)).servers["cpu_big"].server
    assert (own.policy.name, own.policy.quantum_ps, own.switch_ps) == ("round_robin", 2 * MS, 5 * 10**6)
    again = prepared(scenario("sustained", network(), servers=servers), policy={"*": "round_robin"}).servers
    assert [again[unit].server.policy.quantum_ps for unit in ("cpu_big", "npu")] == [2 * MS, QUANTUM_PS]


def test_a_server_limits_where_steps_are_interrupted():
    def preemption(limit, wish=None):
        step = network(unit="npu") | ({"preemption": wish} if wish else {})
        made = prepared(scenario("sustained", step, servers={"npu": {"preemption": limit}}))
        return made.world.applications[0].steps[0].preemption

    assert preemption("none") == "none"
    assert preemption("any") == "operator"
    assert preemption("tile", "any") == "tile"


@pytest.mark.parametrize("names", [{"servers": {"npu": {"cores": 1}}}, {"links": {"npu": LINK}}])
def test_a_server_of_its_own_or_a_link_cannot_have_a_units_name(names):
    with pytest.raises(
        UsageError, match=r"scenario 'one': 'npu' is a unit of rk3588, and a server of that name stands"
    ):
        prepared(scenario("sustained", network(), **names))


def test_policies_for_servers_that_do_not_exist_are_refused():
    with pytest.raises(UsageError, match=r"policy: no server 'nqu'. Did you mean 'npu'\?"):
        prepared(scenario("sustained", network()), policy={"nqu": "fifo"})


# --- programs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("platform", "name"), [("rk3588", "mobilenet_v1"), ("imx93", "yolov8n"), ("qcs6490", "unet")])
def test_a_program_takes_as_long_and_as_much_as_a_run(platform, name):
    """Where units take turns; static energy is the power manager's business."""
    made = prepared(scenario("sustained", network(name, unit="npu")), platform)
    run = ss.run(ss.load(name, precision="int8"), platform, unit="npu").record
    program = made.programs.program("app", 0, 0, 1, {})
    assert length_ps(program) == pytest.approx(run.latency_ps, rel=1e-3)
    assert energy_pj(program) == sum(op.energy_pj or 0 for op in run.operators)


def test_a_hub_does_not_wake_twice():
    made = prepared(scenario("pervasive", network("mlperf_tiny_kws", precision=None)), "qcs6490")
    soc = ss.platform("qcs6490")
    run = ss.run("mlperf_tiny_kws", soc, unit="sensing_hub")
    wake = soc.file.power_domains[soc.unit("sensing_hub").power].states[0].wake.value
    assert wake > 0
    assert made.programs.service_ps("app", 0, 0, 1, {}) == run.latency_ps - wake


def test_repeats_and_batches_multiply():
    once, thrice = (prepared(scenario("sustained", network(unit="npu", repeat=n))) for n in (1, 3))
    first, again = (p.programs.service_ps("app", 0, 0, 1, {}) for p in (once, thrice))
    assert again == 3 * first
    two = once.programs.service_ps("app", 0, 0, 2, {})
    assert first < two <= 2 * first


def test_repeats_of_a_network_on_two_units_follow_one_another():
    once, twice = (prepared(scenario("sustained", network("yolov8n", repeat=n)), "imx93") for n in (1, 2))
    one, two = (p.programs.program("app", 0, 0, 1, {}) for p in (once, twice))
    assert len(two.segments) == 2 * len(one.segments)
    assert length_ps(two) == 2 * length_ps(one)
    assert two.segments[len(one.segments)].after


def test_a_program_follows_its_own_clocks_alone_and_is_one_object():
    programs = prepared(scenario("sustained", network(unit="npu"))).programs
    fast = programs.program("app", 0, 0, 1, {"npu": "1000MHz", "cpu_big": "408MHz"})
    assert programs.program("app", 0, 0, 1, {"npu": "1000MHz", "gpu": "300MHz", "cpu_big": "408MHz"}) is fast
    assert length_ps(programs.program("app", 0, 0, 1, {"npu": "500MHz"})) > length_ps(fast)


@pytest.mark.parametrize(
    ("cost", "factor"), [({"cycles": 2_400_000}, 2), ({"time": "1 ms"}, 2), ({"time": "1 ms", "fixed": True}, 1)]
)
def test_work_of_a_stage_takes_longer_at_a_lower_clock_and_a_wait_does_not(cost, factor):
    step = {"name": "work", "kind": "stage", "unit": "cpu", **cost}
    programs = prepared(scenario("sustained", step)).programs
    fast, slow = (programs.service_ps("app", 0, 0, 1, {"cpu_big": point}) for point in ("2400MHz", "1200MHz"))
    assert (fast, slow) == (MS, factor * MS)


def test_the_time_of_a_stage_is_that_of_the_fastest_point_also_where_a_mode_allows_less():
    made = scenario("sustained", {"name": "work", "kind": "stage", "unit": "cpu", "time": "1 ms"})
    record = ss.simulate(made, "orin-agx", mode="15W").record
    taken_hz, fastest_hz = (
        soc.unit_hz("cpu") for soc in (ss.platform("orin-agx").in_mode("15W"), ss.platform("orin-agx"))
    )
    assert taken_hz < fastest_hz
    assert record.steps[0].alone_ps == ceil_div(MS * fastest_hz, taken_hz)


def test_a_stage_may_cost_something_else_on_another_unit():
    step = {"name": "work", "kind": "stage", "time": "9 ms", "by_unit": {"dsp": {"time": "2 ms"}}}
    on_dsp, on_cpu = (prepared(scenario("sustained", step | {"unit": u}), "qcs6490") for u in ("dsp", "cpu"))
    assert on_dsp.programs.service_ps("app", 0, 0, 1, {}) == 2 * MS
    assert on_cpu.programs.service_ps("app", 0, 0, 1, {}) == 9 * MS


def test_bytes_of_a_stage_take_the_time_of_its_port():
    soc = ss.platform("rk3588")
    step = {"name": "copy", "kind": "stage", "cycles": 1, "unit": "cpu", "reads": "100 MB"}
    taken = prepared(scenario("sustained", step)).programs.service_ps("app", 0, 0, 1, {})
    assert taken == pytest.approx(ceil_div(10**8 * PS_PER_S, soc.port_rates("cpu_big", "dram").read), rel=1e-3)


def test_accesses_wait_for_the_bursts_that_streams_of_the_unit_have_under_way():
    step = {"name": "chase", "kind": "stage", "cycles": 1, "unit": "cpu", "accesses": 1000}
    soc = ss.platform("rk3588")
    latency, port = soc.memories["dram"].latency_ps, soc.unit("cpu_big").port

    def per_access(background):
        made = prepared(scenario("sustained", step, background=background))
        return made.programs.service_ps("app", 0, 0, 1, {}) // 1000

    assert per_access({}) == latency
    assert per_access({"cpu": {"rate": "20 GB/s"}}) == latency
    assert per_access({"cpu": {"rate": "20 GB/s", "cores": 4}}) == 4 * port.under_way * PS_PER_S // (20 * 10**9)
    assert per_access({"gpu": {"rate": "20 GB/s", "cores": 1}}) == latency


def test_a_request_elsewhere_takes_the_link_twice_and_the_distance_once():
    step = {"name": "ask", "kind": "offload", "link": "net", "up": "40 kB", "down": "10 kB", "remote": "30 ms"}
    links = {"net": {"rate": "1 MB/s", "latency": "20 ms", "energy": "100 nJ/B", "wake": "1 mJ"}}
    made = prepared(scenario("on_demand", step, links=links))
    program = made.programs.program("app", 0, 0, 1, {})
    times = [sum(piece.fixed_ps for piece in segment.pieces) for segment in program.segments]
    assert [segment.server for segment in program.segments] == ["net", "net.remote", "net"]
    assert times == [40 * MS, 50 * MS, 10 * MS]
    assert energy_pj(program) == 50_000 * 100_000 + 10**9
    assert {s.name: s.cores for s in made.world.servers if s.unit.startswith("net")} == {"net": 1, "net.remote": 64}


# --- resumption ---------------------------------------------------------------------------------------


def jobs_of(name, platform, unit):
    soc = ss.platform(platform)
    graph = ss.load(name, precision="int8")
    made = prepare_graph(graph, soc, calibrated(soc, Options(unit=unit)))
    return made, [job for job in made.jobs("transaction") if job.unit == unit]


def test_a_processor_goes_on_at_once_and_a_unit_without_memory_of_its_own_is_submitted_again():
    cpu, cpu_jobs = jobs_of("mobilenet_v1", "rk3588", "cpu_big")
    npu, npu_jobs = jobs_of("mobilenet_v1", "rk3588", "npu")
    assert resume_ps(cpu, cpu_jobs) == 0
    assert resume_ps(npu, npu_jobs) == npu.plan.runtimes["npu"].submit.value


def test_activations_on_chip_are_saved_and_loaded():
    made, jobs = jobs_of("mobilenet_v1", "imx93", "npu")
    soc = ss.platform("imx93")
    submitted = made.plan.runtimes["npu"].submit.value
    inside = [m.bytes for name, m in soc.memories.items() if name in soc.unit("npu").activations and not m.is_external]
    port = soc.port_rates("npu", soc.outer_memory("npu"), 1)
    slowest = sum(ceil_div(max(inside) * PS_PER_S, rate) for rate in (port.read, port.write))
    assert submitted < resume_ps(made, jobs) <= submitted + 2 * slowest
    assert resume_ps(made, jobs[:1]) == 0


# --- what goes on beside ------------------------------------------------------------------------------


def test_governors_of_kinds_that_are_missing_are_left_out_of_scenarios_alone():
    made = scenario("sustained", network(), power={"governors": {"dsp": "schedutil", "npu": "powersave"}})
    soc = ss.platform("rk3588")
    assert power_settings(made, soc, SimulationOptions()).governors == {"npu": "powersave"}
    given = power_settings(made, soc, SimulationOptions.of(governor={"gpu": "powersave"})).governors
    assert given == {"npu": "powersave", "gpu": "powersave"}
    everywhere = power_settings(made, soc, SimulationOptions.of(governor="ondemand"))
    assert (everywhere.governors, everywhere.governor) == ({}, "ondemand")


def test_background_reads_are_streams_and_use_their_unit():
    made = prepared(scenario("sustained", network(), background={"gpu": {"rate": "2 GB/s"}, "dsp": {"rate": "1 GB/s"}}))
    assert made.world.streams == (("gpu", "dram", 2 * 10**9),)
    assert made.notes == ("background of 'dsp': rk3588 has no such unit; it is left out",)
    assert used_units(made, ss.platform("rk3588")) == ["gpu", "npu"]


def test_calibrations_are_those_of_runs_and_can_be_left_out():
    with_, without = (prepared(scenario("sustained", network()), calibration=c) for c in ("auto", "none"))
    assert (
        with_.decisions["app", 0].calibration
        == ss.run(ss.load("mobilenet_v1", precision="int8"), "rk3588").record.calibration
    )
    assert without.decisions["app", 0].calibration is None


def test_arrivals_of_a_file_stand_beside_the_scenario(tmp_path):
    (tmp_path / "a.csv").write_text("time\n1 ms\n4 ms\n", encoding="utf-8")
    values = scenario("sustained", network()).document.value
    values["applications"]["app"]["arrival"] = {"kind": "trace", "file": "a.csv"}
    made = prepare_world(ss.Scenario.of(values, tmp_path), ss.platform("rk3588"), SimulationOptions())
    assert made.world.applications[0].arrival.times_ps == (MS, 4 * MS)


def test_a_model_file_stands_beside_the_scenario(tmp_path):
    from socsim.workload.zoo import stored_file

    (tmp_path / "mine.tflite").write_bytes(stored_file("mlperf_tiny_kws").read_bytes())
    values = scenario("sustained", network("mine.tflite", precision=None)).document.value
    made = prepare_world(ss.Scenario.of(values, tmp_path), ss.platform("rk3588"), SimulationOptions())
    assert made.decisions["app", 0].what == "mine"


def test_tiles_are_borders_where_they_are_asked_for():
    plain, tiled = (prepared(scenario("sustained", network(unit="npu")), detail=d) for d in ("transaction", "tile"))
    pieces, tiles = (
        sum(len(piece.steps) for segment in p.programs.program("app", 0, 0, 1, {}).segments for piece in segment.pieces)
        for p in (plain, tiled)
    )
    assert tiles > pieces
