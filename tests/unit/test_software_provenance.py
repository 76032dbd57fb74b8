"""Which numbers of runtimes and of the technology table have a source."""

from __future__ import annotations

import json

import pytest

from socsim.soc.loader import load_platform, platform_names
from socsim.soc.runtimes import runtime
from socsim.soc.software_provenance import software_provenance


def rows(name: str) -> dict[str, tuple[str, str | None, str | None]]:
    return {row.path: (row.value, row.source, row.assumed) for row in software_provenance(load_platform(name))}


def test_numbers_of_every_runtime_that_a_unit_names_are_listed() -> None:
    soc = load_platform("rk3588")
    found = rows("rk3588")
    for name in {unit.runtime for unit in soc.units.values()}:
        assert f"runtimes.{name}.submit" in found
        assert f"runtimes.{name}.per_operator" in found
        assert f"runtimes.{name}.handover" in found
    value, source, assumed = found["runtimes.rknn.submit"]
    assert value == "60 us"
    assert "54-67 us" in (source or "")
    assert assumed is None


def test_the_technology_table_is_listed() -> None:
    found = rows("imx93")
    assert "Horowitz" in (found["technology.base.mac.int8"][1] or "")
    assert "eight-bit multiplier" in (found["technology.base.mac.int4"][2] or "")
    assert "Stillmaker" in (found["technology.scaling.10 nm"][1] or "")


def test_what_a_runtime_leaves_out_is_listed_as_assumed() -> None:
    found = rows("stm32n657")
    assert "handover" not in runtime("cmsis-nn").model_fields_set
    assert found["runtimes.cmsis-nn.handover"] == (
        "0 s", None, "not in the file: data from another unit costs nothing extra",
    )  # fmt: skip
    assert found["runtimes.st-neural-art.handover"][0] == "10 us"
    in_place = "not in the file: the library reads these operands in place"
    assert found["runtimes.cmsis-nn.kernels.padding_copies"] == ("0", None, in_place)
    assert found["runtimes.cmsis-nn.kernels.window_copies"][0] == "1"
    assert not [path for path in found if path.startswith("runtimes.st-neural-art.efficiency")]


@pytest.mark.parametrize("name", platform_names())
def test_each_number_that_decides_a_result_has_a_source_or_a_stated_reason(name: str) -> None:
    for path, (_, source, assumed) in rows(name).items():
        assert (source is None) != (assumed is None), path
        assert assumed != "no source given", path


def test_check_lists_them_beside_those_of_the_platform(capsys, monkeypatch) -> None:
    from socsim import cli

    monkeypatch.setattr("sys.argv", ["socsim", "platforms", "check", "rk3588", "--json"])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert not stop.value.code
    paths = {row["path"] for row in json.loads(capsys.readouterr().out)["rows"]}
    assert {"units.npu.buffer", "runtimes.rknn.submit", "technology.base.vector_op"} <= paths
