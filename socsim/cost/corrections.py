"""What a calibration changes in the times that cost models give: a few factors and additions with a physical meaning.

Cost models say how times compare; measurements say how far a chip's software stays behind. The same parameters are
fitted for every runtime: each is a factor on the time of a class of kernels, on the time at the unit's ports, on
what more cores gain, or a time for each operator or inference. They change no plan, no bytes and no tiles.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from math import exp, isfinite, log, prod
from typing import TYPE_CHECKING, Literal, get_args

from socsim.cost.families import DEPTHWISE_FAMILIES, MAC_FAMILIES, VECTOR_FAMILIES
from socsim.errors import PlatformError, UsageError, did_you_mean, join_faults
from socsim.quantities import PS_PER_S
from socsim.soc.calibrations import calibration_path, group_of, measured_group, pool_of
from socsim.soc.schema import CpuCluster

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

    from socsim.cost.families import KernelClass, Width
    from socsim.soc.calibrations import CalibratedGroup
    from socsim.soc.platform import Platform
    from socsim.soc.runtimes import Runtime

Effect = Literal["compute", "ports", "cores", "setup", "operator", "inference"]

_US = PS_PER_S // 1_000_000
_WIDTHS = frozenset({"int8", "wide", "float"})
_ALL_FAMILIES = MAC_FAMILIES | DEPTHWISE_FAMILIES | VECTOR_FAMILIES


@dataclass(frozen=True, slots=True)
class Parameter:
    """One thing that a calibration may say of a unit with its runtime; it is fitted in logarithms but for `cores`.

    Args:
        name: its name in files.
        effect: compute: factor on the compute time of some classes; ports: factor on the time that bytes need at
            the unit's ports; cores: compute time grows by cores ** value; setup: factor on the time to set kernels
            up and on barriers; operator, inference: microseconds of the host for each operator and for each run, in
            place of what the runtime's file says; of a CPU's operators at 1 GHz.
        meaning: in words.
        prior: value before any measurement.
        spread: standard deviation of that belief, in the parameter's own scale (logarithms but for `cores`).
        of_group: standard deviation among groups of one pool; 0 for what groups of a pool share.
        low, high: bounds of the value.
        families: classes that it holds for.
        widths: types that it holds for.
        at_home: whether it holds for kernels on the unit that the network was sent to, or on others.
    """

    name: str
    effect: Effect
    meaning: str
    prior: float
    spread: float
    of_group: float = 0.0
    low: float = 0.05
    high: float = 50.0
    families: frozenset[str] = _ALL_FAMILIES
    widths: frozenset[str] = _WIDTHS
    at_home: bool = True

    @property
    def is_logarithmic(self) -> bool:
        """Whether it is fitted by its logarithm."""
        return self.effect != "cores"

    @property
    def start(self) -> float:
        """The prior in the scale of the fit."""
        return self.scaled(self.prior)

    @property
    def neutral(self) -> float:
        """What changes nothing, in the scale of the fit."""
        if self.effect not in {"operator", "inference"}:
            return 0.0
        return self.start if self.widths == _WIDTHS else log(self.low)  # of some types: a time beside the others'

    def holds(self, kernel: KernelClass) -> bool:
        """Whether it concerns a class of kernels."""
        return kernel.at_home == self.at_home and kernel.family in self.families and kernel.width in self.widths

    def scaled(self, value: float) -> float:
        """Return the number in the scale of the fit for a value."""
        return log(value) if self.is_logarithmic else value

    def value(self, fitted: float) -> float:
        """Return its value for a number in the scale of the fit."""
        return exp(fitted) if self.is_logarithmic else fitted


def _compute(name: str, meaning: str, families: Collection[str], **more: object) -> Parameter:
    values: dict[str, object] = {"prior": 1.2, "spread": 0.7, "families": frozenset(families)}
    return Parameter(name, "compute", f"compute time of {meaning}, relative to the cost model's", **(values | more))  # type: ignore[arg-type]


def _shared(name: str, meaning: str, families: Collection[str], group: float, **more: object) -> Parameter:
    """Return a factor over several families: what a group has of its own beside what its pool says of each."""
    return _compute(name, meaning, families, prior=1.0, spread=0.5, of_group=group, **more)


_ELSEWHERE_FAMILIES = DEPTHWISE_FAMILIES | VECTOR_FAMILIES
_INT8, _FLOAT, _WIDE = frozenset({"int8"}), frozenset({"float"}), frozenset({"wide"})

_DENSE = _shared("dense", "all dense products", MAC_FAMILIES, 0.4)
_VECTOR = _shared("vector", "all else", _ELSEWHERE_FAMILIES, 0.4)
_OPERATOR = Parameter(
    "operator", "operator", "microseconds for each operator", 2.0, 1.0, of_group=0.7, low=0.001, high=5_000.0
)
_INFERENCE = Parameter(
    "inference", "inference", "microseconds for each run", 40.0, 1.5, of_group=0.8, low=0.001, high=50_000.0
)
_WIDE_INFERENCE = Parameter(
    "wide_inference", "inference", "more microseconds for each run that does not compute in 8 bits", 10.0, 1.5,
    low=0.001, high=50_000.0, widths=_WIDE | _FLOAT,
)  # fmt: skip
_CORES = Parameter(
    "cores",
    "cores",
    "what more cores lose: compute time times cores ** value",
    0.1,
    0.3,
    of_group=0.2,
    low=-0.3,
    high=1.0,
)
_PORTS = Parameter(
    "ports",
    "ports",
    "time at the unit's ports, relative to the platform file's",
    1.1,
    0.35,
    of_group=0.3,
    low=0.3,
    high=10.0,
)
_SETUP = Parameter("setup", "setup", "time to set kernels up and of barriers between cores", 1.0, 0.7, low=0.001)
_ELSEWHERE = Parameter(
    "elsewhere", "compute", "compute time of what another unit runs, relative to the cost model's", 1.2, 0.7,
    of_group=0.4, at_home=False,
)  # fmt: skip

_BY_FAMILY = (
    _compute("conv3x3", "dense 3 x 3 convolutions of stride 1", {"conv3x3"}),
    _compute("conv", "other dense windows", {"conv", "grouped"}),
    _compute("grouped", "grouped convolutions", {"grouped"}, prior=1.0),
    _compute("pointwise", "1 x 1 convolutions", {"pointwise"}),
    _compute("matmul", "matrix products", {"matmul"}),
    _compute("matvec", "matrix-vector products", {"matvec"}),
    _compute("depthwise", "depthwise convolutions", DEPTHWISE_FAMILIES),
    _compute("depthwise_large", "depthwise windows above 3 x 3", {"depthwise_large"}, prior=1.0),
    _compute("pool", "pools and reductions", {"pool"}),
    _compute("function", "sigmoid, swish and their like", {"function"}),
    _compute("softmax", "softmax", {"softmax"}),
    _compute("normalisation", "normalisation", {"normalisation"}),
    _compute("arithmetic", "operations on elements", {"arithmetic"}),
    _compute("movement", "copies", {"movement"}),
    _compute("resize", "resizing", {"resize"}),
)

_CPU = (
    _DENSE, _VECTOR, _CORES, _OPERATOR,
    _shared("int8_dense", "dense products of 8 bits", MAC_FAMILIES, 0.4, widths=_INT8),
    _PORTS,
    _SETUP,
    *_BY_FAMILY,
    _shared("int8_conv3x3", "dense 3 x 3 convolutions of 8 bits", {"conv3x3"}, 0.0, widths=_INT8),
    _shared("int8_vector", "all but dense products in 8 bits", _ELSEWHERE_FAMILIES, 0.0, widths=_INT8),
    replace(_ELSEWHERE, of_group=0.0),
)  # fmt: skip
_ACCELERATOR = (
    _DENSE, _VECTOR, _INFERENCE, _OPERATOR,
    _shared("float_dense", "dense products of floats", MAC_FAMILIES, 0.4, widths=_FLOAT),
    _ELSEWHERE,
    _SETUP,
    *_BY_FAMILY,
    _shared("wide_dense", "dense products of 16 bits", MAC_FAMILIES, 0.0, widths=_WIDE),
    _shared("wide_vector", "all but dense products in 16 bits", _ELSEWHERE_FAMILIES, 0.0, widths=_WIDE),
    _shared("float_vector", "all but dense products in floats", _ELSEWHERE_FAMILIES, 0.0, widths=_FLOAT),
    _WIDE_INFERENCE,
    replace(_PORTS, of_group=0.0),
)  # fmt: skip


_LEAST = {"operator": 0.05, "inference": 1.0}
"""Microseconds from which on a fit starts where a runtime's file says less."""


