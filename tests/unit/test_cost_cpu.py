"""Kernels of CPU libraries: blocks, copies, Winograd, depthwise, caches, cores and issue order."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_world import PROPERTY, altered, small_soc

from socsim.cost.caching import blocked, holding_level
from socsim.cost.cpu_sections import Section, as_built
from socsim.cost.gemm import Product, product
from socsim.cost.model import UnitContext
from socsim.cost.models import cost_model
from socsim.cost.winograd import WinogradLayer, fits_winograd
from socsim.cost.work import Kernel, Operand
from socsim.quantities import BytesPerCycle
from socsim.soc.loader import load_platform
from socsim.soc.runtimes import Kernels, PlainLoops, Winograd, runtime
from socsim.workload.loops import LoopNest
from socsim.workload.operators import Category


def level(name, size, bandwidth, scope="core"):
    return {"level": name, "size": size, "scope": scope, "bandwidth": f"{bandwidth} B/cycle"}


def library(**kernels):
    """Return a runtime whose kernels reach the peak and do what the test says."""
    return altered("tflite-xnnpack", kernels=Kernels(**kernels), efficiency={})


def model(tmp_path, stack=None, cores=1, caches=(), **changes):
    """Return the small SoC's CPU: 8 int8 and 2 float32 MACs a cycle and core, 1 KiB of L1 at 16 B a cycle."""
    wanted = {f"units.cpu.{name}": value for name, value in changes.items()}
    soc = small_soc(tmp_path).with_(wanted | ({"units.cpu.caches": list(caches)} if caches else {}))
    return cost_model(UnitContext("cpu", soc.unit("cpu"), 10**9, cores, stack or library()))


def convolution(dtype="int8", bits=8, weights=0, **bounds):
    nest = LoopNest(is_convolution=True, **bounds)
    constants = (Operand(weights, "dram"),) if weights else ()
    return Kernel("CONV_2D", Category.MAC, dtype, (nest,), 0, bits, (), constants, ())


def compute(work):
    return sum(phase.compute_cycles for phase in work.phases)


# --- blocked products ---------------------------------------------------------------------------------


def test_edges_of_register_blocks_cost_whole_blocks():
    made = product(LoopNest(k=17, c=10, p=5), (4, 16, 4), 8, 1)
    assert (made.depth, made.all_blocks) == (12, 2 * 2)  # ten channels fill three instructions of four
    assert made.macs == 4 * 4 * 16 * 12


def test_a_product_of_few_rows_has_a_micro_kernel_of_its_own():
    made = product(LoopNest(k=16, c=8), (4, 16, 1), 8, 1)
    assert made.block == (1, 16)
    assert made.macs == 16 * 8


def test_the_busiest_core_decides():
    blocks = [product(LoopNest(k=16, c=8, p=20), (4, 16, 1), 8, cores).blocks for cores in (1, 2, 3, 4, 5, 8)]
    assert blocks == [5, 3, 2, 2, 1, 1]


def test_a_cache_holds_blocks_of_the_operand_that_saves_more():
    assert blocked(100, 10, 50, 50) == 110  # the smaller one fits
    assert blocked(100, 120, 50, 50) == min(100 * 3 + 120, 120 * 2 + 100)
    assert blocked(100, 120, 10, 50) == 100 * 3 + 120


@PROPERTY
@given(st.integers(1, 10**6), st.integers(1, 10**6), st.integers(2, 10**5), st.integers(2, 10**5))
def test_a_larger_cache_never_takes_more_and_never_less_than_both(left, right, small, more):
    taken = [blocked(left, right, room, room) for room in (small, small + more)]
    assert taken[0] >= taken[1] >= left + right


@PROPERTY
@given(
    st.builds(
        Product, st.integers(1, 40), st.integers(1, 500), st.integers(1, 500), st.integers(1, 300),
        st.tuples(st.integers(1, 12), st.integers(1, 16)), st.sampled_from([8, 16, 32]), st.integers(1, 12),
    )
)  # fmt: skip
def test_another_core_never_makes_the_busiest_one_busier(made):
    caches = load_platform("rk3588").unit("cpu_big").caches
    larger = Product(made.groups, made.rows, made.columns, made.depth, made.block, made.bits, made.cores + 1)
    assert larger.blocks <= made.blocks
    assert larger.macs * larger.cores >= made.groups * made.rows * made.columns * made.depth
    assert [larger.level_bytes(c) <= made.level_bytes(c) for c in caches if c.scope == "core"] == [True, True]


