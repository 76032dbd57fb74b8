"""Array engines by hand, and what holds for every kind of array."""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction
from math import ceil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML
from small_world import PROPERTY, Net, one_conv, small_soc

from socsim.cost.arrays.engine import ArrayContext, Operation, map_operation
from socsim.cost.arrays.engines import ENGINES, array_engine, peak
from socsim.cost.work import Kernel, Operand
from socsim.pipeline import Options, make_plan, run_graph
from socsim.workload.dtypes import DType
from socsim.workload.loops import LoopNest
from socsim.workload.operators import Category

ROOT = Path(__file__).resolve().parents[2]
PS_PER_CYCLE = 1000
SYSTOLIC = {"kind": "systolic", "rows": 8, "columns": 4, "dataflow": "weight_stationary", "doubled": False}
VECTOR_MATRIX = {"kind": "vector_matrix", "lanes": 8, "depth": 16, "held": "weights", "load": 16}
PIPELINE = {"kind": "pipeline", "slices": 8, "macs_per_slice": 16}
IN_MEMORY = {
    "kind": "in_memory", "macros": 4, "rows": 32, "columns": 32, "cell_bits": 2, "input_steps": 8,
    "columns_per_converter": 4, "conversion_cycles": 1, "row_write_cycles": 2,
}  # fmt: skip
UNROLLED = {"kind": "unrolled", "unroll": {"C": 8, "K": 8}, "depthwise": {"G": 8}, "dataflow": "weight_stationary"}
EVERY_KIND = {
    "unrolled": UNROLLED,
    "unrolled, outputs stay": UNROLLED | {"dataflow": "output_stationary", "unroll": {"P": 2, "C": 4, "K": 8}},
    "systolic": SYSTOLIC,
    "systolic, doubled": SYSTOLIC | {"doubled": True},
    "systolic, inputs stay": SYSTOLIC | {"dataflow": "input_stationary"},
    "systolic, outputs stay": SYSTOLIC | {"dataflow": "output_stationary", "doubled": True},
    "vector_matrix": VECTOR_MATRIX,
    "vector_matrix, inputs held": VECTOR_MATRIX | {"held": "inputs"},
    "pipeline": PIPELINE,
    "in_memory": IN_MEMORY,
}


@pytest.fixture(scope="module")
def soc(tmp_path_factory):
    return small_soc(tmp_path_factory.mktemp("soc"))


def chip(soc, array, **changes):
    """Return the small SoC with another array in its NPU."""
    energy = {"units.npu.energy.conversion": "2 pJ"} if array["kind"] == "in_memory" else {}
    return soc.with_({"units.npu.array": array} | energy | changes)


def first(graph, soc, **options):
    return run_graph(graph, soc, Options(unit="npu", **options)).operators[0]


def cycles(graph, soc, **options):
    return first(graph, soc, **options).compute_ps / PS_PER_CYCLE


# --- unrolled arrays ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("rows", "steps"), [(1, 1), (3, 1), (5, 2), (16, 4), (17, 5)])
def test_rows_of_a_product_lie_in_both_spatial_dimensions(soc, rows, steps):
    net = Net()
    graph = net.graph(net.dense(net.input(rows, 64), 8))
    array = UNROLLED | {"unroll": {"P": 2, "Q": 2, "C": 8, "K": 8}}
    assert cycles(graph, chip(soc, array)) == 8 * steps  # 64 channels in blocks of 8


# --- systolic arrays ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dataflow", "doubled", "expected"),
    [
        # 8 x 8 positions, 20 input and 12 output channels, 8 x 4 cells: shift 8, skew 8 + 4 - 2.
        ("weight_stationary", False, 3 * 3 * (8 + 64 + 10)),
        ("weight_stationary", True, 8 + 9 * 64 + 10),
        ("input_stationary", False, 3 * 16 * (8 + 12 + 10)),
        ("input_stationary", True, 8 + 48 * 12 + 10),
        ("output_stationary", False, 8 * 3 * (20 + 10 + 8)),
        ("output_stationary", True, 24 * 20 + 10 + 8),
    ],
)
def test_a_systolic_array_fills_and_drains(soc, dataflow, doubled, expected):
    array = SYSTOLIC | {"dataflow": dataflow, "doubled": doubled}
    assert cycles(one_conv(8, 20, 12, 1), chip(soc, array)) == expected


