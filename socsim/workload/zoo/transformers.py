"""Encoders of text: BERT and its smaller relatives as masked language models, CLIP's text tower, Lite Transformer.

The masked language models read tokens, a mask of those that count, and the place of the masked token; all positions
get scores over the vocabulary, and the best word at the masked place is the result.

Source: Devlin et al., BERT, arXiv 1810.04805; Sanh et al., DistilBERT, arXiv 1910.01108; Lan et al., ALBERT, arXiv
1909.11942; Sun et al., MobileBERT, arXiv 2004.02984 (table 1); Radford et al., CLIP, arXiv 2103.00020; structures
as huggingface/transformers models write them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from socsim.workload.dtypes import DType
from socsim.workload.zoo.attention import attend, by_head, feed_forward, self_attention
from socsim.workload.zoo.network import Network, Variant

if TYPE_CHECKING:
    from socsim.workload.graph import Tensor
    from socsim.workload.zoo.layers import Layers

_TOKENS = (1, 384)
_POSITIONS = 512
_SEGMENTS = 2
_HUGGINGFACE = "huggingface/transformers src/transformers/models"


@dataclass(frozen=True, slots=True)
class _Form:
    """One encoder: rows of its vocabulary, widths, layers, and what they share."""

    words: int = 30522
    width: int = 768
    embedding: int = 768
    depth: int = 12
    heads: int = 12
    segments: bool = True
    shared: bool = False
    act: str = "GELU"


def _inputs(net: Layers, variant: Variant) -> tuple[Tensor, Tensor, Tensor]:
    tokens = net.input(variant.shape, "tokens", DType.INT32)
    mask = net.input(variant.shape, "mask")
    return tokens, _spread(net, mask), net.input(variant.shape[:1], "masked", DType.INT32)


def _spread(net: Layers, mask: Tensor) -> Tensor:
    """Return what the mask adds to the scores, [batch, 1, 1, rows]."""
    n, rows = mask.shape
    inverse = net.apply("SUB", mask, scalar=1.0)
    return net.apply("MUL", net.reshape(inverse, n, 1, 1, rows), scalar=1e4)


def _embedded(net: Layers, tokens: Tensor, words: Tensor, form: _Form) -> Tensor:
    x = net.apply("GATHER", words, tokens, axis=0)
    return _placed(net, x, form.embedding, segments=form.segments)


def _placed(net: Layers, x: Tensor, width: int, *, segments: bool) -> Tensor:
    """Add what positions and segments learnt; the segment is the first one throughout."""
    if segments:
        x = net.add(x, net.table(1, 1, width, learnt=_SEGMENTS * width))
    return net.add(x, net.table(1, x.shape[1], width, learnt=_POSITIONS * width))


def _scored(net: Layers, x: Tensor, words: Tensor, masked: Tensor, *, act: str) -> Tensor:
    """Compare every row with the table of words and return the best word at the masked place."""
    x = net.layer_norm(net.dense(x, words.shape[1], act=act))
    scores = net.apply("FULLY_CONNECTED", x, words, net.weight(words.shape[0]), transpose_b=True)
    return _best(net, scores, masked)


def _best(net: Layers, scores: Tensor, masked: Tensor) -> Tensor:
    row = net.apply("GATHER", scores, masked, axis=1, batch_dims=1)
    return net.apply("ARG_MAX", row, axis=1, keep_dims=False, dtype=DType.INT32)


def _bert_layer(net: Layers, x: Tensor, mask: Tensor, form: _Form) -> Tensor:
    x = net.layer_norm(net.add(self_attention(net, x, form.heads, mask), x))
    return net.layer_norm(net.add(feed_forward(net, x, 4 * form.width, form.act), x))


def _bert(net: Layers, variant: Variant, *, form: _Form) -> Tensor:
    tokens, mask, masked = _inputs(net, variant)
    words = net.weight(form.words, form.embedding)
    x = net.layer_norm(_embedded(net, tokens, words, form))
    if form.embedding != form.width:
        x = net.dense(x, form.width)
    for i in range(form.depth):
        with net.shared("layer" if form.shared else f"layer {i}"):
            x = _bert_layer(net, x, mask, form)
    return _scored(net, x, words, masked, act=form.act)


# --- MobileBERT ---------------------------------------------------------------------------------------

_WIDE, _NARROW, _TABLE = 512, 128, 128
_MOBILE_LAYERS, _MOBILE_HEADS, _STACKS = 24, 4, 4
_WORDS = 30522


def _no_norm(net: Layers, x: Tensor) -> Tensor:
    """Scale and offset in place of a normalisation."""
    return net.add(net.scaled(x, x.shape[-1]), net.weight(x.shape[-1]))


def _mobile_layer(net: Layers, x: Tensor, mask: Tensor) -> Tensor:
    narrow, keys = (_no_norm(net, net.dense(x, _NARROW)) for _ in range(2))
    q, k, v = (by_head(net, net.dense(t, _NARROW), _MOBILE_HEADS) for t in (keys, keys, x))
    y = _no_norm(net, net.add(net.dense(attend(net, q, k, v, mask), _NARROW), narrow))
    for _ in range(_STACKS):
        y = _no_norm(net, net.add(feed_forward(net, y, _WIDE, "RELU"), y))
    return _no_norm(net, net.add(net.dense(y, _WIDE), x))


def _mobilebert(net: Layers, variant: Variant) -> Tensor:
    tokens, mask, masked = _inputs(net, variant)
    words = net.weight(_WORDS, _TABLE)
    x = net.apply("GATHER", words, tokens, axis=0)
    rows = x.shape[1]
    following = net.apply("PAD", net.slice(x, 1, rows - 1), paddings=((0, 0), (0, 1), (0, 0)))
    preceding = net.apply("PAD", net.slice(x, 0, rows - 1), paddings=((0, 0), (1, 0), (0, 0)))
    x = net.dense(net.concat(following, x, preceding, axis=2), _WIDE)
    x = _no_norm(net, _placed(net, x, _WIDE, segments=True))
    for _ in range(_MOBILE_LAYERS):
        x = _mobile_layer(net, x, mask)
    x = net.layer_norm(net.dense(x, _WIDE, act="RELU"))
    both = net.table(_WORDS, _WIDE, learnt=_WORDS * (_WIDE - _TABLE))  # the rest of each row is the table of words
    return _best(net, net.apply("FULLY_CONNECTED", x, both, net.weight(_WORDS), transpose_b=True), masked)


# --- CLIP ---------------------------------------------------------------------------------------------

_CLIP_WORDS, _CLIP_ROWS, _CLIP_WIDTH, _CLIP_LAYERS, _CLIP_HEADS = 49408, 77, 512, 12, 8


def clip_layer(net: Layers, x: Tensor, heads: int, *more: Tensor) -> Tensor:
    """Add a layer of CLIP's towers: normalisations in front, and x times the sigmoid of 1.702 x as activation."""
    x = net.add(x, self_attention(net, net.layer_norm(x), heads, *more))
    y = net.dense(net.layer_norm(x), 4 * x.shape[-1])
    y = net.mul(y, net.act(net.apply("MUL", y, scalar=1.702), "LOGISTIC"))
    return net.add(x, net.dense(y, x.shape[-1]))


