"""SIMD instruction sets: how many multiply-accumulates an instruction does for each byte of its vector.

Peak rate of a core = bytes of SIMD work in a cycle x multiply-accumulates a byte. The table holds for any
width and number of pipes, so that a core states its pipes once (`vector`, `multiply`) and its sets by name.

Source: the instructions' definitions (Arm Architecture Reference Manual; RISC-V "V" and SpacemiT IME
specifications; Intel 64 software developer's manual). Rows with a multiplier on every pipe agree with
register-resident loops on a dozen cores (pigirons/cpufp benchmark_result, commit 93e165ea3c).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:  # a list of literals could not be searched for a name that is only known to be text
    from collections.abc import Iterator, Sequence

    InstructionSet = str
else:
    InstructionSet = Literal[
        "neon", "fp16", "dotprod", "i8mm", "bf16", "sve", "sve2", "helium",
        "rvv", "zvfh", "ime",
        "avx2", "avx512", "avx_vnni", "avx512_vnni", "avx512_bf16", "avx512_fp16",
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Multiply:
    """An instruction, or a short chain of them, that multiplies and accumulates.

    Args:
        isa: instruction set that brings it.
        mnemonic: its name.
        types: types of the operands.
        macs_per_byte: multiply-accumulates for each byte of vector operand.
        integer_pipes: whether it runs only on the pipes that have an integer multiplier.
    """

    isa: str
    mnemonic: str
    types: tuple[str, ...]
    macs_per_byte: Fraction
    integer_pipes: bool = False


_BYTES = ("int8", "uint8")
_HALF, _QUARTER, _EIGHTH = Fraction(1, 2), Fraction(1, 4), Fraction(1, 8)

MULTIPLIES = (
    # 128-bit Arm: a widening multiply makes eight products of bytes or four of half-words for 16 B of result;
    # a 128-bit MLA of words takes two cycles. Half floats without fp16 arithmetic are converted to words.
    Multiply("neon", "FMLA", ("float32",), _QUARTER),
    Multiply("neon", "FMLA", ("float64",), _EIGHTH),
    Multiply("neon", "FCVTL + FMLA", ("float16",), _QUARTER),
    Multiply("neon", "SMLAL", _BYTES, _HALF, integer_pipes=True),
    Multiply("neon", "SMLAL", ("int16",), _QUARTER, integer_pipes=True),
    Multiply("neon", "MLA", ("int32",), _EIGHTH, integer_pipes=True),
    Multiply("fp16", "FMLA", ("float16",), _HALF),
    Multiply("dotprod", "SDOT", _BYTES, Fraction(1)),
    Multiply("i8mm", "SMMLA", _BYTES, Fraction(2)),
    Multiply("bf16", "BFMMLA", ("bfloat16",), Fraction(1)),
    *(
        Multiply(isa, mnemonic, types, rate)
        for isa in ("sve", "sve2")
        for mnemonic, types, rate in (
            ("FMLA", ("float16",), _HALF),
            ("FMLA", ("float32",), _QUARTER),
            ("FMLA", ("float64",), _EIGHTH),
            ("SDOT", _BYTES, Fraction(1)),
            ("SDOT", ("int16",), _HALF),
        )
    ),
    Multiply("helium", "VMLADAV", _BYTES, Fraction(1)),
    Multiply("helium", "VMLADAV", ("int16",), _HALF),
    Multiply("helium", "VMLADAV", ("int32",), _QUARTER),
    Multiply("helium", "VFMA", ("float16",), _HALF),
    Multiply("helium", "VFMA", ("float32",), _QUARTER),
    # RISC-V: a widening multiply writes twice the bytes that it reads, at half the rate of its operands.
    Multiply("rvv", "VFMACC", ("float32",), _QUARTER),
    Multiply("rvv", "VFMACC", ("float64",), _EIGHTH),
    Multiply("rvv", "VWMACC", _BYTES, _HALF),
    Multiply("rvv", "VWMACC", ("int16",), _QUARTER),
    Multiply("rvv", "VMACC", ("int32",), _QUARTER),
    Multiply("zvfh", "VFMACC", ("float16",), _HALF),
    Multiply("ime", "VMADOT", _BYTES, Fraction(4)),
    # x86 multiplies unsigned bytes by signed ones alone, in three instructions or, with VNNI, in one: kernels shift one
    # side of signed data, and widen unsigned data to half-words, whose products take two instructions.
    *(
        Multiply(isa, mnemonic, types, rate)
        for isa in ("avx2", "avx512")
        for mnemonic, types, rate in (
            ("VFMADD", ("float32",), _QUARTER),
            ("VFMADD", ("float64",), _EIGHTH),
            ("VPMADDUBSW + VPMADDWD + VPADDD", ("int8",), Fraction(1, 3)),
            ("VPMADDWD + VPADDD", ("uint8", "int16"), _QUARTER),
        )
    ),
    *(
        Multiply(isa, mnemonic, types, rate, integer_pipes=True)
        for isa in ("avx_vnni", "avx512_vnni")
        for mnemonic, types, rate in (("VPDPBUSD", ("int8",), Fraction(1)), ("VPDPWSSD", ("int16",), _HALF))
    ),
    Multiply("avx512_bf16", "VDPBF16PS", ("bfloat16",), _HALF),
    Multiply("avx512_fp16", "VFMADD", ("float16",), _HALF),
)


def instruction_rates(
    isa: Sequence[str], vector_bytes: int, multiply_bytes: int
) -> Iterator[tuple[Multiply, str, Fraction]]:
    """Yield each instruction of the sets with a type and the multiply-accumulates a cycle of one core.

    Args:
        isa: instruction sets of the core.
        vector_bytes: SIMD bytes in a cycle.
        multiply_bytes: the same of pipes with an integer multiplier.
    """
    for row in MULTIPLIES:
        if row.isa in isa:
            for dtype in row.types:
                yield row, dtype, row.macs_per_byte * (multiply_bytes if row.integer_pipes else vector_bytes)


def peak_rates(isa: Sequence[str], vector_bytes: int, multiply_bytes: int) -> dict[str, Fraction]:
    """Return the most multiply-accumulates a cycle of one core by type, as its sets give them."""
    best: dict[str, Fraction] = {}
    for _, dtype, rate in instruction_rates(isa, vector_bytes, multiply_bytes):
        best[dtype] = max(rate, best.get(dtype, rate))
    return best
