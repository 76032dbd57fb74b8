"""A small writer of TFLite files, for tests that need a file with one chosen property or fault.

It shares no code with the importer: the layout is written from the FlatBuffers documentation.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any

Scalar = tuple[str, Any]  # struct format character and value
ADD, CONV_2D, CUSTOM, FULLY_CONNECTED, RESHAPE = 0, 3, 32, 9, 22
FLOAT32, INT32, INT8, INT4 = 0, 2, 9, 17


@dataclass
class Vector:
    """A vector of scalars; `count` may lie about the number of elements."""

    code: str
    values: list[Any]
    count: int | None = None


class Table(dict[int, Any]):
    """Fields by slot: a Scalar, str, bytes, Vector, Table or list of Tables; None is left out."""


@dataclass
class Writer:
    data: bytearray = field(default_factory=bytearray)

    def align(self, size: int) -> int:
        self.data.extend(b"\0" * (-len(self.data) % size))
        return len(self.data)

    def write(self, value: Any) -> int:
        """Append a value and return where it begins."""
        if isinstance(value, Table):
            return self.table(value)
        if isinstance(value, list):
            position = self.head(len(value), 4)
            self.data.extend(bytes(4 * len(value)))
            for i, item in enumerate(value):
                self.point(position + 4 + 4 * i, self.write(item))
            return position
        if isinstance(value, str | bytes):
            raw = value.encode() + b"\0" if isinstance(value, str) else value
            position = self.head(len(value), 16 if isinstance(value, bytes) else 1)
            self.data.extend(raw)
            return position
        count = len(value.values) if value.count is None else value.count
        position = self.head(count, struct.calcsize(value.code))
        self.data.extend(struct.pack(f"<{len(value.values)}{value.code}", *value.values))
        return position

    def head(self, count: int, width: int) -> int:
        self.align(4)
        while (len(self.data) + 4) % max(width, 1):
            self.data.extend(b"\0\0\0\0")
        position = len(self.data)
        self.data.extend(struct.pack("<I", count))
        return position

    def point(self, at: int, target: int) -> None:
        struct.pack_into("<I", self.data, at, target - at)

    def table(self, fields: Table) -> int:
        present = {slot: value for slot, value in sorted(fields.items()) if value is not None}
        slots = max(present, default=-1) + 1
        vtable = self.align(2)
        self.data.extend(bytes(4 + 2 * slots))
        start = self.align(8)
        self.data.extend(bytes(4))
        places = {}
        for slot, value in present.items():
            code, number = value if isinstance(value, tuple) else ("I", 0)
            places[slot] = self.align(struct.calcsize(code))
            self.data.extend(struct.pack(f"<{code}", number))
            struct.pack_into("<H", self.data, vtable + 4 + 2 * slot, places[slot] - start)
        size = self.align(4) - start
        struct.pack_into("<HH", self.data, vtable, 4 + 2 * slots, size)
        struct.pack_into("<i", self.data, start, start - vtable)
        for slot, value in present.items():
            if not isinstance(value, tuple):
                self.point(places[slot], self.write(value))
        return start


def quantization(scales: list[float], zero_points: list[int], dimension: int = 0) -> Table:
    return Table({2: Vector("f", scales), 3: Vector("q", zero_points), 6: ("i", dimension)})


def tensor(
    name: str,
    shape: list[int],
    kind: int = INT8,
    *,
    buffer: int = 0,
    quant: Table | None = None,
    signature: list[int] | None = None,
    more: dict[int, Any] | None = None,
) -> Table:
    table = Table({0: Vector("i", shape), 1: ("b", kind), 2: ("I", buffer), 3: name, 4: quant})
    if signature is not None:
        table[7] = Vector("i", signature)
    table.update(more or {})
    return table


def operator(
    code: int,
    inputs: list[int],
    outputs: list[int],
    options: Table | None = None,
    union: int = 0,
    more: dict[int, Any] | None = None,
) -> Table:
    table = Table({0: ("I", code), 1: Vector("i", inputs), 2: Vector("i", outputs)})
    if options is not None:
        table.update({3: ("B", union), 4: options})
    table.update(more or {})
    return table


def subgraph(tensors: list[Table], inputs: list[int], outputs: list[int], operators: list[Table]) -> Table:
    return Table({0: tensors, 1: Vector("i", inputs), 2: Vector("i", outputs), 3: operators, 4: "main"})


def operator_code(code: int, custom: str | None = None) -> Table:
    return Table({0: ("b", min(code, 127)), 1: custom, 3: ("i", code)})


def model(codes: list[Table], subgraphs: list[Table], buffers: list[bytes], version: int = 3) -> bytes:
    """Return a file; buffer 0, which is empty, comes before `buffers`."""
    tables = [Table(), *(b if isinstance(b, Table) else Table({0: b}) for b in buffers)]
    root = Table({0: ("I", version), 1: codes, 2: subgraphs, 3: "test", 4: tables})
    writer = Writer(bytearray(b"\0\0\0\0TFL3"))
    writer.point(0, writer.table(root))
    return bytes(writer.data)


def single(
    code: int,
    tensors: list[Table],
    inputs: list[int],
    outputs: list[int],
    op: Table,
    buffers: tuple[bytes, ...] = (),
) -> bytes:
    """Return a file of one operator."""
    return model([operator_code(code)], [subgraph(tensors, inputs, outputs, [op])], list(buffers))