def test_a_doubled_array_waits_for_weights_that_shift_in_longer_than_the_last_ones_work(soc):
    # One position: each of the 3 x 3 blocks works for one cycle while the next takes 8 to shift in.
    assert cycles(one_conv(1, 20, 12, 1), chip(soc, SYSTOLIC | {"doubled": True})) == 8 + 8 * 8 + 1 + 10


def test_groups_follow_one_another_on_a_systolic_array(soc):
    net = Net()
    graph = net.graph(net.depthwise(net.input(1, 8, 8, 16)))  # 9 deep: two blocks of rows for each of 16 channels
    assert cycles(graph, chip(soc, SYSTOLIC)) == 16 * 2 * (8 + 36 + 10)


def test_a_type_of_half_the_rate_doubles_every_cycle(soc):
    net = Net(DType.INT16)
    graph = net.graph(net.conv(net.input(1, 8, 8, 20), 12))
    assert cycles(graph, chip(soc, SYSTOLIC)) == 2 * 9 * (8 + 64 + 10)


# --- vector-matrix engines ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("held", "load", "expected"),
    [
        # 100 deep in slices of 16, 50 channels on 8 lanes: 7 x 7 tiles that one vector passes.
        ("weights", 0, 49),
        ("weights", 16, 16 + 48 * 16 + 1),
        ("inputs", 0, 49),
        ("inputs", 4, 4 + 6 * 7 + 7),  # each of seven slices of the vector works for seven cycles
    ],
)
def test_a_row_of_a_dense_layer_waits_for_what_is_held(soc, held, load, expected):
    net = Net()
    graph = net.graph(net.dense(net.input(1, 100), 50))
    assert cycles(graph, chip(soc, VECTOR_MATRIX | {"held": held, "load": load})) == expected


def test_vectors_that_pass_a_tile_hide_the_next_one(soc):
    assert cycles(one_conv(8, 32, 16), chip(soc, VECTOR_MATRIX)) == 16 + 2 * 2 * 64


# --- pipelines ----------------------------------------------------------------------------------------


def two_layers():
    net = Net()
    return net.graph(net.conv(net.conv(net.input(1, 8, 8, 16), 16), 48))  # 16,384 and 49,152 MACs


def test_the_slowest_layer_and_a_row_of_each_make_the_latency(soc):
    # Eight slices of 16: two for the first layer, six for the second, 512 cycles each; a row takes an eighth.
    rows = run_graph(two_layers(), chip(soc, PIPELINE), Options(unit="npu")).operators
    assert [row.compute_ps / PS_PER_CYCLE for row in rows] == [128 + 64, 384 + 64]


def test_a_batch_pays_for_the_rows_once(soc):
    rows = run_graph(two_layers(), chip(soc, PIPELINE), Options(unit="npu", batch=10)).operators
    assert sum(row.compute_ps for row in rows) / PS_PER_CYCLE == 10 * 512 + 2 * 64


def test_slices_go_to_the_slowest_layer(soc):
    # Seven slices: one layer of three quarters gets five, the other two: 16,384 / 32 = 512 < 49,152 / 80.
    rows = run_graph(two_layers(), chip(soc, PIPELINE | {"slices": 7}), Options(unit="npu")).operators
    interval = 49152 / 5 / 16
    assert sum(row.compute_ps for row in rows) / PS_PER_CYCLE == pytest.approx(interval + 2 * interval / 8, abs=4)


