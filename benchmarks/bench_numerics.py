"""How long one inference takes, bit for bit, with one thread and two, beside LiteRT's kernels with one.

Each model runs under the `tflite` profile, whose results equal the reference kernels'. LiteRT runs in a
process of its own, between two halves of socsim's runs, so that all see the same machine. ResNet-50 is made
here: seeded random weights, quantized by socsim, written as a TFLite file. `bench_numerics.py [NAME…]` takes the
models whose names contain one of the given.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from resnet50 import resnet50, tflite_file

import socsim as ss
from socsim.numerics.arrays import integer_range, numpy_dtype
from socsim.numerics.executor import Executable
from socsim.numerics.threads import Team

if TYPE_CHECKING:
    from collections.abc import Iterator

    from socsim.workload.graph import Graph, Tensor

SHARED = Path(os.environ.get("SOCSIM_SHARED") or Path(__file__).resolve().parents[2] / "shared") / "models"
# Model, the copy that LiteRT can load, runs of socsim and of the optimized kernels, of the reference kernels.
CASES = [
    ("coral_tf2_mobilenet_v2_1.0_224_ptq_int8", "", 20, 5),
    ("coral_mobilenet_edgetpu_0.75_224_int8", "", 20, 5),
    ("mlperf_mobile_edsr_f32b5_int8", ".patched", 4, 1),
]
RESNET = ("resnet50", 10, 2)
RESOLVERS = {"reference": "BUILTIN_REF", "optimized": "BUILTIN_WITHOUT_DEFAULT_DELEGATES", "xnnpack": "BUILTIN"}
FIRST = """
import sys, time
start = time.perf_counter()
import numpy as np
import socsim as ss
with np.load(sys.argv[2]) as inputs:
    ss.execute(sys.argv[1], dict(inputs))
print(time.perf_counter() - start)
"""
LITERT = """
import json, sys, time
import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
path, resolver, runs, data = sys.argv[1:]
interpreter = Interpreter(path, experimental_op_resolver_type=getattr(OpResolverType, resolver), num_threads=1)
interpreter.allocate_tensors()
with np.load(data) as inputs:
    for details, name in zip(interpreter.get_input_details(), inputs.files):
        interpreter.set_tensor(details["index"], inputs[name])
times = []
for _ in range(int(runs) + (int(runs) > 1)):
    start = time.perf_counter()
    interpreter.invoke()
    times.append(time.perf_counter() - start)
outputs = [interpreter.get_tensor(d["index"]).tobytes().hex() for d in interpreter.get_output_details()]
print(json.dumps({"times": times[-int(runs):], "outputs": outputs}))
"""


def litert(path: Path, resolver: str, runs: int, inputs: Path) -> tuple[list[float], list[str]]:
    command = [sys.executable, "-c", LITERT, str(path), resolver, str(runs), str(inputs)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    result = json.loads(done.stdout.splitlines()[-1])
    return result["times"], result["outputs"]


def first_call(path: Path, inputs: Path) -> float:
    """Seconds of a first call in a fresh process, imports included; kernels were compiled before."""
    command = [sys.executable, "-c", FIRST, str(path), str(inputs)]
    return min(float(subprocess.run(command, capture_output=True, text=True, check=True).stdout) for _ in range(3))


def socsim_times(
    executables: dict[int, Executable], inputs: dict[int, np.ndarray], runs: int
) -> dict[int, list[float]]:
    """Seconds of runs by number of threads, one after the other in turn."""
    times: dict[int, list[float]] = {threads: [] for threads in executables}
    for _ in range(runs):
        for threads, executable in executables.items():
            start = time.perf_counter()
            executable.run(inputs)
            times[threads].append(time.perf_counter() - start)
    return times


def line(what: str, times: list[float], ours: float) -> str:
    least, middle = 1000 * min(times), 1000 * statistics.median(times)
    return f"  {what:<10} min {least:9.2f} ms, median {middle:9.2f} ms, {least / ours:6.2f} x one thread of socsim"


def random_input(rng: np.random.Generator, tensor: Tensor) -> np.ndarray:
    if tensor.dtype.is_float:
        return rng.normal(0, 1, tensor.shape).astype(np.float32)
    return rng.integers(*integer_range(tensor.dtype), tensor.shape, numpy_dtype(tensor.dtype), endpoint=True)


def bench(name: str, net: Graph, path: Path, runs: int, reference_runs: int, folder: Path) -> None:
    rng = np.random.default_rng(0)
    inputs = {t: random_input(rng, net.tensors[t]) for t in net.inputs}
    file = folder / f"{name}.npz"
    np.savez(file, **{str(t): array for t, array in inputs.items()})
    executables = {threads: Executable(net, "tflite", team=Team(threads)) for threads in (1, 2)}
    results = {threads: executable.run(inputs) for threads, executable in executables.items()}
    halves = [socsim_times(executables, inputs, runs // 2)]
    reference, expected = litert(path, RESOLVERS["reference"], reference_runs, file)
    others = {what: litert(path, RESOLVERS[what], runs, file)[0] for what in ("optimized", "xnnpack")}
    halves.append(socsim_times(executables, inputs, runs - runs // 2))
    ours = {threads: halves[0][threads] + halves[1][threads] for threads in executables}
    equal = all([made[t].tobytes().hex() for t in net.outputs] == expected for made in results.values())
    least = 1000 * min(ours[1])
    print(f"{name}: {'equal to' if equal else 'DIFFERENT FROM'} the reference kernels")
    for what, times in {"socsim": ours[1], "2 threads": ours[2], "reference": reference, **others}.items():
        print(line(what, times, least))
    print(f"  first call of a fresh process {1000 * first_call(path, file):.0f} ms", flush=True)


def cases(names: list[str], folder: Path) -> Iterator[tuple[str, Graph, Path, int, int]]:
    for name, suffix, runs, reference_runs in CASES:
        path = SHARED / f"{name}.tflite"
        if any(n in name for n in names or [""]) and path.is_file():
            yield name, ss.load(str(path)), SHARED / f"{name}{suffix}.tflite", runs, reference_runs
    name, runs, reference_runs = RESNET
    if any(n in name for n in names or [""]):
        net, path = resnet50(), folder / f"{name}.tflite"
        path.write_bytes(tflite_file(net))
        yield name, net, path, runs, reference_runs


def main(names: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for case in cases(names, Path(folder)):
            bench(*case, Path(folder))


if __name__ == "__main__":
    main(sys.argv[1:])
