"""Changes to a job that still waits, in the words of ``submit``; only what was named changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tidegate.core.job import JobSpec
from tidegate.submission.limits import check_limits
from tidegate.submission.options import Wishes, from_command_line, merge, read_wishes
from tidegate.submission.request import MachineFacts, Refused

# Which field of a job each option sets; what is not here (the command, the array) is settled once it is submitted.
_FIELDS: dict[str, str] = {
    "cpus": "cores",
    "mem": "memory_bytes",
    "mem-limit": "memory_limit_bytes",
    "gpu": "gpu",
    "device": "device",
    "time": "time_limit_s",
    "priority": "priority",
    "queue": "queue",
    "name": "name",
    "after": "after",
    "begin": "begin_at",
    "deadline": "deadline_at",
    "retries": "retries",
    "retry-delay": "retry_delay_s",
    "label": "labels",
    "locks": "locks",
    "on-preempt": "on_preempt",
    "preemptible": "preemptible",
}


def edited(spec: JobSpec, changes: Mapping[str, str], facts: MachineFacts, now: float) -> JobSpec | str:
    """The changed job, or one sentence why it cannot be changed so."""
    try:
        given = from_command_line(changes)
        wishes = read_wishes(merge(given), now, None)
        fixed = [change.key for change in given if change.key not in _FIELDS]
        if fixed:
            return f"{fixed[0]} cannot be changed after submit; {', '.join(_FIELDS)} can."
        changed = replace(spec, **_changes(wishes, [change.key for change in given]))
        begin, deadline = changed.begin_at, changed.deadline_at
        if begin is not None and deadline is not None and deadline <= begin:
            return "its deadline would lie before its begin; change both, or say begin=none."
        check_limits(wishes, facts)
    except Refused as refused:
        return refused.sentence
    return changed


def _changes(wishes: Wishes, keys: list[str]) -> dict[str, Any]:
    return {_FIELDS[key]: getattr(wishes, _FIELDS[key]) for key in keys}
