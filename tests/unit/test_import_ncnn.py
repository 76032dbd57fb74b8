"""ncnn text graphs: real networks, and layers one by one."""

from __future__ import annotations

import re
from math import prod

import pytest

from socsim.errors import MalformedModelError, UnsupportedOperatorError, WorkloadError
from socsim.workload.dtypes import DType
from socsim.workload.importers.ncnn import import_ncnn
from socsim.workload.limits import DEFAULT_LIMITS
from socsim.workload.nests import loop_nests

CACHED = 128  # tokens before the decode step of a language model
# Rows of token embeddings and of rotary tables: (elements of an embedding, of half a head).
DECODERS = {
    "hunyuan_0.5b_instruct": (1024, 64),
    "llama3.2_1b": (2048, 32),
    "minicpm4_0.5b": (1024, 32),
    "qwen2.5_0.5b": (896, 32),
    "qwen3_0.6b": (1024, 64),
    "tinyllama_1.1b": (2048, 32),
    "youtu_llm_2b": (2048, 32),
}
SHAPES = {
    "FastestDet": {"in0": (3, 352, 352)},
    "vision_transformer": {"input": (3, 384, 384)},
    **{
        f"{name}_decoder.ncnn": {"in0": (1, e), "in1": (1, CACHED + 1), "in2": (1, r), "in3": (1, r)}
        for name, (e, r) in DECODERS.items()
    },
    **{f"{name}_proj_out.ncnn": {"in0": (1, e)} for name, (e, _) in DECODERS.items()},
}
NETWORKS = 49


def load(text, *, shapes=None, name="net", batch=None):
    data = text if isinstance(text, bytes) else text.encode()
    return import_ncnn(data, where=f"{name}.param", name=name, batch=batch, shapes=shapes or {}, limits=DEFAULT_LIMITS)


def graph_of(*lines, **options):
    """Import layers written as text, under a header that counts them."""
    blobs = sum(int(line.split()[3]) for line in lines)
    return load("\n".join(["7767517", f"{len(lines)} {blobs}", *lines]), **options)


def single(line, size="3x8x8", second=None, **options):
    """Import one layer that reads `x` (and `y`) and return (graph, operator, output shapes)."""
    lines = [f"Input in{i} 0 1 {blob} {sizes(s)}" for i, (blob, s) in enumerate((("x", size), ("y", second))) if s]
    graph = graph_of(*lines, line, **options)
    (op,) = graph.operators
    return graph, op, [t.shape for t in graph.output_tensors(op)]


def sizes(text):
    keys = {1: (0,), 2: (1, 0), 3: (2, 1, 0), 4: (2, 11, 1, 0)}
    dims = text.split("x")
    return " ".join(f"{key}={d}" for key, d in zip(keys[len(dims)], dims, strict=True))


@pytest.fixture(scope="module")
def files(models):
    return {path.stem: path.read_bytes() for path in sorted((models / "ncnn").glob("*.param"))}


@pytest.fixture(scope="module")
def graphs(files):
    return {stem: load(data, shapes=SHAPES.get(stem), name=stem) for stem, data in files.items()}


def test_every_network_loads(graphs):
    assert len(graphs) == NETWORKS
    assert all(graph.macs > 0 and graph.outputs for graph in graphs.values())


def test_every_layer_is_there_under_its_name(files, graphs):
    for stem, data in files.items():
        rows = [line.split() for line in data.decode().splitlines()[2:] if line.strip()]
        declared = int(data.split()[1])
        kept = [r for r in rows[:declared] if r[0] not in ("Input", "MemoryData")]
        found = [(op.source_type, op.name, len(op.outputs)) for op in graphs[stem].operators]
        assert found == [(r[0], r[1], int(r[3])) for r in kept], stem


def counted_macs(data):
    """Count from the file's own numbers alone: weights times positions of the hinted shapes."""
    hints, macs = {}, 0
    for line in data.decode().splitlines()[2:]:
        kind, _, n_in, n_out, *rest = line.split()
        blobs, outputs = rest[: int(n_in)], rest[int(n_in) : int(n_in) + int(n_out)]
        p = dict(part.split("=") for part in rest[int(n_in) + int(n_out) :])
        hint = [int(v) for v in p.get("-23330", "").split(",")[1:] if v]
        for i, name in enumerate(outputs):
            hints[name] = hint[4 * i + 1 : 4 * i + 1 + hint[4 * i]] if hint else None
        if kind in ("Convolution", "ConvolutionDepthWise"):
            positions = hints[outputs[0]][:2] if len(hints[outputs[0]]) == 3 else [1]
            macs += int(p["6"]) * prod(positions)
        elif kind.startswith("Deconvolution"):
            macs += int(p["6"]) * prod(hints[blobs[0]][:2])
        elif kind == "InnerProduct":
            macs += int(p["2"])
    return macs


