"""Stages beside an array, the layout of feature maps and the order of loads, computed by hand.

An 8 x 8 array at 1 GHz, vector unit of 8 elements a cycle, DRAM of 4 GB/s (250 ps a byte).
"""

from __future__ import annotations

import pytest
from small_world import Net, one_conv, small_soc

import socsim as ss
from socsim.errors import PlatformError
from socsim.pipeline import Options, make_plan, run_graph
from socsim.soc.runtimes import runtime
from socsim.workload.dtypes import DType


@pytest.fixture(scope="module")
def soc(tmp_path_factory):
    return small_soc(tmp_path_factory.mktemp("soc"))


def with_stages(soc, **stages):
    return soc.with_({"units.npu.outputs": stages})


def work(graph, soc, **options):
    plan = make_plan(graph, soc, Options(unit="npu", **options))
    return plan.models["npu"].work(plan.kernels.kernel(plan.tasks.tasks[0]))


def cycles(graph, soc, **options):
    return sum(phase.compute_cycles for phase in work(graph, soc, **options).phases)


def followed_by(kind, *, channels=4):
    """Return a network of a convolution of 64 positions and 8 inputs, with an operator on its results."""
    net = Net()
    return net.graph(net.op(kind, [net.conv(net.input(1, 8, 8, 8), channels)]))


def pooled(kernel):
    net = Net()
    made = 8 - kernel + 1
    window = {"layout": "NHWC", "kernel": (kernel, kernel), "strides": (1, 1), "pads": (0, 0, 0, 0)}
    return net.graph(net.op("MAX_POOL_2D", [net.input(1, 8, 8, 8)], (1, made, made, 8), **window))


@pytest.mark.parametrize(("bits", "int8", "int16"), [(None, 8, 8), (8, 8, 16), (16, 8, 8)])
def test_elements_wider_than_the_vector_unit_counts_take_longer(soc, bits, int8, int16):
    found = []
    for dtype in (DType.INT8, DType.INT16):
        net = Net(dtype)
        graph = net.graph(net.op("ABS", [net.input(1, 8, 8, 1)]))  # 64 elements at 8 a cycle
        found.append(cycles(graph, soc.with_({"units.npu.vector_bits": bits})))
    assert found == [int8, int16]


@pytest.mark.parametrize(
    ("stages", "expected"),
    [
        ({}, 64),  # the array: a step for each position
        ({"results": 4}, 64),  # 256 results
        ({"results": 2}, 128),
        ({"results": 2, "whole_blocks": True}, 256),  # 4 channels leave as a block of 8
    ],
)
def test_results_leave_at_the_rate_of_their_stage(soc, stages, expected):
    assert cycles(one_conv(8, 8, 4), with_stages(soc, **stages)) == expected


@pytest.mark.parametrize(
    ("stages", "expected"),
    [
        ({"functions": 2}, 128),  # 256 results
        ({"functions": 2, "whole_blocks": True}, 256),
        ({"functions": 2, "results": 1}, 256),  # the slower of two stages
    ],
)
def test_a_fused_function_passes_its_table(soc, stages, expected):
    assert cycles(followed_by("SWISH"), with_stages(soc, **stages)) == expected


def test_a_fused_function_without_a_table_costs_vector_operations(soc):
    assert cycles(followed_by("SWISH"), soc) == (1 + 9) * 256 // 8


def test_relu_does_not_pass_the_table(soc):
    assert cycles(followed_by("RELU"), with_stages(soc, functions=2)) == 64


def test_a_function_alone_passes_the_table_too(soc):
    net = Net()
    graph = net.graph(net.op("LOGISTIC", [net.input(1, 8, 8, 8)]))
    assert cycles(graph, with_stages(soc, functions=2)) == 256


@pytest.mark.parametrize("kernel", [2, 3, 5])
def test_a_pool_with_a_stage_takes_elements_whatever_its_window(soc, kernel):
    assert cycles(pooled(kernel), with_stages(soc, pools=2)) == 256


def test_a_pool_without_a_stage_takes_its_windows(soc):
    assert cycles(pooled(3), soc) == 36 * 8 * 9 // 8


def test_cores_share_the_stages(soc):
    assert cycles(pooled(3), with_stages(soc, pools=2), cores=2) == 128


def test_the_explanation_names_the_stages(soc):
    found = work(followed_by("SWISH"), with_stages(soc, functions=1, results=4))
    assert "beside it: 256 results at 4 a cycle = 64 cycles" in found.terms
    assert "beside it: 256 functions from a table at 1 a cycle = 256 cycles" in found.terms
    assert "a faster stage beside the array: 256 functions from a table at 1 a cycle" in found.levers


# --- arrangements of multipliers ----------------------------------------------------------------------


def test_the_arrangement_with_the_fewest_steps_is_used(soc):
    windows = soc.with_({"units.npu.array.alternatives": [{"R": 3, "S": 3, "C": 4}]})
    graph = one_conv(8, 4, 4, 3)  # 36 positions
    assert cycles(graph, soc) == 36 * 9
    assert cycles(graph, windows) == 36 * 4
    assert cycles(one_conv(8, 8, 8, 1), windows) == 64  # channels fill the first arrangement better


def test_no_arrangement_has_more_multipliers_than_the_first(soc):
    changes = {"units.npu.array.alternatives": [{"C": 8, "K": 8}, {"C": 65}], "units.npu.array.depthwise": {"G": 100}}
    with pytest.raises(PlatformError) as caught:
        soc.with_(changes)
    assert "depthwise: found 100 multipliers; `unroll` has 64, write 64 at most" in str(caught.value)
    assert "alternatives[1]: found 65 multipliers" in str(caught.value)
    assert "alternatives[0]" not in str(caught.value)


