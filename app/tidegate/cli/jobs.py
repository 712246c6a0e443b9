"""``list``, ``show`` and ``why``: the jobs as a table, one job in full, and the reasons why one does not run."""

from __future__ import annotations

import time
from functools import partial

from tidegate.cli import connection
from tidegate.cli.exit_codes import ending
from tidegate.cli.formats import counted, duration, moment, percent, size
from tidegate.cli.job_words import memory_of, sentence_of, state_of, state_words, waits_lines
from tidegate.cli.options import ANY, JSON, Given, Option, UsageError, Verb
from tidegate.cli.output import Column, clean, put, put_block, put_json, put_table, say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tidegate.api.client import Client

    Job = dict[str, Any]

SHOWN = 200
"""Rows of a human's list; JSON is never cut."""

COLUMNS = (
    Column("ID"),
    Column("STATUS"),
    Column("NAME", elastic=True, least=10),
    Column("WHY / PROGRESS", elastic=True, least=16),
    Column("MEMORY", right=True),
    Column("STARTED", right=True),
    Column("ENDED", right=True),
)


def _list(given: Given) -> int:
    engine = connection.client()
    everything = given.flag("all")
    limit = _limit(given)
    jobs: list[Job] = connection.ask(lambda: engine.get("/jobs", all=everything, limit=limit))["jobs"]
    if given.flag("json"):
        put_json({"jobs": jobs})
        return 0
    if not jobs:
        hint = "" if everything else " 'tidegate list --all' shows finished ones."
        say(f"No jobs are waiting or running; add one with 'tidegate submit SCRIPT'.{hint}")
        return 0
    now = time.time()
    columns = COLUMNS if everything else COLUMNS[:-1]
    put_table(columns, [_row(job, now)[: len(columns)] for job in jobs], [state_of(job) for job in jobs])
    if len(jobs) == limit:
        _say_what_is_missing(engine, everything, len(jobs))
    return 0


def _limit(given: Given) -> int | None:
    text = given.text("limit")
    if text is None:
        return None if given.flag("json") else SHOWN
    if not text.isdigit() or int(text) == 0:
        raise UsageError(f"--limit {text!r} is no number of rows; it takes 1 or more.")
    return int(text)


def _row(job: Job, now: float) -> list[str]:
    return [
        job["id"],
        state_words(job),
        job["name"],
        sentence_of(job, now),
        memory_of(job),
        moment(job["started_at"], now),
        moment(job["finished_at"], now),
    ]


def _say_what_is_missing(engine: Client, everything: bool, shown: int) -> None:
    counts = connection.ask(lambda: engine.get("/status"))["counts"]
    total = sum(number for state, number in counts.items() if state != "finished" or everything)
    if total > shown:
        say(f"{counted(total - shown, 'more job')} not shown; --limit N shows more, --json all of them.")


def _show(given: Given) -> int:
    engine = connection.client()
    jobs = _fetch(engine, given)
    if given.flag("json"):
        put_json(jobs[0] if len(jobs) == 1 else {"jobs": jobs})
        return 0
    for number, job in enumerate(jobs):
        if number:
            put("")
        _put_job(job, time.time())
    return 0


def _fetch(engine: Client, given: Given) -> list[Job]:
    """The jobs named, an array's elements each."""
    jobs: list[Job] = []
    for id in connection.resolve_ids(engine, given.operands):
        answer = connection.ask(partial(engine.get, f"/jobs/{id}"))
        jobs += answer.get("jobs", [answer])
    return jobs


def _put_job(job: Job, now: float) -> None:
    put_block(
        [
            ("Job", f"{job['id']}  {clean(job['name'])}"),
            ("Status", state_words(job)),
            ("", clean(sentence_of(job, now)) if job["status"] == "finished" or not job["waits"] else ""),
            ("Waits", "\n".join(clean(line) for line in waits_lines(job, now))),
            ("Command", clean(_as_typed(job["command"]))),
            ("Folder", clean(job["cwd"])),
            ("Priority", f"{job['priority']} in queue {clean(job['queue'])}"),
            ("Labels", clean(", ".join(job["labels"]))),
            ("Counts with", _estimate_words(job)),
            ("Uses", _usage_words(job)),
            ("On card", ", ".join(str(index) for index in job["devices"])),
            ("Time limit", duration(job["time_limit_s"]) if job["time_limit_s"] is not None else ""),
            ("Not before", moment(job["begin_at"], now) if job["begin_at"] is not None else ""),
            ("Deadline", moment(job["deadline_at"], now) if job.get("deadline_at") is not None else ""),
            ("", clean(job.get("outlook") or "")),
            ("Preemptible", "" if job["preemptible"] else "no"),
            ("Submitted", moment(job["submitted_at"], now)),
            ("Started", moment(job["started_at"], now) if job["started_at"] is not None else ""),
            ("Ended", moment(job["finished_at"], now) if job["finished_at"] is not None else ""),
            ("Waited for", clean(job.get("last_wait") or "") if not job["waits"] else ""),
            ("Process", str(job["pid"]) if job["pid"] is not None else ""),
            ("Log", clean(job.get("log_path") or "")),
            ("Attempts", "\n".join(_attempt_words(attempt, now) for attempt in job["attempt_list"])),
        ]
    )


