"""The compiler of kernels: Numba, and compiled kernels kept in the user's cache folder.

Widths are explicit in every kernel: Numba promotes integers differently from NumPy and from Python, so
kernels cast what they compute, and no test compares a kernel with its uncompiled form.

Numba's own rules for its cache are not used: they ignore a folder that cannot be written to, keep kernels whose
helpers in another file have changed, take unchecked kernels where bounds are to be checked, and two processes that
fill a folder at once can leave the code of one signature under the name of another. Its files are, one pair for each
signature, named by everything that the code depends on. They hold machine code: a folder that others can write
to is not used.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numba
from numba.core.caching import IndexDataCacheFile
from numba.core.compiler import CompileResult
from platformdirs import user_cache_dir

if TYPE_CHECKING:
    from collections.abc import Callable

    F = TypeVar("F", bound=Callable[..., Any])


def kernel(function: F) -> F:
    """Compile a kernel when it is first called; the compiled form is kept for later processes."""
    return kernel_named(f"{function.__module__}.{function.__qualname__}", function)


def kernel_named(name: str, function: F) -> F:
    """Compile a kernel that one function makes of others, and keep it under a name of its own.

    Kernels outside of this package are not kept: nothing says what they are made of.
    """
    compiled: Any = numba.njit(nogil=True, error_model="numpy")(function)
    if name.startswith("socsim.") and not numba.config.DISABLE_JIT:  # type: ignore[attr-defined]
        compiled._cache = _KernelCache(name)  # as Numba's `cache=True` does
    return cast("F", compiled)


def inlined(function: F) -> F:
    """Compile a small function into the kernels that call it."""
    return cast("F", numba.njit(inline="always", error_model="numpy")(function))


def cache_folder() -> Path:
    """Return the folder of compiled kernels; SOCSIM_CACHE_DIR chooses another than the user's cache folder.

    Kernels that check bounds have a folder of their own.
    """
    name = "kernels-checked" if numba.config.BOUNDSCHECK else "kernels"  # type: ignore[attr-defined]
    return Path(os.environ.get("SOCSIM_CACHE_DIR") or user_cache_dir("socsim")) / name


class _KernelCache:
    """Compiled forms of one kernel; a folder that cannot be read or written costs time alone.

    It has the methods of a cache that Numba's dispatchers call.

    Args:
        name: of the kernel, from that of its module on.
    """

    def __init__(self, name: str) -> None:
        self._folder, self._name = cache_folder(), name

    @property
    def cache_path(self) -> str:
        """The folder."""
        return str(self._folder)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the compiled form for a signature; None where none was kept, or none that can be read."""
        target_context.refresh()
        key = (sig, target_context.codegen().magic_tuple())
        if not _is_trusted(self._folder):
            return None
        try:
            kept = self._file(key).load(key)
        except Exception:  # a damaged file can raise anything; the kernel is compiled anew
            return None
        rebuild: Any = CompileResult._rebuild
        return rebuild(target_context, *kept) if kept else None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep a compiled form: its files are written at once or not at all."""
        if data.library.has_dynamic_globals:  # addresses of this process
            return
        key = (sig, data.codegen.magic_tuple())
        with suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if _is_trusted(self._folder):
                file = self._file(key)
                file.flush()  # which a damaged index needs
                file.save(key, data._reduce())

    def flush(self) -> None:
        """Keep what there is: files of other sources are never read."""

    def _file(self, key: Any) -> Any:
        sources = _sources(self._name.split(".")[1])
        digest = sha256(f"{key} {numba.__version__} {sys.version} {sources}".encode()).hexdigest()
        return IndexDataCacheFile(str(self._folder), f"{self._name}-{digest[:32]}", sources)


def _is_trusted(folder: Path) -> bool:
    """Whether a folder belongs to this user or the superuser, and nobody else can write to it."""
    if os.name != "posix":  # the folders of users are their own there
        return True
    try:
        status = folder.stat()
    except OSError:
        return False
    return status.st_uid in (os.geteuid(), 0) and not status.st_mode & 0o022


@cache
def _sources(part: str) -> str:
    """Return a digest of all modules of a part of the package: its kernels call one another across files."""
    modules = sorted((Path(__file__).parents[1] / part).rglob("*.py"))
    return sha256(b"".join(sha256(module.read_bytes()).digest() for module in modules)).hexdigest()
