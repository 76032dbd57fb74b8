"""The words of measurement tables: columns, units, metrics, and names that socsim has no description of."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from socsim.data_files import data_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

REQUIRED = ("platform", "unit", "runtime", "workload", "precision", "batch", "metric", "value", "unit_of_value")
OPTIONAL = (
    "cluster", "cores", "runtime_version", "input_shape", "board", "recorded", "conditions", "source_repo",
    "source_path", "source_commit",
)  # fmt: skip
"""Columns that a table may leave out; what they would say is then unknown."""
COLUMNS = (
    "platform", "unit", "cluster", "cores", "runtime", "runtime_version", "workload", "input_shape", "precision",
    "batch", "metric", "value", "unit_of_value", "board", "recorded", "conditions", "source_repo", "source_path",
    "source_commit",
)  # fmt: skip
"""All of them, in the order in which tables are written."""

UNITS = ("cpu", "gpu", "npu", "dsp", "sensing_hub", "mixed")

METRICS: dict[str, dict[str, float]] = {
    "latency": {"s": 1.0, "ms": 1e-3, "us": 1e-6},
    "throughput": {"FPS": 1.0, "samples/s": 1.0},
    "energy_per_inference": {"J": 1.0, "mJ": 1e-3, "uJ": 1e-6},
    "power": {"W": 1.0, "mW": 1e-3},
    "ttft": {"s": 1.0, "ms": 1e-3},
    "prefill_tokens_per_s": {"tokens/s": 1.0, "tok/s": 1.0},
    "decode_tokens_per_s": {"tokens/s": 1.0, "tok/s": 1.0},
    "peak_memory": {"GB": 1e9, "MB": 1e6, "kB": 1e3},
}
"""Units of each metric, with their size in seconds, samples a second, joules, watts, tokens a second or bytes."""

LANGUAGE_METRICS = frozenset({"ttft", "prefill_tokens_per_s", "decode_tokens_per_s"})
LANGUAGE_PRECISIONS = ("q4_0", "q8_0")
LANGUAGE_REASON = "language model: its prefill and decoding are not predicted"


@dataclass(frozen=True, slots=True)
class Undescribed:
    """Names that tables of measurements hold and socsim has no description of, with the reason.

    Args:
        platforms: reasons by platform.
        workloads: reasons by workload.
        language_models: workloads that are language models.
    """

    platforms: Mapping[str, str]
    workloads: Mapping[str, str]
    language_models: frozenset[str]


@cache
def undescribed() -> Undescribed:
    """Return the names that are no slip of the pen, although nothing here describes them."""
    text = (data_folder("workloads") / "undescribed.json").read_text(encoding="utf-8")
    document = json.loads(text)
    return Undescribed(
        _by_name(document["platforms"]), _by_name(document["workloads"]), frozenset(document["language_models"])
    )


def _by_name(reasons: Mapping[str, list[str]]) -> Mapping[str, str]:
    return MappingProxyType({name: reason for reason, names in reasons.items() for name in names})
