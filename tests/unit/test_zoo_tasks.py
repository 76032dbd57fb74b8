"""Do drawn networks of other tasks have the parameters and operations that are published for them?

Segmentation, super-resolution, text, and vision transformers. A figure agrees within 1 %, or within half a unit of its
last printed digit where that is more. Sources:

TORCHVISION  num_params and GFLOPS (multiply-accumulates) of the weights' pages, pytorch.org/vision/stable/models
HUGGINGFACE  parameters of the models of huggingface/transformers (`sum(p.numel() for p in model.parameters())`)
AI_HUB       quic/ai-hub-models qai_hub_models/models/*/info.yaml
HAILO        hailo-ai/hailo_model_zoo docs/public_models; operations are two for each multiply-accumulate
PAPERS       arXiv 2010.11929 and 2012.12877 (ViT, DeiT); 2207.10666, table 7 (TinyViT); openai/CLIP; the sizes of the
             weights of sirius-ai/LPRNet_Pytorch (1.7 MB) and of PaddleOCR's models, docs/version2.x/ppocr/
             model_list.md (4.70 M bytes to find text, 11 M to read it), in four bytes each
"""

from __future__ import annotations

import csv

import pytest

from socsim.workload.zoo import Request, family, load_model, zoo
from socsim.workload.zoo.layers import Layers
from socsim.workload.zoo.segmentation import _stdc
from tests.zoo_counts import agrees, drawn, weighted_macs

# Parameters in training, GMAC.
TORCHVISION = {
    "vit_b_16": (86_567_656, "17.564"),
    "vit_b_32": (88_224_232, "4.409"),
    "vit_l_16": (304_326_632, "61.555"),
    "swin_t": (28_288_354, "4.491"),
    "swin_s": (49_606_258, "8.741"),
    "swin_b": (87_768_224, "15.431"),
}
FCN_WITH_AUXILIARY = 35_322_218
HUGGINGFACE = {
    "bert_base": 109_514_298,
    "bert_large": 335_174_458,
    "distilbert": 66_985_530,
    "albert_base_v2": 11_221_680,
}
MOBILEBERT_ENCODER = 24_581_888
# Parameters as printed.
AI_HUB = {
    "deeplabv3plus_mobilenet": ("5.80", 10**6),
    "fcn_resnet50": ("33.0", 10**6),
    "unet": ("31.0", 10**6),
    "quicksrnet_small": ("33.3", 10**3),
    "quicksrnet_medium": ("61.0", 10**3),
    "quicksrnet_large": ("436", 10**3),
    "sesr_m5": ("343", 10**3),
    "xlsr": ("28.0", 10**3),
}
# Millions of parameters, 10**9 operations.
HAILO = {
    "vit_t_16": ("5.73", None),
    "vit_b_16": ("86.5", "35.188"),
    "deit_b_16": (None, "35.22"),
    "clip_vit_b32_image": ("87.8", "8.8"),
}
# Millions of parameters, GMAC.
PAPERS = {
    "deit_t_16": ("5.7", "1.3"),
    "deit_s_16": ("22.1", "4.6"),
    "deit_b_16": ("86.6", "17.6"),
    "tiny_vit_5m": ("5.4", "1.3"),
    "lprnet": ("0.446", None),
    "ppocrv4_rec": ("2.7", None),
    "ppocrv4_det": ("1.175", None),
}
# Measured under names that no public file defines.
UNDEFINED = {"lite_transformer_encoder_16", "lite_transformer_decoder_16"}


@pytest.mark.parametrize("name", TORCHVISION)
def test_counts_equal_those_of_torchvision(name):
    parameters, gmacs = TORCHVISION[name]
    graph, folded = drawn(name)
    assert graph.parameters + folded == parameters
    assert agrees(graph.macs, gmacs, 10**9), graph.macs


def test_fcn_lacks_the_auxiliary_head_of_training():
    graph, folded = drawn("fcn_resnet50")
    auxiliary = 1024 * 256 * 9 + 2 * 256 + 256 * 21 + 21
    assert graph.parameters + folded + auxiliary == FCN_WITH_AUXILIARY


@pytest.mark.parametrize("name", HUGGINGFACE)
def test_language_models_have_the_parameters_of_their_files(name):
    graph, folded = drawn(name)
    assert graph.parameters + folded == HUGGINGFACE[name]


def test_mobilebert_is_its_encoder_and_a_head_over_the_vocabulary():
    graph, folded = drawn("mobilebert")
    head = 512 * 512 + 512 + 2 * 512 + 30522 * 384 + 30522
    assert graph.parameters + folded - head == MOBILEBERT_ENCODER


@pytest.mark.parametrize("name", AI_HUB)
def test_parameters_are_those_that_ai_hub_prints(name):
    parameters, unit = AI_HUB[name]
    graph, _ = drawn(name)
    assert agrees(graph.parameters, parameters, unit), graph.parameters


@pytest.mark.parametrize("name", HAILO)
def test_counts_are_those_of_the_hailo_model_zoo(name):
    parameters, operations = HAILO[name]
    graph, _ = drawn(name)
    assert parameters is None or agrees(graph.parameters, parameters, 10**6), graph.parameters
    assert operations is None or agrees(2 * graph.macs, operations, 10**9), graph.macs


