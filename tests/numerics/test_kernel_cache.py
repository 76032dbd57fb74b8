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


def forms(folder: Path) -> int:
    """How many compiled forms a cache holds: each has an index (.nbi) and its code (.nbc)."""
    suffixes = [file.suffix for file in kernels(folder)]
    assert suffixes.count(".nbi") == suffixes.count(".nbc") == len(suffixes) / 2
    return len(suffixes) // 2


def assert_warm(found: dict, cold: dict) -> None:
    """Kernels hold the code of those that they call, so fewer are read than were compiled."""
    assert found["digest"] == cold["digest"]
    assert found["misses"] == 0 < found["hits"]


def test_a_cold_cache_is_filled_and_a_warm_one_is_used(filled):
    folder, cold = filled
    assert cold["hits"] == 0
    assert 3 < forms(folder) <= cold["misses"]
    assert_warm(finished(start(folder)), cold)


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
    assert_warm(found, cold)
    assert compiled == cold
    assert kernels(folder) == before
    assert not kernels(tmp_path)


def test_a_path_that_cannot_be_a_folder_costs_time_alone(filled, tmp_path):
    (tmp_path / "file").write_text("")
    assert finished(start(tmp_path / "file")) == filled[1]


@pytest.mark.skipif(sys.platform == "win32", reason="folders of Windows have no such mode")
@pytest.mark.parametrize("mode", [0o777, 0o775])
def test_a_folder_that_others_can_write_to_is_neither_read_nor_filled(filled, tmp_path, mode):
    folder, cold = filled
    (tmp_path / "kernels").mkdir()
    for file in kernels(folder):
        (tmp_path / "kernels" / file.name).write_bytes(file.read_bytes())
    (tmp_path / "kernels").chmod(mode)
    assert finished(start(tmp_path)) == cold
    assert [file.read_bytes() for file in kernels(tmp_path)] == [file.read_bytes() for file in kernels(folder)]


@pytest.mark.parametrize("content", [b"", b"\x80\x05", b"not a pickle", b"\x80\x05]\x94."])
def test_damaged_files_are_compiled_anew_and_replaced(tmp_path, filled, content):
    whole, cold = filled
    (tmp_path / "kernels").mkdir()
    for file in kernels(whole):
        (tmp_path / "kernels" / file.name).write_bytes(content or file.read_bytes()[: file.stat().st_size // 2])
    assert finished(start(tmp_path)) == cold
    assert_warm(finished(start(tmp_path)), cold)


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
    assert forms(tmp_path) == forms(filled[0])
    assert_warm(finished(start(tmp_path)), cold)
