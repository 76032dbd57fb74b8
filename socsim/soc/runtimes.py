"""Runtimes: the software stacks that map operators to silicon, as data in `platforms/runtimes/`."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Literal

from pydantic import Field

from socsim.data_files import data_folder
from socsim.errors import UnknownNameError, did_you_mean
from socsim.quantities import Time
from socsim.soc.schema import Model, Share
from socsim.soc.validation import validate
from socsim.soc.yaml_reader import read_yaml

Fusion = Literal["activation", "residual_add", "batch_norm", "pad", "view"]
KernelFamily = Literal["convolution", "depthwise", "matmul", "matvec", "elementwise"]


class Support(Model):
    """A group of operators and the types in which they have kernels; "*" means every one."""

    operators: Annotated[list[str], Field(min_length=1)]
    types: Annotated[list[str], Field(min_length=1)]
    excluded: list[str] = Field(default=[])
    """Operators that "*" does not mean."""


class Runtime(Model):
    """A software stack: what it supports and fuses, and what its host side costs."""

    schema_: Annotated[Literal["socsim.runtime/1"], Field(alias="schema")]
    name: str
    title: str
    kinds: Annotated[list[Literal["cpu", "gpu", "npu", "dsp", "sensing_hub"]], Field(min_length=1)]
    measurement_names: list[str] = Field(default=[])
    """Names that this stack goes by in measurement tables."""
    numerics: str
    """Rounding rules of its integer kernels."""
    executes: dict[str, str]
    """Type that kernels compute in, by the type of the graph's activations; absent types are refused."""
    supports: Annotated[list[Support], Field(min_length=1)]
    fuses: list[Fusion] = Field(default=[])
    """activation, batch_norm and pad fold into the convolution beside them; residual_add folds an
    addition into the convolution that ends last before it; view: reshapes cost nothing."""
    resident: bool = False
    """Whether activations stay in on-chip memory between operators when they fit."""
    submit: Time
    """Host time to hand over one run of consecutive operators."""
    per_operator: Time
    """Host and driver time for each operator."""
    handover: Time = Time.of(0)
    """Cache maintenance and interrupt when the data comes from another unit."""
    efficiency: dict[KernelFamily, Share] = Field(default={})
    """Share of a unit's peak that kernels reach when data is at hand; 1 where absent."""
    sources: dict[str, str] = Field(default={})
    assumed: dict[str, str] = Field(default={})

    def supports_operator(self, operator_type: str, execution_type: str) -> bool:
        """Whether a kernel exists for the operator in that type."""
        return any(
            ("*" in group.types or execution_type in group.types)
            and (operator_type in group.operators or ("*" in group.operators and operator_type not in group.excluded))
            for group in self.supports
        )

    def types_for(self, operator_type: str) -> list[str]:
        """Return the types in which the operator has kernels, in the file's order."""
        found: dict[str, None] = {}
        for group in self.supports:
            if operator_type in group.operators or ("*" in group.operators and operator_type not in group.excluded):
                found.update(dict.fromkeys(group.types))
        return list(found)


def runtime_names() -> list[str]:
    """Return the names of the runtimes that ship with socsim."""
    return sorted(path.stem for path in (data_folder("platforms") / "runtimes").glob("*.yaml"))


@cache
def runtime(name: str) -> Runtime:
    """Return the runtime of that name.

    Raises:
        UnknownNameError: no such runtime.
        PlatformError: its file is wrong.
    """
    if name not in runtime_names():
        msg = f"runtime {name!r} is not known.{did_you_mean(name, runtime_names())}"
        raise UnknownNameError(msg)
    document = read_yaml(data_folder("platforms") / "runtimes" / f"{name}.yaml")
    return validate(Runtime, document)
