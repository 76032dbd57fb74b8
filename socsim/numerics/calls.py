"""Calls of kernels that need no interpreter: compiled code by its address, arguments as words in memory.

A kernel that threads share computes one block of a result. For arguments of given types there is an entry, which
takes the number of the block and a record: the words of all arguments, in order. Records are written once, so a
sequence of calls on fixed arrays runs again and again without Python, see `threads`.

An array is the address of its first element, its shape and its strides; an integer is a word, and so is a float
(as float64) and a truth value; a tuple is what it holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import typeof, types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array

from socsim.errors import UsageError
from socsim.numerics.jit import kernel, kernel_named

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


ENTRY, RECORD, BLOCKS = range(3)
"""Columns of a program's table."""


class Call(NamedTuple):
    """A shared kernel on arrays: blocks 0 to `blocks` - 1, in any order, in any thread."""

    kernel: SharedKernel
    blocks: int
    args: tuple[Any, ...]


class SharedKernel:
    """A kernel that computes block number `index` of a result: block(index, *args).

    Args:
        block: the function; its arguments are contiguous or strided arrays, numbers and tuples of them.
    """

    def __init__(self, block: Callable[..., None]) -> None:
        compiled = kernel(block)

        def entry(index: int, record: int, like: Any) -> None:
            compiled(index, *_unpacked(record, like))

        self._entry: Any = kernel_named(f"{block.__module__}.{block.__qualname__}.entry", entry)
        self._addresses: dict[Any, int] = {}

    def address(self, args: tuple[Any, ...]) -> int:
        """Return the address of the entry for arguments of these types, compiled where it is not yet."""
        form = _form(args)
        if form not in self._addresses:
            self._addresses[form] = self._compiled(typeof(args))
        return self._addresses[form]

    def _compiled(self, kind: Any) -> int:
        if not hasattr(self._entry, "compile"):
            msg = "kernels run compiled alone, and NUMBA_DISABLE_JIT is set; unset it"
            raise UsageError(msg)
        signature = (types.int64, types.int64, types.TypeRef(kind))
        self._entry.compile(signature)
        compiled = self._entry.overloads[signature]
        return int(compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name))


shared = SharedKernel
"""Decorates a function as a kernel that threads share."""


class Program:
    """A sequence of calls, each of which reads what those before it have written.

    Args:
        calls: the sequence.
    """

    def __init__(self, calls: Sequence[Call]) -> None:
        self._arguments = [call.args for call in calls]  # whose arrays the records point to
        self._records = [np.array([*_words(call.args)] or [0], np.int64) for call in calls]
        rows = [
            (call.kernel.address(call.args), record.ctypes.data, call.blocks)
            for call, record in zip(calls, self._records, strict=True)
        ]
        self.table = np.array(rows, np.int64).reshape(-1, 3)

    @property
    def most_blocks(self) -> int:
        """How many blocks the largest call has."""
        return int(self.table[:, BLOCKS].max(initial=0))


def _form(value: Any) -> Any:
    """Return what an argument's type depends on, faster than Numba tells the type."""
    if isinstance(value, np.ndarray):
        return value.dtype, value.ndim, value.flags.num
    if isinstance(value, tuple):
        return type(value), *map(_form, value)
    return type(value)


@kernel
def span(index: int, parts: int, number: int) -> tuple[int, int]:
    """Return the first of `number` rows that part `index` of `parts` has, and one past its last."""
    return number * index // parts, number * (index + 1) // parts


def _words(value: Any) -> Iterator[int]:
    """Return the words of an argument, as `_value` reads them."""
    if isinstance(value, np.ndarray):
        yield from (value.ctypes.data, *value.shape, *value.strides)
    elif isinstance(value, tuple):
        for part in value:
            yield from _words(part)
    elif isinstance(value, float | np.floating):
        yield int(np.float64(value).view(np.int64))
    else:
        yield int(value)


def _value(context: Any, builder: Any, kind: Any, words: Iterator[Any]) -> Any:
    """Return an argument that is read from its words; its arrays belong to someone else."""
    if isinstance(kind, types.Array):
        return _array(context, builder, kind, words)
    if isinstance(kind, types.BaseTuple):
        parts: Any = kind
        return context.make_tuple(builder, kind, [_value(context, builder, part, words) for part in parts])
    word = next(words)
    if isinstance(kind, types.Float):
        double = builder.bitcast(word, ir.DoubleType())
        return context.cast(builder, double, types.float64, kind)
    return context.cast(builder, word, types.int64, kind)


def _array(context: Any, builder: Any, kind: Any, words: Iterator[Any]) -> Any:
    array = context.make_array(kind)(context, builder)
    data = builder.inttoptr(next(words), array.data.type)
    shape, strides = ([next(words) for _ in range(kind.ndim)] for _ in range(2))
    size = context.get_abi_sizeof(context.get_data_type(kind.dtype))
    populate_array(array, data, shape, strides, ir.Constant(ir.IntType(64), size), meminfo=None)
    return array._getvalue()


def _unpacked_from(_: Any, record: Any, like: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        word = ir.IntType(64)
        start = builder.inttoptr(args[0], word.as_pointer())

        def words() -> Iterator[Any]:
            position = 0
            while True:
                yield builder.load(builder.gep(start, [word(position)]))
                position += 1

        return _value(context, builder, signature.return_type, words())

    return like.instance_type(record, like), generate


_unpacked: Any = intrinsic(_unpacked_from)
"""_unpacked(record, like): return arguments of the types of `like` from the words at an address."""


def _called(_: Any, entry: Any, index: Any, record: Any) -> Any:
    kinds = (types.int64, types.int64, types.none)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        convention = context.call_conv
        pointer = convention.get_function_type(types.none, kinds).as_pointer()
        entry, index, record = args
        status, _ = convention.call_function(
            builder, builder.inttoptr(entry, pointer), types.none, kinds, (index, record, context.get_dummy_value())
        )
        with cgutils.if_unlikely(builder, status.is_error):
            convention.return_status_propagate(builder, status)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), generate


called: Any = intrinsic(_called)
"""called(entry, index, record): call an entry in a kernel; what it raises, the kernel raises."""
