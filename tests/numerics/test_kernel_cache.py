"""Are results the same bytes with a cold, warm, read-only, damaged or shared cache of kernels; is a warm one used?"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

WORKER = Path(__file__).with_name("cache_worker.py")

pytestmark = pytest.mark.slow


def start(folder: Path, *options: str) -> subprocess.Popen[str]:
    environment = os.environ | {"SOCSIM_CACHE_DIR": str(folder)}
    environment.pop("NUMBA_BOUNDSCHECK", None)
    command = [sys.executable, str(WORKER), *options]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finished(process: subprocess.Popen[str]) -> dict:
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err[-2000:]
    return json.loads(out.splitlines()[-1])


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A cache that one process has filled, and what that process found."""
    folder = tmp_path_factory.mktemp("cache")
    return folder, finished(start(folder))


def kernels(folder: Path) -> list[Path]:
    return sorted((folder / "kernels").iterdir())


def test_a_cold_cache_is_filled_and_a_warm_one_is_used(filled):
    folder, cold = filled
    assert cold["hits"] == 0
    assert len(kernels(folder)) == cold["misses"] > 3
    assert finished(start(folder)) == {"digest": cold["digest"], "hits": cold["misses"], "misses": 0}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="gives up a superuser's rights as Linux does")
def test_a_read_only_cache_is_used_and_an_empty_one_costs_time_alone(filled, tmp_path):
    folder, cold = filled
    empty = tmp_path / "kernels"
    empty.mkdir()
    before = kernels(folder)
    for path in (empty, folder / "kernels"):
        path.chmod(0o555)
    try:
        found = finished(start(folder, "--read-only"))
        compiled = finished(start(tmp_path, "--read-only"))
    finally:
        for path in (empty, folder / "kernels"):
            path.chmod(0o755)
    assert found == {"digest": cold["digest"], "hits": cold["misses"], "misses": 0}
    assert compiled == cold
    assert kernels(folder) == before
    assert not kernels(tmp_path)


def test_a_path_that_cannot_be_a_folder_costs_time_alone(filled, tmp_path):
    (tmp_path / "file").write_text("")
    assert finished(start(tmp_path / "file")) == filled[1]


@pytest.mark.parametrize("content", [b"", b"\x80\x05", b"not a pickle", b"\x80\x05]\x94."])
def test_damaged_files_are_compiled_anew_and_replaced(tmp_path, filled, content):
    whole, cold = filled
    (tmp_path / "kernels").mkdir()
    for file in kernels(whole):
        (tmp_path / "kernels" / file.name).write_bytes(content or file.read_bytes()[: file.stat().st_size // 2])
    assert finished(start(tmp_path)) == cold
    assert finished(start(tmp_path))["misses"] == 0


def test_kernels_of_other_sources_are_not_used(filled, tmp_path):
    folder, cold = filled
    (tmp_path / "kernels").mkdir()
    for file in kernels(folder):
        (tmp_path / "kernels" / file.name).write_bytes(file.read_bytes())
    assert finished(start(tmp_path, "--other-sources")) == cold


def test_processes_that_fill_one_cache_at_once_agree(filled, tmp_path):
    cold = filled[1]
    found = [finished(process) for process in [start(tmp_path) for _ in range(3)]]
    assert [f["digest"] for f in found] == [cold["digest"]] * 3
    assert not [file for file in kernels(tmp_path) if file.suffix != ".bin"]
    assert finished(start(tmp_path)) == {"digest": cold["digest"], "hits": cold["misses"], "misses": 0}
