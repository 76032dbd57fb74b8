"""Loading, inheriting and varying platforms, and what a platform answers."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pytest

from socsim.errors import PlatformError, UnknownNameError, UsageError, shown
from socsim.quantities import Frequency, Size
from socsim.soc.loader import load_platform, platform_names
from socsim.soc.provenance import provenance
from socsim.soc.runtimes import runtime

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from socsim.soc.platform import Platform

PLATFORMS = platform_names()
HEAD = "schema: socsim.platform/1\nname: {name}\ntitle: A board\nbased_on: {base}\n"


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Write a file that is based on another into the working directory; return its name."""
    monkeypatch.chdir(tmp_path)

    def make(name: str, base: str, text: str = "") -> str:
        path = tmp_path / f"{name}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(HEAD.format(name=path.stem, base=base) + text, encoding="utf-8")
        return f"{name}.yaml"

    return make


@pytest.fixture(scope="module")
def soc() -> Platform:
    return load_platform("rk3588")


def refused(call: Callable[[], Any]) -> str:
    with pytest.raises(PlatformError) as caught:
        call()
    return str(caught.value)


# --- inheritance --------------------------------------------------------------------------------------


def test_a_derived_platform_differs_in_what_it_says_alone(write: Callable[..., str], soc: Platform) -> None:
    mine = load_platform(write("mine", "rk3588", "units: {npu: {cores: 1, vector: 32}}\n"))
    assert (mine.name, mine.file.title, mine.file.based_on) == ("mine", "A board", "rk3588")
    npu = mine.units["npu"].model_copy(update={"cores": 3, "vector": 16})
    assert npu == soc.units["npu"]
    assert mine.file.links == soc.file.links
    assert mine.overrides == ("units.npu.cores: 3 -> 1", "units.npu.vector: 16 -> 32")


def test_added_and_replaced_parts_are_listed(write: Callable[..., str]) -> None:
    text = "power_domains: {spare: {static: 1 mW}}\npreference: [cpu_big]\nclocks: {npu: {default: 500MHz}}\n"
    mine = load_platform(write("mine", "rk3588", text))
    assert mine.overrides == (
        "power_domains.spare: absent -> a mapping",
        "preference: a list -> a list",
        "clocks.npu.default: absent -> 500MHz",
    )
    assert mine.file.preference == ["cpu_big"]
    assert mine.unit_hz("npu") == 500_000_000


def test_an_override_that_changes_nothing_is_not_listed(write: Callable[..., str]) -> None:
    assert load_platform(write("mine", "rk3588", "units: {npu: {cores: 3}}\n")).overrides == ()


def test_bases_chain_and_their_overrides_add_up(write: Callable[..., str]) -> None:
    write("first", "rk3588", "units: {npu: {cores: 2}}\n")
    second = load_platform(write("second", "first.yaml", "units: {npu: {cores: 1}}\n"))
    assert second.overrides == ("units.npu.cores: 3 -> 2", "units.npu.cores: 2 -> 1")
    assert second.core_count("npu") == 1


def test_a_path_to_a_base_starts_from_the_file_that_says_it(write: Callable[..., str]) -> None:
    write("boards/first", "rk3588", "units: {npu: {cores: 2}}\n")
    assert load_platform(write("boards/second", "first.yaml")).core_count("npu") == 2


def test_a_fault_that_comes_from_the_base_is_reported_there(write: Callable[..., str]) -> None:
    write("first", "rk3588", "units:\n  npu:\n    cores: 0\n")
    message = refused(lambda: load_platform(write("second", "./first.yaml", "units: {npu: {vector: 0}}\n")))
    assert message == (
        "second.yaml:5: units.npu.vector: found 0; write a number from 1 up\n"
        "first.yaml:7: units.npu.cores: found 0; write a number from 1 up"
    )


@pytest.mark.parametrize(
    "base",
    ["../rk3588.yaml", "/etc/passwd", "./../../etc/passwd", "boards/../../x.yaml", "sub/passwd", "C:/x.yaml",
     "..\\x.yaml", "\\x.yaml", "outside.yaml", "up/secret.yaml"],
)  # fmt: skip
def test_a_base_stands_beside_or_below_its_file(write: Callable[..., str], tmp_path: Path, base: str) -> None:
    outside = tmp_path.parent / "secret.yaml"
    outside.write_text("secret: 'open\n", encoding="utf-8")
    (tmp_path / "outside.yaml").symlink_to(outside)
    (tmp_path / "up").symlink_to(tmp_path.parent)
    assert refused(lambda: load_platform(write("mine", base))) == (
        f"mine.yaml:4: based_on: {shown(base)} is not allowed; "
        "write the name of a platform, or a YAML file beside or below this one"
    )


