"""Programs as they are asked for, made ready once for each object."""

from __future__ import annotations

from typing import TYPE_CHECKING

from socsim.engine.online.courses import Course, Ready
from socsim.errors import SimulationError, did_you_mean, join_faults

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from socsim.engine.fabric import Fabric
    from socsim.engine.online.model import Program, World

_MOST_TABLES = 256
"""Combinations of operating points whose programs are remembered."""


class Library:
    """Programs of a world, ready to run, at the operating points of now.

    Args:
        world: what is simulated.
        points: of each clock.
    """

    def __init__(self, world: World, points: Mapping[str, str]) -> None:
        self._world = world
        self._servers = {server.name: i for i, server in enumerate(world.servers)}
        self._ready: dict[int, Ready] = {}
        self._capacities: dict[int, tuple[Fabric, dict[str, int]]] = {}
        self._tables: dict[tuple[tuple[str, str], ...], dict[tuple[int, int, int, int], Ready]] = {}
        self.move_to(points)

    def move_to(self, points: Mapping[str, str]) -> None:
        """Take note of operating points; programs are those of these from now on."""
        self._points = dict(points)
        key = tuple(sorted(self._points.items()))
        if key not in self._tables and len(self._tables) >= _MOST_TABLES:
            self._tables.clear()
        self._table = self._tables.setdefault(key, {})

    def ready(self, application: int, step: int, choice: int, batch: int) -> Ready:
        """Return a program.

        Raises:
            SimulationError: it cannot run on the world's servers; all faults.
        """
        key = application, step, choice, batch
        found = self._table.get(key)
        if found is None:
            app = self._world.applications[application]
            program = self._world.programs.program(app.name, step, choice, batch, self._points)
            found = self._table[key] = self._made(program, f"application {app.name!r}, step {app.steps[step].name!r}")
        return found

    def service_ps(self, application: int, step: int, choice: int, batch: int) -> int:
        """Return how long a program takes with nothing beside it."""
        ready = self.ready(application, step, choice, batch)
        if ready.service_ps is None:
            name = self._world.applications[application].name
            ready.service_ps = self._world.programs.service_ps(name, step, choice, batch, self._points)
        return ready.service_ps

    def _made(self, program: Program, where: str) -> Ready:
        key = id(program)
        if key not in self._ready:
            faults = list(self.faults(program))
            if faults:
                raise SimulationError(join_faults(where, faults))
            capacities = self.capacities(program.fabric)
            courses = [Course(s, program.fabric, capacities, self._servers[s.server]) for s in program.segments]
            self._ready[key] = Ready(program, tuple(courses))
        return self._ready[key]

    def capacities(self, fabric: Fabric | None) -> Mapping[str, int]:
        """Return bytes a second of a program's resources; of shared ones the world's, where that is less."""
        if fabric is None:
            return self._world.capacities
        key = id(fabric)
        if key not in self._capacities:
            own = fabric.capacities
            lower = {name: min(rate, own.get(name, rate)) for name, rate in self._world.capacities.items()}
            self._capacities[key] = fabric, {**own, **lower}
        return self._capacities[key][1]

    def any_fabric(self) -> Fabric:
        """Return the fabric of some program.

        Raises:
            SimulationError: no program has one.
        """
        for ready in self._ready.values():
            if ready.program.fabric is not None:
                return ready.program.fabric
        msg = "background traffic has no fabric to cross: no program has one; give the world one"
        raise SimulationError(msg)

    def faults(self, program: Program) -> Iterator[str]:
        """Yield what keeps a program from ever ending."""
        for position, segment in enumerate(program.segments):
            what = f"segment {position} on {segment.server!r}"
            server = self._servers.get(segment.server)
            if server is None:
                yield f"{what}: there is no such server.{did_you_mean(segment.server, self._servers)}"
            elif not 1 <= segment.cores <= self._world.servers[server].cores:
                most = self._world.servers[server].cores
                yield f"{what}: needs {segment.cores} cores, the server has {most}; give it 1 to {most}"
            late = [before for before in segment.after if not 0 <= before < position]
            if late:
                yield f"{what}: waits for segments {late}, of which none comes before it; name earlier ones"
            yield from self._unknown(program, position)

    def _unknown(self, program: Program, position: int) -> Iterator[str]:
        known = self.capacities(program.fabric)
        pieces = program.segments[position].pieces
        used = {name for piece in pieces for step in piece.steps if step.demand for name in step.demand.usage}
        missing = sorted(used - known.keys())
        if missing:
            yield f"segment {position}: moves bytes over {', '.join(missing)}, whose capacity nobody gives"
