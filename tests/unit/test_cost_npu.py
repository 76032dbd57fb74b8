"""NPU cycles, computed by hand: ceilings of loop bounds over an 8 x 8 array at 1 GHz."""

from __future__ import annotations

import pytest
from small_world import Net, altered, one_conv, small_soc

from socsim.pipeline import Options, make_plan, run_graph
from socsim.workload.dtypes import DType

PS_PER_CYCLE = 1000


@pytest.fixture(scope="module")
def soc(tmp_path_factory):
    return small_soc(tmp_path_factory.mktemp("soc"))


def first(graph, soc, **options):
    return run_graph(graph, soc, Options(unit="npu", **options)).operators[0]


def cycles(graph, soc, **options):
    return first(graph, soc, **options).compute_ps / PS_PER_CYCLE


def depthwise_net(channels, dtype=DType.INT8):
    net = Net(dtype)
    return net.graph(net.depthwise(net.input(1, 8, 8, channels)))


@pytest.mark.parametrize(
    ("size", "depth", "channels", "kernel", "expected"),
    [
        (8, 8, 8, 1, 64),  # one step for each position
        (8, 20, 12, 3, 3 * 2 * 9 * 36),  # ceil(20/8) x ceil(12/8) x 3 x 3 x 6 x 6
        (8, 16, 16, 3, 2 * 2 * 9 * 36),
        (8, 17, 16, 3, 3 * 2 * 9 * 36),  # one channel more costs a whole step more
        (8, 3, 16, 3, 1 * 2 * 9 * 36),  # three channels starve eight rows
        (1, 64, 24, 1, 8 * 3),
    ],
)
def test_a_convolution_takes_the_product_of_its_ceilings(soc, size, depth, channels, kernel, expected):
    assert cycles(one_conv(size, depth, channels, kernel), soc) == expected


@pytest.mark.parametrize(("channels", "expected"), [(8, 324), (12, 648), (16, 648), (17, 972)])
def test_depthwise_layers_use_their_own_unrolling(soc, channels, expected):
    assert cycles(depthwise_net(channels), soc) == expected  # ceil(channels/8) x 3 x 3 x 6 x 6


def test_a_fully_connected_layer_has_no_position_to_share_weights_over(soc):
    net = Net()
    assert cycles(net.graph(net.dense(net.input(1, 100), 50)), soc) == 13 * 7


@pytest.mark.parametrize(("dtype", "factor"), [(DType.INT8, 1), (DType.INT16, 2), (DType.FLOAT16, 2)])
def test_wider_types_take_their_share_of_the_rate(soc, dtype, factor):
    net = Net(dtype)
    assert cycles(net.graph(net.conv(net.input(1, 8, 8, 20), 12, 3)), soc) == factor * 1944


def test_a_batch_multiplies_steps(soc):
    assert cycles(one_conv(8, 20, 12, 3), soc, batch=3) == 3 * 1944


def work_of(graph, soc, **options):
    """Return the Work of the first task on the NPU."""
    plan = make_plan(graph, soc, Options(unit="npu", **options))
    return plan.models["npu"].work(plan.kernels.kernel(plan.tasks.tasks[0]))


def test_two_cores_share_output_rows_where_channels_do_not_divide(soc):
    row = first(one_conv(8, 8, 8, 1), soc, cores=2)  # half of eight channels is still one block
    assert row.compute_ps == 32 * PS_PER_CYCLE
    assert row.sync_ps == 2 * 10**6
    assert (row.read_bytes, row.weight_bytes) == (512 + 2 * 64, 2 * 64)  # both cores fetch the weights


def test_of_equal_ways_to_share_cores_take_the_one_with_the_fewest_bytes(soc):
    row = first(one_conv(8, 20, 12, 3), soc, cores=2)
    inputs, weights = 8 * 8 * 20, 12 * 9 * 20
    assert row.compute_ps == 972 * PS_PER_CYCLE  # three rows each, or six channels each
    assert (row.read_bytes, row.weight_bytes) == (2 * inputs + weights, weights)  # fewer than inputs + 2 x weights


def test_two_cores_cannot_share_what_does_not_divide(soc):
    graph = one_conv(1, 64, 8, 1)  # one position, one block of channels
    row, work = first(graph, soc, cores=2), work_of(graph, soc, cores=2)
    assert row.compute_ps == 8 * PS_PER_CYCLE
    assert (row.sync_ps, row.read_bytes) == (0, 64 + 512)
    assert work.core_cycles == 8


