"""What LiteRT answers to one input after another, its state kept."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np


def steps(content: bytes, inputs: list[np.ndarray], folder: Path, kernels: str = "reference") -> list[np.ndarray]:
    """Return the first output of each step."""
    model, given, made = folder / "steps.tflite", folder / "steps_in.npz", folder / "steps_out.npz"
    model.write_bytes(content)
    names = ["0", *(f"+{i}" for i in range(1, len(inputs)))]
    np.savez(given, **{f"{name}/0": x for name, x in zip(names, inputs, strict=True)})
    worker = Path(__file__).with_name("litert_worker.py")
    command = [sys.executable, str(worker), str(model), kernels, str(given), str(made)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    with np.load(made) as found:
        return [found[f"{name}/0"] for name in names]
