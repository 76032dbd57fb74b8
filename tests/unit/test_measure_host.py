"""The machine as a platform: what Linux tells of several machines, and the files that come of it."""

from __future__ import annotations

import platform as this
from typing import TYPE_CHECKING

import pytest

import socsim as ss
from socsim.errors import PlatformError
from socsim.measuring.clocks import clocks_mhz
from socsim.measuring.cores import ARM_PRESETS, RISCV_PRESETS, X86, X86_SETS
from socsim.measuring.cycles import counted_mhz
from socsim.measuring.host import EFFICIENCY, board, read_host
from socsim.measuring.host_platform import host_platform
from socsim.measuring.names import platform_name
from socsim.measuring.streaming import Rates, streaming_rates
from socsim.soc.instruction_sets import MULTIPLIES
from socsim.soc.library import preset_names
from socsim.soc.loader import load_platform
from socsim.soc.provenance import provenance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

AVX512 = "fpu sse2 avx2 avx512f avx512bw avx512_vnni avx512_bf16"
RATES = Rates(read=20e9, write=15e9, copy=24e9, read_all=33e9)


@pytest.fixture
def machine(tmp_path) -> Callable[..., Path]:
    """Write `proc` and `sys` of a machine, and return the folder that they lie in."""

    def make(
        processors: Iterable[Mapping[str, str]], files: Mapping[str, str] | None = None, memory_kb: int = 8_000_000
    ) -> Path:
        blocks = ["\n".join(f"{k}\t: {v}" for k, v in {"processor": i, **p}.items()) for i, p in enumerate(processors)]
        everything = {
            "proc/cpuinfo": "\n\n".join(blocks) + "\n",
            "proc/meminfo": f"MemTotal:  {memory_kb} kB\n",
            **(files or {}),
        }
        for name, text in everything.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return tmp_path

    return make


def cpu(number: int, **files: str) -> dict[str, str]:
    return {f"sys/devices/system/cpu/cpu{number}/{name.replace('__', '/')}": text for name, text in files.items()}


def caches(number: int, *levels: tuple[int, str, str, str]) -> dict[str, str]:
    base = f"sys/devices/system/cpu/cpu{number}/cache/index"
    made = {}
    for index, (level, kind, size, shared) in enumerate(levels):
        made |= {f"{base}{index}/level": str(level), f"{base}{index}/type": kind}
        made |= {f"{base}{index}/size": size, f"{base}{index}/shared_cpu_list": shared}
    return made


def arm(part: str, features: str = "fp asimd fphp asimdhp asimddp") -> dict[str, str]:
    return {"Features": features, "CPU implementer": "0x41", "CPU part": part}


def x86(
    model: int, *, family: int = 6, vendor: str = "GenuineIntel", flags: str = AVX512, **more: str
) -> dict[str, str]:
    fields = {"vendor_id": vendor, "cpu family": str(family), "model": str(model), "flags": flags}
    return {**fields, "model name": "A processor", **more}


def described(root: Path, tmp_path: Path, **options) -> ss.Platform:
    """Return the platform of a machine, after checks that hold for all."""
    path = tmp_path / "mine.yaml"
    path.write_text(host_platform(read_host(root, **options), "mine", RATES), encoding="utf-8")
    platform = load_platform(path)
    assert [row.path for row in provenance(platform) if row.assumed == "no source given"] == []
    for unit in platform.units:
        assert ss.run("mlperf_tiny_ic", platform, unit=unit).latency_ps > 0
    return platform


# --- machines -----------------------------------------------------------------------------------------


def test_a_board_with_cores_of_one_kind(machine, tmp_path) -> None:
    files = {"proc/device-tree/model": "Raspberry Pi 5 Model B\0"}
    for n in range(4):
        files |= cpu(n, cpufreq__scaling_available_frequencies="1500000 1600000 2400000")
        files |= caches(
            n, (1, "Data", "64K", str(n)), (1, "Instruction", "64K", str(n)), (2, "Unified", "512K", str(n))
        )
    root = machine([arm("0xd0b")] * 4, files)
    soc = described(root, tmp_path)
    unit = soc.unit("cpu")
    assert (unit.preset, unit.cores, unit.cluster, unit.isa) == ("cortex-a76", 4, "all", ["neon", "fp16", "dotprod"])
    assert [str(p.clock) for p in soc.file.clocks["cpu"].opps] == ["1.5 GHz", "1.6 GHz", "2.4 GHz"]
    assert [(c.level, str(c.size), c.scope) for c in unit.caches] == [
        ("L1", "64 KiB", "core"),
        ("L2", "512 KiB", "core"),
    ]
    assert soc.file.title == board(root) == "Raspberry Pi 5 Model B"


