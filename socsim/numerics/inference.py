"""Runs of a network on memory of its own: operators made of kernel calls are one program, others run between.

Arrays that calls read and write are made once and serve one tensor after the other, so that runs take no memory and
look at no types. What users get lies elsewhere.
"""

from __future__ import annotations

from itertools import chain
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from socsim.errors import NumericsError
from socsim.numerics.arrays import numpy_dtype
from socsim.numerics.calls import Program
from socsim.numerics.node import Kernels

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from socsim.numerics.arrays import Array
    from socsim.numerics.calls import Call
    from socsim.numerics.node import Run
    from socsim.numerics.threads import Job, Team
    from socsim.workload.graph import Graph, Operator

# What implementations raise for absent operands and for attributes of another form than the operator's.
CONTRADICTIONS = (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError)

_ALIGNMENT = 64  # bytes of a cache line
_GREATEST_RATIO = 4  # of the memory that an array is given to what it needs


class Inference:
    """Memory and program of a network, for one run at a time.

    Args:
        graph: the network.
        steps: the run function of each operator.
        constants: arrays by tensor.
        team: threads that share the calls.
        wanted: tensors whose arrays a run returns.

    Raises:
        NumericsError: operands that contradict their operator.
    """

    def __init__(
        self, graph: Graph, steps: Sequence[Run], constants: Mapping[int, Array], team: Team, wanted: Iterable[int]
    ) -> None:
        self._graph, self._steps, self._constants, self._team = graph, steps, constants, team
        self._wanted = tuple(dict.fromkeys(wanted))
        self._last_use = _last_use(graph, {*self._wanted, *constants})
        self._memory, self._lasting = _Memory(), self._read_or_written()
        self._arrays: dict[int, Array] = {}
        self._calls: list[Call] = []
        self._callers: list[Operator] = []  # the operator of each call
        self._parts: list[tuple[int, Operator | None]] = []  # calls before a number, then an operator without any
        self._plan()
        self._program = Program(self._calls)

    def run(self, inputs: Mapping[int, Array]) -> dict[int, Array]:
        """Return the arrays of the tensors that are wanted.

        Args:
            inputs: arrays of the graph's inputs.

        Raises:
            NumericsError: operands that contradict their operator, or a result unlike its tensor.
        """
        values = {**self._constants, **self._arrays}
        for tensor, array in inputs.items():
            self._put(values, tensor, array)
        with self._team.job(self._program) as job:
            for stop, op in self._parts:
                self._advance(job, stop)
                if op is not None:
                    self._evaluate(op, values)
        return {t: values[t].copy() if t in self._arrays else values[t] for t in self._wanted}

    def _advance(self, job: Job, stop: int) -> None:
        try:
            job.advance(stop)
        except CONTRADICTIONS as error:
            raise unfit(self._graph, self._callers[job.failed], error) from error

    def _evaluate(self, op: Operator, values: dict[int, Array]) -> None:
        """Run an operator that is not made of calls; variables are no operands, they live in the state."""
        try:
            results = self._steps[op.index](*(None if i is None else values.get(i) for i in op.inputs))
        except CONTRADICTIONS as error:
            raise unfit(self._graph, op, error) from error
        lent = [self._arrays[i] for i in op.inputs if i in self._arrays]
        for tensor, array in zip(op.outputs, results, strict=True):
            _check_form(self._graph, op, tensor, array)
            is_lent = any(np.may_share_memory(array, other) for other in lent)
            self._put(values, tensor, array.copy() if is_lent else array)
        for tensor in self._last_use.get(op.index, ()):
            if tensor not in self._arrays:
                values.pop(tensor, None)

    def _put(self, values: dict[int, Array], tensor: int, array: Array) -> None:
        if tensor in self._arrays:
            self._arrays[tensor][...] = array
        else:
            values[tensor] = array

    # --- preparation ----------------------------------------------------------------------------------

    def _read_or_written(self) -> set[int]:
        """Return the tensors that calls read or write."""
        operators = (op for op in self._graph.operators if isinstance(self._steps[op.index], Kernels))
        tensors = {t for op in operators for t in (*op.inputs, *op.outputs) if t is not None}
        return tensors - self._constants.keys()

    def _plan(self) -> None:
        """Give memory to tensors in the order of the operators, and collect the calls."""
        self._reserve(self._graph.inputs)
        for op in self._graph.operators:
            step = self._steps[op.index]
            self._reserve(op.outputs)
            if isinstance(step, Kernels):
                self._add(op, step)
            else:
                self._parts.append((len(self._calls), op))
            self._memory.give_back(self._arrays[t] for t in self._last_use.get(op.index, ()) if t in self._arrays)
        self._parts.append((len(self._calls), None))

    def _reserve(self, tensors: Iterable[int]) -> None:
        for t in tensors:
            if t in self._lasting:
                tensor = self._graph.tensors[t]
                self._arrays[t] = self._memory.take(tensor.shape, numpy_dtype(tensor.dtype))

    def _add(self, op: Operator, step: Kernels) -> None:
        """Add the calls of an operator; what only they need serves others after them."""
        _check_form(self._graph, op, op.outputs[0], step)
        values, passing = {**self._constants, **self._arrays}, []

        def room(shape: tuple[int, ...], dtype: Any) -> Array:
            passing.append(self._memory.take(shape, np.dtype(dtype)))
            return passing[-1]

        try:
            calls = step.calls(room, *(values.get(t) if t is not None else None for t in (op.outputs[0], *op.inputs)))
        except CONTRADICTIONS as error:
            raise unfit(self._graph, op, error) from error
        self._calls += calls
        self._callers += [op] * len(calls)
        self._memory.give_back(passing)


