"""The clock of a core, counted: a chain of subtractions takes a cycle each, whatever the system says of its clock.

Virtual machines hide the clock or tell a nominal one. Other machines than x86-64 let it be read (`clocks`).
"""

from __future__ import annotations

import ctypes
import mmap
import platform
from functools import cache
from time import perf_counter_ns
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_CHAIN = 64
"""Subtractions in a turn of the loop; its branch runs beside them."""
_CYCLES = 100 * _CHAIN * 16
_TRIES = 40


def counted_mhz() -> float | None:
    """Return the clock in MHz of the core that this runs on; None for other machines than x86-64 with Linux, or where
    no code of its own may run.

    The shortest of many tries counts, so that other work on the core does not matter.

    Source: a subtraction of one register from another has a latency of one cycle on every core of Intel and AMD (Agner
    Fog, instruction tables).
    """
    chain = _chain()
    if chain is None:
        return None
    return _CYCLES * 1e3 / min(_elapsed_ns(chain) for _ in range(_TRIES))


def _elapsed_ns(chain: Callable[[int, int], None]) -> int:
    start = perf_counter_ns()
    chain(_CYCLES, 1)
    return max(perf_counter_ns() - start, 1)


def _code() -> bytes | None:
    """Return a function that takes 1 from its first argument until nothing is left, in the machine's own words."""
    if platform.machine() != "x86_64" or platform.system() != "Linux":
        return None
    body = b"\x48\x29\xf7" * _CHAIN  # sub rdi, rsi
    back = -(len(body) + 6)
    return body + b"\x0f\x85" + back.to_bytes(4, "little", signed=True) + b"\xc3"  # jnz back; ret


@cache
def _chain() -> Callable[[int, int], None] | None:
    code = _code()
    if code is None:
        return None
    try:
        page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    except (OSError, ValueError, AttributeError):  # a hardened system
        return None
    page.write(code)
    start = ctypes.addressof(ctypes.c_char.from_buffer(page))
    found = ctypes.CFUNCTYPE(None, ctypes.c_uint64, ctypes.c_uint64)(start)

    def run(cycles: int, step: int, _page: mmap.mmap = page) -> None:  # the page lives as long as the function
        found(cycles, step)

    return run
