"""Files are written whole or not at all; names are cleaned for where they go."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socsim.errors import ResultError
from socsim.report import sinks
from socsim.report.outputs import check_outputs
from socsim.report.sinks import csv_cell, html_text, shorten, terminal_text, write_file, write_files


def test_file_is_written_and_replaced_without_leftovers(tmp_path):
    target = tmp_path / "a.txt"
    write_file(target, "één\n")
    write_file(target, b"two")
    assert target.read_bytes() == b"two"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_new_file_has_the_permissions_that_the_umask_gives(tmp_path):
    write_file(tmp_path / "a", b"")
    (tmp_path / "b").touch()
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


def test_link_is_refused_and_its_target_untouched(tmp_path):
    kept = tmp_path / "kept"
    kept.write_text("old")
    link = tmp_path / "link"
    link.symlink_to(kept)
    with pytest.raises(ResultError, match="is a symbolic link; results are never written through one"):
        write_file(link, b"new")
    assert kept.read_text() == "old"
    assert link.is_symlink()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing/a.json", "cannot be written: its folder does not exist"),
        ("fifo/a.json", "cannot be written: its folder is not a folder"),
        (".", "is a folder"),
        ("fifo", "is not a regular file"),
        ("a\0b", "cannot be written: embedded null byte"),
        ("x" * 300, "cannot be written: File name too long"),
    ],
)
def test_place_that_cannot_hold_a_file_is_named(tmp_path, name, message):
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(ResultError, match=message):
        write_file(tmp_path / name, b"x")
    assert [p.name for p in tmp_path.iterdir()] == ["fifo"]


def test_a_file_without_write_permission_is_kept_even_from_root(tmp_path):
    target = tmp_path / "kept"
    target.write_text("old")
    target.chmod(0o444)
    with pytest.raises(ResultError, match="is write-protected; give another name, or allow writing"):
        write_file(target, b"new")
    assert target.read_text() == "old"
    target.chmod(0o644)
    write_file(target, b"new")
    assert target.read_text() == "new"


@pytest.mark.parametrize("second", ["missing/b", "protected"])
def test_several_files_are_written_all_or_none(tmp_path, second):
    (tmp_path / "protected").touch(0o444)
    (tmp_path / "a").write_text("old")
    with pytest.raises(ResultError, match=second):
        write_files({tmp_path / "a": "new", tmp_path / second: "new"})
    assert (tmp_path / "a").read_text() == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "protected"]


def test_a_full_disk_leaves_no_file_of_several(tmp_path, monkeypatch):
    calls = iter([False, True])
    stage = sinks._write_beside

    def refuse_the_second(path, raw):
        if next(calls):
            raise OSError(28, "No space left on device")
        return stage(path, raw)

    monkeypatch.setattr(sinks, "_write_beside", refuse_the_second)
    with pytest.raises(ResultError, match="b: cannot be written: No space left on device"):
        write_files({tmp_path / "a": "1", tmp_path / "b": "2"})
    assert list(tmp_path.iterdir()) == []


def test_outputs_are_checked_together(tmp_path):
    (tmp_path / "model").write_text("weights")
    (tmp_path / "twin").hardlink_to(tmp_path / "model")
    (tmp_path / "link").symlink_to(tmp_path / "model")
    targets = {
        "--a": tmp_path / "model", "--b": tmp_path / "twin", "--c": tmp_path / "link", "--d": tmp_path / "new",
        "--e": tmp_path / "no" / ".." / "new", "--f": tmp_path,
    }  # fmt: skip
    with pytest.raises(ResultError) as caught:
        check_outputs(targets, [tmp_path / "model", tmp_path / "absent"])
    lines = str(caught.value).replace(str(tmp_path), "T").splitlines()
    assert lines[0] == "nothing was run or written: 9 faults"
    assert "  - --a T/model: is a file that this command reads; give another name" in lines
    assert "  - --b T/twin: is a file that this command reads; give another name" in lines
    assert "  - --d and --e name one file, T/new; give each its own" in lines
    assert sum("name one file" in line for line in lines) == 4
    check_outputs({"--d": tmp_path / "new", "--e": tmp_path / "newer"}, [tmp_path / "model"])


def test_failure_while_writing_leaves_the_old_file_alone(tmp_path, monkeypatch):
    target = tmp_path / "a"
    target.write_text("old")

    def refuse(self, _target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(ResultError, match="No space left on device"):
        write_file(target, b"new")
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_temporary_file_of_another_writer_is_not_taken(tmp_path):
    other = tmp_path / f".socsim-{os.getpid()}-0.part"
    other.write_text("theirs")
    write_file(tmp_path / "a", b"mine")
    assert other.read_text() == "theirs"
    assert (tmp_path / "a").read_bytes() == b"mine"


@given(st.text(st.characters(), max_size=60))
def test_terminal_text_never_moves_the_cursor(name):
    shown = terminal_text(name)
    assert len(shown) == len(name)
    assert not any(c in shown for c in "\x1b\x07\r\n\t\x9b\u202e\u2066\u200b\u2028")
    shown.encode("utf-8")


def test_cut_names_stay_apart():
    first, second = shorten("x" * 90 + "a", 40), shorten("x" * 90 + "b", 40)
    assert len(first) == len(second) == 40
    assert first != second
    assert shorten("short", 40) == "short"


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_formula_signs_are_guarded(sign):
    assert csv_cell(f"{sign}1+1") == f"'{sign}1+1"


def test_numbers_keep_their_sign_and_missing_is_empty():
    assert (csv_cell(-5), csv_cell(-0.5), csv_cell(None), csv_cell("a=b")) == (-5, -0.5, "", "a=b")


def test_html_text_is_safe_between_tags_and_in_attributes():
    assert html_text("<a href=\"x\" title='y'>&\x00") == "&lt;a href=&quot;x&quot; title=&#x27;y&#x27;&gt;&amp;\ufffd"
