"""Threads that share the blocks of one result, and BLAS held to the thread that calls it.

A block is computed from the same operands in whichever thread takes it, and is written to its own part of the
result: the bits are the same for any number of threads and any size of blocks. All blocks that a thread takes are
computed in one call of a kernel, which needs the interpreter's lock at its begin and its end alone.

Threads hand over work in about a microsecond: a helper that has no block left waits in its kernel for the next
job, and takes the interpreter's lock only when the caller has begun with that job, so without the lock.
"""

from __future__ import annotations

import time
from functools import cached_property
from itertools import count
from queue import SimpleQueue
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, Self
from weakref import finalize

import numpy as np

from socsim.errors import UsageError
from socsim.numerics.atomics import added, loaded, stored
from socsim.numerics.jit import kernel, kernel_named

if TYPE_CHECKING:
    from collections.abc import Callable

    from socsim.numerics.arrays import Array

    SharedKernel = Callable[..., Any]

GREATEST_THREADS = 256

_CLAIMED, _BEGUN, _ENDED = 0, 8, 16  # counters of a job, each in a cache line of its own
_COUNTERS = 24

_BLOCKS = 8  # for each thread

_LOOKS = 2000  # for the last helper, about 0.1 ms; then the caller naps
_LINGERING = 8000  # looks for the next job, about 0.4 ms; then a helper sleeps until it is woken
_PAUSE = 16  # turns between two looks
_NAP = 5e-5  # seconds between two looks of the caller after that


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

    @property
    def blocks(self) -> int:
        """How many blocks of what is worth sharing keep all threads busy to the end."""
        return 1 if self.threads == 1 else _BLOCKS * self.threads

    def rows(self, number: int, limit: int, *, is_shared: bool) -> int:
        """Return how many of `number` rows make a block.

        Args:
            number: rows.
            limit: rows of a block that its buffers have room for, 1 or more.
            is_shared: whether the rows are worth sharing; then blocks are as many as keep all threads busy.
        """
        most = -(-number // self.blocks) if is_shared else number
        return max(min(most, limit), 1)

    def run(self, function: SharedKernel, blocks: int, *args: Any) -> None:
        """Compute every block once, in this thread and in as many others as there are blocks for.

        Args:
            function: what `shared` made.
            blocks: number of blocks.
            args: of the function, the same for all blocks.

        Raises:
            Exception: what a block raises, in any of the threads.
        """
        job = _Job(function, blocks, args, next(self._numbers), self._bell)
        helpers = min(self.threads, blocks) - 1
        for _ in range(helpers):
            self._jobs.put(job)
        try:
            is_done = job.begin()
        except BaseException:
            job.stop()
            raise
        while helpers > 0 and not is_done:
            time.sleep(_NAP)
            is_done = _is_done(job.counters)
        for error in job.errors:
            raise error

    @cached_property
    def _jobs(self) -> SimpleQueue[_Job | None]:
        """What helpers take their work from; they end with the team."""
        jobs: SimpleQueue[_Job | None] = SimpleQueue()
        for _ in range(self.threads - 1):
            Thread(target=_help, args=(jobs,), name="socsim-numerics", daemon=True).start()
            finalize(self, jobs.put, None)
        return jobs


ALONE = Team()
"""The caller's thread, and no other."""


def shared(block: Callable[..., None]) -> SharedKernel:
    """Return a kernel for `Team.run` of a function that computes block number `index`: block(index, *args)."""
    compiled = kernel(block)

    def run(counters: Array, blocks: int, number: int, bell: Array, args: tuple[Any, ...]) -> bool:
        is_helper = number < 0
        if not is_helper:
            stored(bell, 0, number)
        index = added(counters, _CLAIMED, 1)
        while index < blocks:
            compiled(index, *args)
            index = added(counters, _CLAIMED, 1)
        if not is_helper:
            return _is_soon_done(counters)
        added(counters, _ENDED, 1)
        _linger(bell, -number)
        return True

    return kernel_named(f"{block.__module__}.{block.__qualname__}.shared", run)


class _Job:
    """Blocks of one result that threads take one by one.

    A helper says that it has begun before it takes a block. So when no block is left and all that have begun have
    ended, every block is done; a helper that comes later finds none.
    """

    def __init__(self, function: SharedKernel, blocks: int, args: tuple[Any, ...], number: int, bell: Array) -> None:
        self.counters = np.zeros(_COUNTERS, np.int64)
        self.errors: list[BaseException] = []
        self._function, self._blocks, self._args, self._number, self._bell = function, blocks, args, number, bell

    def begin(self) -> bool:
        """Ring the bell and take part, in the caller; return whether all helpers have ended, too."""
        return bool(self._function(self.counters, self._blocks, self._number, self._bell, self._args))

    def help(self) -> None:
        """Take part, in a helper, and wait for the bell to ring again, for a while."""
        _begin(self.counters)
        try:
            self._function(self.counters, self._blocks, -self._number, self._bell, self._args)
        except BaseException as error:
            self.errors.append(error)
            _end(self.counters)

    def stop(self) -> None:
        """Leave no block to take, and wait for the helpers that have begun."""
        _take_all(self.counters, self._blocks)
        while not _is_done(self.counters):
            time.sleep(_NAP)


def _help(jobs: SimpleQueue[_Job | None]) -> None:
    """Help with jobs until None comes."""
    while job := jobs.get():
        job.help()
        del job  # its arrays are the caller's


@kernel
def _begin(counters: Array) -> None:
    added(counters, _BEGUN, 1)


@kernel
def _end(counters: Array) -> None:
    added(counters, _ENDED, 1)


@kernel
def _take_all(counters: Array, blocks: int) -> None:
    added(counters, _CLAIMED, blocks)


@kernel
def _is_done(counters: Array) -> bool:
    """Whether all helpers that have begun have ended; those that ended are counted first, as more may begin."""
    ended = loaded(counters, _ENDED)
    return bool(ended == loaded(counters, _BEGUN))


@kernel
def _is_soon_done(counters: Array) -> bool:
    for _ in range(_LOOKS):
        if _is_done(counters):
            return True
        _pause(_PAUSE)
    return False


@kernel
def _linger(bell: Array, number: int) -> None:
    """Wait until another job than this one was begun, or for long enough."""
    for _ in range(_LINGERING):
        if loaded(bell, 0) != number or _pause(_PAUSE) == 0:
            return


@kernel
def _pause(turns: int) -> int:
    """Keep this processor busy, about 2 ns a turn; the result is never 0, which compilers do not know."""
    state = np.uint32(1)
    for _ in range(turns):  # xorshift: each turn needs the one before, so none can be left out
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

        return ThreadpoolController()


SINGLE_BLAS = _BlasHold()
