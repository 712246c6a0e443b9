"""A job in a person's words: one word for its state, one sentence for what it does or waits for."""

from __future__ import annotations

from tidegate.cli.exit_codes import ending
from tidegate.cli.formats import duration, moment, size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Job = dict[str, Any]


def state_of(job: Job) -> str:
    """The status, or for a finished job its outcome: the word that colours and columns go by."""
    return str(job["outcome"] if job["status"] == "finished" else job["status"])


def state_words(job: Job) -> str:
    return state_of(job).replace("_", " ")


def sentence_of(job: Job, now: float) -> str:
    """Why it waits, how it runs, or how it ended."""
    status = job["status"]
    if status == "finished":
        words = ending(job)
        return "" if words == "succeeded" else words
    if job["waits"]:
        first = job["waits"][0]["sentence"]
        more = len(job["waits"]) - 1
        return f"{first} (and {more} more)" if more else str(first)
    if status == "running" and job["started_at"] is not None:
        words = f"for {duration(max(0.0, now - job['started_at']))}"
        if job["time_limit_s"] is not None:
            words += f" of at most {duration(job['time_limit_s'])}"
        return words
    return str(job["why"] or "")


def memory_of(job: Job) -> str:
    """``1.2 GB / 4.0 GB``: measured and reserved; for a finished job its peak, for a waiting one its estimate."""
    usage = job["usage"]
    if job["status"] == "finished":
        return size(usage["peak_memory_bytes"])
    if usage["reserved_bytes"] is not None:
        return f"{size(usage['memory_bytes'])} / {size(usage['reserved_bytes'])}"
    estimate = job["estimate"]
    return f"- / {size(estimate['memory_bytes'])}" if estimate else "-"


def waits_lines(job: Job, now: float) -> list[str]:
    """Each reason's sentence, with when it may end where that is known."""
    lines = []
    for wait in job["waits"]:
        line = str(wait["sentence"])
        if wait["until"] is not None:
            left = duration(max(0.0, wait["until"] - now))
            line += f" (may end at {moment(wait['until'], now)}, in {left})"
        lines.append(line)
    return lines
