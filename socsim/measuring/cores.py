"""Processor cores by how they identify themselves, with what a platform file says of each.

Source: names by family, model or part number: pytorch/cpuinfo src/x86/uarch.c, commit 09d5e23786; Linux
arch/x86/include/asm/intel-family.h and arch/arm64/include/asm/cputype.h (SUSE/kernel, commit c6b93968ce). SIMD widths:
register-resident loops of pigirons/cpufp benchmark_result/x64, commits 67c2571f10 and 93e165ea3c; where none was
measured, `note` says what the width follows from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

CPUFP = "pigirons/cpufp benchmark_result/x64"


@dataclass(frozen=True, slots=True)
class Core:
    """A core design.

    Args:
        name: what it is called.
        ip: path of the design, as platform files write it.
        vector: bytes of SIMD work in a cycle.
        vector_512: the same with AVX-512, where it differs.
        multiply: the same of pipes that multiply integers, where not all do.
        loads: bytes a cycle that a core takes from L1, L2 and L3.
        process: node that it is usually made in.
        dram: standard of the memory that chips with it usually have.
        source: where `vector` was measured; empty where it was not.
        note: what `vector` follows from otherwise.
    """

    name: str
    ip: str
    vector: int
    loads: tuple[int, int, int]
    process: str
    dram: str
    vector_512: int | None = None
    multiply: int | None = None
    source: str = ""
    note: str = ""


def _zen(number: str, process: str, dram: str, source: str = "", note: str = "", wide: int | None = None) -> Core:
    loads = (128, 64, 32) if wide else (64, 32, 32)
    return Core(
        f"Zen {number}", f"amd/zen/{number}", 64, loads, process, dram, vector_512=wide, source=source, note=note
    )


_ZEN_2 = _zen("2", "7 nm", "ddr4", note="two 256-bit multiply-add pipes, as its successor, which was measured")
_ZEN_3 = _zen("3", "7 nm", "ddr4", f"32 float32 operations a cycle at 4.75 GHz ({CPUFP}/AMD_Ryzen9_6900HX.md)")
_ZEN_4 = _zen(
    "4", "5 nm", "ddr5",
    f"32 float32 and 127 int8 operations a cycle at 5.1 GHz, AVX-512 included ({CPUFP}/AMD_Ryzen7_8845HS.md)",
)  # fmt: skip
_ZEN_5 = _zen(
    "5", "4 nm", "ddr5", f"64 float32 and 256 int8 operations a cycle at 5.5 GHz ({CPUFP}/AMD_Ryzen7_9700X.md)",
    wide=128,
)  # fmt: skip
_SKYLAKE = Core(
    "Skylake", "intel/core/skylake", 64, (64, 32, 10), "14 nm", "ddr4",
    source=f"32 float32 operations a cycle at 3.2 GHz in its shrink, Cannon Lake ({CPUFP}/Intel_Core_i3_8121U.md)",
)  # fmt: skip
_SKYLAKE_SERVER = Core(
    "Skylake server", "intel/core/skylake-server", 64, (128, 48, 10), "14 nm", "ddr4", vector_512=128,
    note="two 512-bit multiply-add pipes, as Golden Cove in servers, which was measured",
)  # fmt: skip
_HASWELL = Core(
    "Haswell", "intel/core/haswell", 64, (64, 32, 10), "22 nm", "ddr4",
    note="two 256-bit multiply-add pipes, as its successor, which was measured",
)  # fmt: skip
_SUNNY_COVE = Core(
    "Sunny Cove", "intel/core/sunny-cove", 64, (128, 48, 10), "10 nm", "ddr4",
    note="two 256-bit multiply-add pipes, which join for 512 bit, as Cannon Lake, which was measured",
)  # fmt: skip
_SUNNY_COVE_SERVER = Core(
    "Sunny Cove server", "intel/core/sunny-cove-server", 64, (128, 48, 10), "10 nm", "ddr4", vector_512=128,
    note="two 512-bit multiply-add pipes, as Golden Cove in servers, which was measured",
)  # fmt: skip
_GOLDEN_COVE = Core(
    "Golden Cove", "intel/core/golden-cove", 64, (96, 48, 10), "7 nm", "ddr5", vector_512=128,
    source=f"32 float32 and 128 int8 operations a cycle at 4.6 GHz ({CPUFP}/Intel_Core_i5_1340P.md), twice that with "
    f"AVX-512 ({CPUFP}/Intel_Xeon_Gold_6455B.md)",
)  # fmt: skip
_GRACEMONT = Core(
    "Gracemont", "intel/atom/gracemont", 32, (32, 32, 8), "7 nm", "ddr5", multiply=16,
    source=f"16 float32 and 32 int8 operations a cycle at 3.4 GHz ({CPUFP}/Intel_Core_i5_1340P.md)",
)  # fmt: skip

_AMD_17H = {model: _ZEN_2 for family in (0x3, 0x4, 0x6, 0x7, 0x9) for model in range(family * 16, family * 16 + 16)}
_AMD_19H = {
    **{m: _ZEN_3 for block in (0x0, 0x2, 0x3, 0x4, 0x5) for m in range(block * 16, block * 16 + 16)},
    **{m: _ZEN_4 for block in (0x1, 0x6, 0x7, 0xA) for m in range(block * 16, block * 16 + 16)},
}
_AMD_1AH = dict.fromkeys(range(256), _ZEN_5)
_INTEL_6 = {
    **dict.fromkeys((0x3C, 0x3F, 0x45, 0x46, 0x3D, 0x47, 0x4F, 0x56), _HASWELL),
    **dict.fromkeys((0x4E, 0x5E, 0x8E, 0x9E, 0xA5, 0xA6, 0x66), _SKYLAKE),
    0x55: _SKYLAKE_SERVER,
    **dict.fromkeys((0x7D, 0x7E, 0x8C, 0x8D, 0xA7, 0xA8), _SUNNY_COVE),
    **dict.fromkeys((0x6A, 0x6C), _SUNNY_COVE_SERVER),
    **dict.fromkeys((0x97, 0x9A, 0xB7, 0xBF, 0xBA, 0x8F, 0xCF), _GOLDEN_COVE),
    0xBE: _GRACEMONT,
}
X86: Mapping[tuple[str, int], Mapping[int, Core]] = {
    ("AuthenticAMD", 0x17): _AMD_17H,
    ("AuthenticAMD", 0x19): _AMD_19H,
    ("AuthenticAMD", 0x1A): _AMD_1AH,
    ("GenuineIntel", 6): _INTEL_6,
}
"""Cores by vendor and family, then by model."""
X86_EFFICIENCY = _GRACEMONT
"""Efficiency cores of hybrid chips, which share the model of the others."""

UNKNOWN_X86 = Core(
    "x86-64", "x86/unknown/core", 32, (32, 32, 10), "14 nm", "ddr4", note="two 128-bit pipes; the core is not known"
)
UNKNOWN_ARM = Core(
    "unknown",
    "unknown/unknown/core",
    16,
    (16, 16, 8),
    "16 nm",
    "lpddr4x",
    note="one 128-bit pipe; the core is not known",
)

ARM_PRESETS: Mapping[tuple[int, int], str] = {
    **{
        (0x41, part): f"cortex-{name}"
        for part, name in {
            0xC07: "a7", 0xD03: "a53", 0xD05: "a55", 0xD07: "a57", 0xD08: "a72", 0xD09: "a73", 0xD0B: "a76",
            0xD41: "a78", 0xD42: "a78ae", 0xD4B: "a78c", 0xD44: "x1", 0xD4C: "x1c", 0xD46: "a510", 0xD47: "a710",
            0xD4D: "a715", 0xD48: "x2", 0xD4E: "x3", 0xD80: "a520", 0xD81: "a720", 0xD82: "x4",
        }.items()
    },
    (0x41, 0xD83): "neoverse-v3ae",
    (0x48, 0xD01): "taishan-v110",
    (0x4E, 0x003): "denver-2",
    (0x4E, 0x004): "carmel",
    (0x51, 0x001): "oryon",
    (0x51, 0x800): "cortex-a73",
    (0x51, 0x801): "cortex-a53",
    (0x51, 0x803): "cortex-a55",
    (0x51, 0x804): "cortex-a76",
    (0x51, 0x805): "cortex-a55",
    **{(0x61, part): "apple-icestorm" for part in (0x022, 0x024, 0x028)},
    **{(0x61, part): "apple-firestorm" for part in (0x023, 0x025, 0x029)},
    **{(0x61, part): "apple-blizzard" for part in (0x032, 0x034, 0x038)},
    **{(0x61, part): "apple-avalanche" for part in (0x033, 0x035, 0x039)},
}  # fmt: skip
"""Presets of Arm cores by implementer and part."""

RISCV_PRESETS: Mapping[str, str] = {
    "sifive,u74-mc": "sifive-u74",
    "sifive,u74": "sifive-u74",
    "spacemit,x60": "spacemit-x60",
    "thead,c906": "thead-c906",
}
"""Presets of RISC-V cores by what /proc/cpuinfo calls `uarch`."""

X86_SETS: Mapping[str, str] = {
    "avx2": "avx2",
    "avx512f": "avx512",
    "avx_vnni": "avx_vnni",
    "avx512_vnni": "avx512_vnni",
    "avx512_bf16": "avx512_bf16",
    "avx512_fp16": "avx512_fp16",
}
"""Instruction sets by the flag of /proc/cpuinfo that announces them."""

ARM_SETS: Mapping[str, str] = {
    "asimd": "neon",
    "neon": "neon",
    "asimdhp": "fp16",
    "asimddp": "dotprod",
    "i8mm": "i8mm",
    "bf16": "bf16",
}
