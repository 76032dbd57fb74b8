"""The scenarios that ship, each on several platforms: is what they say possible, and do cascades go as described?"""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache

import pytest

import socsim as ss
from socsim.simulation.options import SimulationOptions
from socsim.simulation.run import run_scenario
from socsim.testing.verify_world import verify_world

PLATFORMS = {
    "adas_two_cameras": ("rk3588", "sa8775p", "orin-agx"),
    "battery_sensor_node": ("qcs6490", "stm32n657", "ethos-u55-128", "max78000"),
    "inspection_line": ("imx8mp", "rk3588", "orin-nano"),
    "phone_assistant": ("sm8650", "qcs6490", "rk3588"),
    "robot": ("rk3588", "qcs6490", "orin-nano"),
    "smart_speaker": ("qcs6490", "imx93", "rk3588"),
}
PAIRS = [(name, platform) for name, platforms in PLATFORMS.items() for platform in platforms]
BRIEF = {"smart_speaker": "8 s", "phone_assistant": "2 s"}


@cache
def run(name, platform):
    """Return a brief traced run, in which something is asked for soon and answered in two words."""
    scenario = ss.scenario(name)
    if name == "smart_speaker":
        reply = "applications.reply.steps"
        changes = {f"{reply}.words.repeat": 2, f"{reply}.choose.repeat": 2}
        scenario = scenario.with_({"applications.speech.arrival.probability": 0.05, **changes})
    if name == "phone_assistant":
        assistant = "applications.assistant"
        changes = {f"{assistant}.steps.words.repeat": 2, f"{assistant}.steps.choose.repeat": 2}
        scenario = scenario.with_({f"{assistant}.arrival.gap": "800 ms", **changes})
    options = SimulationOptions(duration=BRIEF.get(name, "1 s"), is_traced=True)
    return run_scenario(scenario, ss.platform(platform), options)


def test_all_that_ship_are_here():
    assert set(PLATFORMS) == set(ss.scenarios())


@pytest.mark.slow
@pytest.mark.parametrize(("name", "platform"), PAIRS)
def test_a_scenario_is_possible_and_its_books_balance(name, platform):
    made = run(name, platform)
    assert verify_world(made.outcome, made.prepared.world) == []
    record = made.record()
    assert all(a.completed for a in record.applications if a.arrival.startswith("every"))
    assert sum(a.energy_pj for a in record.applications) == record.dynamic_pj
    assert ss.Simulation.from_json(ss.Simulation(record).to_json(include_timeline=True)).record == record


@pytest.mark.slow
@pytest.mark.parametrize(("name", "platform"), PAIRS)
def test_each_step_says_where_it_runs_and_why(name, platform):
    record = run(name, platform).record()
    assert all(step.reason and step.places and step.alone_ps > 0 for step in record.steps)
    units = set(ss.platform(platform).units)
    links = set(ss.scenario(name).file.links)
    servers = {server.name: server.unit for server in record.servers}
    assert {servers[place].split(".")[0] for step in record.steps for place in step.places} <= units | links


@pytest.mark.slow
@pytest.mark.parametrize("platform", PLATFORMS["smart_speaker"])
def test_the_speaker_wakes_recognises_and_replies_in_turn(platform):
    made = run("smart_speaker", platform)
    ends = {a.name: [x for x in made.outcome.activations if x.application == a.name] for a in made.outcome.served}
    assert ends["speech"]
    delay = 1_500_000_000_000
    heard = {x.end_ps for x in ends["wake_word"]}
    assert all(x.release_ps - delay in heard for x in ends["speech"])
    recognised = [x.end_ps for x in ends["speech"]]
    assert ends["reply"] or ends["service"]
    assert all(x.release_ps in recognised for x in (*ends["reply"], *ends["service"]))


def test_a_wake_word_stays_on_the_hub_and_its_followers_do_not():
    steps = {(s.application, s.step): s for s in run("battery_sensor_node", "qcs6490").record().steps}
    assert steps["listen", "spot"].places == ("sensing_hub",)
    assert steps["listen", "spot"].reason == "pervasive: fits the sensing hub, so that the rest can sleep"
    assert steps["confirm", "wake"].places == ("cpu_big",)


def test_a_control_loop_on_a_core_of_its_own_is_not_disturbed():
    """On two cores: beside localisation and mapping on one, or in turn with them on both."""
    apart = ss.scenario("robot")
    together = apart.with_({"servers.realtime": {"unit": "cpu"}})
    own = ss.simulate(apart, "imx93", duration="1 s").record
    shared = ss.simulate(together, "imx93", duration="1 s", policy="fifo").record
    missed = [next(a.missed for a in r.applications if a.name == "control") for r in (own, shared)]
    assert missed[0] == 0
    assert missed[1] > 0
    assert {s.name: s.cores for s in own.servers if s.unit == "cpu"} == {"cpu": 1, "realtime": 1}


def one_unit(policy):
    """Return a simulation of a short and a long stage on one core, with the short one urgent."""

    def application(period, time, priority):
        return {
            "class": "sustained", "priority": priority, "deadline": period,
            "arrival": {"kind": "periodic", "period": period},
            "steps": [{"name": "work", "kind": "stage", "time": time, "server": "core"}],
        }  # fmt: skip

    values = {
        "schema": "socsim.scenario/1", "name": "two", "title": "two on one core", "duration": "1 s",
        "applications": {"long": application("40 ms", "24 ms", 0), "short": application("10 ms", "3 ms", 5)},
        "servers": {"core": {"unit": "cpu", "cores": 1}}, "power": {"idle": "never"},
    }  # fmt: skip
    return ss.simulate(values, "rk3588", policy=policy)


def test_policies_differ_as_they_should():
    """Utilisation 0.9: first come first served makes the short one wait, preemption does not; EDF meets all."""
    results = {policy: one_unit(policy) for policy in ("fifo", "priority", "edf")}
    missed = {p: {a.name: a.missed for a in r.record.applications} for p, r in results.items()}
    assert missed["fifo"]["short"] > 0
    assert missed["priority"]["short"] == 0
    assert missed["edf"] == {"long": 0, "short": 0}
    assert "priority" in str(ss.compare(*results.values()))


@pytest.mark.slow
def test_fresh_processes_leave_the_same_bytes():
    code = (
        "import hashlib, socsim as ss; r = ss.simulate('robot', 'rk3588', duration='200 ms', trace=True); "
        "print(hashlib.sha256(r.to_json(include_timeline=True).encode()).hexdigest(), hash('x'))"
    )
    lines = []
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
        lines.append(made.stdout.split())
    assert lines[0][1] != lines[1][1]
    assert lines[0][0] == lines[1][0]


def test_another_seed_is_another_course():
    first, second = (ss.simulate("robot", "rk3588", duration="200 ms", seed=seed).record for seed in (1, 2))
    assert first.seed == 1
    assert [a.latency for a in first.applications] != [a.latency for a in second.applications]


@pytest.mark.parametrize("platform", ["qcs6490", "stm32n657", "ethos-u55-128"])
def test_a_sensor_node_reports_current_life_and_wake_up_with_the_origin_of_its_numbers(platform):
    record = ss.simulate("battery_sensor_node", platform, duration="600 s").record
    battery, held_j = record.battery, 1.5 * 3 * 3600
    assert battery.life_s == pytest.approx(held_j * 0.85 / (record.average_power_nw / 1e9), rel=1e-3)
    assert battery.average_current_na == pytest.approx(record.average_power_nw / 0.85 / 3, rel=1e-3)
    listen, confirm, _ = record.applications
    alone = sum(step.alone_ps for step in record.steps if step.application == "listen")
    assert confirm.completed
    assert any(server.waking_ps for server in record.servers)
    assert listen.latency.p50_ps > alone  # by the wake-up
    numbers = ss.scenario("battery_sensor_node").provenance
    named = "\n".join(record.assumed)
    assert all(row.source or f"scenario {row.path} = " in named for row in numbers)
    assert "platform power_domains." in named
    assert record.skipped_ps > record.duration_ps // 2
