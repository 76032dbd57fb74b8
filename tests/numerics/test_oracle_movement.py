"""Data movement, selection and reductions: drawn shapes against index arithmetic in plain Python."""

from __future__ import annotations

from math import prod

import numpy as np
import oracle_movement as oracle
import oracle_reductions as reductions
from hypothesis import given
from hypothesis import strategies as st
from oracle_run import Given, Wanted, run
from small_world import PROPERTY

QUANT = {"int8": (0.05, 3), "uint8": (0.05, 131), "int16": (0.001, 0), "int32": None, "float32": None, "bool": None}
TYPES = st.sampled_from(sorted(QUANT))
PROFILES = st.sampled_from(["tflite", "onnx"])
SHAPES = st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple)
OR_SCALAR = st.one_of(SHAPES, st.just(()), st.lists(st.integers(0, 2), max_size=3).map(tuple))
IMAGES = st.tuples(*[st.integers(1, 3)] * 4)


def numbers(data, shape, dtype="int8"):
    """Values over the whole range of the type."""
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    if dtype == "bool":
        return rng.integers(0, 2, shape).astype(bool)
    if dtype == "float32":
        return rng.normal(size=shape).astype(np.float32)
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max, shape, dtype, endpoint=True)


def moved(data, op, size, result, rule, profile="tflite", /, **attributes):
    """Check one operand and one result; `rule` gives the source of an index."""
    dtype = data.draw(TYPES)
    x = numbers(data, size, dtype)
    blank = (QUANT[dtype] or (0, 0))[1]
    found = run(op, [Given(x, quant=QUANT[dtype])], [Wanted(result, dtype, QUANT[dtype])], profile, **attributes)[0]
    assert found.shape == tuple(result)
    assert found.dtype == x.dtype
    for index in oracle.indices(result):
        source = rule(index)
        assert found[index] == (blank if source is None else x[source]), index


@PROPERTY
@given(SHAPES, st.sampled_from(["RESHAPE", "SQUEEZE", "EXPAND_DIMS", "IDENTITY"]), PROFILES, st.data())
def test_views_keep_the_order(shape, op, profile, data):
    ones = data.draw(st.lists(st.integers(0, len(shape)), max_size=2))
    result = list(shape)
    for place in ones:
        result.insert(place, 1)
    if op == "RESHAPE":
        result = [prod(shape[:1]), prod(shape[1:])]
    if op == "IDENTITY":
        result = list(shape)
    moved(data, op, shape, result, lambda i: oracle.view(i, shape, result), profile)


@PROPERTY
@given(OR_SCALAR, PROFILES, st.data())
def test_transpose(shape, profile, data):
    order = data.draw(st.permutations(range(len(shape))))
    result = [shape[a] for a in order]
    moved(data, "TRANSPOSE", shape, result, lambda i: oracle.transpose(i, order), profile, permutation=tuple(order))


@PROPERTY
@given(SHAPES, PROFILES, st.data())
def test_reverse(shape, profile, data):
    axes = data.draw(st.lists(st.integers(-len(shape), -1), min_size=1, max_size=2, unique=True))
    moved(data, "REVERSE", shape, shape, lambda i: oracle.reverse(i, shape, axes), profile, axes=tuple(axes))


@PROPERTY
@given(OR_SCALAR, PROFILES, st.data())
def test_slice(shape, profile, data):
    begin = [data.draw(st.integers(0, max(n - 1, 0))) for n in shape]
    size = [data.draw(st.integers(min(1, n), n - b)) for n, b in zip(shape, begin, strict=True)]
    asked = tuple(-1 if b + s == n else s for b, s, n in zip(begin, size, shape, strict=True))
    moved(data, "SLICE", shape, size, lambda i: oracle.box(i, begin), profile, begin=tuple(begin), size=asked)


