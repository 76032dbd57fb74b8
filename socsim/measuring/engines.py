"""The software that models are measured in: found when it is asked for, never needed otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from socsim.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]

_ALIASES = {"litert": "tflite-xnnpack", "tflite": "tflite-xnnpack"}


@dataclass(frozen=True, slots=True)
class Engine:
    """Software that runs models of one format.

    Args:
        runtime: its name in `platforms/runtimes/` and in tables of measurements.
        distribution: Python package that brings it.
        module: what is imported.
        source_format: models that it runs, by the format that their importer names.
        settings: how it is set up, for the `conditions` of a row.
    """

    runtime: str
    distribution: str
    module: str
    source_format: str
    settings: str

    @property
    def version(self) -> str:
        """Version of the installed package."""
        return metadata.version(self.distribution)


ENGINES = {
    engine.runtime: engine
    for engine in (
        Engine("tflite-xnnpack", "ai-edge-litert", "ai_edge_litert", "tflite", "LiteRT, XNNPACK delegate"),
        Engine("tflite-ruy", "ai-edge-litert", "ai_edge_litert", "tflite", "LiteRT, built-in kernels, no delegate"),
        Engine("onnxruntime", "onnxruntime", "onnxruntime", "onnx", "CPU execution provider, all graph optimizations"),
    )
}


def engine(name: str) -> Engine:
    """Return the software of a name, if it is installed.

    Args:
        name: "litert" or a key of `ENGINES`.

    Raises:
        UsageError: another name, or the package is not installed.
    """
    runtime = _ALIASES.get(name, name)
    if runtime not in ENGINES:
        raise UsageError(f"runtime {name!r} cannot be measured here.{did_you_mean(name, {*ENGINES, 'litert'})}")
    found = ENGINES[runtime]
    if find_spec(found.module) is None:
        msg = f"runtime {runtime!r} needs {found.distribution}, which is not installed; pip install 'socsim[measure]'"
        raise UsageError(msg)
    return found


def default_engine(source_format: str) -> Engine | None:
    """Return the software for models of a format where nobody chose, None where there is none for it."""
    return next((engine(e.runtime) for e in ENGINES.values() if e.source_format == source_format), None)


# --- inside the process of one model ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model, ready to run.

    Args:
        run: one inference on the inputs that were drawn.
        inputs: name, shape and type of each input.
    """

    run: Callable[[], object]
    inputs: tuple[tuple[str, tuple[int, ...], str], ...]


def draw(shape: Sequence[int], dtype: np.dtype[Any], generator: np.random.Generator) -> Array:
    """Return values for an input: the whole range of small integers, 0 to 7 for large ones, floats from -1 to 1.

    Large integers are mostly indices and shapes, which must stay small.
    """
    import numpy as np

    if dtype.kind == "b":
        return generator.integers(0, 2, shape).astype(dtype)
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        if dtype.itemsize > 2:
            return generator.integers(0, 8, shape, dtype)
        return generator.integers(info.min, info.max, shape, dtype, endpoint=True)
    return generator.uniform(-1, 1, shape).astype(dtype)


def load(runtime: str, model: str, threads: int, shapes: Mapping[str, Sequence[int]], seed: int) -> Loaded:
    """Load a model into its software and give it inputs.

    Args:
        runtime: key of `ENGINES`.
        model: path of the file.
        threads: threads that share an operator.
        shapes: dimensions of inputs that the file leaves open, by name; 1 where absent.
        seed: of the inputs.
    """
    import numpy as np

    generator = np.random.default_rng(seed)
    if ENGINES[runtime].source_format == "tflite":
        return _load_litert(model, threads, shapes, generator, delegates=runtime == "tflite-xnnpack")
    return _load_onnxruntime(model, threads, shapes, generator)


def _load_litert(
    model: str,
    threads: int,
    shapes: Mapping[str, Sequence[int]],
    generator: np.random.Generator,
    *,
    delegates: bool,
) -> Loaded:
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    resolver = OpResolverType.BUILTIN if delegates else OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(model, num_threads=threads, experimental_op_resolver_type=resolver)
    for detail in interpreter.get_input_details():
        if detail["name"] in shapes:
            interpreter.resize_tensor_input(detail["index"], list(shapes[detail["name"]]))
    interpreter.allocate_tensors()
    inputs = []
    for detail in interpreter.get_input_details():
        shape, dtype = tuple(int(d) for d in detail["shape"]), np.dtype(detail["dtype"])
        interpreter.set_tensor(detail["index"], draw(shape, dtype, generator))
        inputs.append((str(detail["name"]), shape, dtype.name))
    return Loaded(interpreter.invoke, tuple(inputs))


_ONNX_TYPES = {"float": "float32", "double": "float64"}


def _load_onnxruntime(
    model: str, threads: int, shapes: Mapping[str, Sequence[int]], generator: np.random.Generator
) -> Loaded:
    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    binding = session.io_binding()
    inputs = []
    for given in session.get_inputs():
        name = given.type.removeprefix("tensor(").removesuffix(")")
        dtype = np.dtype(_ONNX_TYPES.get(name, name))
        shape = tuple(shapes.get(given.name) or (d if isinstance(d, int) and d > 0 else 1 for d in given.shape))
        binding.bind_cpu_input(given.name, draw(shape, dtype, generator))
        inputs.append((given.name, shape, dtype.name))
    for made in session.get_outputs():
        binding.bind_output(made.name, "cpu")
    return Loaded(lambda: session.run_with_iobinding(binding), tuple(inputs))
