"""What a group may expect of its own before it is measured: what its nearest relatives have of theirs.

Units are related by the design of their hardware, written as a path from its maker to its version.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from socsim.soc.calibrations import prefixes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    Reals = npt.NDArray[np.float64]

_DOUBT = 1.0
"""Groups, or platforms, that what is known more widely is worth against those that are nearer."""


def expected(own: Sequence[Reals], designs: Sequence[str]) -> dict[str, Reals]:
    """Return what groups of each design are expected to have of their own, by the beginnings of paths.

    The mean of all groups, moved towards the mean of those that share one more step of the path, and so on.

    Args:
        own: deviations of groups from their pool; at least one.
        designs: path of each group's unit; empty where it is not known.
    """
    found = {"": np.mean(own, axis=0)}
    for path in sorted({start for design in designs for start in prefixes(design)}, key=lambda p: (p.count("/"), p)):
        wider = found[path.rpartition("/")[0]]
        members = [deviation for deviation, design in zip(own, designs, strict=True) if path in prefixes(design)]
        found[path] = wider + len(members) / (len(members) + _DOUBT) * (np.mean(members, axis=0) - wider)
    return found


def believed(values: Reals, neutral: Reals, platforms: int) -> Reals:
    """Return parameters for a platform that was not measured: those of its relatives, as far as there are enough.

    One other platform is believed by half, two by two thirds: what is particular to them is not told from what is
    common before there are several.

    Args:
        values: of relatives.
        neutral: what changes nothing.
        platforms: how many were measured.
    """
    return np.asarray(neutral + platforms / (platforms + _DOUBT) * (values - neutral), np.float64)


def nearest(table: Mapping[str, Reals], design: str) -> Reals:
    """Return what a unit of a design is expected to have of its own."""
    return table[next((path for path in reversed(prefixes(design)) if path in table), "")]
