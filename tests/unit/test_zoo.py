"""Are networks found by their names, drawn in the form that is asked for, and refused with reasons?"""

from __future__ import annotations

import csv
import json
import re
import time

import pytest

import socsim as ss
from socsim.errors import NumericsError, UsageError, WorkloadError
from socsim.workload.dtypes import DType
from socsim.workload.graph import TensorKind
from socsim.workload.zoo import Network, Request, StoredNetwork, family, load_model, stored_file, zoo
from socsim.workload.zoo.layers import Layers, divisible

DRAWN = [name for name, network in zoo().items() if isinstance(network, Network)]
# Names of measurements without a public description of the network.
UNDESCRIBED = {"vargconvnet"}


# --- names --------------------------------------------------------------------------------------------


def test_there_are_at_least_sixty_networks_beside_those_of_ncnn():
    assert len([name for name in ss.workloads() if not name.startswith("ncnn/")]) >= 60


def test_no_name_stands_for_two_networks():
    networks = [n for n in zoo().values() if isinstance(n, Network)]
    names = [name for n in networks for name in (n.name, *n.aliases)]
    assert len(names) == len(set(names))
    assert not {alias for n in networks for alias in n.aliases} & {n for n in zoo() if stored_file(n)}


@pytest.mark.parametrize("name", DRAWN)
def test_every_drawn_network_is_checked_and_says_where_it_comes_from(name):
    network = zoo()[name]
    graph = load_model(name)  # GraphBuilder.build checks shapes and order
    assert graph.name == name
    assert graph.source_format == "zoo"
    assert graph.macs > 0
    assert graph.tensors[graph.inputs[0]].shape == network.shape
    assert network.family
    assert network.source


def test_the_same_network_is_drawn_alike_and_others_are_not():
    first, second = load_model("mobilenet_v2"), load_model("mobilenet_v2")
    assert first == second
    hashes = [load_model(name).sha256 for name in ("mobilenet_v2", "mobilenet_v2_0.75", "mobilenet_v2_192")]
    assert len({*hashes, first.sha256}) == 3
    assert re.fullmatch("[0-9a-f]{64}", first.sha256)


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("mobilenetv2", "mobilenet_v2"),
        ("mobilenetv3_large_100", "mobilenet_v3_large"),
        ("mobilenetv4", "mobilenetv4_conv_small"),
        ("repvit", "repvit_m0_9"),
        ("squeezenet", "squeezenet1_1"),
        ("mobilenet_v2_1.0_224", "mobilenet_v2"),
    ],
)
def test_other_spellings_are_the_same_network(alias, name):
    assert load_model(alias).sha256 == load_model(name).sha256


def test_names_carry_width_and_resolution():
    graph = load_model("mobilenet_v2_0.35_128")
    assert graph.tensors[graph.inputs[0]].shape == (1, 3, 128, 128)
    assert graph.sha256 == load_model("mobilenet_v2", request=Request(width=0.35, resolution=128)).sha256
    assert graph.sha256 == load_model("mobilenet_v2_0.35", request=Request(shape=(1, 3, 128, 128))).sha256


def test_families_join_widths_depths_and_resolutions():
    assert {family(n) for n in ("resnet18", "resnet50_v2", "wide_resnet50_2", "ncnn/resnet50_int8")} == {"resnet"}
    assert {family(n) for n in ("mobilenet_v1_0.25_224", "mobilenet_v1_0.5_160", "ncnn/mobilenet")} == {"mobilenet_v1"}
    assert family("efficientnet_b0") != family("efficientnet_lite0") != family("efficientnet_v2_s")
    assert family("nosuch") is None


def test_every_classification_network_that_was_measured_is_known(shared):
    with (shared / "measurements" / "core.csv").open(encoding="utf-8") as file:
        measured = {row["workload"] for row in csv.DictReader(file) if row["input_shape"] == "1x3x224x224"}
    known = {name for name in measured if family(name)}
    assert len(known) > 60
    assert {name for name in measured - known if not name.startswith(("yolo", "vit", "deit", "swin", "clip"))} <= {
        *UNDESCRIBED, "fcn_resnet50", "unet",
    }  # fmt: skip