def test_clusters_of_big_and_little_cores(machine, tmp_path) -> None:
    files = {}
    for n, (low, high) in enumerate([(408000, 1800000)] * 4 + [(408000, 2256000)] * 4):
        files |= cpu(n, cpufreq__cpuinfo_min_freq=str(low), cpufreq__cpuinfo_max_freq=str(high))
        files |= caches(n, (1, "Data", "32K", str(n)), (3, "Unified", "3072K", "0-7"))
    soc = described(machine([arm("0xd05")] * 4 + [arm("0xd0b")] * 4, files), tmp_path)
    assert list(soc.units) == ["cpu_big", "cpu_little"]
    assert [(soc.unit(u).preset, soc.unit(u).cores) for u in soc.units] == [("cortex-a76", 4), ("cortex-a55", 4)]
    assert soc.unit_hz("cpu_little") == 1_800_000_000
    assert [c.scope for c in soc.unit("cpu_big").caches] == ["core", "cluster"]


def test_threads_of_one_core_count_once(machine, tmp_path) -> None:
    files = {}
    for n in range(4):
        siblings = "0,2" if n % 2 == 0 else "1,3"
        files |= cpu(n, topology__thread_siblings_list=siblings, cpufreq__cpuinfo_min_freq="800000")
        files |= cpu(n, cpufreq__cpuinfo_max_freq="4700000") | caches(n, (2, "Unified", "1M", siblings))
    soc = described(machine([x86(0x8F)] * 4, files), tmp_path)
    unit = soc.unit("cpu")
    assert (unit.core, unit.cores, unit.caches[0].scope) == ("Golden Cove", 2, "core")
    assert str(unit.vector) == "128 B/cycle"  # with AVX-512


def test_efficiency_cores_of_a_hybrid_chip(machine, tmp_path) -> None:
    files = {"sys/devices/cpu_atom/cpus": "2-5"}
    for n in range(6):
        files |= cpu(n, cpufreq__cpuinfo_min_freq="400000")
        files |= cpu(n, cpufreq__cpuinfo_max_freq="4600000" if n < 2 else "3400000")
    root = machine([x86(0xBA, flags="avx2 avx_vnni")] * 6, files)
    assert [c.fields.get("core type") for c in read_host(root).clusters] == [None, EFFICIENCY]
    soc = described(root, tmp_path)
    assert [(soc.unit(u).core, soc.unit(u).cores) for u in soc.units] == [("Golden Cove", 2), ("Gracemont", 4)]
    assert str(soc.unit("cpu_little").multiply) == "16 B/cycle"


def test_a_virtual_machine_whose_clock_is_counted(machine, tmp_path) -> None:
    fields = x86(17, family=25, vendor="AuthenticAMD", flags=f"{AVX512} hypervisor", **{"cpu MHz": "2596.138"})
    root = machine([fields] * 2)
    counted = described(root, tmp_path, counted=3632.7)
    assert counted.unit("cpu").core == "Zen 4"
    assert counted.unit_hz("cpu") == 3_633_000_000
    assert "one cycle each; /proc/cpuinfo tells 2596.138 MHz" in counted.file.sources["clocks.cpu"]
    told = described(root, tmp_path)
    assert told.unit_hz("cpu") == 2_596_000_000
    assert "a hypervisor may run the cores at another clock" in told.file.sources["clocks.cpu"]


def test_a_machine_of_which_little_is_known(machine, tmp_path) -> None:
    soc = described(machine([x86(1, vendor="Nobody", flags="fpu")], memory_kb=1), tmp_path)
    unit = soc.unit("cpu")
    assert (unit.core, unit.isa, [c.level for c in unit.caches]) == ("x86-64", ["avx2"], ["L1"])
    for path in ("clocks.cpu", "units.cpu.vector", "units.cpu.caches"):
        assert path in soc.file.assumed
    assert "units.cpu.caches.L1.size" not in soc.file.sources


def test_an_unknown_arm_core_and_a_risc_v_one(machine, tmp_path) -> None:
    assert described(machine([arm("0xfff", "fp asimd")]), tmp_path).unit("cpu").isa == ["neon"]
    assert (
        described(machine([{"uarch": "sifive,u74-mc", "isa": "rv64imafdc"}]), tmp_path).unit("cpu").preset
        == "sifive-u74"
    )


