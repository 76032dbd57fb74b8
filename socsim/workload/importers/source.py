"""Safe opening of model files, and their identification by content."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Literal

from socsim.errors import LimitExceededError, MalformedModelError, WorkloadError

if TYPE_CHECKING:
    from pathlib import Path

    from socsim.workload.limits import Limits

Format = Literal["tflite", "onnx", "ncnn"]

NCNN_MAGIC = b"7767517"
TFLITE_IDENTIFIER = b"TFL3"
_ALLOWED = "allowed: TFLite (a FlatBuffer marked TFL3), ONNX (a ModelProto), ncnn (a text .param)"

# First bytes of files that users offer by mistake, and what to do instead.
_KNOWN_MISTAKES: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "a ZIP archive (a .keras, .pt, .task or .npz file); export the model to TFLite or ONNX"),
    (b"\x89HDF\r\n", "an HDF5 file (Keras weights); convert the model to TFLite"),
    (b"GGUF", "a GGUF file; export the model to ONNX"),
    (b"\x1f\x8b", "a gzip archive; unpack it first"),
    ((7767517).to_bytes(4, "little"), "a binary ncnn .param.bin; give the text .param"),
)

# No waiting for a pipe's writer, no following of a link that appears after the path was resolved; systems
# without these flags have no such files.
_OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)

# Wire types of ModelProto's fields (onnx.proto, IR version 13): 0 varint, 2 length-delimited.
_ONNX_FIELDS = {1: 0, 2: 2, 3: 2, 4: 2, 5: 0, 6: 2, 7: 2, 8: 2, 14: 2, 20: 2, 25: 2, 26: 2}
_ONNX_GRAPH_FIELD = 7
_ONNX_FIRST_BYTE = 0x08  # ir_version, which every writer puts first


def read_model(path: Path, limits: Limits) -> bytes:
    """Read a model file completely.

    Links in the path that the user gave are followed once, before the file is opened; the file itself is
    opened once, without following links, and must be a regular file, so a pipe or a device cannot hang
    the process.

    Args:
        path: the model file.
        limits: `file_bytes` bounds the size.

    Raises:
        WorkloadError: no such file, not a regular file, not readable, or empty.
        LimitExceededError: the file is larger than `limits.file_bytes`.
    """
    descriptor = _open(path)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            msg = f"{path}: this is {_kind(status.st_mode)}, not a regular file; give the model file itself"
            raise WorkloadError(msg)
        _check_size(path, status.st_size, limits)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(status.st_size + 1)
        if len(data) != status.st_size:
            msg = f"{path}: the file changed while it was read; try again when nothing writes to it"
            raise WorkloadError(msg)
        return data
    except (OSError, MemoryError) as error:
        msg = f"{path}: cannot read the file ({_reason(error)})"
        raise WorkloadError(msg) from None
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    try:
        return os.open(path.resolve(strict=True), _OPEN_FLAGS)
    except FileNotFoundError:
        msg = f"{path}: no such file; check the path"
        raise WorkloadError(msg) from None
    except PermissionError:
        msg = f"{path}: no permission to read it; change its permissions or copy the file"
        raise WorkloadError(msg) from None
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links, a NUL in the name, a socket
        msg = f"{str(path)!r}: cannot open the file ({_reason(error)}); give the path of a model file"
        raise WorkloadError(msg) from None


def _check_size(path: Path, size: int, limits: Limits) -> None:
    if size > limits.file_bytes:
        msg = f"{path}: {size:,} bytes exceed the limit of {limits.file_bytes:,} bytes for a model file"
        raise LimitExceededError(msg)
    if size == 0:
        msg = f"{path}: the file is empty; fetch or convert the model again"
        raise WorkloadError(msg)


def _kind(mode: int) -> str:
    kinds = ((stat.S_ISDIR, "a directory"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"))
    return next((name for test, name in kinds if test(mode)), "a device")


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def identify(data: bytes, path: Path) -> Format:
    """Return the format of a model file, judged by its content and never by its name.

    Raises:
        MalformedModelError: the content is none of the formats that can be imported.
    """
    if data[4:8] == TFLITE_IDENTIFIER:
        return "tflite"
    if data[:64].split(maxsplit=1)[:1] == [NCNN_MAGIC]:
        return "ncnn"
    for magic, advice in _KNOWN_MISTAKES:
        if data.startswith(magic):
            msg = f"{path}: this is {advice}; {_ALLOWED}"
            raise MalformedModelError(msg)
    if looks_like_onnx(data):
        return "onnx"
    msg = f"{path}: unknown content, beginning with {data[:8].hex(' ')}; {_ALLOWED}"
    raise MalformedModelError(msg)


def looks_like_onnx(data: bytes) -> bool:
    """Return whether `data` reads like an ONNX ModelProto, possibly one that was cut off.

    Either the fields of the message fill the data exactly and a graph is among them, or the message
    begins with an IR version and goes on with at least one more field of a ModelProto.
    """
    position = 0
    seen: list[int] = []
    while position < len(data) and len(seen) < 64:
        tag, position = _varint(data, position)
        if _ONNX_FIELDS.get(tag >> 3) != tag & 7:
            return False
        seen.append(tag >> 3)
        value, position = _varint(data, position)
        position += value if tag & 7 else 0
    whole = position == len(data) and _ONNX_GRAPH_FIELD in seen
    return whole or (data[:1] == bytes([_ONNX_FIRST_BYTE]) and len(seen) >= 2)


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """Decode a protobuf varint; one that is cut off or longer than ten bytes ends at the data's end."""
    value = 0
    for shift, byte in enumerate(data[position : position + 10]):
        value |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:
            return value, position + shift + 1
    return 0, len(data) + 1
