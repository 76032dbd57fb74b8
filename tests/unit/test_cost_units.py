"""Costs on every kind of unit: positive, within peak, and never worse on faster hardware."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_world import PROPERTY, Net, altered, one_conv, small_soc

from socsim.cost.model import UnitContext
from socsim.cost.models import cost_model
from socsim.cost.winograd import WinogradLayer
from socsim.cost.work import Kernel, Operand
from socsim.engine.closed_form import analyse
from socsim.engine.fabric import Fabric
from socsim.engine.simulation import Job
from socsim.pipeline import Options, run_graph
from socsim.soc.loader import load_platform
from socsim.soc.runtimes import Kernels, Winograd, runtime
from socsim.workload.loops import LoopNest
from socsim.workload.nests import loop_nests
from socsim.workload.operators import OPERATORS, Category

# One unit of every kind, with a type that it multiplies.
UNITS = {
    "npu": ("rk3588", "npu", "int8"),
    "cpu": ("rk3588", "cpu_big", "int8"),
    "gpu": ("rk3588", "gpu", "float16"),
    "dsp": ("qcs6490", "dsp", "int8"),
    "sensing_hub": ("qcs6490", "sensing_hub", "int8"),
}
kinds = pytest.mark.parametrize("kind", UNITS)
TIMED = [name for name, spec in OPERATORS.items() if spec.vector_ops]


@cache
def platform(name):
    return load_platform(name)


def model_of(kind, soc=None, cores=None, **context):
    name, unit, _ = UNITS[kind]
    soc = soc or platform(name)
    cores = cores or soc.default_cores(unit)
    return cost_model(UnitContext(unit, soc.unit(unit), soc.unit_hz(unit), cores, soc.runtime(unit), **context))


def kernel(kind, operator="CONV_2D", nest=None, elements=1000, size=65_536, *, private=True):
    name, unit, dtype = UNITS[kind]
    memory = platform(name).unit(unit).activations[-1]
    category = OPERATORS[operator].category
    loops = (nest or LoopNest(k=32, c=32, p=8, q=8, r=3, s=3),) if category is Category.MAC else ()
    weights = (Operand(32 * 32 * 9, memory),) if loops else ()
    bits = 16 if dtype == "float16" else 8
    data = (Operand(size, memory, private),)
    elements *= OPERATORS[operator].vector_ops
    return Kernel(operator, category, dtype, loops, elements, bits, inputs=data, weights=weights, outputs=data)


def time_of(kind, work, soc=None):
    name, unit, _ = UNITS[kind]
    soc = soc or platform(name)
    job = Job(0, unit, soc.unit_hz(unit), 0, 0, work.phases, ())
    return analyse([job], Fabric(soc, {})).makespan_ps


def compute(work):
    return sum(phase.compute_cycles for phase in work.phases)


@kinds
def test_every_operator_takes_time_and_energy_on_every_kind_of_unit(kind):
    model = model_of(kind)
    for operator in TIMED:
        work = model.work(kernel(kind, operator))
        assert compute(work) > 0, operator
        assert time_of(kind, work) > 0, operator
        assert work.executed_macs + work.vector_elements > 0, operator
        assert work.terms, operator


@kinds
def test_arithmetic_is_counted_once(kind):
    asked = kernel(kind)
    work = model_of(kind).work(asked)
    assert work.executed_macs == asked.macs == 32 * 32 * 9 * 64
    assert work.vector_elements == asked.vector_elements


def faster(kind, clock):
    """Return the platform of a kind's unit with another clock for it."""
    name, unit, _ = UNITS[kind]
    return platform(name).with_({f"units.{unit}.clock": clock})


@kinds
@pytest.mark.parametrize("operator", ["CONV_2D", "ADD", "SOFTMAX", "CONCATENATION", "MAX_POOL_2D"])
def test_a_faster_clock_is_never_slower(kind, operator):
    asked = kernel(kind, operator)
    times = []
    for clock in ("100 MHz", "250 MHz", "500 MHz", "1000 MHz", "2 GHz"):
        soc = faster(kind, clock)
        times.append(time_of(kind, model_of(kind, soc).work(asked), soc))
    assert times == sorted(times, reverse=True)
    assert times[0] > times[-1]


