"""The terminal's way in: one short-lived client of the engine's API per verb, one file per group of verbs."""
