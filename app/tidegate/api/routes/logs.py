"""What a job has written: a piece of its log, or a stream that follows it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response, StreamingResponse

from tidegate.api.context import Api
from tidegate.api.errors import read_id
from tidegate.api.log_stream import MAX_PIECE_BYTES, PIECE_BYTES, follow, read_as_it_is, read_piece, wait_for_piece

MEDIA_TYPE = "application/octet-stream"


def router(api: Api) -> APIRouter:
    routes = APIRouter(tags=["jobs"])

    @routes.get("/jobs/{id}/log", response_class=Response)
    async def log(
        id: str,
        attempt: Annotated[int | None, Query(ge=1)] = None,
        offset: int = 0,
        limit: Annotated[int, Query(ge=1, le=MAX_PIECE_BYTES)] = PIECE_BYTES,
        follow_: Annotated[bool, Query(alias="follow")] = False,
        wait_s: Annotated[float, Query(ge=0, le=60)] = 0.0,
        offset_attempt: Annotated[int | None, Query(ge=1)] = None,
        marks: bool = True,
    ) -> Response:
        """Bytes of a job's log from ``offset`` (negative: from the end), its latest attempt's by default.

        ``follow=1`` streams until the job has finished. ``wait_s`` holds the answer while there is nothing new;
        the header X-Tidegate-Next-Offset is where the next request goes on, X-Tidegate-Ended is 1 when all is sent.
        Where a capped log gave its middle back, one line in square brackets stands in its place.
        X-Tidegate-Attempt names whose log it is. Without ``attempt``, ``offset_attempt`` says which attempt ``offset``
        counts in: when the job has begun another one, the answers are the rest of that log, then the new one's start.
        ``marks=0`` gives the bytes as they lie in the file at once, without lines of ours.
        """
        job = read_id(id)
        if follow_:
            first = await read_piece(api, job, attempt, offset, limit)
            stream = follow(api, job, attempt, first, limit)
            return StreamingResponse(stream, headers=first.headers(), media_type=MEDIA_TYPE)
        if not marks:
            piece = await read_as_it_is(api, job, attempt, offset, limit)
            return Response(piece.data, headers=piece.headers(), media_type=MEDIA_TYPE)
        piece = await wait_for_piece(api, job, attempt, offset, limit, wait_s, offset_attempt)
        return Response(piece.data, headers=piece.headers(), media_type=MEDIA_TYPE)

    return routes
