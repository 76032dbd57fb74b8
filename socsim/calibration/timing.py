"""Calibration of latencies: measurements to samples, samples to pools, pools to parameters."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from socsim.accuracy.cases import platform_of
from socsim.accuracy.groups import groups
from socsim.accuracy.validation import TIMING
from socsim.calibration import baseline
from socsim.calibration.crossing import carried_over, left_out, pool_of_groups
from socsim.calibration.relatives import believed, expected
from socsim.calibration.samples import Sample, SampleGroup
from socsim.cost.corrections import parameters, unit_of
from socsim.quantities import PS_PER_S
from socsim.soc.runtimes import runtime
from socsim.workload.zoo import family

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy.typing as npt

    from socsim.accuracy.anatomy import Anatomy
    from socsim.accuracy.cases import Case, Question
    from socsim.accuracy.groups import Target
    from socsim.accuracy.predictions import Prediction
    from socsim.accuracy.table import Measurement
    from socsim.calibration.joint_fit import JointFit, Pool

    Reals = npt.NDArray[np.float64]

_FEW = 200
"""Samples up to which another process costs more than it saves."""
_UNSEEN = 3
"""Groups that a prior of how groups differ is worth."""


@dataclass(frozen=True)
class GroupFit:
    """What was fitted for one group, and how well it predicts networks that it did not see.

    Args:
        group: its samples.
        pool: name of its pool.
        fitted: parameters in the scale of the fit.
        own: names of the parameters that were the group's own to choose.
        uncertainty: standard errors in the same scale.
        times: by the fit to all samples, in ps.
        workload_out: by fits without the sample's network.
        family_out: by fits without the networks of its family.
        platform_out: by fits without its platform.
        additive_out: by the additive baseline without the sample's network; NaN where nothing is left.
        additive_family_out: the same without its family.
        noise: mean distance of repeats from their median; None without repeats.
    """

    group: SampleGroup
    pool: str
    fitted: Reals
    own: frozenset[str]
    uncertainty: Reals
    times: Reals
    workload_out: Reals
    family_out: Reals
    platform_out: Reals
    additive_out: Reals
    additive_family_out: Reals
    noise: float | None


@dataclass(frozen=True)
class PoolFit:
    """What the groups of a pool have in common.

    Args:
        name: of its runtime.
        kind: of its units.
        fit: its parameters.
        spread: standard deviation of a group around them, in the scale of the fit.
        expected: what groups have of their own beside the pool's parameters, by the beginnings of designs' paths.
        free: indices of those parameters.
        groups: of it.
    """

    name: str
    kind: str
    fit: JointFit
    spread: Reals
    expected: Mapping[str, Reals]
    free: npt.NDArray[np.int64]
    groups: tuple[GroupFit, ...]

    def values(self, design: str) -> Reals:
        """Return the parameters of a unit of a design that was not measured, in the scale of the fit."""
        found = self.fit.shared.copy()
        found[self.free] += self.expected[design]
        neutral = np.array([parameter.neutral for parameter in self.groups[0].group.parameters])
        return believed(found, neutral, len({fit.group.key.platform for fit in self.groups}))


def sample_groups(
    rows: Iterable[Measurement], questions: Mapping[int, Question], predictions: Mapping[Case, Prediction]
) -> list[tuple[SampleGroup, str]]:
    """Return the groups of timing rows that have a prediction, with the name of the pool of each.

    Args:
        rows: measurements.
        questions: what each asks, by line.
        predictions: with anatomies.
    """
    found = []
    for group in groups(_as_run(row, questions[row.line]) for row in rows if row.metric in TIMING):
        pairs = [(target, questions[target.rows[0].line].case) for target in group.targets]
        asked = [(t, c, predictions[c]) for t, c in pairs if c is not None and predictions[c].anatomy is not None]
        if asked:
            kind, stack = asked[0][1].unit, runtime(asked[0][1].runtime)
            samples = [_sample(t, c, p.anatomy) for t, c, p in asked if c.unit == kind and p.anatomy]
            design, hz = _unit(asked[0][1])
            made = SampleGroup(group.key, kind, samples, parameters(kind, stack, hz), group.noise_floor, design)
            found.append((made, stack.pool))
    return found


def _as_run(row: Measurement, asked: Question) -> Measurement:
    """Return a row under the runtime that ran it, which may be another than the one that was asked."""
    return replace(row, runtime=asked.case.group[2]) if asked.case else row


def _unit(case: Case) -> tuple[str, int]:
    """Return the path of the design of a case's unit, and its clock."""
    platform = platform_of(case.platform)
    if isinstance(platform, str):
        return "", 10**9
    unit = unit_of(platform, case.unit, case.shares[0].cluster)
    return platform.unit(unit).ip or "", platform.unit_hz(unit)