@PROPERTY
@given(SHAPES, PROFILES, st.data())
def test_strided_slice(shape, profile, data):
    ends = [st.integers(-n - 2, n + 2) for n in shape]
    bounds = [(data.draw(end), data.draw(end), data.draw(st.sampled_from(STEPS))) for end in ends]
    masks = {name: data.draw(st.integers(0, 2 ** len(shape) - 1)) for name in ("begin", "end")}
    shrunk = data.draw(st.integers(0, 2 ** len(shape) - 1)) & data.draw(st.integers(0, 2 ** len(shape) - 1))
    masks["shrink_axis"] = sum(
        1 << i for i, n in enumerate(shape) if shrunk >> i & 1 and -n <= bounds[i][0] < n and bounds[i][2] > 0
    )
    positions = oracle.strided(shape, bounds, masks)
    result = [len(p) for i, p in enumerate(positions) if not masks["shrink_axis"] >> i & 1]

    def source(index):
        left = iter(index)
        return tuple(p[0] if masks["shrink_axis"] >> i & 1 else p[next(left)] for i, p in enumerate(positions))

    attributes = {f"{name}_mask": mask for name, mask in masks.items()}
    columns = dict(zip(("begin", "end", "strides"), (tuple(c) for c in zip(*bounds, strict=True)), strict=True))
    moved(data, "STRIDED_SLICE", shape, result, source, profile, **attributes, **columns)


STEPS = [1, 2, 3, -1, -2]


@PROPERTY
@given(SHAPES.filter(lambda s: len(s) > 1), st.data())
def test_strided_slices_with_an_ellipsis_and_a_new_axis(shape, data):
    """[..., None, begin:end:step]: only the last axis is cut."""
    bounds = data.draw(st.integers(-5, 5)), data.draw(st.integers(-5, 5)), data.draw(st.sampled_from(STEPS))
    positions = oracle.strided_axis(bounds, shape[-1], False, False)
    columns = {name: (0, 0, b) for name, b in zip(("begin", "end", "strides"), bounds, strict=True)}
    masks = {"ellipsis_mask": 1, "new_axis_mask": 2}
    moved(
        data, "STRIDED_SLICE", shape, (*shape[:-1], 1, len(positions)), lambda i: (*i[:-2], positions[i[-1]]),
        **columns, **masks,
    )  # fmt: skip


@PROPERTY
@given(SHAPES, PROFILES, st.data())
def test_gather(shape, profile, data):
    batch = data.draw(st.integers(0, min(1, len(shape) - 1)))
    axis = data.draw(st.integers(batch, len(shape) - 1))
    places = shape[:batch] + tuple(data.draw(st.lists(st.integers(1, 3), max_size=2)))
    low = -shape[axis] if profile == "onnx" else 0
    chosen = {i: data.draw(st.integers(low, shape[axis] - 1)) for i in oracle.indices(places)}
    table = np.array(list(chosen.values()), np.int32).reshape(places)
    result = shape[:axis] + places[batch:] + shape[axis + 1 :]
    x = numbers(data, shape)
    found = run(
        "GATHER", [Given(x, quant=QUANT["int8"]), Given(table)], [Wanted(result, "int8", QUANT["int8"])], profile,
        axis=axis, batch_dims=batch,
    )[0]  # fmt: skip
    for index in oracle.indices(result):
        source = oracle.gather(index, chosen, (axis, len(places), batch))
        assert found[index] == x[tuple(i % n for i, n in zip(source, shape, strict=True))]


@PROPERTY
@given(SHAPES, st.data())
def test_gather_nd_and_embedding(shape, data):
    places = tuple(data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=2)))
    depth = data.draw(st.integers(1, len(shape)))
    tuples = {i: tuple(data.draw(st.integers(0, n - 1)) for n in shape[:depth]) for i in oracle.indices(places)}
    table = np.array(list(tuples.values()), np.int32).reshape(*places, depth)
    x, result = numbers(data, shape), places + shape[depth:]
    found = run("GATHER_ND", [Given(x), Given(table)], [Wanted(result, "int8")])[0]
    rows = run("EMBEDDING_LOOKUP", [Given(table[..., 0]), Given(x)], [Wanted(places + shape[1:], "int8")])[0]
    for index in oracle.indices(result):
        assert found[index] == x[oracle.gather_nd(index, tuples, len(places))]
    for index in oracle.indices(rows.shape):
        assert rows[index] == x[tuples[index[: len(places)]][:1] + index[len(places) :]]


