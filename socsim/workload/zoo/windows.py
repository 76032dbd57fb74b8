"""Windows of images, [batch, rows, columns, channels], in which transformers attend."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from socsim.workload.graph import Tensor
    from socsim.workload.zoo.layers import Layers


def windowed(net: Layers, x: Tensor, window: int) -> Tensor:
    """Cut [batch, rows, columns, channels] into [windows, positions, channels]."""
    n, h, w, c = x.shape
    x = net.reshape(x, n, h // window, window, w // window, window, c)
    return net.reshape(net.transpose(x, 0, 1, 3, 2, 4, 5), -1, window * window, c)


def unwindowed(net: Layers, x: Tensor, window: int, shape: tuple[int, ...]) -> Tensor:
    """Put windows back into [batch, rows, columns, channels]; undoes `windowed`."""
    n, h, w, c = shape
    x = net.reshape(x, n, h // window, w // window, window, window, c)
    return net.reshape(net.transpose(x, 0, 1, 3, 2, 4, 5), n, h, w, c)


def padded(net: Layers, x: Tensor, window: int) -> Tensor:
    """Fill [batch, rows, columns, channels] with zeros up to whole windows."""
    below, right = -x.shape[1] % window, -x.shape[2] % window
    return net.apply("PAD", x, paddings=((0, 0), (0, below), (0, right), (0, 0))) if below or right else x


def cropped(net: Layers, x: Tensor, rows: int, columns: int) -> Tensor:
    """Take what `padded` added away."""
    x = net.slice(x, 0, rows, axis=1) if x.shape[1] > rows else x
    return net.slice(x, 0, columns, axis=2) if x.shape[2] > columns else x
