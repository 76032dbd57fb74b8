"""DRAM devices as data, and what a platform file may say of them."""

from __future__ import annotations

from dataclasses import astuple
from fractions import Fraction

import pytest
from small_world import small_soc

from socsim.data_files import data_folder
from socsim.engine.dram.mapping import address_map
from socsim.engine.dram.system import BurstSystem, DramMemory, Flow, Source
from socsim.errors import PlatformError, UnknownNameError
from socsim.soc.dram import DramController, address_fields, dram_device, dram_device_names, dram_times
from socsim.soc.dram_bus import DramBus
from socsim.soc.provenance import numbers_with_reasons
from socsim.soc.yaml_reader import read_yaml

ACCESSES = 100_000


@pytest.fixture(scope="module")
def soc(tmp_path_factory):
    return small_soc(tmp_path_factory.mktemp("soc"))


def bus(name, **control):
    device = dram_device(name)
    return DramBus(device, 1, 1, DramController(**control), device.data_rate.value)


def simulated(name, *, reads, pattern="sequential", refresh="all_bank"):
    """Return the share of the peak that the burst level reaches."""
    m = DramMemory(dram_device(name), controller=DramController(refresh=refresh))
    system = BurstSystem([m], [Source()])
    size = 1 << 22 if pattern == "random" else None
    system.add(Flow(0, ACCESSES, pattern=pattern, size=size, write_share=1 - reads))
    system.drain()
    return ACCESSES * m.device.access.value * 10**12 / system.counts().end_ps / m.peak_bytes_per_s


@pytest.mark.parametrize("name", dram_device_names())
def test_every_number_of_a_device_has_a_source_or_a_reason(name):
    value = read_yaml(data_folder("platforms") / "dram" / f"{name}.yaml").value
    rows = numbers_with_reasons(value, value.get("sources", {}), value.get("assumed", {}))
    assert rows
    assert not [r.path for r in rows if r.assumed == "no source given"]


def test_all_standards_of_the_field_are_there():
    standards = {dram_device(name).standard for name in dram_device_names()}
    assert standards >= {"lpddr4", "lpddr4x", "lpddr5", "lpddr5x", "lpddr6", "ddr4", "ddr5", "hbm2", "hbm2e", "hbm3"}


@pytest.mark.parametrize("name", dram_device_names())
def test_a_burst_moves_its_payload_at_the_data_rate(name):
    device, times = dram_device(name), dram_times(dram_device(name))
    payload = device.width.value * device.beats // 8
    assert device.access.value in {payload, payload - 4}  # LPDDR6 spends 4 of 36 bytes on metadata
    assert abs(times.burst - device.beats * 10**12 / device.data_rate.value) <= 1
    assert all(t > 0 for t in astuple(times)[:-1])
    assert times.ccd_s >= times.burst


