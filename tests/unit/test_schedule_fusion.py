"""What a runtime folds together, what it must not, and that nothing is lost on the way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_world import PROPERTY, Net, altered, window

from socsim.schedule.placement import Placed
from socsim.schedule.tasks import build_tasks

ALL = ["activation", "residual_add", "batch_norm", "pad", "view"]


def fused(graph, fuses=ALL, units=None):
    """Return the tasks of a graph on a unit whose runtime fuses what is given."""
    names = units or ["npu"] * len(graph.operators)
    placed = [Placed(name, "int8", "test") for name in names]
    runtimes = dict.fromkeys([*names, "npu"], altered("rknn", fuses=fuses))
    return build_tasks(graph, placed, runtimes)


def members(tasks):
    return [[op.type for op in task.members] for task in tasks.tasks]


def conv_net():
    net = Net()
    return net, net.conv(net.input(1, 8, 8, 8), 8)


@pytest.mark.parametrize("activation", ["RELU", "RELU6", "LEAKY_RELU", "CLIP"])
def test_an_activation_folds_into_the_convolution_before_it(activation):
    net, x = conv_net()
    tasks = fused(net.graph(net.op(activation, [x])))
    assert members(tasks) == [["CONV_2D", activation]]
    assert tasks.folded == {1: "activation folded into 0 CONV_2D"}
    assert tasks.task_of == {0: 0, 1: 0}


@pytest.mark.parametrize(("activation", "tasks"), [("RELU", 1), ("RELU6", 1), ("LEAKY_RELU", 2), ("PRELU", 2)])
def test_a_runtime_may_fold_limits_and_no_slopes(activation, tasks):
    net, x = conv_net()
    assert len(members(fused(net.graph(net.op(activation, [x])), fuses=["limit"]))) == tasks


@pytest.mark.parametrize("activation", ["LOGISTIC", "TANH", "SWISH", "SOFTMAX"])
def test_costly_activations_stay_on_their_own(activation):
    net, x = conv_net()
    assert members(fused(net.graph(net.op(activation, [x])))) == [["CONV_2D"], [activation]]


def test_a_runtime_without_the_rule_folds_nothing():
    net, x = conv_net()
    tasks = fused(net.graph(net.op("RESHAPE", [net.op("RELU", [x])], (64, 8))), fuses=[])
    assert members(tasks) == [["CONV_2D"], ["RELU"], ["RESHAPE"]]
    assert tasks.folded == {}


def test_a_chain_of_scale_and_activation_folds_whole():
    net, x = conv_net()
    scaled = net.op("MUL", [x, net.constant(8)])
    shifted = net.op("ADD", [scaled, net.constant(8)])
    tasks = fused(net.graph(net.op("RELU", [shifted])))
    assert members(tasks) == [["CONV_2D", "MUL", "ADD", "RELU"]]
    assert tasks.tasks[0].weights == [1, 3, 5]  # every constant of every member
    assert tasks.folded[1] == "per-channel scale and shift folded into 0 CONV_2D"


@pytest.mark.parametrize("shape", [(1,), (8,), (1, 1, 8), (1, 1, 1, 8)])
@pytest.mark.parametrize("kind", ["ADD", "MUL", "SUB"])
def test_one_number_for_each_channel_folds(kind, shape):
    net, x = conv_net()
    assert members(fused(net.graph(net.op(kind, [x, net.constant(*shape)])))) == [["CONV_2D", kind]]


@pytest.mark.parametrize("shape", [(8, 1), (8, 1, 1), (8, 8), (1, 8, 8, 8), (8, 1, 8)])
@pytest.mark.parametrize("kind", ["ADD", "MUL", "SUB"])
def test_a_constant_that_differs_over_positions_stays(kind, shape):
    net, x = conv_net()
    assert members(fused(net.graph(net.op(kind, [x, net.constant(*shape)])))) == [["CONV_2D"], [kind]]


def channels_first(constant, **attributes):
    net = Net()
    x, weights = net.input(1, 8, 6, 6), net.constant(8, 8, 1, 1)
    y = net.op("CONV_2D", [x, weights], (1, 8, 6, 6), **window(1, 1) | {"layout": "NCHW"})
    return net.graph(net.op("MUL", [y, net.constant(*constant)], (1, 8, 6, 6), **attributes))


def test_channels_lie_where_the_layout_says():
    assert members(fused(channels_first((8, 1, 1)))) == [["CONV_2D", "MUL"]]
    assert members(fused(channels_first((1, 8, 1, 1)))) == [["CONV_2D", "MUL"]]
    assert members(fused(channels_first((6,)))) == [["CONV_2D"], ["MUL"]]
    assert members(fused(channels_first((1, 8), broadcast="leading"))) == [["CONV_2D", "MUL"]]


def test_a_constant_that_widens_the_result_stays():
    net = Net()
    x = net.conv(net.input(1, 8, 8, 8), 1)
    tasks = fused(net.graph(net.op("MUL", [x, net.constant(8)], (1, 8, 8, 8))))
    assert members(tasks) == [["CONV_2D"], ["MUL"]]


def test_an_activation_after_another_kind_of_operator_stays():
    net = Net()
    pooled = net.op("MAX_POOL_2D", [net.input(1, 8, 8, 8)], **window(1, 1))
    assert members(fused(net.graph(net.op("RELU", [pooled])))) == [["MAX_POOL_2D"], ["RELU"]]


def test_an_activation_whose_operand_has_another_reader_stays():
    net, x = conv_net()
    tasks = fused(net.graph(net.op("RELU", [x]), net.op("TANH", [x])))
    assert members(tasks) == [["CONV_2D"], ["RELU"], ["TANH"]]


def test_an_activation_whose_operand_the_caller_reads_stays():
    net, x = conv_net()
    assert members(fused(net.graph(net.op("RELU", [x]), x))) == [["CONV_2D"], ["RELU"]]


def test_an_activation_on_another_unit_stays():
    net, x = conv_net()
    tasks = fused(net.graph(net.op("RELU", [x])), units=["npu", "cpu"])
    assert [(t.unit, t.root.type) for t in tasks.tasks] == [("npu", "CONV_2D"), ("cpu", "RELU")]


def residual_net(after="RELU"):
    net, skip = conv_net()
    x = net.conv(net.op("RELU", [net.conv(skip, 8)]), 8)
    return net, net.op(after, [net.op("ADD", [x, skip])])


def test_a_residual_addition_folds_into_the_later_convolution_with_what_follows():
    net, x = residual_net()
    tasks = fused(net.graph(x))
    assert members(tasks) == [["CONV_2D"], ["CONV_2D", "RELU"], ["CONV_2D", "ADD", "RELU"]]
    assert tasks.folded[4] == "residual addition folded into 3 CONV_2D"
    assert len(tasks.tasks[2].inputs) == 2  # its own input and the skip connection


def test_the_order_of_the_operands_of_an_addition_does_not_matter():
    net, skip = conv_net()
    x = net.conv(skip, 8)
    assert members(fused(net.graph(net.op("ADD", [skip, x])))) == [["CONV_2D"], ["CONV_2D", "ADD"]]


def test_an_addition_that_broadcasts_stays():
    net, x = conv_net()
    other = net.input(1, 1, 1, 8)
    tasks = fused(net.graph(net.op("ADD", [x, other])))
    assert members(tasks) == [["CONV_2D"], ["ADD"]]


def test_a_second_addition_stays():
    net, first = conv_net()
    other = net.input(1, 8, 8, 8)
    twice = net.op("ADD", [net.op("ADD", [first, other]), other])
    assert members(fused(net.graph(twice))) == [["CONV_2D", "ADD"], ["ADD"]]


def test_an_addition_of_what_a_later_task_makes_stays():
    net, left = conv_net()
    right = net.conv(net.inputs[0], 8)
    pooled = net.op("MAX_POOL_2D", [left], **window(1, 1))
    total = net.op("ADD", [net.op("RELU", [right]), pooled])  # RELU folds into a task before the pool's
    assert members(fused(net.graph(total))) == [["CONV_2D"], ["CONV_2D", "RELU"], ["MAX_POOL_2D"], ["ADD"]]


def test_the_same_through_a_view_stays():
    net, left = conv_net()
    right = net.conv(net.inputs[0], 8)
    pooled = net.op("MAX_POOL_2D", [left], **window(1, 1))
    view = net.op("RESHAPE", [pooled], (1, 8, 8, 8))
    total = net.op("ADD", [net.op("RELU", [right]), view])
    assert members(fused(net.graph(total)))[-1] == ["ADD"]


def padded(net, x):
    n, h, w, c = net.shape(x)
    return net.op("PAD", [x], (n, h + 2, w + 2, c), paddings=((0, 0), (1, 1), (1, 1), (0, 0)))


def test_a_pad_folds_into_the_convolution_that_alone_reads_it():
    net = Net()
    x = net.input(1, 8, 8, 8)
    tasks = fused(net.graph(net.conv(padded(net, x), 8, 3)))
    assert members(tasks) == [["PAD", "CONV_2D"]]
    assert tasks.tasks[0].root.type == "CONV_2D"
    assert tasks.tasks[0].inputs == [x]
    assert tasks.folded == {0: "padding folded into 1 CONV_2D"}


def test_a_pad_with_two_readers_stays():
    net = Net()
    pad = padded(net, net.input(1, 8, 8, 8))
    tasks = fused(net.graph(net.conv(pad, 8, 3), net.conv(pad, 8, 3)))
    assert members(tasks) == [["PAD"], ["CONV_2D"], ["CONV_2D"]]


def test_a_pad_before_a_pool_stays():
    net = Net()
    pad = padded(net, net.input(1, 8, 8, 8))
    assert members(fused(net.graph(net.op("MAX_POOL_2D", [pad], **window(1, 1))))) == [["PAD"], ["MAX_POOL_2D"]]


def test_a_view_is_compiled_away_and_shares_storage():
    net, x = conv_net()
    view = net.op("RESHAPE", [x], (64, 8))
    again = net.op("EXPAND_DIMS", [view], (1, 64, 8))
    tasks = fused(net.graph(again))
    assert members(tasks) == [["CONV_2D"]]
    assert tasks.storage == {view: x, again: x}
    assert tasks.folded == {1: "moves no data and is compiled away", 2: "moves no data and is compiled away"}


# --- nothing lost -------------------------------------------------------------------------------------


KINDS = ["CONV_2D", "CONV_2D", "RELU", "ADD", "MUL", "RESHAPE", "PAD", "SIN", "MAX_POOL_2D"]


@st.composite
def networks(draw):
    """Draw a network of up to 14 operators, each over tensors that exist already."""
    net = Net()
    made = [net.input(1, 6, 6, 8), net.input(1, 6, 6, 8)]
    for _ in range(draw(st.integers(1, 14))):
        x = draw(st.sampled_from(made[-4:]))
        kind = draw(st.sampled_from(KINDS))
        match kind:
            case "CONV_2D":
                made.append(net.conv(x, 8))
            case "ADD":
                made.append(net.op("ADD", [x, draw(st.sampled_from(made))]))
            case "MUL":
                made.append(net.op("MUL", [x, net.constant(8)]))
            case "PAD":
                made.append(net.conv(padded(net, x), 8, 3))
            case "MAX_POOL_2D":
                made.append(net.op(kind, [x], **window(1, 1)))
            case _:
                made.append(net.op(kind, [x]))
    outputs = draw(st.lists(st.sampled_from(made[2:]), min_size=1, max_size=2, unique=True))
    return net.graph(*outputs)


@PROPERTY
@given(networks(), st.lists(st.sampled_from(ALL), unique=True))
def test_every_operator_is_in_one_task_or_folded_with_a_reason(graph, fuses):
    tasks = fused(graph, fuses)
    inside = sorted(op.index for task in tasks.tasks for op in task.members)
    assert len(inside) == len(set(inside))
    for op in graph.operators:
        roots = [task for task in tasks.tasks if task.root is op]
        assert len(roots) == (op.index not in tasks.folded)
        if op.index in tasks.task_of:
            assert op in tasks.tasks[tasks.task_of[op.index]].members
        else:
            assert op.category.value in {"view", "state"}
    assert sorted({*inside, *tasks.folded}) == [op.index for op in graph.operators]


@PROPERTY
@given(networks(), st.lists(st.sampled_from(ALL), unique=True))
def test_tasks_are_in_an_order_in_which_they_can_run(graph, fuses):
    tasks = fused(graph, fuses)
    ready = {t for t, tensor in enumerate(graph.tensors) if t not in graph.producers}
    for task in tasks.tasks:
        assert all(tasks.storage.get(t, t) in ready for t in task.inputs)
        ready.update(t for op in task.members for t in op.outputs)
