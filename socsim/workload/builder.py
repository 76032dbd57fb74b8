"""The last step of every importer: from collected parts to a checked graph."""

from __future__ import annotations

from math import prod
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from socsim.errors import LimitExceededError, MalformedModelError, UnsupportedOperatorError, join_faults
from socsim.workload.checks import shape_faults
from socsim.workload.graph import Graph, Operator, Quantization, Tensor, TensorKind
from socsim.workload.limits import DEFAULT_LIMITS, Limits
from socsim.workload.nests import loop_nests
from socsim.workload.operators import OPERATORS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from socsim.workload.dtypes import DType
    from socsim.workload.graph import Array


class GraphBuilder:
    """Collects tensors and operators, then checks them together.

    Life cycle: `tensor` and `operator` in any order that respects the file's indices, `unsupported` for
    each operator outside the vocabulary, `fault` for each contradiction, then `build` once.

    Args:
        where: the file's name for messages.
        limits: budgets.
    """

    def __init__(self, where: str, limits: Limits = DEFAULT_LIMITS) -> None:
        self.where = where
        self.limits = limits
        self.notes: list[str] = []
        self._tensors: list[Tensor] = []
        self._operators: list[Operator] = []
        self._faults: list[str] = []
        self._unsupported: list[tuple[int, str, str]] = []

    def tensor(
        self,
        name: str,
        dtype: DType,
        shape: Sequence[int],
        *,
        kind: TensorKind = TensorKind.ACTIVATION,
        quantization: Quantization | None = None,
        data: Array | None = None,
    ) -> int:
        """Add a tensor and return its index."""
        index = len(self._tensors)
        self._check_budget("tensors", index + 1, self.limits.tensors)
        self._check_budget(f"tensor {index}: rank", len(shape), self.limits.rank)
        if any(d < 0 for d in shape):
            self.fault(f"tensor {index} {name!r}: shape {tuple(shape)} has a negative dimension")
            shape = tuple(max(d, 0) for d in shape)
        self._check_budget(f"tensor {index}: elements", prod(shape), self.limits.elements)
        self._tensors.append(Tensor(index, name, dtype, tuple(shape), kind, quantization, data))
        return index

    def describe(self, index: int) -> Tensor:
        """Return the tensor that `tensor` stored at `index`."""
        return self._tensors[index]

    def operator(
        self,
        operator_type: str,
        name: str,
        inputs: Sequence[int | None],
        outputs: Sequence[int],
        attributes: Mapping[str, Any] | None = None,
        source_type: str = "",
    ) -> int:
        """Add an operator and return its index; its loop nests are computed by `build`."""
        index = len(self._operators)
        self._check_budget("operators", index + 1, self.limits.operators)
        self._operators.append(
            Operator(
                index,
                name,
                operator_type,
                tuple(inputs),
                tuple(outputs),
                MappingProxyType(dict(attributes or {})),
                (),
                source_type or operator_type,
            )
        )
        return index

    def unsupported(self, index: int, name: str, label: str) -> None:
        """Note an operator of the file that the vocabulary lacks; `build` reports all of them."""
        self._unsupported.append((index, name, label))

    def fault(self, text: str) -> None:
        """Note a contradiction in the file; `build` reports all of them."""
        self._faults.append(text)

    def build(
        self,
        name: str,
        source_format: str,
        inputs: Sequence[int],
        outputs: Sequence[int],
        *,
        subgraphs: tuple[Graph, ...] = (),
        sha256: str = "",
    ) -> Graph:
        """Check everything and return the graph.

        Raises:
            UnsupportedOperatorError: operators outside the vocabulary, all listed with index, name, count.
            MalformedModelError: wrong indices, order, producers or shapes, all faults listed.
        """
        if self._unsupported:
            raise UnsupportedOperatorError(unsupported_message(self.where, self._unsupported))
        self._check_structure(inputs, outputs)
        self._raise_faults()
        operators = tuple(self._with_loops(op) for op in self._operators)
        self._raise_faults()
        graph = Graph(
            name, source_format, tuple(self._tensors), operators, tuple(inputs), tuple(outputs),
            subgraphs, tuple(self.notes), sha256,
        )  # fmt: skip
        self._faults.extend(shape_faults(graph))
        self._raise_faults()
        return graph

    def _check_budget(self, what: str, found: int, allowed: int) -> None:
        if found > allowed:
            msg = f"{self.where}: {what}: {found:,} exceeds the limit of {allowed:,}"
            raise LimitExceededError(msg)

    def _raise_faults(self) -> None:
        if self._faults:
            raise MalformedModelError(join_faults(self.where, self._faults))

    def _check_structure(self, inputs: Sequence[int], outputs: Sequence[int]) -> None:
        sources = {TensorKind.INPUT, TensorKind.CONSTANT, TensorKind.VARIABLE}
        ready = {t.index for t in self._tensors if t.kind in sources}
        if not self._operators:
            self.fault("the graph has no operators")
        for op in self._operators:
            self._check_operator(op, ready)
        for t in inputs:
            self._is_tensor(t, "graph input")
        for t in outputs:
            if self._is_tensor(t, "graph output") and t not in ready:
                self.fault(f"graph output {t} {self._tensors[t].name!r} is never produced")

    def _check_operator(self, op: Operator, ready: set[int]) -> None:
        """Check an operator's indices, and add what it makes to the tensors that are `ready`."""
        at = f"operator {op.index} {op.type} {op.name!r}"
        if op.type not in OPERATORS:
            self.fault(f"{at}: {op.type!r} is not in the operator vocabulary")
        for t in op.inputs:
            if t is not None and self._is_tensor(t, f"{at}: input") and t not in ready:
                self.fault(
                    f"{at}: reads tensor {t}, which nothing has produced yet (a cycle, or operators out of order)"
                )
        for t in op.outputs:
            if self._is_tensor(t, f"{at}: output") and t in ready:
                self.fault(f"{at}: writes tensor {t}, which already has a value")
            ready.add(t)

    def _is_tensor(self, index: int, what: str) -> bool:
        count = len(self._tensors)
        if 0 <= index < count:
            return True
        self.fault(f"{what} {index} is not a tensor; the graph has tensors 0 to {count - 1}")
        return False

    def _with_loops(self, op: Operator) -> Operator:
        shapes_in = [None if i is None else self._tensors[i].shape for i in op.data_inputs]
        shapes_out = [self._tensors[i].shape for i in op.outputs]
        try:
            loops = loop_nests(op.type, shapes_in, shapes_out, op.attributes)
        except (KeyError, ValueError, IndexError, ZeroDivisionError) as error:
            self.fault(
                f"operator {op.index} {op.type} {op.name!r}: shapes {shapes_in} -> {shapes_out} do not fit "
                f"the operator ({error})"
            )
            return op
        return Operator(op.index, op.name, op.type, op.inputs, op.outputs, op.attributes, loops, op.source_type)


def unsupported_message(where: str, found: Sequence[tuple[int, str, str]]) -> str:
    """Return the message that lists unsupported operators: index, name, and a count by type."""
    counts: dict[str, int] = {}
    for _, _, label in found:
        counts[label] = counts.get(label, 0) + 1
    total = ", ".join(f"{n} x {label}" for label, n in sorted(counts.items()))
    lines = "\n".join(f"  - {index} {label} {name!r}" for index, name, label in found)
    return f"{where}: {len(found)} operators are not supported ({total}); remove or replace them\n{lines}"
