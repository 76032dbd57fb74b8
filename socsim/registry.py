"""A table of named classes that fill themselves in when a subclass is made."""

from __future__ import annotations

from typing import Generic, TypeVar

from socsim.errors import UsageError, did_you_mean

T = TypeVar("T")


class Registry(Generic[T]):
    """Classes by name; a second class under a name, and an unknown name, are errors.

    Args:
        what: what the names stand for, for messages.
        group: entry points of other packages that bring classes; they are imported when a name is not known otherwise,
            and when all are listed. None: there are none.
    """

    def __init__(self, what: str, group: str | None = None) -> None:
        self._what = what
        self._group = group
        self._classes: dict[str, type[T]] = {}

    def _load_others(self) -> None:
        """Import what other packages bring, once; a class adds itself."""
        from importlib.metadata import entry_points  # takes 20 ms, and few names come from elsewhere

        group, self._group = self._group, None
        for point in entry_points(group=group) if group else ():
            point.load()

    def add(self, name: str, cls: type[T]) -> None:
        """Register `cls`.

        Raises:
            UsageError: the name is taken.
        """
        if name in self._classes:
            msg = f"{self._what} {name!r} is already {self._classes[name].__qualname__}; choose another name"
            raise UsageError(msg)
        self._classes[name] = cls

    def __getitem__(self, name: str) -> type[T]:
        """Return the class of that name.

        Raises:
            UsageError: no such name; the message lists near or known ones.
        """
        if name not in self._classes:
            self._load_others()
        if name not in self._classes:
            msg = f"{self._what} {name!r} is not known.{did_you_mean(name, self._classes)}"
            raise UsageError(msg)
        return self._classes[name]

    def names(self) -> list[str]:
        """Return the known names in alphabetical order."""
        self._load_others()
        return sorted(self._classes)
