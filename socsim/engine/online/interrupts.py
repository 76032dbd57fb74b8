"""Ctrl-C while time goes on: taken note of at once, heeded between two moments, when all books agree."""

from __future__ import annotations

import signal
from threading import current_thread, main_thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType, TracebackType


class Interrupts:
    """Keeps the first Ctrl-C of the body of a `with` for whoever asks; the second one raises KeyboardInterrupt.

    Only where Python would raise KeyboardInterrupt: in the main thread, and where nobody else handles the signal.
    """

    def __init__(self) -> None:
        self.came = False
        """Whether there was one."""
        self._is_ours = False

    def __enter__(self) -> Interrupts:
        is_main = current_thread() is main_thread()
        self._is_ours = is_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if self._is_ours:
            signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._is_ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.came:
            signal.default_int_handler(number, frame)
        self.came = True
