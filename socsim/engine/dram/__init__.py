"""DRAM at burst level: banks, bank groups, refresh, bus turnaround and the initiators that compete for them."""
