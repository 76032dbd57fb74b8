"""Dotted paths into a platform's plain values: units.cpu_big.caches.L3.size, clocks.npu.opps.0.clock.

An item of a list goes by its `name` or `level`, or by its position from 0. `with_`, `sources` and `assumed`
share this grammar.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_LABELS = ("name", "level")


class Step(NamedTuple):
    """One step of a path: the key in its mapping or list, what it is called, and the path left below it."""

    key: str | int
    label: str
    rest: str


def label(item: Any, position: int) -> str:
    """Return what an item of a list is called: its name or level, otherwise its position."""
    if isinstance(item, dict):
        found = next((item[key] for key in _LABELS if isinstance(item.get(key), str)), None)
        if found is not None:
            return str(found)
    return str(position)


def labels(node: dict[str, Any] | list[Any]) -> list[str]:
    """Return the keys of a mapping, or what the items of a list are called."""
    return list(node) if isinstance(node, dict) else [label(item, position) for position, item in enumerate(node)]


def names(node: dict[str, Any] | list[Any]) -> Iterator[tuple[str, str | int]]:
    """Yield what a path may call each value of a mapping or list, with its key; labels before positions."""
    yield from zip(labels(node), node if isinstance(node, dict) else range(len(node)), strict=True)
    if isinstance(node, list):
        yield from ((str(position), position) for position in range(len(node)))


def next_step(node: Any, dotted: str) -> Step | None:
    """Return the first step of a path, or None where `node` has nothing of that name.

    The longest name that fits wins, since names may hold dots.
    """
    if not isinstance(node, dict | list):
        return None
    fitting = [(text, key) for text, key in names(node) if dotted == text or dotted.startswith(f"{text}.")]
    if not fitting:
        return None
    text, key = max(fitting, key=lambda pair: len(pair[0]))
    called = label(node[key], key) if isinstance(key, int) and isinstance(node, list) else text
    return Step(key, called, dotted[len(text) + 1 :])


def canonical(tree: Any, dotted: str) -> str:
    """Return a path with items of lists by their labels; what leads nowhere stays as it is."""
    walked: list[str] = []
    rest = dotted
    while rest and (step := next_step(tree, rest)) is not None:
        tree, rest = tree[step.key], step.rest
        walked.append(step.label)
    return ".".join([*walked, rest] if rest else walked)
