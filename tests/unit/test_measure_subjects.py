"""What a model file is called in a table, its types and its input; what is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from onnx_models import constant, network, node, value

from socsim.errors import UsageError, WorkloadError
from socsim.measuring.subjects import subject

WORKLOADS = Path(__file__).resolve().parents[2] / "workloads"


def convolution(path, shape=(1, 3, 8, 8), name="w"):
    """Write a convolution as an ONNX file."""
    weights = constant(name, np.zeros((4, 3, 3, 3), np.float32))
    model = network([node("Conv", f"x {name}", "y", pads=[1] * 4)], [value("x", shape)], [value("y", None)], [weights])
    path.write_bytes(model.SerializeToString())
    return path


def test_a_stored_network_is_known_by_its_bytes(tmp_path) -> None:
    path = shutil.copy(WORKLOADS / "mlperf_tiny_ic_resnet8_int8.tflite", tmp_path / "whatever.tflite")
    found = subject(str(path), tmp_path)
    assert (found.workload, found.is_file, found.source_format) == ("mlperf_tiny_ic", False, "tflite")
    assert (found.precision, found.input_shape) == ("int8", "1x3x32x32")


def test_a_network_of_the_zoo_is_known_by_its_name_where_the_counts_agree(models, tmp_path) -> None:
    for file, name, precision in (
        ("coral_mobilenet_v2_1.0_224_uint8.tflite", "mobilenet_v2", "uint8"),
        ("coral_tf2_mobilenet_v2_1.0_224_ptq_int8.tflite", "mobilenet_v2", "int8"),
        ("coral_mobilenet_v1_0.25_128_uint8.tflite", "mobilenet_v1_0.25_128", "uint8"),
        ("nns_mobilenet_v2_quant.onnx", "mobilenet_v2", "uint8"),
    ):
        found = subject(str(models / file), tmp_path)
        assert (found.workload, found.precision, found.is_file) == (name, precision, False)


def test_a_name_alone_is_not_enough(tmp_path) -> None:
    """A file may be called like a network of the zoo and be another one."""
    found = subject(str(convolution(tmp_path / "mobilenet_v2.onnx", (1, 3, 224, 224))), tmp_path)
    assert (found.workload, found.is_file) == ("mobilenet_v2.onnx", True)


def test_other_files_are_named_by_their_path_from_the_table(tmp_path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    path = str(convolution(folder / "mine.onnx"))
    assert subject(path, tmp_path).workload == "models/mine.onnx"
    assert subject(path, folder).workload == "mine.onnx"
    assert subject(path, tmp_path / "tables").workload == "../models/mine.onnx"


def test_types_follow_the_arithmetic(models, tmp_path) -> None:
    assert subject(str(convolution(tmp_path / "mine.onnx")), tmp_path).precision == "fp32"
    for file, precision in (
        ("mlperf_tiny_ad_toycar_hybrid.tflite", "w8a32"),
        ("pinto_unet_person_weightquant.tflite", "w8a32"),
        ("tinyengine_mcunet_vww_int8.tflite", "int8"),  # float input, int8 inside
        ("onnx_gen/mnv2_035_128_qdq_s8s8_pt.onnx", "int8"),
        ("litert_single_add_default_a16w8_recipe_quantized.tflite", "int16"),  # nothing is multiplied
    ):
        assert subject(str(models / file), tmp_path).precision == precision


def test_images_stand_channels_first(models, tmp_path) -> None:
    assert subject(str(models / "nns_mobilenet_v2_quant.onnx"), tmp_path).input_shape == "1x3x224x224"
    assert subject(str(models / "coral_movenet_lightning_int8.tflite"), tmp_path).input_shape == "1x3x192x192"
    assert subject(str(models / "tflm_mnist_lstm_int8.tflite"), tmp_path).input_shape == "1x28x28"


def test_dimensions_that_a_file_leaves_open_can_be_given(tmp_path) -> None:
    path = str(convolution(tmp_path / "mine.onnx", (1, 3, "h", "w")))
    assert subject(path, tmp_path, shapes={"x": (1, 3, 20, 24)}).input_shape == "1x3x20x24"


def test_a_name_can_be_given(tmp_path) -> None:
    path = str(convolution(tmp_path / "mine.onnx"))
    assert subject(path, tmp_path, name="resnet50").workload == "resnet50"
    with pytest.raises(UsageError, match="name 'resnet5' is no network of the zoo; leave it out"):
        subject(path, tmp_path, name="resnet5")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("resnet50", r"resnet50: a network of the zoo has no weights to run; give its .tflite or .onnx file"),
        ("ncnn/alexnet", r"ncnn/alexnet: a network of the zoo has no weights to run"),
        ("absent.tflite", r"absent.tflite: no such file; give a .tflite or .onnx file"),
        (str(WORKLOADS / "ncnn/alexnet.param"), r"alexnet.param: ncnn models cannot be measured"),
    ],
)
def test_what_has_no_weights_is_refused(model, message, tmp_path) -> None:
    with pytest.raises(UsageError, match=message):
        subject(model, tmp_path)


def test_a_file_that_cannot_be_predicted_is_refused(tmp_path) -> None:
    path = tmp_path / "mine.tflite"
    path.write_bytes(b"no model")
    with pytest.raises(WorkloadError, match=r"mine\.tflite"):
        subject(str(path), tmp_path)
