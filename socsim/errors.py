"""Errors that users meet, with the exit code that the command line gives them.

A message has four parts: where, what was found, what is allowed, what to do. Faults are collected
before an error is raised, so a file with five mistakes reports five.
"""

from __future__ import annotations

import json
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable


class SocsimError(Exception):
    """Base of every error that socsim raises for its input; constructible from `args`."""

    exit_code: ClassVar[int] = 3


class UsageError(SocsimError, ValueError):
    """A call or command asks for something that does not exist; nothing was read or run."""

    exit_code = 2


class PlatformError(SocsimError):
    """A platform description is wrong; the message names file, line and field."""


class UnknownNameError(UsageError, PlatformError):
    """No platform, runtime, clock or operating point has this name."""

    exit_code = 2


class WorkloadError(SocsimError):
    """A workload cannot be used."""


class MalformedModelError(WorkloadError):
    """A model file contradicts its own format."""


class LimitExceededError(WorkloadError):
    """A model file asks for more than the importer's budget."""


class ScenarioError(WorkloadError):
    """A scenario description is wrong; the message names file, line and field."""


class UnsupportedOperatorError(WorkloadError):
    """Operators have no kernel on any allowed unit; the message lists all of them."""

    exit_code = 4


class ResultError(SocsimError):
    """A stored result cannot be read."""


class MeasurementError(SocsimError):
    """A table of measurements cannot be used; the message lists every fault with its line."""


class ScheduleError(SocsimError):
    """No schedule can be made."""

    exit_code = 4


class InfeasibleError(ScheduleError):
    """A workload does not fit; `report` says demand, bound and gap.

    Args:
        message: the sentence for the user.
        report: an `InfeasibilityReport`, or None.
    """

    def __init__(self, message: str, report: object = None) -> None:
        super().__init__(message, report)
        self.report = report

    def __str__(self) -> str:
        return str(self.args[0])


class SimulationError(SocsimError):
    """The simulation broke one of its own rules."""

    exit_code = 70


class DeadlockError(SimulationError):
    """A run cannot finish; the message holds who waits for whom."""


class NumericsError(SocsimError):
    """Integer arithmetic left the range that its profile allows."""


class CosimError(SocsimError):
    """The other side of a co-simulation failed."""


_LONGEST_SHOWN = 60


def shown(value: Any) -> str:
    """Return a value from a file in the words of a message: text quoted and cut short, collections named."""
    match value:
        case None:
            return "nothing"
        case dict():
            return "a mapping"
        case list() | tuple():
            return "a list"
        case bool() | int() | float():
            return json.dumps(value)
    text = str(value)
    text = text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
    return json.dumps(text, ensure_ascii=False)


def misuse(argument: str, found: object, allowed: str) -> UsageError:
    """Return the error for an argument of a Python call that has the wrong type or value."""
    is_plain = found is None or isinstance(found, str | int | float)
    text = repr(found) if is_plain else f"a {type(found).__name__}"
    text = text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
    return UsageError(f"{argument} is {text}; give {allowed}")


def did_you_mean(name: str, known: Iterable[str], otherwise: str | None = None) -> str:
    """Return " Did you mean …?" for near matches of `name`, otherwise that sentence, or the known names."""
    choices = sorted(known)
    near = get_close_matches(name, choices, n=3, cutoff=0.6)
    if near:
        return f" Did you mean {' or '.join(repr(n) for n in near)}?"
    if otherwise is not None:
        return f" {otherwise}"
    return f" Known: {', '.join(choices)}." if choices else ""


def join_faults(where: str, faults: Iterable[str]) -> str:
    """Format the faults of one file: one stands in the sentence, several become a list."""
    lines = list(faults)
    if len(lines) == 1:
        return f"{where}: {lines[0]}"
    return f"{where}: {len(lines)} faults\n" + "\n".join(f"  - {line}" for line in lines)
