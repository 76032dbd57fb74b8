"""Random jobs for the engine: on three units of the small world, after some of those before them."""

from __future__ import annotations

from hypothesis import strategies as st

from socsim.cost.work import Phase, Transfer
from socsim.engine.simulation import Job

UNITS = ["npu", "twin", "cpu"]
PHASES = st.builds(
    lambda cycles, read, write: Phase("steady", cycles, (Transfer("dram", read, write),) if read or write else ()),
    st.integers(0, 5000), st.integers(0, 9000), st.sampled_from([0, 0, 1, 4097]),
)  # fmt: skip


@st.composite
def random_jobs(draw, *, least, slowest, most_phases, chained=False, most_sync=0):
    """Draw at least so many jobs; of a chain, each waits for the one before it at least."""
    made = []
    for key in range(draw(st.integers(least, 8))):
        after = draw(st.sets(st.integers(0, key - 1), max_size=2)) if key else set()
        after |= {key - 1} if chained and key else set()
        hz = draw(st.sampled_from([10**9, 999_999_937, slowest]))
        dispatch, sync = draw(st.integers(0, 10**6)), draw(st.integers(0, most_sync))
        phases = tuple(draw(st.lists(PHASES, max_size=most_phases)))
        made.append(Job(key, draw(st.sampled_from(UNITS)), hz, dispatch, sync, phases, tuple(sorted(after))))
    return made