def test_macs_agree_with_the_weights_and_hints_of_the_file(files, graphs):
    hinted = [stem for stem, data in files.items() if data.count(b"-23330=") > 5]
    assert len(hinted) == 32
    for stem in hinted:
        assert graphs[stem].macs == counted_macs(files[stem]), stem


@pytest.mark.parametrize(
    ("stem", "macs", "parameters"),
    [
        ("resnet50", 3_857_973_248, 25_530_472),
        ("mobilenet", 568_740_352, 4_221_032),
        ("mobilenet_v2", 313_619_328, 3_488_872),
        ("vgg16", 15_470_264_320, 138_357_544),
        ("resnet18_int8", 1_826_918_400, 11_688_872),
        ("alexnet", 724_406_816, 60_965_224),
        # 144 patches of 32 x 32 x 3; 12 layers of 145 rows; 768 x 1000 in the classifier
        ("vision_transformer", 13_043_564_544, 88_297_192),
    ],
)
def test_known_sizes(graphs, stem, macs, parameters):
    assert graphs[stem].macs == macs
    assert graphs[stem].parameters == parameters


def test_vision_transformer_adds_up_from_its_dimensions(graphs):
    rows, width, patches = 145, 768, 144
    projections, feed_forward = 4 * width * width * rows, 2 * width * 4 * width * rows
    attention = 2 * rows * rows * width
    layers = 12 * (projections + feed_forward + attention)
    assert graphs["vision_transformer"].macs == layers + patches * 32 * 32 * 3 * width + width * 1000


def test_a_decode_step_reads_each_weight_once_and_attends_to_the_cache(graphs):
    graph = graphs["qwen3_0.6b_decoder.ncnn"]
    # 28 layers; 16 heads of 128 elements; queries meet the cached keys and the new one, then the values.
    attention = 28 * 2 * 16 * 128 * (CACHED + 1)
    gemms = [op for op in graph.operators if op.type == "FULLY_CONNECTED"]
    weights = sum(graph.tensors[op.inputs[1]].elements for op in gemms)
    assert graph.macs == attention + weights
    assert weights == 28 * (3 * 3072 * 1024 + 2 * 2048 * 1024 + 2 * 1024 * 1024)


@pytest.mark.parametrize("stem", [f"{name}_decoder.ncnn" for name in DECODERS])
def test_caches_follow_the_mask_and_grow_by_the_new_row(graphs, stem):
    graph = graphs[stem]
    steps = [op for op in graph.operators if op.type == "ATTENTION"]
    assert steps
    for op in steps:
        _, key, value, mask, key_cache, value_cache = (graph.tensors[i].shape for i in op.inputs)
        assert mask == (1, CACHED + 1)
        assert key_cache == (key[0], CACHED, key[2])
        assert value_cache == (value[0], CACHED, value[2])
        assert [graph.tensors[i].shape[1] for i in op.outputs[1:]] == [CACHED + 1] * 2
        assert op.inputs[4] in graph.inputs
        assert op.outputs[1] in graph.outputs


def test_hints_agree_with_the_inferred_shapes(graphs):
    assert [stem for stem, g in graphs.items() if any("hint" in note for note in g.notes)] == []


def test_a_hint_that_differs_is_a_note():
    graph = graph_of("Input in 0 1 x 0=4 1=4 2=3", "ReLU r 1 1 x y -23330=4,3,4,5,3")
    (note,) = graph.notes
    assert note == "1 shape hints of the file differ from the inferred shapes: y hint (3, 5, 4) inferred (3, 4, 4)"


def test_layers_after_the_declared_number_are_noted(graphs):
    (note,) = graphs["nanodet_m"].notes
    assert "declares 179 layers; ncnn ignores the 1 after them, from line 182" in note
    assert len(graphs["nanodet_m"].outputs) == 6


