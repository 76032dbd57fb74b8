"""How feature maps lie in memory: channels in groups, the last one padded."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING

from socsim.quantities import ceil_div

if TYPE_CHECKING:
    from socsim.cost.work import Kernel, Operand
    from socsim.quantities import Size

_IMAGE_CHANNELS = 4


def grouped(kernel: Kernel, group: Size | None) -> Kernel:
    """Return a kernel whose activations have their channels padded to whole groups.

    Args:
        kernel: the task.
        group: bytes of a group; None leaves everything as it is.

    Images of few channels that the caller hands over stay as they are.
    """
    if group is None:
        return kernel
    inputs, outputs = (tuple(_padded(o, group.value) for o in part) for part in (kernel.inputs, kernel.outputs))
    return replace(kernel, inputs=inputs, outputs=outputs)


def _padded(operand: Operand, group: int) -> Operand:
    channels = operand.shape[-1] if operand.shape else 0
    if not channels or (channels <= _IMAGE_CHANNELS and not operand.private):
        return operand
    in_group = max(1, group * prod(operand.shape) // max(1, operand.bytes))
    return replace(operand, bytes=operand.bytes * ceil_div(channels, in_group) * in_group // channels)