def test_a_base_may_stand_below(write: Callable[..., str]) -> None:
    write("boards/first", "rk3588", "units: {npu: {cores: 2}}\n")
    assert load_platform(write("second", "boards/first.yaml")).core_count("npu") == 2


def test_a_base_that_is_no_yaml_is_not_quoted(write: Callable[..., str], tmp_path: Path) -> None:
    for text in ("root:x:0:0:hidden:/bin/sh\n", "key: 'hidden\n", "!hidden!x y: 1\n", "hidden"):
        (tmp_path / "base.yaml").write_text(text, encoding="utf-8")
        message = refused(lambda: load_platform(write("mine", "base.yaml")))
        assert message.startswith("base.yaml:")
        assert "hidden" not in message


def test_circles_and_long_chains_are_refused(write: Callable[..., str]) -> None:
    write("a", "b.yaml")
    assert refused(lambda: load_platform(write("b", "./a.yaml"))) == (
        'a.yaml:4: based_on: "b.yaml" is based on this file in turn; break the circle'
    )
    names = [f"n{i}" for i in range(12)]
    for name, base in zip(names, [*names[1:], "rk3588"], strict=True):
        write(name, base if base == "rk3588" else f"{base}.yaml")
    assert refused(lambda: load_platform("n0.yaml")) == (
        "n8.yaml:4: based_on: more than 8 files build on each other; merge some of them"
    )
    assert load_platform("n5.yaml").file.units == load_platform("rk3588").file.units


def test_an_empty_base_and_a_broken_base(write: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "void.yaml").write_text("", encoding="utf-8")
    assert refused(lambda: load_platform(write("mine", "void.yaml"))).startswith("void.yaml: the file is empty")
    (tmp_path / "list.yaml").write_text("sources: [a]\n", encoding="utf-8")
    assert "list.yaml:1: sources: found a list" in refused(lambda: load_platform(write("mine", "list.yaml")))


# --- presets ------------------------------------------------------------------------------------------


def test_a_preset_gives_what_the_part_does_not_say(soc: Platform) -> None:
    dram = soc.document.value["memories"]["dram"]
    assert (dram["preset"], dram["kind"], dram["channels"]) == ("lpddr4x-4224-4x16", "dram", 4)
    assert dram["latency"] == "132 ns"


def test_a_part_may_differ_from_its_preset_and_the_difference_is_listed(write: Callable[..., str]) -> None:
    mine = load_platform(write("mine", "rk3588", "memories: {dram: {channels: 2}}\n"))
    assert mine.overrides == ("memories.dram.channels: 4 -> 2",)
    assert mine.memories["dram"].peak_bytes_per_s == load_platform("rk3588").memories["dram"].peak_bytes_per_s // 2


def test_a_derived_platform_can_take_another_preset(write: Callable[..., str]) -> None:
    mine = load_platform(write("mine", "rk3588", "memories: {dram: {preset: lpddr5-6400-2x16}}\n"))
    assert mine.overrides == ("memories.dram.preset: lpddr4x-4224-4x16 -> lpddr5-6400-2x16",)
    assert mine.memories["dram"].peak_bytes_per_s == 2 * 16 * 6_400_000_000 // 8


# --- variations ---------------------------------------------------------------------------------------


def test_with_takes_paths_and_keywords(soc: Platform) -> None:
    by_path = soc.with_({"units.npu.clock": "800 MHz", "units.npu.cores": 2})
    by_keyword = soc.with_(units__npu__clock="800 MHz", units__npu__cores=2)
    assert by_path.file == by_keyword.file
    assert by_path.unit_hz("npu") == 800_000_000
    assert by_path.overrides == ("units.npu.clock: npu -> 800 MHz", "units.npu.cores: 3 -> 2")


def test_with_leaves_the_platform_as_it_was(soc: Platform) -> None:
    before = json.dumps(soc.document.value)
    soc.with_({"units.npu.cores": 1, "memories.dram.channels": 2})
    assert json.dumps(soc.document.value) == before
    assert soc.core_count("npu") == 3
    assert soc.overrides == ()


def test_with_takes_quantities_and_adds_keys(soc: Platform) -> None:
    mine = soc.with_(
        {"units.npu.buffer": Size("1 MiB"), "units.npu.clock": Frequency("1 GHz"), "clocks.npu.default": "500MHz"}
    )
    assert mine.overrides == (
        "units.npu.buffer: 384 KiB -> 1 MiB",
        "units.npu.clock: npu -> 1 GHz",
        "clocks.npu.default: absent -> 500MHz",
    )


