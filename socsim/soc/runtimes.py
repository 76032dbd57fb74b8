"""Runtimes: the software stacks that map operators to silicon, as data in `platforms/runtimes/`."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

from pydantic import Field

from socsim.data_files import data_folder
from socsim.errors import UnknownNameError, did_you_mean
from socsim.memo import Same
from socsim.quantities import Time
from socsim.soc.fields import Count, Model, Ratio, Share
from socsim.soc.instruction_sets import InstructionSet
from socsim.soc.validation import validate
from socsim.soc.yaml_reader import YamlDocument, read_yaml

if TYPE_CHECKING:
    from collections.abc import Collection

Fusion = Literal["limit", "activation", "function", "residual_add", "batch_norm", "pad", "view"]
KernelFamily = Literal["convolution", "depthwise", "matmul", "matvec", "elementwise"]
Pooled = Literal["convolution", "pointwise", "depthwise"]


class Support(Model):
    """A group of operators and the types in which they have kernels; "*" means every one."""

    operators: Annotated[list[str], Field(min_length=1)]
    types: Annotated[list[str], Field(min_length=1)]
    excluded: list[str] = Field(default=[])
    """Operators that "*" does not mean."""


class Winograd(Model):
    """When a library computes 3 x 3 convolutions of stride 1 by Winograd's F(tile x tile, 3 x 3).

    A rule holds for the types and the ranges of input and output channels and of sides that it names.
    """

    tile: Literal[2, 4, 6]
    """Results on each side of one tile; tile + 2 inputs on a side make them."""
    types: Annotated[list[str], Field(min_length=1)]
    arithmetic: str | None = None
    """Type of the transformed values; absent: that of the operands."""
    unless: str | None = None
    """Instruction set of a core on which the rule does not hold."""
    inputs: Annotated[tuple[Count, Count], Field(strict=False)] = (1, 1_000_000)
    outputs: Annotated[tuple[Count, Count], Field(strict=False)] = (1, 1_000_000)
    sides: Annotated[tuple[Count, Count], Field(strict=False)] = (1, 1_000_000)
    """Of the larger of the result's rows and columns."""

    def holds(self, dtype: str, inputs: int, outputs: int, isa: Collection[str], side: int) -> bool:
        """Return whether the rule holds for a type, numbers of channels and a side of the result on a core."""
        ranges = ((inputs, self.inputs), (outputs, self.outputs), (side, self.sides))
        return dtype in self.types and self.unless not in isa and all(low <= n <= high for n, (low, high) in ranges)


class PlainLoops(Model):
    """Portable loops that stand in for kernels that a library has not written for a core.

    They compute one result after the other: for each input channel they set up a row of weights, and for each
    position of the window they load an offset, an operand and a weight, multiply and add. One instruction issues in a
    cycle.
    """

    types: Annotated[list[str], Field(min_length=1)]
    unless: Annotated[list[InstructionSet], Field(min_length=1)]
    """Instruction sets with kernels of their own; on a core that has any of them the loops are not used."""
    tap: Count
    """Instructions for each multiply-accumulate."""
    channel: Count
    """Instructions for each input channel of each result."""


