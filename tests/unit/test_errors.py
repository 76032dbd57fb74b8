"""Errors: exit codes, messages, near misses."""

from __future__ import annotations

import pickle

import pytest

from socsim import errors
from socsim.errors import InfeasibleError, SocsimError, UsageError, did_you_mean, join_faults, shown

CLASSES = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, SocsimError)]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("SocsimError", 3),
        ("UsageError", 2),
        ("PlatformError", 3),
        ("UnknownNameError", 2),
        ("WorkloadError", 3),
        ("MalformedModelError", 3),
        ("LimitExceededError", 3),
        ("UnsupportedOperatorError", 4),
        ("ResultError", 3),
        ("ScheduleError", 4),
        ("InfeasibleError", 4),
        ("SimulationError", 70),
        ("DeadlockError", 70),
        ("NumericsError", 3),
        ("CosimError", 3),
    ],
)
def test_exit_codes(name: str, code: int) -> None:
    assert getattr(errors, name).exit_code == code


@pytest.mark.parametrize("cls", CLASSES)
def test_errors_say_what_they_were_given_and_survive_a_process_boundary(cls: type[SocsimError]) -> None:
    error = cls("what and where")
    assert str(error) == "what and where"
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), copy.args) == (cls, "what and where", error.args)


def test_kinds_of_errors_nest() -> None:
    assert issubclass(UsageError, ValueError)
    assert issubclass(errors.MalformedModelError, errors.WorkloadError)
    assert issubclass(errors.DeadlockError, errors.SimulationError)
    assert issubclass(InfeasibleError, errors.ScheduleError)


def test_an_infeasible_error_carries_its_report() -> None:
    error = InfeasibleError("does not fit", {"gap": 3})
    assert (str(error), error.report) == ("does not fit", {"gap": 3})
    assert pickle.loads(pickle.dumps(error)).report == {"gap": 3}


@pytest.mark.parametrize(
    ("name", "known", "text"),
    [
        ("nup", ["gpu", "npu", "cpu"], " Did you mean 'npu'?"),
        ("cpu_bit", ["cpu_big", "cpu_little"], " Did you mean 'cpu_big' or 'cpu_little'?"),
        ("xyz", ["npu", "cpu"], " Known: cpu, npu."),
        ("xyz", {"b": 1, "a": 2}, " Known: a, b."),
        ("xyz", [], ""),
        ("", ["npu"], " Known: npu."),
    ],
)
def test_near_misses(name: str, known: list[str], text: str) -> None:
    assert did_you_mean(name, known) == text


def test_near_misses_do_not_depend_on_the_order_of_names() -> None:
    names = ["npu0", "npu1", "npu2", "npu3", "gpu"]
    assert len({did_you_mean("npu", order) for order in (names, names[::-1], sorted(names, key=hash))}) == 1


def test_one_fault_is_a_sentence_and_several_are_a_list() -> None:
    assert join_faults("m.tflite", ["bad"]) == "m.tflite: bad"
    assert join_faults("m.tflite", iter(["bad", "worse"])) == "m.tflite: 2 faults\n  - bad\n  - worse"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "nothing"),
        (True, "true"),
        (5, "5"),
        (0.5, "0.5"),
        ({}, "a mapping"),
        ([1], "a list"),
        ((1,), "a list"),
        ('say "x"\n', r'"say \"x\"\n"'),
        ("µs", '"µs"'),
        ("x" * 61, f'"{"x" * 60}…"'),
    ],
)
def test_values_in_the_words_of_a_file(value: object, text: str) -> None:
    assert shown(value) == text
