"""Platform files that are wrong: the message says where, what was found, and what is allowed."""

from __future__ import annotations

import os
import random
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from socsim.errors import PlatformError, did_you_mean
from socsim.soc import yaml_reader
from socsim.soc.library import platform_names, preset_names, preset_path
from socsim.soc.loader import load_platform
from socsim.soc.runtimes import runtime, runtime_names
from socsim.soc.schema import CpuCluster
from socsim.soc.yaml_reader import MAX_BYTES, read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path(__file__).resolve().parent
BOARD = (FOLDER / "board.yaml").read_text(encoding="utf-8")
JARGON = re.compile(r"pydantic|Input should|NoneType|\bdict\b|Errno|https?://|Traceback|ruamel|\[key\]", re.I)


class Case(NamedTuple):
    """Edits of the board, sections taken out of it, and the message that the result deserves."""

    name: str
    edits: list[tuple[str, str]]
    dropped: list[str]
    message: str

    def text(self) -> str:
        text = BOARD
        for old, new in self.edits:
            assert old in text
            text = text.replace(old, new, 1)
        for section in self.dropped:
            text, count = re.subn(rf"(?ms)^{section}:\n.*?(?=^\w)", "", text)
            assert count == 1
        return text


def blocks(lines: list[str]) -> Iterator[tuple[str, str]]:
    """Yield (marker, text) for neighbouring lines with the same first character."""
    at = 0
    while at < len(lines):
        end = at + 1
        while end < len(lines) and lines[end][0] == lines[at][0] and lines[at][0] in "-+":
            end += 1
        yield lines[at][0], "\n".join(line[1:] for line in lines[at:end])
        at = end


def cases() -> Iterator[Case]:
    text = (FOLDER / "platforms.txt").read_text(encoding="utf-8")
    for part in re.split(r"(?m)^== ", text)[1:]:
        name, *lines = part.rstrip("\n").split("\n")
        edits: list[tuple[str, str]] = []
        dropped = []
        for marker, content in blocks([line for line in lines if line and line[0] in "-+~"]):
            if marker == "-":
                edits.append((content, ""))
            elif marker == "+":
                edits[-1] = (edits[-1][0], content)
            else:
                dropped.append(content)
        message = "\n".join(f"board.yaml:{line}" for line in lines if line and line[0] not in "-+~")
        yield Case(name, edits, dropped, names_filled_in(message))


def names_filled_in(message: str) -> str:
    """Put the names of the library, which grows, into a message: "<cpu presets>", or "<platforms like x>"."""
    known = {
        "cpu presets": [name for name in preset_names() if core_keys(name) <= CpuCluster.model_fields.keys()],
        "npu runtimes": [name for name in runtime_names() if "npu" in runtime(name).kinds],
        "platforms": platform_names(),
    }
    for what, names in known.items():
        message = message.replace(f"<{what}>", ", ".join(names))
        message = re.sub(f"<{what} like (.*?)>", lambda m, names=names: did_you_mean(m[1], names).strip(), message)
    return message


def core_keys(preset: str) -> set[str]:
    return set(read_yaml(preset_path(preset)).value["values"])


CASES = list(cases())


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refusal(text: str | bytes, name: str = "board.yaml") -> str:
    """Write the text to the working directory, and return why it is not a platform."""
    Path(name).write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(PlatformError) as caught:
        load_platform(name)
    message = str(caught.value)
    assert not JARGON.search(message)
    return message


def test_the_board_that_the_faults_start_from_is_sound(here):
    (here / "board.yaml").write_text(BOARD, encoding="utf-8")
    assert [unit.kind for unit in load_platform("board.yaml").units.values()] == ["cpu", "cpu", "gpu", "npu"]


def test_the_table_is_large_and_its_names_are_distinct():
    assert len(CASES) >= 100
    assert len({case.name for case in CASES}) == len(CASES)
    assert all(case.message and (case.edits or case.dropped) for case in CASES)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_message_is_exactly(case):
    assert refusal(case.text()) == case.message


# --- files that are not YAML text ---------------------------------------------------------------------


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "board.yaml: the file is empty; write a mapping of keys and values"),
        (b"# nothing\n", "board.yaml: the file is empty; write a mapping of keys and values"),
        (b"- a\n- b\n", "board.yaml:1: found a list; write a mapping of keys and values"),
        (b"\n\nhello\n", "board.yaml:3: found a single value; write a mapping of keys and values"),
        (b"5", "board.yaml:1: found a single value; write a mapping of keys and values"),
        (b"a: 1\nb: \xff\n", "board.yaml:2: byte 0xff is not UTF-8 text; save the file as UTF-8"),
        ("a: 1".encode("utf-16"), "board.yaml:1: byte 0xff is not UTF-8 text; save the file as UTF-8"),
        (b"a: 1\nb: \x07", "board.yaml:2: not YAML: control character U+0007; take it out"),
        (b"a: \x00", "board.yaml:1: not YAML: control character U+0000; take it out"),
        (b"? [a]\n: 1", "board.yaml:1: found a collection as a key; keys are words"),
        (b"secret: !key!x 1", "board.yaml:1: not YAML: found undefined tag; correct this line or those above"),
        (b"a: " + b"[" * 40, "board.yaml:1: found more than 32 levels of nesting; write it flatter"),
        (b"a: " + b"9" * 99, "board.yaml:1: found a number of 99 characters; at most 64 are read"),
        (
            b"a: '" + b"x" * MAX_BYTES + b"'",
            f"board.yaml: larger than the limit of {MAX_BYTES} bytes; a description is a few kilobytes",
        ),
    ],
)
def test_what_is_not_a_mapping_of_plain_values(data, message):
    assert refusal(data) == message


