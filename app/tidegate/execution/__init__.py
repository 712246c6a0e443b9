"""Execution: starting, stopping and reaping real processes through the keeper."""

PROTOCOL = 1  # between app and keeper; both sides import it from here
