"""Workloads: the graph that every importer makes, and the importers."""
