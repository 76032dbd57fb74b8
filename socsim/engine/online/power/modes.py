"""Heat in a network of thermal resistances and capacities, solved exactly for constant power.

Between changes of power the temperatures above the surroundings obey C dT/dt = -G T + P. With S = C^-1/2 G C^-1/2 =
Q L Q^T each of the modes z = Q^T C^1/2 T decays by itself: dz/dt = -l z + u. So a step of any length is exact.

Source: the lumped model of Skadron et al., "Temperature-aware microarchitecture", ISCA 2003.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import exp, expm1
from typing import TYPE_CHECKING

from socsim.soc.thermal import AMBIENT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from socsim.soc.thermal import Thermal

_MICRO = 1e-6
_HALVINGS = 1000


@dataclass(frozen=True, slots=True)
class Modes:
    """A network in terms of its modes.

    Args:
        nodes: names.
        rates: of decay, in 1/s, slowest first.
        to_nodes: of each node, what each mode adds to its temperature.
        to_modes: of each mode, what a watt in each node adds to it in a second.
    """

    nodes: tuple[str, ...]
    rates: tuple[float, ...]
    to_nodes: tuple[tuple[float, ...], ...]
    to_modes: tuple[tuple[float, ...], ...]

    @classmethod
    def of(cls, thermal: Thermal) -> Modes:
        """Return the modes of a network, each node of which has a way to the surroundings."""
        import numpy as np

        nodes = tuple(thermal.nodes)
        root = np.sqrt([thermal.nodes[name].capacity.value * _MICRO for name in nodes])
        conductance = np.zeros((len(nodes), len(nodes)))
        for path in thermal.paths:
            ends = [nodes.index(name) for name in path.between if name != AMBIENT]
            flow = 1 / (path.resistance.value * _MICRO)
            for end in ends:
                conductance[end, end] += flow
            if len(ends) == 2:
                conductance[ends[0], ends[1]] -= flow
                conductance[ends[1], ends[0]] -= flow
        rates, vectors = np.linalg.eigh(conductance / np.outer(root, root))
        out, into = vectors / root[:, None], (vectors / root[:, None]).T
        return cls(nodes, tuple(map(float, rates)), _rows(out), _rows(into))

    def rise(self, power_w: Sequence[float]) -> list[float]:
        """Return what powers in the nodes add to each mode in a second."""
        return [sum(a * p for a, p in zip(row, power_w, strict=True)) for row in self.to_modes]

    def after(self, modes: Sequence[float], rise: Sequence[float], seconds: float) -> list[float]:
        """Return the modes after a time of constant power."""
        steps = _steps(self.rates, seconds)
        return [z * kept + u * gained for z, u, (kept, gained) in zip(modes, rise, steps, strict=True)]

    def temperatures(self, modes: Sequence[float]) -> list[float]:
        """Return the temperatures of the nodes in kelvin above the surroundings."""
        return [sum(a * z for a, z in zip(row, modes, strict=True)) for row in self.to_nodes]

    def from_temperatures(self, kelvin: Sequence[float]) -> list[float]:
        """Return the modes of temperatures above the surroundings: the inverse of `temperatures`."""
        import numpy as np

        return [float(z) for z in np.linalg.solve(np.array(self.to_nodes), np.array(kelvin))]

    def course(self, node: int, modes: Sequence[float], rise: Sequence[float]) -> Course:
        """Return the temperature of a node over time, from now on, at constant power."""
        row = self.to_nodes[node]
        steady = [u / rate for u, rate in zip(rise, self.rates, strict=True)]
        parts = tuple(a * (z - s) for a, z, s in zip(row, modes, steady, strict=True))
        return Course(sum(a * s for a, s in zip(row, steady, strict=True)), parts, self.rates)


def _rows(matrix: object) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(map(float, row)) for row in matrix)  # type: ignore[attr-defined]  # an array of numpy


@lru_cache(maxsize=1024)
def _steps(rates: tuple[float, ...], seconds: float) -> tuple[tuple[float, float], ...]:
    """Return what is left of each mode after a time, and what a unit of rise has become."""
    return tuple((exp(-rate * seconds), -expm1(-rate * seconds) / rate) for rate in rates)


@dataclass(frozen=True, slots=True)
class Course:
    """A sum of decaying exponentials: `steady` plus each of `parts` at its rate."""

    steady: float
    parts: tuple[float, ...]
    rates: tuple[float, ...]

    def at(self, seconds: float) -> float:
        """Return its value at a time."""
        return self.steady + sum(p * exp(-r * seconds) for p, r in zip(self.parts, self.rates, strict=True))

    def bounds(self, start: float, end: float) -> tuple[float, float]:
        """Return values that it is never below nor above between two times, since each part is monotonic."""
        low = high = self.steady
        for part, rate in zip(self.parts, self.rates, strict=True):
            ends = part * exp(-rate * start), part * exp(-rate * end)
            low, high = low + min(ends), high + max(ends)
        return low, high

    def first_at(self, level: float, horizon: float, *, rising: bool, step: float) -> float | None:
        """Return the first time up to the horizon at which it has reached a level from below, or from above.

        Args:
            level: to be reached.
            horizon: seconds to look ahead.
            rising: whether it is reached from below.
            step: seconds to which the time is found; it is at or after the crossing.
        """
        sign = 1 if rising else -1

        def reaches(time: float) -> bool:
            return sign * (self.at(time) - level) >= 0

        def may_reach(start: float, end: float) -> bool:
            low, high = self.bounds(start, end)
            return (high if rising else -low) >= sign * level

        return _first(0.0, horizon, reaches, may_reach, step)


def _first(
    start: float, end: float, reaches: Callable[[float], bool], may_reach: Callable[[float, float], bool], step: float
) -> float | None:
    """Return the first time at which something is reached, by halving what cannot be ruled out.

    After many halvings it is the first time at which that cannot be ruled out, which is no later.
    """
    if reaches(start):
        return start
    stretches = [(start, end)]
    for _ in range(_HALVINGS):
        if not stretches:
            return None
        first, last = stretches.pop()
        if not may_reach(first, last):
            continue
        if last - first <= step:
            if reaches(last):
                return last
            continue
        middle = (first + last) / 2
        stretches += [(middle, last), (first, middle)]
    return stretches[-1][1] if stretches else None