def test_a_system_that_does_not_describe_itself_is_refused(tmp_path) -> None:
    with pytest.raises(PlatformError, match=r"/proc/cpuinfo lists no processors, as Linux does; write a platform file"):
        read_host(tmp_path)


# --- memory -------------------------------------------------------------------------------------------


def test_the_measured_rates_come_out_of_the_platform(machine, tmp_path) -> None:
    soc = described(machine([x86(0x8F, **{"cpu MHz": "3000"})] * 8), tmp_path)
    port = soc.unit("cpu").port
    assert [port.outstanding, port.writes, port.together] == [31, 23, 38]  # lines of 64 B in 100 ns
    dram = soc.file.memories["dram"]
    assert dram.channels * dram.efficiency * 4.8e9 * 8 == pytest.approx(33e9, rel=0.01)


def test_channels_are_as_many_as_the_rate_needs(machine) -> None:
    host = read_host(machine([x86(0x8F)] * 8))
    text = host_platform(host, "mine", Rates(20e9, 20e9, 20e9, 200e9))
    assert "channels: 6\n" in text  # 230 GB/s


def test_without_measuring_all_of_memory_is_assumed(machine) -> None:
    text = host_platform(read_host(machine([x86(0x8F)])), "mine")
    assert "measured:" not in text
    assert 'memories.dram.efficiency: "four fifths of the pin rate; not measured"' in text


def test_streaming_moves_what_it_says() -> None:
    found = streaming_rates(2, array_bytes=2**22)
    assert all(1e8 < rate < 1e13 for rate in (found.read, found.write, found.copy, found.read_all))


# --- clocks and names ---------------------------------------------------------------------------------


def test_clocks_are_read_where_the_system_governs_them(machine) -> None:
    files = cpu(0, cpufreq__scaling_cur_freq="1800000\n") | cpu(10, cpufreq__scaling_cur_freq="2400000\n")
    assert clocks_mhz(machine([arm("0xd0b")], files)) == {"cpu0": 1800.0, "cpu10": 2400.0}


def test_clocks_are_read_from_cpuinfo_elsewhere(machine, tmp_path) -> None:
    assert clocks_mhz(machine([{"cpu MHz": "2596.138"}] * 2)) == {"cpu0": 2596.138, "cpu1": 2596.138}
    assert clocks_mhz(tmp_path / "nothing") == {}


@pytest.mark.skipif(this.machine() != "x86_64" or this.system() != "Linux", reason="counts on x86-64 with Linux alone")
def test_a_counted_clock_is_steady() -> None:
    """The shortest of many tries of 30 us: other work on the core does not matter."""
    first, again = counted_mhz(), counted_mhz()
    assert first is None or (500 < first < 8000 and again == pytest.approx(first, rel=0.2))


def test_a_machine_has_a_name_that_a_platform_may_have(monkeypatch) -> None:
    for own, made in (("My_Box.local", "my_box.local"), ("Büro PC", "b-ro-pc"), ("---", "host"), ("", "host")):
        monkeypatch.setattr("socket.gethostname", lambda own=own: own)
        assert platform_name(None) == made


# --- the table of cores -------------------------------------------------------------------------------


def test_presets_and_instruction_sets_exist() -> None:
    assert {*ARM_PRESETS.values(), *RISCV_PRESETS.values()} <= set(preset_names())
    assert set(X86_SETS.values()) <= {row.isa for row in MULTIPLIES}


def test_every_width_has_a_source_or_a_reason() -> None:
    cores = {core.name: core for models in X86.values() for core in models.values()}.values()
    assert len(cores) >= 10
    assert [core.name for core in cores if bool(core.source) == bool(core.note)] == []


@pytest.mark.parametrize(
    ("vendor", "family", "model", "name"),
    [
        ("AuthenticAMD", 0x17, 0x71, "Zen 2"),
        ("AuthenticAMD", 0x19, 0x21, "Zen 3"),
        ("AuthenticAMD", 0x19, 0x11, "Zen 4"),
        ("AuthenticAMD", 0x19, 0x61, "Zen 4"),
        ("AuthenticAMD", 0x1A, 0x44, "Zen 5"),
        ("GenuineIntel", 6, 0x55, "Skylake server"),
        ("GenuineIntel", 6, 0x9E, "Skylake"),
        ("GenuineIntel", 6, 0x6A, "Sunny Cove server"),
        ("GenuineIntel", 6, 0x97, "Golden Cove"),
    ],
)
def test_known_processors(vendor, family, model, name) -> None:
    assert X86[vendor, family][model].name == name
