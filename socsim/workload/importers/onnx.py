"""ONNX files: opsets 13 to 26 of the default domain, and the quantized operators of com.microsoft.

Files of opsets 10 to 12 are read too, with their older attribute forms (axes and sizes as attributes, Softmax over
a split shape), and of 27 and 28 where the installed library knows them, but 13 to 26 is what is promised.

QDQ graphs are read as fused: see `socsim.workload.importers.onnx_qdq`. Attributes beyond those that
`socsim.workload.operators` describes have TFLite's names where TFLite has them; besides,
    fused_nodes: indices of the file's nodes that the operator stands for, its own first
    result_positions: positions of the results, where the file leaves some out
    zero_point_0, zero_point_1: zero points of ConvInteger and MatMulInteger
    computed_quantization: the operands, after all others, that hold scales and zero points which the network
        computes; see `socsim.workload.graph.ComputedQuantization`
Indices count the nodes after local functions have been expanded.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from socsim.errors import MalformedModelError, UnsupportedOperatorError, join_faults
from socsim.workload.builder import GraphBuilder, unsupported_message
from socsim.workload.importers.onnx_dimensions import bind_dimensions
from socsim.workload.importers.onnx_external import ExternalData
from socsim.workload.importers.onnx_lowering import lower
from socsim.workload.importers.onnx_nbits import unpack_weights
from socsim.workload.importers.onnx_qdq import fold_quantization
from socsim.workload.importers.onnx_qoperators import read_quantized_operators
from socsim.workload.importers.onnx_read import (
    canonical_domain,
    check_structure,
    first_line,
    opset_of,
    parse,
    run_checker,
)
from socsim.workload.importers.onnx_shapes import infer_values
from socsim.workload.importers.onnx_table import is_supported
from socsim.workload.importers.onnx_tensors import TensorError, read_tensor
from socsim.workload.importers.onnx_views import add_rows, split_sums

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from socsim.workload.graph import Graph
    from socsim.workload.importers.onnx_model import Model, Value
    from socsim.workload.limits import Limits

_TENSOR = 4  # AttributeProto.TENSOR
_MEASURES = frozenset({"Shape", "Size"})  # constant whatever their operand, for shapes are static
_BODIES = frozenset({"If", "Loop", "Scan", "SequenceMap"})


def import_onnx(
    data: bytes,
    *,
    path: Path,
    name: str,
    batch: int | None,
    shapes: Mapping[str, Sequence[int]],
    limits: Limits,
) -> Graph:
    """Import an ONNX model.

    Args:
        data: the file's bytes.
        path: where they came from; external data is looked for in that directory.
        name: the graph's name.
        batch: value of a symbolic leading dimension of the inputs; None makes it 1, with a note.
        shapes: dimensions of inputs by name, for other symbolic dimensions.
        limits: budgets.

    Raises:
        MalformedModelError: the file contradicts its format.
        LimitExceededError: it asks for more than `limits`.
        UnsupportedOperatorError: operators outside the vocabulary, all listed.
        WorkloadError: an opset that is not supported, or dimensions without a value.
    """
    where = str(path)
    try:
        model = _read(data, path, batch, shapes, limits)
        read_quantized_operators(model)
        unpack_weights(model)
        fold_quantization(model)
        add_rows(model)
        split_sums(model)
        model.raise_faults()
        builder = GraphBuilder(where, limits)
        inputs, outputs = lower(model, builder)
    except (ValueError, ArithmeticError, RecursionError, MemoryError) as error:
        # Values that the checks above let through and that fit no operator: the file's fault all the same.
        # A TypeError or LookupError would be the importer's own, and is not the file's to answer for.
        reason = f"{type(error).__name__}: {first_line(error)}"
        msg = f"{where}: the model contradicts itself ({reason}); export it again"
        raise MalformedModelError(msg) from error
    return builder.build(name, "onnx", inputs, outputs, sha256=hashlib.sha256(data).hexdigest())


def _read(data: bytes, path: Path, batch: int | None, shapes: Mapping[str, Sequence[int]], limits: Limits) -> Model:
    """Return the file's nodes and values with static shapes; no protobuf object is left in it."""
    where = str(path)
    proto = parse(data, where, limits)
    faults = check_structure(proto.graph)
    constants = _take_constants(proto.graph, ExternalData(path.parent, where, limits), limits, faults)
    if faults:
        raise MalformedModelError(join_faults(where, faults))
    _refuse_unknown(proto, constants, where)
    run_checker(proto, where)
    free = [value for value in proto.graph.input if value.name not in constants]
    bound, notes = bind_dimensions(free, batch, shapes, where)
    model = infer_values(proto, constants, bound, where, is_supported, limits)
    model.notes[:0] = notes
    return model


def _take_constants(graph: Any, external: ExternalData, limits: Limits, faults: list[str]) -> dict[str, Value]:
    """Move initializers and Constant nodes out of the graph: the library never handles their bytes."""
    constants: dict[str, Value] = {}
    if graph.sparse_initializer:
        faults.append(f"{len(graph.sparse_initializer)} sparse initializers are not supported; store them densely")
    for index, tensor in enumerate(graph.initializer):
        _take(tensor, tensor.name, f"initializer {index} {tensor.name!r}", constants, external, limits, faults)
    for index, node in enumerate(graph.node):
        for attribute in node.attribute:
            if attribute.type == _TENSOR and node.op_type == "Constant" and len(node.output) == 1:
                at = f"node {index} Constant {node.name!r}"
                _take(attribute.t, node.output[0], at, constants, None, limits, faults)
                attribute.t.Clear()
                attribute.t.data_type = 1
                attribute.t.dims.append(0)
    _declare(graph, constants)
    return constants


def _take(
    tensor: Any,
    name: str,
    at: str,
    constants: dict[str, Value],
    external: ExternalData | None,
    limits: Limits,
    faults: list[str],
) -> None:
    try:
        constants[name] = read_tensor(tensor, name, external, limits)
    except TensorError as error:
        faults.append(f"{at}: {error}")


def _declare(graph: Any, constants: dict[str, Value]) -> None:
    """Let graph inputs stand for the initializers that have been taken out."""
    from onnx import helper

    from socsim.workload.importers.onnx_tensors import ELEMENT_TYPES

    declared = {value.name for value in graph.input}
    missing = [t.name for t in graph.initializer if t.name not in declared and t.name in constants]
    del graph.initializer[:]
    for name in missing:
        value = constants[name]
        graph.input.append(helper.make_tensor_value_info(name, ELEMENT_TYPES[value.dtype], value.shape))


def _refuse_unknown(proto: Any, constants: Mapping[str, Value], where: str) -> None:
    """Raise for operators without a word, unless they only depend on constants and will fold away.

    Raises:
        UnsupportedOperatorError: there are such operators.
    """
    unsupported = []
    fixed = set(constants)
    for index, node in enumerate(proto.graph.node):
        domain = canonical_domain(node.domain)
        foldable = domain == "" and _is_registered(node.op_type, opset_of(proto)) and node.op_type not in _BODIES
        if foldable and (node.op_type in _MEASURES or fixed.issuperset(filter(None, node.input))):
            fixed.update(node.output)
        elif not is_supported(domain, node.op_type):
            unsupported.append((index, node.name, f"{domain}.{node.op_type}" if domain else node.op_type))
    if unsupported:
        raise UnsupportedOperatorError(unsupported_message(where, unsupported))


def _is_registered(op_type: str, opset: int) -> bool:
    from onnx import defs

    return bool(defs.has(op_type, opset, ""))