def test_with_reaches_items_of_lists_by_name_level_and_position(soc: Platform) -> None:
    mine = soc.with_({
        "units.cpu_big.caches.L3.size": "2 MiB", "units.cpu_big.caches.1.size": "1 MiB",
        "clocks.npu.opps.1000MHz.voltage": "900 mV", "units.gpu.workgroup.0": 16,
    })  # fmt: skip
    assert mine.overrides == (
        "units.cpu_big.caches.L3.size: 3 MiB -> 2 MiB",
        "units.cpu_big.caches.L2.size: 512 KiB -> 1 MiB",
        "clocks.npu.opps.1000MHz.voltage: 850 mV -> 900 mV",
        "units.gpu.workgroup.0: 32 -> 16",
    )
    assert mine.clock("npu").voltage_uv == 900_000
    assert mine.units["gpu"].workgroup == (16, 32)  # type: ignore[union-attr]
    assert [str(cache.size) for cache in mine.units["cpu_big"].caches] == ["64 KiB", "1 MiB", "2 MiB"]  # type: ignore[union-attr]


def test_with_names_items_as_provenance_does(soc: Platform) -> None:
    for row in provenance(soc):
        same = soc.with_({row.path: row.value if " " in row.value else json.loads(row.value)})
        assert same.file.model_dump(exclude={"sources", "assumed"}) == soc.file.model_dump(
            exclude={"sources", "assumed"}
        )
        assert {r.path for r in provenance(same) if r.assumed == "set by with_"} == {row.path}


def test_names_may_hold_dots(soc: Platform) -> None:
    points = [{"name": "1.5GHz", "clock": "1.5 GHz"}, {"name": "1", "clock": "1 GHz"}]
    mine = soc.with_({"clocks.npu.opps": points})
    assert mine.with_({"clocks.npu.opps.1.5GHz.clock": "1.6 GHz"}).unit_hz("npu") == 1_600_000_000
    assert mine.with_({"clocks.npu.opps.1.clock": "1.7 GHz"}).unit_hz("npu") == 1_700_000_000


def test_with_keeps_earlier_changes_and_operating_points(soc: Platform) -> None:
    mine = soc.at({"npu": "500MHz"}).with_({"units.npu.cores": 2}).with_({"units.npu.cores": 1})
    assert mine.unit_hz("npu") == 500_000_000
    assert mine.overrides == ("units.npu.cores: 3 -> 2", "units.npu.cores: 2 -> 1")


def test_with_nothing_is_the_same_platform(soc: Platform) -> None:
    assert soc.with_().file == soc.file
    assert soc.with_({}).overrides == ()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"units.npuu.cores": 1},
            "platform 'rk3588': 'units.npuu.cores': no 'npuu' in units. Did you mean 'npu'?",
        ),
        (
            {"unit.npu.cores": 1},
            "platform 'rk3588': 'unit.npu.cores': no 'unit' in the platform. Did you mean 'units'?",
        ),
        (
            {"units.cpu_big.caches.0": 1},
            "platform 'rk3588', changed by with_: units.cpu_big.caches[0]: found 1; write a mapping of keys and values",
        ),
        (
            {"units.npu.cores.x": 1},
            "platform 'rk3588': 'units.npu.cores.x': 'units.npu.cores' has no keys; replace it as a whole.",
        ),
        (
            {"units.cpu_big.caches.L4.size": "1 MiB"},
            "platform 'rk3588': 'units.cpu_big.caches.L4.size': no 'L4' in units.cpu_big.caches. Known: L1, L2, L3.",
        ),
        (
            {"clocks.npu.opps.100MHz.voltage": "1 V", "units.gpu.workgroup.2": 1},
            "platform 'rk3588': 'clocks.npu.opps.100MHz.voltage': no '100MHz' in clocks.npu.opps. "
            "Did you mean '1000MHz' or '900MHz' or '800MHz'? "
            "'units.gpu.workgroup.2': no '2' in units.gpu.workgroup. Known: 0, 1.",
        ),
        (
            {"memories.dram.preset": "lpddr5-6400-2x16"},
            "platform 'rk3588': 'memories.dram.preset': "
            "'preset' is read when a file is loaded; change the values themselves.",
        ),
        (
            {"units.npu.corse": 1},
            "platform 'rk3588', changed by with_: units.npu.corse: "
            'unknown key "corse" of kind "npu". Did you mean \'cores\'?',
        ),
        (
            {"units.npu.clock": "800"},
            "platform 'rk3588', changed by with_: units.npu.clock: "
            '"800" has no unit; write a frequency such as "800 MHz", or the name of a clock',
        ),
        (
            {"units.npu.buffer": 8, "units.npu.cores": 1.5, "units.gpu.runtime": "armnn-openclx"},
            "platform 'rk3588', changed by with_: units.npu.cores: found 1.5; write a whole number\n"
            "platform 'rk3588', changed by with_: units.npu.buffer: 8 has no unit; write a size such as \"512 KiB\"\n"
            "platform 'rk3588', changed by with_: units.gpu.runtime: "
            "\"armnn-openclx\" is not a runtime. Did you mean 'armnn-opencl' or 'armnn-neon'?",
        ),
    ],
)
def test_with_refuses(soc: Platform, changes: dict[str, Any], message: str) -> None:
    assert refused(lambda: soc.with_(changes)) == message


