"""Whole applications on a platform: where their steps go, what they cost there, and what happens over time."""
