"""What every file format of platforms is made of: the base of its models, and types of values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from socsim.quantities import Quantity, Size, Time

Q = TypeVar("Q", bound=Quantity)

if TYPE_CHECKING:  # a table with literal keys could not be asked for a key that is only known to be text
    TypeName = str
    DimensionName = str
else:
    TypeName = Literal["int4", "uint4", "int8", "uint8", "int16", "int32", "float16", "bfloat16", "float32", "float64"]
    DimensionName = Literal["N", "G", "K", "C", "P", "Q", "R", "S"]
Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(gt=0, le=1)]
Ratio = Annotated[float, Field(gt=0)]


def _above_zero(quantity: Q) -> Q:
    if quantity.value:
        return quantity
    reason = f'"{quantity}" is zero; write a {quantity.noun} such as "{quantity.example}"'
    raise PydanticCustomError("quantity", "{reason}", {"reason": reason})


Capacity = Annotated[Size, AfterValidator(_above_zero)]
Duration = Annotated[Time, AfterValidator(_above_zero)]


class Model(BaseModel):
    """Base of all models: frozen, strict, no unknown keys."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )
