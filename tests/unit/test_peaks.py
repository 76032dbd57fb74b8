"""Peaks of a platform: what they are made of, and that the simulator delivers them."""

from __future__ import annotations

import pytest

import socsim as ss
from socsim.cost.peaks import peaks
from socsim.cost.work import Phase, Transfer
from socsim.engine.closed_form import analyse
from socsim.engine.fabric import Fabric
from socsim.engine.simulation import Job, simulate
from socsim.errors import PlatformError
from socsim.soc.loader import load_platform, platform_names

MEBIBYTE = 1 << 20


def streamed(platform, unit, memory, cores, read, write):
    """Return the bytes a second, both directions, of a phase that moves as much as is asked."""
    phase = Phase("stream", 0, (Transfer(memory, read, write),))
    job, fabric = Job(0, unit, platform.unit_hz(unit), 0, 0, (phase,), ()), Fabric(platform, {unit: cores})
    closed, simulated = (run([job], fabric).makespan_ps for run in (analyse, simulate))
    assert closed == simulated
    return (read + write) * 10**12 / simulated


@pytest.mark.parametrize("name", platform_names())
def test_the_simulator_delivers_the_bandwidths(name):
    soc = load_platform(name)
    for peak in peaks(soc):
        if peak.unit_of_value != "B/s":
            continue
        cores = peak.cores if soc.core_count(peak.unit) > 1 else 1
        read, write = {"read": (64, 0), "write": (0, 64), "copy": (64, 64)}[peak.quantity]
        moved = streamed(soc, peak.unit, peak.of, cores, read * MEBIBYTE, write * MEBIBYTE)
        assert moved == pytest.approx(peak.value * (2 if peak.quantity == "copy" else 1), rel=1e-3), peak


@pytest.mark.parametrize("name", platform_names())
def test_every_unit_has_rates_and_bandwidths_and_more_cores_have_more(name):
    soc = load_platform(name)
    rows = peaks(soc)
    for unit in soc.units:
        own = [p for p in rows if p.unit == unit]
        assert {"operations", "read", "copy", "latency"} <= {p.quantity for p in own}
        assert all(p.value > 0 for p in own)
        by_key = {}
        for p in own:
            by_key.setdefault((p.quantity, p.of, p.by), []).append((p.cores, p.value))
        assert all([v for _, v in sorted(found)] == sorted(v for _, v in found) for found in by_key.values())


def test_peaks_follow_the_operating_point():
    rows = {(r["unit"], r["cores"], r["of"], r["by"]): r["value"] for r in ss.peaks("rk3588", opp={"npu": "500MHz"})}
    assert rows["npu", 3, "int8", "array"] == 2 * 3 * 1024 * 500_000_000
    assert rows["cpu_big", 4, "float32", "neon FMLA"] == 2 * 4 * 8 * 2_400_000_000


def test_a_copy_has_a_window_of_its_own():
    soc = load_platform("rk3588")
    port = soc.port_rates("cpu_big", "dram")
    window = 64 * 10**12 // 132_000
    assert [port.read, port.write, port.together] == pytest.approx([n * window for n in (32, 60, 50)], rel=1e-6)
    assert port.occupied(0, 0) == 0
    assert port.occupied(100, 100) == 200
    assert port.occupied(port.read, 0) == port.together  # one second of reads takes as long as one of copies
    assert streamed(soc, "cpu_big", "dram", 1, 3 << 20, 1 << 20) < port.together


def test_a_port_without_a_window_for_copies_serves_both_directions_in_full():
    port = load_platform("rk3588").port_rates("gpu", "dram")
    assert port.together == pytest.approx(port.read + port.write, abs=2)


def test_a_window_for_copies_that_cannot_fill_is_refused():
    with pytest.raises(PlatformError, match=r"units\.cpu_big\.port\.together: found 65; .* write 64 at most"):
        load_platform("rk3588").with_({"units.cpu_big.port.together": 65})


def test_the_command_line_shows_them(capsys, monkeypatch):
    import json

    from socsim import cli

    for arguments in (["platforms", "show", "rk3588"], ["platforms", "show", "rk3588", "--json"]):
        monkeypatch.setattr("sys.argv", ["socsim", *arguments])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        assert not stop.value.code
        shown = capsys.readouterr().out
        if "--json" in arguments:
            row = {"unit": "cpu_big", "cores": 4, "quantity": "operations", "of": "int8", "by": "dotprod SDOT",
                   "value": 614_400_000_000, "unit_of_value": "OP/s"}  # fmt: skip
            assert row in json.loads(shown)["peaks"]
        else:
            line = next(line for line in shown.splitlines() if line.startswith("cpu_big") and "SDOT" in line)
            assert line.split() == [
                "cpu_big", "operations", "int8", "dotprod", "SDOT", "154", "GOP/s", "614", "GOP/s", "(4)",
            ]  # fmt: skip
