"""Do drawn detectors have the parameters and operations that are published for them?

A figure agrees within 1 %, or within half a unit of its last printed digit where that is more. Operations are two for
each multiply-accumulate. Sources:

SUMMARIES    the line `MODEL summary (fused): … parameters, … GFLOPs` that ultralytics 8 and WongKinYiu/yolov9 print
TRAINED      comments of ultralytics/ultralytics cfg/models/v8/yolov8-worldv2.yaml, 11/yolo11.yaml, 11/yoloe-11-seg.yaml
             (which are those of yolo11-seg), 26/yolo26-cls.yaml
BOTH_HEADS   comments of ultralytics/ultralytics cfg/models/26/yolo26.yaml: in training there are two heads
RDK, SCALED  D-Robotics/rdk_model_zoo samples/vision/ultralytics_yolo/README.md, which repeats docs.ultralytics.com
HAILO        hailo-ai/hailo_model_zoo docs/public_models
README       READMEs of meituan/YOLOv6, WongKinYiu/yolov7, Megvii-BaseDetection/YOLOX, THU-MIG/yolov10, ultralytics/
             yolov5 v7.0; PaddlePaddle/PaddleDetection configs/ppyoloe/README.md; MLPerf inference,
             vision/classification_and_detection/README.md; biubug6/Pytorch_Retinaface (size of its weights / 4)
"""

from __future__ import annotations

import csv

import pytest

import socsim as ss
from socsim.errors import UsageError, WorkloadError
from socsim.workload.zoo import Request, family, load_model, zoo
from socsim.workload.zoo.layers import Layers
from socsim.workload.zoo.yolo_blocks import Draft, Scale
from socsim.workload.zoo.yolo_heads import Head, predict
from tests.zoo_counts import agrees, drawn, profiled_macs, weighted_macs

