"""Networks of any number of operators, for questions of growth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from small_world import Net

if TYPE_CHECKING:
    from collections.abc import Callable

    from socsim.workload.graph import Graph


def chain(operators: int) -> Graph:
    """Return convolutions and activations, one after the other."""
    net = Net()
    x = net.input(1, 8, 8, 16)
    for i in range(operators):
        x = net.op("RELU", [x]) if i % 2 else net.conv(x, 16)
    return net.graph(x)


def wide(operators: int) -> Graph:
    """Return convolutions of one input, all of which one operator reads at the end."""
    net = Net()
    x = net.input(1, 8, 8, 16)
    made = [net.conv(x, 16) for _ in range(operators - 1)]
    return net.graph(net.op("CONCATENATION", made, (1, 8, 8, 16 * len(made)), axis=3))


def residual(operators: int) -> Graph:
    """Return convolutions with an addition around each."""
    net = Net()
    x = net.input(1, 8, 8, 16)
    for _ in range(operators // 2):
        x = net.op("ADD", [net.conv(x, 16), x])
    return net.graph(x)


def alternating(operators: int) -> Graph:
    """Return convolutions, and between them functions that NPU runtimes leave to the CPU."""
    net = Net()
    x = net.input(1, 8, 8, 16)
    for i in range(operators):
        x = net.op("SIN", [x]) if i % 2 else net.conv(x, 16)
    return net.graph(x)


def views(operators: int) -> Graph:
    """Return a chain of views, each of which a convolution reads too."""
    net = Net()
    x, made = net.input(1, 8, 8, 16), []
    for _ in range(operators // 2):
        x = net.op("RESHAPE", [x], (1, 8, 8, 16))
        made.append(net.conv(x, 16))
    return net.graph(*made)


SHAPES: dict[str, Callable[[int], Graph]] = {
    "chain": chain, "wide": wide, "residual": residual, "alternating": alternating, "views": views,
}  # fmt: skip
