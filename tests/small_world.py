"""A small SoC with round numbers, and small networks, for tests that compute results by hand."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, settings

from socsim.soc.loader import load_platform
from socsim.soc.runtimes import runtime
from socsim.testing.networks import Net, renamed, window

if TYPE_CHECKING:
    from pathlib import Path

    from socsim.soc.platform import Platform
    from socsim.soc.runtimes import Runtime
    from socsim.workload.graph import Graph

__all__ = ["PROPERTY", "SMALL_SOC", "Net", "altered", "one_conv", "renamed", "small_soc", "window", "with_twin"]

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
    array: {kind: unrolled, unroll: {C: 8, K: 8}, depthwise: {G: 8}, dataflow: weight_stationary}
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


def one_conv(size: int = 8, depth: int = 8, channels: int = 8, kernel: int = 1) -> Graph:
    """Return a network of one convolution."""
    net = Net()
    return net.graph(net.conv(net.input(1, size, size, depth), channels, kernel))
