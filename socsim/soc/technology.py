"""Energies by process node, for what a platform file does not give."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Literal

from pydantic import Field

from socsim.data_files import data_folder
from socsim.errors import PlatformError
from socsim.quantities import Energy, EnergyPerByte, Voltage
from socsim.soc.fields import Model, Ratio
from socsim.soc.validation import validate
from socsim.soc.yaml_reader import read_yaml


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
    """A byte in or out of a shared on-chip memory of about a MiB."""
    link_byte: EnergyPerByte
    """A byte over the on-chip fabric."""


class TechnologyFile(Model):
    """Base energies and how they scale to other nodes."""

    schema_: Annotated[Literal["socsim.technology/1"], Field(alias="schema")]
    base: BaseEnergies
    scaling: dict[str, Ratio]
    """Energy of the same circuit relative to the base node, by node."""
    sources: dict[str, str] = Field(default={})
    assumed: dict[str, str] = Field(default={})


class Technology(Model):
    """Energies at one node, in attojoules; `voltage_uv` is what they belong to, None where unknown."""

    node: str
    mac: dict[str, int]
    vector_op: int
    instruction: int
    local_byte: int
    sram_byte: int
    link_byte: int


@cache
def _file() -> TechnologyFile:
    return validate(TechnologyFile, read_yaml(data_folder("platforms") / "technology.yaml"))


@cache
def technology(node: str) -> Technology:
    """Return the energies of a process node.

    Assumes: every circuit scales by the same factor; a node between two table rows takes the coarser.

    Raises:
        PlatformError: a node coarser than the table's coarsest.
    """
    file = _file()
    sizes = {name: int(name.split(maxsplit=1)[0]) for name in file.scaling}
    wanted = int(node.split(maxsplit=1)[0])
    coarser = [name for name, size in sizes.items() if size >= wanted]
    if not coarser:
        msg = f"process {node!r} is coarser than the technology table, which ends at {max(sizes.values())} nm"
        raise PlatformError(msg)
    factor = file.scaling[min(coarser, key=lambda name: sizes[name])]
    base = file.base
    return Technology(
        node=node,
        mac={name: round(energy.value * factor) for name, energy in base.mac.items()},
        vector_op=round(base.vector_op.value * factor),
        instruction=round(base.instruction.value * factor),
        local_byte=round(base.local_byte.value * factor),
        sram_byte=round(base.sram_byte.value * factor),
        link_byte=round(base.link_byte.value * factor),
    )
