"""Work: what a cost model returns. Kernel: what it is asked about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, overload

if TYPE_CHECKING:
    from collections.abc import Callable

    from socsim.workload.loops import LoopNest
    from socsim.workload.operators import Category
    from socsim.workload.weights import WeightValues


@dataclass(frozen=True, slots=True)
class Operand:
    """Bytes that a kernel reads or writes, and the memory that holds them.

    Args:
        bytes: size, in the type in which the runtime keeps it.
        memory: where it lies.
        private: whether no other unit, nor the caller, makes or reads it, so that it may stay in a cache.
        fused: whether only an operator folded into the kernel reads it, once, beside the results.
        shape: dimensions, channels last.
        reshaped: whether it is also seen with another number of channels, so that a plain layout is needed.
        sole: whether nothing but this kernel reads it.
    """

    bytes: int
    memory: str
    private: bool = False
    fused: bool = False
    shape: tuple[int, ...] = ()
    reshaped: bool = False
    sole: bool = False


@dataclass(frozen=True, slots=True)
class Layer:
    """A task of a unit as cost models see it that lay a whole network out.

    Args:
        type: operator of the vocabulary.
        nests: its loop nests, batch included; empty where it multiplies nothing.
        elements: of the largest of its inputs and results, in one inference.
    """

    type: str
    nests: tuple[LoopNest, ...]
    elements: int = 0


@dataclass(frozen=True, slots=True)
class Staged:
    """What of a kernel's element operations a unit may have stages for, fused operators included.

    Args:
        functions: results of functions that a table can give.
        function_operations: element operations that they count as.
        pooled: elements that a pool or reduction takes; the most of any where several follow one another.
        pool_operations: element operations that they count as.
    """

    functions: int = 0
    function_operations: int = 0
    pooled: int = 0
    pool_operations: int = 0


@dataclass(frozen=True, slots=True)
class Kernel:
    """One task as a cost model sees it: an operator with what was fused into it.

    Args:
        type: operator of the vocabulary.
        category: what it does to data.
        dtype: type that the kernel computes in.
        loops: multiply-accumulate nests, batch included.
        vector_elements: element operations on the vector unit (fused ones included).
        inputs: activations read.
        weights: constants read.
        outputs: activations written.
        weight_values: values of the constants, where the unit gains from some of them and they are known.
        window: rows and columns of a pool.
        stride: rows and columns between windows.
        activation: function that the kernel applies to its results, "NONE" where it applies none.
        stripes: parts of its rows that take turns with those of other kernels of a cascade.
        slack: cycles beside which the task before lets constants come; 0 where the unit has worked on none before, or
            stages none.
        staged: element operations among `vector_elements` for which a unit may have stages of their own.
        entering: bytes of the network's inputs that it is the first to read, as the caller keeps them.
        leaving: bytes of the network's results that it writes, as the caller keeps them.
        spare: bytes free in the on-chip memory of the unit's activations while the kernel runs, as far as its
            constants could use them.
    """

    type: str
    category: Category
    dtype: str
    loops: tuple[LoopNest, ...]
    vector_elements: int
    element_bits: int
    inputs: tuple[Operand, ...]
    weights: tuple[Operand, ...]
    outputs: tuple[Operand, ...]
    weight_values: WeightValues | None = None
    window: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    activation: str = "NONE"
    stripes: int = 1
    slack: int = 0
    entering: int = 0
    leaving: int = 0
    spare: int = 0
    staged: Staged = Staged()

    @property
    def macs(self) -> int:
        """Nominal multiply-accumulates."""
        return sum(nest.macs for nest in self.loops)

    @property
    def input_bytes(self) -> int:
        """Bytes of the activations read."""
        return sum(o.bytes for o in self.inputs)

    @property
    def root_inputs(self) -> tuple[Operand, ...]:
        """Activations that the operator itself reads."""
        return tuple(o for o in self.inputs if not o.fused)

    @property
    def fused_inputs(self) -> tuple[Operand, ...]:
        """Activations that fused operators add (a residual)."""
        return tuple(o for o in self.inputs if o.fused)

    @property
    def weight_bytes(self) -> int:
        """Bytes of the constants read."""
        return sum(o.bytes for o in self.weights)

    @property
    def output_bytes(self) -> int:
        """Bytes of the activations written."""
        return sum(o.bytes for o in self.outputs)


@dataclass(frozen=True, slots=True)
class Transfer:
    """Bytes between a unit and a memory within a phase."""

    memory: str
    read_bytes: int
    write_bytes: int


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of work in which compute and transfers overlap.

    Args:
        label: what happens.
        compute_cycles: of the unit.
        transfers: bytes that move meanwhile.
        early: whether it needs nothing of the task before, so that its transfers may move beside that one's work.
        tiles: equal steps that it consists of; while one computes, the next is on its way in and the last one out.
    """

    label: str
    compute_cycles: int
    transfers: tuple[Transfer, ...]
    early: bool = False
    tiles: int = 1


