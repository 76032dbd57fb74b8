"""The compiled loop: one access after the other, each at the earliest time that every rule allows.

A channel decides when its bus may take the next column command. Requests that have entered its queues by then
compete: the one whose column command may go out first wins, the older one where two tie. Precharge and activate
are placed at the earliest time after the request's arrival, beside the transfers of other banks. Writes collect
until a mark, then drain to another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from socsim.engine.dram.issue import complete, form_head, leave, next_in_turn, passage, return_slot, tag, take_turn

# isort: off
from socsim.engine.dram.layout import (
    BANKS, BANK_ROW, BLOCKED, BURST, B_ACT, B_ACT_OK, B_CLAIM, B_READ_HITS, B_ROW, B_WRITE_HITS, CCD_L, CCD_LW,
    CCD_S, CHANNEL_ROW, C_BANKS, C_BUSY, C_BYPASSED, C_CONFLICTS, C_DUE, C_END, C_FREE, C_HITS, C_LAST_RANK,
    C_LAST_READ, C_LAST_WRITE, C_MEMORY, C_MISSES, C_NEXT_REFRESH, C_OLDEST, C_PICKS, C_RANKS, C_READS, C_READY,
    C_READ_COUNT, C_READ_HEAD, C_READ_HITS, C_READ_TAIL, C_REFRESHES, C_REFRESH_BANK, C_TALLY, C_WRITES,
    C_WRITE_COUNT, C_WRITE_HEAD, C_WRITE_TAIL, C_WRITING, DOOR, DRAIN_FROM, DRAIN_TO, FAW, FRONT, F_LATENCY,
    F_SOURCE, GROUPS, G_ACT, G_READ, G_WRITE, H_CHANNELS, H_DUE, H_DUE_END, H_SOURCES, H_SOURCE_END,
    LATENCY_BINS, NEVER, NO_HEAD, Q_ARRIVAL, Q_BANK, Q_FLOW, Q_GROUP, Q_ISSUED, Q_NEXT, Q_RANK, Q_ROW, RANKS,
    RANK_ROW, RANK_SWITCH, RAS, RCD_R, RCD_W, READS, REFI, REFRESH, REFRESH_BANK, REFRESH_OFF, RFC, RFC_BANK,
    RL, RP, RRD_L, RRD_S, RTP, RTW, R_ARBITER, SOURCE_ROW, S_CLASS, S_DUE, S_HEAD_BANK, S_HEAD_CHANNEL,
    S_HEAD_FLOW, S_HEAD_GROUP, S_HEAD_ISSUED, S_HEAD_RANK, S_HEAD_ROW, S_HEAD_STATE, S_HEAD_TIME, S_HEAD_WAIT,
    S_HEAD_WRITE, S_HISTOGRAM, S_QUEUE_LATENCY, S_READS, S_READ_LATENCY, S_WRITES, TALLY, TIMED, UNSLOTTED, WL,
    WR, WRITES, WTR_L, WTR_S,
)  # fmt: skip

# isort: on
from socsim.numerics.jit import inlined, kernel

if TYPE_CHECKING:
    from collections.abc import MutableSequence

    Vector = MutableSequence[int]  # an array of int64; what the compiled code does with it

_PATIENCE = 4
"""Rounds of its queue for which the oldest request lets others pass."""


@inlined
def _enqueue(x: Vector, c: int, s: int, time: int) -> None:
    """Put a source's head into its channel's queue."""
    e = x[c + C_FREE]
    x[c + C_FREE] = x[e + Q_NEXT]
    x[e + Q_BANK], x[e + Q_GROUP] = x[s + S_HEAD_BANK], x[s + S_HEAD_GROUP]
    x[e + Q_RANK], x[e + Q_ROW] = x[s + S_HEAD_RANK], x[s + S_HEAD_ROW]
    x[e + Q_ARRIVAL], x[e + Q_ISSUED] = time, x[s + S_HEAD_ISSUED]
    x[e + Q_FLOW], x[e + Q_NEXT] = x[s + S_HEAD_FLOW], -1
    if x[s + S_HEAD_WRITE]:
        count, head, tail = C_WRITE_COUNT, C_WRITE_HEAD, C_WRITE_TAIL
    else:
        count, head, tail = C_READ_COUNT, C_READ_HEAD, C_READ_TAIL
    if x[c + count]:
        x[x[c + tail] + Q_NEXT] = e
    else:
        x[c + head] = e
    x[c + tail] = e
    x[c + count] += 1
    b, row = x[e + Q_BANK], x[e + Q_ROW]
    x[_tally(x, c, b, row)] += 1
    if x[b + B_ROW] == row:
        _count_hits(x, c, b, x[s + S_HEAD_WRITE], 1)


@inlined
def _tally(x: Vector, c: int, b: int, row: int) -> int:
    """Return the place of the count that requests for a row of a bank belong to."""
    return x[c + C_TALLY] + (row * 61 + b & TALLY - 1)


@inlined
def _count_hits(x: Vector, c: int, b: int, write: int, more: int) -> None:
    """Change how many requests of a direction wait for a bank's open row."""
    x[b + B_READ_HITS + write] += more
    x[c + C_READ_HITS + write] += more


