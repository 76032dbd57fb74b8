"""Online policies of a server: who goes next, and who may take its place."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from socsim.errors import UsageError
from socsim.quantities import PS_PER_S
from socsim.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Hashable

POLICIES: Registry[Policy] = Registry("policy")
NEVER_PS = 10**24
"""Later than any deadline or period, in picoseconds."""
QUANTUM_PS = PS_PER_S // 100
"""Of round robin, where nothing else is said: 10 ms. Assumed; general-purpose kernels give slices of 1 to 100 ms."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a policy may know of a segment that waits for a server, or runs on it.

    Args:
        application: whose it is.
        priority: of the application; higher ones are more urgent.
        release_ps: when its activation was released.
        deadline_ps: when its activation should be done; None for no deadline.
        period_ps: of the application; the mean gap where releases have no period, None where nothing is known.
        service_ps: how long the segment takes with nothing beside it.
    """

    application: str
    priority: int
    release_ps: int
    deadline_ps: int | None
    period_ps: int | None
    service_ps: int


class Policy(ABC):
    """Who goes next on a server.

    Life cycle: described once, immutable, and shared by as many servers as one likes. When time begins, the engine
    asks for one `fresh` object for each server. From then on it calls `rank` each time a segment joins the server's
    queue for the first time; the smallest rank goes first, equal ranks in the order of their arrival. A segment keeps
    its rank, and its place among equals, when it is preempted. A segment that needs more cores than are free keeps
    those behind it waiting until it has them.

    Who runs gives way at the next border that its step allows
     - where `is_preemptive`: to whoever has a smaller rank than it has;
     - where `quantum_ps` is not None: after that long on the server, to whoever does not have a greater rank; it
       goes back behind all equals.

    Subclasses name themselves: `class Lottery(Policy, name="lottery")`. `socsim.testing.policies` holds the tests
    that each one must pass.
    """

    name: ClassVar[str]
    is_preemptive: ClassVar[bool] = False
    quantum_ps: int | None = None

    def __init_subclass__(cls, *, name: str, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.name = name
        POLICIES.add(name, cls)

    @abstractmethod
    def rank(self, request: Request) -> int:
        """Return when a segment goes, relative to others: the smallest first."""

    def fresh(self) -> Policy:
        """Return the policy of one server in one run; itself where ranks do not depend on what went before."""
        return self

    def started(self, request: Request, rank: int) -> None:  # noqa: B027, most have nothing to note
        """Take note that a segment begins to be served, or goes on."""

    def later(self, rank: int, by_ps: int) -> int:
        """Return what a rank would be if everything happened so much later; the same where no time is in it."""
        return rank

    def state_key(self) -> Hashable:
        """Return what ranks depend on besides the request; None for nothing."""
        return None


class Fifo(Policy, name="fifo"):
    """First come, first served."""

    def rank(self, request: Request) -> int:
        """Return the same for all, so that arrival decides."""
        return 0


class PriorityNonpreemptive(Policy, name="priority_nonpreemptive"):
    """The highest priority first; who runs, runs to the end of its segment."""

    def rank(self, request: Request) -> int:
        """Return the priority, the highest first."""
        return -request.priority


class Priority(PriorityNonpreemptive, name="priority"):
    """The highest priority first; lower ones give way."""

    is_preemptive = True


class EdfNonpreemptive(Policy, name="edf_nonpreemptive"):
    """The earliest deadline first; who runs, runs to the end of its segment. What has no deadline goes last."""

    def rank(self, request: Request) -> int:
        """Return the deadline."""
        return NEVER_PS if request.deadline_ps is None else request.deadline_ps

    def later(self, rank: int, by_ps: int) -> int:
        """Return a later deadline."""
        return rank if rank >= NEVER_PS else rank + by_ps


class Edf(EdfNonpreemptive, name="edf"):
    """The earliest deadline first; later ones give way.

    Source: C. L. Liu and J. W. Layland, "Scheduling Algorithms for Multiprogramming in a Hard-Real-Time
    Environment", Journal of the ACM 20 (1973), section 7.
    """

    is_preemptive = True


class RateMonotonicNonpreemptive(Policy, name="rate_monotonic_nonpreemptive"):
    """The shortest period first; who runs, runs to the end of its segment. What has no period goes last."""

    def rank(self, request: Request) -> int:
        """Return the period."""
        return NEVER_PS if request.period_ps is None else request.period_ps


class RateMonotonic(RateMonotonicNonpreemptive, name="rate_monotonic"):
    """The shortest period first; longer ones give way.

    Source: Liu and Layland (1973), section 4.
    """

    is_preemptive = True


@dataclass(frozen=True)
class RoundRobin(Policy, name="round_robin"):
    """Everyone in turn, for a quantum of time.

    Args:
        quantum_ps: how long a turn lasts where others wait.
    """

    quantum_ps: int = QUANTUM_PS

    def __post_init__(self) -> None:
        if self.quantum_ps < 1:
            msg = f"policy 'round_robin': a quantum of {self.quantum_ps} ps is not allowed; give 1 ps or more"
            raise UsageError(msg)

    def rank(self, request: Request) -> int:
        """Return the same for all, so that arrival decides."""
        return 0


class WeightedFair(Policy, name="weighted_fair"):
    """Each application a share of the server in proportion to its priority plus one, where all of them wait.

    Virtual time is the rank of who was served last; a segment begins where its application's last one ended, or now.
    Priorities below 0 count as 0.

    Source: start-time fair queueing: P. Goyal, H. M. Vin, H. Cheng, IEEE/ACM Transactions on Networking 5 (1997).
    """

    def __init__(self) -> None:
        self._now = 0
        self._ends: dict[str, int] = {}

    def fresh(self) -> Policy:
        """Return one with no past."""
        return type(self)()

    def rank(self, request: Request) -> int:
        """Return the virtual time at which the segment begins."""
        start = max(self._now, self._ends.get(request.application, 0))
        self._ends[request.application] = start + request.service_ps // (1 + max(0, request.priority))
        return start

    def started(self, request: Request, rank: int) -> None:
        """Move virtual time on."""
        self._now = max(self._now, rank)

    def state_key(self) -> Hashable:
        """Return how far applications are ahead of virtual time."""
        return tuple(sorted((name, end - self._now) for name, end in self._ends.items() if end > self._now))


def make_policy(name: str, *, quantum_ps: int | None = None) -> Policy:
    """Return a policy by its name.

    Args:
        name: as registered.
        quantum_ps: of policies that take turns; None: their own.

    Raises:
        UsageError: no such policy, a quantum for one that takes none, or a quantum below 1 ps.
    """
    cls: Any = POLICIES[name]
    if quantum_ps is not None and cls.quantum_ps is None:
        msg = f"policy {name!r} takes no quantum; leave it out, or choose 'round_robin'"
        raise UsageError(msg)
    policy: Policy = cls() if quantum_ps is None else cls(quantum_ps=quantum_ps)
    return policy
