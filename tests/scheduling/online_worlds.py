"""Small worlds for the online engine: stages of given times, and jobs of the plain engine as applications."""

from __future__ import annotations

from socsim.engine.online.model import Application, AppStep, Piece, Program, Segment, Server, Trace, World
from socsim.schedule.policies import make_policy

US = 10**6
MS = 10**9
S = 10**12


class Table:
    """Programs by application and step, the same at all operating points and for all batches unless they are called."""

    def __init__(self, programs):
        self.programs = programs

    def program(self, application, step, choice, batch, points):
        found = self.programs[application, step]
        found = found(choice, batch, points) if callable(found) else found
        return found[choice] if isinstance(found, list) else found

    def service_ps(self, application, step, choice, batch, points):
        return alone_ps(self.program(application, step, choice, batch, points))


def alone_ps(program):
    """Return how long a program takes with nothing beside it."""
    ends = []
    for segment in program.segments:
        own = sum(p.fixed_ps + sum(step.lone_ps for step in p.steps) for p in segment.pieces)
        ends.append(own + max((ends[before] for before in segment.after), default=0))
    return max(ends, default=0)


def stage(time_ps, server="cpu", *, cores=1, energy_pj=0, pieces=1, resume_ps=0):
    """Return a program of one segment, in so many equal pieces."""
    made = tuple(Piece(f"piece {i}", time_ps // pieces, (), energy_pj // pieces, i) for i in range(pieces))
    return Program((Segment(server, cores, made, (), resume_ps),))


def app(name, arrival, *, steps=1, **kwargs):
    """Return an application of a chain of steps; what a step knows, and an application does not, goes to all steps."""
    own = {key: kwargs.pop(key) for key in ("preemption", "variation", "pick", "choices") if key in kwargs}
    choices = own.pop("choices", ("here",))
    chain = tuple(AppStep(f"step {i}", choices, (i - 1,) if i else (), **own) for i in range(steps))
    return Application(name, arrival, chain, **kwargs)


def server(name="cpu", policy="fifo", cores=1, switch_ps=0, unit=None, quantum_ps=None):
    return Server(name, unit or name, cores, make_policy(policy, quantum_ps=quantum_ps), switch_ps)


def world(applications, programs, servers=None, duration_ps=S, **kwargs):
    table = {(name, 0): made for name, made in programs.items() if not isinstance(name, tuple)}
    table |= {key: made for key, made in programs.items() if isinstance(key, tuple)}
    return World(tuple(applications), tuple(servers or [server()]), Table(table), duration_ps, **kwargs)


def mean_ps(distribution):
    return distribution.total_ps / distribution.count


def jobs_world(jobs, fabric, streams=(), **kwargs):
    """Return jobs as one activation: a step each, after those that it waits for and the one before it on its unit."""
    newest, steps, programs = {}, [], {}
    for job in jobs:
        after = sorted({*job.after, *([newest[job.unit]] if job.unit in newest else [])})
        newest[job.unit] = job.key
        piece = Piece(f"job {job.key}", job.dispatch_ps + job.sync_ps, fabric.steps(job), 1000 + job.key, job.key)
        programs["jobs", job.key] = Program((Segment(job.unit, 1, (piece,)),), fabric)
        steps.append(AppStep(f"job {job.key}", (job.unit,), tuple(after)))
    shared = {
        n: r for n, r in fabric.capacities.items() if not any(fabric.is_port(n, u) for u in fabric.platform.units)
    }
    application = Application("jobs", Trace((0,)), tuple(steps))
    servers = [server(unit) for unit in sorted(fabric.platform.units)]
    return world(
        [application], programs, servers, 1, capacities=shared, is_traced=True,
        streams=tuple((s.unit, s.memory, s.bytes_per_s) for s in streams), fabric=fabric, **kwargs,
    )  # fmt: skip