@pytest.mark.parametrize("operator", ["CONV_2D", "ADD", "SOFTMAX", "CONCATENATION", "MAX_POOL_2D"])
@pytest.mark.parametrize(("kind", "most"), [("cpu", 4), ("npu", 3)])
def test_more_cores_never_take_more_cycles(kind, most, operator):
    asked = kernel(kind, operator)
    counted = [compute(model_of(kind, cores=cores).work(asked)) for cores in range(1, most + 1)]
    assert counted == sorted(counted, reverse=True)
    assert counted[0] > counted[-1]


@pytest.mark.parametrize(("kind", "path"), [("gpu", "units.gpu.compute_units"), ("dsp", "units.dsp.threads")])
def test_more_parallel_hardware_never_takes_more_cycles(kind, path):
    counted = []
    for amount in (1, 2, 4, 8):
        soc = platform(UNITS[kind][0]).with_({path: amount})
        counted.append(compute(model_of(kind, soc).work(kernel(kind))))
    assert counted == sorted(counted, reverse=True)
    assert counted[0] > counted[-1]


nests = st.builds(
    LoopNest,
    n=st.integers(1, 2), g=st.sampled_from([1, 1, 2, 32]), k=st.integers(1, 100), c=st.integers(1, 100),
    p=st.integers(1, 30), q=st.integers(1, 30), r=st.sampled_from([1, 3, 5]), s=st.sampled_from([1, 3, 5]),
    is_convolution=st.booleans(),
)  # fmt: skip


@PROPERTY
@given(st.sampled_from(sorted(UNITS)), nests)
def test_no_nest_exceeds_the_peak_of_its_unit(kind, nest):
    model = model_of(kind)
    asked = kernel(kind, nest=nest)
    assert model.work(asked).executed_macs <= compute(model.work(asked)) * model.rates()[asked.dtype]


@PROPERTY
@given(st.sampled_from(sorted(UNITS)), nests)
def test_every_operand_moves_at_least_once_unless_a_cache_holds_it(kind, nest):
    asked = kernel(kind, nest=nest, size=16 * 2**20)  # larger than every cache
    moved = [t for phase in model_of(kind).work(asked).phases for t in phase.transfers]
    assert sum(t.read_bytes for t in moved) >= asked.input_bytes + asked.weight_bytes
    assert sum(t.write_bytes for t in moved) == asked.output_bytes


@pytest.mark.parametrize("kind", ["cpu", "gpu"])
def test_caches_keep_small_activations_and_resident_weights(kind):
    asked = kernel(kind, size=4096)
    room = model_of(kind).last_level_bytes // 2
    cold, warm = (model_of(kind, constant_bytes=amount).work(asked) for amount in (room + 1, room))
    assert [sum(t.read_bytes for t in p.transfers) for p in cold.phases] == [asked.weight_bytes]
    assert [p.transfers for p in warm.phases] == [()]
    assert (cold.weight_bytes, warm.weight_bytes) == (asked.weight_bytes, 0)


@pytest.mark.parametrize("kind", ["cpu", "gpu"])
def test_caches_keep_nothing_that_another_unit_makes_or_reads(kind):
    asked = kernel(kind, size=4096, private=False)
    (phase,) = model_of(kind).work(asked).phases
    moved = [(t.read_bytes, t.write_bytes) for t in phase.transfers]
    assert moved == [(4096 + asked.weight_bytes, 4096)]


def test_of_private_last_level_caches_one_counts(tmp_path):
    soc = small_soc(tmp_path)  # 1 KiB of L1 in each of four cores
    models = [
        cost_model(UnitContext("cpu", soc.unit("cpu"), 10**9, cores, soc.runtime("cpu"), 513)) for cores in (1, 4)
    ]
    assert [model.last_level_bytes for model in models] == [1024, 1024]
    assert not any(model.weights_resident for model in models)


