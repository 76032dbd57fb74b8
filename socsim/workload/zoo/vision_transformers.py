"""Vision transformers: ViT and DeiT, Swin, CLIP's image tower.

Source: Dosovitskiy et al., arXiv 2010.11929; Touvron et al., DeiT, arXiv 2012.12877; Liu et al., Swin Transformer,
arXiv 2103.14030; Radford et al., CLIP, arXiv 2103.00020.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from socsim.workload.zoo.attention import attend, by_head, feed_forward, self_attention
from socsim.workload.zoo.network import Network, Variant
from socsim.workload.zoo.transformers import clip_layer
from socsim.workload.zoo.windows import cropped, padded, unwindowed, windowed

if TYPE_CHECKING:
    from socsim.workload.graph import Tensor
    from socsim.workload.zoo.layers import Layers

_USUAL = 224

# --- ViT, DeiT, CLIP ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Vit:
    width: int
    heads: int
    depth: int = 12
    patch: int = 16


def _rows(net: Layers, x: Tensor) -> Tensor:
    """Return the positions of an image as rows, [batch, positions, channels]."""
    n, c, h, w = x.shape
    return net.transpose(net.reshape(x, n, c, h * w), 0, 2, 1)


def _patches(net: Layers, variant: Variant, form: _Vit, *, bias: bool) -> Tensor:
    """Return patches as rows behind the row of the class, with their positions added."""
    image = net.input(variant.shape)
    x = net.conv(image, form.width, form.patch, form.patch, pad=0, norm=False, bias=bias)
    n, positions = x.shape[0], x.shape[2] * x.shape[3]
    x = net.concat(net.table(n, 1, form.width, learnt=form.width), _rows(net, x))
    learnt = (_USUAL // form.patch) ** 2 + 1
    return net.add(x, net.table(1, positions + 1, form.width, learnt=learnt * form.width))


def _first_row(net: Layers, x: Tensor) -> Tensor:
    return net.flatten(net.slice(x, 0, 1))


def _vit(net: Layers, variant: Variant, *, form: _Vit) -> Tensor:
    x = _patches(net, variant, form, bias=True)
    for _ in range(form.depth):
        x = net.add(x, self_attention(net, net.layer_norm(x), form.heads, packed=True))
        x = net.add(x, feed_forward(net, net.layer_norm(x), 4 * form.width))
    return net.dense(_first_row(net, net.layer_norm(x)), variant.classes)


def _clip_image(net: Layers, variant: Variant, *, form: _Vit) -> Tensor:
    x = net.layer_norm(_patches(net, variant, form, bias=False))
    for _ in range(form.depth):
        x = clip_layer(net, x, form.heads)
    return net.dense(net.layer_norm(_first_row(net, x)), variant.classes, bias=False)


# --- Swin ---------------------------------------------------------------------------------------------

_WINDOW = 7


def _rolled(net: Layers, x: Tensor, by: int) -> Tensor:
    """Shift rows and columns around, as exporters write it: two slices and their concatenation for each."""
    for axis in (1, 2):
        size = x.shape[axis]
        at = by % size
        x = net.concat(net.slice(x, at, size - at, axis=axis), net.slice(x, 0, at, axis=axis), axis=axis)
    return x


def _swin_attention(net: Layers, x: Tensor, heads: int, *, shifted: bool) -> Tensor:
    """Attend within windows of 7 x 7; every second layer shifts them by half."""
    rows, columns = x.shape[1:3]
    y = padded(net, x, _WINDOW)
    shift = _WINDOW // 2 if shifted and min(y.shape[1:3]) > _WINDOW else 0
    y = _rolled(net, y, shift) if shift else y
    shape, positions = y.shape, _WINDOW**2
    y = windowed(net, y, _WINDOW)
    width = y.shape[-1]
    parts = net.split(net.dense(y, 3 * width), width, width, width, axis=2)
    bias = net.table(1, heads, positions, positions, learnt=(2 * _WINDOW - 1) ** 2 * heads)
    y = _swin_scores(net, [by_head(net, part, heads) for part in parts], bias, shape[0] if shift else 0)
    y = unwindowed(net, net.dense(y, width), _WINDOW, shape)
    return cropped(net, _rolled(net, y, -shift) if shift else y, rows, columns)


def _swin_scores(net: Layers, qkv: list[Tensor], bias: Tensor, images: int) -> Tensor:
    """Attend with the bias, and where windows are shifted (of so many images) with the mask of their seams."""
    q, k, v = qkv
    if not images:
        return attend(net, q, k, v, bias)
    windows, heads, positions, width = q.shape
    scores = net.apply("MUL", net.matmul(q, k, transpose_b=True), scalar=width**-0.5)
    scores = net.reshape(net.add(scores, bias), images, windows // images, heads, positions, positions)
    scores = net.add(scores, net.table(1, windows // images, 1, positions, positions, learnt=0))
    scores = net.softmax(net.reshape(scores, windows, heads, positions, positions))
    y = net.transpose(net.matmul(scores, v), 0, 2, 1, 3)
    return net.reshape(y, windows, positions, heads * width)


def _merged(net: Layers, x: Tensor) -> Tensor:
    """Join 2 x 2 positions, then halve the channels."""
    x = padded(net, x, 2)
    h, w = x.shape[1:3]
    parts = [
        net.apply("STRIDED_SLICE", x, axes=(1, 2), begin=(row, column), end=(h, w), strides=(2, 2))
        for column in (0, 1)
        for row in (0, 1)
    ]
    y = net.layer_norm(net.concat(*parts, axis=3))
    return net.dense(y, 2 * x.shape[3], bias=False)


def _swin(net: Layers, variant: Variant, *, width: int, depths: tuple[int, ...], heads: tuple[int, ...]) -> Tensor:
    x = net.conv(net.input(variant.shape), width, 4, 4, pad=0, norm=False)
    x = net.layer_norm(net.transpose(x, 0, 2, 3, 1))
    for stage, (depth, count) in enumerate(zip(depths, heads, strict=True)):
        x = _merged(net, x) if stage else x
        for i in range(depth):
            x = net.add(x, _swin_attention(net, net.layer_norm(x), count, shifted=i % 2 == 1))
            x = net.add(x, feed_forward(net, net.layer_norm(x), 4 * x.shape[3]))
    x = net.mean(net.layer_norm(x), 1, 2)
    return net.dense(x, variant.classes)


_TIMM = "huggingface/pytorch-image-models timm/models/vision_transformer.py"
_SIZES = {"t": _Vit(192, 3), "s": _Vit(384, 6), "b": _Vit(768, 12)}
_SWIN = "pytorch/vision torchvision/models/swin_transformer.py"

NETWORKS = (
    *(
        Network(f"{kind}_{size}_16", "vit", f"{title} {size.upper()}/16", partial(_vit, form=form), _TIMM)
        for kind, title in (("vit", "ViT"), ("deit", "DeiT"))
        for size, form in _SIZES.items()
    ),
    Network("vit_b_32", "vit", "ViT B/32", partial(_vit, form=_Vit(768, 12, patch=32)), _TIMM),
    Network("vit_l_16", "vit", "ViT L/16", partial(_vit, form=_Vit(1024, 16, 24)), _TIMM),
    Network(
        "clip_vit_b32_image", "clip", "CLIP ViT-B/32, image tower", partial(_clip_image, form=_Vit(768, 12, patch=32)),
        "openai/CLIP clip/model.py", classes=512,
    ),
    *(
        Network(f"swin_{size}", "swin", f"Swin {size.upper()}", partial(_swin, width=w, depths=d, heads=h), _SWIN)
        for size, w, d, h in (
            ("t", 96, (2, 2, 6, 2), (3, 6, 12, 24)),
            ("s", 96, (2, 2, 18, 2), (3, 6, 12, 24)),
            ("b", 128, (2, 2, 18, 2), (4, 8, 16, 32)),
        )
    ),
)  # fmt: skip
