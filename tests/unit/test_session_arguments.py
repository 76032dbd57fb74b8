"""Misuse of Python calls is named: the argument, what was found, what is allowed."""

from __future__ import annotations

import numpy as np
import pytest

import socsim as ss
from socsim import data_files
from socsim.errors import SocsimError, UsageError

KWS = "mlperf_tiny_kws"
NAME = "give a name, or leave it out"
WHOLE = "give a whole number from 1 up"
RATES = 'give rates by unit, such as {"cpu_big": "10 GB/s"}'
POINTS = 'give operating points by clock, such as {"npu": "300MHz"}'


@pytest.mark.parametrize("verb", [ss.run, ss.analyze])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch": 1.5}, f"batch is 1.5; {WHOLE}"),
        ({"batch": "2"}, f"batch is '2'; {WHOLE}"),
        ({"batch": True}, f"batch is True; {WHOLE}"),
        ({"batch": None}, f"batch is None; {WHOLE}"),
        ({"cores": "2"}, f"cores is '2'; {WHOLE}"),
        ({"cores": False}, f"cores is False; {WHOLE}"),
        ({"unit": 3}, f"unit is 3; {NAME}"),
        ({"unit": ""}, f"unit is ''; {NAME}"),
        ({"runtime": ""}, f"runtime is ''; {NAME}"),
        ({"cluster": ["big"]}, f"cluster is a list; {NAME}"),
        ({"precision": 8}, f"precision is 8; {NAME}"),
        ({"precision": "x" * 100}, "precision 'xxx"),
        ({"opp": "npu=300MHz"}, f"opp is 'npu=300MHz'; {POINTS}"),
        ({"opp": {"npu": 300}}, f"opp is a dict; {POINTS}"),
        ({"opp": {"npu": "301MHz"}}, "platform 'rk3588': clock 'npu' has no operating point '301MHz'."),
    ],
)
def test_options_of_the_wrong_kind(verb, options, message) -> None:
    with pytest.raises(UsageError) as caught:
        verb(KWS, "rk3588", **options)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"detail": 3}, "detail is 3; give one of analytic, transaction"),
        ({"background": "x"}, f"background is 'x'; {RATES}"),
        ({"background": ""}, f"background is ''; {RATES}"),
        ({"background": [("cpu_big", "1 GB/s")]}, f"background is a list; {RATES}"),
        ({"background": {1: "1 GB/s"}}, f"background is a dict; {RATES}"),
        ({"background": {"cpu_big": 3}}, "background of 'cpu_big': 3 has no unit"),
    ],
)
def test_options_of_a_run_of_the_wrong_kind(options, message) -> None:
    with pytest.raises(UsageError) as caught:
        ss.run(KWS, "rk3588", **options)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ss.load(None), "model is None; give a file or a zoo name"),
        (lambda: ss.load(b"x"), "model is a bytes; give a file or a zoo name"),
        (lambda: ss.load(KWS, batch="2"), f"batch is '2'; {WHOLE}"),
        (lambda: ss.load(KWS, shapes="x=1"), "shapes is 'x=1'; give dimensions by input name"),
        (lambda: ss.load(KWS, shapes={"x": "1x2"}), "shapes is a dict; give dimensions by input name"),
        (lambda: ss.load(KWS, shapes={"x": (1, 2.5)}), "shapes is a dict; give dimensions by input name"),
        (lambda: ss.platform(None), "platform is None; give its name or its YAML file"),
        (lambda: ss.run(3, "rk3588"), "net is a int; give a network from socsim.load"),
        (lambda: ss.run(KWS, 3), "soc is a int; give a platform from socsim.platform"),
        (lambda: ss.compare(1, 2), "a is 1; give a run, from socsim.run or Run.from_json"),
    ],
)
def test_arguments_of_the_wrong_kind(call, message) -> None:
    with pytest.raises(UsageError) as caught:
        call()
    assert str(caught.value).startswith(message)


def test_integers_of_other_libraries_count() -> None:
    run = ss.run(KWS, "rk3588", batch=np.int64(2), cores=np.int32(3))
    assert type(run.record.batch) is int
    assert run.to_json() == ss.run(KWS, "rk3588", batch=2, cores=3).to_json()


def test_an_installation_without_its_data_says_what_to_do(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(data_files, "__file__", str(tmp_path / "socsim" / "data_files.py"))
    with pytest.raises(SocsimError) as caught:
        data_files.data_folder.__wrapped__("platforms")
    assert str(caught.value) == (
        "this installation of socsim lacks its data folder 'platforms'; run pip install --force-reinstall socsim"
    )


# --- what units can run -------------------------------------------------------------------------------


def test_roofs_are_those_of_types_that_the_runtime_computes_in() -> None:
    roofs = {(c.unit, c.dtype) for c in ss.analyze(KWS, "rk3588", unit="gpu").record.ceilings}
    assert {dtype for unit, dtype in roofs if unit == "gpu"} == {"float16"}  # int8 graphs run as float16 there


@pytest.mark.parametrize("name", ss.platforms())
def test_operator_types_are_those_that_units_compute_in(name) -> None:
    soc = ss.platform(name)
    for row in ss.operators(soc):
        for unit in soc.units:
            types = (row[unit] or "").split()
            assert set(types) <= set(soc.runtime(unit).executes.values())
            assert len(set(types)) == len(types)


def test_types_need_a_kernel_and_for_arithmetic_multipliers() -> None:
    rows = {row["operator"]: row for row in ss.operators("rk3588")}
    assert rows["FULLY_CONNECTED"]["npu"] == "int4 int8 int16 float16"
    assert rows["CONV_2D"]["npu"] == "int8 int16 float16"
    assert rows["SIN"]["npu"] is None
    assert rows["CONV_2D"]["gpu"] == "float16"
    assert "string" not in rows["CONV_2D"]["cpu_big"]