@inlined
def _close_row(x: Vector, c: int, b: int) -> None:
    """Forget a bank's open row."""
    _count_hits(x, c, b, 0, -x[b + B_READ_HITS])
    _count_hits(x, c, b, 1, -x[b + B_WRITE_HITS])
    x[b + B_ROW] = -1


@inlined
def _plan(x: Vector, c: int) -> None:
    """Note when a channel decides next."""
    waiting = x[c + C_READ_COUNT] + x[c + C_WRITE_COUNT]
    x[x[c + C_DUE]] = x[c + C_READY] if waiting else NEVER


@inlined
def _has_room(x: Vector, c: int, s: int) -> bool:
    m = x[c + C_MEMORY]
    if x[s + S_HEAD_WRITE]:
        return x[c + C_WRITE_COUNT] < x[m + WRITES]
    return x[c + C_READ_COUNT] < x[m + READS]


@kernel
def _accept(x: Vector, c: int, s: int, time: int) -> int:
    """Take a source's head into a queue; return the gate that this completes, else -1.

    Writes are posted: they are done for their source when a queue has taken them.
    """
    if x[c + C_READ_COUNT] + x[c + C_WRITE_COUNT] == 0:
        x[c + C_READY] = max(x[c + C_READY], time)
    write, f = x[s + S_HEAD_WRITE], x[s + S_HEAD_FLOW]
    _enqueue(x, c, s, time)
    _plan(x, c)
    take_turn(x, x[x[c + C_MEMORY] + DOOR], s)
    leave(x, s, time)
    gate = -1
    if write:
        x[s + S_WRITES] += 1
        end = time + x[f + F_LATENCY]
        return_slot(x, s, 1, end)
        gate = complete(x, f, end)
    form_head(x, s)
    return gate


@kernel
def _arbitrate(x: Vector, c: int) -> int:
    """Return the blocked source that may enter a channel's queue next, by class, then by tag; -1 where none may."""
    door = x[x[c + C_MEMORY] + DOOR]
    chosen, least, urgency = -1, NEVER, -NEVER
    for s in range(x[H_SOURCES], x[H_SOURCE_END], SOURCE_ROW):
        if x[s + S_HEAD_STATE] != BLOCKED or x[s + S_HEAD_CHANNEL] != c:
            continue
        own, above = tag(x, door, s), x[s + S_CLASS]
        if (above > urgency or (above == urgency and own < least)) and _has_room(x, c, s):
            chosen, least, urgency = s, own, above
    return chosen


@kernel
def _refresh(x: Vector, c: int, now: int) -> None:
    """Refresh what is due: all banks at once, or the next one."""
    m = x[c + C_MEMORY]
    count = x[m + RANKS] * x[m + GROUPS] * x[m + BANKS]
    bottom, top = x[c + C_BANKS], x[c + C_BANKS] + count * BANK_ROW
    each = x[m + REFRESH] == REFRESH_BANK
    period = x[m + REFI] // count if each else x[m + REFI]
    length = x[m + RFC_BANK] if each else x[m + RFC]
    while x[c + C_NEXT_REFRESH] <= now:
        due = x[c + C_NEXT_REFRESH]
        first, last = bottom, top
        if each:
            first = x[c + C_REFRESH_BANK]
            last = first + BANK_ROW
            x[c + C_REFRESH_BANK] = last if last < top else bottom
        start = due
        for b in range(first, last, BANK_ROW):
            start = max(start, x[b + B_ACT_OK])
        for b in range(first, last, BANK_ROW):
            _close_row(x, c, b)
            x[b + B_ACT_OK] = start + length
        x[c + C_NEXT_REFRESH] = due + period
        x[c + C_REFRESHES] += 1


