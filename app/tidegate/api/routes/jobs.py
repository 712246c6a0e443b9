"""Jobs in and out: submit, preview, list, one job, and waiting for them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response, StreamingResponse

from tidegate.api.context import Api
from tidegate.api.decoding import LARGEST
from tidegate.api.encoding import JOBS_AT_ONCE, MEDIA_TYPE, encode_list, reply
from tidegate.api.errors import ApiProblem, closing, read_id, unknown_job
from tidegate.api.intake import submission_of, understand
from tidegate.api.schema import SubmitInput, WaitInput, answers, answers_view
from tidegate.core.job import JobId
from tidegate.engine.ports import Submitted
from tidegate.engine.views import JobView


def router(api: Api) -> APIRouter:
    routes = APIRouter(tags=["jobs"])
    desk = api.desk

    @routes.post("/jobs", openapi_extra=answers("One entry per submitted job; an array has one id.", jobs=["object"]))
    async def submit(body: SubmitInput) -> Response:
        """Submit jobs, all or none: anything that cannot be understood refuses the whole request with one sentence."""
        understood = await asyncio.to_thread(understand, body, api.context)
        submitted = await desk.submit([submission_of(job) for job in understood])
        if len(submitted) == 1 and submitted[0].refused is not None:
            raise ApiProblem(422, "refused", submitted[0].refused)
        return reply({"jobs": [submitted_object(each) for each in submitted]})

    @routes.post("/jobs/preview", openapi_extra=answers("What would happen now, per job.", jobs=["object"]))
    async def preview(body: SubmitInput) -> Response:
        """What would happen to these jobs if they were submitted now; nothing is kept."""
        previews: list[dict[str, object]] = []
        for job in await asyncio.to_thread(understand, body, api.context, keep_environment=False):
            found = await desk.preview(submission_of(job))
            previews.append(
                {
                    "would_start": found.would_start,
                    "refused": found.refused,
                    "sentence": found.sentence,
                    "job": found.job,
                    "warnings": job.warnings,
                    "understood": {
                        "interpreter": job.interpreter,
                        "environment": job.environment,
                        "directives": job.directives,
                    },
                }
            )
        return reply({"jobs": previews})

    @routes.get("/jobs", openapi_extra=answers("Active jobs, then waiting ones, then finished ones.", jobs=[JobView]))
    async def list_jobs(
        all: bool = False,
        finished: Annotated[int | None, Query(ge=0, le=LARGEST)] = None,
        offset: Annotated[int, Query(ge=0)] = 0,
        limit: Annotated[int | None, Query(ge=1)] = None,
    ) -> Response:
        """Jobs in line order; ``all=1`` with every finished one, ``finished=N`` with the newest N."""
        if all:
            views = await asyncio.to_thread(desk.jobs, finished=None, offset=offset, limit=limit)
        else:
            views = desk.jobs(finished=finished or 0, offset=offset, limit=limit)
        if len(views) <= JOBS_AT_ONCE:
            return reply({"jobs": views})
        return StreamingResponse(_in_pieces(views), media_type=MEDIA_TYPE)

    @routes.get("/jobs/last", openapi_extra=answers("An id.", id="string"))
    async def last(n: Annotated[int, Query(ge=0)] = 0) -> Response:
        """The id of the job submitted last; ``n=1`` the one before it, and so on (an array counts once)."""
        found = await asyncio.to_thread(_last, api, n)
        if found is None:
            sentence = "No job has been submitted yet." if n == 0 else f"There are not {n + 1} jobs yet."
            raise ApiProblem(404, "unknown", sentence, "n", str(n))
        return reply({"id": str(found)})

    @routes.get("/jobs/{id}", openapi_extra=answers_view("The job; an array's number gives its elements.", JobView))
    async def show(id: str) -> Response:
        wanted = read_id(id)
        views = await asyncio.to_thread(desk.job, wanted)
        if not views:
            raise unknown_job(wanted)
        if wanted.index is None and views[0].index is not None:
            return reply({"jobs": views})
        return reply(views[0])

    @routes.post("/wait", openapi_extra=answers("The finished jobs.", jobs=[JobView], timed_out="boolean"))
    async def wait(body: WaitInput, request: Request) -> Response:
        """Answers when the jobs have finished, or with ``timed_out`` when the time ran out."""
        ids = [read_id(text) for text in body.ids]
        for wanted in ids:
            if not await asyncio.to_thread(desk.job, wanted):
                raise unknown_job(wanted)
        waiting = asyncio.ensure_future(desk.wait(ids, body.timeout_s, body.any_one))
        stopping = asyncio.ensure_future(api.stopping.wait())
        leaving = asyncio.ensure_future(_disconnected(request))
        try:
            await asyncio.wait((waiting, stopping, leaving), return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                raise closing()
            views = waiting.result()
        finally:
            for task in (waiting, stopping, leaving):
                task.cancel()
        return reply({"jobs": views or [], "timed_out": views is None})

    return routes


def submitted_object(submitted: Submitted) -> dict[str, object]:
    return {
        "id": None if submitted.id is None else str(submitted.id),
        "warnings": submitted.warnings,
        "notes": submitted.notes,
        "refused": submitted.refused,
    }


async def _in_pieces(views: list[JobView]) -> AsyncIterator[bytes]:
    for piece in encode_list("jobs", views):
        yield piece
        await asyncio.sleep(0)


def _last(api: Api, back: int) -> JobId | None:
    """The job ``back`` before the newest; numbers that hold no job (they were never committed) do not count."""
    number = api.desk.last_number() or 0
    while number > 0:
        if api.desk.job(JobId(number)):
            if back == 0:
                return JobId(number)
            back -= 1
        number -= 1
    return None


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
