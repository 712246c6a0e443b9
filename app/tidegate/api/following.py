"""Following an engine in another process on a thread: connect, load, listen, and again when it comes back."""

from __future__ import annotations

import codecs
import json
import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import tidegate
from tidegate.api.client import ApiError, Client, EventStream, NoEngine, with_query
from tidegate.api.decoding import decoder
from tidegate.api.mirror import FINISHED_KEPT, PIECE, WAITING_KEPT, Mirror
from tidegate.core.job import JobId
from tidegate.engine.ports import Change
from tidegate.engine.views import ConflictView, HintView, JobView, SettingView, StatusView

log = logging.getLogger(__name__)

NOWHERE = "0-0"
"""A place in the stream that no engine has: it begins with a reset, and nothing falls between that and loading."""
SILENCE_S = 40.0
"""Heartbeats come every 15 s: after two missed ones nobody is there."""
RETRY_S = 0.3
RETRY_AFTER_BUG_S = 10.0
PACE_S = 0.1
"""Between the pieces of a long difference: views take each in before the next one comes."""
JOBS_AT_MOST = WAITING_KEPT + FINISHED_KEPT
UNLIKE = "The engine is Tidegate {theirs} and this window {ours}"
START_ANEW = "Quit Tidegate and start it anew once both are of one version."
UNREADABLE = "What the engine says cannot be read; the window's log has the details. It is asked again in 10 seconds."


class Follower:
    """Keeps ``mirror``; ``deliver`` and ``tell`` (whether the engine is there) are called on its thread."""

    def __init__(self, client: Client, deliver: Callable[[Change], None], tell: Callable[[bool], None]) -> None:
        self.mirror: Mirror | None = None
        self.remark: str | None = None
        """What a person should know of an engine that answers: it is of another version, or cannot be understood."""
        self._version: str | None = None
        self._client = client
        self._deliver = deliver
        self._tell = tell
        self._said: tuple[bool, str | None] = (False, None)
        self._stream: EventStream | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="tidegate-remote", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def closing(self) -> bool:
        return self._closing.is_set()

    def stop(self) -> None:
        self._closing.set()
        stream = self._stream
        if stream is not None:
            stream.abort()

    def join(self, within_s: float) -> None:
        self._thread.join(within_s)

    def _follow(self) -> None:
        """The thread: connect, load, listen; again when that ends."""
        while not self._closing.is_set():
            pause_s, remark = RETRY_S, None
            try:
                for found in self._over_the_line():
                    if found.get("reset"):
                        self._load()
                    else:
                        self._take(read_change(found))
                    self._say(True, self._unlike("some of it may be missing here"))
            except (NoEngine, ApiError) as error:
                if self._said[0] and not self._closing.is_set():
                    log.info("the engine is gone: %s", error)
            except Exception:
                # A bug of ours, or an engine of another version: begin anew rather than show what may be wrong.
                log.exception("the engine's changes could not be followed; everything is loaded anew")
                pause_s, remark = RETRY_AFTER_BUG_S, self._unlike("they do not understand each other") or UNREADABLE
            self._say(False, remark)
            self._closing.wait(pause_s)

    def _over_the_line(self) -> Iterator[dict[str, Any]]:
        """One connection's changes, a reset first. Not resumed: what left the engine's memory is never sent again."""
        stream = self._stream = self._client.listen(NOWHERE, SILENCE_S)
        if self._closing.is_set():  # too late to be aborted from there
            stream.abort()
        try:
            yield from stream
        finally:
            self._stream = None

    def _load(self) -> None:
        """The whole picture; views are told what is different from the one before."""
        get = self._client.get
        found = get("/status")
        self._version = found.get("version")
        status = decoder(StatusView)(found)
        settings = map(decoder(SettingView), get("/config")["settings"])
        newer = Mirror(status, settings, self._last_number())
        jobs = get_jobs(self._client, finished=FINISHED_KEPT, limit=JOBS_AT_MOST)
        if len(jobs) == JOBS_AT_MOST:  # a long line: the finished ones stand behind what was asked for
            unfinished = sum(number for name, number in status.counts.items() if name != "finished")
            jobs += get_jobs(self._client, finished=FINISHED_KEPT, offset=unfinished, limit=FINISHED_KEPT)
        newer.load(
            jobs,
            all_finished=sum(job.status == "finished" for job in jobs) < FINISHED_KEPT,
            conflicts=map(decoder(ConflictView), self._open("conflicts")),
            hints=map(decoder(HintView), self._open("hints")),
        )
        older, self.mirror = self.mirror, newer
        for change in older.differences(newer) if older is not None else ():
            self._deliver(change)
            if len(change.jobs) == PIECE:
                self._closing.wait(PACE_S)

    def _open(self, what: str) -> list[dict[str, Any]]:
        """Conflicts or hints; an older engine has none."""
        try:
            found: list[dict[str, Any]] = self._client.get(f"/{what}")[what]
        except ApiError as error:
            if error.kind != "no_route":
                raise
            return []
        return found

    def _last_number(self) -> int | None:
        try:
            return JobId.parse(self._client.get("/jobs/last")["id"]).number
        except ApiError as error:
            if error.kind != "unknown":
                raise
            return None

    def _take(self, change: Change) -> None:
        assert self.mirror is not None, "a reset comes first"
        self.mirror.apply(change)
        self._deliver(change)

    def _unlike(self, so: str) -> str | None:
        """A sentence when the engine is of another version than this program."""
        if self._version in (None, tidegate.__version__):
            return None
        return f"{UNLIKE.format(theirs=self._version, ours=tidegate.__version__)}; {so}. {START_ANEW}"

    def _say(self, online: bool, remark: str | None) -> None:
        if (online, remark) != self._said:
            self._said, self.remark = (online, remark), remark
            if online:
                log.info("an engine is there")
            self._tell(online)


def get_jobs(client: Client, **query: object) -> list[JobView]:
    """The jobs that the engine lists, as ``Desk.jobs`` has them."""
    pieces = client.stream(with_query("/jobs", query), SILENCE_S)
    return list(map(decoder(JobView), objects_in(pieces)))


def read_change(found: dict[str, Any]) -> Change:
    """A change as the stream has it; of a notice of a kind that this version does not know, only the rest."""
    try:
        return decoder(Change)(found)
    except ValueError as error:
        log.warning("a notice of the engine cannot be read: %s", error)
        return decoder(Change)({name: value for name, value in found.items() if name != "notice"})


def objects_in(pieces: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """The objects in ``{"name": [...]}`` as it arrives: parsed at once it would hold every thread up meanwhile."""
    as_text = codecs.getincrementaldecoder("utf-8")()
    parse = json.JSONDecoder().raw_decode
    text, at, begun = "", 0, False
    for piece in pieces:
        text, at = text[at:] + as_text.decode(piece), 0
        if not begun:
            at = text.find("[") + 1
            begun = at > 0
        while begun and (start := text.find("{", at)) >= 0:
            try:
                found, at = parse(text, start)
            except ValueError:  # its end is still to come
                break
            yield found
