"""What the time of a run consists of, as far as calibrated parameters can change it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from socsim.cost.corrections import host_scale, replaces_submission
from socsim.cost.families import kernel_class, run_width
from socsim.costing import dispatched
from socsim.quantities import PS_PER_S

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from socsim.cost.families import KernelClass, Width
    from socsim.cost.work import Kernel
    from socsim.costing import Prepared
    from socsim.engine.fabric import Fabric, Step

    Reals = npt.NDArray[np.float64]
    Indices = npt.NDArray[np.int32]


TOTALS = (
    "MACs of 1 x 1 convolutions and matrix products", "MACs of other dense windows", "MACs of depthwise convolutions",
    "bytes of activations", "bytes of weights", "operators",
)  # fmt: skip


@dataclass(frozen=True)
class Anatomy:
    """The steps of a run, one after the other: the same sum as the closed form of the engine.

    Args:
        classes: classes of kernels that occur.
        step_class: index in `classes` of each step's kernel.
        compute_ps: compute time of each step.
        port_ps: time that its bytes need at the unit's own port.
        shared_ps: time that they need at links and memories.
        operators: kernels that the host hands over one by one to the unit that the network was sent to; of a CPU, times
            what its clock makes of a microsecond at 1 GHz.
        submissions: runs of consecutive ones among them, where calibrations replace their time.
        setup_ps: time to set those up, and of barriers between cores.
        fixed_ps: host's and set-up times elsewhere, and hand-over between units.
        width: type that most of its dense products compute in.
        cores: cores in use of the unit that the network was sent to.
        totals: of the whole network, in the order of `TOTALS`: what a model without structure would know.
    """

    classes: tuple[KernelClass, ...]
    step_class: Indices
    compute_ps: Reals
    port_ps: Reals
    shared_ps: Reals
    operators: float
    submissions: float
    setup_ps: float
    fixed_ps: float
    width: Width
    cores: int
    totals: Reals

    def part(self, share: float) -> Anatomy:
        """Return the anatomy of a share of each operator."""
        return Anatomy(
            self.classes, self.step_class, self.compute_ps * share, self.port_ps * share, self.shared_ps * share,
            self.operators * share, self.submissions * share, self.setup_ps * share, self.fixed_ps * share,
            self.width, self.cores, self.totals,
        )  # fmt: skip


def anatomy(prepared: Prepared, kind: str) -> Anatomy:
    """Return what a run consists of before any calibration.

    Args:
        prepared: the run.
        kind: kind of the unit that the network was sent to.
    """
    platform, fabric = prepared.plan.platform, prepared.fabric
    capacities = fabric.capacities
    known: dict[KernelClass, int] = {}
    step_class, steps = [], []
    products = []
    totals = np.zeros(len(TOTALS))
    operators = 0.0
    submissions = setup = fixed = 0
    cores = 1
    for job, cost, kernels in zip(prepared.jobs("analytic"), prepared.costs, dispatched(prepared.plan), strict=True):
        at_home = platform.unit(job.unit).kind == kind
        own_class = kernel_class(cost.kernel, at_home=at_home)
        place = known.setdefault(own_class, len(known))
        products.append((own_class, cost.kernel.macs))
        own = (cost.work.setup_ps + cost.work.sync_ps) if cost.work and at_home else 0
        fixed += job.dispatch_ps + job.sync_ps - own
        setup += own
        if at_home:
            cores = max(cores, prepared.plan.cores[job.unit])
            operators += kernels * host_scale(kind, job.hz)
            runtime = prepared.plan.runtimes[job.unit]
            fixed -= runtime.per_operator.value * kernels
            is_submitted = prepared.plan.borders[job.key].is_submitted
            if replaces_submission(kind):
                submissions += is_submitted
                fixed -= runtime.submit.value * is_submitted
        totals += _totals(cost.kernel)
        own_steps = [_times(step, fabric, job.unit, capacities) for step in fabric.steps(job)]
        steps += own_steps
        step_class += [place] * len(own_steps)
    table = np.array(steps, np.float64).reshape(-1, 3)
    return Anatomy(
        tuple(known), np.array(step_class, np.int32), table[:, 0], table[:, 1], table[:, 2], float(operators),
        float(submissions), float(setup), float(fixed), run_width(products), cores, totals,
    )  # fmt: skip


def _totals(kernel: Kernel) -> tuple[float, ...]:
    products = [0, 0, 0]
    for nest in kernel.loops:
        products[2 if nest.is_depthwise else int(nest.r * nest.s > 1)] += nest.macs
    return (*products, kernel.input_bytes + kernel.output_bytes, kernel.weight_bytes, 1)


def _times(step: Step, fabric: Fabric, unit: str, capacities: Mapping[str, int]) -> tuple[float, float, float]:
    """Return compute time, time at the port and time behind it."""
    port = shared = 0.0
    for name, amount in step.demand.usage.items() if step.demand else ():
        needed = amount * PS_PER_S / capacities[name]
        if fabric.is_port(name, unit):
            port = max(port, needed)
        else:
            shared = max(shared, needed)
    return float(step.compute_ps), port, shared
