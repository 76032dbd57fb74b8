"""Checks that socsim's own tests use, and that users may run on their results."""
