"""Packed weights, and what zeros among them save: from values that were measured or stated, never assumed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, log2
from typing import TYPE_CHECKING

from socsim.cost.model import as_fraction, cycles
from socsim.quantities import ceil_div

if TYPE_CHECKING:
    from socsim.cost.work import Kernel
    from socsim.soc.arrays import Compression, Sparsity
    from socsim.workload.weights import WeightValues


@dataclass(frozen=True, slots=True)
class Gain:
    """How much faster an array runs for what it skips.

    Args:
        rate: speed relative to weights without a zero; the array multiplies 1 / rate of the products.
        text: why, in words; "" where nothing is gained.
    """

    rate: Fraction = Fraction(1)
    text: str = ""


def gain(values: WeightValues | None, sparsity: Sparsity | None) -> Gain:
    """Return what an array gains from the zeros of a kernel's weights.

    Args:
        values: None where they are not known, or where the kernel has none.
        sparsity: what the array can do; None: it multiplies zeros as all others.
    """
    if values is None or sparsity is None:
        return Gain()
    ways = [Gain(), *_structured(values, sparsity), *_skipped(values, sparsity)]
    return max(ways, key=lambda way: way.rate)


def _structured(values: WeightValues, sparsity: Sparsity) -> list[Gain]:
    if not values.is_two_of_four or sparsity.structured is None:
        return []
    rate = as_fraction(sparsity.structured)
    return [Gain(rate, f"two of every four weights are zero: {float(rate):g} times the rate")]


def _skipped(values: WeightValues, sparsity: Sparsity) -> list[Gain]:
    if sparsity.skipping is None or not values.elements:
        return []
    share = Fraction(values.zeros, values.elements)
    done = 1 - share * as_fraction(sparsity.skipping.share)
    most = as_fraction(sparsity.skipping.most)
    rate = most if done * most <= 1 else 1 / done
    return [Gain(rate, f"{float(100 * share):.0f} % of the weights are zero: {float(rate):.3g} times the rate")]


def packed(kernel: Kernel, compression: Compression | None) -> Kernel:
    """Return the kernel with its constants as long as they are stored."""
    if compression is None or not kernel.weights:
        return kernel
    share = _stored_share(kernel, compression)
    weights = tuple(replace(o, bytes=_scaled(o.bytes, share)) for o in kernel.weights)
    return replace(kernel, weights=weights)


def _scaled(amount: int, share: Fraction) -> int:
    return ceil_div(amount * share.numerator, share.denominator)


def _stored_share(kernel: Kernel, compression: Compression) -> Fraction:
    """Return stored over unpacked bytes; what would grow is stored as it is."""
    values, size = kernel.weight_values, kernel.element_bits
    usual = as_fraction(compression.ratio) if compression.ratio is not None else Fraction(1)
    if values is None:
        return usual
    if compression.encoding == "bitmap":
        bits, most = values.elements + (values.elements - values.zeros) * size, Fraction(1)
    else:
        bits, most = _entropy_bits(values, size), usual if values.code_bits is None else Fraction(1)
    return min(most, as_fraction(compression.overhead) * bits / (values.elements * size))


def _entropy_bits(values: WeightValues, element_bits: int) -> int:
    """Return the bits of a code by the frequencies of values; where only zeros are known, the most that it can take.

    Then all other values are as frequent as each other: the code says which are zero, and the others in full.
    """
    if values.code_bits is not None:
        return values.code_bits
    others = values.elements - values.zeros
    which = _weighted(values.elements) - _weighted(values.zeros) - _weighted(others)
    return ceil(which) + others * element_bits


def padded_code_bytes(kernel: Kernel, compression: Compression | None, positions: int) -> int:
    """Return the stored bytes of a kernel's weights in a stream of so many positions, zeros where no weight is.

    Each weight of the stream is coded by its frequency in it. Where the values are not known, the packed weights
    take the share that the platform states, and padding costs nothing; where only their zeros are, no more than these
    allow.
    """
    plain = sum(o.bytes for o in kernel.weights if len(o.shape) > 1)
    values = kernel.weight_values
    ratio = compression.ratio if compression is not None and compression.ratio is not None else 1
    usual = ceil(plain * as_fraction(ratio))
    if compression is None or values is None or not values.elements:
        return usual
    coded = _padded_bytes(values, kernel.element_bits, compression, positions)
    return coded if values.code_bits is not None else min(usual, coded)


def _padded_bytes(values: WeightValues, element_bits: int, compression: Compression, positions: int) -> int:
    """Return the stored bytes of a stream from how often each value, and zero, comes in it."""
    total = max(positions, values.elements)
    zeros = values.zeros + total - values.elements
    bits = _entropy_bits(values, element_bits)
    coded = _weighted(values.elements) - bits - _weighted(values.zeros) + _weighted(zeros)
    return ceil(as_fraction(compression.overhead) * ceil((_weighted(total) - coded) / 8))


def _weighted(count: int) -> float:
    return count * log2(count) if count else 0.0


def decode_cycles(plain_bytes: int, compression: Compression | None) -> int:
    """Return the cycles in which a core unpacks so many bytes of weights."""
    return 0 if compression is None else cycles(plain_bytes, Fraction(compression.decode.value))
