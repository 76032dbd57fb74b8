"""External data of ONNX tensors: files beside the model, read without trusting a word of the model.

A location must be relative, stay inside the model's directory, and name a regular file that is neither
a symbolic link nor one of several hard links. Only the keys of the format are allowed. The optional
SHA-1 checksum is not verified: it covers a file that is never read as a whole.

Source: onnx/docs/ExternalData.md and ExternalDataSecurity.md.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any

from socsim.errors import LimitExceededError

if TYPE_CHECKING:
    from pathlib import Path

    from socsim.workload.graph import Array
    from socsim.workload.limits import Limits

_KEYS = ("location", "offset", "length", "checksum")


class ExternalDataError(Exception):
    """One tensor's external data cannot be used; the caller names the tensor."""


@dataclass(frozen=True, slots=True)
class _Extent:
    location: str
    offset: int
    length: int | None


class ExternalData:
    """Reads the external tensors of one model, within one budget of bytes.

    Args:
        directory: the model's directory.
        where: the model's name for messages.
        limits: `external_bytes` bounds the sum of all extents.
    """

    def __init__(self, directory: Path, where: str, limits: Limits) -> None:
        self._directory = directory
        self._where = where
        self._limits = limits
        self._used = 0

    def read(self, tensor: Any, expected: int) -> Array:
        """Map the bytes of a tensor, read-only.

        Args:
            tensor: a TensorProto with `data_location` EXTERNAL.
            expected: bytes that its shape and type need.

        Raises:
            ExternalDataError: forbidden or missing file, or an extent outside it.
            LimitExceededError: more external data than the budget.
        """
        extent = _extent(tensor)
        self._used += expected
        if self._used > self._limits.external_bytes:
            allowed = self._limits.external_bytes
            msg = f"{self._where}: external data: {self._used:,} bytes exceed the limit of {allowed:,}"
            raise LimitExceededError(msg)
        path = _resolve(self._directory, extent.location)
        return _map(path, extent, expected)


def _extent(tensor: Any) -> _Extent:
    entries: dict[str, str] = {}
    for entry in tensor.external_data:
        if entry.key not in _KEYS:
            msg = f"external data has the key {entry.key!r}; allowed are {', '.join(_KEYS)}"
            raise ExternalDataError(msg)
        if entry.key in entries:
            msg = f"external data has the key {entry.key!r} twice"
            raise ExternalDataError(msg)
        entries[entry.key] = entry.value
    if not entries.get("location"):
        msg = "external data has no location"
        raise ExternalDataError(msg)
    length = _number(entries, "length") if "length" in entries else None
    return _Extent(entries["location"], _number(entries, "offset") if "offset" in entries else 0, length)


def _number(entries: dict[str, str], key: str) -> int:
    text = entries[key]
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        msg = f"external data {key} {text!r} is not a whole number of bytes"
        raise ExternalDataError(msg)
    return int(text)


def _resolve(directory: Path, location: str) -> Path:
    path = PurePosixPath(location)
    outside = path.is_absolute() or PureWindowsPath(location).drive or ".." in path.parts
    if outside or "\\" in location or "\0" in location or not path.parts:
        msg = (
            f"external data location {location!r} is not allowed; "
            "write a path relative to the model, inside its directory, with forward slashes"
        )
        raise ExternalDataError(msg)
    base = directory.resolve()
    wanted = base.joinpath(*path.parts)
    try:
        found = wanted.resolve()
    except (OSError, RuntimeError) as error:
        msg = f"external data file {location!r} cannot be resolved"
        raise ExternalDataError(msg) from error
    if found != wanted:
        msg = f"external data file {location!r} is reached through a symbolic link; use the file itself"
        raise ExternalDataError(msg)
    return wanted


def _map(path: Path, extent: _Extent, expected: int) -> Array:
    import numpy as np

    try:
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        handle = os.open(path, flags)
    except OSError as error:
        reason = "is missing" if isinstance(error, FileNotFoundError) else f"cannot be opened ({error.strerror})"
        msg = f"external data file {extent.location!r} {reason}; put it in the model's directory"
        raise ExternalDataError(msg) from error
    try:
        _check(os.fstat(handle), extent, expected)
        with os.fdopen(handle, "rb", closefd=False) as file:
            return np.memmap(file, np.uint8, "r", extent.offset, (expected,)) if expected else np.empty(0, np.uint8)
    except (OSError, ValueError) as error:
        msg = f"external data file {extent.location!r} cannot be mapped ({type(error).__name__})"
        raise ExternalDataError(msg) from error
    finally:
        os.close(handle)


def _check(status: os.stat_result, extent: _Extent, expected: int) -> None:
    name = f"external data file {extent.location!r}"
    if not stat.S_ISREG(status.st_mode):
        msg = f"{name} is not a regular file"
        raise ExternalDataError(msg)
    if status.st_nlink > 1:
        msg = f"{name} has {status.st_nlink} hard links; one is allowed, so copy the file"
        raise ExternalDataError(msg)
    length = expected if extent.length is None else extent.length
    if length != expected:
        msg = f"external data has length {length}, but shape and type need {expected} bytes"
        raise ExternalDataError(msg)
    if extent.offset + length > status.st_size:
        msg = (
            f"external data of {length} bytes at offset {extent.offset} ends after the file "
            f"{extent.location!r}, which has {status.st_size} bytes"
        )
        raise ExternalDataError(msg)
