"""Are operators refused whose operands and results have types that contradict each other?"""

from __future__ import annotations

import operator_cases
import pytest
from operator_files import Case, Operand

from socsim.errors import NumericsError
from socsim.numerics.executor import Executable


def refusal(case: Case) -> str:
    try:
        Executable(case.graph())
    except NumericsError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("case", "found"),
    [
        (Case("ADD", [Operand("int8", (4,), 0.1), Operand("uint8", (4,), 0.1)], [Operand("int8", (4,), 0.1)]), "t1"),
        (Case("MEAN", [Operand("int8", (4, 4), 0.1), operator_cases.const([1])], [Operand("int16", (4,), 0.1)]), "t2"),
        (Case("EQUAL", [Operand("int32", (4,)), Operand("int64", (4,))], [Operand("bool", (4,))]), "t1"),
        (Case("LOGICAL_AND", [Operand("int8", (4,)), Operand("bool", (4,))], [Operand("bool", (4,))]), "t0"),
    ],
)
def test_the_tensor_at_fault_is_named(case, found):
    assert f"'{found}' is" in refusal(case)


def test_all_faults_are_in_one_message():
    case = Case("ADD", [Operand("int8", (4,), 0.1), Operand("uint8", (4,), 0.1)], [Operand("int16", (4,), 0.1)])
    message = refusal(case)
    assert "'t1' is uint8; int8 is required" in message
    assert "'t2' is int16; int8 is required" in message


@pytest.mark.parametrize("case", operator_cases.CASES[::7], ids=lambda case: case.op)
def test_types_that_the_reference_takes_are_not_refused(case):
    assert refusal(case) == ""
