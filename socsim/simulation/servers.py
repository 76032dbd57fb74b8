"""What steps queue for: units of a platform, cores of them that are set apart, and links to elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from socsim.engine.online.model import Server
from socsim.errors import UsageError, did_you_mean
from socsim.schedule.policies import POLICIES, make_policy
from socsim.simulation.options import ALL
from socsim.soc.schema import CpuCluster

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from socsim.schedule.policies import Policy
    from socsim.soc.platform import Platform
    from socsim.workload.scenario.schema import Preemption, ScenarioFile, ServerFile

_DEFAULT_POLICY = "priority"
_MEASURE_OF_PREEMPTION: tuple[Preemption, ...] = ("none", "operator", "tile", "any")


def units_called(platform: Platform, wanted: str, cluster: str | None = None) -> list[str]:
    """Return the units of a kind, or of a name, preferred ones first."""
    order = dict.fromkeys((*platform.file.preference, *platform.units))
    found = [name for name in order if wanted in {name, platform.unit(name).kind}]
    if cluster is None:
        return found
    return [name for name in found if isinstance(u := platform.unit(name), CpuCluster) and u.cluster == cluster]


def least_preemption(one: Preemption, other: Preemption | None) -> Preemption:
    """Return where a step may be interrupted if two have a say."""
    return one if other is None else min(one, other, key=_MEASURE_OF_PREEMPTION.index)


@dataclass(frozen=True, slots=True)
class Served:
    """A server with what the scenario says of it.

    Args:
        server: as the engine knows it.
        preemption: the most that it interrupts; None: what steps allow.
    """

    server: Server
    preemption: Preemption | None


class Servers:
    """The servers of a scenario on a platform.

    Args:
        file: the scenario.
        platform: where it runs.
        policies: that hold in place of the scenario's, by server, unit or kind; `ALL` for the rest.

    Raises:
        UsageError: no such policy, a policy for a server that does not exist, or a server or link with a unit's name.
    """

    def __init__(self, file: ScenarioFile, platform: Platform, policies: Mapping[str, str]) -> None:
        self._file, self._platform, self._policies = file, platform, policies
        self.notes: list[str] = []
        self._apart: dict[str, tuple[str, int]] = {}
        self._taken: dict[str, int] = {}
        self._check_names()
        self._homes = {name: self._home(name) for name in file.servers}
        for name, spec in file.servers.items():
            self._set_apart(name, spec)
        self._known = {served.server.name: served for served in self._all()}
        self._check_policies()

    @property
    def servers(self) -> list[Server]:
        """All of them, units in the platform's order first."""
        return [served.server for served in self._known.values()]

    def __getitem__(self, name: str) -> Served:
        """Return the server of that name."""
        return self._known[name]

    def named(self, name: str) -> tuple[str, str] | None:
        """Return unit and server that a scenario's server stands for; None where the platform lacks its unit."""
        home = self._homes[name]
        if home is None:
            return None
        return home, name if name in self._apart else home

    def _check_names(self) -> None:
        """Refuse servers and links that take the name of a unit, whose own server has it."""
        own = [*self._file.links, *(name for name, spec in self._file.servers.items() if spec.cores is not None)]
        if taken := [name for name in own if name in self._platform.units]:
            names = ", ".join(map(repr, taken))
            raise UsageError(
                f"scenario {self._file.name!r}: {names} is a unit of {self._platform.name}, and a server of that name "
                "stands for its cores that are not set apart; call links and servers with cores of their own otherwise"
            )

    def _home(self, name: str) -> str | None:
        spec = self._file.servers[name]
        found = units_called(self._platform, spec.unit or name, spec.cluster)
        return found[0] if found else None

    def _set_apart(self, name: str, spec: ServerFile) -> None:
        """Take cores from a unit for a server, if some are left for all others."""
        unit = self._homes[name]
        if unit is None:
            what = " ".join(filter(None, (spec.unit or name, spec.cluster)))
            self.notes.append(f"server {name!r}: {self._platform.name} has no {what}; what queues there goes elsewhere")
        elif spec.cores is not None:
            taken = self._taken.get(unit, 0) + spec.cores
            cores = self._platform.core_count(unit)
            if taken < cores:
                self._taken[unit] = taken
                self._apart[name] = unit, spec.cores
            else:
                self.notes.append(
                    f"server {name!r}: {unit} has {cores} core{'s' if cores > 1 else ''}, so that {spec.cores} cannot "
                    "be set apart; it shares them with all others"
                )

    def _all(self) -> Iterator[Served]:
        for unit in self._platform.units:
            yield self._made(unit, unit, self._platform.core_count(unit) - self._taken.get(unit, 0))
        for name, (unit, cores) in self._apart.items():
            yield self._made(name, unit, cores)
        for name, link in self._file.links.items():
            yield Served(Server(name, name, 1, self._policy(name, None, None)), "none")
            yield Served(Server(remote(name), remote(name), link.requests, make_policy("fifo")), "none")

    def _made(self, name: str, unit: str, cores: int) -> Served:
        kind = self._platform.unit(unit).kind
        spec = self._settings(name, unit)
        policy = self._policy(name, kind, spec)
        return Served(
            Server(name, unit, cores, policy, spec.switch.value if spec else 0), spec.preemption if spec else None
        )

    def _settings(self, name: str, unit: str) -> ServerFile | None:
        """Return what the scenario says of a server: by its name, else by one that stands for the unit as a whole."""
        if name in self._file.servers:
            return self._file.servers[name]
        whole = [other for other in self._file.servers if other not in self._apart]
        found = [n for n in whole if self._homes[n] == unit] + [n for n in whole if n == self._platform.unit(unit).kind]
        return self._file.servers[found[0]] if found else None

    def _policy(self, name: str, kind: str | None, spec: ServerFile | None) -> Policy:
        asked = next((self._policies[key] for key in filter(None, (name, kind, ALL)) if key in self._policies), None)
        policy = asked or (spec.policy if spec else None) or _DEFAULT_POLICY
        quantum = spec.quantum if spec and POLICIES[policy].quantum_ps is not None else None
        return make_policy(policy, quantum_ps=quantum.value if quantum else None)

    def _check_policies(self) -> None:
        known = {*self._known, *(unit.kind for unit in self._platform.units.values())}
        for key, name in self._policies.items():
            POLICIES[name]
            if key != ALL and key not in known:
                raise UsageError(f"policy: no server {key!r}.{did_you_mean(key, known)}")


def remote(link: str) -> str:
    """Return the name of the server that stands for the computers at the other end of a link."""
    return f"{link}.remote"