# --- layout and order of loads ------------------------------------------------------------------------


def three_in_a_row(channels):
    """Return a network of three convolutions; what lies between them is the unit's own."""
    net = Net()
    x = net.conv(net.input(1, 8, 8, channels), channels)
    return net.graph(net.conv(net.conv(x, channels), channels))


@pytest.mark.parametrize(("channels", "stored"), [(16, 16), (17, 32), (3, 16), (5, 16)])
def test_feature_maps_lie_in_groups_of_channels(soc, channels, stored):
    rows = run_graph(three_in_a_row(channels), soc.with_({"units.npu.channel_group": "16 B"}), Options(unit="npu"))
    assert rows.operators[1].write_bytes == 64 * stored
    assert rows.operators[1].read_bytes == 64 * stored + channels * channels


def test_an_image_of_the_caller_stays_as_it_is(soc):
    rows = run_graph(three_in_a_row(3), soc.with_({"units.npu.channel_group": "16 B"}), Options(unit="npu"))
    assert rows.operators[0].read_bytes == 64 * 3 + 9
    assert rows.operators[0].write_bytes == 64 * 16


def test_wider_elements_have_fewer_channels_in_a_group(soc):
    net = Net(DType.FLOAT16)
    x = net.conv(net.input(1, 8, 8, 9), 9)
    grouped = soc.with_({"units.npu.channel_group": "16 B"})
    rows = run_graph(net.graph(net.conv(x, 9)), grouped, Options(unit="npu"))
    assert rows.operators[0].write_bytes == 64 * 2 * 16


def test_without_prefetch_inputs_come_before_the_first_cycle(soc):
    graph = one_conv(8, 64, 64)  # 4096 B each of input, weights and results; 4096 cycles
    apart = runtime("rknn").with_(prefetch=False)
    first, *_ = work(graph, soc, runtime=apart).phases
    assert (first.compute_cycles, [t.read_bytes for t in first.transfers]) == (0, [4096])
    beside, alone = (run_graph(graph, soc, Options(unit="npu", runtime=r)).latency_ps for r in ("rknn", apart))
    assert alone > beside
    assert alone - beside <= 4096 * 250


def test_without_prefetch_an_elementwise_operator_reads_before_it_writes(soc):
    net = Net()
    graph = net.graph(net.op("RELU", [net.input(1, 8, 8, 64)]))
    apart = runtime("rknn").with_(prefetch=False)
    assert [t.read_bytes for t in work(graph, soc, runtime=apart).phases[0].transfers] == [4096]


# --- runtimes -----------------------------------------------------------------------------------------


def test_a_changed_runtime_runs_like_a_shipped_one(soc):
    slow = runtime("rknn").with_(submit="1 ms")
    runs = [ss.run(one_conv(), soc, unit="npu", runtime=r, calibration="none") for r in ("rknn", slow)]
    assert runs[1].latency_ps - runs[0].latency_ps == 10**9 - runtime("rknn").submit.value
    assert runtime("rknn").submit.value != 10**9


def test_a_runtime_refuses_fields_and_values_that_do_not_exist():
    with pytest.raises(PlatformError, match="runtime 'rknn': submit: \"1 MB\"") as caught:
        runtime("rknn").with_(prefetsh=True, submit="1 MB")
    assert "prefetsh: unknown key \"prefetsh\". Did you mean 'prefetch'?" in str(caught.value)


@pytest.mark.parametrize(("kernel", "chained"), [(1, False), (3, True)])
def test_a_mean_joins_the_convolutions_that_the_runtime_names(soc, kernel, chained):
    net = Net()
    x = net.conv(net.input(1, 8, 8, 8), 8, kernel)
    graph = net.graph(net.op("MEAN", [net.op("RELU", [x])], (1, 1, 1, 8), axes=(1, 2), keep_dims=True))
    plan = make_plan(graph, soc, Options(unit="npu", runtime=runtime("rknn").with_(pools=["convolution"])))
    assert [len(task.members) for task in plan.tasks.tasks] == ([3] if chained else [2, 1])


def test_pools_that_follow_one_another_work_at_the_same_time(soc):
    net = Net()
    x = net.conv(net.input(1, 10, 10, 8), 8, 3)
    window = {"layout": "NHWC", "kernel": (2, 2), "strides": (2, 2), "pads": (0, 0, 0, 0)}
    halved = net.op("MAX_POOL_2D", [x], (1, 4, 4, 8), **window)
    graph = net.graph(net.op("MEAN", [halved], (1, 1, 1, 8), axes=(1, 2), keep_dims=True))
    chained = runtime("rknn").with_(pools=["convolution"])
    assert cycles(graph, with_stages(soc, pools=0.5), runtime=chained) == 2 * 512


# --- scalar kernels of a CPU --------------------------------------------------------------------------


def test_scalar_kernels_take_an_instruction_a_cycle(soc):
    net = Net()
    graph = net.graph(net.op("TRANSPOSE", [net.input(1, 32, 32, 8)], (1, 32, 8, 32), permutation=(0, 1, 3, 2)))
    rows = run_graph(graph, soc, Options(unit="cpu", cores=1, runtime="rknn-cpu"))
    assert rows.operators[0].compute_ps == 8192 * (1 + 3.5) * 1000
