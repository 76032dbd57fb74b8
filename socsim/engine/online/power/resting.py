"""A part that rests while nobody needs it: a power domain with its states, a memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from socsim.quantities import ceil_div

if TYPE_CHECKING:
    from collections.abc import Sequence

    from socsim.engine.online.power.tally import Tally

ON = "on"
_AJ = 1000
"""Counted energy (nanowatts times picoseconds) of an attojoule."""
_PLANS_KEPT = 1024


@dataclass(frozen=True, slots=True)
class RestingState:
    """A state of lower power.

    Args:
        name: of it.
        nw: power in it.
        enter_ps: until it draws that.
        wake_ps: until units work again.
        transition_aj: of entering and leaving, beside the power of the part that is on.
    """

    name: str
    nw: int
    enter_ps: int = 0
    wake_ps: int = 0
    transition_aj: int = 0

    def pays_off_ps(self, on_nw: int) -> int | None:
        """Return how long a part must be idle for the state to cost no more than staying on; None: never."""
        if on_nw <= self.nw:
            return None
        extra = on_nw * self.wake_ps + self.transition_aj * _AJ
        return self.enter_ps + ceil_div(extra, on_nw - self.nw)


@dataclass(frozen=True, slots=True)
class _Stage:
    """Part of an idle stretch.

    Args:
        start_ps: time after its beginning.
        nw: power in it; None: as on.
        time_key: of its time in the tally.
        cost: what its beginning costs, in nanowatts times picoseconds.
        leads_to: state that the part is in, or on its way to; None: none.
        end_ps: time after the beginning of the stretch until which it cannot be left.
    """

    start_ps: int
    nw: int | None
    time_key: tuple[str, ...]
    cost: int = 0
    leads_to: RestingState | None = None
    end_ps: int = 0


class RestingPart:
    """Books the time and the static energy of a part: on while one of its users is up, resting otherwise.

    Nothing needs to be planned for it: what it does in an idle stretch is settled when the stretch is looked at.

    Args:
        key: of the part in the tally.
        on_nw: power while it is on, at first.
        states: it may rest in.
        policy: how it takes to them, as `PowerDomain.idle`, or "never".
        tally: books.
    """

    def __init__(
        self, key: tuple[str, str], on_nw: int, states: Sequence[RestingState], policy: str, tally: Tally
    ) -> None:
        self._tally, self._key = tally, key
        self._states = tuple(states)
        self._policy = policy if states else "never"
        self._static, self._worked, self._wakes = (*key, "static"), (*key, "worked"), (*key, "wakes")
        self._on = (*key, "time", ON)
        self._on_nw = on_nw
        self._users = 0
        self._since = 0
        self._idle_from = 0
        self._last_idle_ps: int | None = None
        self._longest_ps = 0
        """Idle stretches of this and more are alike for what the part does next."""
        self._plans: dict[tuple[int, int | None], tuple[_Stage, ...]] = {}
        self._stages = self._plan()
        self._stage = 0
        self._tally[self._static] += self._stages[0].cost

    def rise(self, now: int) -> int:
        """Take note of one more user, and return how long it waits."""
        if self._users:
            self._users += 1
            return 0
        self.settle(now)
        self._users = 1
        if self._policy == "fitting":
            self._last_idle_ps = min(now - self._idle_from, self._longest_ps)
        return self._leave(now)

    def fall(self, now: int) -> None:
        """Take note of one user less."""
        self.settle(now)
        self._users -= 1
        if not self._users:
            self._idle_from, self._stages, self._stage = now, self._plan(), 0
            self._tally[self._static] += self._stages[0].cost

    def change(self, on_nw: int, now: int) -> None:
        """Draw another power while on, from now on."""
        self.settle(now)
        self._on_nw = on_nw

    def settle(self, now: int) -> None:
        """Book everything until now."""
        if now == self._since and self._users:
            return
        if self._users:
            energy = self._on_nw * (now - self._since)
            self._tally[self._on] += now - self._since
            self._tally[self._static] += energy
            self._tally[self._worked] += energy
        else:
            self._settle_idle(now)
        self._since = now

    def key(self, now: int) -> tuple[int | None, ...]:
        """Return what decides how it goes on, times as distances; it has been settled."""
        if self._users:
            return self._users, self._on_nw, self._last_idle_ps
        return 0, self._on_nw, self._stage, min(now - self._idle_from, self._longest_ps)

    def shift(self, by_ps: int) -> None:
        """Move all of its times."""
        self._since += by_ps
        self._idle_from += by_ps

    def _settle_idle(self, now: int) -> None:
        since, stages = self._since, self._stages
        while self._stage + 1 < len(stages) and self._idle_from + stages[self._stage + 1].start_ps <= now:
            border = self._idle_from + stages[self._stage + 1].start_ps
            self._rest(border - since)
            since = border
            self._stage += 1
            self._tally[self._static] += stages[self._stage].cost
        self._rest(now - since)

    def _rest(self, span: int) -> None:
        stage = self._stages[self._stage]
        self._tally[stage.time_key] += span
        self._tally[self._static] += span * (self._on_nw if stage.nw is None else stage.nw)

    def _leave(self, now: int) -> int:
        stage = self._stages[self._stage]
        if stage.leads_to is None:
            return 0
        self._tally[self._wakes] += 1
        return max(0, self._idle_from + stage.end_ps - now) + stage.leads_to.wake_ps

    # --- plans ----------------------------------------------------------------------------------------

    def _plan(self) -> tuple[_Stage, ...]:
        """Return what an idle stretch that begins now consists of."""
        known = self._on_nw, self._last_idle_ps
        if known not in self._plans:
            if len(self._plans) >= _PLANS_KEPT:
                self._plans.clear()
            self._plans[known] = self._made_plan()
        return self._plans[known]

    def _made_plan(self) -> tuple[_Stage, ...]:
        """Return the stages of an idle stretch: on, then entering and resting in each state that is chosen."""
        stages = [_Stage(0, None, self._on)]
        for start, state in self._choices():
            if start == 0:
                stages.clear()
            there, cost = start + state.enter_ps, state.transition_aj * _AJ
            if state.enter_ps:
                stages.append(_Stage(start, None, self._on, cost, state, there))
                cost = 0
            stages.append(_Stage(there, state.nw, (*self._key, "time", state.name), cost, state))
        self._longest_ps = max(self._longest_ps, stages[-1].start_ps)
        return tuple(stages)

    def _choices(self) -> list[tuple[int, RestingState]]:
        """Return the states of an idle stretch with the time after which they are entered."""
        if self._policy == "never":
            return []
        if self._policy == "immediate":
            return [(0, min(self._states, key=lambda s: s.nw))]
        paying = [(time, s) for s in self._states if (time := s.pays_off_ps(self._on_nw)) is not None]
        paying.sort(key=lambda pair: -pair[1].nw)
        self._longest_ps = max([self._longest_ps, *(time for time, _ in paying)])
        if self._policy == "fitting" and self._last_idle_ps is not None:
            fitting = [s for time, s in paying if time <= self._last_idle_ps]
            return [(0, fitting[-1])] if fitting else _in_turn(paying)
        return _in_turn(paying)


def _in_turn(paying: Sequence[tuple[int, RestingState]]) -> list[tuple[int, RestingState]]:
    """Return states, each entered once it pays off and the one before has been reached."""
    chosen: list[tuple[int, RestingState]] = []
    earliest = 0
    for time, state in paying:
        start = max(time, earliest)
        chosen.append((start, state))
        earliest = start + state.enter_ps
    return chosen
