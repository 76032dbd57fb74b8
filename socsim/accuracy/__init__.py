"""Predicted against measured: tables of measurements, what to run for each row, groups and their scores."""
