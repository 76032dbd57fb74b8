"""The compiled side of sources: which access comes next, when it may leave, and what it holds on its way."""

from __future__ import annotations

from typing import TYPE_CHECKING

# isort: off
from socsim.engine.dram.layout import (
    ALWAYS, ARBITER_NOW, ARBITER_TAGS, A_BANK, A_CHANNEL, A_GROUP, A_MIXED, A_RANK, A_ROW, BANKS, BANK_ROW, CHANNELS,
    CHANNEL_ROW, C_BANKS, C_GROUPS, C_RANKS, F_BASE, F_CHAIN, F_COUNT, F_CURSOR, F_DONE, F_END, F_GATE, F_ISSUED,
    F_KIND, F_LAST, F_MEMORY, F_NEXT, F_PACE, F_ROUTE, F_SEED, F_SLACK, F_STEP, F_WRITE_SHARE, GATE_END, GATE_LEFT,
    GROUPS, GROUP_ROW, H_SOURCES, H_SOURCE_END, MAP, NEVER, NO_HEAD, RANDOM, RANK_ROW, ROUTE_LENGTH, R_ARBITER,
    SOURCE_ROW, S_CLASS, S_DUE, S_FLOWS, S_HEAD_BANK, S_HEAD_CHANNEL, S_HEAD_FLOW, S_HEAD_GROUP, S_HEAD_ISSUED,
    S_HEAD_RANK, S_HEAD_ROW, S_HEAD_STATE, S_HEAD_TIME, S_HEAD_WAIT, S_HEAD_WRITE, S_LEFT, S_PLACE, S_READ_SLOTS,
    S_STEP, S_WRITE_SLOTS, TIMED, TRACE, TRACE_ROW, T_ADDRESS, T_TIME, T_WRITE, UNSLOTTED,
)  # fmt: skip

# isort: on
from socsim.numerics.jit import inlined, kernel

if TYPE_CHECKING:
    from collections.abc import MutableSequence

    Vector = MutableSequence[int]  # an array of int64; what the compiled code does with it


@inlined
def _next_random(x: Vector, f: int) -> int:
    """Advance a flow's generator (xorshift64) and return 32 of its bits."""
    bits = x[f + F_SEED]
    bits ^= bits << 13
    bits ^= (bits >> 7) & ((1 << 57) - 1)
    bits ^= bits << 17
    x[f + F_SEED] = bits
    return (bits >> 16) & 0xFFFFFFFF


@inlined
def _choose_flow(x: Vector, s: int) -> int:
    """Return the unfinished flow of a source that has advanced least; -1 where none is left."""
    best, chosen = NEVER, -1
    f = x[s + S_FLOWS]
    while f >= 0:
        if x[f + F_ISSUED] < x[f + F_COUNT]:
            advanced = x[f + F_ISSUED] * x[f + F_STEP]
            if advanced < best:
                best, chosen = advanced, f
        f = x[f + F_CHAIN]
    return chosen


@kernel
def form_head(x: Vector, s: int) -> None:
    """Prepare the next access of a source, with the earliest time at which it may leave."""
    f = _choose_flow(x, s)
    if f < 0:
        x[s + S_HEAD_STATE] = NO_HEAD
        return
    time = max(x[f + F_NEXT], x[s + S_LEFT])
    if x[s + S_HEAD_STATE] != UNSLOTTED or x[s + S_HEAD_FLOW] != f:
        _draw(x, s, f)
    write = x[s + S_HEAD_WRITE]
    slots = S_WRITE_SLOTS if write else S_READ_SLOTS
    if not x[s + slots]:
        x[s + S_HEAD_STATE] = UNSLOTTED
        return
    time = max(time, x[x[s + slots + 1]])
    if x[f + F_KIND] == TRACE:
        time = max(time, x[x[f + F_CURSOR] + T_TIME])
    x[s + S_HEAD_STATE], x[s + S_HEAD_WAIT] = TIMED, -1
    x[s + S_HEAD_TIME] = x[s + S_HEAD_ISSUED] = x[x[s + S_DUE]] = time


