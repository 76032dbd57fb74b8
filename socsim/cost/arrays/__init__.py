"""Engines of NPUs: how a loop nest runs on an array, one file for each kind of array."""
