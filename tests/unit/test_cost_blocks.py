"""The block engine: blocks, cycles, bytes and the weight stream, against figures of Arm Vela 5.2.0 and by hand."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_world import PROPERTY, Net

import socsim as ss
from socsim.cost.arrays.block_cycles import block_cycles
from socsim.cost.arrays.block_geometry import BlockJob, Blocks, Box, geometry
from socsim.cost.arrays.block_jobs import box_of
from socsim.cost.arrays.block_search import choose_blocks, goes_by_kernel
from socsim.cost.arrays.block_traffic import (
    Feature,
    input_elements,
    moved,
    read_run,
    weight_passes,
    weight_positions,
    write_run,
)
from socsim.errors import InfeasibleError
from socsim.pipeline import Options, make_plan

UNITS = ("ethos-u55-32", "ethos-u55-64", "ethos-u55-128", "ethos-u55-256", "ethos-u65-256", "ethos-u65-512")
POINTWISE = BlockJob("convolution", Box(48, 48, 8), Box(48, 48, 16))
FIRST = BlockJob("convolution", Box(96, 96, 3), Box(48, 48, 8), (3, 3), (3, 3), (2, 2))
DEPTHWISE = BlockJob("depthwise", Box(24, 24, 32), Box(24, 24, 32), (3, 3), (3, 3))


def sizes(unit):
    return geometry(ss.platform(unit).unit("npu"))


# --- blocks -------------------------------------------------------------------------------------------


# Network vww_96 of MLPerf Tiny on Ethos-U65-256: blocks in Vela's database of the optimiser (--enable-debug-db).
@pytest.mark.parametrize(
    ("job", "result", "source", "by_kernel"),
    [
        (FIRST, Box(16, 16, 8), Box(34, 34, 8), True),
        (POINTWISE, Box(16, 16, 16), Box(16, 16, 8), True),
        (DEPTHWISE, Box(14, 14, 16), Box(16, 16, 16), False),
        (BlockJob("convolution", Box(24, 24, 16), Box(24, 24, 32)), Box(4, 24, 32), Box(4, 24, 16), False),
    ],
)
def test_blocks_are_those_of_the_compiler(job, result, source, by_kernel):
    assert choose_blocks(sizes("ethos-u65-256"), job) == Blocks(source, result, by_kernel)


def every_block(engine, job):
    """Return all blocks in whole micro blocks that are no larger than the result, whether they fit or not."""
    limits = zip(engine.micro, engine.largest, job.result, strict=True)
    steps = [range(m, -(-min(limit, whole) // m) * m + 1, m) for m, limit, whole in limits]
    return [Box(*block) for block in product(*steps)]


def banks(engine, source, result):
    """Return the banks of a convolution at 8 bits, by the rules of the buffer."""
    inputs = -(-source.volume // engine.bank_bytes) * 2
    sums = -(-result.area * -(-result.depth // 8) * 8 * 4 // engine.bank_bytes) * 2
    granules = engine.granule("input", 8), engine.granule("sums", 32)
    return sum(-(-part // step) * step for part, step in zip((inputs, sums), granules, strict=True))


@pytest.mark.parametrize("unit", UNITS)
def test_the_block_found_fetches_no_more_than_any_other_that_fits(unit):
    engine = sizes(unit)
    job = BlockJob("convolution", Box(20, 20, 32), Box(18, 18, 40), (3, 3), (3, 3))
    found = choose_blocks(engine, job)

    def source(result):
        rows, columns = (-(-(size + 2) // step) * step for size, step in zip(result[:2], engine.micro[:2], strict=True))
        return Box(rows, columns, 32)

    def fetched(result):
        count = job.result.parts(result)
        inputs = source(result).area * 32 * (18 / result.rows) * (18 / result.columns) * count.depth
        total = inputs + 9 * 32 * 40 * count.area
        return total / 2 if job.source.volume < 2 * source(result).volume else total

    room = engine.free_banks - engine.table_banks
    fitting = [b for b in every_block(engine, job) if b.depth in {16, 32, 40} and banks(engine, source(b), b) <= room]
    assert found.source == source(found.result)
    assert found.result in fitting
    assert fetched(found.result) <= min(fetched(block) for block in fitting) * (1 + 1e-9)


JOBS = st.builds(
    lambda family, rows, columns, depth, channels, kernel, stride: BlockJob(
        family,
        Box((rows - 1) * stride + kernel, (columns - 1) * stride + kernel, depth),
        Box(rows, columns, channels if family == "convolution" else depth),
        (kernel, kernel), (kernel, kernel), (stride, stride),
    ),
    st.sampled_from(["convolution", "depthwise", "pool"]), st.integers(1, 60), st.integers(1, 60),
    st.integers(1, 300), st.integers(1, 300), st.sampled_from([1, 2, 3, 5, 7]), st.integers(1, 3),
)  # fmt: skip


@PROPERTY
@given(job=JOBS, unit=st.sampled_from(UNITS))
def test_no_operation_runs_faster_than_the_multipliers_allow(job, unit):
    engine = sizes(unit)
    blocks = choose_blocks(engine, job)
    assert blocks is not None
    done = block_cycles(engine, job, blocks, 0, (0, 0), 0)
    assert done.steady * engine.multipliers * engine.engines >= job.macs
    assert input_elements(job, blocks, Feature(job.source, 8, "", is_brick=False)) >= min(
        job.source.volume, job.result.volume
    )


def test_few_channels_go_by_kernel_elements():
    assert goes_by_kernel(replace(FIRST, source=Box(96, 96, 8)))
    assert goes_by_kernel(BlockJob("convolution", Box(9, 9, 36), Box(9, 9, 8), (2, 2), (2, 2)))
    assert not goes_by_kernel(BlockJob("convolution", Box(9, 9, 32), Box(9, 9, 8), (3, 3), (3, 3)))
    assert not goes_by_kernel(DEPTHWISE)


# --- cycles -------------------------------------------------------------------------------------------


def test_cycles_by_hand():
    """A 16 x 16 x 16 block of 2 x 2 x 8 micro blocks: 64 positions x 2 depths, 4 cycles each, one step of input."""
    engine = sizes("ethos-u65-256")
    job = BlockJob("convolution", Box(32, 16, 8), Box(32, 16, 16))
    blocks = Blocks(Box(16, 16, 8), Box(16, 16, 16), by_kernel=True)
    done = block_cycles(engine, job, blocks, 0, (0, 0), 0)
    assert done.multiplying == 2 * 512
    # The output stage takes 4 cycles for 16 elements: 1024 for each of two blocks, and the first block's products.
    done = block_cycles(engine, job, blocks, 0.25, (0, 0), 0)
    assert (done.writing, done.steady) == (2 * 1024, 2 * 1024 + 512)


def test_a_single_position_waits_for_its_own_sums():
    engine = sizes("ethos-u55-128")
    job = BlockJob("convolution", Box(1, 1, 128), Box(1, 1, 8))
    blocks = choose_blocks(engine, job)
    # Four steps of 32 channels for one micro block: 32 cycles to unpack 256 weights, 2 to wait.
    assert block_cycles(engine, job, blocks, 0, (0, 0), 0).multiplying == 4 * (32 + 2)


def test_a_row_of_results_fills_micro_blocks_of_four_columns():
    engine = sizes("ethos-u55-256")
    flat = BlockJob("convolution", Box(1, 16, 32), Box(1, 16, 8))
    blocks = Blocks(Box(2, 16, 32), Box(2, 16, 8), by_kernel=False)
    assert block_cycles(engine, flat, blocks, 0, (0, 0), 0).multiplying == max(32, 4 * 4)


# --- bytes --------------------------------------------------------------------------------------------


def test_a_run_shorter_than_a_burst_takes_a_burst():
    plain = Feature(Box(96, 96, 3), 8, "dram", is_brick=False)
    brick = Feature(Box(48, 48, 16), 8, "sram", is_brick=True)
    assert [read_run(plain, Box(34, 34, 8), by_row=by_row) for by_row in (False, True)] == [8, 3 * 34]
    assert [read_run(plain, Box(34, 34, 2), by_row=by_row) for by_row in (False, True)] == [2, 2]
    assert read_run(replace(plain, box=Box(96, 96, 8)), Box(34, 34, 8), by_row=False) == 8 * 34
    assert read_run(brick, Box(4, 6, 16), by_row=False) == 16 * 6
    assert write_run(brick, Box(4, 6, 16), engines=2) == 16 * 6 * 2
    assert write_run(replace(brick, is_brick=False), Box(4, 6, 32), engines=1) == 16
    assert moved(1000, 8, 128) == 16 * 1000
    assert moved(1000, 500, 128) == 1000


def test_weights_stream_in_for_each_block_of_positions_and_input_for_each_block_of_channels():
    job = BlockJob("convolution", Box(16, 16, 32), Box(16, 16, 64))
    blocks = Blocks(Box(8, 8, 32), Box(8, 8, 16), by_kernel=False)
    assert weight_passes(job, blocks) == 4
    assert input_elements(job, blocks, Feature(job.source, 8, "", is_brick=True)) == 4 * job.source.volume


def test_the_weight_stream_has_positions_that_hold_no_weight():
    engine = sizes("ethos-u55-128")
    assert weight_positions(engine, FIRST, by_kernel=True) == 12 * 8 * 8
    assert weight_positions(engine, DEPTHWISE, by_kernel=False) == 12 * 32
    assert weight_positions(sizes("ethos-u65-512"), replace(FIRST, result=Box(9, 9, 8)), by_kernel=True) == 12 * 16 * 8


def test_batches_and_missing_dimensions_count_as_rows():
    assert [box_of(shape) for shape in ((), (5,), (3, 7), (2, 4, 7), (2, 3, 4, 7))] == [
        Box(1, 1, 1), Box(1, 1, 5), Box(3, 1, 7), Box(2, 4, 7), Box(6, 4, 7),
    ]  # fmt: skip


# --- whole kernels ------------------------------------------------------------------------------------


def conv_net(*layers):
    """Return a network of convolutions, each (channels, kernel), on 32 x 32 x 16."""
    net = Net()
    x = net.input(1, 32, 32, 16)
    for channels, kernel in layers:
        x = net.conv(x, channels, kernel)
    return net.graph(x)


def terms(run, index):
    return next(e for e in run.record.explanations if e.operator == index).terms


def test_weights_that_stream_in_twice_are_staged_and_move_early():
    soc = ss.platform("ethos-u55-128")
    run = ss.run(conv_net((32, 3), (64, 3)), soc, calibration="none")
    stream = next(t for t in terms(run, 1) if "weights and scales" in t)
    assert "of flash, staged in sram and read from there" in stream
    rows = run.record.operators
    times = int(re.search(r"read from there (\d+) times", stream).group(1))
    stored = int(re.search(r"([\d,]+) B of weights", stream).group(1).replace(",", ""))
    assert times > 1
    # Each is fetched from flash once; the first channels of the second layer while the first one works.
    flash = next(m for m in run.record.memories if m.name == "flash")
    assert flash.read_bytes == rows[0].dram_bytes + rows[1].dram_bytes
    assert rows[1].dram_bytes == stored - -(-stored * 16 // 64)


def test_weights_are_not_staged_where_there_is_no_room():
    graph = conv_net((32, 3), (64, 3))
    full = ss.run(graph, ss.platform("ethos-u55-128"), calibration="none").record
    peak = next(m.peak_bytes for m in full.memories if m.name == "sram")
    tight = ss.run(graph, ss.platform("ethos-u55-128").with_({"memories.sram.size": f"{peak} B"}), calibration="none")
    assert "streamed" in next(t for t in terms(tight, 1) if "weights and scales" in t)
    assert tight.record.latency_ps > full.latency_ps


def square_layers():
    """Return a network of three layers of 96 channels with a single position."""
    net = Net()
    x = net.input(1, 1, 1, 96)
    for _ in range(3):
        x = net.conv(x, 96, 1)
    return net.graph(x)


def is_staged(lines):
    return any("staged in sram" in line for line in lines)


def middle_works(*slacks):
    """Return the Work of the second of three layers, by what the layer before covers."""
    plan = make_plan(square_layers(), ss.platform("ethos-u65-256"), Options())
    kernel = plan.kernels.kernel(plan.tasks.tasks[1])
    return [plan.models["npu"].work(replace(kernel, slack=slack)) for slack in slacks]


def test_weights_that_stream_in_once_are_staged_where_the_work_before_covers_them():
    works = middle_works(0, 800, 1600, 3600)
    assert [is_staged(work.terms) for work in works] == [False, False, True, True]
    assert works[-1].core_cycles < works[0].core_cycles  # scales arrive from SRAM, not from DRAM


def test_what_covers_the_next_weights_is_the_last_slice():
    sliced, whole = middle_works(2400, 3600)
    assert is_staged(sliced.terms)
    assert is_staged(whole.terms)
    assert sliced.cover_cycles == whole.cover_cycles // 2  # 48 and 48 channels


def test_nothing_covers_the_weights_of_the_first_layer():
    run = ss.run(square_layers(), ss.platform("ethos-u65-256"), calibration="none")
    assert [is_staged(terms(run, index)) for index in range(3)] == [False, True, True]


def test_the_last_block_waits_for_the_latency_of_a_write():
    graph = square_layers()
    slow = ss.platform("ethos-u65-256")
    socs = [slow.with_({"memories.dram.write_latency": time}) for time in ("250 ns", "400 ns", "500 ns")]
    last = [ss.run(graph, soc, calibration="none").record.operators[-1].compute_ps // 1000 for soc in socs]
    assert [b - a for a, b in pairwise(last)] == [150, 100]
    assert slow.memories["dram"].write_latency_ps == 250_000
    other = ss.platform("imx93").memories["dram"]  # its file says nothing of writes
    assert other.write_latency_ps == other.latency_ps


def test_a_port_writes_as_many_bursts_as_are_under_way_in_the_latency_of_a_write():
    soc = ss.platform("ethos-u65-256").with_({"units.npu.port.outstanding": 4, "units.npu.port.writes": 4})
    rates = soc.port_rates("npu", "dram")
    assert (rates.read, rates.write) == (4 * 128 * 2_000_000, 4 * 128 * 4_000_000)


def test_inputs_and_outputs_lie_where_the_caller_keeps_them():
    graph = conv_net((32, 3), (16, 3))
    record = ss.run(graph, ss.platform("ethos-u65-256"), calibration="none").record
    dram = next(m for m in record.memories if m.name == "dram")
    assert dram.activation_peak_bytes == max(32 * 32 * 16, 28 * 28 * 16)  # the input is dead when the output is made
    on_chip = next(m for m in record.memories if m.name == "sram")
    assert on_chip.activation_peak_bytes == 30 * 30 * 32


def test_a_single_port_serves_reads_and_writes_in_turn():
    graph = conv_net((64, 1), (64, 1))
    one = ss.platform("ethos-u55-256").with_({"memories.sram.read": "1 B/cycle", "memories.sram.write": "1 B/cycle"})
    assert one.memories["sram"].shared_pins
    two = one.with_({"memories.sram.single_port": False})
    moved_bytes = [ss.run(graph, soc, calibration="none").record for soc in (one, two)]
    rows = [record.operators[1] for record in moved_bytes]
    assert rows[0].bound == rows[1].bound == "memory"
    assert rows[1].latency_ps < rows[0].latency_ps
    sram = next(m for m in moved_bytes[0].memories if m.name == "sram")
    assert sram.busy_ps >= (sram.read_bytes + sram.write_bytes) * 2000  # 500 MHz, a byte a cycle


@pytest.mark.parametrize("unit", UNITS)
def test_larger_configurations_are_never_slower(unit):
    order = ["ethos-u55-32", "ethos-u55-64", "ethos-u55-128", "ethos-u55-256"]
    graph = conv_net((32, 3), (64, 1), (32, 3))
    if unit in order[1:]:
        smaller = order[order.index(unit) - 1]
        busy = [
            sum(r.compute_ps for r in ss.run(graph, ss.platform(u), calibration="none").record.operators)
            for u in (smaller, unit)
        ]
        assert busy[1] <= busy[0]


def test_an_operation_that_fits_no_buffer_is_refused():
    net = Net()
    x = net.input(1, 8, 8, 256)
    graph = net.graph(net.conv(x, 16, 1))
    soc = ss.platform("ethos-u55-256").with_({"units.npu.buffer": "8 KiB"})
    with pytest.raises(InfeasibleError, match="no block of an operation from"):
        ss.run(graph, soc, calibration="none")
