"""Simulated time and energy contain no floats, wherever they are decided, counted and kept."""

from __future__ import annotations

import ast
import re
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from socsim import records, simulation_records

if TYPE_CHECKING:
    from collections.abc import Iterable

PACKAGE = Path(__file__).resolve().parents[2] / "socsim"
FOLDERS = ("engine", "schedule", "simulation")
MODULES = ("records", "simulation_records", "recording", "costing", "placing", "pipeline")
SOURCES = [
    *(path for folder in FOLDERS for path in sorted((PACKAGE / folder).rglob("*.py"))),
    *(PACKAGE / f"{name}.py" for name in MODULES),
]
WHOLE = re.compile(r"(^|_)(ps|pj|aj|nw|hz|bytes|cycles|millicelsius)$")
"""Names of amounts that are whole numbers of their unit."""
ROUNDS = {"int", "round", "floor", "ceil", "isqrt", "len"}
FLOATS = {"float", "exp", "expm1", "log", "log1p", "sqrt", "fsum", "mean"}


def called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def makes_float(node: ast.AST) -> bool:
    """Whether an expression divides, or names a float, outside of what rounds, compares or only writes text."""
    parts: Iterable[ast.AST] = ast.iter_child_nodes(node)
    match node:
        case ast.BinOp(op=ast.Div()) | ast.Constant(value=float()):
            return True
        case ast.Compare() | ast.JoinedStr() | ast.Lambda():
            parts = ()
        case ast.Call() if called(node) in FLOATS | ROUNDS:
            return called(node) in FLOATS
        case ast.IfExp(body=one, orelse=other):
            parts = one, other
        case ast.Subscript(value=value):
            parts = (value,)
        case ast.Call():  # what it is given under a name is that name's business
            parts = node.func, *node.args
    return any(makes_float(part) for part in parts)


def named(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def says_float(annotation: ast.AST | None) -> bool:
    return annotation is not None and "float" in ast.unparse(annotation)


def findings(tree: ast.AST) -> list[str]:
    """Return names of whole amounts that a float is put into, or that are declared as one."""
    found: list[tuple[int, str]] = []
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=targets, value=value):
                found += [(node.lineno, named(t)) for t in targets if makes_float(value)]
            case ast.AugAssign(target=target, op=op, value=value):
                found += [(node.lineno, named(target))] if isinstance(op, ast.Div) or makes_float(value) else []
            case ast.AnnAssign(target=target, annotation=annotation, value=value):
                is_float = says_float(annotation) or (value is not None and makes_float(value))
                found += [(node.lineno, named(target))] if is_float else []
            case ast.keyword(arg=str(name), value=value):
                found += [(value.lineno, name)] if makes_float(value) else []
            case ast.arg(arg=name, annotation=annotation):
                found += [(node.lineno, name)] if says_float(annotation) else []
            case ast.FunctionDef(name=name, returns=returns):
                own = [part for part in ast.walk(node) if isinstance(part, ast.Return) and part.value is not None]
                is_float = says_float(returns) or any(makes_float(part.value) for part in own if part.value)
                found += [(node.lineno, name)] if is_float else []
    return [f"{line}: {name}" for line, name in found if WHOLE.search(name)]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_float_becomes_a_time_or_an_energy(path: Path) -> None:
    assert findings(ast.parse(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("module", [records, simulation_records], ids=lambda module: module.__name__)
def test_records_keep_whole_amounts(module) -> None:
    classes = [kind for kind in vars(module).values() if is_dataclass(kind)]
    rows = [(kind.__name__, f.name, str(f.type)) for kind in classes for f in fields(kind) if WHOLE.search(f.name)]
    assert len(rows) > 10
    assert [row for row in rows if "float" in row[2]] == []


def test_the_sources_were_found() -> None:
    names = {str(path.relative_to(PACKAGE)) for path in SOURCES}
    assert {"engine/online/turns.py", "engine/online/power/manager.py", "schedule/partition/problem.py"} <= names
    assert all(path.is_file() for path in SOURCES)


@pytest.mark.parametrize(
    "text",
    [
        "end_ps = 0.5",
        "self.end_ps += span / 2",
        "self.energy_pj /= 2",
        "static_nw: float = 0",
        "wait_ps = a if b else float(c)",
        "Record(latency_ps=work / rate)",
        "def length_ps(a):\n    return a * 1e3",
        "def length_ps(a) -> float:\n    return a",
        "def f(limit_ps: float | None): pass",
        "limit_ps = min(1, exp(x))",
    ],
)
def test_the_check_notices(text: str) -> None:
    assert len(findings(ast.parse(text))) == 1


@pytest.mark.parametrize(
    "text",
    ["end_ps = a // 2", "end_ps = round(a / b)", "limit_ps = 1 if share < 0.5 else 2", "power_w = a_pj / b_ps"],
)
def test_the_check_lets_whole_numbers_pass(text: str) -> None:
    assert findings(ast.parse(text)) == []
