"""The same question gets the same bytes in every process, whatever it hashes and wherever it stands."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = """
import hashlib
import sys

import socsim

run = socsim.run(sys.argv[1], "rk3588", background={"cpu_big": "5 GB/s"}, batch=2)
text = run.to_json(include_timeline=True)
print(hash("x"), hashlib.sha256(text.encode()).hexdigest(), hashlib.sha256(repr(run.record).encode()).hexdigest())
"""


@pytest.mark.slow
def test_three_processes_in_two_folders_give_identical_bytes(models, tmp_path):
    model = str((models / "coral_tf2_mobilenet_v2_1.0_224_ptq_int8.tflite").resolve())
    answers = []
    for seed, folder in (("0", ROOT), ("1", tmp_path), ("31337", tmp_path)):
        path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": path}
        command = [sys.executable, "-c", SCRIPT, model]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
        answers.append(done.stdout.split())
    assert len({hashed for hashed, *_ in answers}) == 3
    assert len({tuple(digests) for _, *digests in answers}) == 1