@PROPERTY
@given(SHAPES, st.sampled_from(["tflite", *oracle.COMBINED]), st.data())
def test_scatter_nd(shape, rule, data):
    """TFLite adds to zeros, ONNX replaces or combines elements of an operand; negative indices are ONNX's alone."""
    places, onnx = (data.draw(st.integers(1, 5)),), rule != "tflite"
    depth = data.draw(st.integers(1, len(shape)))
    tuples = {i: tuple(data.draw(st.integers(0, n - 1)) for n in shape[:depth]) for i in oracle.indices(places)}
    table = np.array(list(tuples.values()), np.int32).reshape(*places, depth)
    x, updates = numbers(data, shape, "int32"), numbers(data, places + shape[depth:], "int32")
    if onnx:
        back = np.array(shape[:depth]) * data.draw(st.booleans())
        operands = [Given(x), Given(table - back), Given(updates)]
        found = run("SCATTER_ND", operands, [Wanted(shape, "int32")], "onnx", reduction=rule)[0]
    else:
        x[...] = 0
        operands = [Given(table), Given(updates), Given(np.array(shape, np.int32), constant=True)]
        found = run("SCATTER_ND", operands, [Wanted(shape, "int32")], shape=shape)[0]
    values, new = ({i: int(a[i]) for i in oracle.indices(a.shape)} for a in (x, updates))
    assert found.ravel().tolist() == oracle.scatter_nd(values, new, tuples, 1, rule if onnx else "add")


@PROPERTY
@given(SHAPES.filter(lambda s: len(s) > 1), st.integers(0, 1), st.data())
def test_onnx_gather_nd_in_batches(shape, batch, data):
    places = (*shape[:batch], data.draw(st.integers(1, 3)))
    depth = data.draw(st.integers(1, len(shape) - batch))
    inner = shape[batch : batch + depth]
    tuples = {i: tuple(data.draw(st.integers(-n, n - 1)) for n in inner) for i in oracle.indices(places)}
    table = np.array(list(tuples.values()), np.int64).reshape(*places, depth)
    x, result = numbers(data, shape), places + shape[batch + depth :]
    found = run("GATHER_ND", [Given(x), Given(table)], [Wanted(result, "int8")], "onnx", batch_dims=batch)[0]
    for index in oracle.indices(result):
        source = oracle.gather_nd(index, tuples, len(places), batch)
        assert found[index] == x[tuple(i % n for i, n in zip(source, shape, strict=True))]


@PROPERTY
@given(SHAPES, st.data())
def test_dynamic_update_slice_moves_the_box_inside(shape, data):
    size = tuple(data.draw(st.integers(1, n)) for n in shape)
    start = [data.draw(st.integers(-2, n + 2)) for n in shape]
    x, update = numbers(data, shape), numbers(data, size)
    operands = [Given(x), Given(update), Given(np.array(start, np.int32))]
    found = run("DYNAMIC_UPDATE_SLICE", operands, [Wanted(shape, "int8")])[0]
    at = oracle.update_start(start, shape, size)
    for index in oracle.indices(shape):
        inner = oracle.padded(index, size, [(a, 0) for a in at])
        assert found[index] == (x[index] if inner is None else update[inner])


@PROPERTY
@given(st.lists(st.integers(1, 3), max_size=2).map(tuple), st.integers(1, 4), st.data())
def test_one_hot(shape, depth, data):
    axis = data.draw(st.integers(-1, len(shape)))
    places = np.array([data.draw(st.integers(-1, depth)) for _ in range(prod(shape))], np.int32).reshape(shape)
    at = axis % (len(shape) + 1)
    result = (*shape[:at], depth, *shape[at:])
    on, off = np.int32(7), np.int32(-9)
    found = run("ONE_HOT", [Given(places), Given(on), Given(off)], [Wanted(result, "int32")], depth=depth, axis=axis)[0]
    for index in oracle.indices(result):
        assert found[index] == (on if places[index[:at] + index[at + 1 :]] == index[at] else off)


