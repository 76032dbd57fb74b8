"""What went wrong while time went on, in words: servers that were asked for too much, and who starved whom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from socsim.quantities import format_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from socsim.engine.online.servers import ServerState

_FEW = 10
"""Segments that may wait when releases end without it being called a queue that grows."""
_GAP = 50
"""A queue that grows holds more than one part in this many of all the core-time there was."""


@dataclass(frozen=True, slots=True)
class Load:
    """What a server was asked for when releases ended.

    Args:
        waiting: segments in its queue.
        waiting_ps: their core-time, alone.
        by_application: core-time done and waiting, by application.
    """

    waiting: int
    waiting_ps: int
    by_application: tuple[tuple[str, int], ...]

    @classmethod
    def of(cls, server: ServerState) -> Load:
        """Return what a server is asked for now."""
        asked = server.worked_ps()
        queued = server.queued()
        left = 0
        for turn in queued:
            need = turn.left_ps * turn.course.cores
            left += need
            asked[turn.batch.name] = asked.get(turn.batch.name, 0) + need
        return cls(len(queued), left, tuple(sorted(asked.items())))


def findings(servers: Sequence[ServerState], loads: Sequence[Load], duration_ps: int) -> list[str]:
    """Return warnings: overload first, then starvation."""
    found = [
        text
        for server, load in zip(servers, loads, strict=False)
        if (text := _overload(server, load, server.spec.cores * duration_ps)) is not None
    ]
    for server in servers:
        for name, (waited, ahead) in sorted(server.starved.items()):
            found.append(
                f"server {server.name!r} starves {name!r}: it waited {format_time(waited)} while {_listed(ahead)} "
                f"came later and went first ({server.policy.name}); give it a higher priority or another server, or "
                "choose round_robin or weighted_fair"
            )
    return found


def _overload(server: ServerState, load: Load, bound_ps: int) -> str | None:
    asked = sum(time for _, time in load.by_application)
    if load.waiting <= _FEW or load.waiting_ps * _GAP <= bound_ps or asked <= bound_ps:
        return None
    shares = ", ".join(f"{name} {time / bound_ps:.2f}" for name, time in load.by_application)
    cores = f"{server.spec.cores} cores" if server.spec.cores > 1 else "1 core"
    return (
        f"server {server.name!r} was asked for {asked / bound_ps:.2f} of its time ({shares}) and has 1 ({cores}): "
        f"{asked / bound_ps - 1:.2f} too much, so that its queue of {load.waiting} grows without bound; release less "
        "often, limit the depth of queues, or use another unit, more cores or a faster operating point"
    )


def _listed(names: Sequence[str]) -> str:
    return " and ".join(repr(name) for name in names)