def test_a_layer_of_several_parts_needs_a_controller_for_each_and_one_to_join_them(soc):
    # Parts of two slices: six for the second layer take three controllers and one; of fewer it gets what it can.
    def latency(controllers):
        array = PIPELINE | {"controllers": controllers, "slices_per_controller": 2}
        rows = run_graph(two_layers(), chip(soc, array), Options(unit="npu")).operators
        return sum(row.compute_ps for row in rows) / PS_PER_CYCLE

    assert latency(5) == 512 * 1.25
    assert latency(4) == pytest.approx(49152 / 4 / 16 * 1.25, abs=4)
    assert latency(3) == latency(2) == 49152 / 2 / 16 * 1.25


def test_groups_narrower_than_a_slice_leave_multipliers_idle(soc):
    net = Net()
    depthwise = net.graph(net.depthwise(net.input(1, 8, 8, 16)))
    some, most = (cycles(depthwise, chip(soc, PIPELINE | {"inputs_per_slice": n})) for n in (4, 16))
    assert most == pytest.approx(4 * some, abs=4)


def test_passing_elements_slows_a_layer_of_few_products(soc):
    # 64 x 16 elements in, 64 x 48 out at 4 a cycle: 768 cycles and the rows, whatever the slices.
    array = PIPELINE | {"elements_per_part": 4, "slices_per_controller": 8, "controllers": 2}
    rows = run_graph(two_layers(), chip(soc, array), Options(unit="npu")).operators
    assert sum(row.compute_ps for row in rows) / PS_PER_CYCLE == 768 * 1.25


def test_each_context_is_changed_to_and_loads_its_weights_first(soc):
    array = PIPELINE | {"controllers": 1, "switch": "1 us"}
    rows = run_graph(two_layers(), chip(soc, array), Options(unit="npu")).operators
    alone = run_graph(two_layers(), chip(soc, PIPELINE | {"controllers": 1}), Options(unit="npu")).operators
    assert [row.weight_bytes for row in rows] == [16 * 16, 16 * 48]
    assert sum(row.end_ps - row.start_ps for row in rows) - sum(r.end_ps - r.start_ps for r in alone) == 2 * 10**6
    assert [row.compute_ps / PS_PER_CYCLE for row in rows] == [128 + 16, 384 + 48]


def test_layers_without_products_work_beside_the_others(soc):
    net = Net()
    x = net.conv(net.input(1, 8, 8, 16), 16)
    rows = run_graph(net.graph(net.pool(x)), chip(soc, PIPELINE), Options(unit="npu")).operators
    # One slice of eight is the pool's, which waits for two rows of eight at the convolution's pace.
    assert rows[1].compute_ps / PS_PER_CYCLE == ceil(16384 / 7 / 16 * 2 / 8)


def test_more_layers_than_slices_follow_one_another(soc):
    rows = run_graph(two_layers(), chip(soc, PIPELINE | {"slices": 1}), Options(unit="npu")).operators
    assert [row.compute_ps / PS_PER_CYCLE for row in rows] == [1024 + 128, 3072 + 384]


def test_weights_stay_on_the_chip_where_all_of_them_fit(soc):
    graph = two_layers()
    weights = 16 * 16 + 16 * 48
    read = [row.read_bytes for row in run_graph(graph, chip(soc, PIPELINE), Options(unit="npu")).operators]
    assert read == [8 * 8 * 16, 8 * 8 * 16]
    small = chip(soc, PIPELINE, **{"units.npu.buffer": f"{weights - 1} B"})
    read = [row.weight_bytes for row in run_graph(graph, small, Options(unit="npu")).operators]
    assert read == [16 * 16, 16 * 48]


# --- compute in memory --------------------------------------------------------------------------------


def test_resident_weights_multiply_at_the_converters_pace(soc):
    # 20 deep on 32 rows, 12 channels of four columns on 32: two macros of four, which stay; 8 x 4 cycles a vector.
    row = first(one_conv(8, 20, 12), chip(soc, IN_MEMORY))
    assert row.compute_ps == 64 * 32 * PS_PER_CYCLE
    assert (row.read_bytes, row.weight_bytes) == (8 * 8 * 20, 0)


