"""DRAM devices: organisation and timings by standard and speed grade, as data in `platforms/dram/`.

A device file says what one channel looks like and how long its commands take, in cycles of its command clock,
so that it can be held against a data sheet line by line. `DramTimes` turns the cycles into picoseconds at the
rate that a platform runs the device at.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Annotated, Literal

from pydantic import Field

from socsim.data_files import data_folder
from socsim.errors import UnknownNameError, did_you_mean
from socsim.quantities import PS_PER_S, BitWidth, DataRate, Time
from socsim.soc.fields import Capacity, Count, Model
from socsim.soc.validation import validate
from socsim.soc.yaml_reader import read_yaml

DramStandard = Literal[
    "lpddr2", "lpddr4", "lpddr4x", "lpddr5", "lpddr5x", "lpddr6", "ddr3", "ddr4", "ddr5", "hbm2", "hbm2e", "hbm3"
]

_FIELDS = sorted(("row", "rank", "bank", "group", "column", "channel"))


class DramTiming(Model):
    """Minimum distances between commands of one channel, in cycles of the command clock."""

    rl: Count
    """Read command to the first beat."""
    wl: Count
    """Write command to the first beat."""
    rcd: Count
    """Activate to read (and to write, where `rcd_write` is absent)."""
    rcd_write: Count | None = None
    rp: Count
    """Precharge to activate, one bank."""
    ras: Count
    """Activate to precharge."""
    ccd_s: Count
    """Column command to the next of the same direction in another bank group."""
    ccd_l: Count
    """The same within a bank group, reads."""
    ccd_l_write: Count | None = None
    """The same within a bank group, writes; `ccd_l` where absent."""
    rtp: Count
    """Read to precharge."""
    wr: Count
    """Last beat of a write to precharge."""
    wtr_s: Count
    """Last beat of a write to a read in another bank group."""
    wtr_l: Count
    """The same within a bank group."""
    rtw: Count | None = None
    """Read to write; absent: read latency, burst and two cycles for the bus to turn, less the write latency."""
    rrd_s: Count
    """Activate to activate in another bank group."""
    rrd_l: Count
    """The same within a bank group."""
    faw: Count
    """Window that holds at most four activates."""
    rank_switch: Count
    """Idle cycles of the data bus between two ranks."""


class DramRefresh(Model):
    """Refresh of a channel."""

    interval: Time
    """Between two refreshes of all banks."""
    all_bank: Time
    """What one takes."""
    per_bank: Time | None = None
    """What a refresh of one bank takes; each comes `interval` / banks after the last. Absent: not in the standard."""


class DramDevice(Model):
    """One channel of a DRAM, at one speed grade."""

    schema_: Annotated[Literal["socsim.dram/1"], Field(alias="schema")]
    name: str
    title: str
    standard: DramStandard
    data_rate: DataRate
    """Of the speed grade; a platform may run the device slower."""
    cycle: Time
    """Period of the command clock at that rate."""
    width: BitWidth
    """Data pins of a channel (of a pseudo channel in HBM)."""
    beats: Count
    """Transfers of one burst."""
    access: Capacity
    """Payload of one burst."""
    bank_groups: Count
    banks: Count
    """Banks of one group."""
    row: Capacity
    """What one row of a bank holds of a channel's data."""
    rows: Count
    timing: DramTiming
    refresh: DramRefresh
    sources: dict[str, str] = {}
    assumed: dict[str, str] = {}


class DramController(Model):
    """What decides in which order a channel's requests are served."""

    mapping: str = "row:rank:bank^row:column:group:channel"
    """Fields of an address from its high bits to its low ones; `bank^row` mixes low row bits into the bank."""
    reads: Count = 32
    """Read requests of a channel among which the controller chooses."""
    writes: Count = 32
    """Writes that a channel collects."""
    drain_from: Count = 26
    """Collected writes that turn the bus to writing."""
    drain_to: Annotated[int, Field(ge=0)] = 6
    """Collected writes at which it turns back, if reads wait."""
    refresh: Literal["all_bank", "per_bank", "off"] = "all_bank"
    """How refresh goes about the banks: all at once, or one after the other where the standard has that."""


