"""The platform file of the machine at hand: what the system says, what was measured, and what is assumed beside it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

from socsim.measuring.cores import (
    ARM_PRESETS,
    ARM_SETS,
    RISCV_PRESETS,
    UNKNOWN_ARM,
    UNKNOWN_X86,
    X86,
    X86_EFFICIENCY,
    X86_SETS,
    Core,
)
from socsim.measuring.host import EFFICIENCY, HostCache
from socsim.soc.schema import PLATFORM_SCHEMA

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from socsim.measuring.host import Host, HostCluster
    from socsim.measuring.streaming import Rates

_LATENCY_NS = 100
_LINE = 64
_MOST_OF_PINS = 0.9
"""Share of the pin rate that memories reach at best; more channels are assumed where the measured rate needs more."""
_RATES = {"ddr4": 3200, "ddr5": 4800, "lpddr4x": 4266}
_CHANNEL_BITS = {"ddr4": 64, "ddr5": 64, "lpddr4x": 32}
_PLAIN = re.compile(r"(?!(?:true|false|null)$)[A-Za-z][A-Za-z0-9_-]*|[0-9.]+(?: ?[A-Za-z][A-Za-z/]*)")
"""Words and quantities that YAML takes for text as they stand."""
_UNTOLD_L1 = HostCache(1, 32 * 2**10, is_shared=False)
_NAMES = {1: ("all",), 2: ("big", "little"), 3: ("big", "mid", "little")}


@dataclass(frozen=True, slots=True)
class _Design:
    """What is known of a cluster's cores: a preset, or a row of the table."""

    preset: str | None
    core: Core
    is_known: bool


def host_platform(host: Host, name: str, rates: Rates | None = None) -> str:
    """Return a platform file in YAML, with the origin of every number.

    Args:
        host: the machine.
        name: of the platform.
        rates: what its memory was seen to move; assumed where None.

    Assumes: what no file of the system tells: voltages, power, latencies, what caches sustain, the DRAM's pins.
    """
    clusters = _named(host)
    designs = {unit: _design(cluster) for unit, (_, cluster) in clusters.items()}
    first = next(iter(designs.values())).core
    sources: dict[str, str] = {}
    assumed: dict[str, str] = {}
    tree: dict[str, Any] = {
        "schema": PLATFORM_SCHEMA,
        "name": name,
        "title": host.title,
        "process": first.process,
        "clocks": {unit: _clock(cluster) for unit, (_, cluster) in clusters.items()},
        "power_domains": {"chip": {"static": f"{host.cores} W"}},
        "memories": {"dram": _dram(host, first, rates)},
        "units": {
            unit: _unit(unit, label, cluster, designs[unit], rates) for unit, (label, cluster) in clusters.items()
        },
        "links": {"fabric": {"kind": "noc", "width": "1024 bit", "clock": "2 GHz", "connects": [*clusters, "dram"]}},
        "preference": [*clusters],
        "sources": sources,
        "assumed": assumed,
    }
    _account(host, clusters, designs, rates, sources, assumed)
    return _text(tree)


def _named(host: Host) -> dict[str, tuple[str, HostCluster]]:
    """Return the clusters by the name of their unit, each with what `--cluster` calls it."""
    labels = _NAMES.get(len(host.clusters)) or tuple(f"c{i}" for i in range(len(host.clusters)))
    pairs = zip(labels, host.clusters, strict=True)
    return {"cpu" if label == "all" else f"cpu_{label}": (label, cluster) for label, cluster in pairs}


# --- cores --------------------------------------------------------------------------------------------


def _design(cluster: HostCluster) -> _Design:
    """Return what the table knows of a cluster's cores."""
    fields = cluster.fields
    preset = _preset(fields)
    if preset is not None:
        return _Design(preset, UNKNOWN_ARM, is_known=True)
    if "vendor_id" not in fields:
        return _Design(None, UNKNOWN_ARM, is_known=False)
    if fields.get("core type") == EFFICIENCY:
        return _Design(None, X86_EFFICIENCY, is_known=True)
    family, model = (int(fields.get(key, "-1")) for key in ("cpu family", "model"))
    core = X86.get((fields["vendor_id"], family), {}).get(model)
    return _Design(None, core or UNKNOWN_X86, is_known=core is not None)