def test_rows_that_depend_on_data_are_noted(graphs):
    assert graphs["mobilenet_ssd"].notes == (
        "how many rows 'output' has depends on the data; 100 at most, which is used",
    )


def test_int8_networks_keep_types_between_requantized_layers(graphs):
    graph = graphs["resnet50_int8"]
    by_name = {op.name: op for op in graph.operators}
    first, second = by_name["res2a_branch2a"], by_name["res2a_branch2b"]
    types = [graph.tensors[i].dtype for i in (first.inputs[0], first.inputs[1], first.inputs[2], first.outputs[0])]
    # 8=102: the layer quantizes its float input itself and writes int8 for the next convolution.
    assert types == [DType.FLOAT32, DType.INT8, DType.FLOAT32, DType.INT8]
    assert graph.tensors[second.inputs[0]].dtype is DType.INT8
    assert first.attributes["compute_dtype"] == "int8"
    assert graph.tensors[by_name["res2a_branch2c"].outputs[0]].dtype is DType.FLOAT32
    assert graph.macs == graphs["resnet50"].macs
    assert not any("compute_dtype" in op.attributes for op in graphs["resnet50"].operators)


def test_int8_passes_through_layers_that_keep_it():
    graph = graph_of(
        "Input in 0 1 x 0=4 1=4 2=3",
        "Convolution c 1 1 x a 0=3 1=1 6=9 8=101",
        "Split s 1 2 a b c",
        "ReLU r 1 1 b d",
        "Dequantize q 1 1 c e",
    )
    types = {t.name: t.dtype for t in graph.tensors}
    assert [types[n] for n in "xabcde"] == [DType.FLOAT32, *[DType.INT8] * 4, DType.FLOAT32]


