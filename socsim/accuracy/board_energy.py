"""Energy of a board for one inference: fitted coefficients on what the cost model books."""

from __future__ import annotations

from typing import TYPE_CHECKING

from socsim.soc.board_energy import board_coefficients

if TYPE_CHECKING:
    from socsim.accuracy.cases import Case
    from socsim.accuracy.energy_books import EnergyBooks


def board_energy_j(case: Case, books: EnergyBooks, latency_s: float) -> float | None:
    """Return the joules that the board of a case draws for one inference; None where nothing is known of its boards.

    Args:
        case: what was run.
        books: of one inference.
        latency_s: of one inference, calibrated where that is possible.
    """
    found = board_coefficients(case.platform, *case.group)
    if found is None:
        return None
    work = found.mac_pj[books.is_integer] * books.macs / 1e12 + found.arithmetic[books.is_integer] * books.arithmetic_j
    return found.static_w * latency_s + found.cycles * books.cycles_j + work + found.traffic * books.traffic_j
