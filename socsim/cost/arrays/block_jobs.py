"""Hardware operations that a kernel becomes on a block engine."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING, Literal

from socsim.cost.arrays.block_geometry import BlockJob, Box
from socsim.quantities import ceil_div
from socsim.workload.operators import Category

if TYPE_CHECKING:
    from socsim.cost.work import Kernel, Operand
    from socsim.workload.loops import LoopNest

Stage = Literal["other", "maximum", "add", "product", "wide_unary", "wide_binary"]
_CLAMPS = frozenset({"RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1", "CLIP"})
_TABLES = frozenset({
    "TANH", "LOGISTIC", "HARD_SWISH", "ELU", "GELU", "SWISH", "EXP", "LOG", "SQRT", "RSQRT", "HARD_SIGMOID",
    "LEAKY_RELU", "MISH", "SOFTPLUS", "SIN", "COS", "ERF",
})  # fmt: skip
_STAGES: dict[str, Stage] = {"ADD": "add", "SUB": "add", "SQUARED_DIFFERENCE": "add", "MUL": "product"}
_NEWTON = 22
"""Operations of 32 bits on one number a row with which SOFTMAX finds a reciprocal: three rounds of Newton's method."""


@dataclass(frozen=True, slots=True)
class Step:
    """One hardware operation of a kernel, and what it reads and writes.

    Args:
        job: the operation.
        stage: what the output stage does to an element.
        inputs: kernel inputs that it reads; none where it reads what a step before it left in the arena.
        output: kernel output that it writes; None where it leaves its results in the arena.
        repeats: times that it runs.
        stripes: parts of the kernel's rows, each of which takes all repeats.
        is_copy: whether bytes only move, in an order that no data path makes.
    """

    job: BlockJob
    stage: Stage = "other"
    inputs: tuple[Operand, ...] = ()
    output: Operand | None = None
    repeats: int = 1
    stripes: int = 1
    is_copy: bool = False

    @property
    def times(self) -> int:
        """How often the operation runs in all."""
        return self.repeats * self.stripes


def activation_stage(activation: str) -> Literal["", "clamp", "table"]:
    """Return what a fused activation asks of the output stage."""
    if activation in _CLAMPS:
        return "clamp"
    return "table" if activation in _TABLES else ""


def steps_of(kernel: Kernel) -> list[Step]:
    """Return the operations of a kernel, in order; of a stripe, where it runs in stripes."""
    whole = _whole(kernel)
    return whole if kernel.stripes == 1 else [_striped(step, kernel.stripes) for step in whole]


def _striped(step: Step, stripes: int) -> Step:
    """Return a step on a stripe of its rows."""
    job = step.job
    rows = ceil_div(job.result.rows, stripes)
    needed = min(job.source.rows, (rows - 1) * job.stride[0] + job.reach[0])
    part = replace(job, source=job.source._replace(rows=needed), result=job.result._replace(rows=rows))
    return replace(step, job=part, stripes=stripes)


def _whole(kernel: Kernel) -> list[Step]:
    if kernel.category is Category.MAC:
        made = [_product(kernel, nest) for nest in kernel.loops]
        return [*made, *(_residual(kernel, o) for o in kernel.fused_inputs)]
    if kernel.category is Category.POOL:
        return [_pool(kernel)]
    if kernel.category is Category.REDUCTION:
        return _reduction(kernel)
    if kernel.type == "SOFTMAX":
        return _softmax(kernel)
    return [_elementwise(kernel)]


def box_of(shape: tuple[int, ...]) -> Box:
    """Return rows, columns and channels of a shape whose last dimension is channels; batches count as rows."""
    if len(shape) < 2:
        return Box(1, 1, max(1, prod(shape)))
    if len(shape) == 2:
        return Box(max(1, shape[0]), 1, max(1, shape[1]))
    *front, columns, depth = shape
    return Box(max(1, prod(front)), max(1, columns), max(1, depth))


def _bits(kernel: Kernel) -> int:
    return min(16, max(8, kernel.element_bits))


def _is_table(kernel: Kernel) -> bool:
    return activation_stage(kernel.activation) == "table" or kernel.type in _TABLES


def _product(kernel: Kernel, nest: LoopNest) -> Step:
    """Return the operation of a loop nest; a group of several channels is a convolution of its own."""
    bits = _bits(kernel)
    result = _result_box(kernel, nest)
    rows = max(1, (result.rows - 1) * nest.stride_h + (nest.r - 1) * nest.dilation_h + 1)
    columns = max(1, (result.columns - 1) * nest.stride_w + (nest.s - 1) * nest.dilation_w + 1)
    given = box_of(kernel.root_inputs[0].shape) if kernel.root_inputs and nest.is_convolution else Box(rows, columns, 1)
    is_depthwise = nest.is_depthwise
    source = Box(min(rows, given.rows), min(columns, given.columns), nest.g if is_depthwise else nest.c)
    job = BlockJob(
        "depthwise" if is_depthwise else "convolution",
        source,
        result,
        (nest.r, nest.s),
        ((nest.r - 1) * nest.dilation_h + 1, (nest.s - 1) * nest.dilation_w + 1),
        (nest.stride_h, nest.stride_w),
        bits,
        bits,
        table=_is_table(kernel),
    )
    alone = len(kernel.loops) == 1
    return Step(
        job,
        "product" if bits == 16 else "other",
        kernel.root_inputs if alone or nest is kernel.loops[0] else (),
        kernel.outputs[0] if kernel.outputs and (alone or nest is kernel.loops[-1]) else None,
        repeats=1 if is_depthwise else nest.g,
    )