class Kernels(Model):
    """How a library computes convolutions and matrix products."""

    unused: list[InstructionSet] = Field(default=[])
    """Instruction sets for which the library is not built; a core that has no other runs scalar code."""
    plain: list[PlainLoops] = Field(default=[])
    """Types and cores without kernels of their own; the first entry that holds decides."""

    block: dict[str, Annotated[tuple[Count, Count, Count], Field(strict=False)]] = Field(default={})
    """Positions, channels and depth of the results that a micro-kernel keeps in registers, by type; the
    depth is what one instruction sums. (4, 16, 1) where absent."""
    window_copies: Annotated[int, Field(ge=0, le=4)] = 0
    """Times that the windows of a convolution are written out before the product (im2col, packing)."""
    pointwise_copies: Annotated[int, Field(ge=0, le=4)] = 0
    """The same where the window is a single position, and for matrix products."""
    padding_copies: Annotated[int, Field(ge=0, le=1)] = 0
    """Times that the input of a convolution with a window is written out with its border."""
    channel_vector: Count = 1
    """Channels that a GPU's kernels load and multiply as one vector; where a convolution's channels are no multiple of
    it, they take one at a time."""
    channel_step: Annotated[int, Field(ge=0)] = 0
    """Output channels by which cores divide a product, and whole vectors of channels by which they divide other work;
    0: register blocks and rows are dealt out, so that no core waits long for another."""
    panel: Annotated[int, Field(ge=0)] = 0
    """Output channels of a product that one pass over all of its positions computes; 0: as many as caches suggest."""
    finished_apart: list[str] = Field(default=[])
    """Types whose 32-bit sums the library writes out whole and converts in a pass of its own."""
    copy_tile: str | None = None
    """Cache level that one tile of windows fills where the library writes all windows out before the product, a tile on
    one core; absent: windows are copied piece by piece beside the product and stay in cache."""
    depthwise_loads: Ratio = 2
    """Vectors that a depthwise kernel loads for each that it multiplies and accumulates."""
    winograd: list[Winograd] = Field(default=[])
    """Rules for Winograd's algorithm; the first that holds decides."""
    scalar: Annotated[float, Field(ge=0)] | None = None
    """Instructions of loop, addresses and conversion that element-wise kernels spend on each result, one of which
    issues in a cycle beside one operation; absent: they are vectorised."""
    scalar_operators: list[str] = Field(default=["*"])
    """Operators that `scalar` is about; others are vectorised."""
    operations: dict[str, Count] = Field(default={})
    """Operations for each element of an operator, where the library's kernel takes other than the usual number."""
    widened: list[str] = Field(default=[])
    """Operators computed in 32-bit floats whatever a network's floats are, between two conversions."""
    serial: list[KernelFamily] = Field(default=[])
    """Families that run on one core however many the run uses."""

    def block_of(self, dtype: str) -> tuple[int, int, int]:
        """Return positions, channels and depth of the register block of a type."""
        return self.block.get(dtype, (4, 16, 1))

    def plain_loops(self, dtype: str, isa: Collection[str]) -> PlainLoops | None:
        """Return the loops that compute a type on a core, or None where the library has kernels."""
        used = set(isa) - set(self.unused)
        return next((p for p in self.plain if dtype in p.types and not used & set(p.unless)), None)

    def winograd_rule(
        self, dtype: str, inputs: int, outputs: int, isa: Collection[str], side: int = 1
    ) -> Winograd | None:
        """Return the first rule that holds for a type, numbers of channels and a side of the result on a core."""
        return next((rule for rule in self.winograd if rule.holds(dtype, inputs, outputs, isa, side)), None)


