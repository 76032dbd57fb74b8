"""Reader of ncnn's text graph format: from bytes to layers with typed parameters.

Source: Tencent/ncnn, src/net.cpp (load_param) and src/paramdict.cpp (load_param).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING

from socsim.errors import LimitExceededError, MalformedModelError, did_you_mean, join_faults

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from socsim.workload.limits import Limits

    Number = int | float
    Value = int | float | str | tuple[int | float, ...]
    Fault = Callable[[str], None]

MAGIC = "7767517"
SHAPE_HINTS = 30
_BINARY_MAGIC = int(MAGIC).to_bytes(4, "little")
_ARRAY_KEY = -23300
_NEAR_MATCHES = 5000  # names that one file may compare in search of similar ones
_PARAMETERS = 32  # NCNN_MAX_PARAM_COUNT
_INT_BITS = 31  # parameters are 32-bit integers

_TOKEN = re.compile(r'(?:[^\s"]|"[^"]*")+|\S+')
_PARAMETER = re.compile(r"(-?\d{1,9})=(.*)", re.DOTALL)
_INTEGER = re.compile(r"[-+]?\d{1,18}")
_FLOAT = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d{1,4})?")
_STRING = re.compile(r'[A-Za-z_]\S*|"[^"]*"')


@dataclass(frozen=True, slots=True)
class Layer:
    """One line of the file: a layer, the blobs that it reads and writes, and its parameters by key."""

    line: int
    type: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    parameters: Mapping[int, Value]

    @property
    def label(self) -> str:
        """Where the layer stands, for messages."""
        return f"line {self.line}: {self.type} {self.name!r}"


@dataclass(frozen=True, slots=True)
class ParamFile:
    """The layers of a file, in its order, and what the reader left out."""

    layers: tuple[Layer, ...]
    notes: tuple[str, ...]


def parse_param(data: bytes, where: str, limits: Limits) -> ParamFile:
    """Read a text `.param` file.

    Args:
        data: the file's bytes.
        where: the file's name for messages.
        limits: budgets.

    Raises:
        MalformedModelError: the text breaks the format; all faults are listed with line and column.
        LimitExceededError: the file is larger, or declares more layers or blobs, than the budget.
    """
    _check_budget(where, "bytes", len(data), limits.file_bytes)
    lines = _text_lines(data, where)
    faults: list[str] = []
    counts = _header(lines, faults.append)
    if counts is None:
        raise MalformedModelError(join_faults(where, faults))
    layer_count, blob_count = counts
    _check_budget(where, "layers", layer_count, limits.operators)
    _check_budget(where, "blobs", blob_count, limits.tensors)
    rows = list(lines)
    layers = [_layer(number, text, limits, faults.append) for number, text in rows[:layer_count]]
    _check_counts(layers, counts, rows, faults.append)
    parsed = tuple(layer for layer in layers if layer is not None)
    if len(parsed) == layer_count:
        _check_blobs(parsed, faults.append)
    if faults:
        raise MalformedModelError(join_faults(where, faults))
    return ParamFile(parsed, tuple(_surplus(rows[layer_count:], layer_count)))


def _check_budget(where: str, what: str, found: int, allowed: int) -> None:
    if found > allowed:
        msg = f"{where}: {found:,} {what} exceed the limit of {allowed:,}"
        raise LimitExceededError(msg)


def _text_lines(data: bytes, where: str) -> Iterator[tuple[int, str]]:
    """Yield line numbers with the lines that are not blank."""
    if data.startswith(_BINARY_MAGIC):
        msg = f"{where}: found a binary graph (.param.bin); give the text file (.param)"
        raise MalformedModelError(msg)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        msg = f"{where}: {_position(data, error.start)}: byte 0x{data[error.start]:02x} is not UTF-8 text"
        raise MalformedModelError(msg) from None
    if "\0" in text:
        msg = f"{where}: {_position(data, data.index(0))}: found a NUL byte; a text graph has none"
        raise MalformedModelError(msg)
    rows = enumerate(text.split("\n"), start=1)
    return iter([(number, row) for number, row in rows if row.strip()])


def _position(data: bytes, offset: int) -> str:
    start = data.rfind(b"\n", 0, offset) + 1
    line = data.count(b"\n", 0, offset) + 1
    return f"line {line}, column {offset - start + 1}"


def _header(lines: Iterator[tuple[int, str]], fault: Fault) -> tuple[int, int] | None:
    number, magic = next(lines, (1, ""))
    if magic.split() != [MAGIC]:
        fault(f"line {number}: an ncnn graph begins with {MAGIC}, found {_short(magic.strip())}")
        return None
    number, text = next(lines, (number + 1, ""))
    counts = text.split()
    if len(counts) != 2 or not all(re.fullmatch(r"\d{1,9}", c) for c in counts):
        fault(f"line {number}: expected the number of layers and of blobs, found {_short(text.strip())}")
        return None
    return int(counts[0]), int(counts[1])


def _layer(number: int, text: str, limits: Limits, fault: Fault) -> Layer | None:
    tokens = [(m.start() + 1, m.group()) for m in _TOKEN.finditer(text)]
    if len(tokens) < 4:
        fault(f"line {number}: expected type, name, number of inputs, number of outputs, found {_short(text.strip())}")
        return None
    counts = [_count(number, column, token, fault) for column, token in tokens[2:4]]
    if counts[0] is None or counts[1] is None:
        return None
    n_in, n_out = counts[0], counts[1]
    blobs = tokens[4 : 4 + n_in + n_out]
    named = next((i for i, (_, t) in enumerate(blobs) if _PARAMETER.fullmatch(t)), len(blobs))
    if named < n_in + n_out:
        fault(f"line {number}: declares {n_in} inputs and {n_out} outputs, but names {named} blobs")
        return None
    for column, token in [tokens[1], *blobs]:
        if len(token) > limits.name_bytes:
            fault(
                f"line {number}, column {column}: a name of {len(token):,} characters; "
                f"at most {limits.name_bytes:,} are allowed"
            )
    names = tuple(token for _, token in blobs)
    parameters = _parameters(number, tokens[4 + n_in + n_out :], fault)
    return Layer(number, tokens[0][1], tokens[1][1], names[:n_in], names[n_in:], parameters)


def _count(number: int, column: int, token: str, fault: Fault) -> int | None:
    if re.fullmatch(r"\d{1,9}", token):
        return int(token)
    fault(f"line {number}, column {column}: expected a number of blobs, found {_short(token)}")
    return None


def _parameters(number: int, tokens: Sequence[tuple[int, str]], fault: Fault) -> Mapping[int, Value]:
    found: dict[int, Value] = {}
    for column, token in tokens:
        at = f"line {number}, column {column}"
        match = _PARAMETER.fullmatch(token)
        if not match:
            fault(f"{at}: expected a parameter as key=value, found {_short(token)}")
            continue
        key, text = int(match[1]), match[2]
        identifier = _ARRAY_KEY - key if key <= _ARRAY_KEY else key
        if not 0 <= identifier < _PARAMETERS:
            fault(f"{at}: key {key} is neither 0 to {_PARAMETERS - 1} nor an array key {_ARRAY_KEY} and below")
        elif identifier in found:
            fault(f"{at}: parameter {identifier} is given twice")
        else:
            value = _array(text, at, fault) if key < 0 else _value(text, at, fault)
            if value is not None:
                found[identifier] = value
    return found


def _array(text: str, at: str, fault: Fault) -> tuple[Number, ...] | None:
    length, *rest = text.split(",")
    if not re.fullmatch(r"\d{1,9}", length) or int(length) != len(rest):
        fault(f"{at}: the array declares {_short(length)} values and holds {len(rest)}")
        return None
    values = [_number(item, at, fault) for item in rest]
    return tuple(v for v in values if v is not None)


def _value(text: str, at: str, fault: Fault) -> Value | None:
    if _STRING.fullmatch(text):
        return text.strip('"')
    if "," in text:
        return tuple(v for v in (_number(item, at, fault) for item in text.split(",")) if v is not None)
    return _number(text, at, fault)


def _number(text: str, at: str, fault: Fault) -> Number | None:
    if _INTEGER.fullmatch(text):
        value = int(text)
        if -(2**_INT_BITS) <= value < 2**_INT_BITS:
            return value
        fault(f"{at}: {text} does not fit the 32 bits of a parameter")
    elif _FLOAT.fullmatch(text):
        if isfinite(float(text)):
            return float(text)
        fault(f"{at}: {_short(text)} is too large for a number")
    else:
        fault(f"{at}: {_short(text)} is not a number")
    return None


def _check_counts(
    layers: Sequence[Layer | None], counts: tuple[int, int], rows: Sequence[tuple[int, str]], fault: Fault
) -> None:
    layer_count, blob_count = counts
    if len(rows) < layer_count:
        fault(f"declares {layer_count} layers and holds {len(rows)}; the file may be cut short")
        return
    if None in layers:
        return
    blobs = sum(len(layer.outputs) for layer in layers if layer)
    if blobs != blob_count:
        fault(f"declares {blob_count} blobs, but its layers write {blobs}")


def _check_blobs(layers: Sequence[Layer], fault: Fault) -> None:
    writers: dict[str, Layer] = {}
    hints = _NEAR_MATCHES
    for layer in layers:
        for name in (n for n in layer.inputs if n not in writers):
            hint = _near(name, writers) if hints > 0 else ""
            hints -= len(writers)
            fault(f"{layer.label}: reads blob {name!r}, which no layer above writes.{hint}")
        for name in layer.outputs:
            if name in writers:
                fault(f"{layer.label}: writes blob {name!r}, which line {writers[name].line} has written")
            writers.setdefault(name, layer)


def _near(name: str, known: Mapping[str, object]) -> str:
    """Return near matches of `name`, nothing where no name is near."""
    hint = did_you_mean(name, known) if len(known) <= _NEAR_MATCHES else ""
    return hint if hint.startswith(" Did") else ""


def _surplus(rows: Sequence[tuple[int, str]], layer_count: int) -> Iterator[str]:
    """Say which lines ncnn does not read: it stops after the declared number of layers."""
    if rows:
        yield (
            f"the file declares {layer_count} layers; ncnn ignores the {len(rows)} after them, from line "
            f"{rows[0][0]} on, and so does socsim"
        )


def _short(text: str) -> str:
    return repr(shorten(text, 60))


def shorten(text: str, length: int) -> str:
    """Return `text`, cut to `length` characters with an ellipsis."""
    return text if len(text) <= length else text[: length - 3] + "..."
