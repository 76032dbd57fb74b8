"""Every built-in cost model; importing this module fills the table of models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from socsim.cost import cpu, dsp, gpu, npu, sensing_hub
from socsim.cost.model import MODELS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from fractions import Fraction

    from socsim.cost.model import CostModel, UnitContext
    from socsim.soc.schema import AnyUnit

__all__ = ["core_rates", "cost_model", "cpu", "dsp", "gpu", "npu", "sensing_hub"]


def cost_model(context: UnitContext[Any]) -> CostModel[Any]:
    """Return the cost model for the kind of unit in `context`."""
    return MODELS[context.spec.kind](context)


def core_rates(spec: AnyUnit) -> Mapping[str, Fraction]:
    """Return peak multiply-accumulates a cycle of one core of a unit, by the types that it multiplies."""
    return MODELS[spec.kind].core_rates(spec)