def _result_box(kernel: Kernel, nest: LoopNest) -> Box:
    """Return the results of one group; a transposed convolution runs over the results it spreads to."""
    depth = nest.g * nest.k if nest.is_depthwise else nest.k
    if nest.output_positions and kernel.outputs:
        made = box_of(kernel.outputs[0].shape)
        return Box(made.rows, made.columns, depth)
    return Box(nest.n * nest.p, nest.q, depth)


def _residual(kernel: Kernel, operand: Operand) -> Step:
    box = box_of(operand.shape)
    job = BlockJob("elementwise", box, box, bits=_bits(kernel), result_bits=_bits(kernel), operands=2)
    return Step(job, "add", (operand,))


def _pool(kernel: Kernel) -> Step:
    bits = _bits(kernel)
    job = BlockJob(
        "pool", box_of(kernel.inputs[0].shape), box_of(kernel.outputs[0].shape), kernel.window, kernel.window,
        kernel.stride, bits, bits, table=_is_table(kernel),
    )  # fmt: skip
    return Step(job, "maximum" if kernel.type == "MAX_POOL_2D" else "other", kernel.inputs, kernel.outputs[0])


def _reduction(kernel: Kernel) -> list[Step]:
    """Return a sum by a depthwise kernel of ones over the reduced positions, and its scaling."""
    source, result = box_of(kernel.inputs[0].shape), box_of(kernel.outputs[0].shape)
    if source.depth != result.depth:  # channels are summed: a pool over them as positions
        job = BlockJob(
            "pool", Box(1, source.depth, source.area), Box(1, 1, source.area), (1, source.depth), (1, source.depth)
        )
        return [Step(job, "maximum", kernel.inputs, kernel.outputs[0])]
    window = (ceil_div(source.rows, result.rows), ceil_div(source.columns, result.columns))
    bits = _bits(kernel)
    sums = BlockJob("depthwise", source, result, window, window, window, bits, 32)
    scaled = BlockJob("elementwise", result, result, bits=32, result_bits=bits)
    return [Step(sums, "other", kernel.inputs), Step(scaled, "wide_unary", output=kernel.outputs[0])]


def _softmax(kernel: Kernel) -> list[Step]:
    """Return maximum, exponentials by table, sum, reciprocal and product, as the unit computes a SOFTMAX.

    The second operand of the operations after the sum is one number, which stays in the unit.

    Source: operations into which Arm Vela 5.2.0 decomposes it (its per-operator tables).
    """
    whole = box_of(kernel.inputs[0].shape)
    flat = Box(whole.area, whole.depth, 1)
    one = Box(whole.area, 1, 1)
    across = (1, min(whole.depth, 256))
    largest = BlockJob("pool", flat, one, across, across)
    shifted = BlockJob("elementwise", whole, whole, result_bits=32, operands=2, table=True)
    wide = BlockJob("elementwise", whole, whole, bits=32, result_bits=32)
    total = BlockJob("reduce", whole, one, bits=32, result_bits=32)
    single = BlockJob("elementwise", one, one, bits=32, result_bits=32)
    last = BlockJob("elementwise", whole, whole, bits=32, result_bits=_bits(kernel))
    return [
        Step(largest, "maximum", kernel.inputs),
        Step(shifted, "add", kernel.inputs),
        Step(wide, "wide_binary"),
        Step(total),
        Step(single, "wide_binary", repeats=_NEWTON),
        Step(wide, "wide_binary", repeats=2),
        Step(last, "wide_binary", output=kernel.outputs[0]),
    ]


def _elementwise(kernel: Kernel) -> Step:
    """Return an element-wise operation, a table pass or a copy.

    A look-up or copy is a pool of one position; a transposition goes through no data path.
    """
    bits = _bits(kernel)
    operands = kernel.inputs or kernel.weights
    result = box_of(kernel.outputs[0].shape) if kernel.outputs else box_of(operands[0].shape)
    whole = [o for o in (*kernel.inputs, *kernel.weights) if prod(o.shape) > 1]
    if kernel.category is Category.ELEMENTWISE and kernel.type not in _TABLES | {"QUANTIZE", "CAST", "DEQUANTIZE"}:
        job = BlockJob(
            "elementwise", result, result, bits=bits, result_bits=bits, operands=min(2, max(1, len(whole))),
            table=_is_table(kernel),
        )  # fmt: skip
        return Step(job, _STAGES.get(kernel.type, "other"), kernel.inputs, kernel.outputs[0])
    job = BlockJob("pool", result, result, bits=bits, result_bits=bits, table=_is_table(kernel))
    output = kernel.outputs[0] if kernel.outputs else None
    return Step(job, "other", kernel.inputs, output, is_copy=kernel.type == "TRANSPOSE")