def host_scale(kind: str, hz: int) -> float:
    """Return how many times longer than at 1 GHz the host of a unit takes for an operator: a CPU is its own host."""
    return 1e9 / hz if kind == "cpu" else 1.0


def replaces_submission(kind: str) -> bool:
    """Whether a calibration replaces what a runtime's file says of submitting a run; a CPU's stays as it is."""
    return any(parameter.effect == "inference" for parameter in parameters(kind))


def parameters(kind: str, runtime: Runtime | None = None, hz: int = 10**9) -> tuple[Parameter, ...]:
    """Return what a calibration fits for a kind of unit; what groups may have of their own comes first, by weight.

    Args:
        kind: of unit.
        runtime: its file says where the host's times start; None: general values.
        hz: clock of the unit.
    """
    found = _CPU if kind == "cpu" else _ACCELERATOR
    if runtime is None:
        return found
    own = {"operator": runtime.per_operator.value / host_scale(kind, hz), "inference": runtime.submit.value}
    least = {name: max(value / _US, _LEAST[name]) for name, value in own.items()}
    return tuple(replace(p, prior=least[p.name]) if p.name in least else p for p in found)


@dataclass(frozen=True)
class Correction:
    """Fitted values for the runs of a unit with its runtime.

    Args:
        kind: kind of the unit that networks are sent to.
        values: by parameter name; what is absent changes nothing.
        origin: where the values come from, for readers.
        is_own: whether they were fitted to measurements of this platform, unit and runtime.
        error: mean error of predictions for networks that were left out of the fit; None where unknown.
        workloads: networks that it was fitted to.
    """

    kind: str
    values: tuple[tuple[str, float], ...]
    origin: str
    is_own: bool
    error: float | None = None
    workloads: int = 0

    @classmethod
    def of(cls, kind: str, values: Mapping[str, float], origin: str, **more: object) -> Correction:
        """Return a correction; the order of values does not matter."""
        return cls(kind, tuple(sorted(values.items())), origin, **({"is_own": False} | more))  # type: ignore[arg-type]

    def compute(self, kernel: KernelClass, cores: int) -> float:
        """Return the factor on the compute time of a class of kernels."""
        factor = prod(value for parameter, value in self._by_effect["compute"] if parameter.holds(kernel))
        lost = sum(value for _, value in self._by_effect["cores"]) if kernel.at_home else 0.0
        return float(factor * cores**lost)

    def operator_ps(self, own: int, hz: int) -> int:
        """Return the host's time for each operator, in place of what the runtime's file says.

        Args:
            own: that.
            hz: clock of the unit.
        """
        return next((round(value * _US * host_scale(self.kind, hz)) for _, value in self._by_effect["operator"]), own)

    def inference_ps(self, own: int, width: Width) -> int:
        """Return the host's time for each run, in place of what the runtime's file says.

        Args:
            own: that.
            width: type that most of the run's dense products compute in.
        """
        found = [value for parameter, value in self._by_effect["inference"] if width in parameter.widths]
        return round(sum(found) * _US) if found else own

    @property
    def setup(self) -> float:
        """Factor on the time to set kernels up and on barriers between cores."""
        return next((value for _, value in self._by_effect["setup"]), 1.0)

    @property
    def ports(self) -> float:
        """Factor on the time that bytes need at the unit's ports."""
        return next((value for _, value in self._by_effect["ports"]), 1.0)

    @cached_property
    def _by_effect(self) -> dict[Effect, list[tuple[Parameter, float]]]:
        """Parameters that have a value, with it."""
        given = dict(self.values)
        found: dict[Effect, list[tuple[Parameter, float]]] = {effect: [] for effect in get_args(Effect)}
        for parameter in parameters(self.kind):
            if parameter.name in given:
                found[parameter.effect].append((parameter, given[parameter.name]))
        return found


