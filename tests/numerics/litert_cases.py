"""Runs files of one operator in LiteRT's reference kernels.

Usage: litert_cases.py CASES.npz RESULTS.npz. CASES has arrays `model_I` (the file's bytes) and `in_I_J`; RESULTS
gets `out_I_K`, none for a file that LiteRT refuses.
"""

from __future__ import annotations

import os
import sys

import numpy as np


def in_child(content: bytes, arrays: list[np.ndarray], target: str) -> None:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_content=content, experimental_op_resolver_type=OpResolverType.BUILTIN_REF, num_threads=1
    )
    interpreter.allocate_tensors()
    for detail, array in zip(interpreter.get_input_details(), arrays, strict=True):
        interpreter.set_tensor(detail["index"], array)
    interpreter.invoke()
    np.savez(target, *[interpreter.get_tensor(d["index"]) for d in interpreter.get_output_details()])


def main(cases: str, results: str) -> None:
    """Run each case in a child process, since LiteRT aborts on what it does not like."""
    import ai_edge_litert.interpreter  # noqa: F401  (loaded once, for all children)

    found = {}
    with np.load(cases) as archive:
        given = {key: archive[key] for key in archive}
    for i in range(sum(key.startswith("model_") for key in given)):
        target = f"{results}.{i}.npz"
        arrays = [given[f"in_{i}_{j}"] for j in range(sum(k.startswith(f"in_{i}_") for k in given))]
        child = os.fork()
        if child == 0:
            try:
                in_child(given[f"model_{i}"].tobytes(), arrays, target)
            except (RuntimeError, ValueError) as error:
                sys.stderr.write(f"{i}: {error}\n")
                os._exit(1)
            os._exit(0)
        if os.waitpid(child, 0)[1] == 0:
            with np.load(target) as output:
                found |= {f"out_{i}_{k}": output[f"arr_{k}"] for k in range(len(output))}
    np.savez(results, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