def test_the_list_names_families_and_sources(socsim):
    code, out, _ = socsim("workloads", "list", "--json")
    rows = {row["name"]: row for row in json.loads(out)["rows"]}
    assert code == 0
    assert rows["resnet50"]["kind"] == "drawn"
    assert rows["resnet50"]["source"] == "pytorch/vision torchvision/models/resnet.py"
    assert rows["ncnn/resnet50"]["kind"] == "file, BSD-3-Clause"
    assert set(rows) == {*ss.workloads(), *ss.scenarios()}


def test_show_draws_the_form_that_is_asked_for(socsim):
    code, out, _ = socsim("workloads", "show", "resnet50", "--precision", "int8", "--shape", "data=1x3x160x160")
    assert code == 0
    assert "resnet50 (zoo): 122 operators, 2,087,321,600 MACs, 25,530,472 parameters" in out
    assert "input     data int8 1x3x160x160" in out
    assert "family    resnet\nsource    pytorch/vision" in out
    code, out, _ = socsim("workloads", "show", "mobilenet_v2_0.35_128", "--json")
    assert json.loads(out)["macs"] == load_model("mobilenet_v2_0.35_128").macs


# --- forms --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("precision", "weights", "activations"),
    [
        ("int8", DType.INT8, DType.INT8),
        ("fp16_storage", DType.FLOAT16, DType.FLOAT32),
        ("int8x16", DType.INT8, DType.INT16),
    ],
)
def test_precision_changes_weights_and_activations(precision, weights, activations):
    graph = ss.load("resnet18", precision=precision, shape=(1, 3, 224, 224))
    convolution = next(op for op in graph.operators if op.type == "CONV_2D")
    x, w, bias = graph.input_tensors(convolution)
    assert (x.dtype, w.dtype, bias.dtype) == (activations, weights, DType.FLOAT32)


def test_weights_that_have_the_precision_already_keep_their_values():
    graph = ss.load("mlperf_tiny_kws", precision="int8")
    assert all(t.data is not None for t in graph.tensors if t.is_constant)
    assert all(t.data is None for t in ss.load("mlperf_tiny_kws", precision="fp16").tensors if len(t.shape) == 4)


def test_int8_networks_run_on_the_int8_npu():
    run = ss.run(ss.load("resnet18", precision="int8"), "imx93", unit="npu", detail="analytic")
    assert {row["unit"] for row in run.operators} == {"npu"}


def test_shape_batch_and_classes_reach_the_network():
    graph = ss.load("resnet18", batch=4, resolution=160, classes=10)
    assert graph.tensors[graph.inputs[0]].shape == (4, 3, 160, 160)
    assert graph.tensors[graph.outputs[0]].shape == (4, 10)
    assert ss.load("resnet18", shapes={"data": (4, 3, 160, 160)}, classes=10).sha256 == graph.sha256
    assert graph.macs == 4 * ss.load("resnet18", resolution=160, classes=10).macs


def test_a_stored_file_stands_for_its_name_unless_another_form_is_asked_for():
    assert isinstance(zoo()["mobilenet_v1_0.25_224"], StoredNetwork)
    assert ss.load("mobilenet_v1_0.25_224").source_format == "tflite"
    drawn = ss.load("mobilenet_v1_0.25_224", classes=1001)
    assert drawn.source_format == "zoo"
    # The file has a class more than ImageNet, and folds the activations itself.
    stored = ss.load("mobilenet_v1_0.25_224")
    assert drawn.macs == stored.macs
    assert drawn.parameters == stored.parameters


def test_networks_without_values_say_so_when_they_are_executed():
    graph = ss.load("resnet18")
    assert "can be costed, not executed" in " ".join(graph.notes)
    with pytest.raises(NumericsError, match="can be costed but not executed"):
        ss.execute(graph, {})


def test_drawing_takes_milliseconds():
    taken = []
    for _ in range(5):
        start = time.process_time()
        load_model("resnet50")
        taken.append(time.process_time() - start)
    assert min(taken) < 0.02