def correction_for(
    platform: Platform, kind: str, cluster: str | None, runtime: Runtime, file: Path | None = None
) -> Correction | None:
    """Return what measurements say of runs on a unit: of this chip, else of others with the same runtime.

    Args:
        platform: where the network runs.
        kind: kind of the unit that it is sent to.
        cluster: CPU cluster by its name.
        runtime: the software.
        file: a calibration to use in place of the platform's own.

    Raises:
        UsageError: the file holds no fit of that unit and runtime.
        PlatformError: it has faults.
    """
    group = group_of(platform, kind, cluster, runtime, file)
    if group is None and file is not None:
        msg = f"{file}: holds no fit of a {kind} with {runtime.name!r}; run socsim calibrate for it"
        raise UsageError(msg)
    if group is not None:
        return _of_group(group, platform, file)
    return _of_pool(kind, runtime, platform.unit(unit_of(platform, kind, cluster)).ip or "")


def correction_of_row(
    platform: Platform, words: tuple[str, str, str], kind: str, runtime: Runtime
) -> Correction | None:
    """Return what measurements say of the group of a measurement, else of its nearest relative.

    Args:
        platform: where it was measured.
        words: unit, cluster and runtime as the table names them.
        kind: kind of the unit that the network is sent to.
        runtime: the software.
    """
    group = measured_group(platform, *words)
    if group is not None and group.kind == kind:
        return _of_group(group, platform)
    return correction_for(platform, kind, words[1] or None, runtime)