def _clip_text(net: Layers, variant: Variant) -> Tensor:
    tokens = net.input(variant.shape, "tokens", DType.INT32)
    rows = variant.shape[1]
    x = net.apply("GATHER", net.weight(_CLIP_WORDS, _CLIP_WIDTH), tokens, axis=0)
    x = net.add(x, net.table(1, rows, _CLIP_WIDTH, learnt=_CLIP_ROWS * _CLIP_WIDTH))
    causal = net.table(1, 1, rows, rows, learnt=0)
    for _ in range(_CLIP_LAYERS):
        x = clip_layer(net, x, _CLIP_HEADS, causal)
    last = net.apply("ARG_MAX", tokens, axis=1, keep_dims=False, dtype=DType.INT32)  # the end of text is the last word
    x = net.apply("GATHER", net.layer_norm(x), last, axis=1, batch_dims=1)
    return net.dense(x, _CLIP_WIDTH, bias=False)


def _masked(name: str, family: str, title: str, form: _Form, folder: str, *aliases: str) -> Network:
    return Network(
        name, family, f"{title}, masked language model", partial(_bert, form=form), f"{_HUGGINGFACE}/{folder}", _TOKENS,
        form.words, aliases,
    )  # fmt: skip


NETWORKS = (
    _masked("bert_base", "bert", "BERT base", _Form(), "bert", "bert_base_uncased"),
    _masked("bert_large", "bert", "BERT large", _Form(width=1024, embedding=1024, depth=24, heads=16), "bert"),
    _masked("distilbert", "distilbert", "DistilBERT base", _Form(depth=6, segments=False), "distilbert"),
    _masked(
        "albert_base_v2", "albert", "ALBERT base v2", _Form(words=30000, embedding=128, shared=True), "albert"
    ),
    Network(
        "mobilebert", "mobilebert", "MobileBERT, masked language model", _mobilebert, f"{_HUGGINGFACE}/mobilebert",
        _TOKENS, _WORDS,
    ),
    Network(
        "clip_vit_b32_text", "clip", "CLIP ViT-B/32, text tower", _clip_text, "openai/CLIP clip/model.py",
        (1, _CLIP_ROWS), _CLIP_WIDTH,
    ),
)  # fmt: skip
