"""The loop nest of a multiply-accumulate operator: what a cost model maps onto hardware.

Dimension names are those of Timeloop and MAESTRO: N batch, G groups, K output channels of a group,
C input channels of a group, P x Q output rows and columns, R x S kernel rows and columns.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class LoopNest:
    """Loop bounds of a convolution, matrix multiplication or fully-connected operator.

    A fully-connected operator has P = rows, Q = R = S = 1; a batched matrix multiplication
    [b, m, k] x [b, k, n] has G = b, P = m, C = k, K = n; its right operand is an activation. A transposed
    convolution has P x Q *input* positions, for each of which it does R x S x C x K products.

    Args:
        is_convolution: whether a window slides over the input, so that a group of one channel is depthwise.
        output_positions: rows x columns of the result where they are not P x Q (transposed convolution).
    """

    n: int = 1
    g: int = 1
    k: int = 1
    c: int = 1
    p: int = 1
    q: int = 1
    r: int = 1
    s: int = 1
    stride_h: int = 1
    stride_w: int = 1
    dilation_h: int = 1
    dilation_w: int = 1
    is_convolution: bool = False
    output_positions: int = 0

    @property
    def macs(self) -> int:
        """Multiply-accumulates, padding positions counted, as is usual."""
        return self.n * self.g * self.k * self.c * self.p * self.q * self.r * self.s

    @property
    def bounds(self) -> dict[str, int]:
        """Bound of each dimension by its letter."""
        return {
            "N": self.n, "G": self.g, "K": self.k, "C": self.c,
            "P": self.p, "Q": self.q, "R": self.r, "S": self.s,
        }  # fmt: skip

    @property
    def weights(self) -> int:
        """Elements of the right operand."""
        return self.g * self.k * self.c * self.r * self.s

    @property
    def outputs(self) -> int:
        """Elements of the result."""
        return self.n * self.g * self.k * (self.output_positions or self.p * self.q)

    @property
    def is_depthwise(self) -> bool:
        """Whether it is a convolution in which each group has a single input channel."""
        return self.is_convolution and self.g > 1 and self.c == 1

    @property
    def input_rows(self) -> int:
        """Input rows that the whole output touches, padding included."""
        return (self.p - 1) * self.stride_h + (self.r - 1) * self.dilation_h + 1

    @property
    def input_columns(self) -> int:
        """Input columns that the whole output touches, padding included."""
        return (self.q - 1) * self.stride_w + (self.s - 1) * self.dilation_w + 1

    @property
    def overlap(self) -> tuple[int, int]:
        """Input rows and columns that the windows of neighbouring positions share."""
        if self.output_positions:  # each input position is read for itself
            return 0, 0
        rows = (self.r - 1) * self.dilation_h + 1 - self.stride_h
        columns = (self.s - 1) * self.dilation_w + 1 - self.stride_w
        return max(0, rows), max(0, columns)

    @property
    def touched(self) -> tuple[int, int]:
        """Input positions that windows cover, and all: fewer where a stride leaves rows or columns out."""
        if self.output_positions:
            return 1, 1
        rows, columns = max(1, self.input_rows), max(1, self.input_columns)
        return min(rows, self.p * self.r) * min(columns, self.q * self.s), rows * columns

    @property
    def stripes(self) -> int:
        """Steps in which the input can stream, image by image: the rows that one row of positions needs."""
        window = (self.r - 1) * self.dilation_h + 1
        return max(1, self.n * (self.p if self.output_positions else max(1, self.input_rows // window)))

    def batched(self, batch: int) -> LoopNest:
        """Return the nest of `batch` inferences that share the weights."""
        return self if batch == 1 else replace(self, n=self.n * batch)
