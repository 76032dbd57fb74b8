"""Sliding windows over images in NHWC: geometry, padding, and windows laid out as rows of a matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from socsim.errors import NumericsError
from socsim.numerics.calls import Call, shared, span
from socsim.numerics.jit import kernel

if TYPE_CHECKING:
    from socsim.numerics.arrays import Array
    from socsim.numerics.node import Node, Room
    from socsim.numerics.threads import Team

    Geometry = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
    Border = tuple[int, int, int, int]

_LEAST_ELEMENTS = 1 << 16  # of a block that a thread gains from


@dataclass(frozen=True)
class Window:
    """Geometry of a convolution or pool; all pairs are (rows, columns), pads (top, left, bottom, right)."""

    kernel: tuple[int, int]
    strides: tuple[int, int] = (1, 1)
    dilations: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)

    @classmethod
    def of(cls, node: Node) -> Window:
        """Return the window of an operator.

        Raises:
            NumericsError: kernels, strides or dilations below 1, or negative pads.
        """
        a = node.attributes
        window = cls(
            tuple(a["kernel"]), tuple(a["strides"]), tuple(a.get("dilations", (1, 1))), tuple(a.get("pads", (0,) * 4))
        )
        if min(*window.kernel, *window.strides, *window.dilations) < 1 or min(window.pads) < 0:
            msg = f"{node.where}: {window}: kernel, strides and dilations are 1 or more, pads 0 or more"
            raise NumericsError(msg)
        return window

    @property
    def geometry(self) -> Geometry:
        """Kernel, strides and dilations as kernels take them."""
        return self.kernel, self.strides, self.dilations

    def output_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return rows and columns of the result for an image of `size`."""
        padded = (size[0] + self.pads[0] + self.pads[2], size[1] + self.pads[1] + self.pads[3])
        rows, columns = (
            (padded[i] - (self.kernel[i] - 1) * self.dilations[i] - 1) // self.strides[i] + 1 for i in (0, 1)
        )
        return rows, columns

    def taps(self) -> list[tuple[int, int]]:
        """Return (row, column) of every element of the kernel, in order."""
        return [(y, x) for y in range(self.kernel[0]) for x in range(self.kernel[1])]

    def tap(self, padded: Array, tap: tuple[int, int], size: tuple[int, ...]) -> Array:
        """Return the view [B, rows, columns, C] of the elements that one tap reads for a result of `size`."""
        ranges = (
            slice(t * d, t * d + (n - 1) * s + 1, s)
            for t, d, n, s in zip(tap, self.dilations, size, self.strides, strict=True)
        )
        return padded[(slice(None), *ranges)]

    def padded(self, image: Array, fill: int | float) -> Array:
        """Return [B, H, W, C] with its border filled; the image itself where there is none, contiguous."""
        top, left, bottom, right = self.pads
        if not any(self.pads):
            return np.ascontiguousarray(image)
        batch, rows, columns, channels = image.shape
        out = np.full((batch, rows + top + bottom, columns + left + right, channels), fill, image.dtype)
        out[:, top : top + rows, left : left + columns] = image
        return out

    def border(self, image: Array, fill: int) -> Border:
        """Return the border of images [B, H, W, C] as kernels take it; see `copy_rows`.

        Raises:
            OverflowError: the type of the image does not hold what fills it.
        """
        top, left, _, right = self.pads
        return top, left * image.shape[3], right * image.shape[3], int(image.dtype.type(fill))

    def padding(self, team: Team, room: Room, image: Array, fill: int) -> tuple[list[Call], Array]:
        """Return the calls that fill the border of [B, H, W, C], and the array that they write; none without one."""
        top, left, bottom, right = self.pads
        if not any(self.pads):
            return [], image
        batch, rows, columns, channels = image.shape
        out = room((batch, rows + top + bottom, columns + left + right, channels), image.dtype)
        parts = team.parts(out.shape[1], out.shape[1], out.size // _LEAST_ELEMENTS)
        args = (image.reshape(batch, rows, -1), self.border(image, fill), parts, out.reshape(*out.shape[:2], -1))
        return [Call(_pad, batch * parts, args)], out


def check_output(node: Node, window: Window, image: tuple[int, ...], result: tuple[int, ...]) -> None:
    """Check rows and columns of the result [B, H, W, C] against the image [B, H, W, C].

    Raises:
        NumericsError: they are not what the window makes of the image.
    """
    found, wanted = result[1:3], window.output_size((image[1], image[2]))
    if found != wanted or image[0] != result[0]:
        msg = (
            f"{node.where}: its result has {result[0]} images of {found} pixels; {window} makes {image[0]} of "
            f"{wanted}; the file is wrong"
        )
        raise NumericsError(msg)


@shared
def _pad(index: int, images: Array, border: Border, parts: int, out: Array) -> None:
    """Write a block of rows of images with a border.

    Args:
        index: of the block: by image, rows.
        images: [B, H, W x C].
        border: see `copy_rows`.
        parts: blocks of an image.
        out: [B, rows, columns x C], written.
    """
    first, last = span(index % parts, parts, out.shape[1])
    copy_rows(images[index // parts], first, border, out[index // parts, first:last])


@kernel
def copy_rows(image: Array, first: int, border: Border, out: Array) -> None:
    """Write rows of a padded image.

    Args:
        image: [H, W x C] without its border.
        first: row of the padded image.
        border: rows above, elements before and after, and what they hold.
        out: [rows, columns x C], written.
    """
    top, left, _, fill = border
    stop = left + image.shape[1]
    for r in range(out.shape[0]):
        target, row = out[r], first + r - top
        if row < 0 or row >= image.shape[0]:
            target[:] = fill
        else:
            target[:left] = fill
            target[stop:] = fill
            source, inner = image[row], target[left:stop]
            for c in range(source.size):  # compilers see through a loop, not through an assignment of arrays
                inner[c] = source[c]


@kernel
def gather_windows(
    image: Array, pixels: tuple[int, int], geometry: Geometry, channels: tuple[int, int], centre: int, out: Array
) -> None:
    """Write the windows of consecutive result pixels as rows [pixels, kernel rows x kernel columns x channels].

    Args:
        image: [H, W, C] of one padded image.
        pixels: first pixel, and pixels of a result row.
        geometry: see `Window.geometry`.
        channels: first and one past the last.
        centre: subtracted.
        out: written; columns after those of the window are left alone.
    """
    size, strides, dilations = geometry
    first, width = pixels
    start, stop = channels
    depth = stop - start
    if size == (1, 1) and strides == (1, 1) and width == image.shape[1]:
        _gather_pixels(image.reshape(-1, image.shape[2])[first : first + out.shape[0], start:stop], centre, out)
        return
    joined = dilations[1] == 1 and depth == image.shape[2]
    runs = 1 if joined else size[1]
    length = size[1] * depth if joined else depth
    for p in range(out.shape[0]):
        top = ((first + p) // width) * strides[0]
        left = ((first + p) % width) * strides[1]
        k = 0
        for ky in range(size[0]):
            row = image[top + ky * dilations[0]].reshape(-1)
            for kx in range(runs):
                base = (left + kx * dilations[1]) * image.shape[2] + start
                source = row[base : base + length]
                target = out[p, k : k + length]
                for c in range(length):
                    target[c] = np.int32(source[c]) - np.int32(centre)
                k += length


@kernel
def _gather_pixels(pixels: Array, centre: int, out: Array) -> None:
    for p in range(pixels.shape[0]):
        for c in range(pixels.shape[1]):
            out[p, c] = np.int32(pixels[p, c]) - np.int32(centre)