class Runtime(Model):
    """A software stack: what it supports and fuses, and what its host side costs."""

    schema_: Annotated[Literal["socsim.runtime/1"], Field(alias="schema")]
    name: str
    title: str
    version: str | None = None
    """Versions of the software that the file describes; absent: not stated."""
    kinds: Annotated[list[Literal["cpu", "gpu", "npu", "dsp", "sensing_hub"]], Field(min_length=1)]
    measurement_names: list[str] = Field(default=[])
    """Names that this stack goes by in measurement tables."""
    related: str | None = None
    """Runtime whose kernels these are: calibrations of both are pooled."""
    numerics: str
    """Rounding rules of its integer kernels."""
    executes: dict[str, str]
    """Type that kernels compute in, by the type of the graph's activations; absent types are refused."""
    executes_with: dict[InstructionSet, dict[str, str]] = Field(default={})
    """What differs from `executes` on CPU cores with an instruction set."""
    supports: Annotated[list[Support], Field(min_length=1)]
    widest_window: Count | None = None
    """Rows or columns of a convolution's window up to which it has kernels; absent: any number."""
    fuses: list[Fusion] = Field(default=[])
    """limit (ReLU and its like), activation (limits and slopes), function (sigmoid, swish and their like), batch_norm
    and pad fold into the convolution beside them; residual_add folds an addition into the convolution that ends last
    before it; view: reshapes cost nothing."""
    pools: list[Pooled] = Field(default=[])
    """Convolutions that hand their results to a pool, or to a mean over positions, within one task."""
    resident: bool = False
    """Whether activations stay in on-chip memory between operators when they fit."""
    joined_channels: Count | None = None
    """Channels to whose multiples the inputs of a concatenation must come so that an NPU's compiler has them written
    where the result lies; absent: concatenations copy."""
    prefetch: bool = True
    """Whether tasks of an NPU are laid out so that the input of the next tile arrives while the array works on this
    one; otherwise reading inputs and computing take turns, and only weights and results pass beside compute."""
    streams: bool = False
    """Whether it takes the next frame before it has given this one, so that rates of a network that stays on the chip
    do not depend on the batch."""
    boundary: Literal["any", "off_chip"] = "any"
    """Where the caller keeps inputs and outputs: in any memory of the unit, or off chip where it has such a memory."""
    submit: Time
    """Host time to hand over one run of consecutive operators."""
    per_operator: Time
    """Host and driver time for each operator."""
    dispatches: dict[str, Annotated[int, Field(ge=0)] | Literal["inputs", "outputs"]] = Field(default={})
    """Kernels that an operator becomes, each of which costs `per_operator`: a number, or one for each of its inputs or
    outputs; 1 where absent."""
    handover: Time = Time.of(0)
    """Cache maintenance and interrupt when the data comes from another unit."""
    border: Literal["shared", "rewritten"] = "shared"
    """Whether other units read and write its activations where they lie, or each tensor that crosses its border is
    written anew: into its own layout and type on the way in, into the network's on the way out. The unit that reads it
    pays, by the bytes that it moves; what the caller hands over crosses no border, see `conversion`."""
    conversion: Annotated[float, Field(ge=0)] = 0
    """Cycles of an NPU in which one byte of the network's inputs, or of its results, as the caller keeps them, changes
    its layout and type."""
    efficiency: dict[KernelFamily, Share] = Field(default={})
    """Share of a unit's peak that kernels reach when data is at hand; 1 where absent."""
    kernels: Kernels = Kernels()
    """Structure of the library's kernels."""
    threads: Count | None = None
    """Cores that it uses on a CPU where nobody sets a number; absent: all of a cluster. Measurements that do not say
    are read so; a run takes what it is asked for, and all cores where it is not."""
    fallbacks: dict[Literal["cpu"], str] = Field(default={})
    """Runtimes of the units that take what this one has no kernel for, by kind; absent: each unit's own."""
    sources: dict[str, str] = Field(default={})
    assumed: dict[str, str] = Field(default={})

    @property
    def pool(self) -> str:
        """Name under which calibrations of this runtime and its relatives are pooled."""
        return self.related or self.name

    def on(self, isa: Collection[str]) -> Runtime:
        """Return the runtime as it is on cores with some instruction sets; the same object for the same sets."""
        changes = tuple(name for name in self.executes_with if name in isa)
        return _adapted(Same(self), changes) if changes else self

    def dispatches_of(self, operator_type: str, inputs: int, outputs: int) -> int:
        """Return the kernels that an operator with so many inputs and outputs becomes."""
        count = self.dispatches.get(operator_type, 1)
        return {"inputs": inputs, "outputs": outputs}[count] if isinstance(count, str) else count

    def fallback_for(self, kind: str) -> str | None:
        """Return the name of the runtime that takes over on a kind of unit, or None for the unit's own."""
        return next((name for own, name in self.fallbacks.items() if own == kind), None)

    def supports_operator(self, operator_type: str, execution_type: str) -> bool:
        """Whether a kernel exists for the operator in that type."""
        return any(
            ("*" in group.types or execution_type in group.types)
            and (operator_type in group.operators or ("*" in group.operators and operator_type not in group.excluded))
            for group in self.supports
        )

    def with_(self, **changes: Any) -> Runtime:
        """Return a runtime with some fields changed: `runtime("rknn").with_(submit="20 us")`.

        Raises:
            PlatformError: an unknown field, or a value that the schema refuses.
        """
        values = self.model_dump(by_alias=True) | changes
        return validate(Runtime, YamlDocument(f"runtime {self.name!r}", values))

    def types_for(self, operator_type: str) -> list[str]:
        """Return the types in which the operator has kernels, in the file's order."""
        found: dict[str, None] = {}
        for group in self.supports:
            if operator_type in group.operators or ("*" in group.operators and operator_type not in group.excluded):
                found.update(dict.fromkeys(group.types))
        return list(found)


@lru_cache(maxsize=256)
def _adapted(stack: Same, isa: tuple[str, ...]) -> Runtime:
    """Return a runtime whose types are those that it executes with some instruction sets."""
    base = cast("Runtime", stack.value)
    executes = dict(base.executes)
    for name in isa:
        executes |= base.executes_with[name]
    return base.model_copy(update={"executes": executes})


def runtime_names() -> list[str]:
    """Return the names of the runtimes that ship with socsim."""
    return sorted(path.stem for path in (data_folder("platforms") / "runtimes").glob("*.yaml"))


def measured_runtime(name: str, kind: str) -> str | None:
    """Return the runtime that measurement tables call so on a unit of that kind, or None.

    Args:
        name: "llama.cpp", for instance, which on a CPU is another stack than on a GPU.
        kind: of the unit.
    """
    known = (runtime(own) for own in runtime_names())
    return next((stack.name for stack in known if kind in stack.kinds and name in stack.measurement_names), None)


@cache
def runtime(name: str) -> Runtime:
    """Return the runtime of that name.

    Raises:
        UnknownNameError: no such runtime.
        PlatformError: its file is wrong.
    """
    if name not in runtime_names():
        msg = f"runtime {name!r} is not known.{did_you_mean(name, runtime_names())}"
        raise UnknownNameError(msg)
    document = read_yaml(data_folder("platforms") / "runtimes" / f"{name}.yaml")
    return validate(Runtime, document)
