"""The contract of an array engine, and how the cores of a unit share a loop nest."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, cast

from socsim.cost.model import as_fraction, cycles
from socsim.cost.tiling import Steps, stream
from socsim.quantities import ceil_div
from socsim.registry import Registry
from socsim.soc.fields import Model

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from socsim.cost.model import Access
    from socsim.cost.tiling import Traffic
    from socsim.cost.work import Kernel, Layer, Work
    from socsim.soc.schema import Npu
    from socsim.workload.loops import LoopNest

A = TypeVar("A", bound=Model)

ENGINES: Registry[ArrayEngine[Any]] = Registry("kind of array")

_PARTS: dict[str, Callable[[LoopNest, int], LoopNest]] = {
    "P": lambda nest, part: replace(nest, p=part),
    "K": lambda nest, part: replace(nest, k=part),
    "G": lambda nest, part: replace(nest, g=part),
    "N": lambda nest, part: replace(nest, n=part),
}
"""Dimensions that cores can divide between them: rows, channels, groups, images."""


@dataclass(frozen=True, slots=True)
class ArrayContext:
    """A unit as its array engine sees it in one run.

    Args:
        unit: description of the unit; its `array` is the engine's own.
        cores: cores that the run uses.
        layers: tasks of the unit in order; empty where not known.
        constant_bytes: constants that the unit's tasks read, each once; 0 where not known.
        hz: clock of the unit.
        memories: memories of activations and constants as the unit sees them; empty where not known.
    """

    unit: Npu
    cores: int
    layers: tuple[Layer, ...] = ()
    constant_bytes: int = 0
    hz: int = 0
    memories: Mapping[str, Access] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Operation:
    """A loop nest to run on one core.

    Args:
        nest: the part of the nest that the core works on.
        kernel: the task that it belongs to.
        rate: speed relative to the type that the array is written for, gains from sparse weights included.
        peak: multiply-accumulates a cycle of one core at that speed.
    """

    nest: LoopNest
    kernel: Kernel
    rate: Fraction
    peak: Fraction


@dataclass(frozen=True, slots=True)
class ArrayCycles:
    """What one core does.

    Args:
        cycles: from the first operand in to the last result out.
        input_reads: input elements that leave the local buffers.
        weight_reads: weight elements that leave the local buffers.
        output_writes: results and partial sums that leave the array.
        text: the arithmetic, in words.
        conversions: sums that analogue-to-digital converters read.
    """

    cycles: int
    input_reads: int
    weight_reads: int
    output_writes: int
    text: str
    conversions: int = 0


@dataclass(frozen=True, slots=True)
class ArrayMapping:
    """A loop nest on the array of each core.

    Args:
        nest: the part of the nest that one core works on.
        split: dimension that cores divide between them, "" where one core does it all.
        cores: cores that work.
        ideal_cycles: with every multiplier of every core that the run uses busy.
        part: what one core does.
    """

    nest: LoopNest
    split: str
    cores: int
    ideal_cycles: int
    part: ArrayCycles

    @property
    def cycles(self) -> int:
        """Cycles until the last core is done."""
        return self.part.cycles

    @property
    def buffer_reads(self) -> int:
        """Operand elements that leave the local buffers, all cores."""
        return self.cores * (self.part.input_reads + self.part.weight_reads)

    @property
    def conversions(self) -> int:
        """Sums that analogue-to-digital converters read, all cores."""
        return self.cores * self.part.conversions

    @property
    def input_copies(self) -> Fraction:
        """Times that the cores together fetch an input: all of them, or the rows at the borders of their parts."""
        if self.split == "K":
            return Fraction(self.cores)
        rows, (shared, _) = self.cores * self.nest.input_rows, self.nest.overlap
        return Fraction(rows, rows - (self.cores - 1) * shared) if self.split == "P" else Fraction(1)

    @property
    def weight_copies(self) -> int:
        """Cores that fetch the same weights."""
        return self.cores if self.split in {"P", "N"} else 1

    @property
    def text(self) -> str:
        """The arithmetic, in words."""
        shared = f" on each of {self.cores} cores, which divide {self.split}" if self.split else ""
        return f"{self.part.text} = {self.cycles:,} cycles{shared}"


class ArrayEngine(ABC, Generic[A]):
    """Turns loop nests into cycles and buffer accesses for one kind of array.

    Life cycle: made once for a run with the unit's context; `run` is then asked for each loop nest, once for
    each way in which cores may share it, and `traffic` for the way chosen. An engine is a pure function of
    its context and what it is asked about. Subclasses name their kind:
    `class SystolicEngine(ArrayEngine[SystolicArray], kind="systolic")`.
    """

    kind: ClassVar[str]
    divides: ClassVar[tuple[str, ...]] = ("P", "K", "G", "N")
    """Dimensions that cores may divide between them."""

    def __init_subclass__(cls, *, kind: str, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.kind = kind
        ENGINES.add(kind, cls)

    def __init__(self, context: ArrayContext) -> None:
        self.context = context
        self.spec = cast("A", context.unit.array)

    @classmethod
    @abstractmethod
    def multipliers(cls, array: A) -> Fraction:
        """Return the multiply-accumulates a cycle of one core in the type that has rate 1."""

    @abstractmethod
    def run(self, operation: Operation) -> ArrayCycles:
        """Return what one core does for a nest."""

    @property
    def arena(self) -> str | None:
        """On-chip memory through which constants are staged; None where they come straight from theirs."""
        return None

    @property
    def setup_ps(self) -> int:
        """Time to set a multiply-accumulate kernel up beside the unit's command."""
        return 0

    def vector_cycles(self, kernel: Kernel, alone: int) -> int:
        """Return the cycles of a kernel that multiplies nothing, given what it takes alone."""
        del kernel
        return alone

    def work(self, kernel: Kernel) -> Work | None:
        """Return the Work of a whole kernel, of any category; None leaves it to be put together from the parts below.

        For engines that decide by themselves what stays where, and that have no vector unit apart.
        """
        del kernel
        return None

    @classmethod
    def peak(cls, unit: Npu, dtype: str) -> Fraction:
        """Return the multiply-accumulates a cycle of one core in a type."""
        return cls.multipliers(cast("A", unit.array)) * as_fraction(unit.precisions[dtype])

    def chunks(self, nest: LoopNest) -> int:
        """Return in how many steps weights can stream: how many array-fulls of filters they hold."""
        return nest.g * nest.k

    def results(self, nest: LoopNest) -> int:
        """Return the results of a nest that leave the array where blocks of output channels leave whole."""
        return nest.outputs

    def traffic(self, kernel: Kernel, mapping: ArrayMapping) -> Traffic:
        """Return the bytes that a kernel moves through the local buffers, by memory."""
        return stream(
            kernel,
            self.context.unit.buffer.value,
            Steps.of_nest(mapping.nest, self.chunks(mapping.nest)),
            least_step=self.context.unit.port.under_way,
            demand=demand(kernel, mapping),
            cores=mapping.cores,
            input_copies=mapping.input_copies,
            weight_copies=mapping.weight_copies,
        )


