"""A robust fit of parameters that the groups of a pool share, and of what each group has of its own.

The parameters of a group are those of its pool, plus deviations of the few that may differ between groups. Both have
Gaussian priors in the scale of the fit; errors of logarithms of times are judged by the pseudo-Huber loss, so that a
figure far off counts by its size and not by its square. Gauss-Newton steps with Levenberg's damping; the deviations
are eliminated group by group (Schur complement), so that the cost is linear in groups.

Source: the loss after P. Charbonnier et al., "Deterministic edge-preserving regularization", IEEE T. Image Process. 6
(1997); the elimination as in B. Triggs et al., "Bundle adjustment: a modern synthesis" (2000), section 6.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from socsim.calibration.samples import SampleGroup
    from socsim.cost.corrections import Parameter

    Reals = npt.NDArray[np.float64]

SIGMA = 0.12
"""Standard deviation of the logarithm of a time around a perfect model: boards, versions and what no parameter says."""
_BEND = 1.5
"""Standard deviations from which on an error counts by its size."""
_MOST_STEPS = 40
_SETTLED = 0.02
"""Change of the cost below which no step follows: a hundredth of what a standard deviation of one figure costs."""
_HELD = 1e-6
"""Spread of what is not to move."""
_LONGEST = 1.0
"""Longest step of one parameter."""


@dataclass(frozen=True)
class JointFit:
    """Parameters of a pool and of its groups.

    Args:
        shared: of the pool.
        own: deviations by group, for the parameters that groups may have of their own.
        cost: what was minimised.
        covariance: of `shared`.
        group_covariances: of each group's deviations, `shared` held.
    """

    shared: Reals
    own: tuple[Reals, ...]
    cost: float
    covariance: Reals
    group_covariances: tuple[Reals, ...]

    def of_group(self, index: int, free: npt.NDArray[np.int64]) -> Reals:
        """Return the parameters of a group."""
        found = self.shared.copy()
        found[free] += self.own[index]
        return found


class Pool:
    """Groups that are fitted together.

    Args:
        groups: with the same parameters.
        most: how many parameters each group may have of its own.
        held: what groups share, in the scale of the fit, where that is not to be fitted.
    """

    def __init__(self, groups: Sequence[SampleGroup], most: Sequence[int], held: Reals | None = None) -> None:
        self.groups = tuple(groups)
        parameters: Sequence[Parameter] = self.groups[0].parameters
        self.start = np.array([p.start for p in parameters]) if held is None else held
        self.neutral = np.array([p.neutral for p in parameters])
        self._spread = np.array([p.spread if held is None else _HELD for p in parameters])
        self._low = np.array([np.log(p.low) if p.is_logarithmic else p.low for p in parameters])
        self._high = np.array([np.log(p.high) if p.is_logarithmic else p.high for p in parameters])
        self._of_group = np.array([p.of_group for p in parameters])
        self.free = np.flatnonzero(self._of_group)
        self._allowed = [self._most_telling(number) for number in most]

    def own_of(self, index: int) -> npt.NDArray[np.int64]:
        """Return the indices of the parameters that a group may have of its own."""
        return self.free[self._allowed[index]]

    def _most_telling(self, number: int) -> npt.NDArray[np.bool_]:
        """Return which free parameters a group may have of its own: the first ones, which weigh most."""
        return np.arange(len(self.free)) < number

    def fit(self, weights: Sequence[Reals] | None = None, start: JointFit | None = None) -> JointFit:
        """Return the best parameters.

        Args:
            weights: of each sample by group: 0 leaves it out; all count alike where None.
            start: where to begin; at the priors where None.
        """
        weights = weights or [np.ones(len(group)) for group in self.groups]
        shared = self.start.copy() if start is None else start.shared
        own = [np.zeros(len(self.free)) for _ in self.groups] if start is None else list(start.own)
        damping = 1e-3
        cost, terms = self._cost(shared, own, weights)
        for _ in range(_MOST_STEPS):
            step, moves = self._step(shared, own, terms, damping)
            moved = np.clip(shared + step, self._low, self._high)
            others = [d + move for d, move in zip(own, moves, strict=True)]
            found, new_terms = self._cost(moved, others, weights)
            if found > cost:
                damping *= 10
                if damping > 1e8:
                    break
                continue
            is_settled = cost - found < _SETTLED
            shared, own, cost, terms, damping = moved, others, found, new_terms, max(damping / 5, 1e-9)
            if is_settled:
                break
        return JointFit(shared, tuple(own), cost, *self._covariances(terms))

    def _parameters(self, shared: Reals, own: Reals) -> Reals:
        found = shared.copy()
        found[self.free] += own
        return found

    def _cost(
        self, shared: Reals, own: Sequence[Reals], weights: Sequence[Reals]
    ) -> tuple[float, list[tuple[Reals, Reals, Reals]]]:
        """Return the cost, and by group slopes, residuals and weights of a weighted least-squares problem."""
        cost = float((((shared - self.start) / self._spread) ** 2).sum())
        terms = []
        for group, deviation, weight in zip(self.groups, own, weights, strict=True):
            times, slopes = group.times(self._parameters(shared, deviation))
            residuals = np.log(group.measured / times) / SIGMA
            bent = np.sqrt(1 + (residuals / _BEND) ** 2)
            cost += float((weight * 2 * _BEND**2 * (bent - 1)).sum())
            cost += float(((deviation / self._of_group[self.free]) ** 2).sum())
            terms.append((slopes / SIGMA, residuals, weight / bent))
        return cost, terms

    def _normal(self, index: int, term: tuple[Reals, Reals, Reals]) -> tuple[Reals, Reals, npt.NDArray[np.bool_]]:
        slopes, residuals, weights = term
        weighted = slopes * weights[:, None]
        return weighted.T @ slopes, weighted.T @ residuals, self._allowed[index]

    def _step(
        self, shared: Reals, own: Sequence[Reals], terms: Sequence[tuple[Reals, Reals, Reals]], damping: float
    ) -> tuple[Reals, list[Reals]]:
        """Return a damped Gauss-Newton step of shared parameters and of deviations."""
        matrix = np.diag(1 / self._spread**2)
        right = -(shared - self.start) / self._spread**2
        solved = []
        for index, (deviation, term) in enumerate(zip(own, terms, strict=True)):
            hessian, gradient, allowed = self._normal(index, term)
            free = self.free[allowed]
            prior = 1 / self._of_group[free] ** 2
            inner = hessian[np.ix_(free, free)] + np.diag(prior)
            inner += damping * np.diag(np.diag(inner))
            crossed = hessian[:, free]
            solution = np.linalg.solve(inner, np.column_stack([crossed.T, gradient[free] - deviation[allowed] * prior]))
            matrix = matrix + hessian - crossed @ solution[:, :-1]
            right = right + gradient - crossed @ solution[:, -1]
            solved.append((allowed, solution))
        step = np.linalg.solve(matrix + damping * np.diag(np.diag(matrix)), right)
        step = np.clip(step, -_LONGEST, _LONGEST)
        moves = []
        for allowed, solution in solved:
            move = np.zeros(len(self.free))
            move[allowed] = np.clip(solution[:, -1] - solution[:, :-1] @ step, -_LONGEST, _LONGEST)
            moves.append(move)
        return step, moves

    def _covariances(self, terms: Sequence[tuple[Reals, Reals, Reals]]) -> tuple[Reals, tuple[Reals, ...]]:
        matrix = np.diag(1 / self._spread**2)
        own = []
        for index, term in enumerate(terms):
            hessian, _, allowed = self._normal(index, term)
            free = self.free[allowed]
            inverse = np.linalg.inv(hessian[np.ix_(free, free)] + np.diag(1 / self._of_group[free] ** 2))
            matrix = matrix + hessian - hessian[:, free] @ inverse @ hessian[free]
            full = np.zeros((len(self.free), len(self.free)))
            full[np.ix_(allowed, allowed)] = inverse
            own.append(full)
        return np.asarray(np.linalg.inv(matrix), np.float64), tuple(own)
