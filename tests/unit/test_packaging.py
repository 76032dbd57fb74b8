"""What a wheel and a source archive hold: the code, the data, the licences of what comes from others."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
NETWORKS = json.loads((ROOT / "workloads" / "index.json").read_text(encoding="utf-8"))["networks"]
LICENCES = {licence for network in NETWORKS for licence in network["licence"].split(" AND ")}
TEXTS = {
    "Apache-2.0": ("LICENSE", "Version 2.0, January 2004"),
    "BSD-2-Clause": ("workloads/LICENSES/BSD-2-Clause.txt", "Forrest N. Iandola"),
    "BSD-3-Clause": ("workloads/LICENSES/BSD-3-Clause.txt", "Copyright (C) 2017 THL A29 Limited, a Tencent company"),
}
"""The file that holds the text of each licence, and words that stand in it."""


def build(target: str, folder: Path) -> Path:
    """Build one archive of the tree with the installed hatchling."""
    if find_spec("hatchling") is None:
        pytest.skip("hatchling is not installed")
    if tuple(map(int, metadata.version("hatchling").split(".")[:2])) < (1, 27):
        pytest.skip("hatchling is older than 1.27")
    code = f"from hatchling.build import build_{target}; print(build_{target}({str(folder)!r}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / done.stdout.split()[-1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    with zipfile.ZipFile(build("wheel", tmp_path_factory.mktemp("wheel"))) as archive:
        yield {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    with tarfile.open(build("sdist", tmp_path_factory.mktemp("sdist"))) as archive:
        yield {name.partition("/")[2] for name in archive.getnames()}


def tree(*folders: str) -> set[str]:
    """Return the files of the tree below some folders, by their path."""
    files = (path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file())
    return {path.relative_to(ROOT).as_posix() for path in files if "__pycache__" not in path.parts}


def licence_files(wheel) -> dict[str, str]:
    mark = ".dist-info/licenses/"
    return {name.split(mark)[1]: data.decode() for name, data in wheel.items() if mark in name}


def test_the_wheel_holds_the_package_its_data_and_nothing_else(wheel) -> None:
    data = {f"socsim/data/{path}" for path in tree("platforms", "workloads")}
    packaged = {name for name in wheel if ".dist-info/" not in name}
    assert packaged == tree("socsim") | data


def test_the_wheel_holds_a_licence_text_for_every_network(wheel) -> None:
    texts = licence_files(wheel)
    for network in NETWORKS:
        assert f"socsim/data/workloads/{network['file']}" in wheel
        for licence in network["licence"].split(" AND "):
            path, words = TEXTS[licence]
            assert words in texts[path], network["name"]


def test_every_shipped_network_stands_in_the_index() -> None:
    files = {path for path in tree("workloads") if path.endswith((".tflite", ".onnx", ".param"))}
    assert files == {f"workloads/{network['file']}" for network in NETWORKS}


def test_the_metadata_names_every_licence(wheel) -> None:
    (name,) = [name for name in wheel if name.endswith(".dist-info/METADATA")]
    lines = wheel[name].decode().splitlines()
    (expression,) = [line.partition(": ")[2] for line in lines if line.startswith("License-Expression: ")]
    assert set(expression.split(" AND ")) == LICENCES == set(TEXTS)
    assert {line.partition(": ")[2] for line in lines if line.startswith("License-File: ")} == set(licence_files(wheel))


def test_the_source_archive_holds_what_its_tests_and_documents_need(sdist) -> None:
    wanted = tree("socsim", "platforms", "workloads", "tests", "docs", "notebooks", "validation", "benchmarks")
    assert wanted <= sdist
    assert {"pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", ".ci/run"} <= sdist


def test_the_source_archive_holds_nothing_else(sdist) -> None:
    top = {name.partition("/")[0] for name in sdist if name}
    allowed = {line.strip("/") for line in PROJECT["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]}
    assert top <= allowed | {"pyproject.toml", "PKG-INFO", ".gitignore"}
    assert not {name for name in sdist if name.endswith((".pyc", ".pytest_cache"))}
