"""Which numbers of a platform have a source."""

from __future__ import annotations

from typing import Any

import pytest

from socsim.soc.loader import load_platform
from socsim.soc.provenance import numbers, provenance

OVERLAY = "schema: socsim.platform/1\nname: mine\ntitle: Mine\nbased_on: rk3588\n"


def rows(platform: Any) -> dict[str, tuple[str | None, str | None]]:
    return {row.path: (row.source, row.assumed) for row in provenance(platform)}


@pytest.fixture
def derived(tmp_path: Any) -> Any:
    def make(text: str) -> Any:
        path = tmp_path / "mine.yaml"
        path.write_text(OVERLAY + text, encoding="utf-8")
        return load_platform(path)

    return make


def test_numbers_and_quantities_count_and_names_do_not() -> None:
    value = {
        "schema": "x/1",
        "name": "3 things",
        "process": "8 nm",
        "units": {
            "npu": {"cores": 3, "rate": 0.5, "flag": True, "clock": "800 MHz", "tight": "800MHz", "word": "fast"}
        },
        "clocks": {"c": {"default": "1GHz", "opps": [{"name": "1GHz", "clock": "1 GHz"}, {"clock": "2GHz"}]}},
        "sources": {"units": "page 1"},
    }
    assert [(".".join(path), found) for path, found in numbers(value, ())] == [
        ("process", "8 nm"),
        ("units.npu.cores", 3),
        ("units.npu.rate", 0.5),
        ("units.npu.clock", "800 MHz"),
        ("units.npu.tight", "800MHz"),
        ("clocks.c.opps.1GHz.clock", "1 GHz"),
        ("clocks.c.opps.1.clock", "2GHz"),
    ]


def test_the_longest_path_decides() -> None:
    found = rows(load_platform("rk3588"))
    source, assumed = found["units.npu.port.outstanding"]
    assert source is not None
    assert assumed is None
    source, assumed = found["units.npu.port.width"]  # covered by the assumption about units.npu.port
    assert source is None
    assert assumed is not None
    assert assumed != "no source given"


def test_each_row_has_a_source_or_a_reason_and_never_both() -> None:
    for row in provenance(load_platform("rk3588")):
        assert (row.source is None) != (row.assumed is None)


def test_sources_of_a_preset_reach_the_part_that_uses_it() -> None:
    source, _ = rows(load_platform("rk3588"))["memories.dram.data_rate"]
    assert source is not None
    assert "2112 MHz" in source


def test_a_number_that_a_file_changes_loses_the_source_of_its_base(derived: Any) -> None:
    found = rows(derived("units: {npu: {buffer: 512 KiB}}\n"))
    assert found["units.npu.buffer"] == (None, "changed by mine, which gives no source")
    assert found["units.npu.command"] == rows(load_platform("rk3588"))["units.npu.command"]


def test_a_number_that_a_file_changes_has_the_source_that_the_file_gives(derived: Any) -> None:
    platform = derived("units: {npu: {buffer: 512 KiB}}\nsources: {units.npu.buffer: my bench}\n")
    assert rows(platform)["units.npu.buffer"] == ("my bench", None)


def test_a_file_can_source_what_its_base_assumed(derived: Any) -> None:
    assert rows(load_platform("rk3588"))["units.npu.core_sync"][0] is None
    assert rows(derived("sources: {units.npu.core_sync: my bench}\n"))["units.npu.core_sync"] == ("my bench", None)


def test_a_number_that_differs_from_its_preset_loses_its_source(derived: Any) -> None:
    found = rows(derived("memories: {dram: {data_rate: 3200 MT/s}}\n"))
    assert found["memories.dram.data_rate"][0] is None
    assert found["memories.dram.channels"][0] is not None


def test_a_number_set_in_python_is_assumed() -> None:
    platform = load_platform("rk3588").with_({"units.npu.buffer": "1 MiB", "units.npu.clock": "800 MHz"})
    found = rows(platform)
    assert found["units.npu.buffer"] == (None, "set by with_")
    assert found["units.npu.clock"] == (None, "set by with_")
    assert rows(load_platform("rk3588"))["units.npu.buffer"][0] is not None


def test_a_replaced_part_loses_the_sources_below_it() -> None:
    caches = [{"level": "L1", "size": "64 KiB", "scope": "core", "bandwidth": "32 B/cycle"}]
    found = rows(load_platform("rk3588").with_({"units.cpu_big.caches": caches}))
    assert found["units.cpu_big.caches.L1.size"] == (None, "set by with_")


def test_a_number_that_nobody_mentions_says_so(derived: Any) -> None:
    assert "no source given" not in {assumed for _, assumed in rows(derived("")).values()}
    value = load_platform("rk3588").with_({"assumed": {}, "sources": {}})
    assert {assumed for _, assumed in rows(value).values()} == {"no source given"}
