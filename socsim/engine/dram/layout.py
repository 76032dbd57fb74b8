"""Where the compiled loop keeps things: one vector of integers, cut into rows.

A row is known by the position of its first element, so that rows can point at each other: `x[c + C_READY]` is
the field `C_READY` of the channel whose row starts at `c`. All times are picoseconds, all addresses count accesses.
"""

from __future__ import annotations

NEVER = 1 << 62

# The beginning of the vector.
H_SOURCES, H_SOURCE_END, H_CHANNELS, H_CHANNEL_END, H_DUE, H_DUE_END, HEADER = range(7)
"""From `H_DUE` on: when the head of each source comes, then when each channel decides; `NEVER` for neither."""

# Timings of a device, in the order of the fields of `socsim.soc.dram.DramTimes`, then its controller.
(
    BURST, RL, WL, RCD_R, RCD_W, RP, RAS, CCD_S, CCD_L, CCD_LW, RTP, WR, WTR_S, WTR_L, RTW, RRD_S, RRD_L, FAW,
    RANK_SWITCH, REFI, RFC, RFC_BANK, READS, WRITES, DRAIN_FROM, DRAIN_TO, REFRESH, CHANNELS, RANKS, GROUPS, BANKS,
    FRONT, DOOR, MAP,
) = range(34)  # fmt: skip
"""`DOOR`: whose turn it is to enter the queues."""
A_CHANNEL, A_RANK, A_GROUP, A_BANK, A_ROW, A_MIXED, ADDRESS_FIELDS = range(0, 14, 2)
"""From `MAP` on: shift and mask of each field of an address (of channels that are no power of two: the shift, and
minus their number), then by how many bits the row is shifted to mix it into the bank, and 0."""
MEMORY_ROW = MAP + ADDRESS_FIELDS
REFRESH_OFF, REFRESH_ALL, REFRESH_BANK = range(3)

# Banks, bank groups, ranks (their last four activates, newest first).
B_ROW, B_ACT, B_ACT_OK, B_CLAIM, B_READ_HITS, B_WRITE_HITS, BANK_ROW = range(7)
"""Open row (below 0: none), its activate, the earliest next activate with a precharge before it, the last choice
that found an older request for another row, and the requests that wait for the open row."""
G_READ, G_WRITE, G_ACT, GROUP_ROW = range(4)
RANK_ROW = 4

# Channels.
(
    C_MEMORY, C_BANKS, C_GROUPS, C_RANKS, C_READY, C_LAST_READ, C_LAST_WRITE, C_LAST_RANK, C_WRITING,
    C_NEXT_REFRESH, C_REFRESH_BANK, C_READ_COUNT, C_WRITE_COUNT, C_READ_HEAD, C_READ_TAIL, C_WRITE_HEAD,
    C_WRITE_TAIL, C_FREE, C_OLDEST, C_BYPASSED, C_PICKS, C_READS, C_WRITES, C_HITS, C_MISSES,
    C_CONFLICTS, C_REFRESHES, C_BUSY, C_END, C_READ_HITS, C_WRITE_HITS, C_TALLY, C_DUE, CHANNEL_ROW,
) = range(34)  # fmt: skip

TALLY = 1024
"""Counts of a channel's requests by bank and row, which share a count where their hashes meet."""

# Requests in a channel's queues.
Q_BANK, Q_GROUP, Q_RANK, Q_ROW, Q_ARRIVAL, Q_ISSUED, Q_FLOW, Q_NEXT, REQUEST_ROW = range(9)

# Sources (initiators): arbitration, window of accesses under way, and the access that comes next.
(
    S_PLACE, S_STEP, S_CLASS, S_READ_SLOTS, S_READ_AT, S_READ_RING, S_READ_END, S_WRITE_SLOTS, S_WRITE_AT,
    S_WRITE_RING, S_WRITE_END, S_FLOWS, S_LEFT, S_HEAD_STATE, S_HEAD_TIME, S_HEAD_ISSUED, S_HEAD_WAIT,
    S_HEAD_CHANNEL, S_HEAD_BANK, S_HEAD_GROUP, S_HEAD_RANK, S_HEAD_ROW, S_HEAD_WRITE, S_HEAD_FLOW, S_READS,
    S_WRITES, S_READ_LATENCY, S_QUEUE_LATENCY, S_HISTOGRAM, S_DUE, SOURCE_ROW,
) = range(31)  # fmt: skip
"""`S_PLACE`: of its tag among those of an arbiter; `S_STEP`: what an access adds to it; `S_HEAD_WAIT`: the resource
that the next access waits for, -1 for none."""
NO_HEAD, TIMED, BLOCKED, UNSLOTTED = range(4)
"""A source's next access: none; comes at a time; has come, but its queue is full; has no slot of the window."""

# Resources: ports, links and memories. Arbiters: the turn that is served, then the tag of each source.
R_FREE, R_ARBITER, RESOURCE_ROW = range(3)
"""When the resource is free, and who decides about it; -1 where one source alone passes."""
ARBITER_NOW, ARBITER_TAGS = range(2)
TURN = 1 << 20
"""What an access of weight 1 adds to its source's tag."""
LATENCY_BINS = 4096
"""One for each nanosecond; the last holds everything longer."""

# Flows, those of a source in a chain.
(
    F_CHAIN, F_SOURCE, F_GATE, F_MEMORY, F_KIND, F_BASE, F_END, F_CURSOR, F_COUNT, F_ISSUED, F_DONE, F_STEP,
    F_WRITE_SHARE, F_PACE, F_SLACK, F_NEXT, F_SEED, F_LAST, F_LATENCY, F_ROUTE,
) = range(20)  # fmt: skip
ROUTE_LENGTH = 8
"""Resources that an access passes, from `F_ROUTE` on, then for how long it holds each."""
FLOW_ROW = F_ROUTE + 2 * ROUTE_LENGTH
SEQUENTIAL, RANDOM, TRACE = range(3)
ALWAYS = 1 << 16
"""Share of writes in 2**-16."""

# Gates: flows that are done when all of them are.
GATE_LEFT, GATE_END, GATE_ROW = range(3)

# Traces.
T_ADDRESS, T_WRITE, T_TIME, TRACE_ROW = range(4)
