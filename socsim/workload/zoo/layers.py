"""The pen with which the zoo draws networks: layers whose shapes follow from their operands.

Activations are [batch, channels, rows, columns]. Batch normalisations behind a convolution or a dense layer are
folded into its weights, as every runtime does before it runs; activations are operators of their own, because
runtimes differ in what they fuse. Constants have shapes and no values.
"""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from hashlib import sha256
from math import prod
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from socsim.errors import WorkloadError
from socsim.workload.builder import GraphBuilder
from socsim.workload.dtypes import DType
from socsim.workload.graph import TensorKind
from socsim.workload.limits import DEFAULT_LIMITS, Limits
from socsim.workload.shapes import infer_shapes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from socsim.workload.graph import Graph, Tensor

    Pair = int | tuple[int, int]
    Pads = int | tuple[int, int] | tuple[int, int, int, int]

LAYOUT = "NCHW"
_NOTE = "drawn by socsim's zoo: weights have no values, so the network can be costed, not executed"
_NORM = 2  # numbers that a normalisation learns for each channel: scale and offset


class ConvOptions(TypedDict, total=False):
    """What convolutions take beside channels, kernel and stride.

    `pad`: rows and columns on each side, (rows, columns), or (top, left, bottom, right); absent: half of the kernel,
    so that a stride of 1 keeps the size. `norm`: a batch normalisation follows, and is folded (default). `bias`: a bias
    of its own (default where no normalisation follows). `act`: operator of the vocabulary that follows.
    """

    pad: Pads
    groups: int
    dilation: Pair
    norm: bool
    bias: bool
    act: str | None


