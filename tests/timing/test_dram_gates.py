"""Each DRAM timing rule bites at its time: accesses given one by one, their ends computed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from socsim.engine.dram.system import BurstSystem, DramMemory, Flow, Source
from socsim.soc.dram import DramController, dram_device, dram_times

DEVICE = dram_device("ddr4-2400")
T = dram_times(DEVICE)
COLUMNS = DEVICE.row.value // DEVICE.access.value
GROUP, BANK, ROW = COLUMNS, 4 * COLUMNS, 16 * COLUMNS
"""Distances of addresses under the mapping below."""
PLAIN = DramController(mapping="row:rank:bank:group:column:channel", refresh="off")
EARLY = 10**6


def ends(*accesses, control=PLAIN, window=64):
    """Serve (address, is write, time) in order; return the time of each read's last beat."""
    found = []
    for n in range(1, len(accesses) + 1):
        trace = np.array(accesses[:n], np.int64)
        system = BurstSystem([DramMemory(DEVICE, controller=control)], [Source(reads=window)], trace=trace)
        system.add(Flow(0, n, pattern="trace"))
        system.drain()
        found.append(system.counts().end_ps)
    return found


def read(address, time=EARLY):
    return (address, 0, time)


def write(address, time=EARLY):
    return (address, 1, time)


def test_a_closed_row_takes_activate_and_read():
    assert ends(read(0)) == [EARLY + T.rcd + T.rl + T.burst]


def test_an_open_row_takes_the_read_alone():
    late = EARLY + 10**6
    assert ends(read(0), read(1, late))[1] == late + T.rl + T.burst


def test_another_row_of_the_bank_takes_precharge_too():
    late = EARLY + 10**6
    assert ends(read(0), read(ROW, late))[1] == late + T.rp + T.rcd + T.rl + T.burst


def test_a_row_stays_open_for_its_least_time():
    assert ends(read(0), read(ROW))[1] == EARLY + T.ras + T.rp + T.rcd + T.rl + T.burst


def test_columns_of_one_group_keep_the_long_distance_and_of_two_the_short_one():
    first, same = ends(read(0), read(1))
    assert same - first == T.ccd_l
    late = EARLY + 10**6  # both rows open by then
    opened = (read(0), read(GROUP))
    assert ends(*opened, read(1, late), read(GROUP + 1, late))[3] == late + T.ccd_s + T.rl + T.burst


def test_activates_keep_their_distance():
    first, other_group = ends(read(0), read(GROUP))
    assert other_group - first == max(T.rrd_s, T.ccd_s)
    first, same_group = ends(read(0), read(BANK))
    assert same_group - first == T.rrd_l


def test_a_fifth_activate_waits_for_the_window_of_four():
    five = [read(i % 4 * GROUP + i // 4 * BANK) for i in range(5)]
    assert ends(*five)[4] == EARLY + T.faw + T.rcd + T.rl + T.burst


def test_the_bus_turns_from_writing_to_reading():
    late = EARLY + 10**6
    column = late + T.wl + T.burst + T.wtr_l  # the group that was written
    written = [read(0), write(1, late), read(2, late + 1)]
    assert ends(*written)[2] == column + T.rl + T.burst


def test_a_written_row_closes_after_its_recovery():
    late, later = EARLY + 10**6, EARLY + 10**6 + 1
    close = late + T.wl + T.burst + T.wr
    assert ends(read(0), write(1, late), read(ROW, later))[2] == close + T.rp + T.rcd + T.rl + T.burst


def test_an_access_during_refresh_waits_for_its_end():
    control = DramController(mapping=PLAIN.mapping)
    due = T.refresh_interval
    assert ends(read(0, due + 1), control=control)[0] == due + T.refresh_all + T.rcd + T.rl + T.burst


def test_a_single_bank_is_refreshed_beside_the_others():
    device = dram_device("lpddr5-6400")
    t = dram_times(device)
    control = DramController(mapping=PLAIN.mapping, refresh="per_bank")
    due = t.refresh_interval // 16
    for bank, waits in ((0, True), (1, False)):
        address = bank * 4 * device.row.value // device.access.value
        trace = np.array([(address, 0, due + 1)], np.int64)
        system = BurstSystem([DramMemory(device, controller=control)], [Source()], trace=trace)
        system.add(Flow(0, 1, pattern="trace"))
        system.drain()
        start = due + t.refresh_bank if waits else due + 1
        assert system.counts().end_ps == start + t.rcd + t.rl + t.burst


def test_another_rank_costs_the_switch():
    control = DramController(mapping="rank:row:bank:group:column:channel", refresh="off")
    late = EARLY + 10**6
    far = DEVICE.rows * ROW
    trace = np.array([read(0), read(far), read(1, late), read(far + 1, late)], np.int64)
    system = BurstSystem([DramMemory(DEVICE, ranks=2, controller=control)], [Source()], trace=trace)
    system.add(Flow(0, 4, pattern="trace"))
    system.drain()
    first = late + T.rank_switch
    assert system.counts().end_ps == pytest.approx(first + T.ccd_s + T.rank_switch + T.rl + T.burst, abs=T.rank_switch)
