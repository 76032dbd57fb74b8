"""EfficientFormer and EfficientFormerV2.

Source: Li et al., EfficientFormer, arXiv 2206.01191, table 4; Rethinking Vision Transformers for MobileNet Size and
Speed, arXiv 2212.08059, table 8. Details as timm/models writes them; both heads of the distilled networks are kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from socsim.workload.zoo.network import Network, Variant

if TYPE_CHECKING:
    from socsim.workload.graph import Tensor
    from socsim.workload.zoo.layers import Layers

_HEADS = 8


def _heads(net: Layers, x: Tensor, classes: int) -> Tensor:
    """Average what the two heads say."""
    return net.scaled(net.add(net.dense(x, classes), net.dense(x, classes)), 1)


def _conv(net: Layers, x: Tensor, channels: int, kernel: int = 1, stride: int = 1, act: str | None = None) -> Tensor:
    """Add a convolution that has a bias before its normalisation."""
    return net.conv(x, channels, kernel, stride, bias=True, act=act)


def _depthwise(net: Layers, x: Tensor, stride: int = 1, act: str | None = None) -> Tensor:
    return net.depthwise(x, 3, stride, bias=True, act=act)


# --- EfficientFormer ----------------------------------------------------------------------------------

_KEYS, _VALUES = 32, 128


@dataclass(frozen=True, slots=True)
class _Form:
    widths: tuple[int, ...]
    depths: tuple[int, ...]
    attending: int
    """Last blocks that attend."""


def _draw(net: Layers, variant: Variant, *, form: _Form) -> Tensor:
    x = _conv(net, net.input(variant.shape), form.widths[0] // 2, 3, 2, "RELU")
    x = _conv(net, x, form.widths[0], 3, 2, "RELU")
    left = sum(form.depths)
    for stage, (width, depth) in enumerate(zip(form.widths, form.depths, strict=True)):
        if stage:
            x = _conv(net, x, width, 3, 2)
        for _ in range(depth):
            if left == form.attending:
                x = net.transpose(net.reshape(x, x.shape[0], width, x.shape[2] * x.shape[3]), 0, 2, 1)
            x = _attending_block(net, x) if left <= form.attending else _pooling_block(net, x)
            left -= 1
    return _heads(net, net.mean(net.layer_norm(x), 1), variant.classes)


def _pooling_block(net: Layers, x: Tensor) -> Tensor:
    width = x.shape[1]
    mixed = net.apply("SUB", net.avg_pool(x, 3, pad=1), x)
    x = net.add(x, net.scaled(mixed, width, 1, 1))
    y = _conv(net, _conv(net, x, 4 * width, act="GELU"), width)
    return net.add(x, net.scaled(y, width, 1, 1))


def _attending_block(net: Layers, x: Tensor) -> Tensor:
    width = x.shape[2]
    x = net.add(x, net.scaled(_attention(net, net.layer_norm(x)), width))
    y = net.dense(net.dense(net.layer_norm(x), 4 * width, act="GELU"), width)
    return net.add(x, net.scaled(y, width))


def _attention(net: Layers, x: Tensor) -> Tensor:
    n, positions, width = x.shape
    y = net.dense(x, _HEADS * (2 * _KEYS + _VALUES))
    y = net.transpose(net.reshape(y, n, positions, _HEADS, 2 * _KEYS + _VALUES), 0, 2, 1, 3)
    query, key, value = net.split(y, _KEYS, _KEYS, _VALUES, axis=3)
    scores = net.scaled(net.matmul(query, key, transpose_b=True), 1)
    scores = net.add(scores, net.table(_HEADS, positions, positions, learnt=_HEADS * positions))
    y = net.transpose(net.matmul(net.softmax(scores), value), 0, 2, 1, 3)
    return net.dense(net.reshape(y, n, positions, _HEADS * _VALUES), width)


# --- EfficientFormerV2 --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _FormV2:
    widths: tuple[int, ...]
    depths: tuple[int, ...]
    attending: int
    """Last blocks of the third and of the fourth stage that attend."""
    third: tuple[int, ...]
    """Expansion of each block of the third stage; 4 in the first two."""
    fourth: tuple[int, ...]


def _draw_v2(net: Layers, variant: Variant, *, form: _FormV2) -> Tensor:
    x = _conv(net, net.input(variant.shape), form.widths[0] // 2, 3, 2, "GELU")
    x = _conv(net, x, form.widths[0], 3, 2, "GELU")
    expansions = [(4,) * form.depths[0], (4,) * form.depths[1], form.third, form.fourth]
    for stage, (width, depth) in enumerate(zip(form.widths, form.depths, strict=True)):
        if stage:
            shrunk = _conv(net, x, width, 3, 2)
            x = net.add(_shrinking_attention(net, x, width), shrunk) if stage == 3 else shrunk
        for i in range(depth):
            if stage >= 2 and i >= depth - form.attending:
                x = net.add(x, net.scaled(_attention_v2(net, x, stride=2 if stage == 2 else 1), width, 1, 1))
            x = net.add(x, net.scaled(_feed_forward(net, x, expansions[stage][i]), width, 1, 1))
    x = net.batch_norm(x)
    return _heads(net, net.flatten(net.global_pool(x)), variant.classes)


def _feed_forward(net: Layers, x: Tensor, expansion: int) -> Tensor:
    y = _depthwise(net, _conv(net, x, expansion * x.shape[1], act="GELU"), act="GELU")
    return _conv(net, y, x.shape[1])


def _attention_v2(net: Layers, x: Tensor, *, stride: int) -> Tensor:
    """Add attention over positions, every second one for a stride of 2, with heads that talk to each other."""
    width = x.shape[1]
    if stride > 1:
        x = _depthwise(net, x, stride)
    query, key = _per_head(net, _conv(net, x, _HEADS * _KEYS)), _per_head(net, _conv(net, x, _HEADS * _KEYS))
    values = _conv(net, x, _HEADS * _VALUES)
    local = _depthwise(net, values)
    scores = net.conv(_scores(net, query, key, learnt=x.shape[2] * x.shape[3]), _HEADS, norm=False)
    scores = net.conv(net.softmax(scores), _HEADS, norm=False)
    y = net.add(_weighted(net, scores, values, local), local)
    if stride > 1:
        y = net.upsample(y, stride, mode="bilinear")
    return _conv(net, net.act(y, "GELU"), width)


def _shrinking_attention(net: Layers, x: Tensor, width: int) -> Tensor:
    """Add attention whose queries are at half the rows and columns."""
    keys, values = _KEYS // 2, _VALUES // 2
    local = net.depthwise(x, 3, 2, norm=False)
    query = _per_head(net, _conv(net, net.add(local, net.avg_pool(x, 1, 2)), _HEADS * keys))
    key, value = _per_head(net, _conv(net, x, _HEADS * keys)), _conv(net, x, _HEADS * values)
    kept = _depthwise(net, value, 2)
    scores = net.softmax(_scores(net, query, key, learnt=x.shape[2] * x.shape[3]))
    return _conv(net, net.act(net.add(_weighted(net, scores, value, kept), kept), "GELU"), width)


def _per_head(net: Layers, x: Tensor) -> Tensor:
    n, c, h, w = x.shape
    return net.reshape(x, n, _HEADS, c // _HEADS, h * w)


def _scores(net: Layers, query: Tensor, key: Tensor, *, learnt: int) -> Tensor:
    scores = net.scaled(net.matmul(net.transpose(query, 0, 1, 3, 2), key), 1)
    return net.add(scores, net.table(_HEADS, query.shape[3], key.shape[3], learnt=_HEADS * learnt))


def _weighted(net: Layers, scores: Tensor, values: Tensor, like: Tensor) -> Tensor:
    """Return the values weighted by the scores, in rows and columns as those of `like`."""
    y = net.matmul(scores, net.transpose(_per_head(net, values), 0, 1, 3, 2))
    return net.reshape(net.transpose(y, 0, 1, 3, 2), *like.shape)


_FORMS = (
    ("l1", _Form((48, 96, 224, 448), (3, 2, 6, 4), 1)), ("l3", _Form((64, 128, 320, 512), (4, 4, 12, 6), 4)),
)  # fmt: skip
_FORMS_V2 = (
    ("s0", _FormV2((32, 48, 96, 176), (2, 2, 6, 4), 2, (4, 3, 3, 3, 4, 4), (4, 3, 3, 4))),
    ("s1", _FormV2((32, 48, 120, 224), (3, 3, 9, 6), 2, (4, 4, 3, 3, 3, 3, 4, 4, 4), (4, 4, 3, 3, 4, 4))),
    ("s2", _FormV2(
        (32, 64, 144, 288), (4, 4, 12, 8), 4, (4, 4, 3, 3, 3, 3, 3, 3, 4, 4, 4, 4), (4, 4, 3, 3, 3, 3, 4, 4)
    )),
)  # fmt: skip

NETWORKS = (
    *(
        Network(
            f"efficientformer_{name}", "efficientformer", f"EfficientFormer-{name.upper()}", partial(_draw, form=form),
            "arXiv 2206.01191, table 4; timm/models/efficientformer.py",
        )
        for name, form in _FORMS
    ),
    *(
        Network(
            f"efficientformerv2_{name}", "efficientformer_v2", f"EfficientFormerV2-{name.upper()}",
            partial(_draw_v2, form=form_v2), "arXiv 2212.08059, table 8; timm/models/efficientformer_v2.py",
        )
        for name, form_v2 in _FORMS_V2
    ),
)  # fmt: skip
