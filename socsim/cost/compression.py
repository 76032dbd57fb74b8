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
    bits = _code_bits(kernel, compression)
    if bits is None or kernel.weight_values is None:
        return as_fraction(compression.ratio) if compression.ratio is not None else Fraction(1)
    plain = kernel.weight_values.elements * kernel.element_bits
    return min(Fraction(1), as_fraction(compression.overhead) * bits / plain)


def _code_bits(kernel: Kernel, compression: Compression) -> int | None:
    """Return the bits of the ideal code for a kernel's weights; None where their values are not known."""
    values = kernel.weight_values
    if values is None:
        return None
    if compression.encoding == "entropy":
        return values.code_bits
    return values.elements + (values.elements - values.zeros) * kernel.element_bits


def padded_code_bytes(kernel: Kernel, compression: Compression | None, positions: int) -> int:
    """Return the stored bytes of a kernel's weights in a stream of so many positions, zeros where no weight is.

    Each weight of the stream is coded by its frequency in it. Where the values are not known, the packed weights
    take the share that the platform states, and padding costs nothing.
    """
    plain = sum(o.bytes for o in kernel.weights if len(o.shape) > 1)
    values = kernel.weight_values
    if compression is None or values is None or values.code_bits is None or not values.elements:
        ratio = compression.ratio if compression is not None and compression.ratio is not None else 1
        return ceil(plain * as_fraction(ratio))
    total = max(positions, values.elements)
    zeros = values.zeros + total - values.elements
    coded = _weighted(values.elements) - values.code_bits - _weighted(values.zeros) + _weighted(zeros)
    return ceil(as_fraction(compression.overhead) * ceil((_weighted(total) - coded) / 8))


def _weighted(count: int) -> float:
    return count * log2(count) if count else 0.0


def decode_cycles(plain_bytes: int, compression: Compression | None) -> int:
    """Return the cycles in which a core unpacks so many bytes of weights."""
    return 0 if compression is None else cycles(plain_bytes, Fraction(compression.decode.value))