# Parameters of the inference network, GFLOPs of the layers with weights.
SUMMARIES = {
    "yolov5s": (7_225_885, "16.4"),
    "yolov5m": (21_172_173, "48.9"),
    "yolov8n": (3_151_904, "8.7"),
    "yolov8n_seg": (3_404_320, "12.6"),
    "yolov9t": (2_094_000, "8.2"),
    "yolo11n": (2_616_248, "6.5"),
    "yolo12n": (2_590_824, "6.5"),
    "yolo12x": (59_135_744, "199.0"),
    "yolo26n": (2_408_932, "5.4"),
}
# Parameters in training.
TRAINED = {
    "yolov8n": 3_157_200,
    "yolov8s": 11_166_560,
    "yolov8m": 25_902_640,
    "yolov8l": 43_691_520,
    "yolov8x": 68_229_648,
    "yolo11n": 2_624_080,
    "yolo11s": 9_458_752,
    "yolo11m": 20_114_688,
    "yolo11l": 25_372_160,
    "yolo11x": 56_966_176,
    "yolo11n_seg": 2_876_848,
    "yolo11s_seg": 10_113_248,
    "yolo11m_seg": 22_420_896,
    "yolo11l_seg": 27_678_368,
    "yolo11x_seg": 62_142_656,
    "yolo26n_cls": 2_812_104,
    "yolo26s_cls": 6_724_008,
    "yolo26m_cls": 11_634_216,
    "yolo26l_cls": 14_115_624,
    "yolo26x_cls": 29_637_064,
}
BOTH_HEADS = {
    "yolo26n": 2_572_280,
    "yolo26s": 10_009_784,
    "yolo26m": 21_896_248,
    "yolo26l": 26_299_704,
    "yolo26x": 58_993_368,
}
# Millions of parameters of the inference network, GFLOPs as profiled.
RDK = {
    "yolov5nu": ("2.6", "7.7"),
    "yolov5su": ("9.1", "24.0"),
    "yolov5mu": ("25.1", "64.2"),
    "yolov5lu": ("53.2", "135.0"),
    "yolov5xu": ("97.2", "246.4"),
    "yolov8n_seg": ("3.4", "12.6"),
    "yolov8s_seg": ("11.8", "42.6"),
    "yolov8l_seg": ("46.0", "220.5"),
    "yolov8x_seg": ("71.8", "344.1"),
    "yolov8n_pose": ("3.3", "9.2"),
    "yolov8s_pose": ("11.6", "30.2"),
    "yolov8m_pose": ("26.4", "81.0"),
    "yolov8l_pose": ("44.4", "168.6"),
    "yolov8x_pose": ("69.4", "263.2"),
    "yolov9s": ("7.2", "26.9"),
    "yolov9m": ("20.1", "76.8"),
    "yolov9c": ("25.3", "102.7"),
    "yolov9c_seg": ("27.7", "158.0"),
    "yolov9e": ("57.4", "189.5"),
    "yolov9e_seg": ("59.7", "244.8"),
    "yolo11s": ("9.4", "21.5"),
    "yolo11m": ("20.1", "68.0"),
    "yolo11l": ("25.3", "86.9"),
    "yolo11x": ("56.9", "194.9"),
    "yolo11n_seg": ("2.9", "10.4"),
    "yolo11s_seg": ("10.1", "35.5"),
    "yolo11m_seg": ("22.4", "123.3"),
    "yolo11l_seg": ("27.6", "142.2"),
    "yolo11x_seg": ("62.1", "319.0"),
    "yolo11s_pose": ("9.9", "23.2"),
    "yolo11m_pose": ("20.9", "71.7"),
    "yolo11l_pose": ("26.2", "90.7"),
    "yolo11x_pose": ("58.8", "203.3"),
    "yolo12s": ("9.3", "21.4"),
    "yolo12m": ("20.2", "67.5"),
    "yolo12l": ("26.4", "88.9"),
}
# As RDK, but profiled at 32 x 32 and multiplied by 400 for 640 x 640: layers of fixed size then count 400 times.
SCALED = {
    "yolov8n_cls": ("2.7", "4.3"),
    "yolov8s_cls": ("6.4", "13.5"),
    "yolov8m_cls": ("17.0", "42.7"),
    "yolov8l_cls": ("37.5", "99.7"),
    "yolov8x_cls": ("57.4", "154.8"),
    "yolo11s_cls": ("6.7", "13.0"),
    "yolo11m_cls": ("11.6", "40.3"),
    "yolo11l_cls": ("14.1", "50.4"),
    "yolo11x_cls": ("29.6", "111.3"),
    "yolov13n": ("2.5", "6.4"),
    "yolov13s": ("9.0", "20.8"),
    "yolov13l": ("27.6", "88.4"),
    "yolov13x": ("64.0", "199.2"),
}
# Millions of parameters, 10**9 operations; matrix products of activations are among them.
HAILO = {
    "yolov5s_v2.0": ("7.46", "17.44"),
    "yolov5m_v2.0": ("21.78", "52.17"),
    "yolov5n_seg": ("1.99", "7.1"),
    "yolov5s_seg": ("7.61", "26.42"),
    "yolov5l_seg": ("47.89", "147.88"),
    "yolov6n_v0.2": ("4.33", "11.06"),
    "yolov7": ("36.91", "104.51"),
    "yolov7_tiny": ("6.22", "13.74"),
    "yolov8m_seg": ("27.3", None),
    "yolov10n": ("2.3", "6.8"),
    "yolov10s": ("7.2", "21.7"),
    "yolov10b": (None, "92.09"),
    "yolov10x": (None, "160.56"),
    "yolo11n": ("2.6", "6.55"),
    "yolo11l": ("25.3", "87.17"),
    "yolo11x": ("56.9", "195.29"),
    "yolo_world_v2s": (None, "32.7"),
    "yolov3": ("61.92", "65.94"),
    "yolox_l": ("54.17", "155.3"),
    "ssd_mobilenet_v1": ("6.79", "2.5"),
}
# Millions of parameters of the inference network, GFLOPs as profiled.
README = {
    "yolov5n": ("1.9", "4.5"),
    "yolov5l": ("46.5", "109.1"),
    "yolov5x": ("86.7", "205.7"),
    "yolov5l_v2.0": ("47.8", None),
    "yolov5x_v2.0": ("89.0", None),
    "yolov6n": (None, "11.4"),
    "yolov6s": ("18.5", "45.3"),
    "yolov6m": ("34.9", "85.8"),
    "yolov6s_v0.2": ("17.2", "44.2"),
    "yolov7": ("36.9", "104.7"),
    "yolov7_tiny": ("6.2", "13.8"),
    "yolov10n": ("2.3", "6.7"),
    "yolov10s": ("7.2", "21.6"),
    "yolov10m": ("15.4", "59.1"),
    "yolov10b": ("19.1", "92.0"),
    "yolov10l": ("24.4", "120.3"),
    "yolov10x": ("29.5", "160.4"),
    "yolox_tiny": ("5.06", "6.45"),
    "yolox_s": ("9.0", "26.8"),
    "yolox_m": ("25.3", "73.8"),
    "yolox_x": ("99.1", "281.9"),
    "ppyoloe_s": ("7.93", "17.36"),
    "ppyoloe_m": ("23.43", "49.91"),
    "ppyoloe_l": ("52.20", "110.07"),
    "ppyoloe_x": ("98.42", "206.59"),
    "ssd_mobilenet_v1": (None, "2.47"),
    "ssd_resnet34": ("20", "433"),
}
RETINAFACE = {"retinaface_mobile": 426_608, "retinaface_resnet50": 27_293_600}
# Measured under names that no public file defines: layers and options of these exporters are not published.
UNDEFINED = {"fcos", "fcos_efficientnetb0", "fcos_efficientnetb2", "fcos_efficientnetb3", "yoloe_11s_seg"}