def _preset(fields: Mapping[str, str]) -> str | None:
    implementer, part = fields.get("CPU implementer", ""), fields.get("CPU part", "")
    if implementer and part:
        return ARM_PRESETS.get((int(implementer, 16), int(part, 16)))
    return RISCV_PRESETS.get(fields.get("uarch", ""))


def _sets(cluster: HostCluster) -> list[str]:
    known = X86_SETS if "vendor_id" in cluster.fields else ARM_SETS
    return list(dict.fromkeys(name for flag, name in known.items() if flag in cluster.flags))


def _vector(cluster: HostCluster, core: Core) -> int:
    return core.vector_512 if core.vector_512 and "avx512f" in cluster.flags else core.vector


def _unit(unit: str, label: str, cluster: HostCluster, design: _Design, rates: Rates | None) -> dict[str, Any]:
    core = design.core
    made: dict[str, Any] = {"kind": "cpu"}
    if design.preset is not None:
        made["preset"] = design.preset
    else:
        made |= {"core": core.name, "ip": core.ip, "vector": f"{_vector(cluster, core)} B/cycle"}
        made |= {"multiply": f"{core.multiply} B/cycle"} if core.multiply else {}
        made |= {"isa": _sets(cluster) or ["avx2" if core is UNKNOWN_X86 else "neon"]}
    return made | {
        "cluster": label,
        "cores": len(cluster.processors),
        "clock": unit,
        "power": "chip",
        "runtime": "tflite-xnnpack",
        "caches": [_cache(cache, core) for cache in _levels(cluster)],
        "thread_sync": "4 us",
        "port": _port(rates),
        "activations": ["dram"],
        "weights": ["dram"],
    }


def _levels(cluster: HostCluster) -> list[HostCache]:
    """Return one data cache of each level; a level that several are told of keeps the largest."""
    found: dict[int, HostCache] = {}
    for cache in sorted(cluster.caches, key=lambda c: c.size):
        found[cache.level] = cache
    return [found[level] for level in sorted(found)] or [_UNTOLD_L1]


def _cache(cache: HostCache, core: Core) -> dict[str, Any]:
    return {
        "level": f"L{cache.level}",
        "size": _binary(cache.size),
        "scope": "cluster" if cache.is_shared else "core",
        "bandwidth": f"{core.loads[cache.level - 1]} B/cycle",
    }


def _binary(size: int) -> str:
    return f"{size // 2**20} MiB" if size % 2**20 == 0 else f"{size // 2**10} KiB"


def _clock(cluster: HostCluster) -> dict[str, Any]:
    return {"opps": [{"name": f"{mhz}MHz", "clock": f"{mhz} MHz"} for mhz in cluster.clocks_mhz]}


# --- memory -------------------------------------------------------------------------------------------


def _port(rates: Rates | None) -> dict[str, Any]:
    """Return the way out of a core: so many lines under way that the measured rates come out."""
    port: dict[str, Any] = {"width": "64 B/cycle"}
    if rates is None:
        return port | {"outstanding": 24, "burst": f"{_LINE} B"}
    lines = {"outstanding": rates.read, "writes": rates.write, "together": rates.copy}
    return port | {key: _under_way(rate) for key, rate in lines.items()} | {"burst": f"{_LINE} B"}


def _under_way(rate: float) -> int:
    return max(1, round(rate * _LATENCY_NS / 1e9 / _LINE))


