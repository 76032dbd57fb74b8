"""How fast the machine reads, writes and copies memory: NumPy over arrays that no cache holds."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

ARRAY_BYTES = 256 * 2**20
"""Several times the largest caches."""
_TIMES = 5


@dataclass(frozen=True, slots=True)
class Rates:
    """Bytes a second, the best of several passes.

    Args:
        read: by one core.
        write: by one core.
        copy: by one core, both directions counted.
        read_all: by all cores.
    """

    read: float
    write: float
    copy: float
    read_all: float


def streaming_rates(cores: int, array_bytes: int = ARRAY_BYTES) -> Rates:
    """Return what NumPy's maximum, fill and copy move in a second.

    Args:
        cores: threads of the last figure; each has a part of the array.
        array_bytes: size of each of the two arrays.
    """
    import numpy as np

    source = np.ones(array_bytes // 4, np.float32)
    sink = np.zeros_like(source)
    parts = np.array_split(source, cores)
    with ThreadPoolExecutor(cores) as pool:
        together = _rate(lambda: list(pool.map(lambda part: part.max(), parts)), array_bytes)
    return Rates(
        read=_rate(source.max, array_bytes),
        write=_rate(lambda: sink.fill(1), array_bytes),
        copy=_rate(lambda: np.copyto(sink, source), 2 * array_bytes),
        read_all=together,
    )


def _rate(work: Callable[[], object], moved: int) -> float:
    return moved / min(_seconds(work) for _ in range(_TIMES))


def _seconds(work: Callable[[], object]) -> float:
    start = perf_counter()
    work()
    return perf_counter() - start