@inlined
def _turn(x: Vector, c: int) -> None:
    """Decide whether the channel reads or writes next."""
    m = x[c + C_MEMORY]
    reads, writes = x[c + C_READ_COUNT], x[c + C_WRITE_COUNT]
    if x[c + C_WRITING]:
        if reads and (writes <= x[m + DRAIN_TO] or not writes):
            x[c + C_WRITING] = 0
    elif writes >= x[m + DRAIN_FROM] or not reads:
        x[c + C_WRITING] = 1


@inlined
def _activate_time(x: Vector, c: int, e: int, m: int) -> int:
    """Return when the row of a request may be opened, given what is open now."""
    b, g, k = x[e + Q_BANK], x[e + Q_GROUP], x[e + Q_RANK]
    came = x[e + Q_ARRIVAL] + (x[m + RP] if x[b + B_ROW] >= 0 else 0)
    act = max(x[b + B_ACT_OK], came, x[k] + x[m + RRD_S], x[k + 3] + x[m + FAW])
    return max(act, x[g + G_ACT] + x[m + RRD_L])


@inlined
def _column_time(x: Vector, c: int, e: int, m: int, write: int, bus: int) -> int:
    """Return when the column command of a request may go out."""
    b, g = x[e + Q_BANK], x[e + Q_GROUP]
    if write:
        column = max(bus, x[g + G_WRITE] + x[m + CCD_LW])
        rcd = x[m + RCD_W]
    else:
        column = max(bus, x[g + G_READ] + x[m + CCD_L])
        settled = x[m + WL] + x[m + BURST] + x[m + WTR_L]
        column = max(column, x[g + G_WRITE] + settled)
        rcd = x[m + RCD_R]
    if x[e + Q_RANK] != x[c + C_LAST_RANK]:
        column = max(column, bus + x[m + RANK_SWITCH])
    if x[b + B_ROW] == x[e + Q_ROW]:
        return max(column, x[e + Q_ARRIVAL], x[b + B_ACT] + rcd)
    return max(column, _activate_time(x, c, e, m) + rcd)


@inlined
def _bus_time(x: Vector, c: int, m: int, write: int) -> int:
    """Return when the bus may take a column command of a direction."""
    read, written = x[c + C_LAST_READ], x[c + C_LAST_WRITE]
    if write:
        return max(written + x[m + CCD_S], read + x[m + RTW])
    return max(read + x[m + CCD_S], written + x[m + WL] + x[m + BURST] + x[m + WTR_S])


@inlined
def _opening_time(x: Vector, c: int, m: int) -> int:
    """Return the earliest activate that the ranks of a channel allow."""
    act = NEVER
    for k in range(x[c + C_RANKS], x[c + C_RANKS] + x[m + RANKS] * RANK_ROW, RANK_ROW):
        act = min(act, max(x[k] + x[m + RRD_S], x[k + 3] + x[m + FAW]))
    return act


@kernel
def _pick(x: Vector, c: int, m: int, write: int, bus: int) -> tuple[int, int, int]:
    """Return the request to serve, the one before it in the list, and the time of its column command."""
    head = x[c + C_WRITE_HEAD] if write else x[c + C_READ_HEAD]
    limit = _PATIENCE * (x[m + READS] + x[m + WRITES])
    if x[c + C_OLDEST] == x[head + Q_ARRIVAL] and x[c + C_BYPASSED] > limit:
        time = _column_time(x, c, head, m, write, bus)
        return head, -1, time
    rcd = x[m + RCD_W] if write else x[m + RCD_R]
    opening = _opening_time(x, c, m) + rcd
    floor, hits = max(bus, opening), x[c + C_READ_HITS + write]
    x[c + C_PICKS] += 1
    best, chosen, before = NEVER, -1, -1
    e, previous = head, -1
    while e >= 0:
        b = x[e + Q_BANK]
        hit = x[b + B_ROW] == x[e + Q_ROW]
        if hit:
            hits -= 1
        else:
            x[b + B_CLAIM] = x[c + C_PICKS]
        if hit or best > max(opening, x[b + B_ACT_OK] + rcd):
            time = _column_time(x, c, e, m, write, bus)
            late = hit and x[b + B_CLAIM] == x[c + C_PICKS] and time > x[b + B_ACT_OK] - x[m + RP]
            if time < best and not late:  # an older request may close the row first
                best, chosen, before = time, e, previous
                if time <= bus:
                    break
        if not hits and best <= floor:
            break
        previous, e = e, x[e + Q_NEXT]
    return chosen, before, best


