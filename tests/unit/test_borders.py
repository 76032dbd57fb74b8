"""What data costs where it goes from one unit to another: passes, submissions, hand-overs."""

from __future__ import annotations

import pytest
from small_world import Net, altered, small_soc, with_twin

from socsim.pipeline import Options, prepare_graph, run_graph
from socsim.schedule.borders import NO_BORDER, borders_by_data, borders_in_order, no_borders, passes
from socsim.soc.runtimes import runtime
from socsim.workload.dtypes import DType
from socsim.workload.graph import Tensor


@pytest.fixture(scope="module")
def soc(tmp_path_factory):
    return with_twin(small_soc(tmp_path_factory.mktemp("soc")))


def fan(readers=2):
    """Return a convolution whose result several operators read that only the CPU runs, and their results one more."""
    net = Net()
    x = net.conv(net.input(1, 8, 8, 16), 16)
    tips = [net.op("SIN", [x]) for _ in range(readers)]
    return net.graph(net.conv(net.op("ADD", tips[:2]), 16))


PLAIN, OWN = altered("tflite-xnnpack"), altered("rknn")
SHARED = altered("rknn", border="shared")
AS_FLOAT = altered("tflite-gpu", border="shared")


@pytest.mark.parametrize(
    ("source", "target", "wanted"),
    [
        (PLAIN, SHARED, (0, 0)),
        (SHARED, PLAIN, (0, 0)),
        (PLAIN, OWN, (100, 100)),  # once on the way in
        (OWN, PLAIN, (100, 100)),  # once on the way out
        (OWN, OWN, (200, 200)),  # out of one layout, into the other
        (PLAIN, AS_FLOAT, (100, 200)),  # another type is another tensor, whatever the layout
        (altered("tflite-gpu"), PLAIN, (200, 100)),
        (altered("tflite-gpu"), OWN, (300, 200)),
    ],
)
def test_a_tensor_is_written_anew_once_for_each_side_that_has_a_layout_of_its_own(source, target, wanted):
    assert passes(Tensor(0, "t", DType.INT8, (1, 100)), source, target, 1) == wanted
    assert passes(Tensor(0, "t", DType.INT8, (1, 100)), source, target, 3) == tuple(3 * n for n in wanted)


def test_the_first_reader_on_a_unit_writes_anew_for_all(soc):
    plan = prepare_graph(fan(3), soc, Options()).plan
    assert [task.unit for task in plan.tasks.tasks] == ["npu", "cpu", "cpu", "cpu", "npu", "npu"]
    anew = [len(border.rewrites) for border in plan.borders]
    assert anew == [0, 1, 0, 0, 2, 0]
    (first,) = plan.borders[1].rewrites
    assert (first.read_bytes, first.write_bytes) == (1024, 1024)


def test_passes_are_paid_in_time_bytes_and_energy(soc):
    graph = fan()
    costs = {}
    for border in ("shared", "rewritten"):
        record = run_graph(graph, soc, Options(runtime=altered("rknn", border=border)))
        costs[border] = record.operators[1]
    shared, anew = costs["shared"], costs["rewritten"]
    assert anew.read_bytes - shared.read_bytes == anew.write_bytes - shared.write_bytes == 1024
    assert anew.energy_pj > shared.energy_pj
    assert anew.memory_wait_ps - shared.memory_wait_ps >= 2 * 1024 * 250  # 4 GB/s, out and in


def test_explanations_name_what_is_written_anew(soc):
    record = run_graph(fan(), soc, Options())
    terms = [" ".join(e.terms) for e in record.explanations]
    assert "1024 B of another unit's results are read and 1024 B written anew" in terms[1]
    assert "written anew" not in terms[0]


def test_in_order_each_change_of_unit_is_a_submission(soc):
    tasks = prepare_graph(fan(), soc, Options()).plan.tasks
    assert [b[:2] for b in borders_in_order(tasks, 1)] == [
        (True, False), (True, True), (False, True), (True, True), (False, False),
    ]  # fmt: skip
    assert no_borders(tasks, 1) == (NO_BORDER,) * len(tasks.tasks)


def test_by_data_a_submission_begins_where_data_arrives_once_for_each_group(soc):
    tasks = prepare_graph(fan(), soc, Options()).plan.tasks
    apart = borders_by_data(tasks, 1, [0, 1, 2, 3, 4])
    assert [b[:2] for b in apart] == [(True, False), (True, True), (True, True), (True, True), (False, False)]
    together = borders_by_data(tasks, 1, [0, 1, 1, 3, 4])
    assert [b[:2] for b in together] == [(True, False), (True, True), (False, False), (True, True), (False, False)]


def test_later_sources_are_submitted_only_elsewhere(soc):
    net = Net()
    left, right = net.conv(net.input(1, 8, 8, 16), 16), net.op("SIN", [net.input(1, 8, 8, 16)])
    other = net.conv(net.input(1, 8, 8, 16), 16, 3)
    tasks = prepare_graph(net.graph(left, right, other), soc, Options()).plan.tasks
    assert [task.unit for task in tasks.tasks] == ["npu", "cpu", "npu"]
    assert [b.is_submitted for b in borders_by_data(tasks, 1, [0, 1, 2])] == [True, True, False]


@pytest.mark.parametrize("name", ["rknn", "tflite-gpu", "tensorrt-dla", "ncnn-vulkan", "qnn-htp", "cann", "tflite-vx"])
def test_layouts_of_their_own_have_a_source_or_are_assumed(name):
    stack = runtime(name)
    assert stack.border == "rewritten"
    assert "border" in {*stack.sources, *stack.assumed}
