"""What the zoo knows of a network: its names, its family, and how it is drawn or where its file stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from socsim.workload.zoo.layers import Layers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from socsim.workload.graph import Graph, Tensor
    from socsim.workload.limits import Limits

    Draw = Callable[[Layers, "Variant"], "Tensor | Sequence[Tensor]"]

IMAGE = (1, 3, 224, 224)


@dataclass(frozen=True, slots=True)
class Variant:
    """What a drawn network depends on.

    Args:
        shape: of the first input; images are [batch, channels, rows, columns].
        width: factor of the channels; 1 where the network has no such factor.
        classes: outputs of the last layer.
        decoded: whether a detector ends with boxes and scores, or with what its last layers say of each level; a
            network that labels pixels with labels, or with scores at its own resolution.
    """

    shape: tuple[int, ...] = IMAGE
    width: float = 1.0
    classes: int = 1000
    decoded: bool = True


@dataclass(frozen=True, slots=True)
class Network:
    """A network that the zoo draws.

    Args:
        name: as measurement tables write it.
        family: networks that differ in width, depth or resolution alone share it; validation leaves them out together.
        title: a few words.
        draw: adds the layers and returns the outputs.
        source: where the structure is published.
        shape: of the first input, unless asked otherwise.
        classes: outputs of the last layer, unless asked otherwise.
        aliases: other names in use.
        scales: whether names may go on with a width and a resolution: `NAME_0.5_160`.
        decodes: whether it can do without its decoding.
    """

    name: str
    family: str
    title: str
    draw: Draw
    source: str
    shape: tuple[int, ...] = IMAGE
    classes: int = 1000
    aliases: tuple[str, ...] = ()
    scales: bool = False
    decodes: bool = False

    @property
    def kind(self) -> str:
        """Where the network comes from."""
        return "drawn"

    def layers(self, name: str, variant: Variant, limits: Limits) -> tuple[Layers, list[Tensor]]:
        """Draw the network; return its layers, unfinished, and its outputs."""
        layers = Layers(name, limits)
        made = self.draw(layers, variant)
        return layers, list(made) if isinstance(made, list | tuple) else [made]  # type: ignore[list-item]

    def graph(self, name: str, variant: Variant, limits: Limits) -> Graph:
        """Return the network in one form.

        Raises:
            WorkloadError: the shape does not fit the network.
        """
        layers, outputs = self.layers(name, variant, limits)
        return layers.finish(*outputs)


@dataclass(frozen=True, slots=True)
class StoredNetwork:
    """A network whose file ships with socsim; `shapes` are its usual inputs where the file leaves them open."""

    name: str
    family: str
    title: str
    file: Path
    source: str
    licence: str
    shapes: Mapping[str, Sequence[int]] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def kind(self) -> str:
        """Where the network comes from."""
        return f"file, {self.licence}"
