"""The files that a command is asked for: all checked before it runs, all written or none."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from socsim.errors import ResultError, join_faults
from socsim.report.sinks import target_fault, terminal_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path


def check_outputs(targets: Mapping[str, Path], inputs: Iterable[Path] = ()) -> None:
    """Refuse targets that cannot be written, that would replace an input, or that are one file.

    Args:
        targets: files to write, by the option that names them.
        inputs: files that the command reads.

    Raises:
        ResultError: all faults; nothing has been written.
    """
    faults = list(_faults(targets, list(inputs)))
    if faults:
        raise ResultError(join_faults("nothing was run or written", faults))


def _faults(targets: Mapping[str, Path], inputs: list[Path]) -> Iterator[str]:
    for option, path in targets.items():
        named = f"{option} {terminal_text(str(path), 300)}"
        fault = target_fault(path)
        if fault is not None:
            yield f"{named}: {fault}"
        elif any(is_same(path, read) for read in inputs):
            yield f"{named}: is a file that this command reads; give another name"
    for (first, one), (second, other) in combinations(targets.items(), 2):
        if is_same(one, other):
            yield f"{first} and {second} name one file, {terminal_text(str(one), 300)}; give each its own"


def is_same(first: Path, second: Path) -> bool:
    """Whether two paths lead to one file, which need not exist yet."""
    try:
        if first.exists() and second.exists():
            return first.samefile(second)
        return first.resolve() == second.resolve()
    except (OSError, ValueError, RuntimeError):
        return False
