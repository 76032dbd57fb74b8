"""Every built-in cost model; importing this module fills the table of models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from socsim.cost import cpu, dsp, gpu, npu, sensing_hub
from socsim.cost.model import MODELS

if TYPE_CHECKING:
    from socsim.cost.model import CostModel, UnitContext

__all__ = ["cost_model", "cpu", "dsp", "gpu", "npu", "sensing_hub"]


def cost_model(context: UnitContext[Any]) -> CostModel[Any]:
    """Return the cost model for the kind of unit in `context`."""
    return MODELS[context.spec.kind](context)
