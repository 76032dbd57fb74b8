"""What a network computes: execution and validation, bit for bit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from socsim.errors import UsageError
from socsim.inputs import as_graph, as_platform

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from socsim.numerics.arrays import Array
    from socsim.numerics.profiles import Profile
    from socsim.report.numerics import NumericsValidation
    from socsim.soc.platform import Platform
    from socsim.workload.graph import Graph


def execute(
    net: Graph | str | Path,
    inputs: Mapping[Any, Any],
    profile: str | Profile | None = None,
    *,
    platform: Platform | str | Path | None = None,
    unit: str | None = None,
    runtime: str | None = None,
    keep_all: bool = False,
    threads: int = 1,
) -> dict[str, Array]:
    """Execute a network bit for bit under a numerics profile.

    Args:
        net: a loaded network, a model file or a zoo name.
        inputs: an array for each input, by tensor name or index.
        profile: whose rounding rules hold, with the next three; see `numerics_profile`.
        platform: the platform whose unit executes the network.
        unit: that unit.
        runtime: its software stack.
        keep_all: whether to return every tensor that an operator makes, in the order of the operators.
        threads: how many share the work, 1 to 256; results are the same bits for any number.

    Returns:
        Arrays by output tensor name, in model order. Tensors that share a name, and those without one,
        have the key "name#index" instead.

    Raises:
        UsageError: missing, unknown or wrongly shaped or typed inputs, all listed; no such profile, unit or number of
            threads.
        UnsupportedOperatorError: operators without an implementation, all listed.
        NumericsError: scales or shapes that no kernel can use, or constants without values.
    """
    from socsim.numerics.executor import Executable, by_name
    from socsim.numerics.threads import Team

    graph, team = as_graph(net), Team(threads)
    rules = numerics_profile(graph, profile, platform=platform, unit=unit, runtime=runtime)
    return by_name(graph, Executable(graph, rules, team=team).run(inputs, keep_all=keep_all))


def numerics_profile(
    net: Graph | str | Path,
    profile: str | Profile | None = None,
    *,
    platform: Platform | str | Path | None = None,
    unit: str | None = None,
    runtime: str | None = None,
) -> Profile:
    """Return the rounding rules that `execute` and `validate_numerics` choose for the same arguments.

    Args:
        net: a loaded network, a model file or a zoo name.
        profile: the name of a profile, or a `Profile` of your own; it wins over everything else.
        platform: the profile is that of the software stack of a unit of this platform.
        unit: which unit, by kind or name; the platform's preferred one where absent.
        runtime: that software stack instead of the unit's own; it needs no platform.

    Without any of them it is `onnx` for ONNX files and `tflite` for others.

    Raises:
        UsageError: no such profile, unit or runtime, or a unit without a platform.
    """
    from socsim.numerics.profiles import profile as named

    if profile is not None:
        return named(profile)
    if platform is not None:
        from socsim.pipeline import Options, preferred_runtime

        options = Options(runtime=runtime, unit=unit)
        return named(preferred_runtime(as_platform(platform), options)[1].numerics)
    if unit is not None:
        msg = f"unit {unit!r} needs a platform; give platform too"
        raise UsageError(msg)
    if runtime is not None:
        from socsim.soc.runtimes import runtime as named_runtime

        return named(named_runtime(runtime).numerics)
    return named("onnx" if as_graph(net).source_format == "onnx" else "tflite")


def validate_numerics(
    net: Graph | str | Path,
    golden: str | Path,
    profile: str | Profile | None = None,
    *,
    platform: Platform | str | Path | None = None,
    unit: str | None = None,
    runtime: str | None = None,
    modes: Sequence[str] | None = None,
) -> NumericsValidation:
    """Execute a network on the inputs of a golden file, and compare every recorded tensor.

    Args:
        net: a loaded network, a model file or a zoo name.
        golden: a recorded `.json`, or an `.npz` with `in/NAME`, `out/NAME` and optional `tensor/INDEX`.
        profile: whose rounding rules hold, with the next three; see `numerics_profile`.
        platform: the platform whose unit executes the network.
        unit: that unit.
        runtime: its software stack.
        modes: recorded inferences to compare, by name; all where absent.

    Raises:
        ResultError: the golden file is unreadable, malformed or belongs to another network.
        UsageError: no such mode, profile or unit.
        UnsupportedOperatorError: operators without an implementation, all listed.
    """
    from socsim.numerics.golden import validate
    from socsim.report.numerics import NumericsValidation

    graph = as_graph(net)
    rules = numerics_profile(graph, profile, platform=platform, unit=unit, runtime=runtime)
    return NumericsValidation(validate(graph, Path(golden), rules, modes))
