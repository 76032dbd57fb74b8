"""What leaves socsim: files written whole or not at all, and names cleaned for where they go.

Names from model files are stored raw. Each sink cleans them: the terminal and HTML lose control and
bidirectional characters, CSV cells cannot start a formula, and long names are cut with a hash.
"""

from __future__ import annotations

import os
import unicodedata
from contextlib import contextmanager, suppress
from hashlib import sha256
from html import escape
from typing import TYPE_CHECKING

from socsim.errors import ResultError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_FORMULA_SIGNS = tuple("=+-@\t\r\n")
_LONGEST_CELL = 32_000  # spreadsheets stop at 32,767 characters
_HASH_DIGITS = 8
_TEMPORARY_NAMES = 100
_WRITABLE = 0o222


def write_file(path: Path, data: bytes | str) -> None:
    """Write a file whole or not at all: to a temporary name beside it, which then takes its place.

    Args:
        path: a new file or an existing regular one that may be written; its folder must exist.
        data: text is written as UTF-8.

    Raises:
        ResultError: `path` is a link, no regular file or write-protected, or the system refuses; nothing is
            left behind.
    """
    write_files({path: data})


def write_files(documents: Mapping[Path, bytes | str]) -> None:
    """Write several files: all of them are on the disk, under temporary names, before the first takes its place.

    Raises:
        ResultError: as for `write_file`; nothing is left behind.
    """
    staged: dict[Path, Path] = {}
    try:
        for path, data in documents.items():
            staged[path] = _stage(path, data if isinstance(data, bytes) else data.encode("utf-8", "replace"))
        for path, temporary in staged.items():
            with _refusals(path):
                temporary.replace(path)
    finally:
        for temporary in staged.values():
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


def target_fault(path: Path) -> str | None:
    """Return why no file can be written at `path`, with what to do, or None where nothing speaks against it."""
    try:
        return _folder_fault(path.parent) or _file_fault(path)
    except (OSError, ValueError) as error:
        return _unwritable(error)


def _folder_fault(folder: Path) -> str | None:
    if not folder.is_dir():
        found = "is not a folder" if folder.exists() else "does not exist"
        return f"cannot be written: its folder {found}; give a file in a folder that exists"
    if not os.access(folder, os.W_OK | os.X_OK):
        return "cannot be written: its folder is write-protected; give a file in another folder"
    return None


def _file_fault(path: Path) -> str | None:
    if path.is_symlink():
        return "is a symbolic link; results are never written through one, give another name"
    if not path.exists():
        return None
    if not path.is_file():
        return f"is {'a folder' if path.is_dir() else 'not a regular file'}; give the name of a new or regular file"
    if not path.stat().st_mode & _WRITABLE:  # the system lets root write all the same
        return "is write-protected; give another name, or allow writing"
    return None


def _unwritable(error: OSError | ValueError) -> str:
    reason = error.strerror if isinstance(error, OSError) else None
    return f"cannot be written: {reason or error}; give a file in a folder that exists and has room"


@contextmanager
def _refusals(path: Path) -> Iterator[None]:
    """Turn what the system says into an error that names the file."""
    try:
        yield
    except (OSError, ValueError) as error:
        msg = f"{terminal_text(str(path))}: {_unwritable(error)}"
        raise ResultError(msg) from None


def _stage(path: Path, raw: bytes) -> Path:
    fault = target_fault(path)
    if fault is not None:
        msg = f"{terminal_text(str(path))}: {fault}"
        raise ResultError(msg)
    with _refusals(path):
        return _write_beside(path, raw)


def _write_beside(path: Path, raw: bytes) -> Path:
    """Write to a new file in the folder of `path`; exclusive creation never follows a link."""
    for number in range(_TEMPORARY_NAMES):
        temporary = path.with_name(f".socsim-{os.getpid()}-{number}.part")
        try:
            file = temporary.open("xb")
        except FileExistsError:
            continue
        try:
            with file:
                file.write(raw)
        except BaseException:  # an interrupt too leaves nothing behind
            with suppress(OSError):
                temporary.unlink()
            raise
        return temporary
    msg = f"{terminal_text(str(path))}: {_TEMPORARY_NAMES} temporary files stand beside it; remove .socsim-*.part"
    raise ResultError(msg)


def shorten(text: str, limit: int) -> str:
    """Cut text to `limit` characters; a hash of the whole keeps cut names apart."""
    if len(text) <= limit:
        return text
    digest = sha256(text.encode("utf-8", "replace")).hexdigest()[:_HASH_DIGITS]
    return f"{text[: max(limit - _HASH_DIGITS - 1, 0)]}~{digest}"


def terminal_text(name: str, limit: int = 2_000) -> str:
    """Return a name without control, bidirectional or invisible characters, at most `limit` long."""
    if not (name.isascii() and name.isprintable()):
        name = "".join("\ufffd" if unicodedata.category(c) in _INVISIBLE else c for c in name)
    return shorten(name, limit)


def html_text(name: object, limit: int = 2_000) -> str:
    """Return a value as HTML text that is safe between tags and inside quoted attributes."""
    return escape(terminal_text(str(name), limit), quote=True)


def csv_cell(value: object) -> object:
    """Return a cell that no spreadsheet takes for a formula; numbers pass, None is an empty cell."""
    if value is None:
        return ""
    if not isinstance(value, str):
        return value
    cut = shorten(value.replace("\0", "\ufffd"), _LONGEST_CELL)
    return f"'{cut}" if cut.startswith(_FORMULA_SIGNS) else cut
