"""Measured runs of a group as arrays, and the closed form of their times under calibrated parameters."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from socsim.quantities import PS_PER_S

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from socsim.accuracy.anatomy import Anatomy
    from socsim.accuracy.groups import GroupKey
    from socsim.cost.corrections import Parameter
    from socsim.cost.families import KernelClass

    Reals = npt.NDArray[np.float64]

_US = PS_PER_S / 1e6


@dataclass(frozen=True)
class Sample:
    """A measured run and what its time consists of.

    Args:
        workload: the network.
        family: networks of one design, of all widths and resolutions.
        anatomy: of the run.
        measured_ps: target, for the whole batch.
        lines: lines of the table that it stands in.
    """

    workload: str
    family: str
    anatomy: Anatomy
    measured_ps: float
    lines: tuple[int, ...]


class SampleGroup:
    """Samples of a platform, unit, cluster and runtime.

    Args:
        key: what they have in common.
        kind: kind of the unit that networks were sent to.
        samples: at least one.
        parameters: what may be fitted, in the order of parameter vectors.
        noise: mean distance of repeated figures from their median; None without repeats.
        design: path of the design of its unit; empty where it is not known.
    """

    def __init__(
        self,
        key: GroupKey,
        kind: str,
        samples: Sequence[Sample],
        parameters: Sequence[Parameter],
        noise: float | None = None,
        design: str = "",
    ) -> None:
        self.noise, self.design = noise, design
        self.key, self.kind, self.samples, self.parameters = key, kind, tuple(samples), tuple(parameters)
        self.measured = np.array([s.measured_ps for s in samples])
        self.workloads = np.array([s.workload for s in samples])
        self.families = np.array([s.family for s in samples])

    def __len__(self) -> int:
        return len(self.samples)

    @cached_property
    def classes(self) -> tuple[KernelClass, ...]:
        """Classes of kernels in any sample."""
        return tuple(dict.fromkeys(kind for s in self.samples for kind in s.anatomy.classes))

    @cached_property
    def _steps(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Reals, Reals, Reals]:
        """Sample and class of each step; its compute, port and shared time."""
        place = {kind: index for index, kind in enumerate(self.classes)}
        owner, classes, parts = [], [], []
        for index, sample in enumerate(self.samples):
            own = sample.anatomy
            mapped = np.array([place[kind] for kind in own.classes], np.int64)
            owner.append(np.full(len(own.step_class), index, np.int64))
            classes.append(mapped[own.step_class] if len(own.step_class) else np.empty(0, np.int64))
            parts.append((own.compute_ps, own.port_ps, own.shared_ps))
        compute, port, shared = (np.concatenate([part[i] for part in parts]) for i in range(3))
        return np.concatenate(owner), np.concatenate(classes), compute, port, shared

    @cached_property
    def _host(self) -> tuple[Reals, Reals, Reals, Reals]:
        """Operators, submissions, set-up times and fixed times of each sample."""
        own = [s.anatomy for s in self.samples]
        columns = zip(*((a.operators, a.submissions, a.setup_ps, a.fixed_ps) for a in own), strict=True)
        operators, submissions, setup, fixed = (np.array(column, np.float64) for column in columns)
        return operators, submissions, setup, fixed

    @cached_property
    def _log_cores(self) -> Reals:
        return np.log([s.anatomy.cores for s in self.samples])

    @cached_property
    def _holds(self) -> Reals:
        """Which parameters hold for which class: classes x parameters."""
        return np.array([[float(p.holds(kind)) for p in self.parameters] for kind in self.classes])

    def _has_width(self, index: int) -> Reals:
        """Return 1 for each sample whose type a parameter holds for, 0 for others."""
        return np.array([float(s.anatomy.width in self.parameters[index].widths) for s in self.samples])

    def _with(self, effect: str) -> npt.NDArray[np.int64]:
        return np.array([i for i, p in enumerate(self.parameters) if p.effect == effect], np.int64)

    @cached_property
    def _compute(self) -> npt.NDArray[np.int64]:
        return self._with("compute")

    @cached_property
    def _at_home(self) -> npt.NDArray[np.bool_]:
        return np.array([kind.at_home for kind in self.classes])

    def times(self, fitted: Reals) -> tuple[Reals, Reals]:
        """Return the time of each sample in ps, and how its logarithm changes with each parameter.

        A step takes the longest of its compute, port and shared times, as in the closed form of the engine.

        Args:
            fitted: parameters in the scale of the fit.

        Returns:
            Shapes: samples; samples x parameters.
        """
        owner, classes, compute, port, shared = self._steps
        factors = np.exp(self._holds[:, self._compute] @ fitted[self._compute])
        cores = self._with("cores")
        gained = self._log_cores * fitted[cores].sum()
        computing = compute * factors[classes] * np.where(self._at_home[classes], np.exp(gained)[owner], 1.0)
        ports = self._with("ports")
        at_port = port * np.exp(fitted[ports].sum())
        moving = np.maximum(at_port, shared)
        is_bound = computing >= moving
        size = len(self), len(self.classes)
        by_class = np.bincount(owner * size[1] + classes, np.where(is_bound, computing, 0.0), size[0] * size[1])
        by_class = by_class.reshape(size)
        operators, submissions, setup, fixed = self._host
        total = np.bincount(owner, np.maximum(computing, moving), size[0]) + fixed
        slopes = np.zeros((size[0], len(self.parameters)))
        slopes[:, self._compute] = by_class @ self._holds[:, self._compute]
        if cores.size:
            slopes[:, cores[0]] = by_class[:, self._at_home].sum(axis=1) * self._log_cores
        if ports.size:
            slopes[:, ports[0]] = np.bincount(owner, np.where(is_bound | (at_port < shared), 0.0, at_port), size[0])
        for effect, amount in (("setup", setup), ("operator", operators * _US)):
            for index in self._with(effect):
                slopes[:, index] = np.exp(fitted[index]) * amount
                total = total + slopes[:, index]
        for index in self._with("inference"):
            slopes[:, index] = np.exp(fitted[index]) * submissions * _US * self._has_width(index)
            total = total + slopes[:, index]
        return total, slopes / total[:, None]
