"""Address mappings: which bits of an address choose the channel, rank, bank group, bank and row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from socsim.engine.dram.layout import A_BANK, A_CHANNEL, A_GROUP, A_MIXED, A_RANK, A_ROW, ADDRESS_FIELDS
from socsim.errors import PlatformError
from socsim.soc.dram import address_fields

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_PLACES = {"channel": A_CHANNEL, "rank": A_RANK, "group": A_GROUP, "bank": A_BANK, "row": A_ROW}


def address_map(mapping: str, sizes: Mapping[str, int]) -> NDArray[np.int64]:
    """Return shift and mask of each field of an address counted in accesses.

    Args:
        mapping: names of all fields from the high bits to the low ones, joined by ":"; `bank^row` for a bank
            that is mixed with four groups of bits of the row, the lowest first.
        sizes: how many of each there are; powers of two, but for channels: of another number of them, an access
            goes to the remainder of what stands from the channel's place on.

    Returns: [ADDRESS_FIELDS] shift and mask by field (of channels that are no power of two: minus their number),
        then by how many bits the row is shifted to mix it into the bank; 0 for not at all.

    Raises:
        ValueError: no mapping.
        PlatformError: a size that is no power of two.
    """
    odd = [f"{size} of {name}" for name, size in sizes.items() if size & (size - 1) and name != "channel"]
    if odd:
        msg = f"DRAM addresses are cut into bits: {', '.join(odd)} is no power of two; write one"
        raise PlatformError(msg)
    table = np.zeros(ADDRESS_FIELDS, np.int64)
    shift = 0
    for name in reversed(address_fields(mapping)):
        field = "bank" if name == "bank^row" else name
        size = sizes[field]
        is_cut = not size & (size - 1)
        bits = size.bit_length() - 1 if is_cut else 0
        if field in _PLACES:
            table[_PLACES[field] : _PLACES[field] + 2] = shift, size - 1 if is_cut else -size
        if name == "bank^row":
            table[A_MIXED] = bits
        shift += bits
    return table
