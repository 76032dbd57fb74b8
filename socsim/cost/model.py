"""The contract of a cost model, and the table of models by kind of unit."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from socsim.quantities import ceil_div
from socsim.registry import Registry
from socsim.soc.schema import UnitBase
from socsim.workload.operators import Category

if TYPE_CHECKING:
    from collections.abc import Mapping

    from socsim.cost.work import Kernel, Layer, Work
    from socsim.soc.runtimes import KernelFamily, Runtime
    from socsim.workload.loops import LoopNest

S = TypeVar("S", bound=UnitBase)

MODELS: Registry[CostModel[Any]] = Registry("cost model of unit kind")


@dataclass(frozen=True, slots=True)
class Access:
    """A memory as one unit sees it, alone and idle.

    Args:
        kind: "sram", "dram", "flash" or "psram".
        bytes_per_s: what its port, the links on the way and the memory let through of reads.
        latency_ps: until the first byte arrives.
        written_bytes_per_s: the same of writes; None: as of reads.
        written_latency_ps: until a write is acknowledged; None: as of reads.
    """

    kind: str
    bytes_per_s: int
    latency_ps: int
    written_bytes_per_s: int | None = None
    written_latency_ps: int | None = None


@dataclass(frozen=True)
class UnitContext(Generic[S]):
    """A unit as it stands in one run.

    Args:
        name: the unit's name on its platform.
        spec: its description.
        hz: its clock.
        cores: how many of its cores the run uses.
        runtime: the software that drives it.
        constant_bytes: constants that the unit's tasks read, each once, as the runtime stores them; 0 where
            that is not known.
        layers: the unit's tasks in order; empty where not known.
        memories: memories of its activations and constants; empty where not known.
    """

    name: str
    spec: S
    hz: int
    cores: int
    runtime: Runtime
    constant_bytes: int = 0
    layers: tuple[Layer, ...] = ()
    memories: Mapping[str, Access] = field(default_factory=dict)

    def efficiency(self, family: KernelFamily) -> Fraction:
        """Return the share of peak that the runtime's kernels of a family reach."""
        return as_fraction(self.runtime.efficiency.get(family, 1))


class CostModel(ABC, Generic[S]):
    """Turns kernels into Work for one kind of unit.

    Life cycle: made once for a run with the unit's context; `work` is then asked for each task, in
    order. A model is a pure function of its context and the kernel: it keeps no state and no clock, and what it
    returns is kept for later runs.
    Subclasses name their kind: `class NpuModel(CostModel[Npu], kind="npu")`.
    """

    kind: ClassVar[str]

    def __init_subclass__(cls, *, kind: str, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.kind = kind
        MODELS.add(kind, cls)

    def __init__(self, context: UnitContext[S]) -> None:
        self.context = context

    @property
    def spec(self) -> S:
        """Description of the unit."""
        return self.context.spec

    @abstractmethod
    def work(self, kernel: Kernel) -> Work:
        """Return the Work of a kernel whose operator and type the unit supports."""

    @classmethod
    @abstractmethod
    def core_rates(cls, spec: S) -> Mapping[str, Fraction]:
        """Return peak multiply-accumulates a cycle of one core (compute unit, thread) by type."""

    @property
    def parallel(self) -> int:
        """Cores (compute units, threads) that work side by side."""
        return self.context.cores

    @property
    def last_level_bytes(self) -> int:
        """Bytes of the last cache before memory; 0 for units that stage data themselves."""
        return 0

    @property
    def reads_weight_values(self) -> bool:
        """Whether the values of weights matter, so that kernels should carry them."""
        return False

    @property
    def weights_resident(self) -> bool:
        """Whether the unit's constants stay in its last cache from one inference to the next.

        Assumes: half of that cache is theirs.
        """
        return 0 < 2 * self.context.constant_bytes <= self.last_level_bytes

    @property
    def arena(self) -> str | None:
        """On-chip memory through which the unit's constants may come; None where they come straight from theirs.

        Kernels of units that have one know its free bytes, and how long the task before covers what comes.
        """
        return None

    @cached_property
    def _rates(self) -> dict[str, Fraction]:
        return {t: rate * self.parallel for t, rate in self.core_rates(self.spec).items()}

    def rates(self) -> Mapping[str, Fraction]:
        """Return peak multiply-accumulates a cycle by type, all cores that the run uses."""
        return self._rates

    def peak_macs_per_s(self, dtype: str) -> int | None:
        """Return the peak rate in a type; None where the unit cannot multiply it."""
        rate = self.rates().get(dtype)
        return None if rate is None else int(rate * self.context.hz)


@cache
def as_fraction(value: float) -> Fraction:
    """Return a number of a platform file as the exact fraction that its text means."""
    return Fraction(str(value))


def cycles(amount: int, rate: Fraction) -> int:
    """Return `amount` over `rate` a cycle, rounded up to whole cycles."""
    return ceil_div(amount * rate.denominator, rate.numerator)


def family(kernel: Kernel) -> KernelFamily:
    """Return the kernel family that decides a CPU's or GPU's efficiency."""
    if kernel.category is not Category.MAC:
        return "elementwise"
    return nest_family(kernel.type, kernel.loops[0])


def nest_family(operator_type: str, nest: LoopNest) -> KernelFamily:
    """Return the kernel family of one loop nest."""
    if nest.is_depthwise:
        return "depthwise"
    if operator_type in {"CONV_2D", "TRANSPOSE_CONV", "DEPTHWISE_CONV_2D"}:
        return "convolution"
    return "matvec" if nest.n * nest.p * nest.q == 1 else "matmul"
