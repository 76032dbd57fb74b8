"""A network in words and as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from socsim.workload.graph import Graph, Tensor


def describe(graph: Graph) -> str:
    """Return one screen: inputs, outputs, counts, operators by type."""
    return "\n".join([
        f"{_clean(graph.name)} ({graph.source_format}): {len(graph.operators)} operators, {graph.macs:,} MACs, "
        f"{graph.parameters:,} parameters in {graph.parameter_bytes:,} B",
        *(f"input     {_tensor(graph.tensors[i])}" for i in graph.inputs),
        *(f"output    {_tensor(graph.tensors[i])}" for i in graph.outputs),
        *(f"operators {count:>6} x {name}" for name, count in graph.operator_counts.items()),
        *(f"note      {_clean(note)}" for note in graph.notes),
    ])  # fmt: skip


def _tensor(tensor: Tensor) -> str:
    shape = "x".join(map(str, tensor.shape)) or "scalar"
    return f"{_clean(tensor.name)} {tensor.dtype.value} {shape}"


def _clean(text: str) -> str:
    """Replace what a terminal would obey."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def description_json(graph: Graph) -> str:
    """Return inputs, outputs and operators with shapes and counts."""
    tensors = graph.tensors

    def named(indices: tuple[int, ...]) -> list[dict[str, Any]]:
        return [
            {
                "index": i,
                "name": tensors[i].name,
                "type": tensors[i].dtype.value,
                "shape": list(tensors[i].shape),
            }
            for i in indices
        ]

    document = {
        "schema_version": "socsim.workload/1",
        "name": graph.name,
        "format": graph.source_format,
        "sha256": graph.sha256,
        "macs": graph.macs,
        "parameters": graph.parameters,
        "parameter_bytes": graph.parameter_bytes,
        "inputs": named(graph.inputs),
        "outputs": named(graph.outputs),
        "operators": [
            {
                "index": op.index,
                "name": op.name,
                "type": op.type,
                "source_type": op.source_type,
                "macs": op.macs,
                "inputs": [i for i in op.inputs if i is not None],
                "outputs": list(op.outputs),
                "output_shapes": [list(t.shape) for t in graph.output_tensors(op)],
            }
            for op in graph.operators
        ],
        "notes": list(graph.notes),
    }
    return json.dumps(document, indent=1, ensure_ascii=False)
