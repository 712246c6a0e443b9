"""Conflicts and hints over HTTP and push: what is open, what ended, and what each click asks of the engine."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from fastapi import APIRouter

from api.conftest import Served
from api.test_api_push import collect
from api.test_remote_desk import Engine, attached, engine
from support.until import eventually
from tidegate.api.decoding import decoder
from tidegate.api.following import read_change
from tidegate.api.mirror import MISSED
from tidegate.api.remote_desk import RemoteDesk
from tidegate.api.routes import advice
from tidegate.engine.ports import (
    Answer,
    ApplyHint,
    Change,
    EngineUnwilling,
    Notice,
    NoticeKind,
    NoticeOffer,
    ResolveConflict,
)
from tidegate.engine.views import ConflictView, HintView
from tidegate.paths import Paths

__all__ = ["engine"]
PAUSE = NoticeOffer("Pause eval.py", ResolveConflict(3, "pause_later"))
LOWER = NoticeOffer("Ask for 2 GB", ApplyHint(4))


def test_conflicts_come_by_severity_and_ended_ones_newest_first(served: Served) -> None:
    desk = served.desk
    for id, severity in ((1, "low"), (2, "critical"), (3, "medium"), (4, "critical")):
        desk.conflict(id, severity=severity)
    found = served.client.get("/conflicts")["conflicts"]
    assert [each["id"] for each in found] == [2, 4, 3, 1]
    assert list(map(decoder(ConflictView), found)) == desk.conflicts()
    for id in (1, 3, 4):
        desk.end_conflict(id)
    assert [each["id"] for each in served.client.get("/conflicts")["conflicts"]] == [2]
    ended = served.client.get("/conflicts", closed=True, limit=2)["conflicts"]
    assert [each["id"] for each in ended] == [4, 3]
    assert ended[0]["closed_because"] == "It went away by itself."


def test_a_conflict_is_settled_in_the_way_asked_for(served: Served) -> None:
    for id in (1, 2):
        served.desk.conflict(id)
    found = served.client.post("/conflicts/1/resolve", {"way": "cancel_later"})["results"]
    assert found == [
        {"id": None, "answer": "done", "sentence": "Conflict 1 is resolved: Cancel eval.py.", "offer": None}
    ]
    assert served.client.post("/conflicts/2/resolve", {})["results"][0]["answer"] == "done"
    assert served.desk.errands == [ResolveConflict(1, "cancel_later"), ResolveConflict(2)]


def test_hints_are_listed_applied_and_dismissed(served: Served) -> None:
    for id in (1, 2, 3):
        served.desk.hint(id)
    found = served.client.get("/hints")["hints"]
    assert list(map(decoder(HintView), found)) == served.desk.hints()
    served.client.post("/hints/1/apply", {})
    served.client.post("/hints/2/dismiss", {})
    assert [each["id"] for each in served.client.get("/hints")["hints"]] == [3]
    ended = served.client.get("/hints", closed=True)["hints"]
    assert {each["id"]: each["closed_because"] for each in ended} == {1: "Applied.", 2: "Dismissed."}


@pytest.mark.parametrize("path", ["conflicts/9/resolve", "hints/9/apply", "hints/9/dismiss"])
def test_an_unknown_number_is_404_with_a_sentence(served: Served, path: str) -> None:
    status, found = served.with_token("POST", f"/api/v1/{path}", {})
    assert (status, found["error"]["kind"]) == (404, "unknown")
    assert found["error"]["sentence"].startswith("There is no ")


def test_what_is_refused_is_409_with_why(served: Served) -> None:
    served.desk.conflict(1)
    served.desk.hint(1)
    served.desk.stubborn = "job 2 has ended by now"
    for path in ("conflicts/1/resolve", "hints/1/apply", "hints/1/dismiss"):
        status, found = served.with_token("POST", f"/api/v1/{path}", {})
        assert (status, found["error"]["kind"]) == (409, "refused")
        assert found["error"]["sentence"] == "Job 2 has ended by now."


def test_an_unknown_way_is_422_and_names_those_there_are(served: Served) -> None:
    served.desk.conflict(1)
    served.desk.conflict(2, ways=())
    for id, accepted in ((1, "accepted: pause_later, cancel_later."), (2, "it offers none.")):
        status, found = served.with_token("POST", f"/api/v1/conflicts/{id}/resolve", {"way": "pray"})
        assert (status, found["error"]["field"]) == (422, "way")
        assert found["error"]["sentence"] == f'way: "pray" is no way to settle conflict {id}; {accepted}'
    assert served.desk.errands == []


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "conflicts?limit=0", None),
        ("GET", "conflicts?closed=perhaps", None),
        ("GET", "hints?limit=x", None),
        ("POST", "conflicts/0/resolve", {}),
        ("POST", "conflicts/1.5/resolve", {}),
        ("POST", "conflicts/1/resolve", {"way": 3}),
        ("POST", "conflicts/1/resolve", {"wya": "pause_later"}),
        ("POST", "hints/x/apply", {}),
        ("POST", "hints/1/apply", {"way": "x"}),
        ("POST", f"hints/{2**63}/dismiss", {}),
    ],
)
def test_nonsense_is_refused_with_a_sentence(served: Served, method: str, path: str, body: object) -> None:
    served.desk.conflict(1)
    served.desk.hint(1)
    status, found = served.with_token(method, f"/api/v1/{path}", body)
    assert status == 422
    assert found["error"]["sentence"].endswith((".", "did you mean way?"))
    assert served.desk.errands == []


def test_both_are_pushed_and_come_back_as_they_were(served: Served) -> None:
    events = collect(served, 3)
    conflict, hint = served.desk.conflict(numbers={"over_bytes": 2.5e9}), served.desk.hint()
    served.desk.end_hint(1)
    first, second, third = map(read_change, events())
    assert (first.conflicts, first.hints, second.hints) == ((conflict,), (), (hint,))
    assert third.hints[0].closed_because == "It no longer holds."


def test_what_a_notice_offers_about_them_travels_and_names_its_own_path(served: Served) -> None:
    sent = served.desk.notify("Two jobs write one file", "", kind=NoticeKind.CONFLICT, offers=(PAUSE, LOWER))
    [found] = served.client.get("/notices")["notices"]
    assert [offer["command"] for offer in found["offers"]] == [
        {"verb": "resolve_conflict", "id": 3, "way": "pause_later"},
        {"verb": "apply_hint", "id": 4},
    ]
    assert decoder(Notice)(found) == sent


def test_openapi_describes_them(served: Served) -> None:
    page = served.client.get("/openapi.json")
    for path in ("conflicts", "conflicts/{id}/resolve", "hints", "hints/{id}/apply", "hints/{id}/dismiss"):
        [operation] = page["paths"][f"/api/v1/{path}"].values()
        assert operation["responses"]["200"]["content"]["application/json"]["schema"]
    assert {"ConflictView", "HintView", "WayView"} <= set(page["components"]["schemas"])


# --- as a window of another process sees them -------------------------------------------------------------------------


def test_a_remote_window_sees_them_settles_them_and_hears_of_it(engine: Engine) -> None:
    engine.desk.conflict(1, severity="low")
    engine.desk.hint(1)

    async def story(desk: RemoteDesk) -> None:
        heard: list[Change] = []
        desk.subscribe(heard.append)
        assert (desk.conflicts(), desk.hints()) == (engine.desk.conflicts(), engine.desk.hints())
        engine.desk.conflict(2, severity="critical")
        await eventually(lambda: [each.id for each in desk.conflicts()] == [2, 1])
        await eventually(lambda: [each.id for change in heard for each in change.conflicts] == [2])
        assert (await desk.resolve_conflict(2, "cancel_later")).answer is Answer.DONE
        assert (await desk.apply_hint(1)).answer is Answer.DONE
        await eventually(lambda: [each.id for each in desk.conflicts()] == [1] and desk.hints() == [])
        assert engine.desk.errands == [ResolveConflict(2, "cancel_later"), ApplyHint(1)]
        ended = await asyncio.to_thread(desk.conflicts, closed=True)
        assert ended == engine.desk.conflicts(closed=True)
        assert (await asyncio.to_thread(desk.hints, closed=True, limit=5))[0].closed_because == "Applied."

    attached(engine, story)


def test_a_remote_window_is_told_why_not(engine: Engine) -> None:
    engine.desk.conflict(1)
    engine.desk.hint(1)

    async def story(desk: RemoteDesk) -> None:
        assert (await desk.resolve_conflict(9)).answer is Answer.UNKNOWN
        wrong = await desk.resolve_conflict(1, "pray")
        assert (wrong.answer, "accepted: pause_later" in wrong.sentence) == (Answer.REFUSED, True)
        engine.desk.stubborn = "Job 2 has ended."
        for result in (await desk.resolve_conflict(1), await desk.apply_hint(1), await desk.dismiss_hint(1)):
            assert (result.answer, result.sentence) == (Answer.REFUSED, "Job 2 has ended.")

    attached(engine, story)


def test_an_older_engine_has_neither_and_is_followed_all_the_same(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(advice, "router", lambda _api: APIRouter())
    older = Engine(paths)
    older.desk.conflict(1)
    older.start()

    async def story(desk: RemoteDesk) -> None:
        assert (desk.conflicts(), desk.hints()) == ([], [])
        assert await asyncio.to_thread(desk.conflicts, closed=True) == []
        with pytest.raises(EngineUnwilling, match="There is nothing at"):
            await desk.apply_hint(1)

    attached(older, story)
    older.stop()


def test_what_ended_while_the_engine_was_away_is_told_as_ended(engine: Engine) -> None:
    kept = engine.desk.conflict(1)
    engine.desk.conflict(2)
    engine.desk.hint(1)

    async def story(desk: RemoteDesk) -> None:
        heard: list[Change] = []
        states: list[bool] = []
        desk.watch(states.append)
        desk.subscribe(heard.append)
        engine.stop()
        await eventually(lambda: states[-1:] == [False])
        engine.desk.end_conflict(2)
        engine.desk.end_hint(1)
        engine.start()
        await eventually(lambda: states[-1:] == [True])
        assert (desk.conflicts(), desk.hints()) == ([kept], [])
        told = [each for change in heard for each in (*change.conflicts, *change.hints)]
        assert [(type(each), each.id, each.closed_because) for each in told] == [
            (ConflictView, 2, MISSED),
            (HintView, 1, MISSED),
        ]
        assert replace(told[0], closed_at=None, closed_because=None) == engine.desk.conflict(2)

    attached(engine, story)
