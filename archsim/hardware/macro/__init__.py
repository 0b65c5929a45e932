"""Circuits of compute-in-memory macros: cells, lines, converters and adders, from C * V^2 up."""
