"""The name that a machine gets as a platform."""

from __future__ import annotations

import re
import socket

from socsim.errors import misuse

_LEGAL = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


def platform_name(name: str | None) -> str:
    """Return a name for a platform; where None, the machine's own, with what is not allowed there replaced.

    Raises:
        UsageError: not a name that a platform may have.
    """
    if name is None:
        own = re.sub(r"[^a-z0-9._-]+", "-", socket.gethostname().lower()).strip("-._")
        return own[:64] or "host"
    if not isinstance(name, str) or not _LEGAL.fullmatch(name):
        raise misuse("platform", name, 'a name of small letters, digits, ".", "_" and "-", such as "my-board"')
    return name