def _of_group(group: CalibratedGroup, platform: Platform, file: Path | None = None) -> Correction:
    """Return the correction that a group's values make.

    Raises:
        PlatformError: values that no parameter of its kind of unit may have, all listed.
    """
    where = f"{platform.name} {group.unit}{' ' + group.cluster if group.cluster else ''}, {group.runtime}"
    faults = list(_value_faults(group))
    if faults:
        raise PlatformError(join_faults(f"{file or calibration_path(platform)}: group {where}", faults))
    return Correction.of(
        group.kind, group.values, f"{group.targets} figures of {group.workloads} networks on {where}",
        is_own=True, error=group.error, workloads=group.workloads,
    )  # fmt: skip


def _value_faults(group: CalibratedGroup) -> Iterator[str]:
    known = {parameter.name: parameter for parameter in parameters(group.kind)}
    for name, value in group.values.items():
        if name not in known:
            yield f"no parameter {name!r} of a {group.kind}.{did_you_mean(name, known)}"
        elif not isfinite(value) or (known[name].is_logarithmic and value <= 0):
            yield f"{name} is {value:g}; give a number above 0"


def _of_pool(kind: str, runtime: Runtime, design: str) -> Correction | None:
    pool = pool_of(kind, runtime)
    if pool is None:
        return None
    return Correction.of(kind, pool.for_design(design), f"{pool.groups} groups of other chips with {pool.runtime}")


def unit_of(platform: Platform, kind: str, cluster: str | None) -> str:
    """Return the name of the unit of a kind that a platform prefers.

    Args:
        platform: the SoC; it has a unit of that kind.
        kind: kind of unit.
        cluster: CPU cluster by its name; any where there is none of that name.
    """
    names = dict.fromkeys((*platform.file.preference, *platform.units))
    found = {name: platform.unit(name) for name in names if platform.unit(name).kind == kind}
    named = [name for name, unit in found.items() if isinstance(unit, CpuCluster) and unit.cluster == cluster]
    return next(iter((*named, *found)))
