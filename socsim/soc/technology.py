"""Energies and areas by process node, for what a platform file does not give."""

from __future__ import annotations

from functools import cache
from math import isqrt
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from socsim.data_files import data_folder
from socsim.errors import PlatformError
from socsim.quantities import Energy, EnergyPerByte, Size, Voltage
from socsim.soc.fields import Model, Ratio, Share
from socsim.soc.validation import validate
from socsim.soc.yaml_reader import read_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping


class BaseEnergies(Model):
    """Energies at the node and voltage where they were published."""

    node: str
    voltage: Voltage
    mac: dict[str, Energy]
    """One multiply-accumulate by operand type, arithmetic alone."""
    vector_op: Energy
    """One operation on one element in a vector lane."""
    instruction: Energy
    """Fetching, decoding and steering one processor instruction."""
    local_byte: EnergyPerByte
    """A byte in or out of a buffer of some tens of KiB beside the datapath."""
    sram_byte: EnergyPerByte
    """A byte in or out of a shared on-chip memory of `sram_size`."""
    sram_size: Size
    link_byte: EnergyPerByte
    """A byte over the on-chip fabric."""


class Areas(Model):
    """Areas of what fills most of an accelerator; control, wiring and pads come on top."""

    mac: dict[str, Ratio]
    """Square micrometres of one multiplier and its adder by operand type, at the base node."""
    scaling: dict[str, Ratio]
    """Area of the same logic relative to the base node, by node."""
    sram_cell: dict[str, Ratio]
    """Square micrometres of one bit, by node."""
    sram_fill: Share
    """Part of an SRAM that its cells take."""


class TechnologyFile(Model):
    """Base energies and areas, and how they scale to other nodes."""

    schema_: Annotated[Literal["socsim.technology/1"], Field(alias="schema")]
    base: BaseEnergies
    scaling: dict[str, Ratio]
    """Energy of the same circuit relative to the base node, by node."""
    off_chip: dict[str, EnergyPerByte]
    """A byte in or out of a memory off chip, by DRAM standard or kind of serial memory; it does not follow the node."""
    area: Areas
    sources: dict[str, str] = Field(default={})
    assumed: dict[str, str] = Field(default={})


class Technology(Model):
    """Energies at one node, in attojoules, and areas in square micrometres."""

    node: str
    mac: dict[str, int]
    vector_op: int
    instruction: int
    local_byte: int
    sram_byte: int
    sram_size: int
    link_byte: int
    off_chip: dict[str, int]
    mac_area: dict[str, float]
    sram_area: float
    """Of one bit, its share of the circuits around the cells included."""

    def sram_byte_at(self, size: int) -> int:
        """Return the attojoules of a byte in or out of an on-chip memory of so many bytes.

        The energy is that of wires across the array, whose length grows with the square root of its size: so do the
        published 10, 20 and 100 pJ for 64 bits of 8 KB, 32 KB and 1 MB, within 14 %.

        Source: Horowitz, ISSCC 2014, figure 1.1.9; the wire model is that of CACTI (Wilton and Jouppi, IEEE JSSC 1996).
        """
        return isqrt(self.sram_byte**2 * size // self.sram_size)


@cache
def _file() -> TechnologyFile:
    return validate(TechnologyFile, read_yaml(data_folder("platforms") / "technology.yaml"))


@cache
def technology(node: str) -> Technology:
    """Return the energies and areas of a process node.

    Assumes: every circuit scales by the same factor; a node between two table rows takes the coarser.

    Raises:
        PlatformError: a node coarser than the table's coarsest.
    """
    file = _file()
    base, area = file.base, file.area
    factor, size, cell = (_at(table, node) for table in (file.scaling, area.scaling, area.sram_cell))
    return Technology(
        node=node,
        mac={name: round(energy.value * factor) for name, energy in base.mac.items()},
        vector_op=round(base.vector_op.value * factor),
        instruction=round(base.instruction.value * factor),
        local_byte=round(base.local_byte.value * factor),
        sram_byte=round(base.sram_byte.value * factor),
        sram_size=base.sram_size.value,
        link_byte=round(base.link_byte.value * factor),
        off_chip={name: energy.value for name, energy in file.off_chip.items()},
        mac_area={name: um2 * size for name, um2 in area.mac.items()},
        sram_area=cell / area.sram_fill,
    )


def _at(table: Mapping[str, float], node: str) -> float:
    """Return the value of the finest row of a table that is no finer than a node."""
    sizes = {name: int(name.split(maxsplit=1)[0]) for name in table}
    wanted = int(node.split(maxsplit=1)[0])
    coarser = [name for name, size in sizes.items() if size >= wanted]
    if not coarser:
        msg = f"process {node!r} is coarser than the technology table, which ends at {max(sizes.values())} nm"
        raise PlatformError(msg)
    return table[min(coarser, key=lambda name: sizes[name])]
