"""The `array` of an NPU in a platform file: one class for each kind of engine, and what it makes of weights.

All sizes are those of one core, at the type that has rate 1 in the unit's `precisions`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from socsim.quantities import BytesPerCycle, Time, ceil_div
from socsim.soc.fields import Capacity, Count, DimensionName, Model, Ratio, Share

Dataflow = Literal["weight_stationary", "output_stationary", "input_stationary"]


class UnrolledArray(Model):
    """Named loop dimensions unrolled onto multipliers that all receive their operands at once."""

    kind: Literal["unrolled"]
    unroll: dict[DimensionName, Count]
    depthwise: dict[DimensionName, Count]
    """Unrolling for depthwise layers, which leave the input-channel dimension empty."""
    alternatives: list[dict[DimensionName, Count]] = []
    """Other arrangements of the multipliers for layers that are not depthwise; the one with the fewest steps counts."""
    dataflow: Dataflow
    """Operand that stays at the multipliers while the others stream."""


class SystolicArray(Model):
    """Rows x columns of multipliers that hand operands and sums to their neighbours."""

    kind: Literal["systolic"]
    rows: Count
    columns: Count
    dataflow: Dataflow
    doubled: bool
    """Whether each cell has a second register for the operand that stays (or the result that leaves), so that
    blocks follow each other without a gap."""


class VectorMatrixArray(Model):
    """Lanes that each add up `depth` products in a cycle, of one input vector that all of them see."""

    kind: Literal["vector_matrix"]
    lanes: Count
    depth: Count
    held: Literal["weights", "inputs"]
    """What stays at the lanes: a tile of weights that many vectors pass, or the vector that weights stream past."""
    load: Annotated[int, Field(ge=0)] = 0
    """Cycles in which what is held enters, beside the work on what was held before."""


class PipelineArray(Model):
    """Compute slices that a compiler deals out to the layers of a network, all of which work at once.

    The unit's `buffer` holds the weights of all layers. A network that has too many weights or layers runs in
    contexts, one after the other, whose weights are loaded each time.
    """

    kind: Literal["pipeline"]
    slices: Count
    macs_per_slice: Count
    inputs_per_slice: Count = 1
    """Inputs of one group that a slice multiplies at once; narrower groups leave multipliers idle."""
    elements_per_part: Count | None = None
    """Elements of the larger of inputs and results that a part of a layer passes in a cycle; absent: any number."""
    controllers: Count | None = None
    """Layers, or parts of layers, that can work at once; absent: as many as slices."""
    slices_per_controller: Count | None = None
    """Slices that one part of a layer has at most; parts of a layer need a controller more, which joins their results.
    Absent: any number."""
    layers: dict[str, Count] = {}
    """Operators that become several layers."""
    filled: Share = 1
    """Share of slices, controllers and buffer that a compiler hands out in a network that stays on the chip as a whole;
    one that needs more of them runs in contexts."""
    context_filled: Share = 1
    """Share of slices, controllers and buffer that it hands out in each of several contexts."""
    switch: Time = Time.of(0)
    """To change to another context, beside loading its weights."""


class InMemoryArray(Model):
    """Macros of memory cells that multiply where the weights lie, and converters that read the sums."""

    kind: Literal["in_memory"]
    macros: Count
    rows: Count
    """Rows of cells that are driven at once: the inputs of one product."""
    columns: Count
    cell_bits: Count
    """Bits of a weight that a cell holds; the other bits take further columns."""
    input_steps: Count
    """Steps in which an input of the type with rate 1 is fed, bit by bit."""
    columns_per_converter: Count
    """Columns that take turns at an analogue-to-digital converter."""
    conversion_cycles: Count
    row_write_cycles: Count
    """Cycles to write one row of cells of a macro."""

    def columns_per_weight(self, bits: int) -> int:
        """Return the columns that a weight of so many bits takes."""
        return ceil_div(bits, self.cell_bits)


class OutputCycles(Model):
    """Cycles that the output stage takes for an element, by what it does to it."""

    other: Ratio
    """Scaling of 32-bit sums, and what is not named here."""
    maximum: Ratio
    """Maximum over a window."""
    add: Ratio
    product: Ratio
    """Products of two tensors, and sums of 40 bits."""
    wide_unary: Ratio
    """One operand of 32 bits."""
    wide_binary: Ratio
    """Two operands of 32 bits."""
    clamp: Ratio
    """At least, where a fused activation limits values."""
    table: Ratio
    """At least, where a fused activation looks values up."""


class BufferGranules(Model):
    """Banks in which parts of the local buffer are handed out, by the bits of what they hold."""

    input_8: Count
    input_16: Count
    input_32: Count
    elementwise_8: Count
    elementwise_16: Count
    elementwise_32: Count
    sums_32: Count
    sums_40: Count


class Block(Model):
    """Rows, columns and channels of results."""

    P: Count
    Q: Count
    K: Count


class MicroBlock(Block):
    """A block of results that are made together."""

    C: Count
    """Input channels taken in a step."""


class BlocksArray(Model):
    """Blocks of results that accumulate in a banked local buffer (Ethos-U55 and U65).

    The unit's `buffer` holds two blocks of input, two of sums, output and tables.
    """

    kind: Literal["blocks"]
    micro_block: MicroBlock
    largest_block: Block
    engines: Count = 1
    """Sets of multipliers that divide the channels of a block."""
    bank: Capacity
    output_banks: Count
    table_banks: Annotated[int, Field(ge=0)]
    """Banks at the end of the buffer that blocks do not get, whether tables are used or not."""
    granules: BufferGranules
    output: OutputCycles
    bursts: dict[Literal["sram", "dram", "flash", "psram"], Capacity]
    """Bytes that a memory of a kind moves at once: a shorter run takes as long."""
    short_run: Literal["pixel", "row"]
    """What a block reads at once where pixels have fewer channels than it holds: a pixel, or its part of a row."""


AnyArray = Annotated[
    UnrolledArray | SystolicArray | BlocksArray | VectorMatrixArray | PipelineArray | InMemoryArray,
    Field(discriminator="kind"),
]


class OutputStages(Model):
    """Fixed-function stages of one core that work beside its array on what leaves it, and alone on whole operators.

    What is not named here costs operations of the vector unit.
    """

    results: Ratio | None = None
    """Results that are scaled and leave in a cycle; absent: as many as the array finishes."""
    whole_blocks: bool = False
    """Whether a block of output channels leaves whole, however few channels the layer has."""
    functions: Ratio | None = None
    """Results a cycle of functions that a table gives: sigmoid, tanh, swish and their like."""
    pools: Ratio | None = None
    """Elements that pools and reductions take in a cycle, whatever their window."""


class ZeroSkipping(Model):
    """Zero weights whose cycles are saved."""

    share: Share
    """Of the zero weights; the others fall where lanes wait for one another."""
    most: Annotated[float, Field(ge=1)]
    """Rate that is reached at most."""


class Sparsity(Model):
    """What an array gains from zeros among the weights."""

    structured: Annotated[float, Field(ge=1)] | None = None
    """Rate on weights of which two of every four along the input channels are zero; absent: none gained."""
    skipping: ZeroSkipping | None = None
    """Absent: zeros are multiplied as all others."""


class Compression(Model):
    """Weights are stored packed, and unpacked on their way to the array."""

    encoding: Literal["bitmap", "entropy"]
    """"bitmap": a bit for each weight and the values that are not zero; "entropy": a code as short as the
    frequencies of the values allow."""
    overhead: Ratio = 1.0
    """Stored bytes over those of the ideal code: headers, padding, a simpler code."""
    ratio: Share | None = None
    """Stored over unpacked bytes where the values of the weights are not known; absent: nothing is saved then."""
    decode: BytesPerCycle
    """Unpacked bytes that a core takes in a cycle."""
