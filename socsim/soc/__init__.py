"""Platforms: the schema of a described SoC, its loader, and software runtimes."""