@dataclass(frozen=True, slots=True)
class DramTimes:
    """A channel's timings in picoseconds, at the rate that it runs at.

    Column-to-column distances follow the data rate; everything else is set by the cells and the circuits
    around them, and keeps its duration.
    """

    burst: int
    rl: int
    wl: int
    rcd: int
    rcd_write: int
    rp: int
    ras: int
    ccd_s: int
    ccd_l: int
    ccd_l_write: int
    rtp: int
    wr: int
    wtr_s: int
    wtr_l: int
    rtw: int
    rrd_s: int
    rrd_l: int
    faw: int
    rank_switch: int
    refresh_interval: int
    refresh_all: int
    refresh_bank: int
    """0 where the standard has none."""


def dram_times(device: DramDevice, data_rate: int | None = None) -> DramTimes:
    """Return a device's timings in picoseconds.

    Args:
        device: the description.
        data_rate: transfers a second; the speed grade's own where None.
    """
    grade = device.data_rate.value
    rate = data_rate or grade
    cycle, t = device.cycle.value, device.timing
    burst = -(-device.beats * PS_PER_S // rate)
    ccd = [n * cycle * grade // rate for n in (t.ccd_s, t.ccd_l, t.ccd_l_write or t.ccd_l)]
    rl, wl = t.rl * cycle, t.wl * cycle
    return DramTimes(
        burst=burst,
        rl=rl,
        wl=wl,
        rcd=t.rcd * cycle,
        rcd_write=(t.rcd_write or t.rcd) * cycle,
        rp=t.rp * cycle,
        ras=t.ras * cycle,
        ccd_s=max(burst, ccd[0]),
        ccd_l=max(burst, ccd[1]),
        ccd_l_write=max(burst, ccd[2]),
        rtp=t.rtp * cycle,
        wr=t.wr * cycle,
        wtr_s=t.wtr_s * cycle,
        wtr_l=t.wtr_l * cycle,
        rtw=t.rtw * cycle if t.rtw else rl + burst + 2 * cycle - wl,
        rrd_s=t.rrd_s * cycle,
        rrd_l=t.rrd_l * cycle,
        faw=t.faw * cycle,
        rank_switch=t.rank_switch * cycle,
        refresh_interval=device.refresh.interval.value,
        refresh_all=device.refresh.all_bank.value,
        refresh_bank=device.refresh.per_bank.value if device.refresh.per_bank else 0,
    )


def dram_device_names() -> list[str]:
    """Return the names of the DRAM devices that ship with socsim."""
    return sorted(path.stem for path in (data_folder("platforms") / "dram").glob("*.yaml"))


def address_fields(mapping: str) -> list[str]:
    """Return the fields of an address mapping from the high bits to the low ones.

    Raises:
        ValueError: fields that are missing, repeated or unknown.
    """
    names = mapping.split(":")
    if sorted(name.removesuffix("^row") if name == "bank^row" else name for name in names) != _FIELDS:
        msg = (
            f'"{mapping}" is no address mapping; write row, rank, bank (or bank^row), group, column and channel, '
            'each once, from the high bits to the low ones, joined by ":"'
        )
        raise ValueError(msg)
    return names


@cache
def dram_device(name: str) -> DramDevice:
    """Return the DRAM device of that name.

    Raises:
        UnknownNameError: no such device.
        PlatformError: its file is wrong.
    """
    if name not in dram_device_names():
        msg = f"DRAM device {name!r} is not known.{did_you_mean(name, dram_device_names())}"
        raise UnknownNameError(msg)
    return validate(DramDevice, read_yaml(data_folder("platforms") / "dram" / f"{name}.yaml"))
