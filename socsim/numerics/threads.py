"""Threads that share the blocks of calls, and BLAS held to the thread that calls it.

A block is computed from the same operands in whichever thread takes it, and is written to its own part of the
result: the bits are the same for any number of threads and any size of blocks.

Threads go through a program side by side, without the interpreter: each takes blocks of a call until none is left,
waits until all are done, about a microsecond where threads are equally fast, and goes on to the next call. Each
has a seat, whose share of the blocks it takes first: the same part of every result, which lies in the cache of its
processor; then it takes what others have left. So nobody needs to come, and a late helper costs time alone. A
thread that has waited for long, or worked for long, returns to the interpreter: processors that other programs
keep busy are left to them, and signals are seen.
"""

from __future__ import annotations

import time
from contextlib import suppress
from functools import cached_property
from itertools import count
from queue import SimpleQueue
from threading import Lock, Thread, current_thread
from typing import TYPE_CHECKING, Any, Self
from weakref import finalize

import numpy as np

from socsim.errors import UsageError
from socsim.numerics.atomics import added, loaded, stored
from socsim.numerics.calls import BLOCKS, ENTRY, RECORD, Call, Program, called
from socsim.numerics.jit import kernel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from socsim.numerics.arrays import Array

    Jobs = SimpleQueue[tuple["Job", int] | None]
    """Jobs and the seats that are free in them; None ends a helper."""

GREATEST_THREADS = 256

# Counters of a job, in cache lines of their own: calls that may begin, whether the job is given up, helpers inside;
# then for each call and seat the blocks of that seat that were taken, and the blocks that who sits there has done.
_RELEASED, _STOPPED, _INSIDE, _CALLS = 0, 8, 16, 24
_TAKEN, _DONE, _LINE = 0, 1, 8

_BLOCKS = 4  # for each thread: those that take longer are made up for

_LOOKS = 2000  # for the blocks of others, about 0.2 ms; then a thread naps
_LINGERING = 4500  # looks for the next call, about 0.4 ms; then a helper sleeps until it is woken
_PAUSE = 64  # turns between two looks
_NAP = 5e-5  # seconds
_TURN = 64  # blocks after which the caller looks for signals
_FAREWELL = 1.0  # seconds that helpers have to end


