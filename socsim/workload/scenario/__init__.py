"""Scenarios: applications that share one SoC, as data."""
