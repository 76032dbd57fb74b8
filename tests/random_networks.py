"""Networks drawn at random, and the platforms that property tests run them on."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import strategies as st
from small_world import Net, small_soc, window

from socsim.soc.loader import load_platform

# What NPU runtimes compute, what only the CPU does, views and what runtimes fold.
KINDS = [
    "CONV_2D", "CONV_2D", "DENSE", "RELU", "ADD", "MUL", "RESHAPE", "SIN", "SOFTMAX", "MAX_POOL_2D", "CONCATENATION",
]  # fmt: skip


@cache
def soc_of(name):
    if name != "small":
        return load_platform(name)
    with TemporaryDirectory() as folder:
        return small_soc(Path(folder))


@st.composite
def networks(draw):
    net = Net()
    size, depth = draw(st.sampled_from([4, 8, 16])), draw(st.sampled_from([3, 8, 32]))
    made = [net.input(1, size, size, depth), net.input(1, size, size, depth)]
    for _ in range(draw(st.integers(1, 12))):
        x = draw(st.sampled_from(made[-4:]))
        made.append(extend(net, draw(st.sampled_from(KINDS)), x, draw(st.sampled_from(made)), depth))
    return net.graph(*draw(st.lists(st.sampled_from(made[2:]), min_size=1, max_size=2, unique=True)))


def extend(net, kind, x, other, depth):
    n, h, w, c = net.shape(x)
    match kind:
        case "CONV_2D":
            return net.conv(x, c)
        case "DENSE":
            flat = net.op("RESHAPE", [x], (h * w, c))
            return net.op("RESHAPE", [net.dense(flat, c)], (n, h, w, c))
        case "CONCATENATION":
            return net.conv(net.op(kind, [x, other], (n, h, w, c + net.shape(other)[3]), axis=3), depth)
        case "MAX_POOL_2D":
            return net.op(kind, [x], **window(1, 1))
    second = {"ADD": lambda: [other], "MUL": lambda: [net.constant(c)]}.get(kind, list)
    return net.op(kind, [x, *second()])