@pytest.mark.parametrize(
    ("line", "size", "expected_type", "expected_shape"),
    [
        ("Convolution l 1 1 x o 0=8 1=3 3=2 4=1 6=216", "3x9x9", "CONV_2D", (8, 5, 5)),
        ("Convolution l 1 1 x o 0=8 1=3 11=1 4=1 14=0 15=0 6=72", "3x9x9", "CONV_2D", (8, 9, 8)),
        ("Convolution l 1 1 x o 0=8 1=3 3=2 4=-233 6=216", "3x9x8", "CONV_2D", (8, 5, 4)),
        ("Convolution l 1 1 x o 0=8 1=3 2=2 6=216", "3x9x9", "CONV_2D", (8, 5, 5)),
        ("Convolution l 1 1 x o 0=8 1=1 6=48", "6", "FULLY_CONNECTED", (8,)),
        ("ConvolutionDepthWise l 1 1 x o 0=6 1=3 6=54 7=6", "6x9x9", "DEPTHWISE_CONV_2D", (6, 7, 7)),
        ("ConvolutionDepthWise l 1 1 x o 0=6 1=3 6=162 7=2", "6x9x9", "CONV_2D", (6, 7, 7)),
        ("Deconvolution l 1 1 x o 0=2 1=4 3=2 4=1 6=96", "3x8x8", "TRANSPOSE_CONV", (2, 16, 16)),
        ("Deconvolution l 1 1 x o 0=2 1=3 3=2 4=-233 20=16 6=54", "3x8x8", "TRANSPOSE_CONV", (2, 16, 16)),
        (
            "DeconvolutionDepthWise l 1 1 x o 0=3 1=2 3=2 6=12 7=3 18=1",
            "3x8x8",
            "TRANSPOSE_CONV",
            (3, 17, 17),
        ),
        ("InnerProduct l 1 1 x o 0=10 1=1 2=1920", "3x8x8", "FULLY_CONNECTED", (10,)),
        ("InnerProduct l 1 1 x o 0=10 1=1 2=80", "4x8", "FULLY_CONNECTED", (4, 10)),
        ("Gemm l 1 1 x o 3=1 5=1 6=1 8=7 9=8 10=4", "4x8", "FULLY_CONNECTED", (4, 7)),
        ("Gemm l 1 1 x o 3=1 5=1 6=1 7=4 8=7 9=8 10=3", "4x8", "BATCH_MATMUL", (4, 7)),
        ("Gemm l 1 1 x o 4=1 6=1 10=-1 7=5 9=4", "4x8", "BATCH_MATMUL", (5, 8)),
        ("Gemm l 1 1 x o 3=1 5=1 6=1 8=7 9=8 10=-1 11=1", "4x8", "FULLY_CONNECTED", (4, 1, 7)),
        ("Pooling l 1 1 x o 0=0 1=3 2=2", "3x8x8", "MAX_POOL_2D", (3, 4, 4)),
        ("Pooling l 1 1 x o 0=0 1=3 2=2 5=1", "3x8x8", "MAX_POOL_2D", (3, 3, 3)),
        ("Pooling l 1 1 x o 0=1 1=3 2=2 5=2", "3x7x8", "AVERAGE_POOL_2D", (3, 4, 4)),
        ("Pooling l 1 1 x o 0=1 4=1", "3x8x8", "MEAN", (3,)),
        ("Pooling l 1 1 x o 0=0 4=1", "3x8x8", "REDUCE_MAX", (3,)),
        ("Pooling l 1 1 x o 0=1 7=1 8=3", "3x8x8", "AVERAGE_POOL_2D", (3, 3, 3)),
        ("Reshape l 1 1 x o 0=-1", "3x8x8", "RESHAPE", (192,)),
        ("Reshape l 1 1 x o 0=0 1=-1", "3x8x4", "RESHAPE", (24, 4)),
        ("Reshape l 1 1 x o 0=2 1=4 11=3 2=-1", "3x8x8", "RESHAPE", (8, 3, 4, 2)),
        ("Flatten l 1 1 x o", "3x8x4", "RESHAPE", (96,)),
        ("Permute l 1 1 x o 0=2", "3x4x5", "TRANSPOSE", (4, 3, 5)),
        ("Permute l 1 1 x o 0=3", "3x4x5", "TRANSPOSE", (4, 5, 3)),
        ("Permute l 1 1 x o 0=1", "4x5", "TRANSPOSE", (5, 4)),
        ("Permute l 1 1 x o 0=23", "2x3x4x5", "TRANSPOSE", (5, 4, 3, 2)),
        ("ExpandDims l 1 1 x o -23303=1,1", "3x4x5", "EXPAND_DIMS", (3, 1, 4, 5)),
        ("ExpandDims l 1 1 x o 1=1", "5", "EXPAND_DIMS", (1, 5)),
        ("Squeeze l 1 1 x o 1=1", "3x1x5", "SQUEEZE", (3, 5)),
        ("Squeeze l 1 1 x o -23303=1,0", "1x5", "SQUEEZE", (5,)),
        ("Tile l 1 1 x o -23302=3,2,1,3", "3x4x5", "TILE", (6, 4, 15)),
        ("Tile l 1 1 x o 0=1 1=2", "3x4x5", "TILE", (3, 8, 5)),
        ("Crop l 1 1 x o 0=1 1=2 2=1 3=3 4=3 5=2", "4x8x8", "SLICE", (2, 3, 3)),
        ("Crop l 1 1 x o -23309=1,2 -23310=1,-233 -23311=1,0", "5x8x8", "SLICE", (3, 8, 8)),
        ("Interp l 1 1 x o 0=2 1=2.0 2=0.5", "3x8x8", "RESIZE_BILINEAR", (3, 16, 4)),
        ("Interp l 1 1 x o 0=1 3=5 4=6", "3", "RESIZE_NEAREST_NEIGHBOR", (3, 5, 6)),
        ("Padding l 1 1 x o 0=1 1=2 2=3 3=4 8=5", "3x8x8", "PAD", (8, 11, 15)),
        ("Padding l 1 1 x o 2=1 3=1 4=2", "3x8x8", "MIRROR_PAD", (3, 8, 10)),
        ("Reduction l 1 1 x o 0=3 1=0 -23303=2,1,2 4=1", "3x8x8", "MEAN", (3, 1, 1)),
        ("Reduction l 1 1 x o 0=4", "3x8x8", "REDUCE_MAX", (1,)),
        ("BinaryOp l 1 1 x o 0=2 1=1 2=0.5", "3x8", "MUL", (3, 8)),
        ("ReLU l 1 1 x o 0=0.1", "3x8", "LEAKY_RELU", (3, 8)),
        ("Clip l 1 1 x o 0=0 1=6", "3x8", "RELU6", (3, 8)),
        ("BatchNorm l 1 1 x o 0=3", "3x8x8", "BATCH_NORM", (3, 8, 8)),
        ("LayerNorm l 1 1 x o 0=8", "3x8", "LAYER_NORM", (3, 8)),
        ("PixelShuffle l 1 1 x o 0=2", "12x4x4", "DEPTH_TO_SPACE", (3, 8, 8)),
        ("ShuffleChannel l 1 1 x o 0=2 1=1", "6x4x4", "SHUFFLE_CHANNEL", (6, 4, 4)),
        ("LSTM l 1 1 x o 0=16 1=512", "5x8", "LSTM", (5, 16)),
        ("GRU l 1 1 x o 0=16 1=384", "5x8", "GRU", (5, 16)),
        ("Embed l 1 1 x o 0=16 1=100 3=1600", "5", "EMBEDDING_LOOKUP", (5, 16)),
        ("UnaryOp l 1 1 x o 0=5", "5", "SQRT", (5,)),
        ("Cast l 1 1 x o 0=1 1=2", "5", "CAST", (5,)),
        ("MultiHeadAttention l 1 1 x o 0=8 1=2 2=64", "5x8", "MULTI_HEAD_ATTENTION", (5, 8)),
        ("YoloDetectionOutput l 1 1 x o 1=5", "25x4x4", "YOLO_DETECTION_OUTPUT", (80, 6)),
    ],
)
def test_layer(line, size, expected_type, expected_shape):
    _, op, shapes = single(line, size)
    assert op.type == expected_type
    assert shapes == [expected_shape]
    assert op.source_type == line.split()[0]


