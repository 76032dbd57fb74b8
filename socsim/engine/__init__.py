"""Discrete-event simulation of units, DMA, fabric and memories."""