# --- refusals -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "asked", "message"),
    [
        ("resnet5", {}, "'resnet5' is neither a file nor a network of the zoo. Did you mean 'resnet50'"),
        ("zzzz", {}, "'zzzz' is neither a file nor a network of the zoo. `socsim workloads list` shows what there is."),
        ("resnet50_0.5_160", {}, "'resnet50_0.5_160' is neither a file nor a network of the zoo."),
        ("nosuch.onnx", {}, "nosuch.onnx"),
        ("resnet50", {"width": 0.5}, "width 0.5 is not possible"),
        ("mobilenet_v2", {"width": -1.0}, "width -1.0 is not possible"),
        ("resnet50", {"shape": (3, 224, 224)}, "shape (3, 224, 224) is not possible; give 4 dimensions of 1 or more"),
        ("resnet50", {"shape": (1, 3, 0, 224)}, "give 4 dimensions of 1 or more"),
        ("resnet50", {"shape": (1, 3, 64, 64), "resolution": 64}, "both given"),
        ("resnet50", {"classes": 0}, "classes 0 is not possible; give 1 or more"),
        ("resnet50", {"batch": 0}, "batch 0 is not possible; give 1 or more"),
        ("vgg16", {"resolution": 16}, "does not fit"),
        ("resnet50", {"resolution": 100_000}, "exceeds the limit"),
        ("resnet50", {"shapes": {"image": (1, 3, 64, 64)}}, "no input 'image'; its first input is 'data'"),
        ("resnet50", {"shapes": {"data": (3, 64, 64)}}, "with as many dimensions as 1x3x224x224"),
        ("mlperf_tiny_kws", {"width": 0.5}, "a stored file has one shape, one width and its own classes"),
    ],
)
def test_what_cannot_be_is_refused(name, asked, message):
    with pytest.raises(WorkloadError) as caught:
        ss.load(name, **asked)
    assert message in str(caught.value)


def test_all_faults_of_a_request_are_told_at_once():
    with pytest.raises(WorkloadError, match=r"shape .*; width .*; classes "):
        ss.load("resnet50", shape=(1,), width=0.5, classes=-1)


@pytest.mark.parametrize(
    "asked", [{"shape": "x"}, {"shape": (1, 3, 2.5, 4)}, {"width": "wide"}, {"resolution": 1.5}, {"classes": True}]
)
def test_arguments_of_another_type_are_a_misuse(asked):
    with pytest.raises(UsageError):
        ss.load("resnet50", **asked)


# --- the pen ------------------------------------------------------------------------------------------


def test_shared_layers_read_the_same_weights():
    net = Layers("twice")
    x = net.input((1, 8, 4, 4))
    for _ in range(2):
        with net.shared("head"):
            x = net.conv(x, 8, 3, act="RELU")
    graph = net.finish(x)
    first, second = (op for op in graph.operators if op.type == "CONV_2D")
    assert first.inputs[1:] == second.inputs[1:]
    assert graph.parameters == 8 * 8 * 9 + 8
    assert net.folded == 8


def test_shared_layers_of_another_shape_are_refused():
    net = Layers("twice")
    x = net.input((1, 8, 4, 4))
    with net.shared("head"):
        net.conv(x, 8, 3)
    with pytest.raises(WorkloadError, match="shared weights 'head' are"), net.shared("head"):
        net.conv(x, 16, 3)


def test_activations_are_operators_of_their_own_and_normalisations_are_folded():
    net = Layers("one")
    graph = net.finish(net.conv(net.input((1, 3, 8, 8)), 4, 3, act="SWISH"))
    assert [op.type for op in graph.operators] == ["CONV_2D", "SWISH"]
    assert [t.shape for t in graph.tensors if t.kind is TensorKind.CONSTANT] == [(4, 3, 3, 3), (4,)]


def test_a_convolution_with_a_group_for_each_channel_is_depthwise():
    net = Layers("one")
    graph = net.finish(net.conv(net.input((1, 4, 8, 8)), 8, 3, groups=4))
    assert graph.operators[0].type == "DEPTHWISE_CONV_2D"
    assert graph.macs == 8 * 8 * 8 * 9


@pytest.mark.parametrize(("channels", "least", "found"), [(11.2, 0.9, 16), (11.2, 0.0, 8), (3, 0.9, 8), (24, 0.9, 24)])
def test_channels_round_as_the_slim_networks_do(channels, least, found):
    assert divisible(channels, least=least) == found