@pytest.mark.parametrize("name", PAPERS)
def test_counts_are_those_of_papers_and_files(name):
    parameters, gmacs = PAPERS[name]
    graph, folded = drawn(name)
    assert agrees(graph.parameters, parameters, 10**6) or agrees(graph.parameters + folded, parameters, 10**6)
    assert gmacs is None or agrees(graph.macs, gmacs, 10**9), graph.macs


def test_clip_s_text_tower_counts_as_hailo_does_without_its_table_of_words():
    graph, folded = drawn("clip_vit_b32_text")
    around = 49408 * 512 + 77 * 512 + 512 * 512  # words, positions, projection
    assert agrees(graph.parameters + folded - around, "37.8", 10**6)
    assert agrees(2 * graph.macs, "6", 10**9)


@pytest.mark.parametrize(
    "name", [n for n, network in zoo().items() if network.family in {"quicksrnet", "sesr", "xlsr"}]
)
def test_layers_of_super_resolution_run_at_the_size_of_the_input(name):
    graph = load_model(name)
    weights = sum(t.elements for t in graph.tensors if t.is_constant and len(t.shape) == 4)
    assert graph.macs == weights * 128 * 128
    assert graph.tensors[graph.outputs[0]].shape == (1, 3, 512, 512)


def test_collapsing_sesr_keeps_what_it_reads_and_writes():
    whole, collapsed = load_model("sesr_m5"), load_model("sesr_m5_collapsed")
    assert collapsed.macs < whole.macs / 10
    ends = [[graph.tensors[i].shape for i in (*graph.inputs, *graph.outputs)] for graph in (whole, collapsed)]
    assert ends[0] == ends[1]


def test_albert_s_layers_share_their_weights():
    shared, apart = load_model("albert_base_v2"), load_model("bert_base")
    assert shared.parameters < apart.parameters / 9
    assert weighted_macs(shared) < weighted_macs(apart)
    assert shared.operator_counts["LAYER_NORM"] == apart.operator_counts["LAYER_NORM"]


def test_longer_texts_and_larger_images_scale():
    short, long = (load_model("bert_base", request=Request(shape=(1, rows))) for rows in (128, 256))
    assert weighted_macs(long) == 2 * weighted_macs(short)
    assert long.macs > 2 * short.macs  # attention grows with the square
    small, large = (load_model("swin_t", request=Request(resolution=side)) for side in (224, 448))
    assert 3.9 < large.macs / small.macs < 4.1


def test_images_that_do_not_fill_windows_are_padded():
    graph = load_model("swin_t", request=Request(resolution=256))
    assert graph.operator_counts["PAD"] > 0
    assert graph.tensors[graph.outputs[0]].shape == (1, 1000)


def test_segmentation_labels_every_pixel():
    for name in ("deeplabv3plus_mobilenet", "fcn_resnet50", "ppliteseg_stdc1"):
        graph = load_model(name)
        batch, _, rows, columns = graph.tensors[graph.inputs[0]].shape
        assert graph.tensors[graph.outputs[0]].shape == (batch, rows, columns)


def test_ppliteseg_stands_on_stdc1():
    """arXiv 2104.13188, table 2: the classifier has 8.44 M parameters and 813 M operations."""
    net = Layers("stdc1")
    graph = net.finish(*_stdc(net, net.input((1, 3, 224, 224)), (2, 2, 2)))
    head = 1024 * 1024, 1024 * 1024, 1024 * 1000
    assert agrees(graph.parameters + net.folded + sum(head), "8.44", 10**6)
    assert agrees(graph.macs + 49 * head[0] + head[1] + head[2], "813", 10**6)


def test_unet_pads_what_does_not_halve():
    graph = load_model("unet", request=Request(shape=(1, 3, 250, 333)))
    assert graph.tensors[graph.outputs[0]].shape == (1, 2, 250, 333)


def test_relatives_are_one_family():
    assert {family(name) for name in ("vit_t_16", "deit_b_16", "vit_b_32")} == {"vit"}
    assert {family(name) for name in ("sesr_m3", "sesr_m11_collapsed")} == {"sesr"}


def test_every_other_network_that_was_measured_is_drawn_at_its_size(shared):
    prefixes = (
        "albert", "bert", "clip", "deeplab", "deit", "distil", "fcn", "lite_transformer", "lpr", "mobilebert",
        "mobilesam", "ppocr", "ppseg", "quicksr", "sesr", "swin", "unet", "vit", "xlsr",
    )  # fmt: skip
    with (shared / "measurements" / "core.csv").open(encoding="utf-8", newline="") as file:
        rows = {(row["workload"], row["input_shape"]) for row in csv.DictReader(file)}
    wanted = {(name, shape) for name, shape in rows if name.startswith(prefixes) and name not in UNDEFINED}
    assert len(wanted) > 25
    for name, shape in sorted(wanted):
        dims = tuple(int(d) for d in shape.split("x"))
        graph = load_model(name, request=Request(shape=dims))
        assert graph.tensors[graph.inputs[0]].shape == dims