def test_weights_that_do_not_fit_are_written_before_each_operator(soc):
    # 200 deep on 32 rows, 12 channels on two widths: 14 blocks, four rounds on four macros; 400 rows to write.
    row = first(one_conv(8, 200, 12), chip(soc, IN_MEMORY))
    assert row.compute_ps == (4 * 64 * 32 + 400 // 4 * 2) * PS_PER_CYCLE
    assert row.weight_bytes == 200 * 12


def test_channels_of_a_depthwise_layer_share_a_macro(soc):
    net = Net()
    graph = net.graph(net.depthwise(net.input(1, 8, 8, 12)))  # 9 rows and 4 columns each: three to a macro
    assert cycles(graph, chip(soc, IN_MEMORY)) == 36 * 32
    assert first(graph, chip(soc, IN_MEMORY)).weight_bytes == 0


def test_converters_cost_energy_for_every_step_and_column(soc):
    nothing = {"mac": {"int8": "0 pJ"}, "vector_op": "0 pJ", "local_byte": "0 pJ/B", "conversion": "3 pJ"}
    spent = run_graph(one_conv(8, 20, 12), chip(soc, IN_MEMORY, **{"units.npu.energy": nothing}), Options(unit="npu"))
    assert spent.units[0].energy_pj == 3 * 64 * 8 * 12 * 4  # vectors x steps x columns


def test_narrow_weights_take_fewer_columns(soc):
    unit = chip(soc, IN_MEMORY, **{"units.npu.precisions.int4": 2}).unit("npu")
    assert peak(unit, "int8") == Fraction(4 * 32 * 8, 32)
    assert peak(unit, "int4") == 2 * Fraction(4 * 32 * 16, 32)


# --- every kind ---------------------------------------------------------------------------------------


def test_every_kind_of_array_is_covered_here():
    assert {array["kind"] for array in EVERY_KIND.values()} == set(ENGINES.names()) - {"blocks"}


@st.composite
def nests(draw):
    """Draw a convolution, dense, grouped or depthwise."""
    size = st.integers(1, 12)
    depthwise = draw(st.booleans())
    return LoopNest(
        n=draw(st.integers(1, 3)), g=draw(size), k=1 if depthwise else draw(st.integers(1, 70)),
        c=1 if depthwise else draw(st.integers(1, 70)), p=draw(size), q=draw(size), r=draw(st.integers(1, 5)),
        s=draw(st.integers(1, 5)), stride_h=draw(st.integers(1, 3)), stride_w=draw(st.integers(1, 3)),
        is_convolution=True,
    )  # fmt: skip


def task(nest, unit, cores):
    inputs = nest.n * nest.g * nest.c * nest.input_rows * nest.input_columns
    kernel = Kernel(
        "CONV_2D", Category.MAC, "int8", (nest,), 0, 8, (Operand(inputs, "dram"),), (Operand(nest.weights, "dram"),), ()
    )
    return Operation(nest, kernel, Fraction(1), peak(unit, "int8")), ArrayContext(unit, cores)


@pytest.mark.parametrize("array", EVERY_KIND.values(), ids=EVERY_KIND)
@PROPERTY
@given(nest=nests(), cores=st.integers(1, 2), buffer=st.integers(256, 1 << 16))
def test_dram_reads_lie_between_compulsory_and_demand(soc, array, nest, cores, buffer):
    unit = chip(soc, array, **{"units.npu.buffer": f"{buffer} B"}).unit("npu")
    operation, context = task(nest, unit, cores)
    engine = array_engine(context)
    mapping = map_operation(engine, operation)
    traffic = engine.traffic(operation.kernel, mapping)
    touched = operation.kernel.input_bytes * Fraction(*nest.touched)
    weights = 0 if mapping.part.weight_reads == 0 else nest.weights
    assert traffic.read_bytes >= int(touched) + weights - 1
    # What cores fetch is counted in whole bytes of the largest part.
    assert traffic.read_bytes <= mapping.cores * (mapping.part.input_reads + mapping.part.weight_reads + 2)


@pytest.mark.parametrize("array", EVERY_KIND.values(), ids=EVERY_KIND)
@PROPERTY
@given(nest=nests(), cores=st.integers(1, 2))
def test_no_array_multiplies_faster_than_its_peak(soc, array, nest, cores):
    unit = chip(soc, array).unit("npu")
    operation, context = task(nest, unit, cores)
    mapping = map_operation(array_engine(context), operation)
    assert mapping.cycles * peak(unit, "int8") * cores >= nest.macs
    assert mapping.cycles >= mapping.ideal_cycles > 0


@pytest.mark.parametrize("empty", ["n", "g", "k", "c", "p", "q"])
@pytest.mark.parametrize("array", EVERY_KIND.values(), ids=EVERY_KIND)
def test_an_empty_nest_breaks_nothing(soc, array, empty):
    unit = chip(soc, array).unit("npu")
    operation, context = task(replace(LoopNest(2, 2, 2, 2, 2, 2, is_convolution=True), **{empty: 0}), unit, cores=2)
    engine = array_engine(context)
    mapping = map_operation(engine, operation)
    assert mapping.cycles >= mapping.ideal_cycles == 0
    assert engine.traffic(operation.kernel, mapping).read_bytes >= 0


@pytest.mark.parametrize("array", EVERY_KIND.values(), ids=EVERY_KIND)
def test_a_larger_buffer_never_costs_time(soc, array):
    net = Net()
    x = net.conv(net.input(1, 16, 16, 24), 40, 3)
    graph = net.graph(net.op("ADD", [net.conv(x, 40), net.conv(x, 40)]))
    sizes = ("1 KiB", "3 KiB", "10 KiB", "33 KiB", "100 KiB", "1 MiB")
    spent = [
        run_graph(graph, chip(soc, array, **{"units.npu.buffer": size}), Options(unit="npu")).latency_ps
        for size in sizes
    ]
    assert spent == sorted(spent, reverse=True)


@pytest.mark.parametrize("array", EVERY_KIND.values(), ids=EVERY_KIND)
def test_the_explanation_names_the_array_and_its_arithmetic(soc, array):
    record = run_graph(one_conv(8, 20, 12, 3), chip(soc, array), Options(unit="npu"))
    words = "\n".join(record.explanations[0].terms)
    assert f"array ({array['kind']})" in words
    assert f"= {record.operators[0].compute_ps // PS_PER_CYCLE:,} cycles" in words


def test_the_documented_arrays_run(soc):
    text = (ROOT / "docs" / "platforms.md").read_text(encoding="utf-8")
    arrays = [YAML(typ="safe").load(line)["array"] for line in re.findall(r"(?m)^ *(array: \{kind: .*)$", text)]
    assert {array["kind"] for array in arrays} == set(ENGINES.names()) - {"blocks"}
    for array in arrays:
        assert first(one_conv(8, 20, 12, 3), chip(soc, array)).compute_ps > 0


def test_first_bursts_do_not_grow_with_the_buffer(soc):
    net = Net()
    graph = net.graph(net.op("ADD", [net.input(1, 64, 64, 8), net.input(1, 64, 64, 8)]))
    plans = [
        make_plan(graph, chip(soc, UNROLLED, **{"units.npu.buffer": b}), Options(unit="npu"))
        for b in ("1 KiB", "1 MiB")
    ]
    prologues = [p.models["npu"].work(p.kernels.kernel(p.tasks.tasks[0])).phases[0] for p in plans]
    assert prologues[0] == prologues[1]
    assert sum(t.read_bytes for t in prologues[0].transfers) == 4 * 128  # bytes a nanosecond over the memory's latency