@pytest.mark.parametrize("name", SUMMARIES)
def test_counts_equal_those_that_the_makers_print(name):
    parameters, gflops = SUMMARIES[name]
    graph, _ = drawn(name)
    assert graph.parameters == parameters
    assert agrees(2 * profiled_macs(graph), gflops, 10**9)


@pytest.mark.parametrize("name", TRAINED)
def test_parameters_in_training_equal_those_of_the_configuration_files(name):
    graph, folded = drawn(name)
    assert graph.parameters + folded == TRAINED[name]


@pytest.mark.parametrize("name", BOTH_HEADS)
def test_two_heads_are_what_yolo26_trains_with(name):
    graph, folded = drawn(name)
    raw, _ = drawn(name, decoded=False)
    boxes = [raw.tensors[t].shape for t in raw.outputs[:3]]
    widths = [_width_before(raw, t) for t in raw.outputs[:3]]
    head = Layers("head")
    levels = [head.input((1, width, *shape[2:])) for width, shape in zip(widths, boxes, strict=True)]
    outputs = predict(Draft(head, Scale()), levels, 80, Head(bins=1, light=True, ranks=True))
    second = head.finish(*outputs)
    assert graph.parameters + folded + second.parameters + head.folded == BOTH_HEADS[name]


def _width_before(graph, tensor):
    """Return the channels of the level that the three convolutions before an output read."""
    for _ in range(3):
        producer = graph.operators[graph.producers[tensor]]
        while producer.type != "CONV_2D":
            producer = graph.operators[graph.producers[producer.inputs[0]]]
        tensor = producer.inputs[0]
    return graph.tensors[tensor].shape[1]


@pytest.mark.parametrize("name", RDK)
def test_counts_are_those_of_the_tables_of_ultralytics(name):
    _assert_counts(*drawn(name), *RDK[name], profiled_macs)


@pytest.mark.parametrize("name", SCALED)
def test_some_counts_were_taken_on_a_small_image(name):
    parameters, gflops = SCALED[name]
    graph, _ = drawn(name)
    small, _ = drawn(name, resolution=32)
    assert agrees(graph.parameters, parameters, 10**6)
    assert agrees(2 * 400 * weighted_macs(small), gflops, 10**9)


@pytest.mark.parametrize("name", HAILO)
def test_counts_are_those_of_the_hailo_model_zoo(name):
    _assert_counts(*drawn(name), *HAILO[name], lambda graph: graph.macs)


@pytest.mark.parametrize("name", README)
def test_counts_are_those_of_the_readmes(name):
    _assert_counts(*drawn(name), *README[name], profiled_macs)


def _assert_counts(graph, _folded, parameters, gflops, macs):
    assert parameters is None or agrees(graph.parameters, parameters, 10**6), graph.parameters
    assert gflops is None or agrees(2 * macs(graph), gflops, 10**9), macs(graph)


