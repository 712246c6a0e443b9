"""Persistence (D10): the one SQLite writer, and readers of what memory no longer holds."""
