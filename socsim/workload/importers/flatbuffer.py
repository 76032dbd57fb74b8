"""A reader of FlatBuffers that checks every offset, size and alignment before it uses it.

Reading and verifying are the same code, so nothing can be read that was not verified. A budget on what
is read in total stops small files in which many tables point to the same large vector.

Source: FlatBuffers internals, https://flatbuffers.dev/internals/ (tables, vtables, vectors, strings).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NoReturn

from socsim.errors import LimitExceededError, MalformedModelError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from socsim.workload.limits import Limits

_U16, _U32, _I32 = struct.Struct("<H"), struct.Struct("<I"), struct.Struct("<i")
_WIDTHS = {code: struct.calcsize(f"<{code}") for code in "?bBhHiIqQfd"}

# What may be decoded in total: four times the file, as writers share equal vectors and strings, but no
# more than this many bytes, as Python objects take about ten times the room of the file's integers.
_DECODED_RATIO = 4
_DECODED_SLACK = 4096
_DECODED_BYTES = 64 * 2**20


class FlatBuffer:
    """The bytes of a file, and how much may still be decoded from them.

    Args:
        data: the whole file.
        where: the file's name for messages.
        limits: `name_bytes` bounds strings.
    """

    def __init__(self, data: bytes, where: str, limits: Limits) -> None:
        self.data = data
        self.where = where
        self.limits = limits
        self._budget = min(_DECODED_RATIO * len(data) + _DECODED_SLACK, _DECODED_BYTES)

    def root(self, identifier: bytes) -> FlatTable:
        """Return the root table.

        Raises:
            MalformedModelError: another identifier, or a root outside the file.
        """
        found = self.data[4:8]
        if found != identifier:
            self.fail(f"file identifier {found!r} at byte 4; {identifier!r} is required")
        return FlatTable(self, self.follow(0, "the root table"), "model")

    def fail(self, text: str) -> NoReturn:
        """Raise a `MalformedModelError` about this file."""
        msg = f"{self.where}: {text}; the file is damaged, fetch or convert it again"
        raise MalformedModelError(msg)

    def exceed(self, what: str, found: int, allowed: int) -> None:
        """Raise a `LimitExceededError` if `found` is more than `allowed`."""
        if found > allowed:
            msg = f"{self.where}: {what}: {found:,} exceeds the limit of {allowed:,}"
            raise LimitExceededError(msg)

    def charge(self, size: int) -> None:
        """Count `size` bytes as decoded."""
        self._budget -= size
        if self._budget < 0:
            msg = (
                f"{self.where}: tables and vectors hold more than the {_DECODED_BYTES:,} bytes, or "
                f"{_DECODED_RATIO} times the file's length, that may be decoded"
            )
            raise LimitExceededError(msg)

    def span(self, position: int, size: int, alignment: int, what: str) -> None:
        """Check that `size` bytes at `position` are inside the file and aligned."""
        if position < 0 or position + size > len(self.data):
            self.fail(f"{what} needs bytes {position:,} to {position + size:,}, but the file has {len(self.data):,}")
        if position % alignment:
            self.fail(f"{what} at byte {position:,} is not aligned to {alignment} bytes")

    def u32(self, position: int, what: str) -> int:
        """Read an unsigned 32-bit integer."""
        self.span(position, 4, 4, what)
        return int(_U32.unpack_from(self.data, position)[0])

    def follow(self, position: int, what: str) -> int:
        """Return the position to which the offset stored at `position` points."""
        offset = self.u32(position, f"the offset of {what}")
        if offset == 0:
            self.fail(f"{what}: the offset at byte {position:,} is zero")
        return position + offset

    def vector(self, position: int, width: int, what: str) -> tuple[int, int]:
        """Return (position of the first element, number of elements) of a vector."""
        count = self.u32(position, what)
        self.span(position + 4, count * width, min(width, 4), f"{what} ({count:,} elements)")
        return position + 4, count

    def text(self, position: int, what: str) -> str:
        """Decode a string; bytes that are not UTF-8 become replacement characters."""
        start, count = self.vector(position, 1, what)
        self.exceed(f"{what}: bytes", count, self.limits.name_bytes)
        self.charge(count)
        return self.data[start : start + count].decode("utf-8", "replace")


class FlatTable:
    """One table of a FlatBuffer; fields are named by their slot in the schema.

    Args:
        buffer: the file.
        position: where the table begins.
        what: what the table is, for messages.
    """

    __slots__ = ("_buffer", "_position", "_size", "_vtable", "_vtable_size", "what")

    def __init__(self, buffer: FlatBuffer, position: int, what: str) -> None:
        self.what = what
        self._buffer = buffer
        self._position = position
        buffer.charge(4)
        buffer.span(position, 4, 4, what)
        self._vtable = position - int(_I32.unpack_from(buffer.data, position)[0])
        buffer.span(self._vtable, 4, 2, f"{what}: vtable")
        self._vtable_size = int(_U16.unpack_from(buffer.data, self._vtable)[0])
        self._size = int(_U16.unpack_from(buffer.data, self._vtable + 2)[0])
        if self._vtable_size < 4 or self._vtable_size % 2 or self._size < 4:
            buffer.fail(f"{what}: vtable of {self._vtable_size} bytes for a table of {self._size} bytes")
        buffer.span(self._vtable, self._vtable_size, 2, f"{what}: vtable")
        buffer.span(position, self._size, 4, what)

    def _field(self, slot: int, width: int) -> int:
        """Return the position of a field, 0 if the table leaves it out."""
        entry = 4 + 2 * slot
        if entry + 2 > self._vtable_size:
            return 0
        offset = int(_U16.unpack_from(self._buffer.data, self._vtable + entry)[0])
        if offset == 0:
            return 0
        if offset < 4 or offset + width > self._size:
            self._buffer.fail(f"{self.what}: field {slot} is at byte {offset} of a table of {self._size} bytes")
        self._buffer.span(self._position + offset, width, width, f"{self.what}: field {slot}")
        return self._position + offset

    def has(self, slot: int) -> bool:
        """Return whether an offset field is present."""
        return self._field(slot, 4) != 0

    def integer(self, slot: int, code: str, default: int = 0) -> int:
        """Return an integer or boolean field; `code` is its `struct` format character."""
        position = self._field(slot, _WIDTHS[code])
        return int(struct.unpack_from(f"<{code}", self._buffer.data, position)[0]) if position else default

    def real(self, slot: int, default: float = 0.0) -> float:
        """Return a float32 field."""
        position = self._field(slot, 4)
        return float(struct.unpack_from("<f", self._buffer.data, position)[0]) if position else default

    def _target(self, slot: int, what: str) -> int:
        position = self._field(slot, 4)
        return self._buffer.follow(position, what) if position else 0

    def string(self, slot: int, name: str) -> str:
        """Return a string field, "" if it is absent."""
        what = f"{self.what}: {name}"
        position = self._target(slot, what)
        return self._buffer.text(position, what) if position else ""

    def table(self, slot: int, name: str) -> FlatTable | None:
        """Return a table field, None if it is absent."""
        what = f"{self.what}: {name}"
        position = self._target(slot, what)
        return FlatTable(self._buffer, position, what) if position else None

    def tables(self, slot: int, name: str, *, maximum: int) -> Iterator[FlatTable]:
        """Yield the tables of a vector, none if it is absent.

        Raises:
            LimitExceededError: more than `maximum` tables.
        """
        start, count = self._extent(slot, 4, f"{name}s")
        self._buffer.exceed(f"{self.what}: {name}s", count, maximum)
        for i in range(count):
            what = f"{name} {i}" if self.what == "model" else f"{self.what}: {name} {i}"
            yield FlatTable(self._buffer, self._buffer.follow(start + 4 * i, what), what)

    def numbers(self, slot: int, code: str, name: str, *, maximum: int | None = None) -> tuple[int, ...]:
        """Return a vector of integers, () if it is absent.

        Raises:
            LimitExceededError: more than `maximum` elements.
        """
        return tuple(int(v) for v in self._unpack(slot, code, name, maximum))

    def reals(self, slot: int, name: str) -> tuple[float, ...]:
        """Return a vector of float32, () if it is absent."""
        return tuple(float(v) for v in self._unpack(slot, "f", name, None))

    def _unpack(self, slot: int, code: str, name: str, maximum: int | None) -> tuple[int | float, ...]:
        width = _WIDTHS[code]
        start, count = self._extent(slot, width, name)
        if maximum is not None:
            self._buffer.exceed(f"{self.what}: {name}", count, maximum)
        self._buffer.charge(count * width)
        return struct.unpack_from(f"<{count}{code}", self._buffer.data, start) if count else ()

    def raw(self, slot: int, name: str) -> memoryview:
        """Return a vector of bytes as a view of the file."""
        start, count = self._extent(slot, 1, name)
        return memoryview(self._buffer.data)[start : start + count]

    def _extent(self, slot: int, width: int, name: str) -> tuple[int, int]:
        what = f"{self.what}: {name}"
        position = self._target(slot, what)
        return self._buffer.vector(position, width, what) if position else (0, 0)
