"""Measurements on the machine at hand: models in the software that runs them, and a platform file of the machine."""
