"""What an execution made against what was recorded, tensor by tensor.

Integers and booleans are equal or not. Floats are compared with a tolerance relative to the largest
recorded magnitude of the tensor, since their sums depend on the order of summation. A tensor that was
recorded by its hash alone is equal where the hashes are; where they differ, an integer tensor has an
unknown number of mismatches and fails, and a float tensor cannot be judged.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from socsim.numerics.arrays import Array

FLOAT_TOLERANCE = 1e-5

_HASH_ONLY = "recorded by its hash alone: at least one element differs"
_HASH_ONLY_FLOAT = "float recorded by its hash alone: not equal in every bit, which is all that can be said"


@dataclass(frozen=True, slots=True)
class Expected:
    """A recorded tensor: its values, or the SHA-256 of its bytes, or both."""

    sha256: str | None = None
    values: Array | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """One tensor of one inference against its record; `elements` is 0 where it cannot be judged.

    `mismatches` and `largest` are None where they cannot be known; then `reason` says why. `first` is the
    flat index of the first element that differs.
    """

    elements: int
    mismatches: int | None = 0
    largest: float | None = 0
    first: int | None = None
    reason: str | None = None
    is_failure: bool = False


def difference(found: Array, expected: Expected) -> Difference:
    """Compare a tensor with its record."""
    if expected.sha256 is not None and sha256(found.tobytes()).hexdigest() == expected.sha256:
        return Difference(found.size)
    if expected.values is None:
        if found.dtype.kind == "f":
            return Difference(0, None, None, None, _HASH_ONLY_FLOAT)
        return Difference(found.size, None, None, None, _HASH_ONLY, is_failure=True)
    return _of_values(found, expected.values)


def _of_values(found: Array, recorded: Array) -> Difference:
    if found.shape != recorded.shape or found.dtype != recorded.dtype:
        reason = f"recorded as {recorded.dtype} {recorded.shape}, made as {found.dtype} {found.shape}"
        return Difference(found.size, None, None, None, reason, is_failure=True)
    distance = _distances(found, recorded)
    wrong = np.flatnonzero(distance > _tolerance(recorded))
    largest = distance.max().item() if distance.size else 0
    first = int(wrong[0]) if wrong.size else None
    return Difference(found.size, int(wrong.size), largest, first, None, bool(wrong.size))


def _distances(found: Array, recorded: Array) -> Array:
    """Return |found - recorded| of each element; two NaNs or equal infinities are no distance apart."""
    if found.dtype.kind != "f":
        low, high = np.minimum(found, recorded), np.maximum(found, recorded)
        return (high.astype(np.int64) - low.astype(np.int64)).astype(np.uint64).ravel()
    a, b = found.astype(np.float64).ravel(), recorded.astype(np.float64).ravel()
    is_same = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(invalid="ignore"):
        distance = np.abs(a - b)
    return np.where(is_same, 0.0, np.where(np.isnan(distance), np.inf, distance))


def _tolerance(recorded: Array) -> float:
    if recorded.dtype.kind != "f":
        return 0.0
    finite = np.abs(recorded[np.isfinite(recorded)].astype(np.float64))
    return FLOAT_TOLERANCE * float(finite.max()) if finite.size else 0.0


@dataclass(frozen=True, slots=True)
class TensorRow:
    """One tensor over all inferences compared.

    Args:
        index: its operator; None for an output that no operator makes.
        type: the operator's type.
        tensor: index of the tensor.
        name: name of the tensor.
        elements: elements compared.
        mismatches: elements that differ; None where a record without values differs.
        max_difference: the largest difference; None likewise. An integer for integer tensors.
        first_difference: flat index of the first element that differs, in `mode`.
        mode: the first inference that differs.
        reason: why a number is None, or inferences are not counted.
        is_failure: whether the tensor differs by more than its type allows.
    """

    index: int | None
    type: str
    tensor: int
    name: str
    elements: int
    mismatches: int | None
    max_difference: float | None
    first_difference: int | None
    mode: str | None
    reason: str | None
    is_failure: bool


@dataclass(frozen=True, slots=True)
class NotCompared:
    """A recorded tensor that was not compared, or a made one that was not recorded."""

    tensor: str
    reason: str


@dataclass(frozen=True)
class NumericsComparison:
    """A network under a profile against a golden file.

    Args:
        model: name of the network.
        model_sha256: hash of its file.
        profile: name of the profile.
        golden: name of the golden file.
        modes: inferences compared, by the name of their input.
        operators: one row for each tensor compared, in the order of the operators.
        not_compared: what was left out, with the reason.
        notes: what a reader should know.
    """

    model: str
    model_sha256: str
    profile: str
    golden: str
    modes: tuple[str, ...]
    operators: tuple[TensorRow, ...]
    not_compared: tuple[NotCompared, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def mismatches(self) -> int:
        """Elements that differ; a tensor with an unknown number counts as one."""
        return sum(_counted(row) for row in self.operators)

    @property
    def is_equal(self) -> bool:
        """Whether every tensor is equal, floats within their tolerance."""
        return not any(row.is_failure for row in self.operators)


def _counted(row: TensorRow) -> int:
    return int(row.is_failure) if row.mismatches is None else row.mismatches


def merged(position: tuple[int | None, str, int, str], found: list[tuple[str, Difference]]) -> TensorRow:
    """Return the row of one tensor from its differences by mode.

    Args:
        position: operator index and type, tensor index and name.
        found: mode and difference of each inference, in order.
    """
    differences = [d for _, d in found]
    mode, first = next(((m, d) for m, d in found if d.is_failure), (None, Difference(0)))
    reason = first.reason or next((d.reason for d in differences if d.reason), None)
    judged = [d for d in differences if d.elements or d.mismatches is not None]
    is_known = bool(judged) and all(d.mismatches is not None for d in judged)
    return TensorRow(
        *position,
        elements=sum(d.elements for d in differences),
        mismatches=sum(d.mismatches or 0 for d in judged) if is_known else None,
        max_difference=max(d.largest or 0 for d in judged) if is_known else None,
        first_difference=first.first,
        mode=mode,
        reason=reason,
        is_failure=mode is not None,
    )
