"""Zeros among weights and packed weights: measured in the network, or stated; never assumed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from small_world import Net, one_conv, small_soc

from socsim.errors import PlatformError, UsageError
from socsim.pipeline import Options, run_graph
from socsim.session import run as session_run
from socsim.workload.dtypes import DType
from socsim.workload.graph import Quantization
from socsim.workload.weights import StatedSparsity, weight_values

PS_PER_CYCLE = 1000
DENSE = 8 * 8 * 2 * 2  # 8 x 8 positions, 16 channels on both sides of an 8 x 8 array


@pytest.fixture(scope="module")
def soc(tmp_path_factory):
    return small_soc(tmp_path_factory.mktemp("soc")).with_({"units.npu.vector": 64})  # never binds


def conv_with(values, dtype=DType.INT8, quantization=None, size=8):
    """Return a network of one 1 x 1 convolution with these weights, [filters, 1, 1, channels]."""
    graph = one_conv(size, values.shape[3], values.shape[0])
    weights = graph.operators[0].inputs[1]
    tensors = list(graph.tensors)
    tensors[weights] = replace(tensors[weights], dtype=dtype, data=values, quantization=quantization)
    return replace(graph, tensors=tuple(tensors))


def pattern(*row, dtype=np.int8):
    """Return 16 x 16 weights whose rows repeat a pattern along the input channels."""
    return np.tile(np.array(row, dtype=dtype), (16, 16 // len(row))).reshape(16, 1, 1, 16)


def measured(graph):
    return weight_values(graph, graph.operators)


def first(graph, soc, **options):
    return run_graph(graph, soc, Options(unit="npu", **options)).operators[0]


# --- what is measured ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "zeros", "two_of_four"),
    [
        ((1, 0, 2, 0), 128, True),
        ((0, 0, 3, 1), 128, True),
        ((0, 0, 0, 1), 192, True),
        ((1, 2, 3, 0), 64, False),
        ((1, 2, 3, 4, 0, 0, 0, 0), 128, False),  # half of all, but none of the first four
    ],
)
def test_zeros_and_their_pattern_are_counted(row, zeros, two_of_four):
    values = measured(conv_with(pattern(*row)))
    assert (values.elements, values.zeros, values.is_two_of_four) == (256, zeros, two_of_four)


def test_zero_is_what_the_zero_point_says():
    weights = pattern(7, 9, 7, 0, dtype=np.uint8)
    graph = conv_with(weights, DType.UINT8, Quantization((0.5,), (7,)))
    assert (measured(graph).zeros, measured(graph).is_two_of_four) == (128, True)


def test_zero_points_of_channels_count_for_their_channels():
    weights = pattern(5, 1, 5, 1)
    weights[8:] = 1  # the second half of the filters has 1 as its zero
    graph = conv_with(weights, quantization=Quantization((0.5,) * 16, (5,) * 8 + (1,) * 8, axis=0))
    assert measured(graph).zeros == 8 * 8 + 8 * 16


@pytest.mark.parametrize(
    ("row", "bits"),
    [((3,), 0), ((1, 2), 256), ((1, 2, 3, 4), 512), ((1, 1, 1, 2), 208)],  # 256 x 0.8113 bits, rounded up
)
def test_the_code_is_as_long_as_the_entropy(row, bits):
    assert measured(conv_with(pattern(*row))).code_bits == bits


def test_weights_without_bytes_are_not_known():
    assert measured(one_conv()) is None


def test_wide_weights_have_zeros_and_no_code():
    graph = conv_with(pattern(0, 1, 0, 1, dtype=np.float32), DType.FLOAT32)
    assert (measured(graph).zeros, measured(graph).code_bits) == (128, None)


def test_weights_are_looked_at_once_for_a_graph():
    graph = conv_with(pattern(0, 1))
    assert measured(graph) is measured(graph)


# --- what an array gains ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sparsity", "row", "expected"),
    [
        ({"structured": 2}, (1, 0, 2, 0), DENSE // 2),
        ({"structured": 2}, (1, 2, 3, 0), DENSE),
        ({"skipping": {"share": 1.0, "most": 8}}, (1, 2, 3, 0), DENSE * 3 // 4),
        ({"skipping": {"share": 0.5, "most": 8}}, (1, 0, 2, 0), DENSE * 3 // 4),
        ({"skipping": {"share": 1.0, "most": 3}}, (0, 0, 0, 0), -(-DENSE // 3)),
        ({"structured": 2, "skipping": {"share": 1.0, "most": 8}}, (1, 0, 0, 0), DENSE // 4),  # the better of the two
        (None, (0, 0, 0, 0), DENSE),
    ],
)
def test_cycles_follow_the_zeros_that_the_array_can_use(soc, sparsity, row, expected):
    chip = soc.with_({"units.npu.sparsity": sparsity}) if sparsity else soc
    done = first(conv_with(pattern(*row)), chip)
    assert done.compute_ps == expected * PS_PER_CYCLE
    assert done.executed_macs == pytest.approx(expected * 64, abs=64)  # whole cycles
    assert done.macs == DENSE * 64


def test_stated_zeros_count_whatever_the_network_holds(soc):
    chip = soc.with_({"units.npu.sparsity": {"structured": 2, "skipping": {"share": 1.0, "most": 8}}})
    graph = conv_with(pattern(1, 2, 3, 4))
    assert first(graph, chip).compute_ps == DENSE * PS_PER_CYCLE
    assert first(graph, chip, sparsity="2:4").compute_ps == DENSE // 2 * PS_PER_CYCLE
    assert first(graph, chip, sparsity=0.75).compute_ps == DENSE // 4 * PS_PER_CYCLE
    assert first(one_conv(8, 16, 16), chip, sparsity="0.75").compute_ps == DENSE // 4 * PS_PER_CYCLE
    assert first(one_conv(8, 16, 16), chip).compute_ps == DENSE * PS_PER_CYCLE  # not known: nothing is gained


def test_a_stated_sparsity_is_said_with_its_effect(soc):
    chip = soc.with_({"units.npu.sparsity": {"structured": 2}})
    said = session_run(one_conv(8, 16, 16), chip, unit="npu", sparsity="2:4").record.warnings
    assert "50 % of the weights are zero, two of every four, as stated, whatever the model holds: counts on npu" in said
    said = session_run(one_conv(8, 16, 16), soc, unit="npu", sparsity=0.3).record.warnings
    assert "30 % of the weights are zero, as stated: no unit that runs operators gains from it" in said


@pytest.mark.parametrize("stated", ["1:4", "", "1", 1.0, -0.1, "nan", True, [0.5]])
def test_other_statements_are_refused(soc, stated):
    with pytest.raises(
        UsageError, match=r"^sparsity .* is not known; write 2:4, or a share of zeros from 0 to below 1$"
    ):
        first(one_conv(), soc, sparsity=stated)


def test_statements_are_exact():
    assert StatedSparsity.of("2:4") == StatedSparsity(500_000, is_two_of_four=True)
    assert StatedSparsity.of(0.123456) == StatedSparsity(123_456)


# --- packed weights -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("compression", "row", "stored"),
    [
        ({"encoding": "bitmap"}, (1, 2, 3, 0), 32 + 192),  # a bit for each of 256, and 192 bytes
        ({"encoding": "bitmap"}, (1, 2, 3, 4), 256),  # longer than it was: stored as it is
        ({"encoding": "entropy"}, (1, 2, 3, 4), 64),  # two bits each
        ({"encoding": "entropy", "overhead": 1.5}, (1, 2, 3, 4), 96),
        ({"encoding": "entropy", "ratio": 0.5}, (1, 2, 3, 4), 64),  # values are known: the ratio is not needed
    ],
)
def test_packed_weights_are_as_long_as_their_values_make_them(soc, compression, row, stored):
    chip = soc.with_({"units.npu.compression": {"decode": "64 B/cycle"} | compression})
    assert first(conv_with(pattern(*row)), chip).weight_bytes == stored


def test_where_values_are_not_known_the_ratio_decides(soc):
    packs = {"encoding": "entropy", "decode": "64 B/cycle"}
    graph = one_conv(8, 16, 16)
    assert first(graph, soc.with_({"units.npu.compression": packs})).weight_bytes == 256
    assert first(graph, soc.with_({"units.npu.compression": packs | {"ratio": 0.25}})).weight_bytes == 64


@pytest.mark.parametrize(
    ("stated", "ratio", "stored"),
    [
        (0.5, None, 32 + 128),  # a bit for each of 256 says which are zero, and 128 bytes
        (0.75, None, 26 + 64),  # 256 x 0.811 bits, and 64 bytes
        (0.5, 0.25, 64),  # what packs as a rule so well packs no worse with zeros
        (0.0, None, 256),
    ],
)
def test_zeros_that_are_stated_shorten_a_code_by_values(soc, stated, ratio, stored):
    packs = {"encoding": "entropy", "decode": "64 B/cycle"} | ({} if ratio is None else {"ratio": ratio})
    chip = soc.with_({"units.npu.compression": packs})
    assert first(conv_with(pattern(1, 2, 3, 4)), chip, sparsity=stated).weight_bytes == stored


def test_the_decoder_binds_where_it_is_slower_than_the_array(soc):
    packs = {"encoding": "bitmap", "decode": "1 B/cycle"}
    graph = conv_with(pattern(1, 2, 3, 0), size=1)  # four cycles of the array for 256 weights
    record = run_graph(graph, soc.with_({"units.npu.compression": packs}), Options(unit="npu"))
    assert record.operators[0].compute_ps == 256 * PS_PER_CYCLE
    assert "256 B of weights stored in 224 B, unpacked beside it in 256 cycles" in record.explanations[0].terms


def test_a_gain_below_none_is_refused(soc):
    with pytest.raises(PlatformError, match=r"structured: found 0\.5; write a number from 1 up"):
        soc.with_({"units.npu.sparsity": {"structured": 0.5}})


def test_a_network_without_constants_gains_nothing(soc):
    net = Net()
    graph = net.graph(net.op("BATCH_MATMUL", [net.input(4, 8, 8), net.input(4, 8, 8)]))
    chip = soc.with_({"units.npu.sparsity": {"skipping": {"share": 1.0, "most": 8}}})
    assert first(graph, chip, sparsity=0.9).compute_ps == first(graph, soc).compute_ps
