"""Every policy passes the conformance kit, and the kit finds what is wrong with bad ones."""

from __future__ import annotations

import pytest

from socsim.errors import UsageError
from socsim.schedule.policies import POLICIES, Fifo, make_policy
from socsim.testing.policies import RELATIONS, policy_faults

SHORT = {"round_robin": 3 * 10**6}


@pytest.mark.parametrize("relation", RELATIONS, ids=lambda relation: relation.__name__)
@pytest.mark.parametrize("name", POLICIES.names())
def test_policies_that_ship_conform(name, relation):
    assert relation(make_policy(name, quantum_ps=SHORT.get(name))) == []


def without_registry(cls):
    """Return a policy that is only for this test."""
    POLICIES._classes.pop(cls.name)
    return cls()


def test_the_kit_finds_a_policy_that_serves_the_last_one_first():
    class Lifo(Fifo, name="test_lifo"):
        def __init__(self):
            self.count = 0

        def fresh(self):
            return type(self)()

        def rank(self, request):
            self.count -= 1
            return self.count

    faults = policy_faults(without_registry(Lifo))
    assert {fault.split(":")[0] for fault in faults} == {"equals_keep_their_order"}


def test_the_kit_finds_a_policy_that_keeps_what_it_learned():
    class Learned(Fifo, name="test_learned"):
        seen = 0

        def rank(self, request):
            self.seen += 1
            return self.seen % 7

    assert any(fault.startswith("one_object_serves_many_runs") for fault in policy_faults(without_registry(Learned)))


def test_unknown_names_and_quanta_are_refused():
    with pytest.raises(UsageError, match=r"^policy 'round_robbin' is not known\. Did you mean 'round_robin'\?$"):
        make_policy("round_robbin")
    with pytest.raises(UsageError, match=r"^policy 'fifo' takes no quantum; leave it out, or choose 'round_robin'$"):
        make_policy("fifo", quantum_ps=5)
    with pytest.raises(UsageError, match="a quantum of 0 ps is not allowed; give 1 ps or more"):
        make_policy("round_robin", quantum_ps=0)
