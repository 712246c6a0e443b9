"""Wiring: the one place that builds the live program out of real parts; each part loads when it is asked for."""
