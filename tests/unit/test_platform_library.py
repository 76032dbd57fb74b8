"""The library of platforms: which chips it has, that each of their units runs, and that published peaks come out."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import pytest

import socsim as ss
from socsim.cost.arrays.engines import peak
from socsim.soc.loader import load_platform, platform_names
from socsim.soc.runtimes import measured_runtime
from socsim.soc.schema import CpuCluster, Gpu, Npu

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Chips that people ask about, measured here or not.
WANTED = [
    "orin-agx", "orin-nx", "orin-nano", "xavier", "thor-agx", "rk3588", "rk3576", "rk3568", "rk3562", "rk3399",
    "qcs6490", "qcs8550", "qcs8275", "qcs9075", "sm8350", "sm8550", "sm8650", "sm8750", "sm8850", "sm7750", "sa8775p",
    "sa8295p", "sc8380xp", "imx8mp", "imx93", "imx95", "bcm2711", "bcm2712", "rdk-x3", "rdk-x5", "journey-5",
    "journey-6p", "ascend-310", "ascend-910b", "mlu220", "mlu370", "genio-700", "genio-1200", "dimensity-9300",
    "a311d", "cix-p1", "jh7110", "spacemit-k1", "hailo-8", "hailo-8l", "hailo-10h", "hailo-15h", "sakura-ii",
    "stm32n657", "stm32h743", "stm32h7a3", "stm32u585ai", "stm32l4r5", "mcx-n947", "esp32-s3", "gap9", "ndp9120",
    "max78000", "apple-m1", "apple-m2", "apple-m3", "apple-m4", "cim-example",
]  # fmt: skip

# Of language models alone: another chip generation, whose networks are no workload here.
LANGUAGE_MODELS_ONLY = {"apple-m5-pro", "apple-m5-max"}
# Rows of a program that uses several units at once name no unit, and some submissions name no software.
UNNAMED = {"mixed", "unknown"}


def test_the_chips_that_people_ask_about_ship() -> None:
    assert set(WANTED) - set(platform_names()) == set()


def _measured(shared: Path) -> Iterator[tuple[str, str, str]]:
    """Yield platform, kind of unit and runtime of the measurements."""
    with (shared / "measurements" / "core.csv").open(encoding="utf-8", newline="") as file:
        yield from sorted({(row["platform"], row["unit"], row["runtime"]) for row in csv.DictReader(file)})


def test_every_measured_unit_and_its_software_are_described(shared: Path) -> None:
    missing = []
    for name, kind, software in _measured(shared):
        if name in LANGUAGE_MODELS_ONLY or kind in UNNAMED:
            continue
        if name not in platform_names():
            missing.append(name)
        elif kind not in {unit.kind for unit in load_platform(name).units.values()}:
            missing.append(f"{name} {kind}")
        elif software not in UNNAMED and measured_runtime(software, kind) is None:
            missing.append(f"{name} {kind} {software}")
    assert missing == []


@pytest.mark.parametrize("name", platform_names())
def test_every_unit_runs_a_small_network(name: str) -> None:
    soc, network = load_platform(name), ss.load("mlperf_tiny_ad")
    for unit, spec in soc.units.items():
        precision = "fp16" if isinstance(spec, Gpu) else None  # older ones do not multiply bytes
        result = ss.run(network, soc, unit=unit, precision=precision)
        assert unit in {operator.unit for operator in result.record.operators}
        assert 0 < result.latency_ps < 10**12


# Operations a second, two for each multiply-accumulate, that the maker or a micro-benchmark gives.
PUBLISHED = [
    ("hailo-8l", "npu", "int8", 13e12, 0.02),  # Raspberry Pi AI HAT+ documentation
    ("journey-5", "npu", "int8", 128e12, 0.03),  # developer.d-robotics.cc, Overview of Journey 5
    ("ascend-310", "npu", "int8", 22e12, 0.03),  # opencv/opencv_zoo benchmark/README.md
    ("ascend-310", "npu", "float16", 11e12, 0.03),  # half of it (hisilicon.com, Ascend 310: 16 TOPS and 8 TFLOPS)
    ("mlu370", "npu", "int8", 256e12, 0.03),  # guangxilong.com, MLU370-X8
    ("mlu370", "npu", "float16", 96e12, 0.03),
    ("mlu370", "npu", "int4", 512e12, 0.03),
    ("sakura-ii", "npu", "int8", 60e12, 0.02),  # Edgecortix-Inc/mera README
    ("sakura-ii", "npu", "bfloat16", 30e12, 0.02),
    ("imx95", "npu", "int8", 2e12, 0.03),  # emb-exp.com, NXP NPUs
    ("a311d", "npu", "int8", 5e12, 0.03),  # opencv/opencv_zoo benchmark/README.md
    ("dimensity-9300", "gpu", "float32", 4.0e12, 0.01),  # 12 cores of 128 multiply-adds at 1.3 GHz
    ("thor-agx", "gpu", "float32", 8.04e12, 0.01),  # 2560 lanes at 1.57 GHz
    ("rk3399", "gpu", "float32", 46e9, 0.12),  # measured (ysh329/OpenCL-101 issue 7)
    ("rk3399", "gpu", "float16", 94e9, 0.12),
    ("cix-p1", "cpu_little", "int8", 4 * 1.8e9 * 64, 0.01),  # cpufp: 64 int8 matrix operations a cycle
    ("gap9", "cpu", "int8", 8 * 370e6 * 8, 0.01),  # four products of bytes a cycle and core (Linley newsletter)
]


@pytest.mark.parametrize(("name", "unit", "dtype", "expected", "tolerance"), PUBLISHED)
def test_published_peaks_come_out(name: str, unit: str, dtype: str, expected: float, tolerance: float) -> None:
    soc = load_platform(name)
    match spec := soc.unit(unit):
        case Npu():
            rate = float(spec.cores * peak(spec, dtype))
        case Gpu():
            rate = spec.compute_units * spec.macs_per_cycle[dtype]
        case _:
            rows = [p for p in ss.peaks(name) if p["quantity"] == "operations"]
            found = max(p["value"] for p in rows if (p["unit"], p["of"]) == (unit, dtype))
            rate = found / 2 / soc.unit_hz(unit)
    assert 2 * rate * soc.unit_hz(unit) == pytest.approx(expected, rel=tolerance)


@pytest.mark.parametrize(
    ("core", "names"),
    [
        ("Cortex-M4", ["stm32l4r5", "psoc-62-mcu", "m467hjhan", "max78000"]),
        ("Cortex-M7", ["stm32h7a3", "stm32h743", "stm32f746"]),
        ("Cortex-M33", ["nrf5340", "r7fa6m4af3cfb", "stm32u585ai", "mcx-n947"]),
    ],
)
def test_microcontrollers_with_one_core_share_what_belongs_to_it(core: str, names: list[str]) -> None:
    clusters = [u for n in names for u in load_platform(n).units.values() if isinstance(u, CpuCluster)]
    assert {cluster.core for cluster in clusters} == {core}
    assert len({cluster.preset for cluster in clusters}) == 1
    assert len({tuple(sorted(cluster.macs_per_cycle.items())) for cluster in clusters}) == 1


@pytest.mark.parametrize(
    ("name", "kibibytes"),
    [("stm32l4r5", 640), ("stm32f746", 320), ("nrf5340", 512), ("stm32g0b1", 144), ("ndp9120", 304), ("gap9", 1536)],
)
def test_microcontrollers_have_the_memory_of_their_submissions(name: str, kibibytes: int) -> None:
    soc = load_platform(name)
    assert soc.memories["sram"].bytes == kibibytes * 1024
    assert {memory.kind for memory in soc.file.memories.values()} == {"sram", "flash"}


def test_a_microcontroller_at_its_lower_clock_takes_as_many_cycles() -> None:
    """Only the flash keeps its own time, and is far from binding."""
    network = ss.load("mlperf_tiny_ic")
    fast, slow = (ss.run(network, "stm32l4r5", opp={"core": name}) for name in ("120MHz", "70MHz"))
    assert slow.latency_ps / fast.latency_ps == pytest.approx(120 / 70, rel=0.02)
