"""QDQ graphs: DequantizeLinear and QuantizeLinear nodes around an operator fold into its tensors.

An operator whose floating-point operands all come from DequantizeLinear, and whose results all go to
QuantizeLinear, works on integers; so reads ONNX Runtime such a graph. What remains are QUANTIZE and
DEQUANTIZE at the borders between integer and floating-point parts. Weights of a floating-point
convolution or matrix multiplication stay integers (weight-only quantization). A movement whose two sides
are quantized differently works on integers, with a requantizing QUANTIZE behind it. Around floats of 8 bits and
fewer nothing is folded: ONNX Runtime computes between them in float32.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from socsim.workload.dtypes import SMALL_FLOATS, DType
from socsim.workload.importers.onnx_model import MICROSOFT_DOMAIN, Value
from socsim.workload.importers.onnx_quantization import (
    assign,
    bias_quantization,
    dequantize,
    quantize,
    read_quantization,
)

if TYPE_CHECKING:
    from socsim.workload.graph import Quantization
    from socsim.workload.importers.onnx_model import Model, Node

_Q, _DQ = "QuantizeLinear", "DequantizeLinear"
_PARAMETERS = {"Clip": (1, 2), "Resize": (1, 2), "Pad": (2,)}
_BIASED = {"Conv": 2, "ConvTranspose": 2, "Gemm": 2}
_WEIGHTED = {"Conv": 1, "ConvTranspose": 1, "Gemm": 1, "MatMul": 1}
_NEVER = frozenset(
    {
        _Q, _DQ, "Cast", "CastLike", "DynamicQuantizeLinear", "LSTM", "GRU", "NonMaxSuppression", "TopK",
        "BatchNormalization", "NonZero",
    }
)  # fmt: skip
_MOVEMENTS = frozenset(
    {
        "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Slice", "Gather", "GatherND", "MaxPool",
        "GlobalMaxPool", "Identity", "DepthToSpace", "SpaceToDepth", "Expand", "Tile", "Split", "Dropout",
    }
)  # fmt: skip
_ACTIVATED = frozenset({*_WEIGHTED, "Add", "Sub", "Mul"})
_INDEX_RESULT = frozenset({"ArgMax", "ArgMin"})


def fold_quantization(model: Model) -> None:
    """Fold QuantizeLinear and DequantizeLinear nodes of the model where that is possible."""
    fold = _Fold(model)
    if not fold.found:
        return
    fold.quantize_constants()
    for node in list(model.nodes):
        if node not in fold.removed:
            fold.visit(node)
    fold.finish()


class _Nodes:
    """A set of nodes by identity."""

    def __init__(self) -> None:
        self._ids: set[int] = set()

    def add(self, node: Node) -> None:
        self._ids.add(id(node))

    def __contains__(self, node: Node) -> bool:
        return id(node) in self._ids

    def __len__(self) -> int:
        return len(self._ids)


class _Fold:
    """The pass over one model.

    `real` maps the result of a DequantizeLinear to that node; `alias` maps results of QuantizeLinear nodes
    that repeat another one.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self.removed = _Nodes()
        self.real: dict[str, Node] = {}
        self.alias: dict[str, str] = {}
        self.rounded_biases = 0
        self.found = [node for node in model.nodes if node.op_type in (_Q, _DQ)]
        for node in self.found:
            self._read(node)
        self.consumers = model.consumers()
        self.outputs = frozenset(model.outputs)

    def _read(self, node: Node) -> None:
        """Move scale and zero point into the quantized value, unless they are computed."""
        if node.domain == MICROSOFT_DOMAIN:
            node.domain = ""
        quantized = node.outputs[0] if node.op_type == _Q else node.inputs[0]
        shape = self.model.shape(quantized)
        axis = node.attribute("axis", 1) if shape else None
        scale, zero_point = node.operand(1), node.operand(2)
        block = int(node.attribute("block_size", 0))
        found = read_quantization(self.model, node, quantized, scale, zero_point, axis=axis, block_size=block)
        if found is None:
            return
        name = assign(self.model, node, quantized, found)
        node.inputs = [name] if node.op_type == _DQ else node.inputs[:1]
        if node.op_type == _DQ and self.model.values[name].dtype not in SMALL_FLOATS:
            self.real[node.outputs[0]] = node

    def quantization(self, name: str) -> Quantization | None:
        return self.model.values[name].quantization

    def quantize_constants(self) -> None:
        """Replace QuantizeLinear of a constant by the rounded constant."""
        for node in self.found:
            value = self.model.values[node.inputs[0]]
            target = self.model.values[node.outputs[0]]
            if node.op_type == _Q and value.constant and target.quantization is not None:
                usable = self.model.may_compute(value)
                saturate = bool(node.attribute("saturate", 1))
                found = quantize(value, target.quantization, target.dtype, saturate=saturate) if usable else None
                target.data = found
                target.constant = True
                self.removed.add(node)

    def visit(self, node: Node) -> None:
        """Decide whether a node works on integers."""
        node.inputs = [self.alias.get(name, name) for name in node.inputs]
        node.computed = [
            c._replace(zero_point=self.alias.get(c.zero_point, c.zero_point)) for c in node.computed
        ]  # scales are reals, which have no alias
        if node.op_type == _Q and len(node.inputs) == 1 and node.inputs[0] in self.real:
            self._use_integers(node)
        elif node.op_type not in _NEVER and self._reads_integers(node):
            self._fold(node)

    def _operands(self, node: Node) -> list[str]:
        """Return the floating-point operands that carry data."""
        skipped = _PARAMETERS.get(node.op_type, ())
        return [n for i, n in enumerate(node.inputs) if n and i not in skipped and self.model.values[n].dtype.is_float]

    def _reads_integers(self, node: Node) -> bool:
        names = self._operands(node)
        open_names = [n for n in names if n not in self.real]
        bias = node.operand(_BIASED[node.op_type]) if node.op_type in _BIASED else ""
        return (
            bool(names)
            and names[0] in self.real
            and (not open_names or (open_names == [bias] and self.model.is_constant(bias)))
        )

    def _fold(self, node: Node) -> None:
        if node.op_type in _INDEX_RESULT:
            self._use_integers(node)
            return
        tail = self._fused_activation(node)
        last = tail or node
        quantizers = [self._quantizers(name) for name in last.outputs if name]
        if not all(quantizers):
            return
        self._use_integers(node)
        if tail is not None:
            node.activation = _activation(tail, self.model)
            node.outputs, node.fused = list(tail.outputs), (*node.fused, *tail.fused)
            self.removed.add(tail)
        for position, found in enumerate(quantizers):
            self._write_integers(node, position, found)

    def _fused_activation(self, node: Node) -> Node | None:
        """Return the Relu or Clip(0, 6) between an operator that can apply it and its quantizer."""
        if node.op_type not in _ACTIVATED or node.outputs[0] in self.outputs:
            return None
        readers = self.consumers.get(node.outputs[0], [])
        if len(readers) == 1 and _activation(readers[0], self.model) != "NONE":
            return readers[0]
        return None

    def _quantizers(self, name: str) -> list[Node]:
        """Return the QuantizeLinear nodes that alone read a value, all alike; else nothing."""
        readers = self.consumers.get(name, [])
        alike = all(r.op_type == _Q and len(r.inputs) == 1 and self._same(r, readers[0]) for r in readers)
        is_small = any(self.model.values[r.outputs[0]].dtype in SMALL_FLOATS for r in readers)
        return readers if alike and not is_small and name not in self.outputs else []

    def _same(self, one: Node, other: Node) -> bool:
        left, right = (self.model.values[n.outputs[0]] for n in (one, other))
        return left.dtype is right.dtype and left.quantization == right.quantization and left.quantization is not None

    def _use_integers(self, node: Node) -> None:
        """Let a node read the integers behind its floating-point operands."""
        for position, name in enumerate(node.inputs):
            if name in self.real and position not in _PARAMETERS.get(node.op_type, ()):
                source = self.real[name]
                node.inputs[position] = source.inputs[0]
                node.fused = (*node.fused, *source.fused)
        bias = _BIASED.get(node.op_type, 0)
        if bias and node.operand(bias) and self.model.values[node.inputs[bias]].dtype.is_float:
            self._round_bias(node, bias)

    def _round_bias(self, node: Node, position: int) -> None:
        """Quantize a constant bias as converters do, to int32 with the product of the two scales."""
        model, name = self.model, node.inputs[position]
        left, right = (self.quantization(n) for n in node.inputs[:2])
        found = bias_quantization(left, right)
        value = model.values[name]
        if found is None or value.data is None or (found.axis is not None and value.shape != (len(found.scales),)):
            return
        rounded = model.fresh(f"{name}_quantized")
        data = quantize(value, found, DType.INT32)
        model.values[rounded] = Value(rounded, DType.INT32, value.shape, True, data, found)
        node.inputs[position] = rounded
        self.rounded_biases += 1

    def _write_integers(self, node: Node, position: int, quantizers: list[Node]) -> None:
        first = quantizers[0].outputs[0]
        source, target = self.model.values[node.inputs[0]], self.model.values[first]
        for extra in quantizers[1:]:
            self._merge(extra, first)
        moved = node.op_type in _MOVEMENTS
        if moved and (source.quantization != target.quantization or source.dtype is not target.dtype):
            middle = self.model.values[node.outputs[position]]
            middle.dtype, middle.quantization = source.dtype, source.quantization
            return
        node.outputs[position] = first
        for quantizer in quantizers:
            node.fused = (*node.fused, *quantizer.fused)
        self.removed.add(quantizers[0])

    def _merge(self, repeated: Node, kept: str) -> None:
        name = repeated.outputs[0]
        if name not in self.outputs:
            self.alias[name] = kept
            self.removed.add(repeated)

    def finish(self) -> None:
        """Drop what nothing needs any more, and settle the constants of the floating-point parts."""
        for node in self.model.nodes:
            if node not in self.removed and node.op_type not in (_Q, _DQ):
                self._keep_integer_weights(node)
        needed = {n for node in self.model.nodes if node not in self.removed for n in node.reads} | self.outputs
        for name, node in self.real.items():
            if name not in needed:
                self.removed.add(node)
            elif self.model.is_constant(node.inputs[0]):
                self._settle(name, node)
        kept = [node for node in self.model.nodes if node not in self.removed]
        borders = sum(node.op_type in (_Q, _DQ) for node in kept)
        self.model.nodes = kept
        self._note(borders)

    def _keep_integer_weights(self, node: Node) -> None:
        position = _WEIGHTED.get(node.op_type)
        name = node.operand(position) if position else ""
        if position and name in self.real and self.model.is_constant(self.real[name].inputs[0]):
            node.inputs[position] = self.real[name].inputs[0]
            node.fused = (*node.fused, *self.real[name].fused)

    def _settle(self, name: str, node: Node) -> None:
        source, target = self.model.values[node.inputs[0]], self.model.values[name]
        if source.quantization is not None:
            usable = self.model.may_compute(source)
            target.constant, target.data = True, dequantize(source, source.quantization) if usable else None
            self.removed.add(node)

    def _note(self, borders: int) -> None:
        total = len(self.found)
        self.model.notes.append(
            f"{total - borders} of {total} QuantizeLinear and DequantizeLinear nodes are folded into the "
            "quantization of tensors"
        )
        if self.rounded_biases:
            self.model.notes.append(
                f"{self.rounded_biases} floating-point biases of quantized operators are rounded to int32"
            )


def _activation(node: Node, model: Model) -> str:
    """Return the fused activation that a node amounts to, "NONE" for any other node."""
    if node.op_type == "Relu":
        return "RELU"
    if node.op_type != "Clip":
        return "NONE"
    bounds = tuple(_bound(node, model, i, key) for i, key in ((1, "min"), (2, "max")))
    return "RELU6" if bounds == (0.0, 6.0) else "NONE"


def _bound(node: Node, model: Model, position: int, key: str) -> float | None:
    data = model.constant(node.operand(position))
    return float(data.reshape(-1)[0]) if data is not None and data.size else node.attribute(key)