class Layers:
    """Draws one network: each call adds operators and returns the tensor that they make.

    Life cycle: `input`, then layers, then `finish` once.

    Args:
        name: the network's name, also for messages.
        limits: budgets.

    Attributes:
        folded: numbers that the network in training has more than the graph: scale and offset of each folded
            channel, less the bias that took their place. Published counts of parameters include them.
    """

    def __init__(self, name: str, limits: Limits = DEFAULT_LIMITS) -> None:
        self.name = name
        self.folded = 0
        self._builder = GraphBuilder(name, limits)
        self._builder.notes.append(_NOTE)
        self._inputs: list[int] = []
        self._drawn = sha256()
        self._names: Counter[str] = Counter()
        self._shared: dict[str, list[int]] = {}
        self._scope: str | None = None
        self._position = 0

    # --- tensors and operators of any kind ------------------------------------------------------------

    def input(self, shape: Sequence[int], name: str = "data", dtype: DType = DType.FLOAT32) -> Tensor:
        """Add an input of the network."""
        index = self._builder.tensor(name, dtype, shape, kind=TensorKind.INPUT)
        self._inputs.append(index)
        self._note("input", index)
        return self._builder.describe(index)

    def weight(self, *shape: int, dtype: DType = DType.FLOAT32) -> Tensor:
        """Add a constant without values, or take the one that stands at this place of the shared scope."""
        shared = None if self._scope is None else self._shared[self._scope]
        if shared is not None and self._position < len(shared):
            found = self._builder.describe(shared[self._position])
            if found.shape != shape:
                raise WorkloadError(f"{self.name}: shared weights {self._scope!r} are {found.shape}, wanted {shape}")
            self._position += 1
            return found
        index = self._builder.tensor(self._named("weight"), dtype, shape, kind=TensorKind.CONSTANT)
        self._note("weight", index)
        if shared is not None:
            shared.append(index)
            self._position += 1
        return self._builder.describe(index)

    @contextmanager
    def shared(self, key: str) -> Iterator[None]:
        """Share weights: what is drawn under one key a second time takes the weights of the first time, in order."""
        first, folded = key not in self._shared, self.folded
        self._shared.setdefault(key, [])
        self._scope, self._position = key, 0
        yield
        self._scope = None
        if not first:
            self.folded = folded

    def apply(self, operator: str, *operands: Tensor | None, dtype: DType | None = None, **attributes: Any) -> Tensor:
        """Add an operator with one result, whose shape follows from the operands.

        Args:
            operator: a word of the vocabulary.
            operands: data and weights in the vocabulary's order, None where one is absent.
            dtype: of the result; that of the first operand where absent.
            attributes: see `socsim.workload.operators` and `socsim.workload.shapes`.
        """
        return self.apply_many(operator, *operands, dtype=dtype, **attributes)[0]

    def apply_many(
        self, operator: str, *operands: Tensor | None, dtype: DType | None = None, **attributes: Any
    ) -> list[Tensor]:
        """Add an operator with several results; as `apply`."""
        name = self._named(operator.lower())
        try:
            shapes = infer_shapes(operator, [None if t is None else t.shape for t in operands], attributes)
        except ValueError as error:
            raise WorkloadError(f"{self.name}: {name}: {error}; give another shape or width") from error
        if shapes is None:
            raise WorkloadError(f"{self.name}: {name}: its shape does not follow from operands and attributes")
        first = next(t for t in operands if t is not None)
        made = [self._builder.tensor(f"{name}:{i}", dtype or first.dtype, s) for i, s in enumerate(shapes)]
        inputs = [None if t is None else t.index for t in operands]
        self._builder.operator(operator, name, inputs, made, attributes)
        self._note(operator, *made, inputs, sorted(attributes.items()))
        return [self._builder.describe(i) for i in made]

    def finish(self, *outputs: Tensor) -> Graph:
        """Check everything and return the network."""
        results = [t.index for t in outputs]
        self._note("outputs", results)
        return self._builder.build(self.name, "zoo", self._inputs, results, sha256=self._drawn.hexdigest())

    def _note(self, what: str, *found: object) -> None:
        """Add what was drawn to the hash by which results tell networks apart."""
        made = [self._builder.describe(i) for i in found if isinstance(i, int)]
        self._drawn.update(f"{what} {[(t.index, t.dtype.value, t.shape) for t in made]} {found}\n".encode())

    def _named(self, stem: str) -> str:
        self._names[stem] += 1
        return f"{stem}_{self._names[stem] - 1}"

    # --- layers with weights --------------------------------------------------------------------------

    def conv(
        self, x: Tensor, channels: int, kernel: Pair = 1, stride: Pair = 1, **options: Unpack[ConvOptions]
    ) -> Tensor:
        """Add a convolution; one with as many groups as input channels is depthwise."""
        groups, size = options.get("groups", 1), _pair(kernel)
        depthwise = groups > 1 and groups == x.shape[1]
        if x.shape[1] % groups:
            raise WorkloadError(f"{self.name}: {x.shape[1]} channels do not divide into {groups} groups")
        weights = self.weight(channels, x.shape[1] // groups, *size)
        y = self.apply(
            "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D", x, *self._with_bias(weights, channels, options),
            groups=groups, **_window(size, stride, options), activation="NONE",
        )  # fmt: skip
        return self.act(y, options.get("act"))

    def depthwise(self, x: Tensor, kernel: Pair = 3, stride: Pair = 1, **options: Unpack[ConvOptions]) -> Tensor:
        """Add a depthwise convolution with as many channels as it reads."""
        options["groups"] = x.shape[1]
        return self.conv(x, x.shape[1], kernel, stride, **options)

    def conv_transpose(
        self, x: Tensor, channels: int, kernel: Pair = 2, stride: Pair = 2, **options: Unpack[ConvOptions]
    ) -> Tensor:
        """Add a transposed convolution; without `pad` it makes exactly `stride` x the rows and columns."""
        size, (rows, columns) = _pair(kernel), _pair(stride)
        weights = self.weight(x.shape[1], channels // options.get("groups", 1), *size)
        window = _window(size, stride, options)
        if "pad" not in options:
            (top, bottom), (left, right) = _halves(size[0] - rows), _halves(size[1] - columns)
            window["pads"] = (top, left, bottom, right)
        y = self.apply(
            "TRANSPOSE_CONV", x, *self._with_bias(weights, channels, options), groups=options.get("groups", 1), **window
        )
        return self.act(y, options.get("act"))

    def dense(self, x: Tensor, units: int, *, bias: bool = True, norm: bool = False, act: str | None = None) -> Tensor:
        """Add a fully-connected layer over the last dimension."""
        weights = self.weight(units, x.shape[-1])
        options: ConvOptions = {"norm": norm, "bias": bias}
        y = self.apply("FULLY_CONNECTED", x, *self._with_bias(weights, units, options), transpose_b=True)
        return self.act(y, act)

    def batch_norm(self, x: Tensor, *, act: str | None = None) -> Tensor:
        """Add a batch normalisation that no convolution before it can take in."""
        channels = x.shape[1]
        scale, offset = self.weight(channels), self.weight(channels)
        return self.act(self.apply("BATCH_NORM", x, scale, offset, layout=LAYOUT), act)

    def layer_norm(self, x: Tensor, *, axis: int = -1, epsilon: float = 1e-5) -> Tensor:
        """Add a layer normalisation from `axis` to the last dimension, with scale and offset."""
        first = axis % len(x.shape)
        scale, offset = self.weight(*x.shape[first:]), self.weight(*x.shape[first:])
        axes = tuple(range(first, len(x.shape)))
        return self.apply("LAYER_NORM", x, scale, offset, axis=first, axes=axes, epsilon=epsilon)

    def table(self, *shape: int, learnt: int) -> Tensor:
        """Add a constant that exporters compute from `learnt` parameters: an index table's rows, a position code."""
        self.folded += learnt - prod(shape)
        return self.weight(*shape)

    def scaled(self, x: Tensor, *shape: int) -> Tensor:
        """Multiply by a learnt constant of this shape (the scale of a layer, say)."""
        return self.apply("MUL", x, self.weight(*shape))

    def embed(self, indices: Tensor, rows: int, width: int) -> Tensor:
        """Look rows of a learnt table up."""
        return self.apply("GATHER", self.weight(rows, width), indices, axis=0)

    def _with_bias(self, weights: Tensor, channels: int, options: ConvOptions) -> tuple[Tensor, ...]:
        norm = options.get("norm", True)
        bias = options.get("bias", not norm)
        if norm:
            self.folded += channels * (_NORM if bias else _NORM - 1)
        return (weights, self.weight(channels)) if norm or bias else (weights,)

    # --- layers without weights -----------------------------------------------------------------------

    def act(self, x: Tensor, operator: str | None, **attributes: Any) -> Tensor:
        """Add an activation by its word in the vocabulary; None leaves the tensor as it is."""
        return x if operator is None else self.apply(operator, x, **attributes)

    def add(self, a: Tensor, b: Tensor, *, act: str | None = None) -> Tensor:
        """Add two tensors."""
        return self.act(self.apply("ADD", a, b), act)

    def mul(self, a: Tensor, b: Tensor) -> Tensor:
        """Multiply two tensors element by element."""
        return self.apply("MUL", a, b)

    def max_pool(self, x: Tensor, kernel: Pair, stride: Pair = 1, *, pad: Pads = 0, ceil: bool = False) -> Tensor:
        """Add a maximum pool."""
        return self._pool("MAX_POOL_2D", x, kernel, stride, pad=pad, ceil=ceil)

    def avg_pool(self, x: Tensor, kernel: Pair, stride: Pair = 1, *, pad: Pads = 0, ceil: bool = False) -> Tensor:
        """Add an average pool."""
        return self._pool("AVERAGE_POOL_2D", x, kernel, stride, pad=pad, ceil=ceil)

    def global_pool(self, x: Tensor) -> Tensor:
        """Average all rows and columns: [n, c, 1, 1]."""
        return self.avg_pool(x, (x.shape[2], x.shape[3]))

    def adaptive_pool(self, x: Tensor, rows: int, columns: int) -> Tensor:
        """Average to rows x columns; windows overlap where the size is no multiple of them."""
        strides = x.shape[2] // rows, x.shape[3] // columns
        kernel = x.shape[2] - (rows - 1) * strides[0], x.shape[3] - (columns - 1) * strides[1]
        return self.avg_pool(x, kernel, strides)

    def _pool(self, operator: str, x: Tensor, kernel: Pair, stride: Pair, *, pad: Pads, ceil: bool) -> Tensor:
        window = _window(_pair(kernel), stride, {"pad": pad})
        return self.apply(operator, x, **window, ceil_mode=ceil, activation="NONE")

    def flatten(self, x: Tensor) -> Tensor:
        """Return [batch, everything else]."""
        return self.reshape(x, x.shape[0], prod(x.shape[1:]))

    def reshape(self, x: Tensor, *shape: int) -> Tensor:
        """Give the elements another shape; one dimension may be -1."""
        return self.apply("RESHAPE", x, shape=shape)

    def transpose(self, x: Tensor, *permutation: int) -> Tensor:
        """Order the dimensions anew."""
        return self.apply("TRANSPOSE", x, permutation=permutation)

    def concat(self, *parts: Tensor, axis: int = 1) -> Tensor:
        """Put tensors one behind another."""
        return self.apply("CONCATENATION", *parts, axis=axis)

    def split(self, x: Tensor, *sizes: int, axis: int = 1) -> list[Tensor]:
        """Cut a tensor into parts of these sizes."""
        return self.apply_many("SPLIT", x, axis=axis, sizes=sizes)

    def slice(self, x: Tensor, begin: int, size: int, *, axis: int = 1) -> Tensor:
        """Take `size` elements from `begin` along an axis."""
        rank, at = len(x.shape), axis % len(x.shape)
        return self.apply(
            "SLICE", x, begin=tuple(begin if i == at else 0 for i in range(rank)),
            size=tuple(size if i == at else d for i, d in enumerate(x.shape)),
        )  # fmt: skip

    def pad(self, x: Tensor, top: int, left: int, bottom: int, right: int) -> Tensor:
        """Add rows and columns of zeros."""
        return self.apply("PAD", x, paddings=((0, 0), (0, 0), (top, bottom), (left, right)))

    def resize(self, x: Tensor, rows: int, columns: int, *, mode: str = "nearest") -> Tensor:
        """Resize to rows x columns, "nearest" or "bilinear"."""
        operator = "RESIZE_BILINEAR" if mode == "bilinear" else "RESIZE_NEAREST_NEIGHBOR"
        return self.apply(
            operator, x, size=(rows, columns), layout=LAYOUT, align_corners=False, half_pixel_centers=True
        )

    def upsample(self, x: Tensor, factor: int = 2, *, mode: str = "nearest") -> Tensor:
        """Resize to a multiple of rows and columns."""
        return self.resize(x, x.shape[2] * factor, x.shape[3] * factor, mode=mode)

    def depth_to_space(self, x: Tensor, block: int) -> Tensor:
        """Spread channels over block x block positions (pixel shuffle)."""
        return self.apply("DEPTH_TO_SPACE", x, block_size=block, layout=LAYOUT)

    def shuffle(self, x: Tensor, groups: int) -> Tensor:
        """Interleave the channels of groups, as exporters write it: reshape, transpose, reshape."""
        n, c, h, w = x.shape
        parts = self.reshape(x, n, groups, c // groups, h, w)
        return self.reshape(self.transpose(parts, 0, 2, 1, 3, 4), n, c, h, w)

    def matmul(self, a: Tensor, b: Tensor, *, transpose_b: bool = False) -> Tensor:
        """Multiply matrices of two activations, batch by batch."""
        return self.apply("BATCH_MATMUL", a, b, transpose_a=False, transpose_b=transpose_b)

    def softmax(self, x: Tensor, *, axis: int = -1) -> Tensor:
        """Add a softmax."""
        return self.apply("SOFTMAX", x, axis=axis)

    def mean(self, x: Tensor, *axes: int, keep_dims: bool = False) -> Tensor:
        """Average over axes."""
        return self.apply("MEAN", x, axes=axes, keep_dims=keep_dims)

    # --- blocks that many networks share --------------------------------------------------------------

    def squeeze_excite(self, x: Tensor, channels: int, *, act: str = "RELU", gate: str = "LOGISTIC") -> Tensor:
        """Weigh the channels by what two 1 x 1 convolutions make of their means.

        Source: Hu et al., Squeeze-and-Excitation Networks, arXiv 1709.01507, section 3.
        """
        y = self.conv(self.global_pool(x), channels, norm=False, act=act)
        return self.mul(x, self.conv(y, x.shape[1], norm=False, act=gate))

    def classify(self, x: Tensor, classes: int) -> Tensor:
        """Average all positions and add the last fully-connected layer."""
        return self.dense(self.flatten(self.global_pool(x)), classes)


def divisible(channels: float, divisor: int = 8, *, least: float = 0.9) -> int:
    """Round channels to a multiple, one step up where that leaves less than the share `least` of what was asked.

    Source: tensorflow/models research/slim/nets/mobilenet/mobilenet.py and torchvision/models/_utils.py.
    """
    found = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return found + divisor if found < least * channels else found


def _pair(value: Pair) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else value


def _halves(total: int) -> tuple[int, int]:
    return total // 2, total - total // 2


def _pads(pad: Pads) -> tuple[int, int, int, int]:
    if isinstance(pad, int):
        return pad, pad, pad, pad
    return (*pad, *pad) if len(pad) == 2 else pad


def _window(kernel: tuple[int, int], stride: Pair, options: ConvOptions) -> dict[str, Any]:
    dilations = _pair(options.get("dilation", 1))
    half = ((kernel[0] - 1) * dilations[0] // 2, (kernel[1] - 1) * dilations[1] // 2)
    return {
        "layout": LAYOUT, "kernel": kernel, "strides": _pair(stride), "dilations": dilations,
        "pads": _pads(options.get("pad", half)),
    }  # fmt: skip