@kinds
def test_busy_cycles_are_those_of_every_core(kind):
    work = model_of(kind).work(kernel(kind, "ADD"))
    assert work.core_cycles == compute(work) * model_of(kind).parallel


def test_accumulators_of_a_transposed_convolution_are_its_results():
    attributes = {"layout": "NHWC", "kernel": (3, 3), "strides": (2, 2)}
    (nest,) = loop_nests("TRANSPOSE_CONV", [(1, 4, 4, 8), (16, 3, 3, 8)], [(1, 9, 9, 16)], attributes)
    assert nest.macs == 4 * 4 * 9 * 8 * 16
    assert nest.outputs == 9 * 9 * 16
    assert nest.stripes == 4
    asked = Kernel("TRANSPOSE_CONV", Category.MAC, "int8", (nest,), 0, 8, (), (), ())
    assert "finishing 1,296 accumulators" in "\n".join(model_of("cpu").work(asked).terms)


def test_only_convolutions_are_depthwise():
    (product,) = loop_nests("BATCH_MATMUL", [(4, 8, 1), (4, 1, 8)], [(4, 8, 8)], {})
    window = {"layout": "NHWC", "kernel": (3, 3), "strides": (1, 1), "dilations": (1, 1), "groups": 8}
    (layer,) = loop_nests("DEPTHWISE_CONV_2D", [(1, 8, 8, 8), (1, 3, 3, 8)], [(1, 6, 6, 8)], window)
    assert (product.g, product.c, product.is_depthwise) == (4, 1, False)
    assert (layer.g, layer.c, layer.is_depthwise) == (8, 1, True)


def test_a_dsp_streams_image_by_image():
    nest = LoopNest(n=3, k=32, c=32, p=8, q=8, is_convolution=True)
    phases = model_of("dsp").work(kernel("dsp", nest=nest, size=3 * 8192)).phases
    first, *_, last = (phase.transfers for phase in phases)
    assert [t.read_bytes for t in first] == [1024 + 32 * 32 * 9]  # one row of one image, and its only chunk
    assert [t.write_bytes for t in last] == [1024]


def test_a_thin_last_wave_costs_a_whole_one_on_a_gpu():
    model = model_of("gpu")  # 4 compute units, work-groups of 32 x 32
    waves = [
        compute(model.work(kernel("gpu", nest=LoopNest(k=32, c=256, p=32, q=groups), elements=0)))
        for groups in (1, 4, 5, 8)
    ]
    assert waves[0] == waves[1] < waves[2] == waves[3] == 2 * waves[0]


def occupied(**changes):
    soc = platform("rk3588").with_({f"units.gpu.occupancy.{name}": value for name, value in changes.items()})
    return model_of("gpu", soc)


def test_registers_and_threads_limit_the_resident_work_groups():
    assert occupied(registers="128 KiB", threads=1024, group=64).resident == 16  # 8 KiB for each of 32 x 32 results
    assert occupied(registers="16 KiB").resident == 2
    assert occupied(threads=192).resident == 3
    assert occupied(registers="1 KiB").resident == 1


def test_too_few_threads_leave_issue_cycles_empty():
    asked = kernel("gpu", nest=LoopNest(k=32, c=256, p=32, q=4), elements=0)  # one work-group a compute unit
    counted = [compute(occupied(lanes=lanes).work(asked)) for lanes in (32, 64, 128, 256)]
    assert counted[0] == counted[1]  # 64 threads with 16 independent results each
    assert counted[2] == pytest.approx(2 * counted[1], abs=1)
    assert counted[3] == pytest.approx(4 * counted[1], abs=1)


