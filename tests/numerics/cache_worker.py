"""Executes a small network in a process of its own, and prints what the cache of kernels did for it.

Usage: cache_worker.py [--read-only] [--other-sources]. Prints one JSON document: a digest of the results, the
compiled forms that were found in the cache (hits) and those that were not (misses).
"""

from __future__ import annotations

import ctypes
import gc
import hashlib
import json
import os
import struct
import sys

import numpy as np
from numba.core.dispatcher import Dispatcher

from socsim.numerics import jit
from socsim.numerics.executor import Executable
from socsim.workload.builder import GraphBuilder
from socsim.workload.dtypes import DType
from socsim.workload.graph import Graph, Quantization, TensorKind

WINDOW = {"layout": "NHWC", "kernel": (3, 3), "strides": (1, 1), "dilations": (1, 1), "pads": (1, 1, 1, 1)}


def network() -> Graph:
    """A convolution, a depthwise one and a pool."""
    rng, b, shape = np.random.default_rng(0), GraphBuilder("small"), (1, 6, 6, 4)
    q = Quantization((0.5,), (3,))
    x = last = b.tensor("x", DType.INT8, shape, kind=TensorKind.INPUT, quantization=q)
    for kind, weights in (("CONV_2D", (4, 3, 3, 4)), ("DEPTHWISE_CONV_2D", (1, 3, 3, 4))):
        data = rng.integers(-127, 127, weights).astype(np.int8)
        w = b.tensor(
            "w", DType.INT8, weights, kind=TensorKind.CONSTANT, data=data, quantization=Quantization((0.01,), (0,))
        )
        made = b.tensor(kind, DType.INT8, shape, quantization=q)
        b.operator(
            kind, kind, [last, w], [made], WINDOW | {"groups": 4 if kind != "CONV_2D" else 1, "activation": "NONE"}
        )
        last = made
    y = b.tensor("y", DType.INT8, shape, quantization=q)
    b.operator("AVERAGE_POOL_2D", "pool", [last], [y], WINDOW | {"activation": "NONE"})
    return b.build("small", "tflite", [x], [y])


def give_up_rights() -> None:
    """Make the rights of folders hold for the superuser too, where there is one."""
    if os.getuid() == 0:
        header = struct.pack("Ii", 0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3, this process
        assert ctypes.CDLL(None).capset(header, bytes(24)) == 0
    assert not os.access(jit.cache_folder(), os.W_OK, effective_ids=True)


def main(options: list[str]) -> None:
    if "--read-only" in options:
        give_up_rights()
    if "--other-sources" in options:
        jit._sources = lambda _part: "other"
    graph = network()
    image = np.random.default_rng(1).integers(-128, 127, (1, 6, 6, 4)).astype(np.int8)
    result = Executable(graph).run({"x": image})[graph.outputs[0]]
    stats = [o.stats for o in gc.get_objects() if isinstance(o, Dispatcher) and o.__module__.startswith("socsim.")]
    counts = {what: sum(sum(getattr(s, f"cache_{what}").values()) for s in stats) for what in ("hits", "misses")}
    sys.stdout.write(json.dumps({"digest": hashlib.sha256(result.tobytes()).hexdigest(), **counts}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