@pytest.mark.parametrize(("threshold", "compared"), [(0.3, 48 * 48 // 4), (0.55, 0)])
def test_boxes_of_a_network_without_weights_are_compared_where_zeros_pass_the_threshold(threshold, compared):
    _, op, shapes = single(f"Yolov3DetectionOutput l 1 1 x o 0=20 1=3 2={threshold}", "75x4x4")
    assert (op.type, shapes) == ("YOLO_DETECTION_OUTPUT", [(48, 6)])
    assert op.attributes["compared"] == compared


@pytest.mark.parametrize(
    ("line", "first", "second", "expected"),
    [
        ("BinaryOp l 2 1 x y o 0=0", "3x4x5", "3", (3, 4, 5)),
        ("BinaryOp l 2 1 x y o 0=0", "3x4x5", "5", (3, 4, 5)),
        ("BinaryOp l 2 1 x y o 0=0", "3x4", "3x4x5", (3, 4, 5)),
        ("Eltwise l 2 1 x y o 0=1", "3x4", "3x4", (3, 4)),
        ("Concat l 2 1 x y o 0=-1", "3x4", "3x5", (3, 9)),
        ("Crop l 2 1 x y o 0=1", "3x8x8", "3x5x6", (3, 5, 6)),
        ("Interp l 2 1 x y o 0=1", "3x8x8", "4x9x7", (3, 9, 7)),
        ("MatMul l 2 1 x y o 0=1", "2x3x4", "2x5x4", (2, 3, 5)),
        ("Scale l 2 1 x y o 0=-233", "3x8x8", "3", (3, 8, 8)),
        ("PriorBox l 2 1 x y o -23300=1,60.0 -23302=1,2.0", "8x5x5", "3x9x9", (2, 300)),
    ],
)
def test_layer_with_two_inputs(line, first, second, expected):
    _, _, shapes = single(line, first, second)
    assert shapes == [expected]


def test_slice_shares_what_is_left():
    _, op, shapes = single("Slice l 1 3 x a b c -23300=3,2,-233,-233 1=0", "8x4")
    assert op.attributes["sizes"] == (2, 3, 3)
    assert shapes == [(2, 4), (3, 4), (3, 4)]
    assert single("Slice l 1 2 x a b -23302=1,3 1=1", "8x4")[2] == [(8, 3), (8, 1)]


def test_weights_have_the_order_that_the_rules_expect():
    graph, op, _ = single("ConvolutionDepthWise l 1 1 x o 0=4 1=5 11=3 5=1 6=180 7=2", "6x9x9")
    assert [graph.tensors[i].shape for i in op.inputs] == [(6, 9, 9), (4, 3, 3, 5), (4,)]
    assert all(graph.tensors[i].data is None for i in op.inputs)
    assert op.loops[0].weights == 180


def test_full_padding_of_pools_is_part_of_the_pads():
    _, op, _ = single("Pooling l 1 1 x o 0=0 1=3 2=2 3=0", "3x8x9")
    assert op.attributes["pads"] == (0, 0, 1, 0)


def test_attention_mac_count_includes_cached_rows():
    attributes = {"scale": 0.125}
    shapes = [(4, 1, 8), (2, 1, 8), (2, 1, 8), (1, 10), (2, 9, 8), (2, 9, 8)]
    assert sum(n.macs for n in loop_nests("ATTENTION", shapes, [(4, 1, 8)], attributes)) == 2 * 4 * 8 * 10


def test_recurrent_layers_of_two_directions_count_both():
    graph, op, shapes = single("LSTM l 1 1 x o 0=16 1=1024 2=2", "5x8")
    assert shapes == [(5, 32)]
    assert op.macs == 2 * 5 * 4 * 16 * (8 + 16)
    assert graph.parameters == 2 * (4 * 16 * 8 + 4 * 16 + 4 * 16 * 16)


def test_recurrent_states_have_shapes():
    _, _, shapes = single("LSTM l 1 3 x o h c 0=16 1=640 3=20", "5x8")
    assert shapes == [(5, 16), (1, 16), (1, 20)]


def test_weights_quantized_in_blocks_keep_float_products():
    graph, op, _ = single("Gemm l 1 1 x o 3=1 5=1 6=1 8=7 9=64 10=-1 18=400", "4x64")
    assert graph.tensors[op.inputs[1]].dtype is DType.INT4
    assert "compute_dtype" not in op.attributes


def test_attention_without_cache_or_mask():
    graph = graph_of(
        "Input q 0 1 q 0=8 1=5 2=4",
        "Input k 0 1 k 0=8 1=6 2=2",
        "Input v 0 1 v 0=3 1=6 2=2",
        "SDPA s 3 1 q k v o",
    )
    (op,) = graph.operators
    assert [t.shape for t in graph.output_tensors(op)] == [(4, 5, 3)]
    assert op.macs == 4 * 5 * 6 * (8 + 3)


def test_caches_that_do_not_fit_are_refused():
    lines = [
        "Input q 0 1 q 0=8 1=1 2=4", "Input k 0 1 k 0=8 1=1 2=4", "Input v 0 1 v 0=8 1=1 2=4",
        "Input m 0 1 m 0=9 1=1", "Input c 0 2 a b", "SDPA s 6 3 q k v m a b o x y 5=1 7=1",
    ]  # fmt: skip
    assert graph_of(*lines).operators[0].macs == 2 * 4 * 9 * 8
    with pytest.raises(MalformedModelError, match=re.escape("the mask 'm' (1, 9) must have 8 columns")):
        graph_of(*lines, shapes={"c": (4, 7, 8)})
    with pytest.raises(MalformedModelError, match=r"the cache 'a' .* must be like the new rows"):
        graph_of(*lines, shapes={"c": (3, 8, 8)})


def test_shapes_replace_what_the_file_says_and_may_carry_a_batch():
    text = "7767517\n2 2\nInput in 0 1 x 0=4 1=4 2=3\nReLU r 1 1 x y\n"
    assert load(text, shapes={"x": (1, 3, 6, 7)}).tensors[0].shape == (3, 6, 7)
    assert load(text, shapes={"in": (5,)}).tensors[0].shape == (5,)
    assert load(text, batch=1).tensors[0].shape == (3, 4, 4)


def test_hints_give_the_shape_of_an_input_without_sizes():
    assert graph_of("Input in 0 1 x -23330=4,3,4,5,3", "ReLU r 1 1 x y").tensors[0].shape == (3, 5, 4)


def test_inputs_without_a_shape_are_all_named_with_the_option():
    with pytest.raises(WorkloadError, match=r"net.param: the file gives no shape for inputs 'a', 'b'") as caught:
        graph_of("Input a 0 1 a", "Input b 0 1 b", "BinaryOp l 2 1 a b c")
    assert "--shape a=DIMS --shape b=DIMS" in str(caught.value)


def test_decoder_asks_for_the_four_inputs_that_no_mask_decides(files):
    with pytest.raises(WorkloadError, match="no shape for inputs 'in0', 'in1', 'in2', 'in3';"):
        load(files["qwen3_0.6b_decoder.ncnn"])


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"batch": 2}, "batch 2 is not possible, for"),
        ({"shapes": {"xx": (3,)}}, "the network has no input 'xx'. Did you mean 'x'?"),
        ({"shapes": {"x": (3, 0, 4)}}, "shape (3, 0, 4) must have one to four dimensions of at least 1"),
        ({"shapes": {"x": (2, 3, 4, 5, 6)}}, "must have one to four dimensions"),
    ],
)
def test_options_that_do_not_suit_the_file(options, text):
    with pytest.raises(WorkloadError, match=re.escape(text)):
        graph_of("Input in 0 1 x 0=4", "ReLU r 1 1 x y", **options)


