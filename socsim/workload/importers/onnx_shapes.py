"""From a checked ModelProto to values with static shapes: one pass that infers and folds node by node."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from socsim.errors import UnsupportedOperatorError, WorkloadError, join_faults
from socsim.workload.builder import unsupported_message
from socsim.workload.importers import onnx_microsoft as microsoft
from socsim.workload.importers.onnx_fold import MAX_ELEMENTS, fold
from socsim.workload.importers.onnx_model import DEFAULT_DOMAIN, MICROSOFT_DOMAIN, Model, Node, Value
from socsim.workload.importers.onnx_read import canonical_domain, first_line, opset_of
from socsim.workload.importers.onnx_tensors import (
    ELEMENT_TYPES,
    element_type,
    element_type_name,
    read_tensor,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from socsim.workload.graph import Array
    from socsim.workload.limits import Limits

_TENSOR, _TENSORS = 4, 9  # AttributeProto.AttributeType
_BOUNDED = frozenset({"NonMaxSuppression", "NonZero"})
_PLAIN_ATTRIBUTES = frozenset({1, 2, 3, 6, 7, 8})  # numbers, strings, and lists of them


def infer_values(
    proto: Any,
    constants: Mapping[str, Value],
    shapes: Mapping[str, tuple[int, ...]],
    where: str,
    is_supported: Callable[[str, str], bool],
    limits: Limits,
) -> Model:
    """Return the model with static shapes, constants folded.

    Args:
        proto: a checked ModelProto.
        constants: initializers by name.
        shapes: shapes of the graph inputs.
        where: the model's name for messages.
        is_supported: tells for a domain and an operator type whether the graph has a word for it.
        limits: budgets.

    Raises:
        UnsupportedOperatorError: operators that have no word and do not fold away, all listed.
        MalformedModelError: shapes that contradict each other, all listed.
        WorkloadError: shapes that stay unknown.
    """
    inference = _Inference(proto, where, is_supported, limits)
    inference.add_inputs(proto.graph.input, shapes)
    inference.model.values.update(constants)
    for index, node in enumerate(proto.graph.node):
        inference.add_node(index, node)
    return inference.finish(proto.graph.output)


def read_node(index: int, proto: Any, domain: str, limits: Limits) -> Node:
    """Return a NodeProto as plain data; of its attributes, numbers, strings and tensors are kept."""
    attributes = {a.name: _attribute(a) for a in proto.attribute if a.type in _PLAIN_ATTRIBUTES}
    attributes |= {a.name: read_tensor(a.t, a.name, None, limits).data for a in proto.attribute if a.type == _TENSOR}
    return Node(
        index,
        proto.name,
        domain,
        proto.op_type,
        list(proto.input),
        list(proto.output),
        attributes,
        proto.op_type,
        domain,
        (index,),
    )


def _attribute(attribute: Any) -> Any:
    from onnx import helper

    value = helper.get_attribute_value(attribute)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, (int, float)):
        return value
    return [v.decode("utf-8", "replace") if isinstance(v, bytes) else v for v in value]


class _Inference:
    """The pass: knows the values so far, and collects what it cannot know."""

    def __init__(self, proto: Any, where: str, is_supported: Callable[[str, str], bool], limits: Limits) -> None:
        graph = proto.graph
        self._limits = limits
        self.model = Model(where, opset_of(proto), [], {}, [], [v.name for v in graph.output])
        self._is_supported = is_supported
        self._imports = list(proto.opset_import)
        self._declared = {v.name: v.type for v in (*graph.value_info, *graph.output)}
        self._used = {name for node in graph.node for name in node.input} | set(self.model.outputs)
        self._types: dict[str, Any] = {}
        self._small: dict[str, Any] = {}
        self._unsupported: list[tuple[int, str, str]] = []
        self._unknown: list[str] = []
        self._stale = 0

    def add_inputs(self, inputs: Any, shapes: Mapping[str, tuple[int, ...]]) -> None:
        for value in inputs:
            if value.name not in shapes:
                continue
            number = value.type.tensor_type.elem_type
            dtype = element_type(number)
            if dtype is None:
                self.model.faults.append(
                    f"graph input {value.name!r}: element type {element_type_name(number)} is not supported"
                )
                continue
            self.model.inputs.append(value.name)
            self.model.values[value.name] = Value(value.name, dtype, shapes[value.name])

    def add_node(self, index: int, proto: Any) -> None:
        node = read_node(index, proto, canonical_domain(proto.domain), self._limits)
        if node.op_type == "Constant" and node.outputs[0] in self.model.values:
            return  # its tensor has been taken out of the graph
        if any(name and name not in self.model.values for name in node.inputs):
            return  # what its inputs lack has been reported where they are made
        results = self._results(node, proto)
        folded = self._fold(node, proto, results)
        if folded is None:
            self._keep(node, results)
        for value, data in zip(results, folded or [], strict=False):
            if value is not None:
                value.shape, value.constant, value.data = data.shape, True, data
        self.model.values.update({v.name: v for v in results if v is not None})

    def _fold(self, node: Node, proto: Any, results: list[Value | None]) -> list[Array] | None:
        try:
            return fold(node, proto, self.model.values, results, self.model.opset)
        except ValueError as error:  # attributes that inference accepted, but that do not fit the operand
            self.model.faults.append(f"{node.at}: {first_line(error)}")
            return None

    def finish(self, outputs: Any) -> Model:
        model = self.model
        if self._unsupported:
            raise UnsupportedOperatorError(unsupported_message(model.where, sorted(self._unsupported)))
        for value in outputs:
            if value.name in model.values:
                self._check_output(value.name)
        model.raise_faults()
        if self._unknown:
            raise WorkloadError(join_faults(model.where, self._unknown))
        if self._stale:
            text = "declared shapes of intermediate values differ from the inferred ones, which are used"
            model.notes.append(f"{self._stale} {text}")
        return model

    def _keep(self, node: Node, results: list[Value | None]) -> None:
        if not self._is_supported(node.domain, node.op_type):
            self._unsupported.append((node.index, node.name, node.label))
            return
        self.model.nodes.append(node)
        lost = {n for n, v in zip([n for n in node.outputs if n], results, strict=True) if v is None}
        node.outputs = ["" if name in lost and name not in self._used else name for name in node.outputs]
        for name in node.outputs:
            if name in lost:
                text = f"the shape of its result {name!r} depends on data; only static shapes can be simulated"
                self._unknown.append(f"{node.at}: {text}")

    def _results(self, node: Node, proto: Any) -> list[Value | None]:
        found = self._infer(node, proto)
        return [self._value(node, name, found.get(name)) for name in node.outputs if name]

    def _value(self, node: Node, name: str, found: Any) -> Value | None:
        declared = self._declared.get(name)
        number = 0
        for source in (found, declared):
            number = number or (source.tensor_type.elem_type if source is not None else 0)
        dtype = element_type(number)
        if dtype is None:
            if number and name in self._used:
                self.model.faults.append(
                    f"{node.at}: element type {element_type_name(number)} of {name!r} is not supported"
                )
            return None
        shape = self._merge(_dimensions(found), _dimensions(declared))
        return None if shape is None else Value(name, dtype, shape)

    def _merge(self, found: list[int | None] | None, declared: list[int | None] | None) -> tuple[int, ...] | None:
        if found is None:
            found = declared
        if found is None:
            return None
        if declared is not None and len(declared) == len(found):
            self._stale += any(None not in (f, d) and f != d for f, d in zip(found, declared, strict=True))
            found = [d if f is None else f for f, d in zip(found, declared, strict=True)]
        known = [d for d in found if d is not None]
        return tuple(known) if len(known) == len(found) else None

    def _check_output(self, name: str) -> None:
        declared, shape = _dimensions(self._declared.get(name)), self.model.values[name].shape
        if declared is None:
            return
        differs = len(declared) != len(shape) or any(d not in (None, s) for d, s in zip(declared, shape, strict=True))
        if differs and not self._is_rebatched(declared, shape):
            shown = [d if d is not None else "?" for d in declared]
            self.model.faults.append(
                f"graph output {name!r} is declared as {shown}, but the operators compute {list(shape)}"
            )

    @staticmethod
    def _is_rebatched(declared: list[int | None], shape: tuple[int, ...]) -> bool:
        """Whether only the leading dimension differs: exporters fix it although the inputs' is symbolic."""
        return len(declared) == len(shape) and all(d in (None, s) for d, s in zip(declared[1:], shape[1:], strict=True))

    def _infer(self, node: Node, proto: Any) -> dict[str, Any]:
        special = _SPECIAL.get(node.op_type)
        try:
            if special is not None and not self._is_declared(node):
                return special(node, self.model)
            if node.domain == MICROSOFT_DOMAIN and node.op_type not in microsoft.SAME_AS_DEFAULT:
                return self._infer_equivalent(node)
            return self._infer_by_schema(node, proto)
        except Exception as error:  # the library raises RuntimeError subclasses, and KeyError for bad operands
            self.model.faults.append(f"{node.at}: {first_line(error).removeprefix('[ShapeInferenceError] ')}")
            return {}

    def _is_declared(self, node: Node) -> bool:
        """Whether the file itself says how large a result is that depends on data."""
        if node.op_type not in _BOUNDED:
            return False
        declared = _dimensions(self._declared.get(node.outputs[0]))
        return declared is not None and None not in declared

    def _infer_by_schema(self, node: Node, proto: Any) -> dict[str, Any]:
        from onnx import defs, shape_inference

        version = 21 if node.domain else self.model.opset
        schema = defs.get_schema(node.op_type, version, DEFAULT_DOMAIN)
        types = {name: self._type(name) for name in node.inputs if name}
        data = {name: small for name in types if (small := self._small_constant(name)) is not None}
        found: dict[str, Any] = shape_inference.infer_node_outputs(schema, proto, types, data, None, self._imports)
        return found

    def _infer_equivalent(self, node: Node) -> dict[str, Any]:
        from onnx import TensorProto, defs, helper, shape_inference

        names = microsoft.operands(node)
        shapes = microsoft.equivalent_shapes(node, [self.model.shape(n) for n in names])
        stand_ins = [f"operand{i}" for i in range(len(names))]
        equivalent = microsoft.EQUIVALENTS[node.op_type]
        stand_in = helper.make_node(equivalent.op_type, stand_ins, ["result"], **microsoft.equivalent_attributes(node))
        schema = defs.get_schema(equivalent.op_type, microsoft.EQUIVALENT_OPSET, DEFAULT_DOMAIN)
        types = {n: helper.make_tensor_type_proto(TensorProto.FLOAT, s) for n, s in zip(stand_ins, shapes, strict=True)}
        if equivalent.op_type == "Where":
            types["operand0"].tensor_type.elem_type = TensorProto.BOOL
        found = shape_inference.infer_node_outputs(schema, stand_in, types)
        result = found["result"]
        dtype = microsoft.result_type(node, self.model.values)
        result.tensor_type.elem_type = ELEMENT_TYPES[dtype] if dtype is not None else 0
        return {node.outputs[i]: result for i in equivalent.results if i < len(node.outputs)}

    def _type(self, name: str) -> Any:
        from onnx import helper

        if name not in self._types:
            value = self.model.values[name]
            self._types[name] = helper.make_tensor_type_proto(ELEMENT_TYPES[value.dtype], value.shape)
        return self._types[name]

    def _small_constant(self, name: str) -> Any:
        """Return a small constant as a TensorProto, for inference that depends on values; else None."""
        from onnx import helper, numpy_helper

        value = self.model.values[name]
        if name not in self._small:
            self._small[name] = None
            data = value.data
            if data is not None and data.size <= MAX_ELEMENTS:
                stored = helper.np_dtype_to_tensor_dtype(data.dtype)
                same = stored == ELEMENT_TYPES[value.dtype]
                self._small[name] = numpy_helper.from_array(data, name) if same else None
        return self._small[name]


