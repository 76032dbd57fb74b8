"""Placement strategies: which unit runs which operators of a network, and in which order."""
