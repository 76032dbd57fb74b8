"""Quantities over time in bounded memory: long traces are thinned, and keep their extremes."""

from __future__ import annotations

from socsim.simulation_records import TraceRecord

MOST_POINTS = 2048


class Trace:
    """Points of a quantity that holds from each point on until the next.

    Args:
        quantity: as in `TraceRecord`.
        name: of what has it.
    """

    def __init__(self, quantity: str, name: str) -> None:
        self.quantity, self.name = quantity, name
        self._points: list[tuple[int, int]] = []

    def add(self, time_ps: int, value: int) -> None:
        """Add a point; the last one at a time counts, and a value that goes on needs none."""
        if self._points and self._points[-1][0] == time_ps:
            self._points.pop()
        if len(self._points) > 1 and self._points[-1][1] == self._points[-2][1] == value:
            self._points.pop()
        self._points.append((time_ps, value))
        if len(self._points) > MOST_POINTS:
            self._points = _thinned(self._points)

    def record(self) -> TraceRecord:
        """Return the trace."""
        return TraceRecord(self.quantity, self.name, tuple(self._points))


def _thinned(points: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the first and last point, and of each four between them the highest and the lowest, in order of time."""
    kept = [points[0]]
    for start in range(1, len(points) - 1, 4):
        group = points[start : min(start + 4, len(points) - 1)]
        ends = {min(group, key=lambda p: (p[1], p[0])), max(group, key=lambda p: (p[1], -p[0]))}
        kept += sorted(ends)
    return [*kept, points[-1]]


class AveragedTrace:
    """Power, averaged between points; what it adds up to stays exact to a nanowatt for each of its stretches.

    Args:
        name: of what draws it.
    """

    _FINEST_PS = 10**9

    def __init__(self, name: str) -> None:
        self.name = name
        self._finest = self._FINEST_PS
        self._stretches: list[tuple[int, int, int]] = []
        self._since = self._energy = 0

    def is_due(self, now: int) -> bool:
        """Whether enough time has passed for another point."""
        return now - self._since >= self._finest

    def add(self, now: int, energy: int) -> None:
        """Add a stretch until now, by the energy since the beginning in nanowatts times picoseconds."""
        if now == self._since:
            return
        self._stretches.append((self._since, now - self._since, energy - self._energy))
        self._since, self._energy = now, energy
        if len(self._stretches) > MOST_POINTS:
            self._stretches = self._merged()
            self._finest *= 2

    def spread(self, start: int, now: int, energy: int) -> None:
        """Give stretches that have ended their part of energy that was spent evenly from a start until now.

        What is spent is known at the end of the work; without this a stretch near that end would hold all of it.
        """
        given = 0
        for i in range(len(self._stretches) - 1, -1, -1):
            begin, span, held = self._stretches[i]
            overlap = begin + span - max(begin, start)
            if overlap <= 0:
                break
            part = energy * overlap // (now - start)
            self._stretches[i] = (begin, span, held + part)
            given += part
        self._energy += given

    def _merged(self) -> list[tuple[int, int, int]]:
        """Return neighbouring stretches as one, except where the highest or the lowest power is."""
        rows = self._stretches
        ends = {f(range(len(rows)), key=lambda i: rows[i][2] / rows[i][1]) for f in (min, max)}
        merged: list[tuple[int, int, int]] = []
        i = 0
        while i < len(rows):
            if i + 1 == len(rows) or {i, i + 1} & ends:
                merged.append(rows[i])
                i += 1
            else:
                (start, first, one), (_, second, other) = rows[i], rows[i + 1]
                merged.append((start, first + second, one + other))
                i += 2
        return merged

    def record(self) -> TraceRecord:
        """Return the trace."""
        points = [(start, (energy + span // 2) // span) for start, span, energy in self._stretches]
        return TraceRecord("power", self.name, tuple(points))
