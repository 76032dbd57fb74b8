"""Peak rates, bandwidths and latencies of platform files against micro-benchmarks of the chips.

`validation/micro_benchmarks.csv` has every row of the public tables (pigirons/cpufp, MegEngine/MegPeak,
ThomasKaiser/sbc-bench, ProjectPhysX/FluidX3D and single runs of clpeak, vkpeak and STREAM) that belongs to a
chip with a platform file. Of each run of tinymembench the fastest library or NEON routine for a stream
counts; a scan that is not clearly faster (5 %) than the copies of its own core is bound by its instructions
and is left out, as are boards whose cores ran above the platform's highest clock. Rows that differ in board
alone are repeats: their median is the target.
"""

from __future__ import annotations

import csv
from pathlib import Path
from statistics import median

import pytest

import socsim as ss
from socsim.soc.instruction_sets import MULTIPLIES

TABLE = Path(__file__).resolve().parents[2] / "validation" / "micro_benchmarks.csv"
SCALE = {"TFLOPS": 10**12, "GFLOPS": 10**9, "GOPS": 10**9, "GB/s": 10**9, "MB/s": 10**6, "ns": 1000}
KEY = ("platform", "unit", "cores", "quantity", "of", "by")


def measured() -> dict[tuple[str, ...], list[float]]:
    found: dict[tuple[str, ...], list[float]] = {}
    for row in csv.DictReader(TABLE.read_text(encoding="utf-8").splitlines()):
        value = float(row["value"]) * SCALE[row["unit_of_value"]]
        found.setdefault(tuple(row[name] for name in KEY), []).append(value)
    return found


MEASURED = measured()


@pytest.mark.parametrize("key", MEASURED, ids=" ".join)
def test_a_platform_file_gives_what_was_measured(key):
    platform = key[0]
    (peak,) = (r["value"] for r in ss.peaks(platform) if (platform, *(str(r[n]) for n in KEY[1:])) == key)
    assert peak == pytest.approx(median(MEASURED[key]), rel=0.1)


def test_the_table_covers_the_chips_and_figures_that_are_public():
    chips = {(key[0], key[3]) for key in MEASURED}
    assert {(p, q) for p in ("rk3588", "bcm2711") for q in ("operations", "read", "write", "copy", "latency")} <= chips
    assert {(p, q) for p in ("orin-nano", "qcs6490") for q in ("read", "write", "copy", "latency")} <= chips


def test_the_rows_are_those_of_their_sources(shared):
    tables = {"pigirons/cpufp": "cpufp", "ThomasKaiser/sbc-bench": "sbc_bench", "MegEngine/MegPeak": "megpeak",
              "ProjectPhysX/FluidX3D": "fluidx3d"}  # fmt: skip
    known = set()
    for repository, table in tables.items():
        path = shared / "measurements" / "raw" / f"{table}.csv"
        for row in csv.DictReader(path.read_text(encoding="utf-8").splitlines()):
            known.add((repository, row["source_path"], row["value"], row["unit_of_value"], row["device"]))
    rows = [r for r in csv.DictReader(TABLE.read_text(encoding="utf-8").splitlines()) if r["source_repo"] in tables]
    assert len(rows) > 100
    assert not [
        r for r in rows
        if (r["source_repo"], r["source_path"], r["value"], r["unit_of_value"], r["board"]) not in known
    ]  # fmt: skip


# Cores outside the platform files on which every SIMD pipe has the multiplier, by the benchmark's words.
CORES = ["Broadcom BCM2712", "CIX P1", "RockChip RK3588", "Broadcom BCM2711", "Rockchip RK3399"]
SETS = {"asimd": "neon", "asimd_hp": "fp16", "asimd_dp": "dotprod", "i8mm": "i8mm", "bf16": "bf16"}
TYPES = {"fp32": "float32", "fp64": "float64", "fp16": "float16", "bf16": "bfloat16", "int8": "int8"}


@pytest.mark.parametrize("device", CORES)
def test_instructions_relate_as_the_table_of_instruction_sets_says(shared, device):
    """Rates relative to FMLA on float32 need neither the clock nor the number of pipes."""
    text = (shared / "measurements" / "raw" / "cpufp.csv").read_text(encoding="utf-8")
    rows = [r for r in csv.DictReader(text.splitlines()) if r["device"].startswith(device)]
    rows = [r for r in rows if "E-core" not in r["conditions"]]  # Cortex-A520: its matrix instructions are slower
    table = {(m.isa, m.mnemonic, t): m.macs_per_byte for m in MULTIPLIES for t in m.types}
    compared = 0
    for conditions in {r["conditions"].split(";")[0] for r in rows}:
        own = [r for r in rows if r["conditions"].split(";")[0] == conditions and "threads=1 " in r["conditions"]]
        base = next((float(r["value"]) for r in own if r["model"].startswith("asimd fmla.vs(f32")), None)
        for row in own if base else []:
            isa, operation = row["model"].split(" ", 1)
            mnemonic = {"fmla": "FMLA", "dp4a": "SDOT", "mmla": "BFMMLA" if isa == "bf16" else "SMMLA"}
            key = SETS[isa], mnemonic.get(operation.split("(")[0].split(".")[0]), TYPES[row["precision"]]
            if key in table:
                assert float(row["value"]) / base == pytest.approx(float(4 * table[key]), rel=0.1), row["model"]
                compared += 1
    assert compared >= 2


def test_twice_the_gpu_of_orin_nano_is_that_of_agx_orin(shared):
    """AGX Orin has the same SMs and memory type: 16 instead of 8 at 1.3 GHz, 256 instead of 128 bits."""
    soc = ss.platform("orin-nano").with_({
        "units.gpu.compute_units": 16, "units.gpu.clock": "1300 MHz", "units.gpu.port.outstanding": 1024,
        "memories.dram.channels": 16, "memories.dram.data_rate": "6400 MT/s", "links.noc.width": "2048 bit",
    })  # fmt: skip
    peaks = {
        (r["quantity"], r["of"], r["by"]): r["value"] for r in ss.peaks(soc) if r["unit"] == "gpu" and r["cores"] > 1
    }
    text = (shared / "measurements" / "raw" / "gpu_roofline.csv").read_text(encoding="utf-8")
    rows = [r for r in csv.DictReader(text.splitlines()) if "T234" in r["soc"]]
    fma = [float(r["value"]) * 1e12 for r in rows if r["model"].startswith("FMA") and "cold" not in r["model"]]
    read = [float(r["value"]) * 1e9 for r in rows if r["model"].startswith("DRAM read")]
    assert (len(fma), len(read)) == (2, 2)
    assert peaks["operations", "float32", "vector lanes"] == pytest.approx(median(fma), rel=0.1)
    assert peaks["read", "dram", "port, links and memory"] == pytest.approx(median(read), rel=0.1)