@kernel
def _note_hits(x: Vector, c: int, chosen: int, write: int) -> None:
    """Count the requests that wait for the row that a request opens."""
    b, row = x[chosen + Q_BANK], x[chosen + Q_ROW]
    if x[_tally(x, c, b, row)] == 1:
        _count_hits(x, c, b, write, 1)
        return
    for direction in range(2):
        e = x[c + C_WRITE_HEAD] if direction else x[c + C_READ_HEAD]
        for _ in range(x[c + C_WRITE_COUNT] if direction else x[c + C_READ_COUNT]):
            if x[e + Q_BANK] == b and x[e + Q_ROW] == row:
                _count_hits(x, c, b, direction, 1)
            e = x[e + Q_NEXT]


@inlined
def _open_row(x: Vector, c: int, e: int, m: int, write: int) -> None:
    """Open a request's row where it is not open, and count how it was found."""
    b, g, k = x[e + Q_BANK], x[e + Q_GROUP], x[e + Q_RANK]
    if x[b + B_ROW] == x[e + Q_ROW]:
        x[c + C_HITS] += 1
        return
    act = _activate_time(x, c, e, m)
    x[c + (C_CONFLICTS if x[b + B_ROW] >= 0 else C_MISSES)] += 1
    _close_row(x, c, b)
    _note_hits(x, c, e, write)
    x[b + B_ROW], x[b + B_ACT] = x[e + Q_ROW], act
    x[b + B_ACT_OK] = act + x[m + RAS] + x[m + RP]
    x[g + G_ACT] = act
    x[k + 3], x[k + 2], x[k + 1], x[k] = x[k + 2], x[k + 1], x[k], act


@inlined
def _transfer(x: Vector, c: int, e: int, m: int, write: int, column: int) -> int:
    """Issue a request's column command; return the time of its last beat."""
    b, g = x[e + Q_BANK], x[e + Q_GROUP]
    if write:
        end = column + x[m + WL] + x[m + BURST]
        x[b + B_ACT_OK] = max(x[b + B_ACT_OK], end + x[m + WR] + x[m + RP])
        x[g + G_WRITE] = x[c + C_LAST_WRITE] = column
        x[c + C_WRITES] += 1
    else:
        end = column + x[m + RL] + x[m + BURST]
        x[b + B_ACT_OK] = max(x[b + B_ACT_OK], column + x[m + RTP] + x[m + RP])
        x[g + G_READ] = x[c + C_LAST_READ] = column
        x[c + C_READS] += 1
    x[c + C_LAST_RANK] = x[e + Q_RANK]
    x[c + C_READY] = column + x[m + CCD_S]
    x[c + C_BUSY] += x[m + BURST]
    x[c + C_END] = max(x[c + C_END], end)
    return end


@inlined
def _dequeue(x: Vector, c: int, e: int, before: int, write: int) -> None:
    """Take a request out of its queue."""
    if write:
        count, head, tail = C_WRITE_COUNT, C_WRITE_HEAD, C_WRITE_TAIL
    else:
        count, head, tail = C_READ_COUNT, C_READ_HEAD, C_READ_TAIL
    oldest = x[x[c + head] + Q_ARRIVAL]
    if before < 0:
        x[c + head] = x[e + Q_NEXT]
        x[c + C_BYPASSED] = 0
    else:
        x[before + Q_NEXT] = x[e + Q_NEXT]
        x[c + C_BYPASSED] = x[c + C_BYPASSED] + 1 if x[c + C_OLDEST] == oldest else 1
        x[c + C_OLDEST] = oldest
    if x[c + tail] == e:
        x[c + tail] = before
    x[c + count] -= 1
    b = x[e + Q_BANK]
    x[_tally(x, c, b, x[e + Q_ROW])] -= 1
    _count_hits(x, c, b, write, -1)
    x[e + Q_NEXT] = x[c + C_FREE]
    x[c + C_FREE] = e


@kernel
def _next_arrival(x: Vector, c: int) -> int:
    """Return when the next access comes to a channel."""
    time = NEVER
    for s in range(x[H_SOURCES], x[H_SOURCE_END], SOURCE_ROW):
        if x[s + S_HEAD_STATE] == TIMED and x[s + S_HEAD_CHANNEL] == c:
            time = min(time, x[s + S_HEAD_TIME])
    return time


