"""How a compiler lays a network out on a dataflow chip: contexts of layers, and slices for each layer.

Every layer on the chip has a controller and slices of its own. Many slices of a layer go by parts, each with a
controller, so that controllers run out before slices do in networks of many layers.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import count
from typing import TYPE_CHECKING

from socsim.quantities import PS_PER_S, ceil_div

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_FINER = 4
"""Finest cut that is tried: contexts filled to a quarter of what they may be."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What a layer needs.

    Args:
        macs: multiply-accumulates in an inference.
        passed: those that a slice does while one part of the layer passes its inputs and results.
        controllers: at least.
        weights: bytes of constants.
    """

    macs: int
    passed: int
    controllers: int
    weights: int


@dataclass(frozen=True, slots=True)
class Chip:
    """What there is to hand out.

    Args:
        slices, controllers, weights: of a network that stays as a whole (weights in bytes).
        context_slices, context_controllers, context_weights: of each of several contexts.
        part: slices of one part of a layer at most.
        macs_per_s: multiply-accumulates a second of one slice.
        switch_ps: time to change to another context, beside loading its weights.
    """

    slices: int
    controllers: int
    weights: int
    context_slices: int
    context_controllers: int
    context_weights: int
    part: int
    macs_per_s: int
    switch_ps: int


@dataclass(frozen=True, slots=True)
class Layout:
    """Layers of a context and what they were given.

    Args:
        slices: of each layer, in order.
        interval: multiply-accumulates that a slice of the slowest layer does in an inference.
        macs: of all its layers.
    """

    slices: tuple[int, ...]
    interval: Fraction
    macs: int


@lru_cache(maxsize=64)
def laid_out(layers: tuple[Demand, ...], chip: Chip) -> tuple[Layout, ...]:
    """Return the contexts of a network: one where all of it fits, else the cut that takes the least time.

    Smaller contexts leave controllers for more parts of their layers, so that each works faster, but there are more
    of them to change to.

    Args:
        layers: in order.
        chip: what there is to hand out.
    """
    if _controllers(layers) <= chip.controllers and _weights(layers) <= chip.weights:
        return (_dealt(layers, chip.slices, chip.controllers, chip.part),)
    found = []
    for finer in range(1, _FINER + 1):
        cut = _cut(layers, chip.context_controllers // finer, chip.context_weights // finer)
        found.append(tuple(_dealt(c, chip.context_slices, chip.context_controllers, chip.part) for c in cut))
    return min(found, key=lambda contexts: _time_ps(contexts, chip))


def _time_ps(contexts: Sequence[Layout], chip: Chip) -> Fraction:
    intervals = sum((c.interval for c in contexts), Fraction())
    return intervals * PS_PER_S / chip.macs_per_s + len(contexts) * chip.switch_ps


def _controllers(layers: Sequence[Demand]) -> int:
    return sum(layer.controllers for layer in layers)


def _weights(layers: Sequence[Demand]) -> int:
    return sum(layer.weights for layer in layers)


def _cut(layers: Sequence[Demand], controllers: int, weights: int) -> Iterator[list[Demand]]:
    """Yield layers context by context, each as full as the limits allow; one layer at least."""
    context: list[Demand] = []
    for layer in layers:
        together = [*context, layer]
        if context and (_controllers(together) > controllers or _weights(together) > weights):
            yield context
            together = [layer]
        context = together
    yield context


def _dealt(layers: Sequence[Demand], slices: int, controllers: int, part: int) -> Layout:
    """Return slices for each layer, one for each of its controllers at least; others go to the slowest layer in turn.

    Dealing ends when there is no slice, or no controller for a part more of the slowest layer.
    """
    dealt = [layer.controllers for layer in layers]
    slices -= sum(dealt)
    controllers -= sum(dealt)
    order = count()
    slowest = [
        (-_taken(layer, own, part), next(order), i) for i, (layer, own) in enumerate(zip(layers, dealt, strict=True))
    ]
    heapq.heapify(slowest)
    while True:
        taken, _, place = slowest[0]
        layer, own = layers[place], dealt[place]
        # Slices more of a part that waits for its inputs and results do not help: it takes another part.
        wanted = own + 1 if layer.macs == -taken * own else part * ceil_div(own, part) + 1
        more = _controlled(wanted, part) - _controlled(own, part)
        if wanted - own > slices or more > max(0, controllers):
            break
        controllers -= more
        dealt[place], slices = wanted, slices - (wanted - own)
        heapq.heapreplace(slowest, (-_taken(layer, wanted, part), next(order), place))
    return Layout(tuple(dealt), -slowest[0][0], sum(layer.macs for layer in layers))


def _taken(layer: Demand, slices: int, part: int) -> Fraction:
    """Return the multiply-accumulates that a slice does while the layer is at an inference."""
    return max(Fraction(layer.macs, slices), Fraction(layer.passed, ceil_div(slices, part)))


def _controlled(slices: int, part: int) -> int:
    """Return the controllers of a layer: one for each of its parts, and one that joins several."""
    parts = ceil_div(slices, part)
    return parts + (parts > 1)