def _dram(host: Host, core: Core, rates: Rates | None) -> dict[str, Any]:
    channels, efficiency = _pins(core.dram, rates)
    return {
        "kind": "dram",
        "technology": core.dram,
        "size": _binary(max(host.memory // 2**20, 1) * 2**20),
        "channels": channels,
        "width": f"{_CHANNEL_BITS[core.dram]} bit",
        "data_rate": f"{_RATES[core.dram]} MT/s",
        "efficiency": efficiency,
        "latency": f"{_LATENCY_NS} ns",
    }


def _pins(dram: str, rates: Rates | None) -> tuple[int, float]:
    """Return channels, and the share of their rate that all cores reach."""
    channel = _RATES[dram] * 1e6 * _CHANNEL_BITS[dram] / 8
    if rates is None:
        return 2, 0.8
    reached = max(rates.read_all, rates.read, rates.copy)
    channels = max(1, ceil(reached / (channel * _MOST_OF_PINS)))
    return channels, round(reached / (channel * channels), 3)


# --- where numbers come from --------------------------------------------------------------------------


def _account(
    host: Host,
    clusters: Mapping[str, tuple[str, HostCluster]],
    designs: Mapping[str, _Design],
    rates: Rates | None,
    sources: dict[str, str],
    assumed: dict[str, str],
) -> None:
    """Fill the tables of sources and assumptions."""
    assumed["process"] = "as cores of this kind are usually made"
    assumed["power_domains"] = "a watt for each core; no rail was measured"
    sources["memories.dram.size"] = "/proc/meminfo, MemTotal"
    for name in ("channels", "width", "data_rate"):
        assumed[f"memories.dram.{name}"] = "as boards with such cores usually have; not told by the system"
    assumed["memories.dram.latency"] = "usual for the standard; not measured"
    assumed["links"] = "wide enough not to bind"
    for unit, (_, cluster) in clusters.items():
        _account_cluster(f"units.{unit}", cluster, designs[unit], sources, assumed)
        _account_clock(f"clocks.{unit}", cluster, sources, assumed, is_virtual=host.is_virtual)
        assumed[f"units.{unit}.thread_sync"] = "a few thousand cycles for a barrier; not measured"
        assumed[f"units.{unit}.port"] = "wide enough not to bind; lines of 64 B"
        if rates is not None:
            _account_port(f"units.{unit}.port", rates, sources)
    if rates is None:
        assumed["memories.dram.efficiency"] = "four fifths of the pin rate; not measured"
    else:
        reached = max(rates.read_all, rates.read, rates.copy) / 1e9
        sources["memories.dram.efficiency"] = f"measured: {reached:.1f} GB/s at most, NumPy over arrays beyond caches"


def _account_clock(
    path: str, cluster: HostCluster, sources: dict[str, str], assumed: dict[str, str], *, is_virtual: bool
) -> None:
    where = cluster.clock_source
    if not where:
        assumed[path] = "nothing tells it; a guess"
    elif is_virtual and where.startswith("/proc"):
        sources[path] = f"{where}; a hypervisor may run the cores at another clock than it tells"
    else:
        sources[path] = where


def _account_cluster(
    path: str, cluster: HostCluster, design: _Design, sources: dict[str, str], assumed: dict[str, str]
) -> None:
    sources[f"{path}.cores"] = "/proc/cpuinfo and topology/thread_siblings_list; threads of one core count once"
    assumed[f"{path}.caches"] = "bandwidths from the width of a core's load pipes and buses; not measured"
    for cache in _levels(cluster) if cluster.caches else ():
        sources[f"{path}.caches.L{cache.level}.size"] = "cache/index*/size, one of those that a core can reach"
    if design.preset is not None:
        return
    core = design.core
    if core.source:
        sources[f"{path}.vector"] = core.source
    else:
        assumed[f"{path}.vector"] = core.note
    if core.multiply:
        (sources if core.source else assumed)[f"{path}.multiply"] = core.source or core.note


def _account_port(path: str, rates: Rates, sources: dict[str, str]) -> None:
    for key, verb, rate in (
        ("outstanding", "reads", rates.read), ("writes", "writes", rates.write), ("together", "copies", rates.copy),
    ):  # fmt: skip
        sources[f"{path}.{key}"] = (
            f"measured: one core {verb} {rate / 1e9:.1f} GB/s (NumPy, arrays beyond caches): so many lines of "
            f"{_LINE} B in {_LATENCY_NS} ns"
        )


# --- text ---------------------------------------------------------------------------------------------


def _text(tree: Mapping[str, Any]) -> str:
    """Return plain values as YAML: sections as blocks, the items of a list on a line each."""
    return "\n".join(_lines(tree, "")) + "\n"


def _lines(tree: Mapping[str, Any], indent: str) -> Iterator[str]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from () if indent else ("",)
            yield f"{indent}{key}:"
            yield from _lines(value, f"{indent}  ")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            yield f"{indent}{key}:"
            yield from (f"{indent}  - {_flow(item)}" for item in value)
        else:
            yield f"{indent}{key}: {_flow(value)}"


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        return value
    return json.dumps(value, ensure_ascii=False)  # YAML 1.2 contains JSON
