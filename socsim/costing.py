"""What a plan costs, and the jobs that the engine runs: all that is known before time begins."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from socsim.cost.families import kernel_class, run_width
from socsim.cost.system_cache import through_cache
from socsim.engine.burst_network import Region
from socsim.engine.fabric import Fabric
from socsim.engine.simulation import Job
from socsim.memo import Same
from socsim.recording import Cost, Plan
from socsim.schedule.reuse import kept_by_task
from socsim.schedule.staging import early_moves
from socsim.schedule.tasks import stored_bytes
from socsim.schedule.tiles import in_tiles
from socsim.soc.schema import SensingHub

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from socsim.cost.corrections import Correction
    from socsim.cost.families import Width
    from socsim.cost.system_cache import Kept
    from socsim.cost.work import Kernel, Phase, Work
    from socsim.schedule.tasks import Task
    from socsim.soc.platform import Platform
    from socsim.soc.runtimes import Runtime


@dataclass(frozen=True)
class Prepared:
    """A plan with its costs. It depends on network, platform and options alone, so that runs can share it.

    Args:
        plan: units, tasks and memories.
        costs: Work and energy of each task.
        correction: what a calibration changes in the times of the costs; None: nothing.
    """

    plan: Plan
    costs: tuple[Cost, ...]
    correction: Correction | None = None

    def corrected(self, correction: Correction) -> Prepared:
        """Return the same plan and costs with a calibration."""
        return replace(self, correction=correction)

    @cached_property
    def fabric(self) -> Fabric:
        """What the units share."""
        units = self.plan.platform.units.items()
        slow = {n: self.correction.ports for n, u in units if u.kind == self.correction.kind} if self.correction else {}
        return Fabric(self.plan.platform, self.plan.cores, slow)

    def jobs(self, detail: str) -> tuple[Job, ...]:
        """Return what the engine runs at a level of detail."""
        if detail == "tile":
            return self._tiled[0]
        return self._located if detail == "burst" else self._jobs

    @property
    def tiles_in_one(self) -> int:
        """Tiles that a step of the tile level stands for at most: 1 unless there are too many for a timeline."""
        return self._tiled[1]

    @cached_property
    def _jobs(self) -> tuple[Job, ...]:
        made = _jobs(self.plan, self.costs)
        return made if self.correction is None else _corrected(self.plan, self.costs, made, self.correction)

    @cached_property
    def _located(self) -> tuple[Job, ...]:
        tasks = self.plan.tasks.tasks
        return tuple(replace(j, regions=_regions(self.plan, t)) for j, t in zip(self._jobs, tasks, strict=True))

    @cached_property
    def _tiled(self) -> tuple[tuple[Job, ...], int]:
        phases, together = in_tiles([job.phases for job in self._jobs])
        return tuple(replace(j, phases=own) for j, own in zip(self._jobs, phases, strict=True)), together


def prepare(plan: Plan) -> Prepared:
    """Return a plan with its costs; kernels that repeat in a network are costed once."""
    known: dict[tuple[str, Same, tuple[Kept, ...], int], Cost] = {}
    costs = []
    every = kept_by_task(plan.tasks, plan.memory, plan.platform, plan.batch)
    slack = {name: 0 for name, model in plan.models.items() if model.arena}
    for task, kernel, kept in zip(plan.tasks.tasks, _kernels(plan), every, strict=True):
        before = slack.get(task.unit, 0)
        key = task.unit, Same(kernel), kept, before
        if key not in known:
            known[key] = _cost(plan, task, replace(kernel, slack=before) if before else kernel, kept)
        work = known[key].work
        if work is not None and task.unit in slack:
            slack[task.unit] = work.cover_cycles
        costs.append(known[key])
    return Prepared(plan, tuple(_early(plan, costs)))


def _kernels(plan: Plan) -> tuple[Kernel, ...]:
    """Return the kernel of each task, equal ones as one object; platforms with equal memory plans share them."""

    def make() -> tuple[Kernel, ...]:
        known: dict[Kernel, Kernel] = {}
        found = (plan.kernels.kernel(task) for task in plan.tasks.tasks)
        return tuple(known.setdefault(kernel, kernel) for kernel in found)

    models = tuple((name, model.arena, model.reads_weight_values) for name, model in plan.models.items())
    key = "kernels", Same(plan.memory), Same(plan.tasks), models, plan.batch, plan.sparsity
    return plan.graph.memo.get(key, make)


def _cost(plan: Plan, task: Task, kernel: Kernel, kept: tuple[Kept, ...]) -> Cost:
    empty = not (kernel.loops or kernel.inputs or kernel.outputs or kernel.weights)
    work: Work | None = None if empty else plan.models[task.unit].work(kernel)
    energy = None
    if work is not None:
        for part in kept:
            work = through_cache(work, part)
        moved = [t for phase in work.phases for t in phase.transfers]
        energy = plan.energy.task(task.unit, task.dtype, work, moved)
    return Cost(kernel, work, energy)


def _early(plan: Plan, costs: list[Cost]) -> list[Cost]:
    """Return costs with what may move early beside the task before; its energy stays with its own task."""
    before: list[tuple[Phase, ...]] = [c.work.phases if c.work else () for c in costs]
    phases = early_moves([t.unit for t in plan.tasks.tasks], before)
    return [
        replace(cost, work=replace(cost.work, phases=own)) if cost.work is not None and own is not was else cost
        for cost, was, own in zip(costs, before, phases, strict=True)
    ]


def _jobs(plan: Plan, costs: tuple[Cost, ...]) -> tuple[Job, ...]:
    jobs = []
    hz = {unit: plan.platform.unit_hz(unit) for unit in plan.runtimes}
    woken: set[str] = set()
    for task, cost, overhead in zip(plan.tasks.tasks, costs, overheads(plan), strict=True):
        runtime = plan.runtimes[task.unit]
        before = plan.tasks.before[task.position]
        handed_over = any(plan.tasks.tasks[b].unit != task.unit for b in before)
        dispatch = runtime.per_operator.value * overhead.kernels + runtime.submit.value * overhead.is_submitted
        sync = (runtime.handover.value if handed_over else 0) + _wake_ps(plan.platform, task.unit, woken)
        work = cost.work
        jobs.append(
            Job(
                key=task.position,
                unit=task.unit,
                hz=hz[task.unit],
                dispatch_ps=dispatch + (work.setup_ps if work else 0),
                sync_ps=sync + (work.sync_ps if work else 0),
                phases=work.phases if work else (),
                after=before,
            )
        )
    return tuple(jobs)


@dataclass(frozen=True, slots=True)
class Overhead:
    """What the host does for a task.

    Args:
        kernels: how many it hands over.
        is_submitted: whether a run of consecutive tasks of its unit begins with it.
    """

    kernels: int
    is_submitted: bool


def overheads(plan: Plan) -> list[Overhead]:
    """Return what the host does for each task."""
    tasks = plan.tasks.tasks
    before = [None, *(task.unit for task in tasks)]
    counts = [plan.runtimes[t.unit].dispatches_of(t.root.type, len(t.inputs), len(t.outputs)) for t in tasks]
    return [Overhead(n, task.unit != unit) for task, unit, n in zip(tasks, before, counts, strict=False)]


def _corrected(plan: Plan, costs: Sequence[Cost], jobs: Sequence[Job], correction: Correction) -> tuple[Job, ...]:
    """Return jobs with the times that a calibration gives them; equal phases stay one object."""
    known: dict[tuple[Same, float], tuple[Phase, ...]] = {}
    made = []
    homes = [plan.platform.unit(job.unit).kind == correction.kind for job in jobs]
    kinds = [kernel_class(cost.kernel, at_home=at_home) for cost, at_home in zip(costs, homes, strict=True)]
    width = run_width((kind, cost.kernel.macs) for kind, cost in zip(kinds, costs, strict=True))
    for job, cost, overhead, kind in zip(jobs, costs, overheads(plan), kinds, strict=True):
        factor = correction.compute(kind, plan.cores[job.unit])
        key = Same(job.phases), factor
        if key not in known:
            known[key] = tuple(replace(p, compute_cycles=round(p.compute_cycles * factor)) for p in job.phases)
        moved = replace(job, phases=known[key])
        own = plan.runtimes[job.unit]
        made.append(_host_times(moved, cost, own, overhead, correction, width) if kind.at_home else moved)
    return tuple(made)


def _host_times(
    job: Job, cost: Cost, runtime: Runtime, overhead: Overhead, correction: Correction, width: Width
) -> Job:
    """Return a job with the host's times, set-up and barriers as a calibration has them."""
    set_up, barriers = (cost.work.setup_ps, cost.work.sync_ps) if cost.work else (0, 0)
    each = correction.operator_ps(runtime.per_operator.value, job.hz) * overhead.kernels
    once = correction.inference_ps(runtime.submit.value, width) * overhead.is_submitted
    return replace(
        job,
        dispatch_ps=each + once + round(set_up * correction.setup),
        sync_ps=job.sync_ps - barriers + round(barriers * correction.setup),
    )


def _regions(plan: Plan, task: Task) -> dict[str, tuple[Region, ...]]:
    """Return where the tensors that a task reads and writes lie."""
    runtime = plan.runtimes[task.unit]

    def places(tensors: Iterable[int]) -> tuple[Region, ...]:
        keys = [(tensor, plan.tasks.storage.get(tensor, tensor)) for tensor in tensors]
        return tuple(
            Region(place.memory, place.offset, stored_bytes(plan.graph.tensors[tensor], runtime) * plan.batch)
            for tensor, key in keys
            if (place := plan.memory.places.get(key))
        )

    return {"read": places((*task.inputs, *task.weights)), "write": places(task.outputs)}


def _wake_ps(platform: Platform, unit: str, woken: set[str]) -> int:
    """Return the wake-up of a hub before its first task of an inference."""
    spec = platform.unit(unit)
    if unit in woken or not isinstance(spec, SensingHub):
        return 0
    woken.add(unit)
    states = platform.file.power_domains[spec.power].states
    return states[0].wake.value if states else 0