def test_resident_work_groups_hide_latency_for_each_other():
    two = kernel("gpu", nest=LoopNest(k=32, c=256, p=32, q=8), elements=0)  # two work-groups a compute unit
    alone, together = (compute(occupied(lanes=128, threads=t).work(two)) for t in (64, 128))
    assert alone == pytest.approx(2 * together, abs=1)


def test_a_kernel_of_few_results_covers_few_lanes():
    few, many = (compute(model_of("gpu").work(kernel("gpu", "ADD", elements=n, size=64))) for n in (256, 4096))
    assert few == pytest.approx(many, abs=1)  # 64 of the 1,024 threads that cover 4 x 64 lanes for 4 cycles


def dispatched(asked, **kernels):
    """Return the Work of a kernel on the GPU with a library whose kernels do what the test says."""
    name, unit, _ = UNITS["gpu"]
    soc = platform(name)
    stack = altered("tflite-gpu", kernels=Kernels(**kernels))
    return cost_model(UnitContext(unit, soc.unit(unit), soc.unit_hz(unit), 4, stack)).work(asked)


def moved(work):
    return [tuple((t.read_bytes, t.write_bytes) for t in phase.transfers) for phase in work.phases]


def test_a_gpu_pads_in_a_dispatch_of_its_own():
    nest = LoopNest(k=32, c=32, p=256, q=256, r=3, s=3, is_convolution=True)
    asked = kernel("gpu", nest=nest, size=2 * 32 * 256 * 256)
    plain, padded = dispatched(asked), dispatched(asked, padding_copies=1)
    assert [p.label for p in padded.phases] == ["padding", "steady"]
    assert (plain.setup_ps, padded.setup_ps) == (0, runtime("tflite-gpu").per_operator.value)
    border = 2 * 32 * 258 * 258
    assert moved(padded)[0] == ((4 * 1024 * 1024, border),)
    assert moved(padded)[1][0][0] - moved(plain)[0][0][0] == border - 4 * 1024 * 1024
    pointwise = replace(asked, loops=(replace(nest, r=1, s=1),))
    assert len(dispatched(pointwise, padding_copies=1).phases) == 1


def test_winograd_on_a_gpu_is_three_dispatches_with_memory_between_them():
    nest = LoopNest(k=64, c=64, p=128, q=128, r=3, s=3, is_convolution=True)
    asked = kernel("gpu", nest=nest, size=2 * 64 * 128 * 128, elements=0)
    rule = Winograd(tile=4, types=["float16"], sides=(11, 1000))
    direct, three = dispatched(asked), dispatched(asked, winograd=[rule])
    layer = WinogradLayer(nest, 4)
    assert [p.label for p in three.phases] == ["transformation", "product", "transformation back"]
    assert three.executed_macs == layer.products.macs < direct.executed_macs
    assert three.vector_elements == layer.input_operations + layer.output_operations
    assert moved(three)[0][0][1] == 2 * layer.input_elements
    assert moved(three)[2][0][0] == 2 * layer.output_elements
    small = replace(asked, loops=(replace(nest, p=10, q=10),))
    assert len(dispatched(small, winograd=[rule]).phases) == 1


def test_a_convolution_in_groups_takes_the_faster_of_two_kernels():
    grouped = kernel("gpu", nest=LoopNest(g=32, k=8, c=8, p=16, q=16, r=3, s=3, is_convolution=True), elements=0)
    product = replace(grouped, loops=(replace(grouped.loops[0], is_convolution=False),), type="BATCH_MATMUL")
    assert compute(dispatched(grouped)) < compute(dispatched(product))  # 8 of 32 columns of a work-group


@pytest.mark.parametrize(("taken", "made", "slower"), [(32, 32, 1), (30, 32, 1.5), (32, 30, 2.5), (30, 30, 5)], ids=str)
def test_channels_that_fill_no_vectors_are_loaded_one_by_one(taken, made, slower):
    asked = kernel("gpu", nest=LoopNest(k=made, c=taken, p=64, q=64, is_convolution=True), elements=0)
    whole, vectors = (compute(dispatched(asked, channel_vector=n)) for n in (1, 4))
    assert vectors == pytest.approx(slower * whole, rel=0.001)