def demand(kernel: Kernel, mapping: ArrayMapping) -> tuple[int, int] | None:
    """Return the bytes of input and of weights that one core's array asks for; None for an operator of many nests.

    Constants, and inputs that a window touches, are asked for once at least, whatever the operands are.
    """
    if len(kernel.loops) > 1:
        return None
    inputs, weights, whole = mapping.part.input_reads, mapping.part.weight_reads, kernel.loops[0]
    if len(kernel.root_inputs) > 1:  # both operands are activations
        inputs, weights = inputs + weights, 0
    touched, size = whole.touched
    copies, cores = mapping.input_copies, mapping.cores
    own_inputs = sum(o.bytes for o in kernel.root_inputs) * copies.numerator * touched
    own_weights = kernel.weight_bytes * mapping.weight_copies
    return (
        max(ceil_div(own_inputs, copies.denominator * cores * size), ceil_div(inputs * kernel.element_bits, 8)),
        max(ceil_div(own_weights, cores), ceil_div(kernel.weight_bytes * weights, max(1, whole.weights))),
    )


def map_operation(engine: ArrayEngine[Any], operation: Operation) -> ArrayMapping:
    """Return the best way to share a nest between cores: the fewest cycles, then the fewest bytes read.

    Where no way takes fewer cycles than one core, one core does it all.

    Args:
        engine: the array of each core.
        operation: the whole nest.
    """
    cores, nest = engine.context.cores, operation.nest
    ways = ["", *(d for d in engine.divides if cores > 1 and nest.bounds[d] > 1)]
    found = [_mapped(engine, operation, split) for split in ways]
    if len(found) == 1:
        return found[0]
    return min(found, key=lambda m: (m.cycles, m.split != "", engine.traffic(operation.kernel, m).read_bytes))


def _mapped(engine: ArrayEngine[Any], operation: Operation, split: str) -> ArrayMapping:
    cores = engine.context.cores
    part, used = _share(operation.nest, split, cores)
    return ArrayMapping(
        nest=part,
        split=split,
        cores=used,
        ideal_cycles=cycles(operation.nest.macs, operation.peak * cores),
        part=engine.run(replace(operation, nest=part)),
    )


def _share(nest: LoopNest, split: str, cores: int) -> tuple[LoopNest, int]:
    """Return the largest part that a core gets, and how many cores get one."""
    if not split:
        return nest, 1
    bound = nest.bounds[split]
    part = ceil_div(bound, cores)
    return _PARTS[split](nest, part), ceil_div(bound, part)
