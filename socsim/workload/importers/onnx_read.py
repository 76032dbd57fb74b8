"""Reading an ONNX file safely: nothing of it is used before its structure has been checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from socsim.errors import LimitExceededError, MalformedModelError, WorkloadError, join_faults
from socsim.workload.importers.onnx_model import DEFAULT_DOMAIN, PROMISED_OPSETS, SUPPORTED_OPSETS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from socsim.workload.limits import Limits

_OLDEST_IR = 3
_GRAPH, _GRAPHS = 5, 10  # AttributeProto.AttributeType
_EXTERNAL = 1  # TensorProto.DataLocation
_DEFAULT_NAMES = ("", "ai.onnx")


def parse(data: bytes, where: str, limits: Limits) -> Any:
    """Return the file as a ModelProto whose outer frame is sound, local functions expanded.

    Raises:
        MalformedModelError: not an ONNX file, no graph, names that are no text, or nodes out of order.
        WorkloadError: an opset or IR version that is not supported.
        LimitExceededError: the file asks for more than `limits` allows.
    """
    import onnx

    if len(data) > limits.file_bytes:
        _exceeds(where, "file bytes", len(data), limits.file_bytes)
    try:
        proto = onnx.ModelProto.FromString(data)
    except Exception as error:  # protobuf's DecodeError, or whatever its back end raises
        msg = f"{where}: not an ONNX file: its bytes are no ModelProto; export the model again"
        raise MalformedModelError(msg) from error
    _check_frame(proto, where, onnx.IR_VERSION)
    _check_names(proto, where, limits)
    _check_opset(proto, where)
    _check_budgets(proto.graph, where, limits)
    return _expand_functions(proto, where, limits)


def opset_of(proto: Any) -> int:
    """Return the version of the default domain that the model imports; 0 where it names none."""
    return max((int(o.version) for o in proto.opset_import if o.domain in _DEFAULT_NAMES), default=0)


def _exceeds(where: str, what: str, found: int, allowed: int) -> None:
    msg = f"{where}: {what}: {found:,} exceeds the limit of {allowed:,}"
    raise LimitExceededError(msg)


def _check_frame(proto: Any, where: str, newest_ir: int) -> None:
    faults = []
    if not _OLDEST_IR <= proto.ir_version <= newest_ir:
        faults.append(f"IR version {proto.ir_version} is outside {_OLDEST_IR} to {newest_ir}; export the model again")
    if not proto.HasField("graph") or not proto.graph.node:
        faults.append("the file has no graph with nodes; export the model again")
    if faults:
        raise MalformedModelError(join_faults(where, faults))


def _check_opset(proto: Any, where: str) -> None:
    version = opset_of(proto)
    if version not in SUPPORTED_OPSETS:
        msg = (
            f"{where}: opset {version} of the default domain is outside {SUPPORTED_OPSETS[0]} to "
            f"{SUPPORTED_OPSETS[-1]}; export the model with an opset from {PROMISED_OPSETS[0]} to "
            f"{PROMISED_OPSETS[-1]}"
        )
        raise WorkloadError(msg)


def _check_names(proto: Any, where: str, limits: Limits) -> None:
    longest = 0
    for name in _all_names(proto):
        if not isinstance(name, str):  # protobuf gives bytes where they are not UTF-8
            msg = f"{where}: the name {name!r} is not UTF-8 text; the file is damaged"
            raise MalformedModelError(msg)
        longest = max(longest, len(name.encode()))
    if longest > limits.name_bytes:
        _exceeds(where, "bytes of a name", longest, limits.name_bytes)


def _all_names(proto: Any) -> Iterator[str | bytes]:
    for opset in proto.opset_import:
        yield opset.domain
    yield from _graph_names(proto.graph)
    for function in proto.functions:
        yield from (function.name, function.domain, *function.input, *function.output)
        yield from _node_names(function.node)


def _graph_names(graph: Any) -> Iterator[str | bytes]:
    yield graph.name
    for value in (*graph.input, *graph.output, *graph.value_info):
        yield value.name
        for dimension in value.type.tensor_type.shape.dim:
            yield dimension.dim_param
    for tensor in graph.initializer:
        yield tensor.name
        for entry in tensor.external_data:
            yield from (entry.key, entry.value)
    yield from _node_names(graph.node)


def _node_names(nodes: Any) -> Iterator[str | bytes]:
    for node in nodes:
        yield from (node.name, node.op_type, node.domain, *node.input, *node.output)
        for attribute in node.attribute:
            yield from (attribute.name, attribute.ref_attr_name)
            for graph in _bodies(attribute):
                yield from _graph_names(graph)


def _bodies(attribute: Any) -> list[Any]:
    """Return the subgraphs of an attribute."""
    if attribute.type == _GRAPH:
        return [attribute.g]
    return list(attribute.graphs) if attribute.type == _GRAPHS else []


def _check_budgets(graph: Any, where: str, limits: Limits, depth: int = 0) -> None:
    if depth > limits.subgraph_depth:
        _exceeds(where, "depth of subgraphs", depth, limits.subgraph_depth)
    if len(graph.node) > limits.operators:
        _exceeds(where, "operators", len(graph.node), limits.operators)
    if len(graph.initializer) > limits.tensors:
        _exceeds(where, "tensors", len(graph.initializer), limits.tensors)
    for index, node in enumerate(graph.node):
        for attribute in node.attribute:
            if node.op_type != "Constant" and attribute.ByteSize() > limits.attribute_bytes:
                what = f"node {index} {node.op_type}: bytes of attribute {attribute.name!r}"
                _exceeds(where, what, attribute.ByteSize(), limits.attribute_bytes)
            for body in _bodies(attribute):
                _check_budgets(body, where, limits, depth + 1)


def _expand_functions(proto: Any, where: str, limits: Limits) -> Any:
    if not proto.functions:
        return proto
    from onnx import inliner

    size = _expanded_size(proto, where, limits)
    if size > limits.operators:
        _exceeds(where, "operators after local functions are expanded", size, limits.operators)
    try:
        expanded = inliner.inline_local_functions(proto)
    except Exception as error:
        msg = f"{where}: the local functions cannot be expanded: {first_line(error)}"
        raise MalformedModelError(msg) from error
    _check_budgets(expanded.graph, where, limits)
    return expanded


def _expanded_size(proto: Any, where: str, limits: Limits) -> int:
    """Return how many nodes the graph has once every call of a local function is expanded."""
    functions = {(f.domain, f.name): f for f in proto.functions}
    sizes: dict[tuple[str, str], int] = {}

    def size(nodes: Any, depth: int) -> int:
        if depth > limits.subgraph_depth:
            _exceeds(where, "depth of local functions", depth, limits.subgraph_depth)
        total = 0
        for node in nodes:
            key = (node.domain, node.op_type)
            if key in functions and key not in sizes:
                sizes[key] = size(functions[key].node, depth + 1)
            total += sizes.get(key, 1)
        return total

    return size(proto.graph.node, 0)


def check_structure(graph: Any) -> list[str]:
    """Return faults of the graph: values written twice, and nodes that read what does not exist yet."""
    faults = []
    names: dict[str, str] = {}
    for what, values in (("graph input", graph.input), ("initializer", graph.initializer)):
        for value in values:
            if what == names.get(value.name):
                faults.append(f"{what} {value.name!r} exists twice; value names must be unique")
            names[value.name] = what
    produced = {name for node in graph.node for name in node.output}
    for index, node in enumerate(graph.node):
        at = f"node {index} {node.op_type} {node.name!r}"
        faults += [_missing(at, name, name in produced) for name in node.input if name and name not in names]
        faults += [
            f"{at}: attribute {a.name!r} has external data; only initializers may"
            for a in node.attribute
            if _is_external(a)
        ]
        for name in node.output:
            if name in names:
                faults.append(
                    f"{at}: writes {name!r}, which {names[name]} already provides; value names must be unique"
                )
            if name:
                names[name] = f"node {index}"
    faults += [f"graph output {v.name!r} is never produced" for v in graph.output if v.name not in names]
    return faults


def _is_external(attribute: Any) -> bool:
    return any(t.data_location == _EXTERNAL or t.external_data for t in (attribute.t, *attribute.tensors))


def _missing(at: str, name: str, exists: bool) -> str:
    if exists:
        return f"{at}: reads {name!r}, which no earlier node has produced (a cycle, or nodes out of order)"
    return f"{at}: reads {name!r}, which nothing in the graph provides"


def run_checker(proto: Any, where: str) -> None:
    """Run the library's own checker on a model whose constants have been taken out.

    Raises:
        MalformedModelError: the checker objects; its first line is passed on.
    """
    import onnx

    # The checker wants a shape of every input and output; which are missing is for the importer to say.
    shapeless = [v.type.tensor_type for v in (*proto.graph.input, *proto.graph.output) if _is_shapeless(v)]
    for tensor in shapeless:
        tensor.shape.SetInParent()
    try:
        onnx.checker.check_model(proto, full_check=False)
    except Exception as error:
        msg = f"{where}: the ONNX checker refuses the model: {first_line(error)}"
        raise MalformedModelError(msg) from error
    for tensor in shapeless:
        tensor.ClearField("shape")


def _is_shapeless(value: Any) -> bool:
    return bool(value.type.HasField("tensor_type")) and not value.type.tensor_type.HasField("shape")


def first_line(error: BaseException) -> str:
    """Return the first line of a library's message without file positions and control characters."""
    text = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    clean = "".join(c if c.isprintable() else "?" for c in text)
    return clean[:300]


def canonical_domain(domain: str) -> str:
    """Return "" for both spellings of the default domain."""
    return DEFAULT_DOMAIN if domain in _DEFAULT_NAMES else domain