class _Memory:
    """Arrays that are given back and taken again."""

    def __init__(self) -> None:
        self._free: list[Array] = []
        self._taken: dict[int, Array] = {}  # by the address of the first byte

    def take(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        """Return an array that is not initialized."""
        size = prod(shape) * dtype.itemsize
        fitting = [b for b in self._free if size <= b.size <= _GREATEST_RATIO * max(size, _ALIGNMENT)]
        chosen = min(fitting, key=lambda b: b.size) if fitting else _aligned(size)
        self._free = [b for b in self._free if b is not chosen]
        self._taken[chosen.ctypes.data] = chosen
        return chosen[:size].view(dtype).reshape(shape)

    def give_back(self, arrays: Iterable[Array]) -> None:
        """Take arrays back, each whole and once."""
        self._free += [self._taken.pop(array.ctypes.data) for array in arrays]


def _aligned(size: int) -> Array:
    """Return bytes that begin with a cache line, and fill some."""
    whole = max(-(-size // _ALIGNMENT), 1) * _ALIGNMENT
    raw = np.empty(whole + _ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % _ALIGNMENT
    return raw[start : start + whole]


def _last_use(graph: Graph, lasting: set[int]) -> dict[int, list[int]]:
    """Return the tensors that nothing reads any more after each operator; those that last are not among them."""
    last = dict.fromkeys(graph.inputs, -1)
    for op in graph.operators:
        last |= {t: op.index for t in chain(op.inputs, op.outputs) if t is not None}
    freed: dict[int, list[int]] = {}
    for tensor, position in last.items():
        if tensor not in lasting:
            freed.setdefault(position, []).append(tensor)
    return freed


def unfit(graph: Graph, op: Operator, error: Exception) -> NumericsError:
    """Return the error for operands or attributes that contradict the operator."""
    return NumericsError(f"{graph.name}: operator {op.index} {op.label} does not fit its operands: {error}")


def _check_form(graph: Graph, op: Operator, index: int, made: Array | Kernels) -> None:
    """Check type and shape of a result against its tensor.

    Raises:
        NumericsError: they differ.
    """
    tensor = graph.tensors[index]
    if made.shape != tensor.shape or made.dtype != numpy_dtype(tensor.dtype):
        msg = (
            f"{graph.name}: operator {op.index} made {made.dtype} {made.shape} for tensor {index} "
            f"{tensor.name!r}, which is {tensor.dtype.value} {tensor.shape}"
        )
        raise NumericsError(msg)
