"""Is bad input to an execution refused with every fault named, from Python and on the command line, for both formats?

Each case goes through `ss.execute` and `socsim execute`; whatever is wrong, no output file and no part of one is left.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from tflite_writer import model, operator, operator_code, quantization, subgraph, tensor

import socsim as ss
from socsim.errors import MalformedModelError, SocsimError, UnsupportedOperatorError, UsageError
from socsim.numerics.node import IMPLEMENTATIONS
from socsim.report import sinks

FORMATS = ["tflite", "onnx"]
RELU, MAXIMUM, CUSTOM = 19, 55, 32
SHAPE = (1, 4)


# --- files --------------------------------------------------------------------------------------------


def tflite_network(scales=((0.5,), (0.5,), (0.5,), (0.5,))) -> bytes:
    """A sum of maxima of three int8 inputs x, y, z; `scales` are of x, y, z and the results."""
    quants = [quantization(list(s), [0] * len(s), 1) for s in scales]
    names = ["x", "y", "z", "m", "out"]
    tensors = [tensor(n, list(SHAPE), quant=quants[min(i, 3)]) for i, n in enumerate(names)]
    operators = [operator(0, [0, 1], [3]), operator(0, [3, 2], [4])]
    return model([operator_code(MAXIMUM)], [subgraph(tensors, [0, 1, 2], [4], operators)], [])


def onnx_network(scales=((0.5,), (0.5,), (0.5,), (0.5,))) -> bytes:
    """The same with DequantizeLinear and QuantizeLinear around Max."""
    nodes, constants = [], []
    for name, values in zip(("x", "y", "z", "out"), scales, strict=True):
        array = np.array(values, np.float32)
        constants.append(numpy_helper.from_array(array if len(values) > 1 else array.reshape(()), f"s{name}"))
        constants.append(numpy_helper.from_array(np.zeros(array.shape if len(values) > 1 else (), np.int8), f"z{name}"))
    nodes += [helper.make_node("DequantizeLinear", [n, f"s{n}", f"z{n}"], [f"{n}f"], axis=1) for n in "xyz"]
    nodes.append(helper.make_node("Max", ["xf", "yf", "zf"], ["m"]))
    nodes.append(helper.make_node("QuantizeLinear", ["m", "sout", "zout"], ["out"], axis=1))
    return onnx_file(nodes, "xyz", constants)


def onnx_file(nodes, inputs, constants=(), kind=onnx.TensorProto.INT8) -> bytes:
    values = [helper.make_tensor_value_info(n, kind, SHAPE) for n in inputs]
    result = [helper.make_tensor_value_info("out", kind, SHAPE)]
    graph = helper.make_graph(nodes, "g", values, result, list(constants))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def tflite_cycle() -> bytes:
    tensors = [tensor(n, list(SHAPE)) for n in ("x", "a", "b", "out")]
    operators = [operator(0, [2], [1]), operator(0, [1], [2]), operator(0, [1], [3])]
    return model([operator_code(RELU)], [subgraph(tensors, [0], [3], operators)], [])


def onnx_cycle() -> bytes:
    nodes = [helper.make_node("Relu", ["b"], ["a"]), helper.make_node("Relu", ["a"], ["b"])]
    nodes.append(helper.make_node("Relu", ["a"], ["out"]))
    return onnx_file(nodes, ["x"], kind=onnx.TensorProto.FLOAT)


def tflite_unsupported() -> bytes:
    tensors = [tensor(n, list(SHAPE)) for n in ("x", "a", "b", "out")]
    operators = [operator(0, [0], [1]), operator(1, [1], [2]), operator(0, [2], [3])]
    codes = [operator_code(CUSTOM, "Fancy"), operator_code(CUSTOM, "Other")]
    return model(codes, [subgraph(tensors, [0], [3], operators)], [])


def onnx_unsupported() -> bytes:
    names = [("Det", "x", "a"), ("Hardmax", "a", "b"), ("Det", "b", "out")]
    nodes = [helper.make_node(op, [i], [o], name=f"n_{o}") for op, i, o in names]
    return onnx_file(nodes, ["x"], kind=onnx.TensorProto.FLOAT)


@dataclass(frozen=True)
class Refusal:
    """What is wrong: a file, inputs for it, the error with its exit code, and what the message must hold."""

    model: bytes
    inputs: dict[str, np.ndarray]
    error: type[SocsimError]
    code: int
    words: tuple[str, ...]


GOOD = {name: np.arange(4, dtype=np.int8).reshape(SHAPE) for name in "xyz"}
X = {"x": np.zeros(SHAPE, np.float32)}
NETWORKS = {"tflite": tflite_network, "onnx": onnx_network}
NAN, INF = float("nan"), float("inf")


def _inputs(kind: str, inputs: dict, *words: str) -> Refusal:
    return Refusal(NETWORKS[kind](), inputs, UsageError, 2, words)


def _scales(kind: str) -> Refusal:
    words = ("scale 0 is nan", "scale 0 is 0.0", "scale 2 is inf", "greater than zero", "'x'", "'y'", "'z'")
    file = NETWORKS[kind](((NAN,), (0.0,), (0.5, 0.5, INF, 0.5), (0.5,)))
    return Refusal(file, GOOD, MalformedModelError, 3, words)


CASES = {
    **{f"all inputs wrong, {k}": _inputs(
        k, {"x": GOOD["x"].astype(np.int16), "y": GOOD["y"][:, :3], "w": GOOD["x"], "outt": GOOD["x"]},
        "5 faults", "no input 'w'", "no input 'outt'", "'x' (tensor 0) is int16 (1, 4); give int8 (1, 4)",
        "'y' (tensor 1) is int8 (1, 3); give int8 (1, 4)", "'z' (tensor 2) is missing; give int8 (1, 4)")
        for k in FORMATS},
    **{f"no inputs, {k}": _inputs(k, {}, "3 faults", *(f"{n!r} (tensor {i}) is missing" for i, n in enumerate("xyz")))
        for k in FORMATS},
    **{f"one by name and index, {k}": _inputs(
        k, GOOD | {"0": GOOD["x"]}, "'x' (tensor 0) is given twice") for k in FORMATS},
    **{f"floats, {k}": _inputs(
        k, {n: v.astype(np.float32) for n, v in GOOD.items()}, "3 faults", "is float32 (1, 4); give int8 (1, 4)")
        for k in FORMATS},
    **{f"scales that are none, {k}": _scales(k) for k in FORMATS},
    "a cycle, tflite": Refusal(tflite_cycle(), X, MalformedModelError, 3, ("reads tensor 2", "a cycle")),
    "a cycle, onnx": Refusal(onnx_cycle(), X, MalformedModelError, 3, ("reads 'b'", "a cycle")),
    "unknown operators, tflite": Refusal(
        tflite_unsupported(), X, UnsupportedOperatorError, 4, ("3 operators", "2 x CUSTOM 'Fancy'", "CUSTOM 'Other'",
        "0 CUSTOM", "1 CUSTOM", "2 CUSTOM")),
    "unknown operators, onnx": Refusal(
        onnx_unsupported(), X, UnsupportedOperatorError, 4, ("3 operators", "2 x Det", "1 x Hardmax", "0 Det 'n_a'",
        "1 Hardmax 'n_b'", "2 Det 'n_out'")),
    "no model, tflite": Refusal(b"\x1c\0\0\0TFL3", X, MalformedModelError, 3, ("net.tflite",)),
    "no model, onnx": Refusal(onnx_network()[:200], X, MalformedModelError, 3, ("its bytes are no ModelProto",)),
}  # fmt: skip


@pytest.fixture
def files(tmp_path):
    """Write a model and an .npz of its inputs to a folder of their own, and return both."""

    def write(model: bytes, inputs, kind: str) -> tuple[Path, Path]:
        folder = tmp_path / "given"
        folder.mkdir()
        (folder / f"net.{kind}").write_bytes(model)
        np.savez(folder / "in.npz", **inputs)
        return folder / f"net.{kind}", folder / "in.npz"

    return write


@pytest.mark.parametrize("name", CASES)
def test_every_fault_is_named_and_nothing_is_written(socsim, files, tmp_path, name):
    case, kind = CASES[name], name.split(", ")[-1]
    path, inputs = files(case.model, case.inputs, kind)
    with pytest.raises(case.error) as error:
        ss.execute(path, case.inputs)
    code, out, err = socsim("execute", path, "--inputs", inputs, "--out", tmp_path / "out.npz")
    assert (code, out) == (case.code, "")
    for text in (str(error.value), err):
        assert not [word for word in case.words if word not in text], text
    assert "Traceback" not in err
    assert [p.name for p in tmp_path.iterdir()] == ["given"]


@pytest.mark.parametrize("kind", FORMATS)
def test_the_same_files_without_a_fault_are_executed(socsim, files, tmp_path, kind):
    path, inputs = files(NETWORKS[kind](), GOOD, kind)
    assert socsim("execute", path, "--inputs", inputs, "--out", tmp_path / "out.npz")[0] == 0
    with np.load(tmp_path / "out.npz") as found:
        assert found["out"].tolist() == [[0, 1, 2, 3]]


# --- output files -------------------------------------------------------------------------------------


@pytest.fixture
def asked(files, tmp_path):
    """The arguments of a command that would write out.npz, which exists already."""
    path, inputs = files(tflite_network(), GOOD, "tflite")
    (tmp_path / "out.npz").write_bytes(b"before")
    return ["execute", path, "--inputs", inputs, "--out", tmp_path / "out.npz"]


def left(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()}


def test_a_fault_in_the_middle_of_a_run_leaves_the_old_file(socsim, asked, tmp_path, monkeypatch):
    def prepare(_node):
        def run(*_):
            raise ValueError("no such luck")

        return run

    monkeypatch.setitem(IMPLEMENTATIONS, "MAXIMUM", prepare)
    code, _, err = socsim(*asked)
    assert code == 3
    assert "operator 0 MAXIMUM does not fit its operands: no such luck" in err
    assert left(tmp_path) == {"out.npz": b"before"}


class _Failing:
    """A file whose second half never gets written."""

    def __init__(self, file, error: BaseException) -> None:
        self.file, self.error = file, error

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def write(self, data: bytes) -> None:
        self.file.write(data[: len(data) // 2])
        self.file.flush()
        raise self.error


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=["full", "ctrl-c"])
def test_a_write_that_breaks_off_leaves_nothing_of_it(socsim, asked, tmp_path, monkeypatch, error):
    real = Path.open

    def opened(self, mode="r", *args, **kwargs):
        file = real(self, mode, *args, **kwargs)
        return _Failing(file, error) if mode == "xb" else file

    monkeypatch.setattr(Path, "open", opened)
    if isinstance(error, OSError):
        code, out, err = socsim(*asked)
        assert (code, out) == (3, "")
        assert "No space left on device" in err
    else:
        with pytest.raises(KeyboardInterrupt):
            sinks.write_file(tmp_path / "out.npz", b"new content")
    assert left(tmp_path) == {"out.npz": b"before"}


@pytest.mark.skipif(os.name == "nt", reason="processes are killed by signals on POSIX systems")
def test_a_killed_process_leaves_the_old_file_whole(asked, tmp_path):
    """The kill comes when all is written and before the new file takes the old one's place."""
    script = (
        "import os, pathlib, signal, sys\n"
        "from socsim.cli import main\n"
        "pathlib.Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", script, *map(str, asked)], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL
    assert (tmp_path / "out.npz").read_bytes() == b"before"