def test_a_slower_clock_stretches_columns_and_leaves_cells():
    device = dram_device("lpddr5-6400")
    fast, slow = dram_times(device), dram_times(device, device.data_rate.value // 2)
    assert (slow.burst, slow.ccd_l) == (2 * fast.burst, 2 * fast.ccd_l)
    assert (slow.rcd, slow.rp, slow.rl, slow.refresh_all) == (fast.rcd, fast.rp, fast.rl, fast.refresh_all)


@pytest.mark.parametrize("name", dram_device_names())
@pytest.mark.parametrize("reads", [1.0, 2 / 3, 0.5, 0.0])
def test_the_closed_form_is_within_five_per_cent_of_streams(name, reads):
    closed = bus(name).efficiency(Fraction(reads).limit_denominator(100))
    assert float(closed) == pytest.approx(simulated(name, reads=reads), rel=0.05)


@pytest.mark.parametrize("name", ["ddr4-2400", "ddr5-4800", "lpddr4x-4266", "lpddr5-6400", "hbm2-2400"])
def test_the_closed_form_is_within_ten_per_cent_of_random_reads(name):
    closed = bus(name).efficiency(row_hits=Fraction(0))
    assert float(closed) == pytest.approx(simulated(name, reads=1.0, pattern="random"), rel=0.1)


def test_random_traffic_is_slower_than_streams_and_the_reason_is_opening_rows():
    m = bus("ddr4-2400", refresh="off")
    t = m.times
    assert m.efficiency(row_hits=Fraction(0)) == Fraction(t.burst) / Fraction(t.faw, 4)
    assert m.efficiency() == 1


def test_refresh_of_single_banks_is_cheaper_where_groups_hide_it():
    assert bus("lpddr5-6400", refresh="per_bank").efficiency() > bus("lpddr5-6400").efficiency()
    assert bus("lpddr5-6400", refresh="off").efficiency() == 1


def test_waiting_grows_with_load_and_ends_with_a_full_queue():
    m = bus("lpddr4x-4266")
    capacity = int(m.peak_bytes_per_s * m.efficiency())
    waits = [m.waiting_ps(capacity * load // 20, capacity) for load in range(21)]
    assert waits == sorted(waits)
    assert waits[0] == 0
    access = m.times.burst / float(m.efficiency())
    assert waits[-1] == pytest.approx(m.controller.reads / 2 * access, rel=0.01)


# --- platform files -----------------------------------------------------------------------------------


def test_an_efficiency_follows_from_the_device_and_a_measured_one_wins(soc):
    made = soc.with_({"memories.dram.device": "lpddr4-3200", "memories.dram.efficiency": None})
    spec = made.memories["dram"]
    assert spec.peak_bytes_per_s == 4 * 10**9
    assert spec.read_bytes_per_s == int(spec.peak_bytes_per_s * spec.bus.efficiency())
    assert soc.with_({"memories.dram.device": "lpddr4-3200"}).memories["dram"].read_bytes_per_s == 4 * 10**9


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"efficiency": None}, "missing; write the share that was measured, or name a `device`"),
        ({"device": "lpddr4-3201"}, '"lpddr4-3201" is not a DRAM device. Did you mean'),
        ({"device": "ddr4-2400", "width": "64 bit"}, "found lpddr4; ddr4-2400 is ddr4, write that"),
        ({"device": "lpddr4-3200", "width": "24 bit"}, "a channel of lpddr4-3200 has 16 bit"),
        ({"device": "lpddr4-3200", "data_rate": "4 GT/s"}, "lpddr4-3200 is made for 3.2 GT/s at most"),
        ({"device": "lpddr4-3200", "controller": {"mapping": "row:bank"}}, '"row:bank" is no address mapping'),
        (
            {"device": "ddr4-2400", "technology": "ddr4", "width": "64 bit", "controller": {"refresh": "per_bank"}},
            "ddr4 refreshes all banks at once; write all_bank",
        ),
    ],
)
def test_what_does_not_fit_is_refused(soc, changes, message):
    with pytest.raises(PlatformError) as error:
        soc.with_({f"memories.dram.{key}": value for key, value in changes.items()})
    assert message in str(error.value)


def test_an_unknown_device_lists_the_known_ones():
    with pytest.raises(UnknownNameError, match="DRAM device 'lpddr5-640' is not known"):
        dram_device("lpddr5-640")


def test_a_mapping_names_every_field_once():
    assert address_fields("row:rank:bank^row:column:group:channel")[2] == "bank^row"
    with pytest.raises(ValueError, match="is no address mapping"):
        address_fields("row:rank:bank:bank:column:group:channel")


def test_addresses_are_cut_where_the_mapping_says():
    sizes = {"channel": 2, "rank": 1, "group": 4, "bank": 4, "row": 1024, "column": 64}
    table = address_map("row:rank:bank:column:group:channel", sizes)
    assert table.tolist() == [0, 1, 11, 0, 1, 3, 9, 3, 11, 1023, 0, 0]


def test_sizes_that_are_no_power_of_two_are_refused_but_for_channels():
    sizes = {"channel": 3, "rank": 1, "group": 4, "bank": 4, "row": 1024, "column": 64}
    table = address_map("row:rank:bank:column:channel:group", sizes)
    assert table.tolist() == [2, -3, 10, 0, 0, 3, 8, 3, 10, 1023, 0, 0]
    with pytest.raises(PlatformError, match="12 of row is no power of two"):
        address_map("row:rank:bank:column:group:channel", sizes | {"row": 12})
