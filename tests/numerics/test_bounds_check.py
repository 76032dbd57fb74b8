"""Does the suite of the kernels pass when every access of an element is checked?"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

FOLDER = Path(__file__).parent
SUITES = ("test_mac_operators.py", "test_operators.py", "test_threads.py")
READS_BEYOND = """
import numpy as np
from socsim.numerics.jit import kernel
@kernel
def read(values, i):
    return values[i]
print(read(np.arange(4), 7))
"""


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"NUMBA_BOUNDSCHECK": "1", "SOCSIM_CACHE_DIR": str(folder)}
    return subprocess.run(
        [sys.executable, *command], env=environment, cwd=FOLDER.parents[1], capture_output=True, text=True,
        timeout=900, check=False,
    )  # fmt: skip


def test_a_kernel_that_reads_beyond_its_array_is_caught(tmp_path):
    done = run(tmp_path, "-c", READS_BEYOND)
    assert done.returncode == 1
    assert "IndexError: index is out of bounds" in done.stderr


def test_the_suite_of_the_kernels_passes_with_checked_bounds(tmp_path):
    suites = [str(FOLDER / name) for name in SUITES]
    done = run(tmp_path, "-m", "pytest", "-q", "-p", "no:randomly", "-p", "no:xdist", *suites)
    assert done.returncode == 0, done.stdout[-4000:]
    assert list((tmp_path / "kernels-checked").glob("*.nbc")), "no kernel was compiled with checks"