def test_each_core_tiles_its_part_through_its_own_buffer(soc):
    graph = one_conv(16, 64, 240)  # 16,384 B of input, 15,360 B of weights, 16 KiB of buffer
    assert first(graph, soc).read_bytes == 16_384 + 2 * 15_360
    # Half of the rows stay in each core while all weights stream past, once in each core.
    assert first(graph, soc, cores=2).read_bytes == 16_384 + 2 * 15_360
    assert work_of(graph, soc, cores=2).core_cycles == work_of(graph, soc).core_cycles


def test_cores_that_share_channels_fetch_a_residual_once(soc):
    net = Net()
    skip = net.input(1, 1, 1, 16)
    graph = net.graph(net.op("ADD", [net.conv(net.input(1, 1, 1, 8), 16), skip]))
    row = first(graph, soc, cores=2)
    assert row.compute_ps == 2 * PS_PER_CYCLE  # 2 x 16 element operations / (2 cores x 8); the array takes 1
    assert row.read_bytes == 2 * 8 + 8 * 16 + 16


def test_a_batch_streams_image_by_image(soc):
    prologue, *_, epilogue = work_of(one_conv(8, 8, 8, 1), soc, batch=3).phases
    assert [t.read_bytes for t in prologue.transfers] == [64 + 64]  # one row of one image, one block of weights
    assert [t.write_bytes for t in epilogue.transfers] == [64]


def test_weights_of_a_batch_are_fetched_once_where_a_row_fits(soc):
    graph = one_conv(16, 64, 128, 1)  # 8,192 B of weights beside stripes of 1,024 B
    assert first(graph, soc, batch=8).read_bytes == 8 * 16_384 + 8_192


def test_a_product_of_depth_one_is_not_depthwise(soc):
    net = Net()
    x, y = net.input(4, 8, 1), net.input(4, 1, 8)
    graph = net.graph(net.op("BATCH_MATMUL", [x, y], (4, 8, 8)))
    assert cycles(graph, soc) == 4 * 8  # a step for each of 4 x 8 rows; four groups would fill half of G 8


def test_an_unrolling_of_positions_rounds_up_positions(soc):
    tiled = soc.with_({"units.npu.array.unroll": {"P": 4, "C": 8, "K": 2}})
    assert cycles(one_conv(8, 20, 12, 3), tiled) == 2 * 3 * 6 * 9 * 6  # ceil(6/4), ceil(20/8), ceil(12/2), 3 x 3, 6


def test_the_vector_unit_binds_where_the_array_has_less_to_do(soc):
    narrow = soc.with_({"units.npu.vector": 1})
    assert cycles(one_conv(8, 8, 8, 1), narrow) == 8 * 8 * 8


def test_element_wise_operators_run_on_the_vector_unit(soc):
    net = Net()
    row = first(net.graph(net.op("ADD", [net.input(1, 8, 8, 8), net.input(1, 8, 8, 8)])), soc)
    assert row.compute_ps == 8 * 8 * 8 // 8 * PS_PER_CYCLE
    assert row.executed_macs == 0


def test_a_batch_multiplies_element_operations(soc):
    net = Net()
    graph = net.graph(net.op("ADD", [net.input(1, 8, 8, 8), net.input(1, 8, 8, 8)]))
    assert cycles(graph, soc, batch=3) == 3 * cycles(graph, soc)


@pytest.mark.parametrize(
    ("energies", "picojoules"),
    [
        ({"mac": {"int8": "1 pJ"}}, 20 * 12 * 9 * 36),
        ({"vector_op": "1 pJ"}, 12 * 36),
        ({"mac": {"int8": "5 pJ"}, "vector_op": "2 pJ"}, 5 * 20 * 12 * 9 * 36 + 2 * 12 * 36),
    ],
)
def test_arithmetic_costs_its_coefficients(soc, energies, picojoules):
    nothing = {"mac": {"int8": "0 pJ"}, "vector_op": "0 pJ", "local_byte": "0 pJ/B"}
    chip = soc.with_({"units.npu.energy": nothing | energies})
    assert run_graph(one_conv(8, 20, 12, 3), chip, Options(unit="npu")).units[0].energy_pj == picojoules


def test_bytes_cost_their_coefficients(soc):
    record = run_graph(one_conv(8, 20, 12, 3), soc, Options(unit="npu"))
    assert record.memories[0].energy_pj == 32 * record.operators[0].dram_bytes  # 4 pJ a bit


