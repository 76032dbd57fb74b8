"""Runs a graph: inputs in, outputs (or every tensor) out, bit for bit under a profile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from socsim.errors import NumericsError, UnsupportedOperatorError, UsageError, did_you_mean, join_faults
from socsim.numerics import operators  # noqa: F401  (fills the table of implementations)
from socsim.numerics.arrays import constant_array, has_arrays, integer_range, numpy_dtype
from socsim.numerics.computed_quantization import prepared_with_values
from socsim.numerics.inference import CONTRADICTIONS, Inference, unfit
from socsim.numerics.node import IMPLEMENTATIONS, Node
from socsim.numerics.profiles import Profile, profile
from socsim.numerics.signatures import check_signature
from socsim.numerics.threads import ALONE, SINGLE_BLAS, Team
from socsim.workload.builder import unsupported_message

if TYPE_CHECKING:
    from collections.abc import Iterable

    from socsim.numerics.arrays import Array
    from socsim.numerics.node import Run
    from socsim.workload.graph import Graph, Operator, Tensor


class Executable:
    """A network prepared under a profile: multipliers, tables and packed weights are made once.

    Args:
        graph: the network; its constants must have values.
        rules: the profile or its name.
        state: values of variables, where a caller shares its own; they start empty otherwise.
        team: threads that share the work of an operator; the caller's alone otherwise.

    Raises:
        UnsupportedOperatorError: operators without an implementation, all listed.
        NumericsError: scales or shapes that no kernel can use, types that NumPy does not hold, or constants
            without values.
    """

    def __init__(
        self,
        graph: Graph,
        rules: Profile | str = "tflite",
        *,
        state: dict[str, Array] | None = None,
        team: Team = ALONE,
    ) -> None:
        self.graph = graph
        self.profile = profile(rules)
        self._state: dict[str, Array] = {} if state is None else state
        self._team = team
        self._check_supported()
        self._constants = {t: constant_array(graph.tensors[t]) for t in self._constant_tensors()}
        self._steps = self._all_prepared()
        self._idle: list[Inference] = []  # of runs that have ended; runs at once have their own

    def run(self, inputs: Mapping[Any, Any], *, keep_all: bool = False) -> dict[int, Array]:
        """Return result arrays by tensor index: the outputs, or every tensor that an operator made.

        Args:
            inputs: an array for each input, by tensor name or index; see `checked_inputs`.
            keep_all: whether to return every intermediate tensor.

        Raises:
            UsageError: missing, unknown or wrongly shaped or typed inputs, all listed.
        """
        given = checked_inputs(self.graph, inputs)
        with SINGLE_BLAS:
            if keep_all:
                return self._inference(t for op in self.graph.operators for t in op.outputs).run(given)
            inference = self._free()
            results = inference.run(given)
        self._idle.append(inference)
        return results

    def reset(self) -> None:
        """Forget the values of variables."""
        self._state.clear()

    def _constant_tensors(self) -> list[int]:
        used = {t for op in self.graph.operators for t in op.inputs if t is not None} | set(self.graph.outputs)
        return sorted(t for t in used if self.graph.tensors[t].is_constant)

    def _check_supported(self) -> None:
        empty = [t for t in self._constant_tensors() if self.graph.tensors[t].data is None]
        if empty:
            names = ", ".join(repr(self.graph.tensors[t].name) for t in empty[:5])
            msg = (
                f"{self.graph.name}: {len(empty)} constants have no values ({names}…): a {self.graph.source_format} "
                "file holds the graph alone, so it can be costed but not executed; use a .tflite or .onnx file"
            )
            raise NumericsError(msg)
        self._check_types()
        missing = [(op.index, op.name, op.label) for op in self.graph.operators if op.type not in IMPLEMENTATIONS]
        if missing:
            raise UnsupportedOperatorError(unsupported_message(self.graph.name, missing))

    def _check_types(self) -> None:
        used = sorted({t for op in self.graph.operators for t in (*op.inputs, *op.outputs) if t is not None})
        strange = [t for t in map(self.graph.tensors.__getitem__, used) if not has_arrays(t.dtype)]
        if strange:
            names = ", ".join(f"{t.name!r} {t.dtype.value}" for t in strange[:5]) + ", …" * (len(strange) > 5)
            msg = (
                f"{self.graph.name}: {len(strange)} tensors have elements that can be costed but not executed "
                f"({names}); convert them to float32 in the model"
            )
            raise NumericsError(msg)

    def _all_prepared(self) -> list[Run]:
        """Return the run function of every operator.

        Raises:
            NumericsError: what no kernel can use, of all operators.
        """
        steps, faults = [], []
        for op in self.graph.operators:
            try:
                steps.append(self._prepared(op))
            except NumericsError as error:
                faults.append(str(error).removeprefix(f"{self.graph.name}: "))
        if faults:
            raise NumericsError(join_faults(self.graph.name, faults))
        return steps

    def _prepared(self, op: Operator) -> Run:
        try:
            node = Node(self.graph, op, self.profile, self._state, self._team)
            if self.graph.source_format == "tflite":
                check_signature(node)
            return prepared_with_values(node)
        except CONTRADICTIONS as error:
            raise unfit(self.graph, op, error) from error

    def _free(self) -> Inference:
        """Return memory and program that no run uses; one that fails does not give its own back."""
        try:
            return self._idle.pop()
        except IndexError:
            return self._inference(())

    def _inference(self, tensors: Iterable[int]) -> Inference:
        """Return memory and program of runs that return some tensors and the outputs."""
        return Inference(self.graph, self._steps, self._constants, self._team, (*tensors, *self.graph.outputs))


# --- inputs -------------------------------------------------------------------------------------------


def checked_inputs(graph: Graph, inputs: Mapping[Any, Any]) -> dict[int, Array]:
    """Return the arrays for a graph's inputs by tensor index.

    Args:
        graph: the network.
        inputs: an array for each input, by tensor name, or by index as a number or its digits.

    Raises:
        UsageError: missing, unknown, repeated or wrongly shaped or typed inputs, all listed.
    """
    if not isinstance(inputs, Mapping):
        msg = f"{graph.name}: inputs are a {type(inputs).__name__}; give a mapping of input names to arrays"
        raise UsageError(msg)
    indices = _input_keys(graph)
    faults = [
        f"no input {key!r}.{did_you_mean(str(key), [graph.tensors[t].name for t in graph.inputs])}"
        for key in inputs
        if key not in indices
    ]
    given: dict[int, Array] = {}
    for key, value in inputs.items():
        index = indices.get(key)
        if index in given:
            faults.append(f"input {graph.tensors[index].name!r} (tensor {index}) is given twice")
        elif index is not None:
            given[index] = np.asarray(value, order="C")
    faults += [fault for t in graph.inputs for fault in _input_faults(graph.tensors[t], given.get(t))]
    if faults:
        raise UsageError(join_faults(graph.name, faults))
    return given


def _input_keys(graph: Graph) -> dict[str | int, int]:
    """Return input tensors by what users may call them; a name that two inputs share is no key."""
    names = Counter(graph.tensors[t].name for t in graph.inputs)
    by_index = {key: t for t in graph.inputs for key in (t, str(t))}
    return by_index | {graph.tensors[t].name: t for t in graph.inputs if names[graph.tensors[t].name] == 1}


def _input_faults(tensor: Tensor, value: Array | None) -> list[str]:
    wanted = f"give {numpy_dtype(tensor.dtype)} {tensor.shape}"
    where = f"input {tensor.name!r} (tensor {tensor.index})"
    if value is None:
        return [f"{where} is missing; {wanted}"]
    if value.dtype != numpy_dtype(tensor.dtype) or value.shape != tensor.shape:
        return [f"{where} is {value.dtype} {value.shape}; {wanted}"]
    if value.size and value.dtype.kind in "iu" and not _is_in_range(tensor, value):
        return [f"{where} has values from {value.min()} to {value.max()}; {tensor.dtype.value} holds fewer"]
    return []


def _is_in_range(tensor: Tensor, value: Array) -> bool:
    """Whether the values fit the type; only types narrower than their NumPy type can fail."""
    if numpy_dtype(tensor.dtype).itemsize * tensor.elements == tensor.bytes:
        return True
    low, high = integer_range(tensor.dtype)
    return low <= int(value.min()) and int(value.max()) <= high


def by_name(graph: Graph, results: Mapping[int, Array]) -> dict[str, Array]:
    """Return results by what `output_names` calls them."""
    names = output_names(graph, results)
    return {names[t]: array for t, array in results.items()}


def output_names(graph: Graph, tensors: Iterable[int]) -> dict[int, str]:
    """Return a key for each tensor: its name; "name#index" for those that share a name or have none."""
    indices = list(tensors)
    counts = Counter(graph.tensors[t].name for t in indices)
    keys: dict[int, str] = {}
    for t in indices:
        name = graph.tensors[t].name
        key = name if name and counts[name] == 1 else f"{name}#{t}"
        while key != name and (key in counts or key in keys.values()):  # a tensor may be called like a key made here
            key += f"#{t}"
        keys[t] = key
    return keys
