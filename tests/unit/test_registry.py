"""Registries refuse a second class under a name, and help with unknown names."""

from __future__ import annotations

import pytest

from socsim.errors import UsageError
from socsim.registry import Registry


class First:
    pass


class Second:
    pass


@pytest.fixture
def parts() -> Registry[object]:
    registry: Registry[object] = Registry("part")
    registry.add("npu", Second)
    registry.add("cpu", First)
    return registry


def test_names_lead_to_classes_in_alphabetical_order(parts: Registry[object]) -> None:
    assert parts["npu"] is Second
    assert parts.names() == ["cpu", "npu"]


def test_a_name_means_one_class(parts: Registry[object]) -> None:
    with pytest.raises(UsageError) as caught:
        parts.add("cpu", Second)
    assert str(caught.value) == "part 'cpu' is already First; choose another name"
    assert parts["cpu"] is First


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("npuu", "part 'npuu' is not known. Did you mean 'npu'?"),
        ("dsp8", "part 'dsp8' is not known. Known: cpu, npu."),
    ],
)
def test_unknown_names(parts: Registry[object], name: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        _ = parts[name]
    assert str(caught.value) == message
