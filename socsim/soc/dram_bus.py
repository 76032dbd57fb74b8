"""What a DRAM's timings leave of its pin rate, and how long requests wait: closed forms for the fluid level."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cache, cached_property
from typing import TYPE_CHECKING

from socsim.quantities import PS_PER_S
from socsim.soc.dram import DramController, DramDevice, DramTimes, dram_device, dram_times

if TYPE_CHECKING:
    from socsim.soc.schema import Dram

_STEPS = 256
"""Steps of load between none and a full memory."""


@dataclass(frozen=True)
class DramBus:
    """Channels of one kind of device.

    Args:
        device: the device of a channel.
        channels: how many there are.
        ranks: of each channel.
        controller: queues, mapping and refresh.
        data_rate: transfers a second.

    Assumes: requests spread evenly over channels; streams that are under way at once lie in different banks.
    Valid for: 5 % of the burst level on streams of reads, of writes and of both in one region, and on random
    reads, for every device of `platforms/dram/`.
    """

    device: DramDevice
    channels: int
    ranks: int
    controller: DramController
    data_rate: int

    @cached_property
    def times(self) -> DramTimes:
        """Timings of a channel in picoseconds."""
        return dram_times(self.device, self.data_rate)

    @property
    def peak_bytes_per_s(self) -> int:
        """Payload at the data rate with the bus never idle."""
        return self.channels * self.device.access.value * self.data_rate // self.device.beats

    def efficiency(self, reads: Fraction = Fraction(1), row_hits: Fraction | None = None) -> Fraction:
        """Return the share of the peak that a channel reaches with its queues full.

        Three causes: opened rows limit the pace of accesses, each change of direction idles the bus, and
        refresh takes the rest.

        Args:
            reads: share of reads among the accesses.
            row_hits: share of accesses that find their row open; None for sequential streams.
        """
        if row_hits is None:
            row_hits = 1 - Fraction(self.device.access.value, self.device.row.value)
        pace = self._access_ps(1 - row_hits, reads)
        return Fraction(self.times.burst) / (pace + self._turning_ps(reads)) * (1 - self.refresh_share)

    def _access_ps(self, misses: Fraction, reads: Fraction) -> Fraction:
        """Return the time of an access: the bus's, or that of opening rows where that takes longer."""
        t = self.times
        banks = self.ranks * self.device.bank_groups * self.device.banks
        busy = banks * (1 - (1 - Fraction(1, banks)) ** self.controller.reads)  # of a queue's requests, at random
        written = t.rcd_write + t.wl + t.burst + t.wr
        cycle = max(t.ras, t.rcd + t.rtp) * reads + max(t.ras, written) * (1 - reads) + t.rp
        act = max(Fraction(t.rrd_s, self.ranks), Fraction(t.faw, 4 * self.ranks), cycle / busy)
        return max(Fraction(t.burst), misses * act)

    def _turning_ps(self, reads: Fraction) -> Fraction:
        """Return the idle time of the bus for each access: two turns in each round of collected writes."""
        if not 0 < reads < 1:
            return Fraction(0)
        t = self.times
        settled = max(t.wtr_s, t.wtr_l - (self.device.bank_groups - 1) * t.ccd_s)
        lost = (t.rtw - t.ccd_s) + (t.wl + t.burst + settled - t.ccd_s)
        drained = max(1, self.controller.drain_from - self.controller.drain_to)
        return lost * (1 - reads) / drained

    @cached_property
    def refresh_share(self) -> Fraction:
        """The share of time in which refresh keeps a stream waiting.

        One bank at a time, the other bank groups go on until the queue holds nothing but requests for that bank.
        """
        t, control = self.times, self.controller
        if control.refresh == "off":
            return Fraction(0)
        groups = self.device.bank_groups
        if control.refresh == "all_bank" or groups == 1:
            return Fraction(t.rtp + t.rp + t.refresh_all + t.rcd, t.refresh_interval)
        hidden = control.reads * groups * t.burst
        return Fraction(groups * max(0, t.refresh_bank + t.rp + t.rcd - hidden), t.refresh_interval)

    def waiting_ps(self, load: int, capacity: int) -> int:
        """Return how long a read waits in a channel's queue, on average.

        The mean occupancy of a queue with as many places as the controller has, at random arrivals and
        services (M/M/1/K: Kleinrock, "Queueing Systems", volume 1, section 3.6), times the time of an access.

        Args:
            load: bytes a second that are served.
            capacity: bytes a second that could be.
        """
        step = min(_STEPS, load * _STEPS // max(1, capacity))
        access = self.device.access.value * self.channels * PS_PER_S // max(1, capacity)
        return _occupancy(self.controller.reads)[step] * access >> 16


def dram_bus(memory: Dram) -> DramBus | None:
    """Return the timings of a platform's DRAM; None where its device is not known."""
    if memory.device is None:
        return None
    device = dram_device(memory.device)
    channels = memory.channels * memory.width.value // device.width.value
    return DramBus(device, channels, memory.ranks, memory.controller, memory.data_rate.value)


@cache
def _occupancy(places: int) -> tuple[int, ...]:
    """Return the mean number of requests in a queue for each step of load, in 2**-16."""
    return tuple(
        (sum(n * weight for n, weight in enumerate(weights)) << 16) // sum(weights)
        for load in range(_STEPS + 1)
        for weights in ([load**n * _STEPS ** (places - n) for n in range(places + 1)],)
    )
