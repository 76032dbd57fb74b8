"""Do drawn classification networks have the parameters and multiply-accumulates that are published for them?

A figure agrees within 1 %, or within half a unit of its last printed digit where that is more. Sources:

TORCHVISION  num_params and GFLOPS (multiply-accumulates) of the weights' pages, pytorch.org/vision/stable/models
SLIM_V1      tensorflow/models research/slim/nets/mobilenet_v1.md; arXiv 1704.04861, table 6, for width 0.75 (the
             table of slim gives 317 M for it, without saying how)
SLIM_V2      tensorflow/models research/slim/nets/mobilenet/README.md; tf.keras.applications.mobilenet_v2
TIMM         huggingface/pytorch-image-models results/benchmark-infer-amp-nchw-pt291-cu128-4090.csv, columns param_count
             and infer_gmacs (networks whose branches fold are folded there)
PAPERS       the paper that the network's `source` names
LITE         parameters: tensorflow/tpu models/official/efficientnet/lite; operations: hailo-ai/hailo_model_zoo
             docs/public_models/HAILO15H/HAILO15H_classification.rst, which count the addition of each bias too
"""

from __future__ import annotations

import pytest

from socsim.workload.zoo import Request, load_model
from tests import zoo_counts
from tests.zoo_counts import agrees

