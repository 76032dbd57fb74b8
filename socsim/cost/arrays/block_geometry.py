"""What a block engine works on: boxes of activations, hardware operations, and the engine's own sizes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from socsim.quantities import ceil_div
from socsim.soc.arrays import BlocksArray

if TYPE_CHECKING:
    from socsim.soc.schema import Npu

Family = Literal["convolution", "depthwise", "pool", "reduce", "elementwise"]
_WEIGHTS = 8
"""Weights that enter in a cycle where they are not packed."""
SUBKERNEL = 8
"""Rows and columns of a kernel that one pass over a block of input serves."""


class Box(NamedTuple):
    """Rows, columns and channels of an activation, or of a part of one."""

    rows: int
    columns: int
    depth: int

    @property
    def area(self) -> int:
        """Positions."""
        return self.rows * self.columns

    @property
    def volume(self) -> int:
        """Elements."""
        return self.rows * self.columns * self.depth

    def clipped(self, whole: Box) -> Box:
        """Return the part of a block that lies within a whole."""
        return Box(min(self.rows, whole.rows), min(self.columns, whole.columns), min(self.depth, whole.depth))

    def parts(self, block: Box) -> Box:
        """Return how many blocks cover this box along each dimension."""
        return Box(
            ceil_div(self.rows, block.rows), ceil_div(self.columns, block.columns), ceil_div(self.depth, block.depth)
        )


@dataclass(frozen=True, slots=True)
class BlockJob:
    """One hardware operation.

    Args:
        family: the data path that serves it.
        source: the (larger) input.
        result: the output.
        window: kernel rows and columns.
        reach: the same with dilation.
        stride: rows and columns.
        bits: of an input element.
        result_bits: of an output element.
        operands: inputs that stream in: 2 where both operands of an element-wise operation are whole tensors.
        table: whether results are looked up, which takes banks.
    """

    family: Family
    source: Box
    result: Box
    window: tuple[int, int] = (1, 1)
    reach: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    bits: int = 8
    result_bits: int = 8
    operands: int = 1
    table: bool = False

    @property
    def elements(self) -> int:
        """Kernel elements."""
        return self.window[0] * self.window[1]

    @property
    def subkernels(self) -> int:
        """Passes over the input that a large kernel takes."""
        return ceil_div(self.reach[0], SUBKERNEL) * ceil_div(self.reach[1], SUBKERNEL)

    @property
    def has_weights(self) -> bool:
        """Whether a stream of weights enters."""
        return self.family in {"convolution", "depthwise"}

    @property
    def keeps_depth(self) -> bool:
        """Whether a channel of the result depends on the same channel of the input alone."""
        return self.family in {"depthwise", "pool", "elementwise"}

    @property
    def wide_sums(self) -> bool:
        """Whether sums need 40 bits."""
        return self.bits == 16 and self.family != "pool"

    @property
    def macs(self) -> int:
        """Multiply-accumulates."""
        depth = self.source.depth if self.family == "convolution" else 1
        return self.elements * self.result.volume * depth if self.has_weights else 0


@dataclass(frozen=True, slots=True)
class Blocks:
    """The blocks that an operation is cut into.

    Args:
        source: input that one block of results needs.
        result: results that accumulate together.
        by_kernel: whether kernel elements come before input channels (few channels).
    """

    source: Box
    result: Box
    by_kernel: bool


@dataclass(frozen=True, slots=True)
class Geometry:
    """Sizes of a block engine, in a form that can be looked up by.

    Args:
        micro: results that are made together.
        channels: input channels taken in a step.
        largest: largest block of results.
        engines: sets of multipliers that divide the channels of a block.
        bank_bytes: size of a bank.
        free_banks: banks for input blocks, sums and tables.
        table_banks: of these, banks that are kept for tables.
        decode: weights that a set of multipliers unpacks in a cycle.
        granules: banks in which input, element-wise input and sums are handed out, by bits.
    """

    micro: Box
    channels: int
    largest: Box
    engines: int
    bank_bytes: int
    free_banks: int
    table_banks: int
    decode: int
    granules: tuple[tuple[str, int, int], ...]

    @property
    def multipliers(self) -> int:
        """Multiply-accumulates a cycle of one set, at 8 bits."""
        return self.micro.volume * self.channels

    @property
    def narrow(self) -> bool:
        """Whether a micro block has fewer channels than a step of input: the smallest engines."""
        return self.micro.depth < self.channels

    def granule(self, what: str, bits: int) -> int:
        """Return the banks in which room for elements of a size is handed out."""
        return next(banks for name, size, banks in self.granules if (name, size) == (what, bits))


def geometry(unit: Npu) -> Geometry:
    """Return the sizes of a unit whose array is a block engine."""
    array = unit.array
    if not isinstance(array, BlocksArray):
        msg = f"unit with an array of kind {array.kind!r} has no block geometry"
        raise TypeError(msg)
    micro, largest = array.micro_block, array.largest_block
    return Geometry(
        micro=Box(micro.P, micro.Q, micro.K),
        channels=micro.C,
        largest=Box(largest.P, largest.Q, largest.K),
        engines=array.engines,
        bank_bytes=array.bank.value,
        free_banks=unit.buffer.value // array.bank.value - array.output_banks,
        table_banks=array.table_banks,
        decode=unit.compression.decode.value if unit.compression else _WEIGHTS,
        granules=tuple(_granule(name, banks) for name, banks in array.granules.model_dump().items()),
    )


def _granule(name: str, banks: int) -> tuple[str, int, int]:
    """Return what banks hold and its bits, from a name such as "input_8"."""
    what, bits = name.rsplit("_", 1)
    return what, int(bits), banks


def round_up(value: int, step: int) -> int:
    """Return the next multiple of a step."""
    return ceil_div(value, step) * step