@PROPERTY
@given(st.lists(st.integers(1, 3), max_size=2).map(tuple), st.integers(1, 4), st.data())
def test_onnx_one_hot_counts_from_the_end(shape, depth, data):
    axis = data.draw(st.integers(0, len(shape)))
    places = np.array([data.draw(st.integers(-depth - 1, depth)) for _ in range(prod(shape))], np.int64).reshape(shape)
    result = (*shape[:axis], depth, *shape[axis:])
    operands = [Given(places), Given(np.int32([-9, 7]))]
    found = run("ONE_HOT", operands, [Wanted(result, "int32")], "onnx", depth=depth, axis=axis)[0]
    for index in oracle.indices(result):
        place = places[index[:axis] + index[axis + 1 :]]
        assert found[index] == (7 if (place + depth if place < 0 else place) == index[axis] else -9)


@PROPERTY
@given(OR_SCALAR, PROFILES, st.data())
def test_tile_and_broadcast(shape, profile, data):
    times = tuple(data.draw(st.integers(1, 3)) for _ in shape)
    result = [n * t for n, t in zip(shape, times, strict=True)]
    moved(data, "TILE", shape, result, lambda i: oracle.tile(i, shape), profile, multiples=times)
    more = data.draw(st.lists(st.integers(1, 2), max_size=1))
    wide = (*more, *(data.draw(st.integers(0, 3)) if n == 1 else n for n in shape))
    moved(data, "BROADCAST_TO", shape, wide, lambda i: oracle.broadcast(i, shape), profile, shape=wide)


@PROPERTY
@given(SHAPES, st.integers(-128, 127), st.integers(-9, 9), st.integers(-9, 9), st.sampled_from([1, 2, 5, -1, -3]))
def test_what_makes_tensors_from_numbers(shape, value, start, limit, step):
    x = np.zeros(shape, np.int8)
    assert run("SHAPE", [Given(x)], [Wanted((len(shape),), "int32")])[0].tolist() == list(shape)
    assert run("RANK", [Given(x)], [Wanted((), "int32")])[0].item() == len(shape)
    operands = [Given(np.array(shape, np.int32), constant=True), Given(np.int8(value))]
    filled = run("FILL", operands, [Wanted(shape, "int8")])
    assert filled[0].ravel().tolist() == [value] * prod(shape)
    wanted = []
    while start + len(wanted) * step < limit if step > 0 else start + len(wanted) * step > limit:
        wanted.append(start + len(wanted) * step)
    if wanted:
        operands = [Given(np.int32(v)) for v in (start, limit, step)]
        assert run("RANGE", operands, [Wanted((len(wanted),), "int32")])[0].tolist() == wanted


@PROPERTY
@given(SHAPES, PROFILES, st.data())
def test_joining_and_parting(shape, profile, data):
    axis = data.draw(st.integers(0, len(shape) - 1))
    sizes = data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=3).filter(any))
    parts = [numbers(data, (*shape[:axis], n, *shape[axis + 1 :])) for n in sizes]
    q = QUANT["int8"]
    result = (*shape[:axis], sum(sizes), *shape[axis + 1 :])
    joined = run(
        "CONCATENATION", [Given(p, quant=q) for p in parts], [Wanted(result, "int8", q)], profile, axis=axis,
        activation="NONE",
    )[0]  # fmt: skip
    for index in oracle.indices(result):
        operand, inner = oracle.concatenated(index, axis, sizes)
        assert joined[index] == parts[operand][inner]
    parted = run("SPLIT", [Given(joined, quant=q)], [Wanted(p.shape, "int8", q) for p in parts], profile, axis=axis)
    for found, part in zip(parted, parts, strict=True):
        assert found.tolist() == part.tolist()


@PROPERTY
@given(OR_SCALAR, st.integers(1, 3), PROFILES, st.data())
def test_packing_and_unpacking(shape, count, profile, data):
    axis = data.draw(st.integers(0, len(shape)))
    parts = [numbers(data, shape) for _ in range(count)]
    result = (*shape[:axis], count, *shape[axis:])
    packed = run("PACK", [Given(p) for p in parts], [Wanted(result, "int8")], profile, axis=axis)[0]
    for index in oracle.indices(result):
        assert packed[index] == parts[index[axis]][index[:axis] + index[axis + 1 :]]
    again = run("UNPACK", [Given(packed)], [Wanted(shape, "int8")] * count, profile, axis=axis)
    assert [a.tolist() for a in again] == [p.tolist() for p in parts]


