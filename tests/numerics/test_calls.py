"""Do compiled entries get the arguments that a call was made of, and do calls run in their order?"""

from __future__ import annotations

import gc
import sys
from typing import NamedTuple

import numpy as np
import pytest

from socsim.numerics.calls import Call, Program, shared
from socsim.numerics.threads import ALONE, Team


class Rule(NamedTuple):
    table: np.ndarray
    factor: np.float32
    is_added: bool
    zero: int


@shared
def apply(index, rule, numbers, flags, source, out):
    """Uses every kind of argument: named and nested tuples, strided arrays, floats, truth values."""
    (first, second), third = numbers
    for c in range(out.shape[1]):
        value = np.float64(source[index, c]) * np.float64(rule.factor) + rule.table[c] + rule.zero + first * second
        out[index, c] = value + third if rule.is_added and flags[index] else value


@shared
def grow(index, factor, values):
    values[index] = values[index] * factor + 1


@shared
def refuse(index, message_number, values):
    if values[index] == message_number:
        raise KeyError("found")


def test_arguments_of_every_kind_arrive():
    rng = np.random.default_rng(0)
    source, out = rng.integers(-9, 9, (8, 12), np.int16)[::2, ::3], np.zeros((4, 4)).T
    rule = Rule(np.arange(6.0), np.float32(0.3), True, -7)
    flags = np.array([True, False, True, False])
    ALONE.run(Call(apply, 4, (rule, ((3, np.int64(5)), 0.125), flags, source, out)))
    expected = source * np.float64(np.float32(0.3)) + np.arange(4.0) + 8 + np.where(flags, 0.125, 0)[:, None]
    np.testing.assert_array_equal(out, expected)


def test_one_kernel_takes_arguments_of_several_types():
    for dtype in (np.int8, np.int32, np.float32, np.float64):
        values = np.arange(5).astype(dtype)
        ALONE.run(Call(grow, 5, (2, values)))
        assert values.tolist() == [1, 3, 5, 7, 9]


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_each_call_sees_what_those_before_it_wrote(threads):
    """All threads wait between calls: x -> 2x + 1 and x -> 3x + 1 do not commute."""
    team, values = Team(threads), np.zeros(64, np.int64)
    calls = [Call(grow, 64, (2 + i % 2, values)) for i in range(40)]
    expected = 0
    for i in range(40):
        expected = expected * (2 + i % 2) + 1
    team.run(*calls)
    assert set(values.tolist()) == {expected}
    assert expected < 2**63


@pytest.mark.parametrize("threads", [1, 2])
def test_calls_after_one_that_fails_are_not_made(threads):
    team, values, after = Team(threads), np.arange(9), np.zeros(9, np.int64)
    program = Program([Call(grow, 9, (1, values)), Call(refuse, 9, (5, values)), Call(grow, 9, (1, after))])
    job = team.job(program)
    with pytest.raises(KeyError, match="found"), job:
        job.advance(3)
    assert job.failed == 1
    assert values.tolist() == list(range(1, 10))
    assert not after.any()


@pytest.mark.parametrize("threads", [1, 2])
def test_a_program_runs_in_parts_and_again(threads):
    team, values = Team(threads), np.zeros(20, np.int64)
    program = Program([Call(grow, 20, (1, values)) for _ in range(6)])
    for turn in (1, 2):
        with team.job(program) as job:
            for stop in (0, 2, 2, 3, 6):
                job.advance(stop)
                assert set(values.tolist()) == {6 * (turn - 1) + stop}


def test_programs_without_calls_and_calls_without_blocks_do_nothing():
    values = np.zeros(3)
    Team(2).run()
    Team(2).run(Call(grow, 0, (1, values)), Call(grow, 1, (1, values)))
    assert values.tolist() == [1, 0, 0]


def test_arguments_are_freed_with_their_program():
    values = np.zeros(1000)
    before = sys.getrefcount(values)
    for _ in range(100):
        ALONE.run(Call(grow, 1000, (1, values)))
    gc.collect()
    assert sys.getrefcount(values) == before
