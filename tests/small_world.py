"""A small SoC with round numbers, and small networks, for tests that compute results by hand."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, settings

from socsim.soc.loader import load_platform
from socsim.soc.runtimes import runtime
from socsim.workload.builder import GraphBuilder
from socsim.workload.dtypes import DType
from socsim.workload.graph import Graph, TensorKind

if TYPE_CHECKING:
    from pathlib import Path

    from socsim.soc.platform import Platform
    from socsim.soc.runtimes import Runtime

PROPERTY = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
"""Settings of every property test; the number of examples and their seeds are the profile's (conftest.py)."""

# Every clock has a period of whole picoseconds, and every rate divides 10**12: nothing is rounded.
# NPU: 8 x 8 multipliers at 1 GHz; DRAM: 4 GB/s, 250 ps a byte; ports and fabric never bind.
SMALL_SOC = """
schema: socsim.platform/1
name: small
title: Small SoC with round numbers
process: 8 nm
clocks:
  npu: {opps: [{name: only, clock: 1000 MHz, voltage: 800 mV}]}
  cpu: {opps: [{name: only, clock: 1000 MHz, voltage: 800 mV}]}
power_domains:
  npu: {static: 10 mW}
  cpu: {static: 20 mW}
memories:
  dram:
    kind: dram
    technology: lpddr4
    channels: 1
    width: 32 bit
    data_rate: 1000 MT/s
    efficiency: 1.0
    latency: 128 ns
    size: 1 GiB
    static: 5 mW
    energy: {read: 4 pJ/bit, write: 4 pJ/bit}
units:
  npu:
    kind: npu
    architecture: array of 8 x 8
    cores: 2
    default_cores: 1
    array: {unroll: {C: 8, K: 8}, depthwise: {G: 8}}
    dataflow: weight_stationary
    precisions: {int8: 1, int16: 0.5, float16: 0.5}
    buffer: 16 KiB
    vector: 8
    command: 1 us
    core_sync: 2 us
    clock: npu
    power: npu
    runtime: rknn
    port: {width: 16 B/cycle, outstanding: 16, burst: 64 B}
    activations: [dram]
    weights: [dram]
    fallback: [cpu]
    energy:
      voltage: 800 mV
      mac: {int8: 1 pJ}
      vector_op: 2 pJ
      local_byte: 3 pJ/B
  cpu:
    kind: cpu
    core: plain
    cores: 4
    macs_per_cycle: {int8: 8, int16: 4, float16: 4, float32: 2}
    vector: 16 B/cycle
    caches: [{level: L1, size: 1 KiB, scope: core, bandwidth: 16 B/cycle}]
    thread_sync: 1 us
    clock: cpu
    power: cpu
    runtime: tflite-xnnpack
    port: {width: 16 B/cycle, outstanding: 16, burst: 64 B}
    activations: [dram]
    weights: [dram]
links:
  bus:
    kind: axi
    width: 128 bit
    clock: 1000 MHz
    connects: [npu, cpu, dram]
preference: [npu, cpu]
"""


def small_soc(folder: Path) -> Platform:
    """Return the small SoC, written to a folder and loaded as any platform file is."""
    path = folder / "small.yaml"
    path.write_text(SMALL_SOC, encoding="utf-8")
    return load_platform(path)


def with_twin(soc: Platform) -> Platform:
    """Return the SoC with a second NPU, equal to the first, on the same bus."""
    npu = deepcopy(soc.document.value["units"]["npu"])
    return soc.with_({"units.twin": npu, "links.bus.connects": ["npu", "twin", "cpu", "dram"]})


def altered(name: str, **changes: Any) -> Runtime:
    """Return a shipped runtime with some fields changed."""
    return runtime(name).model_copy(update=changes)


class Net:
    """Builds networks operator by operator; every method returns a tensor index."""

    def __init__(self, dtype: DType = DType.INT8) -> None:
        self.builder = GraphBuilder("net")
        self.dtype = dtype
        self.inputs: list[int] = []

    def _tensor(self, name: str, shape: tuple[int, ...], kind: TensorKind = TensorKind.ACTIVATION) -> int:
        return self.builder.tensor(name, self.dtype, shape, kind=kind)

    def shape(self, tensor: int) -> tuple[int, ...]:
        return self.builder.describe(tensor).shape

    def input(self, *shape: int) -> int:
        self.inputs.append(self._tensor(f"input{len(self.inputs)}", shape, TensorKind.INPUT))
        return self.inputs[-1]

    def constant(self, *shape: int) -> int:
        return self._tensor("constant", shape, TensorKind.CONSTANT)

    def op(self, kind: str, inputs: list[int], shape: tuple[int, ...] | None = None, **attributes: Any) -> int:
        """Add an operator with one output, of the first input's shape unless another is given."""
        out = self._tensor(f"{kind.lower()}_out", shape or self.shape(inputs[0]))
        self.builder.operator(kind, kind.lower(), inputs, [out], attributes)
        return out

    def conv(self, x: int, channels: int, kernel: int = 1, stride: int = 1) -> int:
        """Add a convolution without padding, NHWC."""
        n, h, w, c = self.shape(x)
        rows, columns = ((size - kernel) // stride + 1 for size in (h, w))
        weights = self.constant(channels, kernel, kernel, c)
        return self.op("CONV_2D", [x, weights], (n, rows, columns, channels), **window(kernel, stride))

    def depthwise(self, x: int, kernel: int = 3) -> int:
        """Add a depthwise convolution without padding, NHWC."""
        n, h, w, c = self.shape(x)
        weights = self.constant(1, kernel, kernel, c)
        made = (n, h - kernel + 1, w - kernel + 1, c)
        return self.op("DEPTHWISE_CONV_2D", [x, weights], made, groups=c, **window(kernel, 1))

    def dense(self, x: int, units: int) -> int:
        """Add a fully-connected layer."""
        rows, depth = self.shape(x)
        return self.op("FULLY_CONNECTED", [x, self.constant(units, depth)], (rows, units), transpose_b=True)

    def graph(self, *outputs: int) -> Graph:
        return self.builder.build("net", "tflite", self.inputs, outputs)


def window(kernel: int, stride: int) -> dict[str, Any]:
    """Return attributes of an unpadded square window."""
    return {
        "layout": "NHWC", "kernel": (kernel, kernel), "strides": (stride, stride), "dilations": (1, 1),
        "pads": (0, 0, 0, 0),
    }  # fmt: skip


def one_conv(size: int = 8, depth: int = 8, channels: int = 8, kernel: int = 1) -> Graph:
    """Return a network of one convolution."""
    net = Net()
    return net.graph(net.conv(net.input(1, size, size, depth), channels, kernel))


def renamed(graph: Graph) -> Graph:
    """Return the graph with other names for its tensors and operators."""
    tensors = tuple(replace(t, name=f"other {t.index}") for t in graph.tensors)
    operators = tuple(replace(op, name=f"new {op.index}") for op in graph.operators)
    return replace(graph, tensors=tensors, operators=operators)