def test_with_lists_all_paths_that_do_not_exist(soc: Platform) -> None:
    message = refused(lambda: soc.with_({"a.b": 1, "c.d": 2}))
    assert "'a.b': no 'a'" in message
    assert "'c.d': no 'c'" in message


def test_with_refuses_to_drop_the_operating_point_in_use(soc: Platform) -> None:
    point = [{"name": "slow", "clock": "100 MHz"}]
    message = refused(lambda: soc.at({"npu": "500MHz"}).with_({"clocks.npu.opps": point}))
    assert message == "platform 'rk3588': clock 'npu' has no operating point '500MHz'. Known: slow."


# --- operating points ---------------------------------------------------------------------------------


def test_the_default_operating_point_is_the_fastest(soc: Platform) -> None:
    setting = soc.clock("npu")
    assert (setting.opp, setting.hz, setting.voltage_uv) == ("1000MHz", 10**9, 850_000)


def test_a_named_default_wins_over_the_fastest(soc: Platform) -> None:
    assert soc.with_({"clocks.npu.default": "600MHz"}).unit_hz("npu") == 600_000_000


def test_a_frequency_in_place_of_a_clock(soc: Platform) -> None:
    setting = soc.clock("800 MHz")
    assert (setting.name, setting.hz, setting.voltage_uv) == ("800 MHz", 800_000_000, None)


def test_at_chooses_operating_points_and_keeps_earlier_ones(soc: Platform) -> None:
    slow = soc.at({"npu": "500MHz"}).at({"gpu": "300MHz"})
    assert (slow.unit_hz("npu"), slow.unit_hz("gpu")) == (500_000_000, 300_000_000)
    assert slow.at({"npu": "600MHz"}).unit_hz("npu") == 600_000_000
    assert soc.unit_hz("npu") == 10**9
    assert slow == soc.at({"gpu": "300MHz"}).at({"npu": "500MHz"})


def test_at_lists_what_it_does_not_know(soc: Platform) -> None:
    assert refused(lambda: soc.at({"npuu": "500MHz", "gpu": "301MHz"})) == (
        "platform 'rk3588': no clock 'npuu'. Did you mean 'npu'? "
        "clock 'gpu' has no operating point '301MHz'. Did you mean '300MHz' or '900MHz' or '800MHz'?"
    )


# --- what a platform answers --------------------------------------------------------------------------


def test_memory_rates(soc: Platform) -> None:
    dram = soc.memories["dram"]
    assert dram.peak_bytes_per_s == 4 * 16 * 4_224_000_000 // 8
    assert (
        dram.read_bytes_per_s
        == dram.write_bytes_per_s
        == int(dram.peak_bytes_per_s * soc.file.memories["dram"].efficiency)
    )  # type: ignore[union-attr]
    assert (dram.shared_pins, dram.bytes, dram.latency_ps) == (True, 8 * 2**30, 132_000)


def test_on_chip_rates_follow_the_clock() -> None:
    mcu = load_platform("stm32n657")
    name = next(name for name, memory in mcu.file.memories.items() if memory.kind == "sram")
    memory = mcu.file.memories[name]
    assert mcu.memories[name].read_bytes_per_s == memory.read.value * mcu.clock(memory.clock).hz  # type: ignore[union-attr]
    assert mcu.memories[name].shared_pins is False


def test_link_rates(soc: Platform) -> None:
    assert soc.links["noc"].bytes_per_s == 512 // 8 * 800_000_000


