"""What a simulation may be asked; the same names and defaults as `socsim.simulate` and the command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from typing import TYPE_CHECKING, Any

from socsim.errors import UsageError, misuse
from socsim.inputs import is_whole
from socsim.quantities import Power, Quantity, Temperature, Time

if TYPE_CHECKING:
    from pathlib import Path

    from socsim.workload.scenario.scenario import Scenario

DETAILS = ("transaction", "tile")
ALL = "*"
"""Stands for every server, or every clock."""


@dataclass(frozen=True)
class SimulationOptions:
    """How a scenario is simulated, where that differs from what it says.

    Args:
        duration: time in which activations are released.
        seed: of everything random.
        policy: by server, or by unit or kind of unit; `ALL` for the rest.
        governor: by clock, or by unit or kind of unit; `ALL` for the rest.
        mode: power mode of the platform.
        cap: most average power, in text.
        ambient: temperature of the surroundings, in text.
        detail: "transaction", or "tile" to let steps be interrupted between tiles.
        calibration: "auto", "none" or a file.
        is_traced: whether the timeline is kept.
        skips: whether stretches that repeat are counted without being stepped through.
    """

    duration: str | Time | None = None
    seed: int | None = None
    policy: Mapping[str, str] = field(default_factory=dict)
    governor: Mapping[str, str] = field(default_factory=dict)
    mode: str | None = None
    cap: str | Power | None = None
    ambient: str | Temperature | None = None
    detail: str = "transaction"
    calibration: str | Path = "auto"
    is_traced: bool = False
    skips: bool = True

    def __post_init__(self) -> None:
        for name in ("policy", "governor"):
            given = getattr(self, name)
            if not isinstance(given, Mapping) or not all(isinstance(t, str) and t for p in given.items() for t in p):
                raise misuse(name, given, f"a name, or names by {'server' if name == 'policy' else 'clock'}")
        if self.seed is not None and not (is_whole(self.seed) and 0 <= self.seed < 2**63):
            raise misuse("seed", self.seed, "a whole number from 0 up")
        if self.detail not in DETAILS:
            raise misuse("detail", self.detail, f"one of {', '.join(DETAILS)}")
        if not isinstance(self.calibration, str | PathLike) or self.calibration == "":
            raise misuse("calibration", self.calibration, '"auto", "none" or a file that calibrate wrote')
        if self.mode is not None and not (isinstance(self.mode, str) and self.mode):
            raise misuse("mode", self.mode, "the name of a power mode, or leave it out")
        for name, given in (("trace", self.is_traced), ("skip", self.skips)):
            if not isinstance(given, bool):
                raise misuse(name, given, "True or False")

    @classmethod
    def of(cls, **given: Any) -> SimulationOptions:
        """Return options; one name for `policy` or `governor` holds for all."""
        for name in ("policy", "governor"):
            value = given.get(name)
            given[name] = {} if value is None else {ALL: value} if isinstance(value, str) else value
        return cls(**given)

    def duration_ps(self, scenario: Scenario) -> int:
        """Return the time in which activations are released."""
        if self.duration is None:
            return scenario.file.duration.value
        made = _quantity(Time, "duration", self.duration)
        if made.value <= 0:
            raise UsageError(f"duration {str(made)!r} is not above zero; write a time such as '10 s'")
        return made.value

    def cap_nw(self, scenario: Scenario) -> int | None:
        """Return the most average power in nanowatts; None for no cap."""
        cap = scenario.file.power.cap if self.cap is None else _quantity(Power, "cap", self.cap)
        return None if cap is None else cap.value

    def ambient_millicelsius(self, scenario: Scenario) -> int | None:
        """Return the temperature of the surroundings; None: as the platform says."""
        if self.ambient is not None:
            return _quantity(Temperature, "ambient", self.ambient).value
        return None if scenario.file.power.ambient is None else scenario.file.power.ambient.value


def _quantity(kind: type[Any], name: str, given: object) -> Quantity:
    try:
        made: Quantity = kind(given)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{name}: {error}") from None
    if made.value < kind.least:
        lowest = kind.of(kind.least)
        raise UsageError(f"{name} {str(made)!r} is below {str(lowest)!r}; write a {kind.noun} such as {kind.example!r}")
    return made
