from __future__ import annotations

import os
import re
import socket
from dataclasses import replace

import pytest

from socsim.errors import LimitExceededError, MalformedModelError, WorkloadError
from socsim.workload.importers import load_graph
from socsim.workload.importers.source import identify, looks_like_onnx, read_model
from socsim.workload.limits import DEFAULT_LIMITS

ALLOWED = "allowed: TFLite (a FlatBuffer marked TFL3), ONNX (a ModelProto), ncnn (a text .param)"
# ir_version 8, producer "x", graph of no bytes, opset_import of two bytes
ONNX = bytes([0x08, 0x08, 0x12, 0x01, 0x78, 0x3A, 0x00, 0x42, 0x02, 0x10, 0x0D])


def fails(error, message):
    return pytest.raises(error, match=f"^{re.escape(message)}$")


def test_a_file_is_read_completely(tmp_path):
    path = tmp_path / "model.bin"
    path.write_bytes(bytes(range(256)) * 1000)
    assert read_model(path, DEFAULT_LIMITS) == bytes(range(256)) * 1000


def test_a_link_that_the_user_gives_is_followed(tmp_path):
    (tmp_path / "real").write_bytes(b"content")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert read_model(tmp_path / "link", DEFAULT_LIMITS) == b"content"


def test_a_missing_file_is_named(tmp_path):
    path = tmp_path / "missing.tflite"
    with fails(WorkloadError, f"{path}: no such file; check the path"):
        read_model(path, DEFAULT_LIMITS)


def test_a_dangling_link_is_a_missing_file(tmp_path):
    path = tmp_path / "link"
    path.symlink_to(tmp_path / "nowhere")
    with fails(WorkloadError, f"{path}: no such file; check the path"):
        read_model(path, DEFAULT_LIMITS)


def test_a_loop_of_links_is_refused(tmp_path):
    path = tmp_path / "link"
    path.symlink_to(path)
    with pytest.raises(WorkloadError, match=r"cannot open the file \(.*\); give the path of a model file$"):
        read_model(path, DEFAULT_LIMITS)


def test_a_directory_is_refused(tmp_path):
    with fails(WorkloadError, f"{tmp_path}: this is a directory, not a regular file; give the model file itself"):
        read_model(tmp_path, DEFAULT_LIMITS)


def test_a_pipe_without_a_writer_does_not_hang(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with fails(WorkloadError, f"{path}: this is a pipe, not a regular file; give the model file itself"):
        read_model(path, DEFAULT_LIMITS)


def test_a_socket_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the path of a socket may have 107 bytes only
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        with pytest.raises(WorkloadError, match="cannot open the file"):
            read_model(tmp_path / "socket", DEFAULT_LIMITS)


def test_a_device_is_refused(tmp_path):
    path = tmp_path / "device"
    path.symlink_to("/dev/zero")
    with fails(WorkloadError, f"{path}: this is a device, not a regular file; give the model file itself"):
        read_model(path, DEFAULT_LIMITS)


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read every file")
def test_an_unreadable_file_is_refused(tmp_path):
    path = tmp_path / "secret"
    path.write_bytes(b"x")
    path.chmod(0)
    with fails(WorkloadError, f"{path}: no permission to read it; change its permissions or copy the file"):
        read_model(path, DEFAULT_LIMITS)


def test_permission_errors_become_one_sentence(tmp_path, monkeypatch):
    def refuse(*_args):
        raise PermissionError(13, "Permission denied")

    path = tmp_path / "secret"
    path.write_bytes(b"x")
    monkeypatch.setattr(os, "open", refuse)
    with fails(WorkloadError, f"{path}: no permission to read it; change its permissions or copy the file"):
        read_model(path, DEFAULT_LIMITS)


def test_a_name_with_a_zero_byte_is_refused(tmp_path):
    with pytest.raises(WorkloadError, match="cannot open the file"):
        read_model(tmp_path / "a\0b", DEFAULT_LIMITS)


def test_an_empty_file_is_refused(tmp_path):
    path = tmp_path / "empty.tflite"
    path.touch()
    with fails(WorkloadError, f"{path}: the file is empty; fetch or convert the model again"):
        read_model(path, DEFAULT_LIMITS)


def test_the_size_limit_is_exact(tmp_path):
    path = tmp_path / "model"
    path.write_bytes(bytes(1000))
    assert len(read_model(path, replace(DEFAULT_LIMITS, file_bytes=1000))) == 1000
    with fails(LimitExceededError, f"{path}: 1,000 bytes exceed the limit of 999 bytes for a model file"):
        read_model(path, replace(DEFAULT_LIMITS, file_bytes=999))


def test_a_huge_sparse_file_is_refused_without_reading_it(tmp_path):
    path = tmp_path / "huge"
    with path.open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(LimitExceededError, match="exceed the limit"):
        read_model(path, DEFAULT_LIMITS)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\x1c\0\0\0TFL3 and more", "tflite"),
        (b"7767517\n75 83\n", "ncnn"),
        (b" 7767517 \r\n75 83\n", "ncnn"),
        (ONNX, "onnx"),
        (ONNX[:9], "onnx"),
        (ONNX[5:], "onnx"),
    ],
)
def test_formats_are_identified_by_content(tmp_path, data, expected):
    assert identify(data, tmp_path / "name.says.nothing") == expected


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (
            b"PK\x03\x04rest",
            "a ZIP archive (a .keras, .pt, .task or .npz file); export the model to TFLite or ONNX",
        ),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file (Keras weights); convert the model to TFLite"),
        (b"GGUF\x03\0\0\0", "a GGUF file; export the model to ONNX"),
        (b"\x1f\x8b\x08", "a gzip archive; unpack it first"),
        (b"\xdd\x85\x76\x00", "a binary ncnn .param.bin; give the text .param"),
    ],
)
def test_files_of_other_kinds_are_named(tmp_path, data, found):
    path = tmp_path / "model"
    with fails(MalformedModelError, f"{path}: this is {found}; {ALLOWED}"):
        identify(data, path)


@pytest.mark.parametrize("data", [b"hello, world", b"\n", b"\x08", b"\0" * 64, b"7767518\n", b"\xff" * 32])
def test_unknown_content_is_refused(tmp_path, data):
    path = tmp_path / "model"
    message = f"{path}: unknown content, beginning with {data[:8].hex(' ')}; {ALLOWED}"
    with fails(MalformedModelError, message):
        identify(data, path)


def test_real_onnx_files_are_recognised(models):
    files = sorted(models.rglob("*.onnx"))
    assert files
    for file in files:
        data = file.read_bytes()
        assert looks_like_onnx(data), file.name
        assert looks_like_onnx(data[: len(data) // 2]), file.name


def test_real_ncnn_files_are_recognised(models):
    files = sorted(models.rglob("*.param"))
    assert files
    assert {identify(file.read_bytes(), file) for file in files} == {"ncnn"}


@pytest.mark.parametrize("batch", [0, -1])
def test_a_batch_below_one_is_refused(tmp_path, batch):
    path = tmp_path / "model.tflite"
    with fails(WorkloadError, f"{path}: batch {batch} is not possible; give 1 or more"):
        load_graph(path, batch=batch)
