"""Do names in tables of measurements lead to the networks that were measured?"""

from __future__ import annotations

import json

import pytest

from socsim.data_files import data_folder
from socsim.workload.zoo import Request, load_model
from socsim.workload.zoo.measured import as_measured


@pytest.mark.parametrize(
    ("workload", "runtime", "network"),
    [
        ("yolov7", "qnn", "yolov7_tiny"),
        ("yolov7", "tflite-qnn", "yolov7_tiny"),
        ("yolov7", "hailort", "yolov7"),
        ("yolov5s", "hailort", "yolov5s_v2.0"),
        ("resnet50", "hailort", "resnet50_slim"),
        ("yolov5s", "rknn", "yolov5s"),
        ("resnet50", "qnn", "resnet50"),
    ],
)
def test_short_names_stand_for_the_variant_that_was_measured(workload, runtime, network):
    assert as_measured(workload, runtime)[0] == network


def test_units_whose_tools_cut_the_decoding_off_are_not_charged_for_it():
    request = Request(shape=(1, 3, 320, 320))
    assert as_measured("yolov8n", "rknn", request)[1] == Request(shape=(1, 3, 320, 320), decoded=False)
    assert as_measured("yolov8n", "qnn", request)[1] == request
    assert as_measured("resnet50", "rknn", request)[1] == request


def test_files_are_taken_as_they_are():
    assert as_measured("mlperf_tiny_kws", "tflm", Request(shape=(1, 1, 49, 10))) == ("mlperf_tiny_kws", Request())
    assert as_measured("ncnn/alexnet", "ncnn", Request(shape=(1, 3, 227, 227))) == ("ncnn/alexnet", Request())


def test_quantized_rows_mean_the_file_that_was_quantized():
    """ncnn's benchmark has files of their own for int8, in which layers beside convolutions stay in float."""
    assert as_measured("ncnn/googlenet", "ncnn", precision="int8") == ("ncnn/googlenet_int8", Request())
    assert as_measured("ncnn/googlenet", "ncnn", precision="fp16") == ("ncnn/googlenet", Request())
    assert as_measured("yolov7", "qnn", precision="int8")[0] == "yolov7_tiny"


def test_other_names_come_back_as_they_are():
    for name in ("ncnn/resnet50", "mlperf_tiny_ic", "no such network"):
        assert as_measured(name, "rknn") == (name, Request())


def test_every_stand_in_is_drawn_and_has_a_source():
    table = json.loads((data_folder("workloads") / "measured.json").read_text(encoding="utf-8"))
    assert table["stands_for"]
    for entry in table["stands_for"]:
        assert load_model(entry["network"]).macs
        assert entry["source"]
        assert entry["workload"] != entry["network"]


def test_the_shape_that_ran_counts_where_its_description_says_another():
    described = Request(shape=(1, 3, 224, 224))
    assert as_measured("unet", "qnn", described) == ("unet", Request(shape=(1, 3, 640, 1280)))
    assert as_measured("unet", "hailort", described) == ("unet", described)
