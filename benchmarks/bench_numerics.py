"""How long one inference takes, bit for bit, beside LiteRT's reference and optimized built-in kernels; one thread.

Each model runs under the `tflite` profile, whose results equal the reference kernels'. LiteRT runs in a
process of its own, between two halves of socsim's runs, so that all three see the same machine.
OPENBLAS_NUM_THREADS is set to 1 here, before NumPy is imported; so do users who want one thread.
"""

from __future__ import annotations

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import socsim as ss
from socsim.numerics.arrays import integer_range, numpy_dtype
from socsim.numerics.executor import Executable

SHARED = Path(os.environ.get("SOCSIM_SHARED") or Path(__file__).resolve().parents[2] / "shared") / "models"
# Model, the copy that LiteRT can load, socsim's runs, runs of the reference kernels, of the optimized ones.
CASES = [
    ("coral_tf2_mobilenet_v2_1.0_224_ptq_int8", "", 20, 5, 20),
    ("coral_mobilenet_edgetpu_0.75_224_int8", "", 20, 5, 20),
    ("mlperf_mobile_edsr_f32b5_int8", ".patched", 4, 1, 4),
]
RESOLVERS = {"reference": "BUILTIN_REF", "optimized": "BUILTIN_WITHOUT_DEFAULT_DELEGATES"}
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


def socsim_times(executable: Executable, inputs: dict[int, np.ndarray], runs: int) -> list[float]:
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        executable.run(inputs)
        times.append(time.perf_counter() - start)
    return times


def line(what: str, times: list[float], ours: float) -> str:
    least, middle = 1000 * min(times), 1000 * statistics.median(times)
    return f"  {what:<10} min {least:9.2f} ms, median {middle:9.2f} ms, {least / ours:6.2f} x socsim"


def bench(name: str, suffix: str, runs: int, reference_runs: int, optimized_runs: int, folder: Path) -> None:
    net = ss.load(str(SHARED / f"{name}.tflite"))
    rng = np.random.default_rng(0)
    tensors = [net.tensors[t] for t in net.inputs]
    data = [rng.integers(*integer_range(t.dtype), t.shape, numpy_dtype(t.dtype), endpoint=True) for t in tensors]
    inputs = dict(zip(net.inputs, data, strict=True))
    file = folder / f"{name}.npz"
    np.savez(file, **{str(i): array for i, array in enumerate(data)})
    start = time.perf_counter()
    executable = Executable(net, "tflite")
    prepared = time.perf_counter()
    results = executable.run(inputs)
    first = time.perf_counter()
    ours = socsim_times(executable, inputs, runs // 2)
    model = SHARED / f"{name}{suffix}.tflite"
    reference, expected = litert(model, RESOLVERS["reference"], reference_runs, file)
    optimized, _ = litert(model, RESOLVERS["optimized"], optimized_runs, file)
    ours += socsim_times(executable, inputs, runs - runs // 2)
    equal = [results[t].tobytes().hex() for t in net.outputs] == expected
    least = 1000 * min(ours)
    print(f"{name}: {'equal to' if equal else 'DIFFERENT FROM'} the reference kernels")
    print(line("socsim", ours, least))
    print(line("reference", reference, least))
    print(line("optimized", optimized, least))
    print(f"  prepare {1000 * (prepared - start):.0f} ms, first run {1000 * (first - prepared):.0f} ms")


def main(names: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for case in CASES:
            if (not names or any(n in case[0] for n in names)) and (SHARED / f"{case[0]}.tflite").is_file():
                bench(*case, Path(folder))


if __name__ == "__main__":
    main(sys.argv[1:])
