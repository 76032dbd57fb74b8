"""Arrays in files: `.npz` and `.npy` from strangers read within a budget, and `.npz` made byte for byte the same.

A header is read first and its claim is multiplied out before anything is allocated; pickles are never
loaded. A compressed member is never expanded past what its header says.
"""

from __future__ import annotations

import io
import os
import stat
import zipfile
import zlib
from math import prod
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.lib import format as npy

from socsim.errors import ResultError, join_faults, shown

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from socsim.numerics.arrays import Array

BUDGET_BYTES = 2 * 2**30
"""Bytes that the arrays of one file may take together."""

_MEMBERS = 100_000
_HEADER_BYTES = 10_000
_KINDS = "biuf"
_OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def read_bytes(path: Path, budget: int = BUDGET_BYTES) -> bytes:
    """Return the content of a regular file of at most `budget` bytes.

    Raises:
        ResultError: no such file, no regular file, unreadable, or larger.
    """
    try:
        descriptor = os.open(path, _OPEN_FLAGS)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise ResultError(f"{path}: is not a regular file; give the file itself")
            if status.st_size > budget:
                raise ResultError(f"{path}: {status.st_size:,} bytes exceed the limit of {budget:,}")
            return file.read(budget)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ResultError(f"{path}: cannot be read: {reason}; check the path") from None


def read_npy(path: Path, budget: int = BUDGET_BYTES) -> Array:
    """Return the array of an `.npy` file.

    Raises:
        ResultError: unreadable, malformed, of a type that is no number, or over the budget.
    """
    data = read_bytes(path, budget + _HEADER_BYTES)
    try:
        return _array(io.BytesIO(data), len(data), budget)
    except _FAULTS as error:
        raise ResultError(f"{path}: {_reason(error)}; write the file with numpy.save") from None


def read_npz(path: Path, budget: int = BUDGET_BYTES) -> dict[str, Array]:
    """Return the arrays of an `.npz` file by name, in the order of the file.

    Raises:
        ResultError: unreadable, no ZIP archive, or members that are malformed, of a type that is no
            number, repeated or over the budget together; all listed.
    """
    data = io.BytesIO(read_bytes(path, budget))
    try:
        with zipfile.ZipFile(data) as archive:
            return _members(archive, path, budget)
    except _FAULTS as error:
        raise ResultError(f"{path}: {_reason(error)}; write the file with numpy.savez") from None


def npz_bytes(arrays: Mapping[str, Array]) -> bytes:
    """Return an `.npz` file of these arrays; equal arrays give equal bytes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{name.replace(chr(0), '')}.npy"), "w", force_zip64=True) as member:
                npy.write_array(member, array, allow_pickle=False)
    return file.getvalue()


class _BadArrayError(ValueError):
    """An array in a file that must not be loaded."""


_FAULTS = (
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    RuntimeError,
    OSError,
    KeyError,
    MemoryError,
    SyntaxError,
)


def _reason(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return (
        text
        if isinstance(error, _BadArrayError | zipfile.BadZipFile)
        else f"not an array that can be read ({text[:200]})"
    )


def _members(archive: zipfile.ZipFile, path: Path, budget: int) -> dict[str, Array]:
    infos = archive.infolist()
    if len(infos) > _MEMBERS:
        raise _BadArrayError(f"{len(infos):,} members exceed the limit of {_MEMBERS:,}")
    arrays: dict[str, Array] = {}
    faults: list[str] = []
    left = budget
    for info in infos:
        name = info.filename.removesuffix(".npy")
        try:
            if name in arrays:
                raise _BadArrayError("stands in the file more than once")
            with archive.open(info) as member:
                arrays[name] = _array(member, info.file_size, left)
            left -= arrays[name].nbytes
        except _FAULTS as error:
            faults.append(f"{shown(name)}: {_reason(error)}")
    if faults:
        raise ResultError(join_faults(str(path), faults))
    return arrays


def _array(file: IO[bytes], size: int, budget: int) -> Array:
    """Return one array of `size` bytes, header included, once its header is known to be true."""
    shape, is_fortran, dtype = _header(file)
    if dtype.kind not in _KINDS:
        raise _BadArrayError(f"has elements of type {dtype}; integers, floats and booleans are allowed")
    nbytes = prod(shape) * dtype.itemsize
    if nbytes > budget:
        raise _BadArrayError(f"claims {nbytes:,} bytes, which exceeds the limit of {budget:,} that is left for it")
    if nbytes > size:
        raise _BadArrayError(f"claims {nbytes:,} bytes and has {size:,}")
    data = file.read(nbytes + 1)
    if len(data) != nbytes:
        raise _BadArrayError(f"claims {nbytes:,} bytes and has {'more' if len(data) > nbytes else f'{len(data):,}'}")
    array = np.frombuffer(data, dtype).reshape(shape, order="F" if is_fortran else "C")
    return np.asarray(array, dtype.newbyteorder("="), order="C")


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = npy.read_magic(file)
    if version == (1, 0):
        return npy.read_array_header_1_0(file, max_header_size=_HEADER_BYTES)
    if version == (2, 0):
        return npy.read_array_header_2_0(file, max_header_size=_HEADER_BYTES)
    raise _BadArrayError(f"has version {version} of the .npy format; 1.0 and 2.0 are allowed")