# Parameters in training, GMAC.
TORCHVISION = {
    "alexnet": (61_100_840, "0.714"),
    "convnext_base": (88_591_464, "15.355"),
    "convnext_small": (50_223_688, "8.684"),
    "convnext_tiny": (28_589_128, "4.456"),
    "densenet121": (7_978_856, "2.834"),
    "densenet169": (14_149_480, "3.36"),
    "efficientnet_b0": (5_288_548, "0.386"),
    "efficientnet_b1": (7_794_184, "0.687"),
    "efficientnet_b2": (9_109_994, "1.088"),
    "efficientnet_b3": (12_233_232, "1.827"),
    "efficientnet_b4": (19_341_616, "4.394"),
    "efficientnet_v2_s": (21_458_488, "8.366"),
    "googlenet": (6_624_904, "1.498"),
    "mnasnet0_5": (2_218_512, "0.104"),
    "mnasnet1_0": (4_383_312, "0.314"),
    "mobilenet_v2": (3_504_872, "0.301"),
    "mobilenet_v3_large": (5_483_032, "0.217"),
    "mobilenet_v3_small": (2_542_856, "0.057"),
    "regnet_x_400mf": (5_495_976, "0.414"),
    "regnet_x_800mf": (7_259_656, "0.8"),
    "regnet_x_3_2gf": (15_296_552, "3.177"),
    "regnet_y_400mf": (4_344_144, "0.402"),
    "regnet_y_800mf": (6_432_512, "0.834"),
    "resnet18": (11_689_512, "1.814"),
    "resnet34": (21_797_672, "3.664"),
    "resnet50": (25_557_032, "4.089"),
    "resnet101": (44_549_160, "7.801"),
    "resnet152": (60_192_808, "11.514"),
    "resnext50_32x4d": (25_028_904, "4.23"),
    "resnext101_32x8d": (88_791_336, "16.414"),
    "shufflenet_v2_x0_5": (1_366_792, "0.04"),
    "shufflenet_v2_x1_0": (2_278_604, "0.145"),
    "shufflenet_v2_x1_5": (3_503_624, "0.296"),
    "shufflenet_v2_x2_0": (7_393_996, "0.583"),
    "squeezenet1_0": (1_248_424, "0.819"),
    "squeezenet1_1": (1_235_496, "0.349"),
    "vgg11": (132_863_336, "7.609"),
    "vgg13": (133_047_848, "11.308"),
    "vgg16": (138_357_544, "15.47"),
    "vgg19": (143_667_240, "19.632"),
    "wide_resnet50_2": (68_883_240, "11.398"),
}
# Millions of parameters in training, multiply-accumulates.
SLIM_V1 = {
    "mobilenet_v1_1.0_224": ("4.24", "569M"),
    "mobilenet_v1_1.0_192": ("4.24", "418M"),
    "mobilenet_v1_1.0_160": ("4.24", "291M"),
    "mobilenet_v1_1.0_128": ("4.24", "186M"),
    "mobilenet_v1_0.75_224": ("2.59", "325M"),
    "mobilenet_v1_0.5_224": ("1.34", "150M"),
    "mobilenet_v1_0.5_192": ("1.34", "110M"),
    "mobilenet_v1_0.5_160": ("1.34", "77M"),
    "mobilenet_v1_0.5_128": ("1.34", "49M"),
    "mobilenet_v1_0.25_160": ("0.47", "21M"),
    "mobilenet_v1_0.25_128": ("0.47", "14M"),
}
# Millions of parameters as deployed, millions of multiply-accumulates, rounded down.
SLIM_V2 = {
    f"mobilenet_v2_{width}_{side}": (parameters, macs)
    for width, parameters, row in (
        ("1.0", "3.47", {224: "300", 192: "221", 160: "154", 128: "99", 96: "56"}),
        ("0.75", "2.61", {224: "209", 192: "153", 160: "107", 128: "69", 96: "39"}),
        ("0.5", "1.95", {224: "97", 192: "71", 160: "50", 128: "32", 96: "18"}),
        ("0.35", "1.66", {224: "59", 192: "43", 160: "30", 128: "20", 96: "11"}),
    )
    for side, macs in row.items()
}
# Millions of parameters as deployed, multiply-accumulates.
PAPERS = {
    "repghostnet_100": ("4.1", "142M"),
    "repghostnet_111": ("4.5", "170M"),
    "repghostnet_130": ("5.5", "231M"),
    "repghostnet_150": ("6.6", "301M"),
    "repghostnet_200": ("9.8", "516M"),
    "mobileone_s0": ("2.1", "275M"),
    "mobileone_s1": ("4.8", "825M"),
    "mobileone_s2": ("7.8", "1299M"),
    "mobileone_s3": ("10.1", "1896M"),
    "mobileone_s4": ("14.8", "2978M"),
    "fasternet_t0": ("3.9", "0.34G"),
    "fasternet_t1": ("7.6", "0.85G"),
    "fasternet_t2": ("15.0", "1.91G"),
    "fasternet_s": ("31.1", "4.56G"),
    "efficientvit_msra_m5": ("12.4", "522M"),
    "efficientformer_l1": ("12.3", "1.3G"),
    "efficientformer_l3": ("31.3", "3.9G"),
}
# Millions of parameters, deployed where branches fold; GMAC where the table counts what we count.
TIMM_DEPLOYED = {
    "fastvit_t8": ("4.0", "0.69"),
    "repvgg_a0": ("8.31", "1.36"),
    "repvgg_a1": ("12.79", "2.36"),
    "repvgg_b0": ("14.34", "3.06"),
    "repvgg_b1g4": ("36.13", "7.31"),
    "repvit_m0_9": ("5.07", "0.82"),
    "repvit_m1_0": ("6.81", "1.11"),
    "repvit_m1_1": ("8.24", "1.34"),
}
TIMM_TRAINED = {
    "convnext_atto": ("3.70", "0.55"),
    "convnext_nano": ("15.59", "2.46"),
    "convnext_pico": ("9.05", "1.37"),
    "edgenext_base": ("18.51", "3.85"),
    "efficientformer_l1": ("12.29", "1.30"),
    "efficientformer_l3": ("31.41", "3.93"),
    "efficientformerv2_s0": ("3.60", None),
    "efficientformerv2_s1": ("6.19", None),
    "efficientformerv2_s2": ("12.71", None),
    "efficientvit_msra_m5": ("12.47", None),
    "inception_v3": ("23.83", "5.73"),
    "mobilenetv4_conv_small": ("3.77", "0.19"),
    "mobilenetv4_conv_medium": ("9.72", None),
    # The table counts the projection of the position code and the normalisations: one to two percent here.
    "convnext_femto": ("5.22", None),
    "edgenext_xx_small": ("1.33", None),
    "edgenext_x_small": ("2.34", None),
    "edgenext_small": ("5.59", None),
}
# arXiv 2212.08059, table 8; counted for one head and without the index tables of attention.
EFFICIENTFORMER_V2_GMACS = {
    "efficientformerv2_s0": "0.40",
    "efficientformerv2_s1": "0.65",
    "efficientformerv2_s2": "1.25",
}
# Millions of parameters, 10**9 operations.
LITE = {
    "efficientnet_lite0": ("4.7", "0.78"),
    "efficientnet_lite1": ("5.4", "1.22"),
    "efficientnet_lite2": ("6.1", "1.74"),
    "efficientnet_lite3": ("8.2", "2.80"),
    "efficientnet_lite4": ("13.0", "5.10"),
}


def drawn(name):
    """Return the network, drawn even where a file stands for the name, and what training has more."""
    return zoo_counts.drawn(name, classes=1000)


@pytest.mark.parametrize("name", TORCHVISION)
def test_counts_equal_those_of_torchvision(name):
    parameters, gmacs = TORCHVISION[name]
    graph, folded = drawn(name)
    assert graph.parameters + folded == parameters
    assert agrees(graph.macs, gmacs, 10**9)
    assert agrees(graph.parameters, parameters)  # the folded network too


