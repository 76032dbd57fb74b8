"""What is due, in order of time and, at one time, in the order in which it was planned."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Any

from socsim.errors import DeadlockError, SimulationError

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_STILL = 1_000_000
"""Events that may follow one another with no progress in time."""

Entry = tuple[int, int, "Callable[..., None]", Any, bool]


class Agenda:
    """Simulated time, and what is planned for later.

    An entry is its time, its sequence number, what to call and with what, and whether it keeps its distance from
    now when repeated periods are skipped; arrivals at random stay where they are.
    """

    def __init__(self) -> None:
        self.now = 0
        self.events = 0
        self._heap: list[Entry] = []
        self._sequence = 0
        self._still = 0

    def plan(self, time_ps: int, call: Callable[..., None], what: object = None, *, moves: bool = True) -> None:
        """Call something with `what` at a time, after all that is already planned for it."""
        if time_ps < self.now:
            msg = f"an event at {time_ps} ps was planned at {self.now} ps; plan nothing for the past"
            raise SimulationError(msg)
        self._sequence += 1
        heappush(self._heap, (time_ps, self._sequence, call, what, moves))

    @property
    def is_empty(self) -> bool:
        """Whether nothing is due any more."""
        return not self._heap

    @property
    def next_ps(self) -> int | None:
        """When something is due next; None for never."""
        return self._heap[0][0] if self._heap else None

    def step(self) -> None:
        """Do everything that is due at the next time at which anything is, what that adds included."""
        heap = self._heap
        time = heap[0][0]
        if time > self.now:
            self.now, self._still = time, 0
        done = 0
        while heap and heap[0][0] == time:
            _, _, call, what, _ = heappop(heap)
            call(what)
            done += 1
            if self._still + done > MOST_STILL:
                msg = (
                    f"{MOST_STILL:,} events at {time} ps, and time does not go on; look for applications that trigger "
                    "each other with no delay, and steps that take no time"
                )
                raise DeadlockError(msg)
        self._still += done
        self.events += done

    def stand_at(self, time_ps: int) -> None:
        """Let time pass until nothing is due yet."""
        self.now, self._still = time_ps, 0

    def next_fixed_ps(self) -> int | None:
        """Return when the next thing is due that does not move with repeated periods."""
        return min((entry[0] for entry in self._heap if not entry[4]), default=None)

    def moving(self) -> list[tuple[int, Callable[..., None], Any]]:
        """Return what moves with repeated periods, in order: how far away it is, what to call, and with what."""
        return [(e[0] - self.now, e[2], e[3]) for e in sorted(self._heap, key=lambda e: e[:2]) if e[4]]

    def skip(self, by_ps: int) -> None:
        """Let time pass: what moves with it is as far away afterwards as before."""
        self.now += by_ps
        kept = []
        for entry in sorted(self._heap, key=lambda e: e[:2]):
            if entry[4]:
                self._sequence += 1
                kept.append((entry[0] + by_ps, self._sequence, *entry[2:]))
            else:
                kept.append(entry)
        self._heap[:] = kept
        heapify(self._heap)
