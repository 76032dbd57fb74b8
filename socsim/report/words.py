"""Text that shows itself: in a notebook, a summary should print as lines, not as a quoted string."""

from __future__ import annotations

from html import escape


class Text(str):
    """A string whose representation is itself."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return f"<pre>{escape(self)}</pre>"