def test_a_dsp_loads_vectors_beside_its_multiplies():
    asked = kernel("dsp", nest=LoopNest(g=256, p=16, q=16, r=3, s=3, is_convolution=True), elements=0)
    counted = [compute(model_of("dsp", platform("qcs6490").with_({"units.dsp.load": f"{n} B/cycle"})).work(asked))
               for n in (128, 64, 32, 16)]  # fmt: skip
    assert counted == sorted(counted)
    assert counted[-1] == pytest.approx(256 * 16 * 16 * 9 / (16 * 4), abs=2)  # one byte loaded for each multiplied


def test_cpu_cycles_follow_the_rate_and_the_kernel_family(tmp_path):
    soc = small_soc(tmp_path)
    share = soc.runtime("cpu").efficiency.get("convolution", 1)
    row = run_graph(one_conv(8, 16, 16, 1), soc, Options(unit="cpu", cores=1)).operators[0]
    macs, finish = 64 * 16 * 16, 64 * 16 * (4 * 4 + 3 * 2 + 3) / 16  # 16 lane bytes a cycle
    feed = 16 * (4 + 16) * 16 / 16  # 16 blocks of 4 x 16 results read 20 bytes for each of 16 input channels
    assert row.compute_ps / 1000 == pytest.approx(max(macs / (8 * share) + finish, feed), abs=2)


def test_a_sensing_hub_wakes_once_before_its_first_operator():
    net = Net()
    x = net.conv(net.conv(net.input(1, 8, 8, 8), 8), 8)
    record = run_graph(net.graph(x), platform("qcs6490"), Options(unit="sensing_hub"))
    wake = platform("qcs6490").file.power_domains["hub"].states[0].wake.value
    assert [row.sync_ps for row in record.operators] == [wake, 0]


def test_the_first_operator_of_a_hub_says_what_waiting_and_inferring_draw():
    net = Net()
    graph = net.graph(net.conv(net.conv(net.input(1, 8, 8, 8), 8), 8))
    soc = platform("qcs6490")
    record = run_graph(graph, soc, Options(unit="sensing_hub"))
    first, second = (explanation.terms for explanation in record.explanations)
    waiting = 0.3 + 5 + 10  # mW: hub listening, chip asleep, DRAM in self-refresh; other domains off
    assert f"the platform draws {waiting:.3g} mW" in first[-1]
    added = record.energy_pj - waiting * 1e-3 * record.latency_ps  # pJ: 1 W for 1 ps
    assert (
        f"an inference adds {added / 1e3:.3g} nJ to that; {added / 1e3:.3g} nW on average with one every 1 s"
        in first[-1]
    )
    assert f"{added / 1e4:.3g} nW on average with one every 10 s" in first[-1]
    assert not any("waiting for its trigger" in term for term in second)


@kinds
def test_models_keep_no_state(kind):
    model, asked = model_of(kind), kernel(kind)
    first = model.work(asked)
    model.work(replace(asked, vector_elements=5))
    assert model.work(asked) == first


def test_depthwise_layers_cannot_use_dot_products():
    """A76: 32 int8 MACs a cycle by dot product, 4 by widening multiply."""
    soc = platform("rk3588")
    model = cost_model(UnitContext("cpu_big", soc.unit("cpu_big"), soc.unit_hz("cpu_big"), 1, soc.runtime("cpu_big")))
    share = soc.runtime("cpu_big").efficiency["depthwise"]
    nest = LoopNest(g=64, p=32, q=32, r=3, s=3, is_convolution=True)
    asked = Kernel("DEPTHWISE_CONV_2D", Category.MAC, "int8", (nest,), 0, 8, (), (), ())
    finish = nest.outputs * 25 // 32
    assert model.work(asked).phases[0].compute_cycles == pytest.approx(nest.macs / (4 * share) + finish, abs=2)