@inlined
def _note_latency(x: Vector, s: int, issued: int, arrival: int, end: int) -> None:
    x[s + S_READ_LATENCY] += end - issued
    x[s + S_QUEUE_LATENCY] += end - arrival
    x[x[s + S_HISTOGRAM] + min((end - issued) // 1000, LATENCY_BINS - 1)] += 1


@kernel
def _serve(x: Vector, c: int, now: int) -> int:
    """Serve one request of a channel; return the gate that this completes, else -1."""
    m = x[c + C_MEMORY]
    if x[m + REFRESH] != REFRESH_OFF and x[c + C_NEXT_REFRESH] <= now:
        _refresh(x, c, now)
    _turn(x, c)
    write = x[c + C_WRITING]
    bus = _bus_time(x, c, m, write)
    e, before, column = _pick(x, c, m, write, bus)
    if column > now + x[m + CCD_S]:
        coming = _next_arrival(x, c)
        if coming < column:  # what comes until then may go first
            x[c + C_READY] = max(coming, now) + 1
            _plan(x, c)
            return -1
    _open_row(x, c, e, m, write)
    end = _transfer(x, c, e, m, write, column)
    f, issued, arrival = x[e + Q_FLOW], x[e + Q_ISSUED], x[e + Q_ARRIVAL]
    _dequeue(x, c, e, before, write)
    _plan(x, c)
    gate = -1
    if not write:
        s, end = x[f + F_SOURCE], end + x[m + FRONT]
        x[s + S_READS] += 1
        _note_latency(x, s, issued, arrival, end)
        return_slot(x, s, 0, end)
        if x[s + S_HEAD_STATE] == UNSLOTTED:
            form_head(x, s)
        gate = complete(x, f, end)
    if gate < 0:
        s = _arbitrate(x, c)
        if s >= 0:
            gate = _accept(x, c, s, column)
    return gate


@kernel
def _arrive(x: Vector, s: int, now: int) -> int:
    """Let the head of a source come to its memory, or that of another whose turn it is to pass.

    Returns: the gate that this completes, else -1.
    """
    waits = x[s + S_HEAD_WAIT]
    if waits >= 0 and x[waits + R_ARBITER] >= 0:
        s = next_in_turn(x, s, waits, now)
    time, waits = passage(x, s)
    c = x[s + S_HEAD_CHANNEL]
    if time > now:
        x[s + S_HEAD_TIME] = x[x[s + S_DUE]] = time
        x[s + S_HEAD_WAIT] = waits
        return -1
    if c < 0:
        return _pass_through(x, s, time)
    if _has_room(x, c, s):
        return _accept(x, c, s, time)
    x[s + S_HEAD_STATE] = BLOCKED
    x[x[s + S_DUE]] = NEVER
    return -1


@kernel
def _pass_through(x: Vector, s: int, time: int) -> int:
    """Serve the head of a source in a memory without banks; return the gate that this completes, else -1."""
    f, write, issued = x[s + S_HEAD_FLOW], x[s + S_HEAD_WRITE], x[s + S_HEAD_ISSUED]
    leave(x, s, time)
    end = time + x[f + F_LATENCY]
    if write:
        x[s + S_WRITES] += 1
    else:
        x[s + S_READS] += 1
        _note_latency(x, s, issued, time, end)
    return_slot(x, s, write, end)
    form_head(x, s)
    return complete(x, f, end)


@inlined
def _soonest(x: Vector) -> tuple[int, int, int]:
    """Return the time of the next event, and the channel that decides or else the source whose head comes."""
    best, at, first = NEVER, 0, x[H_DUE]
    for i in range(x[H_DUE_END] - first):
        if x[first + i] < best:
            best, at = x[first + i], i
    sources = (x[H_SOURCE_END] - x[H_SOURCES]) // SOURCE_ROW
    if at < sources:
        return best, -1, x[H_SOURCES] + at * SOURCE_ROW
    return best, x[H_CHANNELS] + (at - sources) * CHANNEL_ROW, -1


@kernel
def advance(x: Vector, until: int) -> tuple[int, int]:
    """Serve accesses until a gate is done or the next event would come at or after a time.

    Returns: the gate that was done, -1 where the time came first, -2 where nothing is left to do; and the time
    of the next event.
    """
    for s in range(x[H_SOURCES], x[H_SOURCE_END], SOURCE_ROW):
        if x[s + S_HEAD_STATE] == NO_HEAD:
            form_head(x, s)
    while True:
        now, c, s = _soonest(x)
        if now >= until:
            return (-2, now) if now == NEVER else (-1, now)
        gate = _arrive(x, s, now) if c < 0 else _serve(x, c, now)
        if gate >= 0:
            return gate, now
