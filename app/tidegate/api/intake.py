"""From the body of a submit to submissions the engine takes: every entry is understood, or the whole is refused."""

from __future__ import annotations

import time
from collections.abc import Mapping

from tidegate.api.context import ApiContext
from tidegate.api.schema import JobInput, SubmitInput
from tidegate.engine.ports import Submission
from tidegate.submission.build import build, build_alike
from tidegate.submission.request import Refused, SubmitRequest, Understood


def understand(body: SubmitInput, context: ApiContext, *, keep_environment: bool = True) -> list[Understood]:
    """What each entry means; reads files and stores the environment, so it belongs on a worker thread.

    Raises Refused, naming the entry when there are several. Without ``keep_environment`` nothing is written.
    """
    facts, python, now = context.facts(), context.settings().python, time.time()
    environments_dir = context.paths.environments_dir if keep_environment else None
    environment: Mapping[str, str] = body.environment
    understood: list[Understood] = []
    before: SubmitRequest | None = None
    for number, entry in enumerate(body.jobs, start=1):
        request = SubmitRequest(
            script=entry.script,
            command=None if entry.command is None else tuple(entry.command),
            line=entry.line,
            args=tuple(entry.args),
            cwd=body.cwd,
            environment=environment,
            options=body.options,
        )
        try:
            alike = build_alike(understood[-1], before, request) if before is not None else None
            if alike is not None:
                understood.append(alike)
            else:
                understood += build(request, facts, python=python, now=now, environments_dir=environments_dir)
        except Refused as refused:
            if len(body.jobs) == 1:
                raise
            raise _naming(entry, number, refused) from refused
        before = request
    return understood


def submission_of(job: Understood) -> Submission:
    return Submission(job.spec, job.held, job.warnings, job.array)


def _naming(entry: JobInput, number: int, refused: Refused) -> Refused:
    what = "Line" if entry.line is not None else "Job"
    return Refused(refused.field, refused.value, f"{what} {number}: {refused.sentence}", refused.usage)