class Lines(Sequence[str]):
    """Lines of text that are worded when somebody reads them: few of the kernels that are costed are explained.

    Args:
        word: makes them.
    """

    def __init__(self, word: Callable[[], tuple[str, ...]]) -> None:
        self._word = word

    @cached_property
    def _lines(self) -> tuple[str, ...]:
        return self._word()

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[str, ...]: ...
    def __getitem__(self, index: int | slice) -> str | tuple[str, ...]:
        return self._lines[index]

    def __len__(self) -> int:
        return len(self._lines)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Lines | tuple) and self._lines == tuple(other)

    def __hash__(self) -> int:
        return hash(self._lines)

    def __repr__(self) -> str:
        return repr(self._lines)


@dataclass(frozen=True, slots=True)
class Work:
    """What a kernel costs on a unit, before anyone else is on the bus.

    Args:
        phases: in order; an empty one costs nothing.
        executed_macs: multiply-accumulates that the hardware does (Winograd does fewer than nominal).
        vector_elements: element operations, for energy.
        local_bytes: bytes in and out of the unit's own buffers, for energy.
        core_cycles: busy cycles, summed over cores (compute units, threads), for energy.
        weight_bytes: constant bytes moved, repeats included.
        setup_ps: time to set up the kernel.
        sync_ps: barriers between cores.
        terms: the arithmetic in words, one line for each cause.
        levers: what would make it faster.
        conversions: sums that analogue-to-digital converters read, for energy.
        cover_cycles: cycles beside which the unit's compiler lets constants of the next task come.
    """

    phases: tuple[Phase, ...]
    executed_macs: int
    vector_elements: int
    local_bytes: int
    core_cycles: int
    weight_bytes: int
    setup_ps: int
    sync_ps: int
    terms: Sequence[str]
    levers: tuple[str, ...]
    conversions: int = 0
    cover_cycles: int = 0


def transfers(reads: dict[str, int], writes: dict[str, int]) -> tuple[Transfer, ...]:
    """Return one transfer for each memory that moves bytes, in alphabetical order."""
    names = sorted(set(reads) | set(writes))
    made = (Transfer(name, reads.get(name, 0), writes.get(name, 0)) for name in names)
    return tuple(t for t in made if t.read_bytes or t.write_bytes)


def by_memory(operands: tuple[Operand, ...]) -> dict[str, int]:
    """Return the bytes of operands by memory."""
    total: dict[str, int] = {}
    for operand in operands:
        total[operand.memory] = total.get(operand.memory, 0) + operand.bytes
    return total


def scaled(amounts: dict[str, int], numerator: int, denominator: int) -> dict[str, int]:
    """Return each amount times a ratio, rounded down."""
    return {name: amount * numerator // denominator for name, amount in amounts.items()}


def merged(*tables: dict[str, int]) -> dict[str, int]:
    """Return the sum of tables."""
    total: dict[str, int] = {}
    for table in tables:
        for name, amount in table.items():
            total[name] = total.get(name, 0) + amount
    return total


def less(amounts: dict[str, int], taken: dict[str, int]) -> dict[str, int]:
    """Return what remains of amounts."""
    return {name: amount - taken.get(name, 0) for name, amount in amounts.items()}


def pipelined(
    compute_cycles: int,
    reads: dict[str, int],
    writes: dict[str, int],
    *,
    first_load: dict[str, int],
    last_store: dict[str, int],
    tiles: int = 1,
) -> tuple[Phase, ...]:
    """Return prologue, steady state and epilogue of a double-buffered kernel.

    The first tile's load and the last tile's store have nothing to hide behind; everything else runs
    beside the compute cycles.

    Args:
        compute_cycles: cycles of all tiles.
        reads: bytes read in all, by memory.
        writes: bytes written in all, by memory.
        first_load: part of `reads` that must arrive before the first cycle.
        last_store: part of `writes` that leaves after the last cycle.
        tiles: steps in which the operands pass.
    """
    phases = (
        Phase("prologue", 0, transfers(first_load, {})),
        Phase(
            "steady", compute_cycles, transfers(less(reads, first_load), less(writes, last_store)), tiles=max(1, tiles)
        ),
        Phase("epilogue", 0, transfers({}, last_store)),
    )
    return tuple(p for p in phases if p.compute_cycles or p.transfers)
