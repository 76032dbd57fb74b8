"""Cross-validation: every network is predicted by a fit that never saw it, on any chip."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from socsim.calibration.joint_fit import Pool
from socsim.calibration.relatives import believed, expected, nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from socsim.calibration.joint_fit import JointFit
    from socsim.calibration.samples import SampleGroup

    Reals = npt.NDArray[np.float64]

MOST_OWN = 6
"""Parameters that a group may have of its own."""
_ENOUGH = 8
"""Networks from which on it may have that many; with fewer, a third of their number."""


def own_parameters(workloads: int) -> int:
    """Return how many parameters a group with so many networks may have of its own."""
    return MOST_OWN if workloads >= _ENOUGH else min(MOST_OWN, workloads // 3)


def pool_of_groups(groups: Sequence[SampleGroup], prior: Reals | None = None) -> Pool:
    """Return groups to be fitted together; what they share is held at `prior` where it is given."""
    return Pool(groups, [own_parameters(len(np.unique(group.workloads))) for group in groups], prior)


def left_out(pool: Pool, whole: JointFit, folds: Sequence[npt.NDArray[np.str_]]) -> list[Reals]:
    """Return the time of each sample by a fit of the whole pool without the sample's fold.

    Args:
        pool: groups that are fitted together.
        whole: fit to all samples; each fit starts from there.
        folds: of each sample, by group.
    """
    predicted = [np.zeros(len(group)) for group in pool.groups]
    for fold in sorted({str(name) for names in folds for name in names}):
        fit = pool.fit([(names != fold).astype(float) for names in folds], whole)
        for index, (group, names) in enumerate(zip(pool.groups, folds, strict=True)):
            held = names == fold
            if held.any():
                predicted[index][held] = group.times(fit.of_group(index, pool.free))[0][held]
    return predicted


def carried_over(pool: Pool, whole: JointFit) -> list[Reals]:
    """Return the time of each sample by what its relatives on other platforms say.

    Args:
        pool: groups that are fitted together.
        whole: fit to all samples; each fit starts from there.
    """
    predicted = [np.zeros(len(group)) for group in pool.groups]
    platforms = [group.key.platform for group in pool.groups]
    for platform in sorted(set(platforms)):
        others = [index for index, name in enumerate(platforms) if name != platform]
        fit = pool.fit([np.full(len(group), float(group.key.platform != platform)) for group in pool.groups], whole)
        known = expected([fit.own[i] for i in others], [pool.groups[i].design for i in others]) if others else {}
        for index, group in enumerate(pool.groups):
            if platforms[index] == platform:
                fitted = fit.shared.copy()
                fitted[pool.free] += nearest(known, group.design) if known else 0.0
                fitted = believed(fitted, pool.neutral, len({platforms[i] for i in others}))
                predicted[index] = group.times(fitted)[0]
    return predicted
