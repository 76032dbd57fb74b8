"""Bit-exact execution of quantized graphs under named sets of rounding rules."""
