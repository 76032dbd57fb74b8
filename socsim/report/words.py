"""Text that shows itself: in a notebook, a summary should print as lines, not as a quoted string."""

from __future__ import annotations


class Text(str):
    """A string whose representation is itself."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)
