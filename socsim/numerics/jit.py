"""The compiler of kernels: Numba, with its cache in the user's cache folder where that can be written.

Widths are explicit in every kernel: Numba promotes integers differently from NumPy and from Python, so
kernels cast what they compute, and no test compares a kernel with its uncompiled form.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numba
from platformdirs import user_cache_dir

if TYPE_CHECKING:
    from collections.abc import Callable

    F = TypeVar("F", bound=Callable[..., Any])


def _cache_folder() -> Path | None:
    """Return a folder for compiled kernels, or None where none can be written."""
    folder = Path(os.environ.get("SOCSIM_CACHE_DIR") or user_cache_dir("socsim")) / "kernels"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK) else None


CACHE_FOLDER = _cache_folder()
if CACHE_FOLDER is not None and "NUMBA_CACHE_DIR" not in os.environ:
    numba.config.CACHE_DIR = str(CACHE_FOLDER)  # type: ignore[attr-defined]


def kernel(function: F) -> F:
    """Compile a kernel when it is first called; the compiled form is kept for later processes."""
    return cast("F", numba.njit(cache=CACHE_FOLDER is not None, nogil=True, error_model="numpy")(function))


def inlined(function: F) -> F:
    """Compile a small function into the kernels that call it."""
    return cast("F", numba.njit(inline="always", error_model="numpy")(function))
