"""What a plan costs, and the jobs that the engine runs: all that is known before time begins."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from socsim.cost.families import kernel_class, run_width
from socsim.cost.system_cache import through_cache
from socsim.cost.work import Phase, Transfer
from socsim.engine.burst_network import Region
from socsim.engine.fabric import Fabric
from socsim.engine.simulation import Job
from socsim.memo import Same
from socsim.recording import NO_CORRECTIONS, Corrections, Cost, Plan
from socsim.schedule.reuse import kept_by_task
from socsim.schedule.staging import early_moves
from socsim.schedule.tasks import stored_bytes
from socsim.schedule.tiles import in_tiles
from socsim.soc.schema import SensingHub

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from socsim.cost.corrections import Correction
    from socsim.cost.families import KernelClass, Width
    from socsim.cost.system_cache import Kept
    from socsim.cost.work import Kernel, Work
    from socsim.schedule.borders import Border
    from socsim.schedule.tasks import Task
    from socsim.soc.platform import Platform
    from socsim.soc.runtimes import Runtime


@dataclass(frozen=True)
class Prepared:
    """A plan with its costs. It depends on network, platform and options alone, so that runs can share it.

    Args:
        plan: units, tasks and memories.
        costs: Work and energy of each task.
        corrections: what calibrations change in the times of the costs.
    """

    plan: Plan
    costs: tuple[Cost, ...]
    corrections: Corrections = NO_CORRECTIONS

    def corrected(self, corrections: Corrections) -> Prepared:
        """Return the same plan and costs with calibrations."""
        return replace(self, corrections=corrections)

    @cached_property
    def fabric(self) -> Fabric:
        """What the units share."""
        found = {name: self.corrections.of(name) for name in self.plan.platform.units}
        units = self.plan.platform.units
        slow = {name: own.ports for name, own in found.items() if own and units[name].kind == own.kind}
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
        return made if self.corrections == NO_CORRECTIONS else _corrected(self.plan, self.costs, made, self.corrections)

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
    known: dict[tuple[str, Same, tuple[Kept, ...], int, tuple[Transfer, ...]], Cost] = {}
    costs = []
    every = kept_by_task(plan.tasks, plan.memory, plan.platform, plan.batch)
    slack = {name: 0 for name, model in plan.models.items() if model.arena}
    for task, kernel, kept, border in zip(plan.tasks.tasks, _kernels(plan), every, plan.borders, strict=True):
        before = slack.get(task.unit, 0)
        anew = _anew(plan, border) if border.rewrites else ()
        key = task.unit, Same(kernel), kept, before, anew
        if key not in known:
            known[key] = _cost(plan, task, replace(kernel, slack=before) if before else kernel, kept, anew)
        work = known[key].work
        if work is not None and task.unit in slack:
            slack[task.unit] = work.cover_cycles
        costs.append(known[key])
    return Prepared(plan, tuple(_early(plan, costs)))


def _anew(plan: Plan, border: Border) -> tuple[Transfer, ...]:
    """Return what a task moves to have tensors of other units as its own runtime keeps them."""
    places = plan.memory.places
    return tuple(Transfer(places[r.key].memory, r.read_bytes, r.write_bytes) for r in border.rewrites)


def _kernels(plan: Plan) -> tuple[Kernel, ...]:
    """Return the kernel of each task, equal ones as one object; platforms with equal memory plans share them."""

    def make() -> tuple[Kernel, ...]:
        known: dict[Kernel, Kernel] = {}
        found = (plan.kernels.kernel(task) for task in plan.tasks.tasks)
        return tuple(known.setdefault(kernel, kernel) for kernel in found)

    models = tuple((name, model.arena, model.reads_weight_values) for name, model in plan.models.items())
    key = "kernels", Same(plan.memory), Same(plan.tasks), models, plan.batch, plan.sparsity
    return plan.graph.memo.get(key, make)


def _cost(plan: Plan, task: Task, kernel: Kernel, kept: tuple[Kept, ...], anew: tuple[Transfer, ...]) -> Cost:
    empty = not (kernel.loops or kernel.inputs or kernel.outputs or kernel.weights)
    work: Work | None = None if empty else plan.models[task.unit].work(kernel)
    energy = None
    if work is not None:
        for part in kept:
            work = through_cache(work, part)
        if anew:
            work = replace(work, phases=(Phase("border", 0, anew), *work.phases))
        moved = [t for phase in work.phases for t in phase.transfers]
        energy = plan.energy.task(task.unit, task.dtype, work, moved)
    return Cost(kernel, work, energy, anew)


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
    for task, cost, kernels, border in zip(plan.tasks.tasks, costs, dispatched(plan), plan.borders, strict=True):
        runtime = plan.runtimes[task.unit]
        dispatch = runtime.per_operator.value * kernels + runtime.submit.value * border.is_submitted
        wake = 0 if task.unit in woken else hub_wake_ps(plan.platform, task.unit)
        woken.add(task.unit)
        sync = runtime.handover.value * border.is_handed_over + wake
        work = cost.work
        jobs.append(
            Job(
                key=task.position,
                unit=task.unit,
                hz=hz[task.unit],
                dispatch_ps=dispatch + (work.setup_ps if work else 0),
                sync_ps=sync + (work.sync_ps if work else 0),
                phases=work.phases if work else (),
                after=plan.tasks.before[task.position],
            )
        )
    return tuple(jobs)


def dispatched(plan: Plan) -> list[int]:
    """Return how many kernels the host hands over for each task."""
    return [plan.runtimes[t.unit].dispatches_of(t.root.type, len(t.inputs), len(t.outputs)) for t in plan.tasks.tasks]


def _corrected(plan: Plan, costs: Sequence[Cost], jobs: Sequence[Job], corrections: Corrections) -> tuple[Job, ...]:
    """Return jobs with the times that calibrations give them; equal phases stay one object."""
    known: dict[tuple[Same, float], tuple[Phase, ...]] = {}
    made = []
    own = {unit: corrections.of(unit) for unit in plan.runtimes}
    homes = {unit: c is not None and plan.platform.unit(unit).kind == c.kind for unit, c in own.items()}
    kinds = [kernel_class(cost.kernel, at_home=homes[job.unit]) for job, cost in zip(jobs, costs, strict=True)]
    widths = _widths(jobs, costs, kinds, own)
    for job, cost, kernels, kind in zip(jobs, costs, dispatched(plan), kinds, strict=True):
        correction = own[job.unit]
        if correction is None:
            made.append(job)
            continue
        factor = correction.compute(kind, plan.cores[job.unit])
        key = Same(job.phases), factor
        if key not in known:
            known[key] = tuple(replace(p, compute_cycles=round(p.compute_cycles * factor)) for p in job.phases)
        moved = replace(job, phases=known[key])
        if kind.at_home:
            border = plan.borders[job.key]
            once = submission_ps(plan.runtimes[job.unit], correction, widths[job.unit]) * border.is_submitted
            each = correction.operator_ps(plan.runtimes[job.unit].per_operator.value, job.hz) * kernels
            moved = _host_times(moved, cost, each + once, correction.setup)
        made.append(moved)
    return tuple(made)


def _widths(
    jobs: Sequence[Job], costs: Sequence[Cost], kinds: Sequence[KernelClass], own: Mapping[str, Correction | None]
) -> dict[str, Width]:
    """Return by unit the type that most products compute in where its calibration holds."""
    sharers = {unit: [u for u, other in own.items() if other is correction] for unit, correction in own.items()}
    products: dict[str, list[tuple[KernelClass, int]]] = {group[0]: [] for group in sharers.values()}
    for job, cost, kind in zip(jobs, costs, kinds, strict=True):
        products[sharers[job.unit][0]].append((kind, cost.kernel.macs))
    widths = {unit: run_width(found) for unit, found in products.items()}
    return {unit: widths[group[0]] for unit, group in sharers.items()}


def submission_ps(runtime: Runtime, correction: Correction | None, width: Width) -> int:
    """Return the host's time to hand over a run of operators."""
    own = runtime.submit.value
    return own if correction is None else correction.inference_ps(own, width)


def unit_width(prepared: Prepared, unit: str) -> Width:
    """Return the type that most products of a unit's tasks compute in."""
    own = zip(prepared.plan.tasks.tasks, prepared.costs, strict=True)
    return run_width((kernel_class(c.kernel, at_home=True), c.kernel.macs) for task, c in own if task.unit == unit)


def _host_times(job: Job, cost: Cost, host_ps: int, setup: float) -> Job:
    """Return a job with the host's times, set-up and barriers as a calibration has them."""
    set_up, barriers = (cost.work.setup_ps, cost.work.sync_ps) if cost.work else (0, 0)
    return replace(
        job,
        dispatch_ps=host_ps + round(set_up * setup),
        sync_ps=job.sync_ps - barriers + round(barriers * setup),
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


def hub_wake_ps(platform: Platform, unit: str) -> int:
    """Return the wake-up of a hub before its first task of an inference; 0 for any other unit."""
    spec = platform.unit(unit)
    states = platform.file.power_domains[spec.power].states if isinstance(spec, SensingHub) else []
    return states[0].wake.value if states else 0