def test_yolov6n_is_published_with_the_branch_that_its_teacher_read():
    graph, _ = drawn("yolov6n")
    bins, widths = 4 * 17, (32, 64, 128)
    assert agrees(graph.parameters + sum(bins * (width + 1) for width in widths), "4.7", 10**6)


@pytest.mark.parametrize("name", RETINAFACE)
def test_retinaface_has_the_parameters_of_its_weights(name):
    graph, folded = drawn(name)
    assert graph.parameters + folded == RETINAFACE[name]


def test_oriented_boxes_change_the_classes_and_add_an_angle():
    graph, folded = drawn("yolov8n_obb", classes=80)
    assert graph.parameters + folded == 3_228_867  # comment of cfg/models/v8/yolov8-obb.yaml, which has 80 classes
    assert load_model("yolov8n_obb").tensors[load_model("yolov8n_obb").outputs[0]].shape == (1, 4 + 15 + 1, 8400)


def test_a_rectifier_takes_the_place_of_each_swish_and_changes_no_count():
    swish, rectifier = load_model("yolov5s"), load_model("yolov5s_relu")
    assert swish.macs == rectifier.macs
    assert rectifier.operator_counts["RELU"] == swish.operator_counts["SWISH"] == 57
    assert "SWISH" not in rectifier.operator_counts


@pytest.mark.parametrize(
    ("name", "outputs"),
    [
        ("yolov5s", [(1, 255, s, s) for s in (80, 40, 20)]),
        ("yolov8n", [(1, 64, s, s) for s in (80, 40, 20)] + [(1, 80, s, s) for s in (80, 40, 20)]),
        ("yolo26n", [(1, 4, s, s) for s in (80, 40, 20)] + [(1, 80, s, s) for s in (80, 40, 20)]),
        ("yolox_s", [(1, 85, s, s) for s in (80, 40, 20)]),
        ("yolov6n", [(1, 4, s, s) for s in (80, 40, 20)] + [(1, 80, s, s) for s in (80, 40, 20)]),
    ],
)
def test_without_decoding_a_detector_ends_with_what_each_level_says(name, outputs):
    whole, raw = load_model(name), load_model(name, request=Request(decoded=False))
    assert [raw.tensors[t].shape for t in raw.outputs] == outputs
    assert raw.parameters in (whole.parameters, whole.parameters - 16)  # the mean of 16 bins is part of the decoding
    assert len(raw.operators) < len(whole.operators)


def test_decoded_is_an_argument_of_load():
    assert len(ss.load("yolov8n", decoded=False, precision="int8").outputs) == 6
    with pytest.raises(UsageError, match="decoded is 'no'; give True or False"):
        ss.load("yolov8n", decoded="no")


def test_what_decodes_nothing_says_so():
    with pytest.raises(
        WorkloadError, match="resnet50: decoded false is not possible; it decodes nothing, leave it out"
    ):
        load_model("resnet50", request=Request(decoded=False))


def test_sizes_and_tasks_of_a_detector_are_one_family():
    assert {family(name) for name in ("yolov8n", "yolov8x", "yolov8n_seg", "yolov8s_pose", "yolov8l_cls")} == {"yolov8"}
    assert {family(name) for name in ("yolov5s", "yolov5x_v2.0", "yolov5n_seg", "yolov5su")} == {"yolov5"}


def test_every_detector_that_was_measured_is_drawn_at_its_size(shared):
    with (shared / "measurements" / "core.csv").open(encoding="utf-8", newline="") as file:
        rows = {(row["workload"], row["input_shape"]) for row in csv.DictReader(file)}
    prefixes = ("yolo", "ssd_", "retinaface", "ppyoloe", "fcos")
    wanted = {(name, shape) for name, shape in rows if name.startswith(prefixes) and name not in UNDEFINED}
    assert len(wanted) > 80
    for name, shape in sorted(wanted):
        dims = tuple(int(d) for d in shape.split("x"))
        graph = load_model(name, request=Request(shape=dims))
        assert graph.tensors[graph.inputs[0]].shape == dims


def test_undefined_detectors_are_not_guessed():
    assert not UNDEFINED & set(zoo())