@inlined
def _draw(x: Vector, s: int, f: int) -> None:
    """Choose address and direction of a source's next access, one of a flow."""
    kind, access, share = x[f + F_KIND], x[f + F_CURSOR], x[f + F_WRITE_SHARE]
    write = 1 if share == ALWAYS else 0
    if kind == TRACE:
        access, write = x[access + T_ADDRESS], x[access + T_WRITE]
    elif kind == RANDOM:
        access = x[f + F_BASE] + ((_next_random(x, f) * (x[f + F_END] - x[f + F_BASE])) >> 32)
    if kind != TRACE and 0 < share < ALWAYS:
        write = 1 if (_next_random(x, f) & 0xFFFF) < share else 0
    x[s + S_HEAD_WRITE], x[s + S_HEAD_FLOW] = write, f
    _decode(x, s, access, x[f + F_MEMORY])


@inlined
def _decode(x: Vector, s: int, access: int, m: int) -> None:
    """Find the channel, bank and row of a head's access; memories without banks have channel -1."""
    if m < 0:
        x[s + S_HEAD_CHANNEL] = -1
        return
    channel = (access >> x[m + MAP + A_CHANNEL]) & x[m + MAP + A_CHANNEL + 1]
    if x[m + MAP + A_CHANNEL + 1] < 0:
        access, channel = _modulo(access, x[m + MAP + A_CHANNEL], -x[m + MAP + A_CHANNEL + 1])
    row = (access >> x[m + MAP + A_ROW]) & x[m + MAP + A_ROW + 1]
    bank = (access >> x[m + MAP + A_BANK]) & x[m + MAP + A_BANK + 1]
    mixed = x[m + MAP + A_MIXED]
    if mixed:
        bank ^= (row ^ row >> mixed ^ row >> 2 * mixed ^ row >> 3 * mixed) & x[m + MAP + A_BANK + 1]
    rank = (access >> x[m + MAP + A_RANK]) & x[m + MAP + A_RANK + 1]
    group = rank * x[m + GROUPS] + ((access >> x[m + MAP + A_GROUP]) & x[m + MAP + A_GROUP + 1])
    c = x[m + CHANNELS] + channel * CHANNEL_ROW
    x[s + S_HEAD_CHANNEL], x[s + S_HEAD_ROW] = c, row
    x[s + S_HEAD_RANK] = x[c + C_RANKS] + rank * RANK_ROW
    x[s + S_HEAD_GROUP] = x[c + C_GROUPS] + group * GROUP_ROW
    x[s + S_HEAD_BANK] = x[c + C_BANKS] + (group * x[m + BANKS] + bank) * BANK_ROW


