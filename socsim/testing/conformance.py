"""What every cost model must satisfy, as a class of tests that a new model gets by one line.

    TestMyNpu = conformance("boards/mine.yaml", "npu")

The class runs under pytest as it stands; `conformance_faults` needs no test framework. Each relation is a
function of `socsim.testing.relations` that returns what it found wrong, in words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from socsim.errors import join_faults
from socsim.testing.relations import RELATIONS, Subject

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from socsim.soc.platform import Platform
    from socsim.workload.graph import Graph


class CostModelConformance:
    """One test for each relation, of the cost model of one unit of one platform.

    Life cycle: a subclass names a platform and one of its units; a test runner makes an instance for each test.
    `probes` may name networks of one's own; absent, each kind of kernel that the unit has is tried once, in each
    type that it multiplies.
    """

    platform: ClassVar[Platform | str | Path]
    unit: ClassVar[str]
    probes: ClassVar[Mapping[str, Graph] | None] = None


def conformance(
    platform: Platform | str | Path, unit: str, probes: Mapping[str, Graph] | None = None
) -> type[CostModelConformance]:
    """Return the tests of the cost model of a unit.

    Args:
        platform: a platform, its name or its file.
        unit: name of one of its units.
        probes: small networks by name; each kind of kernel where absent.
    """
    members = {"platform": platform, "unit": unit, "probes": probes}
    return type(f"TestConformanceOf_{unit}", (CostModelConformance,), members)


def conformance_faults(
    platform: Platform | str | Path, unit: str, probes: Mapping[str, Graph] | None = None
) -> list[str]:
    """Return what the cost model of a unit violates, each with its relation; arguments as for `conformance`."""
    subject = Subject.of(platform, unit, probes)
    return [f"{relation.__name__}: {fault}" for relation in RELATIONS for fault in relation(subject)]


def _test(relation: Callable[[Subject], list[str]]) -> Callable[[CostModelConformance], None]:
    def test(self: CostModelConformance) -> None:
        subject = Subject.of(self.platform, self.unit, self.probes)
        found = relation(subject)
        if found:
            raise AssertionError(join_faults(f"cost model of {subject}", found))

    test.__doc__ = relation.__doc__
    test.__name__ = f"test_{relation.__name__}"
    return test


for _relation in RELATIONS:
    setattr(CostModelConformance, f"test_{_relation.__name__}", _test(_relation))
