"""``submit --dry-run``: what the same words would come to now, without adding anything."""

from __future__ import annotations

import os

from tidegate.cli import connection
from tidegate.cli.formats import duration
from tidegate.cli.output import clean, put, put_json, say
from tidegate.cli.submit import current_folder, entries, raw_options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tidegate.api.client import Client
    from tidegate.cli.options import Given


def put_preview(given: Given, engine: Client) -> int:
    """Print what would happen to each job; exit 1 when one would be refused."""
    body = {
        "jobs": entries(given),
        "cwd": current_folder(),
        "environment": dict(os.environ),
        "options": raw_options(given, engine),
    }
    answer = connection.ask_or_start(given, engine, lambda: engine.post("/jobs/preview", body))
    previews: list[dict[str, Any]] = answer["jobs"]
    if given.flag("json"):
        put_json({"jobs": previews})
    else:
        for number, preview in enumerate(previews):
            if number:
                put("")
            _put_one(preview)
    return 1 if any(preview["refused"] for preview in previews) else 0


def _put_one(preview: dict[str, Any]) -> None:
    from tidegate.submission import outlook

    for warning in preview.get("warnings") or ():
        say(f"warning: {warning}")
    job, understood = preview["job"], preview.get("understood") or {}
    held = job is not None and job["status"] == "held"
    put(clean(outlook.outcome(preview["refused"], preview["would_start"], held, preview["sentence"])))
    if job is not None:
        put(f"  runs        {clean(' '.join(job['command']))}")
        put(f"  in          {clean(job['cwd'])}")
        if job["estimate"]:
            estimate, gpu = job["estimate"], job["estimate"]["gpu"] or {}
            words = outlook.needs(
                estimate["memory_bytes"],
                estimate["source"],
                estimate["cores"],
                gpu.get("count"),
                gpu.get("memory_bytes"),
                estimate["duration_s"],
                gpu.get("text", ""),
            )
            put(f"  counts with {words}")
        if job["time_limit_s"] is not None:
            put(f"  at most     {duration(job['time_limit_s'])}")
        if job.get("outlook"):
            put(f"  deadline    {clean(job['outlook'])}")
    for label in ("interpreter", "environment"):
        if understood.get(label):
            put(f"  {label:<11} {clean(str(understood[label]))}")
    for directive in understood.get("directives") or ():
        put(f"  directive   {clean(str(directive))}")