@pytest.mark.usefixtures("here")
def test_too_many_values(monkeypatch):
    monkeypatch.setattr(yaml_reader, "MAX_NODES", 100)
    message = "board.yaml:99: found more than 100 values; a description has some hundreds"
    assert refusal("a:\n" + "- 0\n" * 98) == message


def test_a_byte_order_mark_is_allowed(here):
    (here / "board.yaml").write_bytes(b"\xef\xbb\xbf" + BOARD.encode())
    assert load_platform("board.yaml").name == "board"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none.yaml", "none.yaml: no such file; give the path of a YAML file"),
        ("folder/none", "folder/none: no such file; give the path of a YAML file"),
        ("folder.yaml", "folder.yaml: not a regular file; give the path of a YAML file"),
        ("pipe.yaml", "pipe.yaml: not a regular file; give the path of a YAML file"),
    ],
)
def test_what_cannot_be_read(here, name, message):
    (here / "folder.yaml").mkdir()
    os.mkfifo(here / "pipe.yaml")
    with pytest.raises(PlatformError) as caught:
        load_platform(name)
    assert str(caught.value) == message


def test_a_path_that_is_too_long_or_holds_a_null():
    for name in ("x" * 5000 + ".yaml", "a\0.yaml"):
        with pytest.raises(PlatformError, match=r"no such file|cannot be read"):
            load_platform(name)


def test_an_unknown_name_gets_near_misses():
    with pytest.raises(PlatformError) as caught:
        load_platform("rk3589")
    assert str(caught.value) == names_filled_in("platform 'rk3589' is not known. <platforms like rk3589>")
    assert "Did you mean 'rk3588'" in str(caught.value)


# --- many faults, long values, damaged files ----------------------------------------------------------


def message_of(name: str) -> str:
    """Return why a file is not a platform, or nothing where it is one."""
    try:
        load_platform(name)
    except PlatformError as error:
        return str(error)
    return ""


def lines_of(message: str) -> list[int]:
    return [int(line.split(":")[1]) for line in message.splitlines()]


@pytest.mark.usefixtures("here")
def test_faults_come_once_each_in_the_order_of_lines():
    text = re.sub(r"voltage: \d+ mV", "voltage: 1", BOARD)
    message = refusal(text)
    assert lines_of(message) == [n for n, line in enumerate(text.split("\n"), start=1) if "voltage: 1}" in line]
    assert len(set(message.splitlines())) == 12


@pytest.mark.usefixtures("here")
def test_a_file_of_nothing_but_faults_reports_the_first_fifty():
    message = refusal("".join(f"key{n}: {n}\n" for n in range(5000)))
    assert len(message.splitlines()) == 51
    assert message.splitlines()[-1] == "board.yaml: more faults follow; correct these 50 first"


@pytest.mark.usefixtures("here")
def test_long_values_are_cut_short():
    long = "x" * 100_000
    for old in ("cores: 3", "buffer: 384 KiB", "kind: gpu", "runtime: rknn", "preset: cortex-a76", "name: board"):
        assert len(refusal(BOARD.replace(old, f"{old.split(':')[0]}: {long}", 1))) < 1500
    assert len(refusal(BOARD.replace("    cores: 3", f"    ? {long}\n    : 3"))) < 1500


@pytest.mark.usefixtures("here")
def test_line_breaks_in_names_stay_out_of_the_message():
    message = refusal(BOARD.replace("  noc:\n", '  "n\\no\\nc":\n').replace("kind: noc", "kind: nok"))
    assert message == r'board.yaml:138: links."n\no\nc".kind: found "nok"; write one of "axi", "ahb", "noc", "bus"'


@pytest.mark.usefixtures("here")
def test_damaged_files_load_or_say_why():
    rng = random.Random(20)
    words = ["", "0", "-1", "null", "[]", "{}", "true", "5", "[5]", "{a: 1}", "1e999", '""', "npu", "dram", "!x", "*a"]
    lines = BOARD.split("\n")
    refused = 0
    for _ in range(80):
        damaged = list(lines)
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(len(damaged))
            key, colon, _ = damaged[at].partition(":")
            damaged[at] = rng.choice([f"{key}{colon} {rng.choice(words)}", "", damaged[at][2:]])
        Path("board.yaml").write_text("\n".join(damaged), encoding="utf-8")
        message = message_of("board.yaml")
        refused += message != ""
        assert message == "" or message.startswith("board.yaml")
        assert not JARGON.search(message)
    assert refused > 50