def test_a_port_is_bound_by_width_or_by_latency(soc: Platform) -> None:
    port = soc.unit("npu").port
    by_width = port.width.value * 10**9
    by_latency = port.outstanding * port.burst.value * 10**12 // 132_000
    assert soc.port_bytes_per_s("npu", "dram") == min(by_width, by_latency)
    assert soc.port_bytes_per_s("npu", "dram", cores=3) == 3 * min(by_width, by_latency)
    many = soc.with_({"units.npu.port.outstanding": 10_000})
    assert many.port_bytes_per_s("npu", "dram") == by_width


def test_cores(soc: Platform) -> None:
    assert (soc.default_cores("npu"), soc.core_count("npu")) == (1, 3)
    assert (soc.default_cores("cpu_big"), soc.core_count("cpu_big")) == (4, 4)
    assert (soc.default_cores("gpu"), soc.core_count("gpu")) == (1, 1)


def links(**connects: list[str]) -> dict[str, Any]:
    return {
        name: {"kind": "axi", "width": "64 bit", "clock": "1 GHz", "connects": ends} for name, ends in connects.items()
    }


def test_paths_are_shortest_with_ties_by_name(soc: Platform) -> None:
    rest = ["cpu_big", "cpu_little", "gpu"]
    mine = soc.with_({"links": links(zeta=["npu", "dram"], alpha=["npu", "dram", *rest], mid=["alpha", "zeta"])})
    assert mine.path("npu", "dram") == ("alpha",)
    mine = soc.with_({"links": links(top=["b", "a", "dram"], a=["npu", "gpu"], b=["npu", "cpu_big", "cpu_little"])})
    assert mine.path("npu", "dram") == ("a", "top")
    assert mine.path("cpu_big", "dram") == ("b", "top")


def test_a_link_leads_both_ways_whichever_end_names_it(soc: Platform) -> None:
    units = ["cpu_big", "cpu_little", "gpu", "npu"]
    below = soc.with_({"links": links(leaf=[*units, "root"], root=["dram", "leaf"])})
    above = soc.with_(
        {
            "links": links(leaf=[*units, "root"], root=["dram", "dram2"]),
            "memories.dram2": below.document.value["memories"]["dram"],
        }
    )
    only_root = soc.with_({"links": links(leaf=units, root=["dram", "leaf"])})
    for platform in (below, above, only_root):
        assert platform.path("npu", "dram") == ("leaf", "root")


def test_what_is_not_there(soc: Platform) -> None:
    assert refused(lambda: soc.unit("npuu")) == "platform 'rk3588' has no unit 'npuu'. Did you mean 'npu'?"
    assert refused(lambda: soc.path("npu", "tape")) == (
        "platform 'rk3588': no link leads from unit 'npu' to memory 'tape'; add both to a link's `connects`"
    )


def test_a_platform_shows_its_units(soc: Platform) -> None:
    assert repr(soc).startswith("<Platform 'rk3588': Rockchip RK3588")
    assert "npu (npu)" in repr(soc)


# --- order --------------------------------------------------------------------------------------------


def shuffled(value: Any, rng: random.Random) -> Any:
    if isinstance(value, dict):
        keys = list(value)
        rng.shuffle(keys)
        return {key: shuffled(value[key], rng) for key in keys}
    return [shuffled(inner, rng) for inner in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", PLATFORMS)
def test_the_order_of_keys_does_not_matter(name: str, tmp_path: Path) -> None:
    platform = load_platform(name)
    for seed in range(3):
        path = tmp_path / f"{seed}.yaml"
        path.write_text(json.dumps(shuffled(platform.document.value, random.Random(seed))), encoding="utf-8")
        again = load_platform(path)
        assert again.file == platform.file
        assert again.memories == platform.memories
        assert again.links == platform.links


@pytest.mark.parametrize("name", PLATFORMS)
def test_loading_twice_gives_equal_platforms(name: str) -> None:
    first, second = load_platform(name), load_platform(name)
    assert first.file == second.file
    assert first.overrides == second.overrides
    assert first.document.value == second.document.value


def test_unknown_names_are_mistakes_of_the_caller_and_platform_errors_too(soc: Platform) -> None:
    for call in (lambda: load_platform("rk3589"), lambda: runtime("rknnn"), lambda: soc.at({"npu": "1MHz"})):
        with pytest.raises(UnknownNameError) as caught:
            call()
        assert isinstance(caught.value, UsageError)
        assert isinstance(caught.value, PlatformError)
        assert caught.value.exit_code == 2


def test_activations_need_a_memory_that_can_be_written():
    with pytest.raises(
        PlatformError, match=r"units\.npu\.activations\[0\]: memory \"flash\" cannot be written in operation"
    ):
        load_platform("stm32n657").with_({"units.npu.activations": ["flash"]})
