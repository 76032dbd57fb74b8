"""Which numbers of a platform's runtimes, DRAM devices and technology table have a source, and which are assumed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args

from socsim.data_files import data_folder
from socsim.soc.provenance import numbers_with_reasons
from socsim.soc.runtimes import KernelFamily
from socsim.soc.schema import Dram
from socsim.soc.yaml_reader import read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

    from socsim.soc.platform import Platform
    from socsim.soc.provenance import Provenance

_WITH_KERNELS = frozenset({"cpu", "gpu", "dsp", "sensing_hub"})
"""Kinds of units whose cost depends on how much of the peak a runtime's kernels reach."""
_COPIES = ("window_copies", "pointwise_copies", "padding_copies")


def software_provenance(platform: Platform) -> list[Provenance]:
    """Return every number of the runtimes and DRAM devices that the platform names, then of the technology table.

    Values that a runtime file leaves out stand with what is assumed in their place. Paths begin with
    `runtimes.NAME`, `dram.NAME` or `technology`.
    """
    names = dict.fromkeys(unit.runtime for unit in platform.units.values())
    rows = [row for name in names for row in _file_rows(f"runtimes/{name}.yaml", f"runtimes.{name}")]
    devices = dict.fromkeys(m.device for m in platform.file.memories.values() if isinstance(m, Dram) and m.device)
    rows += [row for name in devices for row in _file_rows(f"dram/{name}.yaml", f"dram.{name}")]
    return [*rows, *_file_rows("technology.yaml", "technology")]


def _file_rows(file: str, prefix: str) -> Iterator[Provenance]:
    value = read_yaml(data_folder("platforms") / file).value
    absent = _absent(value) if "kinds" in value else {}
    tree = {**value, **{name: _joined(value.get(name), default) for name, (default, _) in absent.items()}}
    reasons = {path: reason for name, (default, reason) in absent.items() for path in _paths(name, default)}
    for row in numbers_with_reasons(tree, value.get("sources", {}), {**value.get("assumed", {}), **reasons}):
        yield replace(row, path=f"{prefix}.{row.path}")


def _absent(runtime: dict[str, Any]) -> dict[str, tuple[Any, str]]:
    """Return the defaults that stand in for what a runtime's file leaves out, each with its reason."""
    found: dict[str, tuple[Any, str]] = {}
    if "handover" not in runtime:
        found["handover"] = ("0 s", "not in the file: data from another unit costs nothing extra")
    given = runtime.get("efficiency", {})
    families = {family: 1 for family in get_args(KernelFamily) if family not in given}
    if families and _WITH_KERNELS.intersection(runtime["kinds"]):
        found["efficiency"] = (families, "not in the file: kernels reach the unit's peak")
    copies = {name: 0 for name in _COPIES if name not in runtime.get("kernels", {})}
    if copies and "cpu" in runtime["kinds"]:
        found["kernels"] = (copies, "not in the file: the library reads these operands in place")
    return found


def _joined(value: Any, default: Any) -> Any:
    return {**(value or {}), **default} if isinstance(default, dict) else default


def _paths(name: str, default: Any) -> list[str]:
    return [f"{name}.{key}" for key in default] if isinstance(default, dict) else [name]