@pytest.mark.parametrize("name", [*SLIM_V1, *PAPERS])
def test_counts_are_those_that_papers_and_slim_print(name):
    parameters, macs = {**SLIM_V1, **PAPERS}[name]
    graph, folded = drawn(name)
    assert agrees(graph.parameters + (folded if name in SLIM_V1 else 0), parameters, 10**6), graph.parameters
    assert agrees(graph.macs, macs[:-1], {"M": 10**6, "G": 10**9}[macs[-1]]), graph.macs


@pytest.mark.parametrize("name", SLIM_V2)
def test_widths_and_resolutions_of_mobilenet_v2_are_those_of_its_table(name):
    parameters, macs = SLIM_V2[name]
    graph, _ = drawn(name)
    assert agrees(graph.parameters, parameters, 10**6)
    assert graph.macs // 10**6 == int(macs)


@pytest.mark.parametrize("name", [*TIMM_DEPLOYED, *TIMM_TRAINED])
def test_counts_equal_those_of_timm(name):
    graph, folded = drawn(name)
    parameters, gmacs = {**TIMM_DEPLOYED, **TIMM_TRAINED}[name]
    assert agrees(graph.parameters + (folded if name in TIMM_TRAINED else 0), parameters, 10**6)
    assert gmacs is None or agrees(graph.macs, gmacs, 10**9), graph.macs


@pytest.mark.parametrize(("name", "gmacs"), EFFICIENTFORMER_V2_GMACS.items())
def test_efficientformer_v2_multiplies_as_often_as_its_paper_says(name, gmacs):
    assert agrees(load_model(name).macs, gmacs, 10**9)


@pytest.mark.parametrize(
    ("name", "side", "parameters", "macs"),
    [
        ("mobilenetv4_conv_small", 224, 3_772_744, 186_006_848),
        ("mobilenetv4_conv_medium", 256, 9_714_232, 1_080_245_504),
    ],
)
def test_mobilenet_v4_multiplies_exactly_as_often_as_a_reimplementation(name, side, parameters, macs):
    # ChengpengChen/RepGhostNetV2 README.md, rows MNv4-S and MNv4-M.
    graph = load_model(name, request=Request(resolution=side))
    assert graph.macs + 1280 == macs  # which counts the additions of one bias
    assert agrees(graph.parameters, parameters)


@pytest.mark.parametrize("name", LITE)
def test_efficientnet_lite_has_its_published_parameters_and_operations(name):
    parameters, operations = LITE[name]
    graph, folded = drawn(name)
    biases = sum(graph.tensors[op.outputs[0]].elements for op in graph.operators if op.loops)
    assert agrees(graph.parameters + folded, parameters, 10**6)
    assert agrees(2 * graph.macs + biases, operations, 10**9)


def test_resnet50_of_slim_has_the_counts_of_the_hailo_model_zoo():
    # hailo_model_zoo cfg/networks/resnet_v1_50.yaml: 25.53 M parameters, 6.98 G operations, biases among them.
    graph, _ = drawn("resnet50_slim")
    biases = sum(graph.tensors[op.outputs[0]].elements for op in graph.operators if op.loops)
    assert agrees(graph.parameters, "25.53", 10**6)
    assert agrees(2 * graph.macs + biases, "6.98", 10**9)


def test_resnet50_v2_has_the_parameters_of_the_gluon_table():
    # mxnet.gluon.model_zoo, table of models: 25,595,060 with the moving mean and variance of each normalised channel.
    graph, folded = drawn("resnet50_v2")
    kept = sum(graph.tensors[op.inputs[0]].shape[1] for op in graph.operators if op.type == "BATCH_NORM")
    assert graph.parameters + folded + 2 * (kept + folded) == 25_595_060


@pytest.mark.parametrize(
    ("kernel", "operations", "weight_bytes"),
    [(1, 655_392, 224), (3, 3_801_120, 992), (5, 10_092_576, 2_528), (7, 19_529_760, 4_832)],
)
def test_micro_benchmarks_are_those_of_the_logs(kernel, operations, weight_bytes):
    # Magnus3327/stm32n6-edge-ai-benchmarks Output/: macc counts bias, activation and pool too.
    graph = load_model(f"microbench/conv2d_32f_{kernel}x{kernel}_relu_globalavgpool")
    outputs = 64 * 64 * 32
    assert graph.macs + 2 * outputs + 32 == operations
    assert graph.parameters - 32 + 32 * 4 == weight_bytes


def test_the_depthwise_micro_benchmark_is_that_of_the_log():
    graph = load_model("microbench/depthwise_3x3_relu_globalavgpool")
    assert graph.macs + 2 * 64 * 64 * 3 + 3 == 135_171
    assert graph.parameters - 3 + 3 * 4 == 39
