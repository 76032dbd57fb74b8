"""Comparison of drawn networks with published counts."""

from __future__ import annotations

from decimal import Decimal

from socsim.workload.limits import DEFAULT_LIMITS
from socsim.workload.zoo import Request
from socsim.workload.zoo.catalogue import find


def agrees(found, published, scale=1):
    """Whether a count is within 1 % of the printed figure, or rounds to it."""
    printed = Decimal(str(published))
    half = Decimal(5) * Decimal(10) ** (printed.as_tuple().exponent - 1)
    return abs(Decimal(found) / scale - printed) <= max(printed / 100, half)


def drawn(name, **asked):
    """Return the network in the form that is asked for, and what training has more."""
    network, variant = find(name, Request(**asked))
    layers, outputs = network.layers(name, variant, DEFAULT_LIMITS)
    return layers.finish(*outputs), layers.folded


def weighted_macs(graph):
    """Multiply-accumulates of layers with weights, which alone most profilers count."""
    return sum(op.macs for op in graph.operators if op.type != "BATCH_MATMUL")


def profiled_macs(graph):
    """As `weighted_macs`, with a transposed convolution counted at every position of its result, as thop does."""
    more = sum(
        op.macs * (op.attributes["strides"][0] * op.attributes["strides"][1] - 1)
        for op in graph.operators
        if op.type == "TRANSPOSE_CONV"
    )
    return weighted_macs(graph) + more
