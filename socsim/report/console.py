"""Standard output as commands need it: a full disk is one message, a reader that has gone is none."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from socsim.errors import ResultError

if TYPE_CHECKING:
    from typing import TextIO


class Console:
    """Stands in for `sys.stdout`, and passes on everything but failures to write.

    After a failure, what is left in the buffer goes nowhere, so that the end of the process is quiet, and
    every further call fails alike: libraries that try a stream before they use it swallow the first error.

    Args:
        stream: standard output; None where the process was started without one.

    Raises:
        ResultError: from `write` and `flush`, where the system refuses. A pipe whose reader has gone is no
            failure: nobody wants the rest.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self._failure = ""

    def write(self, text: str) -> int:
        """Write text, and return how many characters."""
        if self._stream is None:
            self._failure = "is closed"
        self._guarded("write", text)
        return len(text)

    def flush(self) -> None:
        """Hand over what is buffered."""
        if self._stream is not None:
            self._guarded("flush")

    def _guarded(self, method: str, *arguments: str) -> None:
        try:
            if not self._failure:
                getattr(self._stream, method)(*arguments)
        except BrokenPipeError:
            self._drop()
        except OSError as error:
            self._drop()
            self._failure = f"cannot be written: {error.strerror or error}"
        if self._failure:
            msg = f"standard output {self._failure}; give the results somewhere to go"
            raise ResultError(msg)

    def _drop(self) -> None:
        """Send what is buffered, and what follows, nowhere."""
        if self._stream is None:
            return
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