def test_executed_macs_are_nominal_and_utilisation_follows_from_time(soc):
    row = first(one_conv(8, 20, 12, 3), soc)
    assert row.macs == row.executed_macs == 20 * 12 * 9 * 36
    assert row.utilisation == row.macs * 10**12 / (64 * 10**9 * row.latency_ps)


def test_operands_that_fit_move_once(soc):
    row = first(one_conv(8, 20, 12, 3), soc)
    assert (row.read_bytes, row.write_bytes, row.weight_bytes) == (8 * 8 * 20 + 12 * 9 * 20, 6 * 6 * 12, 12 * 9 * 20)
    assert row.dram_bytes == row.read_bytes + row.write_bytes


def test_operands_that_do_not_fit_move_again(soc):
    graph = one_conv(32, 64, 64, 3)  # 65,536 B of input and 36,864 B of weights through 16 KiB
    row = first(graph, soc)
    inputs, weights = 32 * 32 * 64, 64 * 9 * 64
    # Strips of columns leave room for three blocks of weights; five strips share two of 32 columns with the next.
    assert row.read_bytes == 3 * (inputs + 4 * inputs * 2 // 32) + weights
    assert first(graph, soc.with_({"units.npu.buffer": "1 MiB"})).read_bytes == inputs + weights


def test_traffic_never_grows_with_the_buffer(soc):
    graph = one_conv(32, 64, 64, 3)
    moved = [first(graph, soc.with_({"units.npu.buffer": f"{kib} KiB"})).read_bytes for kib in (4, 8, 16, 32, 64, 128)]
    assert moved == sorted(moved, reverse=True)
    assert moved[0] > moved[-1]


def test_the_parts_of_one_layer_by_hand(soc):
    row = first(one_conv(8, 8, 8, 1), soc)
    # Prologue: one of eight input stripes and the only block of weights; epilogue: one of eight output rows.
    # Steady state moves the other 448 + 448 B in 224 ns beside 64 ns of compute. 250 ps a byte throughout.
    assert row.dispatch_ps == 60_000_000 + 7_400_000 + 1_000_000
    assert row.compute_ps == 64_000
    assert row.memory_wait_ps == (64 + 64 + 64) * 250 + (896 * 250 - 64_000)
    assert row.latency_ps == row.dispatch_ps + row.compute_ps + row.memory_wait_ps
    assert row.bound == "dispatch"


def test_the_explanation_holds_the_ceilings_and_the_cycles(soc):
    record = run_graph(one_conv(8, 20, 12, 3), soc, Options(unit="npu"))
    words = "\n".join(record.explanations[0].terms)
    for text in ("C 20/8", "K 12/8", "1,944 cycles", "77,760 MACs", "16 KiB", "1,280 B", "2,160 B", "432 B"):
        assert text in words


# --- concatenations and the caller's tensors ----------------------------------------------------------


def joined(soc, dtype, channels=(32, 64), block=32, is_shared=False):
    """Return the compute cycles of a concatenation of two convolutions' results, one of which may be read twice."""
    net = Net(dtype)
    image = net.input(1, 8, 8, 8)
    parts = [net.conv(image, n) for n in channels]
    last = net.op("CONCATENATION", parts, (1, 8, 8, sum(channels)), axis=3)
    results = [net.conv(last, 8), *([net.op("SOFTMAX", [parts[0]])] if is_shared else [])]
    stack = altered("rknn", joined_channels=block)
    run = run_graph(net.graph(*results), soc, Options(unit="npu", runtime=stack))
    return next(o for o in run.operators if o.type == "CONCATENATION").compute_ps / PS_PER_CYCLE


def test_parts_of_whole_blocks_of_channels_lie_where_the_joint_does(soc):
    assert joined(soc, DType.INT8) == 0
    assert joined(soc, DType.INT8, channels=(32, 58)) > 0
    assert joined(soc, DType.INT8, block=None) > 0


def test_integers_that_others_read_too_keep_their_own_scale(soc):
    assert joined(soc, DType.INT8, is_shared=True) > 0
    assert joined(soc, DType.FLOAT16, is_shared=True) == 0


def test_the_callers_tensors_change_their_layout_once(soc):
    graph, size = one_conv(8, 8, 16), 8 * 8 * 8 + 8 * 8 * 16
    plain, converting = (cycles(graph, soc, runtime=altered("rknn", conversion=each)) for each in (0, 0.25))
    assert converting - plain == size / 4