@PROPERTY
@given(SHAPES, st.data())
def test_borders(shape, data):
    widths = tuple((data.draw(st.integers(0, 2)), data.draw(st.integers(0, 2))) for _ in shape)
    result = [b + n + a for (b, a), n in zip(widths, shape, strict=True)]
    moved(data, "PAD", shape, result, lambda i: oracle.padded(i, shape, widths), paddings=widths)
    edged = data.draw(st.booleans())
    short = tuple(tuple(min(w, n - (not edged)) for w in pair) for pair, n in zip(widths, shape, strict=True))
    result = [b + n + a for (b, a), n in zip(short, shape, strict=True)]
    mode = "SYMMETRIC" if edged else "REFLECT"
    options = {"paddings": short, "mode": mode}
    moved(data, "MIRROR_PAD", shape, result, lambda i: oracle.mirrored(i, shape, short, edged), **options)


@PROPERTY
@given(SHAPES, st.sampled_from(["edge", "wrap"]), st.data())
def test_onnx_borders_repeat(shape, mode, data):
    widths = tuple((data.draw(st.integers(0, 2)), data.draw(st.integers(0, 2))) for _ in shape)
    result = [b + n + a for (b, a), n in zip(widths, shape, strict=True)]
    x = numbers(data, shape, "int32")
    made = run("PAD", [Given(x)], [Wanted(result, "int32")], "onnx", paddings=widths, value=0, mode=mode)[0]
    for index in oracle.indices(result):
        assert made[index] == x[oracle.repeated(index, shape, widths, mode == "wrap")]


@PROPERTY
@given(IMAGES, st.integers(1, 3), st.data())
def test_blocks_of_pixels(shape, block, data):
    b, y, x, c = shape
    deep, flat = (b, y, x, c * block**2), (b, y * block, x * block, c)
    size = {"block_size": block}
    moved(data, "DEPTH_TO_SPACE", deep, flat, lambda i: oracle.depth_to_space(i, block, c), **size)
    moved(data, "SPACE_TO_DEPTH", flat, deep, lambda i: oracle.space_to_depth(i, block, c), **size)
    deep, flat = (b, c * block**2, y, x), (b, c, y * block, x * block)
    for mode in ("DCR", "CRD"):
        moved(
            data, "DEPTH_TO_SPACE", deep, flat, lambda i, m=mode: oracle.depth_to_space_first(i, block, c, m == "CRD"),
            "onnx", layout="NCHW", mode=mode, **size,
        )  # fmt: skip
    moved(
        data, "SPACE_TO_DEPTH", flat, deep, lambda i: oracle.space_to_depth_first(i, block, c), "onnx", layout="NCHW",
        **size,
    )  # fmt: skip