def test_private_caches_share_an_amount_and_common_ones_do_not():
    caches = load_platform("rk3588").unit("cpu_big").caches  # 64 KiB and 512 KiB each, 3 MiB in common
    assert [holding_level(caches, 200 << 10, cores) for cores in (1, 4)] == [1, 0]
    assert [holding_level(caches, 2 << 20, cores) for cores in (1, 4)] == [2, 1]
    assert holding_level(caches, 1 << 30, 4) == 2


def test_weights_that_the_first_level_cannot_hold_come_from_the_next(tmp_path):
    caches = level("L1", "1 KiB", 16), level("L2", "64 KiB", 4)
    fast = {"macs_per_cycle.int8": 1000, "caches": caches, "stack": library(block={"int8": (4, 16, 1)})}
    work = model(tmp_path, **fast).work(convolution(k=128, c=128, p=8, q=8))
    left, right = 64 * 128, 128 * 128  # the inputs in blocks of 512 B, all weights for each
    assert compute(work) == max((right * 16 + left) // 4, 16 * 8 * 20 * 128 // 16)


# --- what libraries add -------------------------------------------------------------------------------


def test_copies_of_windows_are_counted_and_pointwise_layers_have_their_own(tmp_path):
    terms = {
        name: "\n".join(model(tmp_path, library(window_copies=2, pointwise_copies=1)).work(asked).terms)
        for name, asked in (
            ("window", convolution(k=16, c=8, p=4, q=4, r=3, s=3)),
            ("pointwise", convolution(k=16, c=8, p=4, q=4)),
        )
    }
    assert f"windows written out 2 x: {2 * 2 * 16 * 72:,} B" in terms["window"]
    assert f"operand written out 1 x: {2 * 16 * 8:,} B" in terms["pointwise"]


def test_a_library_without_copies_has_one_section(tmp_path):
    work = model(tmp_path, cores=2).work(convolution(k=16, c=8, p=4, q=4, r=3, s=3))
    copied = model(tmp_path, library(window_copies=1), cores=2).work(convolution(k=16, c=8, p=4, q=4, r=3, s=3))
    assert (work.sync_ps, copied.sync_ps) == (10**6, 2 * 10**6)  # one barrier of 1 us each
    assert model(tmp_path).work(convolution(k=16, c=8)).sync_ps == 0


def test_each_section_brings_what_it_needs(tmp_path):
    """Padding takes the inputs and leaves them in memory, the product the constants; results leave with the last."""
    data = {name: (Operand(n, "dram"),) for name, n in (("inputs", 1000), ("weights", 300), ("outputs", 2000))}
    nest = LoopNest(k=16, c=8, p=4, q=4, r=3, s=3, is_convolution=True)
    asked = Kernel("CONV_2D", Category.MAC, "int8", (nest,), 0, 8, **data)
    phases = model(tmp_path, library(window_copies=1, padding_copies=1)).work(asked).phases
    assert [p.label for p in phases] == ["padding", "copies", "product"]
    moved = [[(t.read_bytes, t.write_bytes) for t in p.transfers] for p in phases]
    assert moved == [[(1000, 1000)], [(1000, 0)], [(300, 2000)]]
    assert [p.label for p in model(tmp_path).work(asked).phases] == ["product"]


def test_inputs_of_a_wider_type_are_converted_first(tmp_path):
    """Float inputs of an int8 kernel are read whole, and passed on in a quarter of the bytes."""
    nest = LoopNest(k=16, c=8, p=8, q=16, r=3, s=3, is_convolution=True)
    results = (Operand(2048, "dram"),)

    def moved(given: Operand) -> dict[str, tuple[int, int]]:
        asked = Kernel("CONV_2D", Category.MAC, "int8", (nest,), 0, 8, (given,), (), results)
        phases = model(tmp_path, library(padding_copies=1)).work(asked).phases
        return {p.label: (t.read_bytes, t.write_bytes) for p in phases for t in p.transfers}

    shape, rest = (8, 16, 8), {"padding": (1024, 1024), "product": (1024, 2048)}
    assert moved(Operand(4096, "dram", shape=shape)) == {"quantization": (4096, 1024), **rest}
    assert moved(Operand(1024, "dram", shape=shape)) == rest


def test_pools_whose_windows_overlap_write_their_input_out_where_the_library_pads(tmp_path):
    data = (Operand(4096, "dram"),), (), (Operand(1024, "dram"),)
    for window, sections in (((3, 3), 2), ((2, 2), 1)):
        pool = Kernel("MAX_POOL_2D", Category.POOL, "int8", (), 9000, 8, *data, window=window, stride=(2, 2))
        assert len(model(tmp_path, library(padding_copies=1)).work(pool).phases) == sections
        assert len(model(tmp_path).work(pool).phases) == 1


def test_selecting_boxes_takes_one_core_and_an_operation_a_cycle(tmp_path):
    data = (Operand(64, "dram"),), (), (Operand(64, "dram"),)
    asked = Kernel("YOLO_DETECTION_OUTPUT", Category.HOST, "float32", (), 9_000, 32, *data)
    for cores in (1, 4):
        work = model(tmp_path, cores=cores).work(asked)
        assert (compute(work), work.sync_ps) == (9_000, 0)


def test_out_of_order_every_pipe_takes_an_operation_of_a_selection(tmp_path):
    data = (Operand(64, "dram"),), (), (Operand(64, "dram"),)
    asked = Kernel("YOLO_DETECTION_OUTPUT", Category.HOST, "float32", (), 9_000, 32, *data)
    for pipes, in_order, expected in ((4, False, 2_250), (4, True, 9_000), (1, False, 9_000)):
        core = model(tmp_path, vector=f"{16 * pipes} B/cycle", in_order=in_order)
        assert compute(core.work(asked)) == expected + (8 if in_order else 0)  # loads come on top


def test_what_cores_in_order_read_from_memory_comes_before_their_arithmetic(tmp_path):
    asked = convolution(k=16, c=64, p=8, q=8, weights=1024)
    ordered, free = (model(tmp_path, in_order=i).work(asked) for i in (True, False))
    assert [p.compute_cycles > 0 for p in ordered.phases] == [False, True]
    assert sum(t.read_bytes for t in ordered.phases[0].transfers) == 1024
    assert sum(t.read_bytes for p in free.phases for t in p.transfers) == 1024
    assert len(free.phases) == 1


def elementwise(operator, dtype="float16"):
    image = (Operand(2000, "dram", shape=(1, 10, 10, 10)),)
    return Kernel(operator, Category.NORMALISATION, dtype, (), 16_000, 16, image, (), image)


def test_a_library_says_what_an_element_of_an_operator_takes(tmp_path):
    kernels = {"operations": {"LRN": 64}}
    usual, own = (compute(model(tmp_path, library(**k)).work(elementwise("LRN"))) for k in ({}, kernels))
    assert (usual, own) == (16_000 * 2 // 16, 64 * 1000 * 2 // 16)
    assert compute(model(tmp_path, library(**kernels)).work(elementwise("SOFTMAX"))) == usual


def test_operators_without_half_floats_are_converted_there_and_back(tmp_path):
    wide = library(widened=["LRN"])
    plain, widened = (model(tmp_path, stack).work(elementwise("LRN")) for stack in (library(), wide))
    assert [p.label for p in widened.phases] == ["conversion", "element-wise"]
    assert widened.phases[-1].compute_cycles == 2 * compute(plain)
    assert len(model(tmp_path, wide).work(elementwise("SOFTMAX")).phases) == 1


def test_loops_over_single_elements_are_those_of_the_operators_that_the_library_names(tmp_path):
    some = library(scalar=3, scalar_operators=["TRANSPOSE"])
    assert compute(model(tmp_path, some).work(elementwise("TRANSPOSE"))) == 16_000 + 3 * 1000
    assert compute(model(tmp_path, some).work(elementwise("LRN"))) == 16_000 * 2 // 16


def test_inputs_without_a_window_need_no_border(tmp_path):
    padding = library(padding_copies=1)
    for asked, sections in ((convolution(k=16, c=8), 1), (convolution(k=16, c=8, p=4, q=4, s=3), 2)):
        assert len(model(tmp_path, padding).work(asked).phases) == sections


def test_serial_families_keep_one_core(tmp_path):
    asked = Kernel("ADD", Category.ELEMENTWISE, "int8", (), 16_000, 8, (), (), ())
    one, four, serial = (
        model(tmp_path, library(serial=serial), cores=cores).work(asked)
        for cores, serial in ((1, []), (4, []), (4, ["elementwise"]))
    )
    assert compute(one) == compute(serial) == 4 * compute(four)
    assert (serial.core_cycles, serial.sync_ps) == (one.core_cycles, 0)


# --- Winograd -----------------------------------------------------------------------------------------


def test_winograd_multiplies_less_adds_more_and_reads_larger_weights(tmp_path):
    direct = convolution("float32", 32, weights=4 * 9 * 64 * 64, k=64, c=64, p=24, q=24, r=3, s=3)
    layer = WinogradLayer(direct.loops[0], 6)
    plain = model(tmp_path).work(direct)
    work = model(tmp_path, library(winograd=[Winograd(tile=6, types=["float32"])])).work(direct)
    assert layer.tiles == 16
    assert work.executed_macs == 64 * 16 * 64 * 64 == layer.products.macs
    assert Fraction(plain.executed_macs, work.executed_macs) == Fraction(81, 16)  # 5.06 times fewer
    assert work.vector_elements == layer.input_operations + layer.output_operations
    assert 9 * work.weight_bytes == 64 * plain.weight_bytes
    assert compute(work) < compute(plain)


@pytest.mark.parametrize(("tile", "inputs", "outputs"), [(2, 32, 24), (4, 156, 90)])
def test_transformations_cost_what_their_authors_count(tile, inputs, outputs):
    layer = WinogradLayer(LoopNest(k=1, c=1, p=tile, q=tile, r=3, s=3, is_convolution=True), tile)
    assert (layer.input_operations, layer.output_operations) == (inputs, outputs)


def test_overhanging_tiles_count_in_full():
    nest = LoopNest(n=2, k=8, c=8, p=7, q=5, r=3, s=3, is_convolution=True)
    assert [WinogradLayer(nest, tile).tiles for tile in (2, 4, 6)] == [2 * 4 * 3, 2 * 2 * 2, 2 * 2 * 1]


@pytest.mark.parametrize(
    "other", [{"stride_h": 2}, {"dilation_w": 2}, {"g": 2}, {"r": 1, "s": 1}, {"is_convolution": False}]
)
def test_only_plain_convolutions_of_three_by_three_qualify(other):
    fits = {"k": 8, "c": 8, "p": 8, "q": 8, "r": 3, "s": 3, "is_convolution": True}
    assert fits_winograd(LoopNest(**fits))
    assert not fits_winograd(LoopNest(**(fits | other)))


def test_the_first_rule_that_holds_decides():
    rule = runtime("ncnn").kernels.winograd_rule
    assert rule("float16", 128, 128, ()).tile == 6
    assert rule("float16", 128, 256, ()).tile == 4
    assert rule("float16", 3, 256, ()).tile == 2
    assert rule("int8", 64, 64, ("dotprod",)) is None
    assert (rule("int8", 64, 64, ("neon",)).tile, rule("int8", 64, 64, ("neon",)).arithmetic) == (4, "int16")
    assert rule("int8", 256, 256, ("dotprod",)).tile == 4
    assert runtime("tflite-xnnpack").kernels.winograd_rule("float32", 64, 64, ()) is None


# --- depthwise, element-wise, issue order -------------------------------------------------------------


def test_depthwise_kernels_load_a_vector_for_each_that_they_multiply(tmp_path):
    asked = convolution("float32", 32, g=64, p=16, q=16, r=3, s=3)
    counted = [
        compute(model(tmp_path, library(depthwise_loads=loads), vector="1000 B/cycle").work(asked))
        for loads in (1, 2, 4, 8)
    ]
    macs = 64 * 16 * 16 * 9
    assert counted[0] == pytest.approx(macs / 2, rel=0.01)  # two MACs a cycle, 16 B loaded for four
    assert counted[2:] == [macs * 4 * 4 // 16, macs * 4 * 8 // 16]


def test_element_wise_kernels_are_bound_by_the_cache_that_holds_their_operands(tmp_path):
    caches = level("L1", "1 KiB", 16), level("L2", "64 KiB", 2)
    small, large = (
        compute(model(tmp_path, caches=caches).work(
            Kernel("ADD", Category.ELEMENTWISE, "int8", (), n, 8, (Operand(n, "dram"),), (), (Operand(n, "dram"),))
        ))
        for n in (400, 4000)
    )  # fmt: skip
    assert small == 400 * 2 // 16
    assert large == 4000 * 2 // 2


def test_in_order_cores_wait_for_what_loads_bring():
    free = Section("", "", 100, 60, 40, 1, 0)
    tuned = Section("", "", 100, 60, 40, 1, 0, scheduled=True)
    assert free.cycles(in_order=False) == tuned.cycles(in_order=False) == 100
    assert tuned.cycles(in_order=True) == 100 + 40
    assert free.cycles(in_order=True) == 100 + 60 + 40


def test_an_in_order_core_is_never_faster(tmp_path):
    caches = level("L1", "1 KiB", 16), level("L2", "64 KiB", 4)
    for asked in (convolution(k=64, c=64, p=8, q=8), convolution(g=64, p=8, q=8, r=3, s=3)):
        free, ordered = (compute(model(tmp_path, caches=caches, in_order=i).work(asked)) for i in (False, True))
        assert ordered > free


def test_the_explanation_names_every_section(tmp_path):
    rules = library(winograd=[Winograd(tile=4, types=["float32"])])
    terms = model(tmp_path, rules, cores=4).work(convolution("float32", 32, k=16, c=16, p=8, q=8, r=3, s=3)).terms
    assert [words.split(":")[0] for words in terms[:3]] == [
        "Winograd F(4 x 4, 3 x 3)", "product 36 x [4, 16] x [16, 16]", "Winograd F(4 x 4, 3 x 3)",
    ]  # fmt: skip
    assert all(" cycles" in words for words in terms[:3])


nests = st.builds(
    LoopNest,
    n=st.integers(1, 2), g=st.sampled_from([1, 1, 2, 32]), k=st.integers(1, 200), c=st.sampled_from([1, 3, 8, 64, 130]),
    p=st.integers(1, 30), q=st.integers(1, 30), r=st.sampled_from([1, 3, 5]), s=st.sampled_from([1, 3]),
    stride_h=st.sampled_from([1, 2]), is_convolution=st.booleans(),
)  # fmt: skip
CLUSTERS = st.sampled_from([
    ("rk3588", "cpu_big", "ncnn"), ("rk3588", "cpu_little", "tflite-ruy"), ("bcm2711", "cpu", "armnn-neon"),
    ("imx93", "cpu", "tflite-xnnpack"), ("stm32n657", "cpu", "cmsis-nn"),
])  # fmt: skip


FASTER = {
    "as described": lambda spec: {},
    "wider pipes": lambda spec: {"vector": "64 B/cycle"},
    "faster caches": lambda spec: {
        "caches": [c.model_dump(mode="json") | {"bandwidth": "64 B/cycle"} for c in spec.caches]
    },
    "out of order": lambda spec: {"in_order": False},
}


@cache
def shipped(cluster, cores=1, change="as described"):
    name, unit, stack = cluster
    changes = FASTER[change](load_platform(name).unit(unit))
    soc = load_platform(name).with_({f"units.{unit}.{path}": value for path, value in changes.items()})
    return cost_model(UnitContext(unit, soc.unit(unit), 10**9, cores, runtime(stack)))


@PROPERTY
@given(CLUSTERS, nests, st.sampled_from([("int8", 8), ("float32", 32)]))
def test_faster_pipes_and_caches_never_cost_cycles(cluster, nest, dtype):
    asked = Kernel("CONV_2D", Category.MAC, dtype[0], (nest,), 0, dtype[1], (), (), ())
    plain, *faster = (compute(shipped(cluster, change=change).work(asked)) for change in FASTER)
    assert max(faster) <= plain


@PROPERTY
@given(CLUSTERS, nests, st.integers(1, 3))
def test_work_stays_within_the_peak_and_shrinks_with_cores(cluster, nest, cores):
    asked = Kernel("CONV_2D", Category.MAC, "float32", (nest,), 0, 32, (), (), ())
    few, more = (shipped(cluster, cores=n) for n in (cores, cores + 1))
    work = few.work(asked)
    assert work.executed_macs <= compute(work) * few.rates()["float32"]
    assert work.executed_macs <= asked.macs or fits_winograd(nest)
    assert compute(more.work(asked)) <= compute(work)


# --- cores without kernels, division by channels ------------------------------------------------------


def test_a_core_without_kernels_of_its_own_runs_plain_loops(tmp_path):
    loops = PlainLoops(types=["int8"], unless=["avx2"], tap=9, channel=12)
    asked = convolution(k=8, c=4, p=5, q=5, r=3, s=3)
    one, two = (model(tmp_path, library(plain=[loops]), cores=cores).work(asked) for cores in (1, 2))
    assert compute(one) == 25 * 8 * 4 * (9 * 9 + 12) + 8 * 25 * 25 // 16 + 1  # and the accumulators are finished
    assert one.executed_macs == asked.macs
    assert compute(two) <= compute(one) // 2 + 1
    known = PlainLoops(types=["int8"], unless=["neon"], tap=9, channel=12)
    assert [p.label for p in model(tmp_path, library(plain=[known]), isa=["neon"]).work(asked).phases] == ["product"]


def test_instruction_sets_that_a_build_leaves_out_do_not_count(tmp_path):
    built = library(unused=["neon", "dotprod", "fp16"])
    asked = convolution("float32", 32, k=16, c=64, p=16, q=16)
    vector, scalar = (compute(model(tmp_path, stack, isa=["neon"]).work(asked)) for stack in (library(), built))
    assert scalar > vector
    spec = small_soc(tmp_path).with_({"units.cpu.isa": ["neon"]}).unit("cpu")
    assert as_built(spec, Kernels(unused=["neon"])).vector == BytesPerCycle("4 B/cycle")
    assert as_built(spec, Kernels(unused=["rvv"])) is spec


@pytest.mark.parametrize(("channels", "busiest"), [(8, 8), (16, 8), (24, 8), (40, 16), (64, 16)])
def test_cores_divide_channels_in_steps(channels, busiest):
    made = product(LoopNest(k=channels, c=8, p=20), (4, 8, 1), 8, 4, step=8)
    assert made.own_columns == busiest
    assert made.blocks == 5 * busiest // 8


def test_each_pass_over_the_positions_computes_a_panel_of_channels():
    passes = [product(LoopNest(k=256, c=8, p=20), (4, 8, 1), 8, n, step=8, panel=32).passes for n in (1, 2, 4, 8)]
    assert passes == [8, 4, 2, 1]
    assert product(LoopNest(k=256, c=8, p=20), (4, 8, 1), 8, 4).passes == 1


def test_windows_that_are_written_out_whole_pass_through_memory(tmp_path):
    asked = replace(convolution(k=64, c=8, p=8, q=8, r=3, s=3), outputs=(Operand(4096, "dram"),))
    written = 64 * 72  # B; the last cache has 1 KiB
    stacks = library(window_copies=1), library(window_copies=1, copy_tile="L1", channel_step=8, panel=32)
    piecewise, whole = (model(tmp_path, stack).work(asked).phases for stack in stacks)
    assert [sum(t.write_bytes for t in p.transfers) for p in piecewise] == [0, 4096]
    assert [sum(t.write_bytes for t in p.transfers) for p in whole] == [written, 4096]
    assert sum(t.read_bytes for t in whole[1].transfers) == 2 * written  # two panels of 32 channels


def test_a_tile_of_windows_is_the_work_of_one_core(tmp_path):
    caches = level("L1", "1 KiB", 16), level("L2", "4 KiB", 4)
    stack = library(window_copies=1, copy_tile="L2")
    cores = []
    for rows in (4, 8, 64):
        work = model(tmp_path, stack, cores=4, caches=caches).work(convolution(k=8, c=8, p=rows, q=8, r=3, s=3))
        cores.append(work.core_cycles / compute(work))
    assert cores[0] < cores[1] < cores[2] <= 4


def test_sums_that_are_finished_apart_are_written_out_in_32_bits(tmp_path):
    asked = replace(convolution(k=64, c=8, p=8, q=8), outputs=(Operand(4096, "dram"),))
    phases = model(tmp_path, library(finished_apart=["int8"])).work(asked).phases
    assert [p.label for p in phases] == ["product", "conversion"]
    assert [(t.read_bytes, t.write_bytes) for p in phases for t in p.transfers] == [(0, 4 * 4096), (4 * 4096, 4096)]


def test_vectors_of_channels_are_divided_where_products_are(tmp_path):
    shape = (1, 16, 16, 8)  # eight channels of float32 are two vectors
    data = (Operand(8192, "dram", shape=shape),)
    asked = Kernel("ADD", Category.ELEMENTWISE, "float32", (), 2048, 32, data, (), data)
    spread, divided = (model(tmp_path, stack, cores=4).work(asked) for stack in (library(), library(channel_step=8)))
    assert compute(divided) == 2 * compute(spread)
