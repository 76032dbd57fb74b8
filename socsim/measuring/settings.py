"""What holds for all models of a campaign, checked before anything is measured."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from numbers import Real
from typing import TYPE_CHECKING

from socsim.errors import misuse
from socsim.inputs import is_whole
from socsim.measuring.host import board
from socsim.measuring.names import platform_name
from socsim.measuring.sampling import Plan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_DATE = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])")
_MOST_THREADS, _MOST_BLOCKS, _MOST_SECONDS = 1024, 100, 3600.0
_WARM_UP_S = 3.0


@dataclass(frozen=True, slots=True)
class Settings:
    """What holds for all models of a campaign.

    Args:
        platform: name of the platform that the rows are of.
        threads: numbers of threads, each measured apart.
        plan: how long to measure.
        seed: of the inputs.
        shapes: dimensions of inputs that files leave open, by name.
        board: what the chip is on; empty where nobody knows.
        recorded: date of the figures, YYYY-MM-DD.
        limit_s: seconds after which a process is ended.
    """

    platform: str
    threads: tuple[int, ...]
    plan: Plan
    seed: int
    shapes: Mapping[str, Sequence[int]]
    board: str
    recorded: str
    limit_s: float


def settings_for(
    platform: str | None,
    *,
    threads: Sequence[int],
    blocks: int,
    seconds: float,
    seed: int,
    shapes: Mapping[str, Sequence[int]] | None,
    recorded: str | None,
    limit: float,
) -> Settings:
    """Return settings, their gaps filled from the machine: its name, its board, today's date.

    Raises:
        UsageError: a value that means nothing.
    """
    if not threads or not all(is_whole(n) and 1 <= n <= _MOST_THREADS for n in threads):
        raise misuse("threads", threads, f"one or more whole numbers from 1 to {_MOST_THREADS}")
    if not is_whole(blocks) or not 1 <= blocks <= _MOST_BLOCKS:
        raise misuse("blocks", blocks, f"a whole number from 1 to {_MOST_BLOCKS}")
    if not is_whole(seed) or seed < 0:
        raise misuse("seed", seed, "a whole number from 0 up")
    for argument, value in (("seconds", seconds), ("limit", limit)):
        if not isinstance(value, Real) or isinstance(value, bool) or not 0 < value <= _MOST_SECONDS:
            raise misuse(argument, value, f"seconds above 0, at most {_MOST_SECONDS:g}")
    return Settings(
        platform=platform_name(platform),
        threads=tuple(dict.fromkeys(map(int, threads))),
        plan=Plan(int(blocks), float(seconds), _WARM_UP_S),
        seed=int(seed),
        shapes={key: tuple(map(int, dims)) for key, dims in (shapes or {}).items()},
        board=board(),
        recorded=_date(recorded),
        limit_s=float(limit),
    )


def _date(recorded: str | None) -> str:
    """Return the date of the figures. Today is right where nobody says: the one place where the calendar counts."""
    if recorded is None:
        return datetime.now(UTC).date().isoformat()
    if not isinstance(recorded, str) or not _DATE.fullmatch(recorded):
        raise misuse("recorded", recorded, "a date such as 2026-11-20")
    return recorded
