"""Runs models in LiteRT, in a process of its own, since LiteRT aborts on models that it does not like.

Usage: litert_worker.py MODEL KERNELS INPUTS.npz OUTPUTS.npz, KERNELS one of reference, optimized, xnnpack.
INPUTS has arrays `SET/POSITION`; OUTPUTS gets arrays `SET/POSITION`, each set from a fresh start. MODEL is a
`.tflite` file for all sets, or an `.npz` file with the bytes of a model for each set in `model_SET`. A set whose name
begins with `+` goes on from the state that the set before it left.
"""

from __future__ import annotations

import sys
from itertools import groupby
from pathlib import Path

import numpy as np


def main(model: str, kernels: str, inputs: str, outputs: str) -> None:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    resolver = {
        "reference": OpResolverType.BUILTIN_REF,
        "optimized": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        "xnnpack": OpResolverType.BUILTIN,
    }[kernels]
    results = {}
    models = np.load(model) if model.endswith(".npz") else None
    with np.load(inputs) as given:
        for name, keys in groupby(given, key=lambda key: key.partition("/")[0]):
            if not name.startswith("+"):
                content = Path(model).read_bytes() if models is None else models[f"model_{name}"].tobytes()
                interpreter = Interpreter(model_content=content, experimental_op_resolver_type=resolver, num_threads=1)
                interpreter.allocate_tensors()
            for detail, key in zip(interpreter.get_input_details(), keys, strict=True):
                interpreter.set_tensor(detail["index"], given[key])
            interpreter.invoke()
            for position, detail in enumerate(interpreter.get_output_details()):
                results[f"{name}/{position}"] = interpreter.get_tensor(detail["index"])
    np.savez(outputs, **results)


if __name__ == "__main__":
    main(*sys.argv[1:])