def _sample(target: Target, case: Case, anatomy: Anatomy) -> Sample:
    seconds = target.value if target.rows[0].metric == "latency" else case.batch / target.value
    lines = tuple(row.line for row in target.rows)
    name = target.workload
    return Sample(name, family(case.workload) or name, anatomy, seconds * PS_PER_S, lines)


def by_pool(found: Iterable[tuple[SampleGroup, str]]) -> dict[tuple[str, str], list[SampleGroup]]:
    """Return groups by the name and the kind of unit of their pool, in order."""
    pools: dict[tuple[str, str], list[SampleGroup]] = {}
    for group, name in found:
        pools.setdefault((name, group.kind), []).append(group)
    return dict(sorted(pools.items()))


def fit_pools(found: Iterable[tuple[SampleGroup, str]], *, processes: int = 1) -> list[PoolFit]:
    """Return the fits of all pools, with everything that cross-validation says of them.

    Args:
        found: groups with the names of their pools.
        processes: how many share the work; the result is the same.
    """
    asked = [(name, kind, members) for (name, kind), members in by_pool(found).items()]
    order = sorted(range(len(asked)), key=lambda i: -sum(len(group) for group in asked[i][2]))
    if processes == 1 or sum(len(group) for _, _, members in asked for group in members) < _FEW:
        made = [fit_pool(*asked[i]) for i in order]
    else:
        with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as workers:
            made = list(workers.map(fit_pool, *zip(*(asked[i] for i in order), strict=True)))
    return [fit for _, fit in sorted(zip(order, made, strict=True), key=lambda pair: pair[0])]


def fit_pool(name: str, kind: str, members: Sequence[SampleGroup], prior: Reals | None = None) -> PoolFit:
    """Return the fit of a pool, with everything that cross-validation says of it.

    Args:
        name: of its runtime.
        kind: of its units.
        members: its groups.
        prior: what its runtime's pool is known to share, in the scale of the fit; it is held then. None: it is
            fitted.
    """
    members = _common(members)
    pool = pool_of_groups(members, prior)
    whole = pool.fit()
    workload_out = left_out(pool, whole, [group.workloads for group in members])
    family_out = left_out(pool, whole, [group.families for group in members])
    platform_out = carried_over(pool, whole)
    fits = []
    for index, group in enumerate(members):
        fitted = whole.of_group(index, pool.free)
        totals = np.array([sample.anatomy.totals for sample in group.samples])
        fits.append(
            GroupFit(
                group=group,
                pool=name,
                fitted=fitted,
                own=frozenset(group.parameters[i].name for i in pool.own_of(index)),
                uncertainty=_uncertainty(pool, whole, index),
                times=group.times(fitted)[0],
                workload_out=workload_out[index],
                family_out=family_out[index],
                platform_out=platform_out[index],
                additive_out=baseline.left_out(totals, group.measured, group.workloads),
                additive_family_out=baseline.left_out(totals, group.measured, group.families),
                noise=group.noise,
            )
        )
    known = expected(whole.own, [group.design for group in members])
    return PoolFit(name, kind, whole, _spread(pool, whole), known, pool.free, tuple(fits))


def _common(members: Sequence[SampleGroup]) -> list[SampleGroup]:
    """Return groups with the same priors: the median of what each of them says."""
    priors = [median(same) for same in zip(*([p.prior for p in m.parameters] for m in members), strict=True)]
    shared = [replace(p, prior=prior) for p, prior in zip(members[0].parameters, priors, strict=True)]
    return [SampleGroup(m.key, m.kind, m.samples, shared, m.noise, m.design) for m in members]


def _spread(pool: Pool, whole: JointFit) -> Reals:
    """Return how far groups differ from their pool: what they were allowed to, where too few were seen."""
    variance = np.diag(whole.covariance).copy()
    allowed = np.array([p.of_group for p in pool.groups[0].parameters])[pool.free]
    seen = np.mean([own**2 for own in whole.own], axis=0)
    weight = len(whole.own) / (len(whole.own) + _UNSEEN)
    variance[pool.free] += weight * seen + (1 - weight) * allowed**2
    return np.asarray(np.sqrt(variance), np.float64)


def _uncertainty(pool: Pool, whole: JointFit, index: int) -> Reals:
    variance = np.diag(whole.covariance).copy()
    variance[pool.free] += np.diag(whole.group_covariances[index])
    return np.asarray(np.sqrt(variance), np.float64)