@PROPERTY
@given(IMAGES, st.tuples(*[st.integers(1, 3)] * 2), PROFILES, st.data())
def test_blocks_of_batches(shape, block, profile, data):
    b, y, x, c = shape
    pads = tuple((data.draw(st.integers(0, 2)), 0) for _ in block)
    pads = tuple((p, (-(n + p)) % k) for (p, _), n, k in zip(pads, (y, x), block, strict=True))
    whole = [n + sum(p) for n, p in zip((y, x), pads, strict=True)]
    result = (b * prod(block), *(n // k for n, k in zip(whole, block, strict=True)), c)
    moved(
        data, "SPACE_TO_BATCH_ND", shape, result, lambda i: oracle.space_to_batch(i, shape, block, pads), profile,
        block_shape=block, paddings=pads,
    )  # fmt: skip
    moved(
        data, "BATCH_TO_SPACE_ND", result, shape, lambda i: oracle.batch_to_space(i, result, block, pads), profile,
        block_shape=block, crops=pads,
    )  # fmt: skip


# --- reductions -----------------------------------------------------------------------------------------

RULES = {
    "REDUCE_ALL": all, "REDUCE_ANY": any, "REDUCE_MAX": max, "REDUCE_MIN": min, "SUM": reductions.wrapped_sum,
    "REDUCE_PROD": reductions.wrapped_product, "MEAN": reductions.truncated_mean,
}  # fmt: skip


@PROPERTY
@given(SHAPES, st.sampled_from(sorted(RULES)), PROFILES, st.data())
def test_reductions(shape, op, profile, data):
    axes = data.draw(st.lists(st.integers(0, len(shape) - 1), min_size=1, max_size=3, unique=True))
    dtypes = {"REDUCE_ALL": ["bool"], "REDUCE_ANY": ["bool"]}.get(op, ["int32"])
    if profile == "tflite" and op in ("REDUCE_MAX", "REDUCE_MIN"):
        dtypes = ["int32", "int8", "uint8", "int16"]
    dtype = data.draw(st.sampled_from(dtypes))
    x = numbers(data, shape, dtype)
    keep = data.draw(st.booleans())
    result = [1 if i in axes else n for i, n in enumerate(shape) if keep or i not in axes]
    wanted = reductions.reduced({i: x[i].item() for i in oracle.indices(shape)}, shape, axes, RULES[op])
    found = run(
        op, [Given(x, quant=QUANT[dtype])], [Wanted(result, dtype, QUANT[dtype])], profile, axes=tuple(axes),
        keep_dims=keep,
    )[0]  # fmt: skip
    assert found.ravel().tolist() == wanted


def integers(data, shape):
    """(type, values) of any integers; half of the time all equal to the least."""
    dtype = data.draw(st.sampled_from(["int8", "uint8", "int16", "int32"]))
    return dtype, numbers(data, shape, dtype) if data.draw(st.booleans()) else np.full(
        shape, np.iinfo(dtype).min, dtype
    )


def along(shape, axis, x):
    """Rows of an axis, with the indices of their elements."""
    groups = list(reductions.groups(shape, [axis]).values())
    return groups, [[x[i].item() for i in group] for group in groups]


@PROPERTY
@given(SHAPES, st.sampled_from(["ARG_MAX", "ARG_MIN"]), PROFILES, st.booleans(), st.data())
def test_places_of_extremes(shape, op, profile, last, data):
    axis = data.draw(st.integers(0, len(shape) - 1))
    dtype, x = integers(data, shape)
    options = {"select_last_index": 1} if last and profile == "onnx" else {}
    rest = (*shape[:axis], *shape[axis + 1 :])
    found = run(op, [Given(x, quant=QUANT[dtype])], [Wanted(rest, "int32")], profile, axis=axis, **options)[0]
    wanted = [reductions.extreme(row, op == "ARG_MAX", bool(options)) for row in along(shape, axis, x)[1]]
    assert found.ravel().tolist() == wanted


@PROPERTY
@given(SHAPES, PROFILES, st.booleans(), st.data())
def test_the_k_greatest_or_least(shape, profile, largest, data):
    onnx = profile == "onnx"
    axis = data.draw(st.integers(0, len(shape) - 1)) if onnx else len(shape) - 1
    k = data.draw(st.integers(1, shape[axis]))
    dtype, x = integers(data, shape)
    kept = (*shape[:axis], k, *shape[axis + 1 :])
    results = [Wanted(kept, dtype, QUANT[dtype]), Wanted(kept, "int64" if onnx else "int32")]
    options = {"k": k, "axis": axis, "largest": largest} if onnx else {}
    values, places = run("TOPK", [Given(x, quant=QUANT[dtype])], results, profile, **options)
    made = zip(along(kept, axis, values)[1], along(kept, axis, places)[1], along(shape, axis, x)[1], strict=True)
    for found, order, row in made:
        assert order == reductions.top(row, k, largest or not onnx)
        assert found == [row[i] for i in order]


@PROPERTY
@given(SHAPES, PROFILES, st.booleans(), st.booleans(), st.data())
def test_running_sums(shape, profile, exclusive, reverse, data):
    axis = data.draw(st.integers(0, len(shape) - 1))
    x = numbers(data, shape, "int32")
    options = {"axis": axis, "exclusive": exclusive, "reverse": reverse}
    total = run("CUMSUM", [Given(x)], [Wanted(shape, "int32")], profile, **options)[0]
    for found, row in zip(along(shape, axis, total)[1], along(shape, axis, x)[1], strict=True):
        assert found == reductions.running(row, exclusive, reverse)