@inlined
def _modulo(access: int, shift: int, channels: int) -> tuple[int, int]:
    """Return an address without its channel, and the channel, where their number is no power of two."""
    above = access >> shift
    return (above // channels) << shift | access & (1 << shift) - 1, above % channels


@inlined
def tag(x: Vector, arbiter: int, s: int) -> int:
    """Return a source's tag at an arbiter: who has the least is next.

    A tag counts accesses over weight, and does not fall behind that of the access which was served last: who was
    away takes turns from now on (start-time fair queueing: Goyal, Vin and Cheng, IEEE/ACM Trans. Networking, 1997).
    """
    return max(x[arbiter + ARBITER_NOW], x[arbiter + ARBITER_TAGS + x[s + S_PLACE]])


@inlined
def take_turn(x: Vector, arbiter: int, s: int) -> None:
    """Book an access of a source at an arbiter."""
    now = tag(x, arbiter, s)
    x[arbiter + ARBITER_NOW] = now
    x[arbiter + ARBITER_TAGS + x[s + S_PLACE]] = now + x[s + S_STEP]


@kernel
def next_in_turn(x: Vector, s: int, resource: int, now: int) -> int:
    """Return who goes first of the sources that wait for a resource until now: by class, then by tag."""
    arbiter = x[resource + R_ARBITER]
    chosen, least = s, tag(x, arbiter, s)
    for q in range(x[H_SOURCES], x[H_SOURCE_END], SOURCE_ROW):
        if x[q + S_HEAD_STATE] != TIMED or x[q + S_HEAD_WAIT] != resource or x[q + S_HEAD_TIME] > now:
            continue
        own, above = tag(x, arbiter, q), x[q + S_CLASS] - x[chosen + S_CLASS]
        if above > 0 or (above == 0 and own < least):
            chosen, least = q, own
    return chosen


@inlined
def passage(x: Vector, s: int) -> tuple[int, int]:
    """Return when a head has passed every resource on its way to the memory, and the one that it waits for."""
    f = x[s + S_HEAD_FLOW]
    time, last = x[s + S_HEAD_TIME], -1
    for i in range(F_ROUTE, F_ROUTE + ROUTE_LENGTH):
        resource = x[f + i]
        if resource < 0:
            break
        if x[resource] > time:
            time, last = x[resource], resource
    return time, last


@inlined
def leave(x: Vector, s: int, time: int) -> None:
    """Let a head go at a time: it holds its resources and a slot of its window."""
    f, write = x[s + S_HEAD_FLOW], x[s + S_HEAD_WRITE]
    for i in range(F_ROUTE, F_ROUTE + ROUTE_LENGTH):
        resource = x[f + i]
        if resource < 0:
            break
        x[resource] = max(x[resource], time) + x[f + i + ROUTE_LENGTH]
        if x[resource + R_ARBITER] >= 0:
            take_turn(x, x[resource + R_ARBITER], s)
    x[f + F_ISSUED] += 1
    x[f + F_CURSOR] += TRACE_ROW if x[f + F_KIND] == TRACE else 1
    if x[f + F_CURSOR] >= x[f + F_END]:
        x[f + F_CURSOR] = x[f + F_BASE]
    x[f + F_NEXT] = max(x[f + F_NEXT], x[s + S_HEAD_ISSUED] - x[f + F_SLACK]) + x[f + F_PACE]
    x[s + S_LEFT] = time
    slots = S_WRITE_SLOTS if write else S_READ_SLOTS
    x[s + slots] -= 1
    following = x[s + slots + 1] + 1
    x[s + slots + 1] = following if following < x[s + slots + 3] else x[s + slots + 2]
    x[s + S_HEAD_STATE] = NO_HEAD
    x[x[s + S_DUE]] = NEVER


@kernel
def return_slot(x: Vector, s: int, write: int, time: int) -> None:
    """Give a slot of a window back at a time; slots stay in the order of their times."""
    slots = S_WRITE_SLOTS if write else S_READ_SLOTS
    first, end = x[s + slots + 2], x[s + slots + 3]
    place = x[s + slots + 1] + x[s + slots]
    if place >= end:
        place -= end - first
    for _ in range(x[s + slots]):
        before = place - 1 if place > first else end - 1
        if x[before] <= time:
            break
        x[place] = x[before]
        place = before
    x[place] = time
    x[s + slots] += 1


@inlined
def complete(x: Vector, f: int, time: int) -> int:
    """Book an access of a flow; return its gate where it was the last of all, else -1."""
    x[f + F_DONE] += 1
    x[f + F_LAST] = max(x[f + F_LAST], time)
    if x[f + F_DONE] < x[f + F_COUNT]:
        return -1
    gate = x[f + F_GATE]
    if gate < 0:
        return -1
    x[gate + GATE_LEFT] -= 1
    x[gate + GATE_END] = max(x[gate + GATE_END], x[f + F_LAST])
    return gate if x[gate + GATE_LEFT] == 0 else -1
