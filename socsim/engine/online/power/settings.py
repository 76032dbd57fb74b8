"""What a scenario decides about power, and what a platform does otherwise."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, get_args

from socsim.errors import UnknownNameError, UsageError, did_you_mean
from socsim.schedule.governors import Governor, governor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from socsim.soc.platform import Platform

IdlePolicy = Literal["fitting", "immediate", "timeout", "never"]
DEFAULT_GOVERNOR = "performance"


@dataclass(frozen=True, slots=True)
class PowerSettings:
    """What a scenario decides about power.

    Args:
        governors: by clock, unit or kind of unit, the first that names a clock wins in this order.
        governor: of clocks that none of them names.
        idle: how idle domains take to their resting states; None: as the platform says.
        cap_nw: most average power; None: that of the platform's mode, if any.
        cap_window_ps: over which power is averaged for the cap.
        ambient_millicelsius: temperature of the surroundings; None: as the platform says.
        has_heat: whether temperatures are followed where the platform describes them.
    """

    governors: Mapping[str, str] = field(default_factory=dict)
    governor: str = DEFAULT_GOVERNOR
    idle: IdlePolicy | None = None
    cap_nw: int | None = None
    cap_window_ps: int = 100 * 10**9
    ambient_millicelsius: int | None = None
    has_heat: bool = True

    def __post_init__(self) -> None:
        """Refuse an idle policy that does not exist."""
        if self.idle is not None and self.idle not in get_args(IdlePolicy):
            msg = f"idle policy {self.idle!r} is not known.{did_you_mean(self.idle, get_args(IdlePolicy))}"
            raise UsageError(msg)

    def clock_governors(self, platform: Platform) -> dict[str, Governor]:
        """Return the governor of each clock that a unit has.

        Raises:
            UnknownNameError: names that are no clock, unit or kind of unit of the platform.
            UsageError: no such governor, or an operating point that the clock lacks.
        """
        clocks = {u.clock: None for u in platform.units.values() if u.clock in platform.file.clocks}
        kinds = sorted({u.kind for u in platform.units.values()})
        known = list(dict.fromkeys([*platform.file.clocks, *platform.units, *kinds]))
        if unknown := [name for name in self.governors if name not in known]:
            what = "is no clock, unit or kind of unit."
            faults = " ".join(f"{name!r} {what}{did_you_mean(name, known)}" for name in unknown)
            msg = f"governors on platform {platform.name!r}: {faults}"
            raise UnknownNameError(msg)
        return {clock: governor(self._named(platform, clock)) for clock in clocks}

    def _named(self, platform: Platform, clock: str) -> str:
        units = [(name, unit) for name, unit in platform.units.items() if unit.clock == clock]
        names = [clock, *(name for name, _ in units), *(unit.kind for _, unit in units)]
        return next((self.governors[name] for name in names if name in self.governors), self.governor)
