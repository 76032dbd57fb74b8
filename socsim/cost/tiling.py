"""Tiling of one operator through a local buffer: the order of loops that moves the fewest bytes.

Source: the schedules are the classic ones for a single level of buffer (weights held while inputs stream,
inputs held while weights stream, and blocks of one with the other fetched again for each); see Chen, Emer,
Sze, "Eyeriss", ISCA 2016, and Parashar et al., "Timeloop", ISPASS 2019.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

from socsim.cost.work import by_memory, merged, scaled
from socsim.quantities import ceil_div

if TYPE_CHECKING:
    from collections.abc import Iterator

    from socsim.cost.work import Kernel
    from socsim.workload.loops import LoopNest

_ONCE = Fraction(1)


@dataclass(frozen=True, slots=True)
class Steps:
    """Into what one core's operands can be cut.

    Args:
        stripes: steps in which the input streams: the input rows of one output row each.
        chunks: steps in which the weights stream: the filters that the array holds at once.
        positions: output rows and columns, of all images: the most blocks of rows and strips of columns.
        size: input rows and columns, of all images.
        shared: input rows and columns that neighbouring output positions both need, where windows overlap.
        groups: parts of the input that meet only their own part of the weights.
    """

    stripes: int
    chunks: int
    positions: tuple[int, int] = (1, 1)
    size: tuple[int, int] = (1, 1)
    shared: tuple[int, int] = (0, 0)
    groups: int = 1

    @classmethod
    def of_nest(cls, nest: LoopNest, chunks: int) -> Steps:
        """Return the steps of a loop nest whose weights stream in so many chunks."""
        return cls(
            nest.stripes,
            max(1, chunks),
            positions=(max(1, nest.n * nest.p), max(1, nest.q)),
            size=(max(1, nest.n * nest.input_rows), max(1, nest.input_columns)),
            shared=nest.overlap,
            groups=max(1, nest.g),
        )

    def halo(self, input_bytes: int) -> tuple[int, int]:
        """Return the input bytes that two neighbouring blocks of rows, and two strips of columns, both need."""
        rows, columns = (ceil_div(input_bytes * s, n) for s, n in zip(self.shared, self.size, strict=True))
        return rows, columns


@dataclass(frozen=True, slots=True)
class Tiling:
    """What one core fetches, in steps of which size, and why.

    Args:
        input_read: bytes of input fetched, repeats included.
        weight_read: bytes of weights fetched, repeats included.
        held_bytes: what is held at once.
        step_bytes: one step of what streams, of which two find room beside what is held.
        bound: the schedule in words.
    """

    input_read: int
    weight_read: int
    held_bytes: int
    step_bytes: int
    bound: str

    @property
    def read(self) -> int:
        """Bytes fetched."""
        return self.input_read + self.weight_read

    @property
    def steps(self) -> int:
        """Steps in which what is fetched arrives; 1 where nothing is."""
        return max(1, ceil_div(self.read, max(1, self.step_bytes)))


def tile(
    input_bytes: int,
    weight_bytes: int,
    steps: Steps,
    buffer_bytes: int,
    *,
    least_step: int = 1,
    demand: tuple[int, int] | None = None,
) -> Tiling:
    """Return the schedule with the least traffic.

    Args:
        input_bytes: all activations of the operator.
        weight_bytes: all constants of the operator.
        steps: into what they can be cut.
        buffer_bytes: local buffer, at least 4.
        least_step: bytes that a step has at least (what a port has under way); two take half of the buffer at most.
        demand: bytes of input and of weights that the array asks its buffers for in all; None: not known.

    One operand is held, whole or in blocks; the other streams past each block, one step being filled while the
    other is used. What is held and two steps never exceed the buffer, and a larger buffer never moves more.
    Groups follow one another. Blocks of input rows fetch the rows that they share twice. A step of weights, or of
    input whose windows do not overlap, is cut by input channels. Where windows overlap, a step of input is a
    stripe of rows, of which all but the new ones are there already; or a strip of its columns, if the stripe is
    too wide, and strips fetch the columns that they share twice; or any part of it, if all rows of a window are
    fetched for each row of results. Or nothing is held: every operand is fetched as often as the array asks.

    Assumes: outputs leave as they are finished; partial sums stay in accumulators.
    """
    inputs, weights = (ceil_div(operand, steps.groups) for operand in (input_bytes, weight_bytes))
    best = _best(_Problem(inputs, weights, steps, buffer_bytes, least_step))
    if steps.groups > 1:
        best = replace(
            best,
            input_read=input_bytes * best.input_read // max(1, inputs),
            weight_read=weight_bytes * best.weight_read // max(1, weights),
            bound=f"{steps.groups} groups in turn: {best.bound}",
        )
    if demand is not None and sum(demand) < best.read:
        return Tiling(*demand, 0, best.step_bytes, "nothing is held, operands are fetched as the array asks for them")
    return best


def _best(problem: _Problem) -> Tiling:
    found: list[Tiling] = []
    for schedule in _schedules(problem):
        found.append(schedule)
        if schedule.read == problem.inputs + problem.weights:
            break  # nothing moves less
    return min(found, key=lambda schedule: schedule.read)


@dataclass(frozen=True, slots=True)
class _Problem:
    """The arguments of `tile`."""

    inputs: int
    weights: int
    steps: Steps
    buffer: int
    least: int

    def least_steps(self, operand: int) -> int:
        """Return the bytes that two steps of an operand take at least, of half the buffer at most."""
        return max(2, min(2 * self.least, 2 * operand, self.buffer // 2))


def _schedules(problem: _Problem) -> Iterator[Tiling]:
    stripe = ceil_div(problem.inputs, problem.steps.stripes)
    if problem.steps.shared[0]:
        yield from _strips(problem, stripe)
        read, how = stripe * problem.steps.positions[0], ", all rows of a window for each row"
    else:
        read, how = problem.inputs, ""
    yield _weights_held(problem, problem.least_steps(stripe), max(problem.inputs, read), how)
    yield from _input_held(problem)


def _strips(problem: _Problem, stripe: int) -> Iterator[Tiling]:
    """Yield schedules whose input streams in stripes or strips of them, each with a block of weights less."""
    _, shared = problem.steps.halo(problem.inputs)
    _, shared_stripe = problem.steps.halo(stripe)
    least = problem.least_steps(stripe)
    fewest = ceil_div(problem.weights, problem.buffer - least)
    room = 1
    while problem.buffer - room >= least:
        strips = _strips_within(stripe, (problem.buffer - room) // 2, shared_stripe)
        if strips is None or strips > problem.steps.positions[1]:
            return
        both = max(least, 2 * (ceil_div(stripe, strips) + (shared_stripe if strips > 1 else 0)))
        cut = f" in {strips} strips of columns" if strips > 1 else ""
        found = _weights_held(problem, both, problem.inputs + (strips - 1) * shared, cut)
        yield found
        blocks = ceil_div(problem.weights, problem.buffer - both)
        if blocks <= 1 or fewest * (problem.inputs + strips * shared) >= found.input_read:
            return  # one more strip reads as much, even with the fewest blocks
        room = ceil_div(problem.weights, blocks - 1)


def _strips_within(stripe: int, widest: int, shared: int) -> int | None:
    """Return the fewest strips that are, with the columns that they share, at most so wide; None where none are."""
    if stripe <= widest:
        return 1
    return ceil_div(stripe, widest - shared) if widest > shared else None


def _weights_held(problem: _Problem, both: int, read: int, how: str) -> Tiling:
    """Return the schedule that holds weights beside two steps, and reads so much input for each block of them."""
    room = problem.buffer - both
    blocks = max(1, ceil_div(problem.weights, room))
    held = min(problem.weights, room)
    return Tiling(blocks * read, problem.weights, held, both // 2, _words("weights", blocks, "input") + how)


def _input_held(problem: _Problem) -> Iterator[Tiling]:
    """Yield the schedule that holds input, unless the rows that blocks share leave no room."""
    chunks = max(1, problem.steps.chunks // problem.steps.groups)
    both = problem.least_steps(ceil_div(problem.weights, chunks))
    room, (shared, _) = problem.buffer - both, problem.steps.halo(problem.inputs)
    blocks = 1
    if problem.inputs > room:
        if room <= shared:
            return
        blocks = ceil_div(problem.inputs - shared, room - shared)
    if blocks <= problem.steps.positions[0]:
        read, held = problem.inputs + (blocks - 1) * shared, min(problem.inputs, room)
        yield Tiling(read, blocks * problem.weights, held, both // 2, _words("input", blocks, "weights"))


def _words(held: str, blocks: int, streams: str) -> str:
    if blocks > 1:
        return f"{held} in {blocks} blocks, {streams} fetched for each"
    return f"all {held} stay{'s' if held == 'input' else ''}, {streams} stream{'s' if streams == 'input' else ''} once"


@dataclass(frozen=True, slots=True)
class Traffic:
    """Bytes of a kernel that streams through local buffers, by memory.

    Args:
        tiling: the schedule of each core.
        reads: all bytes read, repeats included.
        first_load: part of `reads` that must arrive before the first cycle: the stripe and the chunk of the
            first row of results, in however many steps they come.
        input_reads: part of `reads` that is input of the operator itself.
        weight_bytes: constants within `reads`.
    """

    tiling: Tiling
    reads: dict[str, int]
    first_load: dict[str, int]
    input_reads: dict[str, int]
    weight_bytes: int

    @property
    def read_bytes(self) -> int:
        """Bytes read from all memories."""
        return sum(self.reads.values())


def stream(
    kernel: Kernel,
    buffer_bytes: int,
    steps: Steps,
    *,
    least_step: int = 1,
    demand: tuple[int, int] | None = None,
    cores: int = 1,
    input_copies: Fraction = _ONCE,
    weight_copies: int = 1,
) -> Traffic:
    """Return the traffic of a kernel whose operands stream through the buffers of its cores.

    Args:
        kernel: operands; those of fused operators are fetched once and pass beside the results.
        buffer_bytes: local buffer of one core.
        steps: into what one core's operands can be cut.
        least_step: bytes that a step has at least.
        demand: bytes of input and weights that one core's array asks its buffers for; None: not known.
        cores: cores that share the kernel.
        input_copies: times that the cores together fetch an input.
        weight_copies: cores that fetch the same weights.
    """
    inputs = scaled(by_memory(kernel.root_inputs), input_copies.numerator, input_copies.denominator)
    weights = scaled(by_memory(kernel.weights), weight_copies, 1)
    core_inputs, core_weights = (ceil_div(sum(amounts.values()), cores) for amounts in (inputs, weights))
    plan = tile(core_inputs, core_weights, steps, buffer_bytes, least_step=least_step, demand=demand)
    input_reads = scaled(inputs, plan.input_read, max(1, core_inputs))
    weight_reads = scaled(weights, plan.weight_read, max(1, core_weights))
    return Traffic(
        plan,
        merged(input_reads, weight_reads, by_memory(kernel.fused_inputs)),
        merged(
            scaled(inputs, min(plan.input_read, ceil_div(core_inputs, steps.stripes)), max(1, core_inputs)),
            scaled(weights, min(plan.weight_read, ceil_div(core_weights, steps.chunks)), max(1, core_weights)),
        ),
        input_reads,
        sum(weight_reads.values()),
    )


def without_weights(kernel: Kernel) -> Kernel:
    """Return the kernel as one whose weights are there already."""
    return replace(kernel, weights=())
