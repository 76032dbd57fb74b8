"""Budgets of the importers: a file from a stranger gets no more than this."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What one model file may ask for; the defaults hold everywhere, Python callers may pass others."""

    file_bytes: int = 2 * 2**30
    external_bytes: int = 8 * 2**30
    operators: int = 100_000
    tensors: int = 400_000
    rank: int = 8
    elements: int = 2**31
    name_bytes: int = 4096
    attribute_bytes: int = 16 * 2**20
    subgraph_depth: int = 16


DEFAULT_LIMITS = Limits()
