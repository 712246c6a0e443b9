"""How a finished job becomes the exit code of ``run`` and ``wait`` (D11)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

FAILED, TIMED_OUT, STOPPED, NEVER_RAN = 1, 124, 125, 126
STOPPED_OUTCOMES = ("cancelled", "killed", "timed_out", "lost")
"""Ended from outside: by a person, by the guard, by its own time limit, or unknown."""


def code_of(job: dict[str, Any]) -> int:
    """A job's own code passes through; death by a signal is 128 + its number."""
    outcome, code, signal = job["outcome"], job["exit_code"], job["signal"]
    if outcome == "succeeded":
        return int(code or 0)
    if outcome == "skipped":
        return NEVER_RAN
    if outcome in STOPPED_OUTCOMES:
        return STOPPED
    if signal is not None:
        return 128 + int(signal)
    return int(code) if code else FAILED


def code_of_all(jobs: Iterable[dict[str, Any]]) -> int:
    """The first that is not zero, in order."""
    return next((code for code in map(code_of, jobs) if code), 0)


def ending(job: dict[str, Any]) -> str:
    """How a job ended, for a person: ``failed with exit code 3``."""
    words = str(job["outcome"]).replace("_", " ")
    if job["outcome"] == "failed":
        if job["signal"] is not None:
            words = f"died of signal {job['signal']}"
        elif job["exit_code"] is not None:
            words = f"failed with exit code {job['exit_code']}"
    return f"{words}: {job['why']}" if job.get("why") else words
