"""Classes of kernels that one factor of a calibration may slow down together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from socsim.cost.model import nest_family
from socsim.workload.operators import Category

if TYPE_CHECKING:
    from collections.abc import Iterable

    from socsim.cost.work import Kernel
    from socsim.workload.loops import LoopNest

Family = Literal[
    "conv3x3", "conv", "grouped", "pointwise", "matmul", "matvec", "depthwise", "depthwise_large",
    "pool", "function", "softmax", "normalisation", "arithmetic", "movement", "resize",
]  # fmt: skip
"""conv3x3: dense, of stride 1, dilated or not; conv: any other dense window; depthwise_large: windows of more than
3 x 3; function: sigmoid and its like, and slopes; arithmetic: of elements; movement: bytes that are copied."""

MAC_FAMILIES = frozenset({"conv3x3", "conv", "grouped", "pointwise", "matmul", "matvec"})
DEPTHWISE_FAMILIES = frozenset({"depthwise", "depthwise_large"})
VECTOR_FAMILIES = frozenset({
    "pool", "function", "softmax", "normalisation", "arithmetic", "movement", "resize",
})  # fmt: skip

Width = Literal["int8", "wide", "float"]

_SOFTMAX = frozenset({"SOFTMAX", "LOG_SOFTMAX"})
_FUNCTIONS = frozenset({
    "LOGISTIC", "TANH", "HARD_SWISH", "HARD_SIGMOID", "GELU", "SWISH", "MISH", "SOFTPLUS", "EXP", "SQRT", "ERF", "ELU",
    "LOG", "POW", "RSQRT", "LEAKY_RELU", "PRELU",
})  # fmt: skip
_BY_CATEGORY: dict[Category, Family] = {
    Category.POOL: "pool",
    Category.REDUCTION: "pool",
    Category.NORMALISATION: "normalisation",
    Category.MOVEMENT: "movement",
    Category.VIEW: "movement",
    Category.STATE: "movement",
    Category.HOST: "arithmetic",
}


class KernelClass(NamedTuple):
    """What a kernel has in common with others that a calibration cannot tell from it.

    Args:
        family: what it computes.
        width: int8 (8 bits or fewer, signed or not), wide (longer integers) or float.
        at_home: whether it runs on the kind of unit that the network was sent to.
    """

    family: Family
    width: Width
    at_home: bool


def kernel_class(kernel: Kernel, *, at_home: bool) -> KernelClass:
    """Return the class of a kernel."""
    return KernelClass(_family(kernel), _width(kernel.dtype), at_home)


def _family(kernel: Kernel) -> Family:
    if kernel.loops:
        return _nest_family(kernel.type, kernel.loops[0])
    if kernel.type in _SOFTMAX:
        return "softmax"
    if kernel.type in _FUNCTIONS:
        return "function"
    return "resize" if "RESIZE" in kernel.type else _BY_CATEGORY.get(kernel.category, "arithmetic")


def _nest_family(operator_type: str, nest: LoopNest) -> Family:
    kind = nest_family(operator_type, nest)
    if kind == "depthwise":
        return "depthwise" if nest.r * nest.s <= 9 else "depthwise_large"
    if kind == "matvec" or nest.n * nest.p * nest.q == 1:
        return "matvec"
    if kind == "matmul":
        return "matmul"
    if nest.g > 1:
        return "grouped"
    if nest.r * nest.s == 1:
        return "pointwise"
    is_plain = nest.r == nest.s == 3 and nest.stride_h == nest.stride_w == 1
    return "conv3x3" if is_plain else "conv"


def _width(dtype: str) -> Width:
    if "float" in dtype:
        return "float"
    return "int8" if dtype in {"int4", "uint4", "int8", "uint8", "int2"} else "wide"


def run_width(products: Iterable[tuple[KernelClass, int]]) -> Width:
    """Return the type that most multiply-accumulates of a run compute in; float for a run without any.

    Args:
        products: class and multiply-accumulates of each kernel on the unit that the network was sent to.
    """
    totals: dict[Width, int] = {"float": 0}
    for kind, macs in products:
        if kind.at_home and macs:
            totals[kind.width] = totals.get(kind.width, 0) + macs
    return max(totals, key=lambda width: (totals[width], width))
