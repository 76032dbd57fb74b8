"""The schema of the platform file: what it accepts, what it publishes, what it says of each type."""

from __future__ import annotations

import json
from datetime import date
from typing import Any, get_args

import pytest
from pydantic import BaseModel, ValidationError

from socsim.data_files import data_folder
from socsim.quantities import Size
from socsim.soc.arrays import Dataflow
from socsim.soc.fields import Capacity, Model
from socsim.soc.json_schema import platform_json_schema
from socsim.soc.loader import load_platform, platform_names
from socsim.soc.schema import PLATFORM_SCHEMA, Npu, PlatformFile, Preset
from socsim.soc.validation import _SENTENCES, Fault, check, dotted_path, faults_error, keys_by_kind
from socsim.soc.yaml_reader import YamlDocument, parse_yaml, read_yaml

PLATFORMS = platform_names()


def models_of(model: type[BaseModel]) -> list[type[BaseModel]]:
    """Return all subclasses, in order of name."""
    found = [model, *(inner for cls in model.__subclasses__() for inner in models_of(cls))]
    return sorted(set(found), key=lambda cls: cls.__name__)


@pytest.mark.parametrize("model", models_of(Model), ids=lambda model: model.__name__)
def test_models_are_frozen_strict_and_refuse_unknown_keys(model: type[BaseModel]) -> None:
    config = model.model_config
    assert config.get("extra") == "forbid"
    assert config.get("frozen") is True
    assert config.get("strict") is True
    assert config.get("allow_inf_nan") is False


def test_a_loaded_platform_cannot_be_changed() -> None:
    file = load_platform("rk3588").file
    with pytest.raises(ValidationError, match="frozen"):
        file.name = "other"  # type: ignore[misc]


@pytest.mark.parametrize("name", PLATFORMS)
def test_a_written_platform_reads_back_as_itself(name: str, tmp_path: Any) -> None:
    file = load_platform(name).file.model_copy(update={"based_on": None})  # it holds what its base gave
    text = json.dumps(file.model_dump(mode="json", by_alias=True))
    path = tmp_path / "written.yaml"
    path.write_text(text, encoding="utf-8")
    assert PlatformFile.model_validate_json(text) == file
    assert load_platform(path).file == file


def test_a_capacity_is_above_zero_and_a_reserve_may_be_nothing() -> None:
    class Both(Model):
        filled: Capacity
        kept: Size

    made = check(Both, parse_yaml("filled: 0 B\nkept: 0 B", "f.yaml"))
    assert made == [Fault(("filled",), '"0 B" is zero; write a size such as "512 KiB"')]


def test_kinds_and_their_keys() -> None:
    units = keys_by_kind(PlatformFile, "units")
    assert list(units) == ["cpu", "gpu", "npu", "dsp", "sensing_hub"]
    assert {"clock", "power", "runtime", "port"} <= set.intersection(*map(set, units.values()))
    assert list(keys_by_kind(PlatformFile, "memories")) == ["dram", "sram", "system_cache", "flash", "psram"]


def test_presets_are_checked_as_files_too() -> None:
    for path in (data_folder("platforms") / "presets").glob("*.yaml"):
        preset = check(Preset, read_yaml(path))
        assert isinstance(preset, Preset)
        assert preset.name == path.stem


# --- sentences for faults -----------------------------------------------------------------------------


def error_types(model: type[BaseModel]) -> set[str]:
    """Return the kinds of faults that a model of the schema can raise, found by trying odd values."""
    found: set[str] = set()
    odd: list[Any] = [None, True, 5, -1, 0.5, float("nan"), float("inf"), "x", "", [], [1], {}, {"a": 1}, {"kind": 1}]
    for name, field in model.model_fields.items():
        for value in odd:
            try:
                model.model_validate({field.alias or name: value})
            except ValidationError as error:
                found |= {fault["type"] for fault in error.errors()}
    return found


@pytest.mark.parametrize("model", models_of(Model), ids=lambda model: model.__name__)
def test_every_fault_that_a_model_can_raise_has_a_sentence(model: type[BaseModel]) -> None:
    assert error_types(model) - set(_SENTENCES) == set()


def test_a_fault_without_a_sentence_of_its_own_still_says_what_was_found() -> None:
    class Dated(Model):
        day: date  # the schema of platforms has no dates

    assert check(Dated, parse_yaml("day: 5", "f.yaml")) == [Fault(("day",), "found 5, which is not allowed here")]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((), ""),
        (("units", "npu", "clock"), "units.npu.clock"),
        (("preference", 1), "preference[1]"),
        (("clocks", "a", "opps", 0, "name"), "clocks.a.opps[0].name"),
        (("a\nb", "c"), '"a\\nb".c'),
        (("x" * 50,), f'"{"x" * 50}"'),
    ],
)
def test_paths_as_users_write_them(path: tuple[str | int, ...], text: str) -> None:
    assert dotted_path(path) == text


def test_faults_are_listed_once_in_the_order_of_lines() -> None:
    document = parse_yaml("a: 1\nb: 2\nc: 3\n", "f.yaml")
    faults = [Fault(("c",), "three"), Fault(("a",), "one"), Fault(("c",), "three"), Fault((), "all")]
    assert str(faults_error(document, faults)) == "f.yaml:1: a: one\nf.yaml:1: all\nf.yaml:3: c: three"


def test_faults_of_values_without_a_file_have_no_line() -> None:
    document = YamlDocument("a call", {"x": 1})
    assert str(faults_error(document, [Fault(("x",), "wrong")])) == "a call: x: wrong"


# --- JSON Schema --------------------------------------------------------------------------------------


def test_the_published_schema_is_the_same_each_time() -> None:
    first, second = platform_json_schema(), platform_json_schema()
    assert json.dumps(first) == json.dumps(second)
    assert first is not second
    assert (first["$id"], first["properties"]["schema"]["const"]) == (PLATFORM_SCHEMA, PLATFORM_SCHEMA)
    assert first["$schema"].startswith("https://json-schema.org/")


def test_the_published_schema_lists_every_model_and_key() -> None:
    schema = platform_json_schema()
    assert list(schema["$defs"]) == sorted(schema["$defs"])
    assert set(schema["$defs"]["Npu"]["properties"]) == set(Npu.model_fields)
    assert schema["$defs"]["SystolicArray"]["properties"]["dataflow"]["enum"] == list(get_args(Dataflow))
    assert all(part.get("additionalProperties") is False for part in schema["$defs"].values())


def test_the_published_schema_explains_quantities() -> None:
    buffer = platform_json_schema()["$defs"]["Npu"]["properties"]["buffer"]
    assert (buffer["type"], buffer["examples"]) == ("string", ["512 KiB"])
    assert buffer["description"].startswith("Local buffer of one core")


@pytest.mark.parametrize("name", PLATFORMS)
def test_shipped_platforms_have_the_published_keys(name: str) -> None:
    schema = platform_json_schema()
    written = load_platform(name).document.value
    assert set(schema["required"]) <= set(written) <= set(schema["properties"])
    kinds = schema["properties"]["units"]["additionalProperties"]["discriminator"]["mapping"]
    for unit in written["units"].values():
        definition = schema["$defs"][kinds[unit["kind"]].rsplit("/", 1)[1]]
        assert set(definition["required"]) <= set(unit) <= set(definition["properties"])