class Team:
    """The threads of an executable: the caller's, and helpers that start with the first work that is shared.

    Args:
        threads: how many compute at once, the caller's included.

    Raises:
        UsageError: not an integer from 1 to 256.
    """

    def __init__(self, threads: int = 1) -> None:
        if isinstance(threads, bool) or not isinstance(threads, int) or not 1 <= threads <= GREATEST_THREADS:
            msg = f"threads is {threads!r}; give an integer from 1 to {GREATEST_THREADS}"
            raise UsageError(msg)
        self.threads = threads
        self._bell, self._numbers = np.zeros(1, np.int64), count(1)

    def parts(self, number: int, limit: int, worth: int) -> int:
        """Return into how many blocks of about equal size to split rows, or whatever else there is a number of.

        Args:
            number: rows.
            limit: rows of a block that its buffers have room for, 1 or more.
            worth: how many blocks there is enough work for; fewer than two are not shared.
        """
        least = max(-(-number // limit), 1)
        wanted = min(worth, number, _BLOCKS * self.threads)
        if self.threads == 1 or wanted < 2:
            return least
        even = -(-max(least, wanted) // self.threads) * self.threads
        return even if even <= number else max(least, wanted)

    def run(self, *calls: Call) -> None:
        """Compute calls one after the other, every block once.

        Raises:
            Exception: what a block raises, in any of the threads.
        """
        with self.job(Program(calls)) as job:
            job.advance(len(calls))

    def job(self, program: Program) -> Job:
        """Return a run of a program by this thread and as many others as there are blocks for."""
        seats = max(min(self.threads, program.most_blocks), 1)
        return Job(program, seats, next(self._numbers), self._bell, self._jobs if seats > 1 else None)

    @cached_property
    def _jobs(self) -> Jobs:
        """What helpers take their work from; they end with the team."""
        jobs: Jobs = SimpleQueue()
        helpers = [
            Thread(target=_help, args=(jobs,), name="socsim-numerics", daemon=True) for _ in range(self.threads - 1)
        ]
        for helper in helpers:
            helper.start()
        finalize(self, _dismiss, helpers, jobs)
        return jobs


ALONE = Team()
"""The caller's thread, and no other."""


class Job:
    """A run of a program: the calls that may begin are released one part after the other.

    A context: when it is left by an exception, helpers have left the program's arrays.

    Args:
        program: the calls.
        seats: how many threads may take part, the caller in seat 0.
        number: of the job in its team.
        bell: the number of the team's last job; helpers that wait leave a job when another begins.
        jobs: where helpers are called; None where there are no seats for any.
    """

    def __init__(self, program: Program, seats: int, number: int, bell: Array, jobs: Jobs | None) -> None:
        self._program, self._seats, self._number, self._bell, self._jobs = program, seats, number, bell, jobs
        self._counters = np.zeros(_CALLS + len(program.table) * seats * _LINE, np.int64)
        self._absent = list(range(1, seats))
        self._errors: list[BaseException] = []
        self._position = self._released = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            self._released = 0
            _stop(self._counters)
            while _is_any_inside(self._counters):
                time.sleep(_NAP)

    def advance(self, stop: int) -> None:
        """Compute the calls before number `stop` that are not done yet.

        Raises:
            Exception: what a block raises, in any of the threads.
        """
        if self._position >= stop:
            return
        self._release(stop)
        while self._position < stop:
            self._position, waits = _advance(self._program.table, self._counters, self._position, stop, self._seats)
            if self._errors:
                raise self._errors[0]
            if waits:
                time.sleep(_NAP)

    def _release(self, stop: int) -> None:
        """Let calls before a number begin, and call the helpers that are not there."""
        self._released = stop
        _release(self._counters, stop, self._bell, self._number)
        self._call()

    def _call(self) -> None:
        """Call a helper to each free seat."""
        with suppress(IndexError):  # another thread may take the last one
            while self._jobs and self._absent:
                self._jobs.put((self, self._absent.pop()))

    @property
    def failed(self) -> int:
        """The first call that is not done."""
        done = self._counters[_CALLS + _DONE :: _LINE].reshape(-1, self._seats).sum(axis=1)
        return int(np.argmin(done >= self._program.table[:, BLOCKS]))

    def help(self, seat: int) -> None:
        """Take part, in a helper, until the job or the patience ends."""
        position, waits, place = 0, True, (seat, self._seats)
        _enter(self._counters)
        try:
            while waits:
                position, waits = _assist(
                    self._program.table, self._counters, position, place, self._bell, self._number
                )
                if waits:
                    time.sleep(_NAP)
        except BaseException as error:
            self._errors.append(error)
            _stop(self._counters)
        finally:
            _leave(self._counters)
        self._absent.append(seat)
        if position < self._released and not self._errors:  # released after this thread last looked
            self._call()


def _help(jobs: Jobs) -> None:
    """Help with jobs until None comes."""
    while called_to := jobs.get():
        job, seat = called_to
        job.help(seat)
        del job, called_to  # its arrays are the caller's


def _dismiss(helpers: Sequence[Thread], jobs: Jobs) -> None:
    """End helpers, before the interpreter and the code that they are in."""
    for _ in helpers:
        jobs.put(None)
    for helper in helpers:
        if helper is not current_thread():
            helper.join(_FAREWELL)


@kernel
def _release(counters: Array, stop: int, bell: Array, number: int) -> None:
    stored(counters, _RELEASED, stop)
    stored(bell, 0, number)


@kernel
def _stop(counters: Array) -> None:
    stored(counters, _STOPPED, 1)


@kernel
def _enter(counters: Array) -> None:
    added(counters, _INSIDE, 1)


@kernel
def _leave(counters: Array) -> None:
    added(counters, _INSIDE, -1)


@kernel
def _is_any_inside(counters: Array) -> bool:
    return bool(loaded(counters, _INSIDE) > 0)


@kernel
def _advance(table: Array, counters: Array, position: int, stop: int, seats: int) -> tuple[int, bool]:
    """Compute calls from `position` on, in the caller; return the first that is not done, and whether it waits.

    It returns before `stop` where others take long over their blocks, and after many blocks of its own.
    """
    room = _TURN
    while position < stop:
        room = _take(table, counters, position, (0, seats), room)
        if room <= 0 and not _is_done(table, counters, position, seats):
            return position, False
        if not _is_soon_done(table, counters, position, seats):
            return position, True
        position += 1
        if room <= 0:
            break
    return position, False


@kernel
def _assist(
    table: Array, counters: Array, position: int, place: tuple[int, int], bell: Array, number: int
) -> tuple[int, bool]:
    """Compute calls from `position` on, in a helper; return the first that is not done, and whether it waits for it.

    It leaves where no call is released for long, another job has begun or this one is given up.
    """
    while position < table.shape[0]:
        for look in range(_LINGERING + 1):
            if loaded(counters, _RELEASED) > position:
                break
            is_over = loaded(counters, _STOPPED) != 0 or loaded(bell, 0) != number
            if is_over or look == _LINGERING or _pause(counters) == 0:
                return position, False
        _take(table, counters, position, place, table[position, BLOCKS])
        if loaded(counters, _STOPPED) != 0:
            return position, False
        if not _is_soon_done(table, counters, position, place[1]):
            return position, True
        position += 1
    for _ in range(_LINGERING):
        if loaded(bell, 0) != number or _pause(counters) == 0:
            break
    return position, False


@kernel
def _take(table: Array, counters: Array, position: int, place: tuple[int, int], room: int) -> int:
    """Compute blocks of a call while there are any, `room` at most; return how many less than that it were.

    Args:
        table: of the program.
        counters: of the job.
        position: of the call.
        place: the seat of this thread, and how many there are.
        room: see above.
    """
    seat, seats = place
    blocks, own = table[position, BLOCKS], _line(position, place)
    for turn in range(seats):
        other = (seat + turn) % seats
        line = _line(position, (other, seats))
        first, last = -(-blocks * other // seats), -(-blocks * (other + 1) // seats)
        while room > 0 and first + loaded(counters, line + _TAKEN) < last and loaded(counters, _STOPPED) == 0:
            index = first + added(counters, line + _TAKEN, 1)
            if index < last:
                called(table[position, ENTRY], index, table[position, RECORD])
                added(counters, own + _DONE, 1)
                room -= 1
    return room


@kernel
def _line(position: int, place: tuple[int, int]) -> int:
    """Return where the counters of a call and a seat begin."""
    return _CALLS + (position * place[1] + place[0]) * _LINE


@kernel
def _is_done(table: Array, counters: Array, position: int, seats: int) -> bool:
    done = 0
    for seat in range(seats):
        done += loaded(counters, _line(position, (seat, seats)) + _DONE)
    return bool(done >= table[position, BLOCKS])


@kernel
def _is_soon_done(table: Array, counters: Array, position: int, seats: int) -> bool:
    for _ in range(_LOOKS):
        if _is_done(table, counters, position, seats):
            return True
        if loaded(counters, _STOPPED) != 0 or _pause(counters) == 0:
            return False
    return False


@kernel
def _pause(counters: Array) -> int:
    """Keep this processor busy for about 100 ns; the result is never 0, which compilers do not know."""
    state = np.uint32(loaded(counters, _RELEASED)) | np.uint32(1)  # from memory, or the result would be known
    for _ in range(_PAUSE):  # xorshift: each turn needs the one before, so none can be left out
        state ^= state << np.uint32(13)
        state ^= state >> np.uint32(17)
        state ^= state << np.uint32(5)
    return int(state)


class _BlasHold:
    """Keeps BLAS on the thread that calls it for as long as a run lasts; runs may nest and overlap.

    BLAS with threads of its own would make calls from several threads wait for each other.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._runs = 0
        self._limit: Any = None

    def __enter__(self) -> Self:
        with self._lock:
            if not self._runs:
                self._limit = self._controller.limit(limits=1, user_api="blas")
            self._runs += 1
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._runs -= 1
            if not self._runs:
                self._limit.restore_original_limits()

    @cached_property
    def _controller(self) -> Any:
        from threadpoolctl import ThreadpoolController

        _stop(np.zeros(_CALLS, np.int64))  # compiled code loads a BLAS of its own when it is first used
        return ThreadpoolController()


SINGLE_BLAS = _BlasHold()