def _as_typed(command: list[str]) -> str:
    import shlex

    return shlex.join(command)


def _estimate_words(job: Job) -> str:
    estimate = job["estimate"]
    if estimate is None:
        return ""
    words = f"{size(estimate['memory_bytes'])} of memory ({estimate['source']}), {counted(estimate['cores'], 'core')}"
    gpu = estimate["gpu"]
    if gpu is not None:
        words += f", cards {clean(gpu['text'])}"
        expected = [size(gpu["expected_memory_bytes"])] if gpu["expected_memory_bytes"] is not None else []
        if gpu["expected_utilisation_pct"] is not None:
            expected.append(f"{percent(gpu['expected_utilisation_pct'])} of its time")
        words += f" ({' and '.join(expected)}{' of each' if gpu['count'] > 1 else ''})" if expected else ""
    return words


def _usage_words(job: Job) -> str:
    usage = job["usage"]
    words = []
    if usage["memory_bytes"] is not None and job["status"] != "finished":
        words.append(f"{size(usage['memory_bytes'])} of memory")
    if usage["peak_memory_bytes"] is not None:
        words.append(f"{size(usage['peak_memory_bytes'])} at its peak")
    if usage["cores"] is not None and job["status"] != "finished":
        words.append(f"{usage['cores']:.2g} cores in {counted(usage['processes'] or 1, 'process', 'processes')}")
    if usage.get("threads") is not None and job["status"] != "finished":
        words.append(counted(usage["threads"], "thread"))
    if usage["cpu_s"] is not None:
        words.append(f"{duration(usage['cpu_s'])} of CPU time")
    words += [f"{size(used)} on card {card}" for card, used in usage["gpu_memory_bytes"].items()]
    if job["status"] != "finished":
        words += [f"{percent(pct)} of card {card}" for card, pct in usage.get("gpu_utilisation_pct", {}).items()]
    return ", ".join(words)


def _attempt_words(attempt: dict[str, Any], now: float) -> str:
    words = f"{attempt['number']}  {moment(attempt['started_at'], now)}"
    if attempt["ended_at"] is not None:
        words += f" to {moment(attempt['ended_at'], now)}"
        if attempt["started_at"] is not None:
            words += f" ({duration(attempt['ended_at'] - attempt['started_at'])})"
    if attempt["outcome"]:
        words += f", {str(attempt['outcome']).replace('_', ' ')}"
    if attempt["why"]:
        words += f": {clean(attempt['why'])}"
    return words


def _why(given: Given) -> int:
    engine = connection.client()
    jobs = _fetch(engine, given)
    if given.flag("json"):
        pictures = [
            {key: job[key] for key in ("id", "name", "status", "outcome", "why", "waits", "outlook")} for job in jobs
        ]
        put_json(pictures[0] if len(pictures) == 1 else {"jobs": pictures})
        return 0
    now = time.time()
    for job in jobs:
        finished = job["status"] == "finished"
        head = f"Job {job['id']} ({clean(job['name'])}) {'has ended' if finished else 'is ' + state_words(job)}"
        sentence = ending(job) if finished else sentence_of(job, now) if not job["waits"] else ""
        put(f"{head}: {clean(sentence)}" if sentence else head)
        for line in waits_lines(job, now):
            put(f"  {clean(line)}")
        if job.get("outlook"):
            put(f"  {clean(job['outlook'])}")
    return 0


VERBS = {
    "list": Verb(
        "list",
        _list,
        "[--all]",
        (
            Option("all", "Finished jobs too.", short="a"),
            Option("limit", f"How many rows at most ({SHOWN}; with --json all).", value="N"),
            JSON,
        ),
    ),
    "show": Verb("show", _show, "ID...", (JSON,), operands=(1, ANY), complete="ids"),
    "why": Verb("why", _why, "ID...", (JSON,), operands=(1, ANY), complete="ids"),
}
