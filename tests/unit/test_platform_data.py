"""The platform data that ships: complete, sourced, and equal to what public figures say."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import pytest

import socsim as ss
from socsim.cost.arrays.engines import peak
from socsim.cost.models import core_rates
from socsim.data_files import data_folder
from socsim.soc.loader import load_platform, platform_names
from socsim.soc.paths import canonical
from socsim.soc.provenance import provenance
from socsim.soc.runtimes import measured_runtime, runtime, runtime_names
from socsim.soc.schema import CpuCluster, Dram, Dsp, Gpu, Npu, SensingHub
from socsim.soc.technology import TechnologyFile, technology
from socsim.soc.validation import validate
from socsim.soc.yaml_reader import read_yaml
from socsim.workload.dtypes import DType
from socsim.workload.operators import OPERATORS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from socsim.soc.platform import Platform
    from socsim.soc.schema import AnyUnit

PLATFORMS = platform_names()
RUNTIMES = runtime_names()
TYPES = {t.value for t in DType}
PROFILES = {"tflite", "tflm", "xnnpack", "onnx", "ruy"}


def rates(spec: AnyUnit) -> dict[str, float]:
    """Return multiply-accumulates a cycle of all cores by type."""
    match spec:
        case Npu():
            return {name: float(spec.cores * peak(spec, name)) for name in spec.precisions}
        case Gpu():
            lanes = {**spec.macs_per_cycle, **spec.matrix_macs_per_cycle}
            return {name: rate * spec.compute_units for name, rate in lanes.items()}
        case CpuCluster():
            return {name: float(rate * spec.cores) for name, rate in core_rates(spec).items()}
        case Dsp():
            return {name: rate * spec.threads for name, rate in spec.macs_per_cycle.items()}
        case SensingHub():
            return dict(spec.macs_per_cycle.items())


def peak_ops(platform: Platform, unit: str, dtype: str) -> float:
    """Return operations a second, two for each multiply-accumulate."""
    return 2 * rates(platform.unit(unit))[dtype] * platform.unit_hz(unit)


# --- every number is accounted for --------------------------------------------------------------------


def test_the_described_socs_ship() -> None:
    assert {"rk3588", "imx93", "qcs6490", "orin-nano", "bcm2711", "stm32n657"} <= set(PLATFORMS)


@pytest.mark.parametrize("name", PLATFORMS)
def test_every_number_has_a_source_or_a_reason(name: str) -> None:
    rows = provenance(load_platform(name))
    assert len(rows) > 20
    assert [r.path for r in rows if r.assumed == "no source given"] == []
    assert [r.path for r in rows if len((r.source or r.assumed or "").strip()) < 8] == []


@pytest.mark.parametrize("name", PLATFORMS)
def test_every_source_belongs_to_a_number(name: str) -> None:
    platform = load_platform(name)
    paths = [r.path for r in provenance(platform)]
    dead = [
        key
        for table in (platform.file.sources, platform.file.assumed)
        for key in (canonical(platform.document.value, path) for path in table)
        if not any(path == key or path.startswith(f"{key}.") for path in paths)
    ]
    assert dead == []


@pytest.mark.parametrize("name", RUNTIMES)
def test_every_cost_of_a_runtime_has_a_source_or_a_reason(name: str) -> None:
    stack = runtime(name)
    accounted = {*stack.sources, *stack.assumed}
    wanted = {"supports", "submit", "per_operator"}
    wanted |= {"handover"} if stack.handover.value else set()
    wanted |= {"efficiency"} if stack.efficiency else set()
    wanted |= {name for name in ("joined_channels", "conversion", "threads") if getattr(stack, name)}
    wanted |= {f"kernels.{name}" for name in stack.kernels.model_fields_set}
    assert wanted - accounted == set()


def test_the_technology_table_accounts_for_its_energies() -> None:
    file = validate(TechnologyFile, read_yaml(data_folder("platforms") / "technology.yaml"))
    accounted = {*file.sources, *file.assumed}
    energies = {f"base.mac.{t}" for t in file.base.mac}
    energies |= {f"base.{name}" for name in ("vector_op", "instruction", "local_byte", "sram_byte", "link_byte")}
    assert energies - accounted == set()
    assert "scaling" in accounted


def test_every_preset_is_used() -> None:
    presets = {p.stem for p in (data_folder("platforms") / "presets").glob("*.yaml")}
    used = set()
    for name in PLATFORMS:
        file = load_platform(name).file
        used |= {part.preset for part in (*file.units.values(), *file.memories.values()) if part.preset}
    assert used == presets


# --- platforms are whole ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PLATFORMS)
def test_operating_points_rise_in_clock_and_never_fall_in_voltage(name: str) -> None:
    for clock in load_platform(name).file.clocks.values():
        hertz = [p.clock.value for p in clock.opps]
        volts = [p.voltage.value for p in clock.opps if p.voltage]
        assert hertz == sorted(set(hertz))
        assert volts == sorted(volts)
        assert len(volts) in {0, len(hertz)}


@pytest.mark.parametrize("name", PLATFORMS)
def test_every_unit_reaches_its_memories(name: str) -> None:
    platform = load_platform(name)
    for unit, spec in platform.units.items():
        for memory in {*spec.activations, *spec.weights}:
            assert platform.path(unit, memory)
            assert platform.port_bytes_per_s(unit, memory) > 0


@pytest.mark.parametrize("name", PLATFORMS)
def test_a_network_runs_on_every_unit(name: str) -> None:
    """In int8, or in half floats on the few units that multiply floats alone."""
    net, platform = ss.load("mlperf_tiny_ic"), load_platform(name)
    for unit, spec in platform.units.items():
        if isinstance(spec, SensingHub):  # its memory holds small networks alone
            continue
        stack = platform.runtime(unit)
        runs_int8 = stack.executes.get("int8") in rates(spec)
        run = ss.run(net, platform, unit=unit, precision="int8" if runs_int8 else "float16")
        assert run.latency_ps > 0
        macs = {op.unit for op in run.record.operators if op.macs}
        assert unit in macs


@pytest.mark.parametrize("name", PLATFORMS)
def test_accelerators_fall_back_to_a_cpu(name: str) -> None:
    platform = load_platform(name)
    for spec in platform.units.values():
        kinds = [platform.unit(other).kind for other in spec.fallback]
        assert kinds == [] if isinstance(spec, CpuCluster | SensingHub) else "cpu" in kinds


@pytest.mark.parametrize("name", PLATFORMS)
def test_every_unit_says_of_which_design_it_is(name: str) -> None:
    assert [unit for unit, spec in load_platform(name).units.items() if spec.ip is None] == []


def test_units_of_one_core_are_of_one_design() -> None:
    clusters = [u for name in PLATFORMS for u in load_platform(name).units.values() if isinstance(u, CpuCluster)]
    paths = {unit.core: {other.ip for other in clusters if other.core == unit.core} for unit in clusters}
    assert [core for core, found in paths.items() if len(found) > 1] == []


@pytest.mark.parametrize("name", PLATFORMS)
def test_unsigned_bytes_multiply_as_fast_as_signed_ones(name: str) -> None:
    for spec in load_platform(name).units.values():
        for table in (getattr(spec, "matrix_macs_per_cycle", {}), core_rates(spec)):
            assert table.get("uint8") == table.get("int8")


@pytest.mark.parametrize("name", PLATFORMS)
def test_convolutions_run_in_types_that_the_unit_multiplies(name: str) -> None:
    platform = load_platform(name)
    for unit, spec in platform.units.items():
        stack = platform.runtime(unit)
        graph_types = [t for t in ("int8", "uint8", "float16", "float32") if t in stack.executes]
        runs = {stack.executes[t] for t in graph_types if stack.supports_operator("CONV_2D", stack.executes[t])}
        assert runs & set(rates(spec))
        if isinstance(spec, CpuCluster):  # the last resort: of other units, placement leaves out what they lack
            assert runs - set(rates(spec)) == set()


def _reversed(value: Any) -> Any:
    """Return the value with the keys of every mapping in reverse."""
    if isinstance(value, dict):
        return {key: _reversed(inner) for key, inner in reversed(value.items())}
    return [_reversed(inner) for inner in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", PLATFORMS)
def test_the_order_of_keys_does_not_matter(name: str, tmp_path: Path) -> None:
    value = read_yaml(data_folder("platforms") / f"{name}.yaml").value
    turned = tmp_path / "turned.yaml"
    turned.write_text(json.dumps(_reversed(value)), encoding="utf-8")
    first, second = load_platform(name), load_platform(turned)
    assert list(second.units) != list(first.units) or len(first.units) == 1 or "based_on" in value
    assert second.file == first.file
    assert dict(second.memories) == dict(first.memories)
    assert {r.path: r for r in provenance(second)} == {r.path: r for r in provenance(first)}
    for unit, spec in first.units.items():
        for memory in spec.activations:
            assert second.path(unit, memory) == first.path(unit, memory)


# --- runtimes speak the vocabulary --------------------------------------------------------------------


@pytest.mark.parametrize("name", RUNTIMES)
def test_runtimes_name_known_operators_and_types(name: str) -> None:
    stack = runtime(name)
    named = [op for group in stack.supports for op in (*group.operators, *group.excluded) if op != "*"]
    assert [op for op in named if op not in OPERATORS] == []
    types = {*stack.executes, *stack.executes.values()} | {t for g in stack.supports for t in g.types if t != "*"}
    assert types - TYPES == set()
    assert stack.numerics in PROFILES
    assert stack.name == name


def test_a_measurement_name_means_one_runtime_on_a_kind_of_unit() -> None:
    stacks = [runtime(name) for name in RUNTIMES]
    names = [(kind, label) for stack in stacks for kind in stack.kinds for label in stack.measurement_names]
    assert sorted(names) == sorted(set(names))
    assert measured_runtime("llama.cpp", "cpu") == "llama-cpp"
    assert measured_runtime("llama.cpp", "gpu") == "llama-cpp-gpu"
    assert measured_runtime("litert", "cpu") == "tflite-xnnpack"
    assert measured_runtime("litert", "npu") is None
    assert measured_runtime("qualcomm-ai-stack", "sensing_hub") == "qsh"


def test_cpu_runtimes_leave_only_custom_operators() -> None:
    cpu = [runtime(name) for name in RUNTIMES if "cpu" in runtime(name).kinds]
    assert len(cpu) >= 3
    for stack in cpu:
        refused = [op for op in OPERATORS if not stack.supports_operator(op, "int8")]
        assert refused == ["CUSTOM"]
        assert {"int8", "uint8", "int16", "float32", "bool"} <= set(stack.executes)


@pytest.mark.parametrize("name", ["tflite-ethosu", "st-neural-art", "qnn-hvx", "qsh"])
def test_integer_only_runtimes_refuse_float(name: str) -> None:
    stack = runtime(name)
    assert "float32" not in stack.executes
    assert not stack.supports_operator("CONV_2D", "float32")
    assert stack.supports_operator("CONV_2D", "int8")


@pytest.mark.parametrize(
    ("name", "operator", "dtype"),
    [
        ("rknn", "GATHER", "int8"),
        ("rknn", "NON_MAX_SUPPRESSION", "float16"),
        ("tflite-ethosu", "TRANSPOSE", "int8"),
        ("tflite-ethosu", "HARD_SWISH", "int16"),
        ("st-neural-art", "SOFTMAX", "int8"),
        ("tflite-gpu", "TOPK", "float16"),
    ],
)
def test_what_vendors_leave_to_the_cpu(name: str, operator: str, dtype: str) -> None:
    assert not runtime(name).supports_operator(operator, dtype)


# --- public figures, recomputed -----------------------------------------------------------------------

PEAKS = [
    # platform, unit, type, operations a second that a data sheet or micro-benchmark gives, tolerance
    ("rk3588", "npu", "int8", 6e12, 0.03),
    ("rk3588", "npu", "int4", 12e12, 0.03),
    ("rk3588", "cpu_big", "int8", 602e9, 0.03),
    ("rk3588", "cpu_big", "float32", 149.8e9, 0.03),
    ("rk3588", "cpu_little", "int8", 233e9, 0.03),
    ("rk3588", "cpu_little", "float16", 116.5e9, 0.03),
    ("rk3588", "gpu", "float32", 512e9, 0.001),
    ("rk3588", "gpu", "float16", 1024e9, 0.001),
    ("imx93", "npu", "int8", 0.5e12, 0.03),
    ("bcm2711", "cpu", "float32", 47.9e9, 0.01),
    ("orin-nano", "gpu", "int8", 20e12, 0.03),
    ("orin-nano", "gpu", "bfloat16", 10.2e12, 0.01),
    ("orin-nano-super", "gpu", "int8", 33.5e12, 0.01),
    ("stm32n657", "npu", "int8", 600e9, 0.05),
    ("qcs6490", "npu", "int8", 12e12, 0.01),
    ("qcs6490", "gpu", "float32", 807e9, 0.04),
    ("qcs6490", "gpu", "float16", 1535e9, 0.09),
    ("rk3568", "npu", "int8", 830e9, 0.01),  # 1 TOPS at the nominal clock, which its ring oscillator does not reach
    ("rk3576", "npu", "int8", 6e12, 0.03),
    ("bcm2712", "cpu", "int8", 614e9, 0.01),
    ("orin-agx", "gpu", "int8", 85e12, 0.01),
    ("orin-agx", "dla", "int8", 52.5e12, 0.01),
    ("orin-nx", "dla", "int8", 20e12, 0.01),
    ("xavier", "gpu", "int8", 22.6e12, 0.01),
    ("xavier", "dla", "int8", 11.4e12, 0.01),
    ("tegra-x1", "gpu", "float16", 472e9, 0.01),
    ("tegra-x2", "gpu", "float16", 1.33e12, 0.01),
    ("qcs8550", "npu", "int8", 48e12, 0.01),
    ("sc8380xp", "npu", "int8", 45e12, 0.01),
    ("sa8775p", "npu", "int8", 100e12, 0.03),
    ("imx8mp", "npu", "int8", 2.3e12, 0.01),
    ("hailo-8", "npu", "int8", 26e12, 0.01),
    ("hailo-10h", "npu", "int4", 40e12, 0.01),
    ("hailo-15h", "npu", "int8", 20e12, 0.01),
    ("hailo-15l", "npu", "int8", 7e12, 0.01),
    ("apple-m1", "gpu", "float32", 2617e9, 0.1),
]


@pytest.mark.parametrize(("name", "unit", "dtype", "expected", "tolerance"), PEAKS)
def test_peak_rates_match_public_figures(name: str, unit: str, dtype: str, expected: float, tolerance: float) -> None:
    assert peak_ops(load_platform(name), unit, dtype) == pytest.approx(expected, rel=tolerance)


def test_the_vector_lanes_of_a_gpu_give_its_public_float32_rate_beside_matrix_cores() -> None:
    soc = load_platform("orin-nano")
    gpu = soc.unit("gpu")
    lanes = 2 * gpu.compute_units * gpu.macs_per_cycle["float32"] * soc.unit_hz("gpu")
    assert lanes == pytest.approx(1.28e12, rel=0.001)
    assert peak_ops(soc, "gpu", "float32") == 4 * lanes  # TensorFloat-32


@pytest.mark.parametrize(
    ("name", "gigabytes"),
    [
        ("rk3588", 33.8),
        ("imx93", 7.47),
        ("bcm2711", 12.8),
        ("qcs6490", 25.6),
        ("orin-nano", 68.3),
        ("orin-nano-super", 102.4),
        ("orin-agx", 204.8),
        ("orin-nx", 102.4),
        ("xavier", 136.5),
        ("tegra-x1", 25.6),
        ("rk3568", 12.48),
        ("rk3576", 16.9),
        ("bcm2712", 17.06),
        ("imx8mp", 16.0),
        ("spacemit-k1", 10.66),
        ("sm7750", 33.6),
        ("qcs8550", 67.2),
        ("sa8775p", 76.8),
        ("sa8295p", 67.0),
        ("sc8380xp", 135.2),
        ("apple-m1", 68.3),
        ("apple-m2-ultra", 819.2),
        ("apple-m4-pro", 273.1),
    ],
)
def test_dram_pin_rates_match_public_figures(name: str, gigabytes: float) -> None:
    memory = load_platform(name).memories["dram"]
    assert memory.peak_bytes_per_s == pytest.approx(gigabytes * 1e9, rel=0.002)
    assert memory.read_bytes_per_s < memory.peak_bytes_per_s


@pytest.mark.parametrize(
    ("name", "unit", "gigabytes"),
    [
        ("rk3588", "npu", 12.1),
        ("rk3588", "cpu_big", 15.6),
        ("rk3588", "gpu", 19.9),
        ("qcs6490", "cpu_prime", 17.3),
        ("qcs6490", "cpu_little", 3.9),
        ("orin-nano", "cpu", 9.57),
    ],
)
def test_one_core_draws_what_was_measured(name: str, unit: str, gigabytes: float) -> None:
    assert load_platform(name).port_bytes_per_s(unit, "dram") == pytest.approx(gigabytes * 1e9, rel=0.03)


def test_a_microcontroller_streams_its_weights_from_flash() -> None:
    platform = load_platform("stm32n657")
    assert not any(isinstance(m, Dram) for m in platform.file.memories.values())
    flash = platform.memories["flash"]
    assert flash.read_bytes_per_s == pytest.approx(396e6, rel=0.02)
    assert flash.write_bytes_per_s == 0
    assert platform.memories["npu_ram"].bytes == 4 * 448 * 1024


def test_the_super_mode_is_the_same_board_at_other_clocks() -> None:
    base, fast = load_platform("orin-nano"), load_platform("orin-nano-super")
    assert (base.unit_hz("gpu"), fast.unit_hz("gpu")) == (625_000_000, 1_020_000_000)
    assert (base.clock("cpu").opp, fast.clock("cpu").opp) == ("1510MHz", "1728MHz")
    assert fast.units["gpu"] == base.units["gpu"]
    assert "clocks.gpu.default: 625MHz -> 1020MHz" in fast.overrides


def _kernel_opps(shared: Path, table: str) -> Iterator[tuple[int, int]]:
    """Yield (hertz, microvolts) of one table of the RK3588 kernel that the platform cites."""
    with (shared / "measurements" / "raw" / "sbc_bench_opp_tables.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if "rk3588-5.10.110-FriendlyElec_NanoPi_R6S" in row["source_path"] and row["model"] == table:
                megahertz = int(row["conditions"].split()[1])
                yield megahertz * 10**6, int(float(row["value"]) * 1000)


@pytest.mark.parametrize(
    ("clock", "table"),
    [
        ("cpu_little", "cluster0-opp-table"),
        ("cpu_big", "cluster1-opp-table"),
        ("gpu", "gpu-opp-table"),
        ("npu", "npu-opp-table"),
    ],
)
def test_operating_points_equal_the_kernel_table(shared: Path, clock: str, table: str) -> None:
    points = load_platform("rk3588").file.clocks[clock].opps
    assert [(p.clock.value, p.voltage.value if p.voltage else 0) for p in points] == sorted(_kernel_opps(shared, table))


# --- technology ---------------------------------------------------------------------------------------

# Stillmaker and Baas, Integration 58 (2017), table 5: a2, a1, a0 and nominal voltage.
ENERGY_FACTORS = {
    32: (0.8367, -0.4341, 0.1701, 0.97),
    20: (0.3730, -0.1582, 0.04104, 0.90),
    16: (0.2958, -0.1241, 0.03024, 0.86),
    14: (0.2363, -0.09675, 0.02239, 0.86),
    10: (0.2068, -0.09311, 0.02375, 0.83),
    7: (0.1776, -0.09097, 0.02447, 0.80),
}
BASE_FACTOR = 1.018 * 0.9**2 - 0.3107 * 0.9 + 0.1539


@pytest.mark.parametrize("node", sorted(ENERGY_FACTORS))
def test_energies_scale_as_the_published_equations(node: int) -> None:
    a2, a1, a0, volts = ENERGY_FACTORS[node]
    factor = (a2 * volts**2 + a1 * volts + a0) / BASE_FACTOR
    assert technology(f"{node} nm").mac["int8"] == pytest.approx(300_000 * factor, rel=0.005)


def test_energies_fall_with_the_node_and_rise_with_the_width() -> None:
    nodes = [technology(f"{n} nm") for n in (45, 40, 32, 28, 22, 20, 16, 14, 12, 10, 8, 7, 6, 5, 4)]
    for name in ("instruction", "local_byte", "sram_byte", "link_byte", "vector_op"):
        values = [getattr(n, name) for n in nodes]
        assert values == sorted(values, reverse=True)
        assert len(set(values)) == len(values)
    mac = nodes[0].mac
    assert mac["int4"] < mac["int8"] < mac["int16"] < mac["float16"] < mac["float32"] < mac["float64"]
    assert nodes[0].local_byte < nodes[0].sram_byte


@pytest.mark.parametrize("name", PLATFORMS)
def test_a_dram_byte_costs_more_than_an_sram_byte(name: str) -> None:
    platform = load_platform(name)
    on_chip = technology(platform.file.process).sram_byte
    kinds = {"dram", "psram"}  # flash may lie on the die
    off_chip = [m.energy.read.value for m in platform.file.memories.values() if m.kind in kinds and m.energy]
    assert all(energy > 5 * on_chip for energy in off_chip)
    assert off_chip or not kinds & {m.kind for m in platform.file.memories.values()}
