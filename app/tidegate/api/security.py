"""The door: who may call over TCP, from which page, and how much; outermost, so that nothing is reached without it."""

from __future__ import annotations

import hmac
import logging
from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tidegate.api.encoding import MEDIA_TYPE, encode
from tidegate.api.errors import ApiProblem, bug_sentence, problem_object

log = logging.getLogger(__name__)

OPEN_PATHS = frozenset({"/health", "/ready", "/api/v1/health", "/api/v1/ready"})
"""Answered without a token: they say nothing but whether the engine is well."""
LOCAL_NAMES = frozenset({"127.0.0.1", "localhost"})
MAX_BODY_BYTES = 64 * 1024 * 1024


class Guard:
    """ASGI middleware. The Unix socket is protected by its folder and mode; TCP requests must prove themselves.

    Host must name this machine's loopback, so that a web page whose name resolves to 127.0.0.1 is not heard (DNS
    rebinding); a browser's Origin must be our own, so that no other page's script is.
    """

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._token = token.encode("ascii")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is not None:
            await _refuse(scope, receive, send, refusal)
            return
        started = False

        async def noticing(message: Message) -> None:
            nonlocal started
            started = started or message["type"] in ("http.response.start", "websocket.accept", "websocket.close")
            await send(message)

        try:
            await self._app(scope, _bounded(scope, receive), noticing)
        except Exception as error:
            log.error("%s %s failed", scope.get("method", "WS"), scope["path"], exc_info=error)
            if not started:
                await _refuse(scope, receive, send, ApiProblem(500, "internal", bug_sentence(error)))

    def _refusal(self, scope: Scope) -> ApiProblem | None:
        headers = _headers(scope)
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > MAX_BODY_BYTES:
            return _too_large()
        if is_unix(scope):
            return None
        host = headers.get(b"host", b"")
        if not _is_local(host):
            name = host.decode("latin-1")
            return ApiProblem(
                403, "forbidden", f'The Host header "{name}" is not accepted; use 127.0.0.1 or localhost.', "Host", name
            )
        origin = headers.get(b"origin")
        if origin is not None and origin != b"http://" + host:
            name = origin.decode("latin-1")
            return ApiProblem(403, "forbidden", f'Web pages of "{name}" may not call Tidegate.', "Origin", name)
        if scope["path"] in OPEN_PATHS or self._knows_token(headers.get(b"authorization", b"")):
            return None
        return ApiProblem(
            401, "unauthorised", "The header Authorization: Bearer TOKEN is missing or wrong; `tidegate doctor` names "
            "the file that holds the token."
        )  # fmt: skip

    def _knows_token(self, header: bytes) -> bool:
        scheme, _, given = header.partition(b" ")
        return scheme.lower() == b"bearer" and hmac.compare_digest(given.strip(), self._token)


def _headers(scope: Scope) -> Mapping[bytes, bytes]:
    """Names in lower case. One given twice holds both, joined, and so matches nothing that is accepted."""
    found: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        found[name] = f"{found[name]!r},{value!r}".encode() if name in found else value
    return found


def is_unix(scope: Scope) -> bool:
    """uvicorn gives (path, None) for a Unix socket; anything it cannot tell counts as TCP."""
    server = scope.get("server")
    return server is not None and server[1] is None


def _is_local(host: bytes) -> bool:
    name, colon, port = host.decode("latin-1").lower().partition(":")
    return name in LOCAL_NAMES and (not colon or (port.isascii() and port.isdigit()))


def _too_large() -> ApiProblem:
    return ApiProblem(
        413, "usage", f"The request is too large: at most {MAX_BODY_BYTES // 2**20} MB are taken at once."
    )


def _bounded(scope: Scope, receive: Receive) -> Receive:
    """``receive`` that refuses a chunked body beyond the limit; one with a length was judged by it already."""
    if scope["type"] != "http" or all(name != b"transfer-encoding" for name, _ in scope["headers"]):
        return receive
    taken = 0

    async def counting() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > MAX_BODY_BYTES:
            raise HTTPException(413, _too_large().sentence)
        return message

    return counting


async def _refuse(scope: Scope, receive: Receive, send: Send, problem: ApiProblem) -> None:
    """Answer without asking the application. A refused WebSocket gets the same answer where the server can send it."""
    prefix = ""
    if scope["type"] == "websocket":
        await receive()
        if "websocket.http.response" not in scope.get("extensions", {}):
            await send({"type": "websocket.close", "code": 1008, "reason": problem.sentence[:120]})
            return
        prefix = "websocket."
    body = encode(problem_object(problem.kind, problem.sentence, problem.field, problem.value))
    headers = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(body)).encode())]
    if problem.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if problem.status == 413:
        headers.append((b"connection", b"close"))
    await send({"type": f"{prefix}http.response.start", "status": problem.status, "headers": headers})
    await send({"type": f"{prefix}http.response.body", "body": body, "more_body": False})
