"""Nothing in the package turns data into code."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "socsim"
SOURCES = sorted(PACKAGE.rglob("*.py"))
MODULES = {
    "pickle",
    "cPickle",
    "dill",
    "cloudpickle",
    "marshal",
    "shelve",
    "yaml",
    "jinja2",
    "runpy",
    "code",
    "subprocess",
}
BUILTINS = {"eval", "exec", "compile", "__import__", "breakpoint"}
METHODS = {
    "os.system", "os.popen", "importlib.import_module", "numpy.load", "np.load", "pandas.read_pickle", "pd.read_pickle",
    "pd.eval", "ast.literal_eval",
}  # fmt: skip
STARTERS = {
    PACKAGE / "measuring" / "process.py": (
        "[sys.executable, '-P', '-c', _START]",
        "'from socsim.measuring.worker import main; main()'",
    ),
    PACKAGE / "testing" / "strategies.py": (
        "[sys.executable, '-c', _START, checked.where]",
        "'import sys; from socsim.testing.strategies import digest; print(digest(sys.argv[1]))'",
    ),
}
"""Modules that start a process: this interpreter, with a line of code that stands there."""
YAML_LOADERS = {"unsafe", "rt", "full"}


def findings(tree: ast.AST) -> list[str]:
    """Return "line: what" for each construct that could run what a file says."""
    found = []
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name.split(".")[0] for alias in node.names if alias.name.split(".")[0] in MODULES]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""] if (node.module or "").split(".")[0] in MODULES else []
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            names = [called] if called in BUILTINS | METHODS else []
            names += [f"YAML typ={k.value.value}" for k in node.keywords if is_unsafe_loader(called, k)]
        found += [f"{getattr(node, 'lineno', 0)}: {name}" for name in names]
    return found


def is_unsafe_loader(called: str, keyword: ast.keyword) -> bool:
    value = keyword.value.value if isinstance(keyword.value, ast.Constant) else None
    return called == "YAML" and keyword.arg == "typ" and value in YAML_LOADERS


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_runs_no_data(path: Path) -> None:
    found = findings(ast.parse(path.read_text(encoding="utf-8")))
    assert [line.partition(": ")[2] for line in found] == (["subprocess"] if path in STARTERS else [])


@pytest.mark.parametrize("path", STARTERS, ids=lambda path: path.name)
def test_processes_run_a_constant_line(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assigned = {ast.unparse(n.targets[0]): ast.unparse(n.value) for n in ast.walk(tree) if isinstance(n, ast.Assign)}
    starts = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and ast.unparse(n.func).startswith("subprocess.")]
    commands = [ast.unparse(call.args[0]) for call in starts]
    assert ([assigned.get(c, c) for c in commands], assigned["_START"]) == ([STARTERS[path][0]], STARTERS[path][1])


def test_the_package_was_found() -> None:
    assert PACKAGE / "soc" / "yaml_reader.py" in SOURCES


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from yaml import safe_load",
        "import importlib\nimportlib.import_module(name)",
        "eval(text)",
        "exec(text)",
        "YAML(typ='unsafe')",
        "import os\nos.system('x')",
        "np.load(path, allow_pickle=True)",
    ],
)
def test_the_check_notices(text: str) -> None:
    assert len(findings(ast.parse(text))) == 1


def test_yaml_is_read_by_the_pure_safe_parser_alone() -> None:
    users = [path for path in SOURCES if "ruamel" in path.read_text(encoding="utf-8")]
    calls = [
        ast.unparse(node)
        for path in users
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "YAML"
    ]
    assert calls == ["YAML(typ='safe', pure=True)"]