def test_all_unsupported_layers_are_listed():
    with pytest.raises(UnsupportedOperatorError) as caught:
        graph_of(
            "Input in 0 1 x 0=4 1=4 2=3",
            "GridSample g 1 1 x a",
            "GridSample h 1 1 a b",
            "Interp i 1 1 x c 0=3",
            "UnaryOp u 1 1 x d 0=11",
        )
    text = str(caught.value)
    assert "4 operators are not supported (2 x GridSample, 1 x Interp with resize_type 3, 1 x UnaryOp" in text
    assert "1 GridSample 'g'" in text
    assert "2 GridSample 'h'" in text


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("Convolution l 1 1 x o 0=8 1=3 6=215", "weight_data_size (parameter 6) is 215, but the layer"),
        ("Convolution l 1 1 x o 0=8 1=0 6=216", "parameter 1 is 0; it must be at least 1"),
        ("Convolution l 1 1 x o 0=8 1=9 6=1944", "extent 9 does not fit 8 elements"),
        ("Convolution l 1 1 x o 0=8 1=3 6=216 9=99", "activation_type is 99; known are 0 to 7"),
        ("ConvolutionDepthWise l 1 1 x o 0=8 1=3 6=216 7=2", "3 input channels do not divide into 2 groups"),
        ("InnerProduct l 1 1 x o 0=10 2=1919", "make 1920"),
        ("Gemm l 1 1 x o 3=1 5=1 6=1 8=7 9=9 10=-1", "8 and 9 elements along the summed dimension"),
        ("Pooling l 1 1 x o 1=3 5=7", "pad_mode (parameter 5) is 7"),
        ("Pooling l 1 1 x o 1=1.5", "parameter 1 is 1.5; it must be an integer"),
        ("Reshape l 1 1 x o 0=7", "the 192 elements of (3, 8, 8) do not fill the shape (7,)"),
        ("Permute l 1 1 x o 0=6", "order_type 6 does not exist for 3 dimensions"),
        ("Slice l 1 2 x a b -23300=2,2,2", "2, 2 elements do not add up to the 3 of axis 0"),
        ("Slice l 1 2 x a b -23300=3,1,1,1", "writes 2 blobs; its type and inputs make 3"),
        ("Concat l 1 1 x o 0=5", "axis 5 is outside a shape of 3 dimensions"),
        ("BinaryOp l 1 1 x o", "needs 2 inputs and has 1"),
        ("LayerNorm l 1 1 x o 0=7", "parameter 0 is 7, which does not divide the input (3, 8, 8)"),
        ("SDPA l 3 1 x x x o 5=1", "needs 4 inputs and has 3"),
        ("LSTM l 1 1 x o 0=16 1=512", "must have two dimensions (steps, features)"),
        ("Crop l 1 1 x o 0=9 3=1 4=1", "reach outside (3, 8, 8)"),
        ("MemoryData l 0 1 o 0=-3", "has a negative dimension"),
    ],
)
def test_layers_that_contradict_their_input(line, text):
    with pytest.raises(MalformedModelError, match=re.escape(text)) as caught:
        single(line)
    assert str(caught.value).startswith(f"net.param: line 4: {line.split()[0]} 'l': ")


def test_faults_of_several_layers_come_together():
    with pytest.raises(MalformedModelError, match="2 faults") as caught:
        graph_of("Input in 0 1 x 0=4", "Concat a 1 1 x y 0=5", "ReLU r 1 1 y z", "Permute p 1 1 x w 0=9")
    assert [line[:10] for line in str(caught.value).splitlines()[1:]] == ["  - line 4", "  - line 6"]