def _dimensions(declared: Any) -> list[int | None] | None:
    if declared is None or not declared.tensor_type.HasField("shape"):
        return None
    dims = declared.tensor_type.shape.dim
    return [d.dim_value if d.HasField("dim_value") and d.dim_value >= 0 else None for d in dims]


def _result(node: Node, model: Model, shape: tuple[int, ...], like: str = "", dtype: int = 0) -> dict[str, Any]:
    from onnx import helper

    number = dtype or ELEMENT_TYPES[model.values[like].dtype]
    return {node.outputs[0]: helper.make_tensor_type_proto(number, shape)}


def _non_max_suppression(node: Node, model: Model) -> dict[str, Any]:
    """Give the largest result: all boxes that the limit for each class allows."""
    batch, classes, boxes = model.shape(node.operand(1))
    limit = model.constant(node.operand(2))
    rows = batch * classes * (0 if limit is None else min(boxes, max(0, int(limit.reshape(-1)[0]))))
    model.notes.append(f"{node.at}: its result is taken at the largest size, {rows} boxes")
    return _result(node, model, (rows, 3), dtype=7)


def _non_zero(node: Node, model: Model) -> dict[str, Any]:
    """Give the largest result: every element differs from zero."""
    shape = model.shape(node.inputs[0])
    if not model.is_constant(node.inputs[0]):
        model.notes.append(f"{node.at}: its result is taken at the largest size, {prod(shape)} positions")
    return _result(node, model, (len(shape), prod(shape)), dtype=7)


def _like_first(node: Node, model: Model) -> dict[str, Any]:
    return _result(node, model, model.shape(node.inputs[0]), like=node.inputs[0])


def _matmul_nbits(node: Node, model: Model) -> dict[str, Any]:
    left = node.inputs[0]
    return _result(node, model, microsoft.matmul_nbits_shape(node, model.shape(left)), like=left)


# Operators whose shapes the onnx package does not infer.
_SPECIAL: dict[str, Callable[[Node, Model], dict[str, Any]]] = {
    "NonMaxSuppression": _non_max_suppression,
    "NonZero": _non_zero,
    "GroupNormalization": _like_first,
    "MatMulNBits": _matmul_nbits,
}
