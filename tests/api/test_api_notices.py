"""Notices over HTTP and push: the whole of each, page by page, with offers whose commands can be sent back."""

from __future__ import annotations

from api.conftest import Served
from api.test_api_push import collect
from tidegate.api.decoding import decoder
from tidegate.core.job import JobId
from tidegate.engine.ports import Command, Notice, NoticeKind, NoticeOffer, Verb
from tidegate.engine.views import AlertView, StatusView

AGAIN = NoticeOffer("Run again", Command(Verb.RETRY, (JobId(1),)))
ARRAY = NoticeOffer("Löse \udcff", Command(Verb.PAUSE, (JobId(7, 3), JobId(8)), 60.0, True, True, True, {"name": "x"}))


def test_a_notice_has_all_its_parts_and_comes_back_as_it_was(served: Served) -> None:
    sent = served.desk.notify(
        "caf\udce9 failed", "söme why", "7.3", "error", kind=NoticeKind.FAILED, urgent=False, offers=(AGAIN, ARRAY)
    )
    [found] = served.client.get("/notices")["notices"]
    assert found["offers"][0] == {
        "label": "Run again",
        "command": {
            "verb": "retry",
            "ids": ["1"],
            "seconds": None,
            "drain": False,
            "gpu": False,
            "force": False,
            "changes": {},
        },
    }
    assert (found["id"], found["kind"], found["level"], found["job"]) == (1, "failed", "error", "7.3")
    assert (found["title"], found["urgent"]) == ("caf\udce9 failed", False)
    assert decoder(Notice)(found) == sent


def test_the_newest_come_first_and_are_paged_by_id(served: Served) -> None:
    for number in range(5):
        served.desk.notify(f"n{number}", "")
    first = served.client.get("/notices", limit=2)["notices"]
    assert [notice["title"] for notice in first] == ["n4", "n3"]
    rest = served.client.get("/notices", before=first[-1]["id"], limit=10)["notices"]
    assert [notice["title"] for notice in rest] == ["n2", "n1", "n0"]
    assert served.client.get("/notices", before=1)["notices"] == []


def test_what_is_no_page_is_refused_with_a_sentence(served: Served) -> None:
    for query in ("limit=0", "limit=10001", "before=-1", "before=x", f"before={2**63}"):
        status, found = served.with_token("GET", f"/api/v1/notices?{query}")
        assert status == 422, query
        assert query.partition("=")[0] in found["error"]["sentence"]


def test_an_offer_without_its_verb_is_what_the_action_takes(served: Served) -> None:
    served.desk.add()
    served.desk.finish("1", "failed", 1)
    served.desk.notify("job-1 failed", "", "1", "error", offers=(AGAIN,))
    [offer] = served.client.get("/notices")["notices"][0]["offers"]
    body = dict(offer["command"])
    status, _ = served.with_token("POST", f"/api/v1/actions/{body.pop('verb')}", body)
    assert status == 200
    assert served.desk.commands == [AGAIN.command]


def test_a_pushed_notice_is_the_same_as_the_one_read(served: Served) -> None:
    events = collect(served, 1)
    served.desk.notify("x", "y", "1", "warning", kind=NoticeKind.INTERVENED, offers=(ARRAY,))
    [event] = events()
    assert event["notice"] == served.client.get("/notices")["notices"][0]


def test_active_alerts_are_in_the_status(served: Served) -> None:
    alert = AlertView(
        "GPUHighTemperature", 1, 900.5, "GPU 1 is hot: 83 °C.", "warning", None, "GPU 1 is hot", "See to its fans."
    )
    served.desk.set_status(alerts=(alert,))
    found = served.client.get("/status")
    assert found["alerts"] == [
        {
            "name": "GPUHighTemperature",
            "card": 1,
            "since": 900.5,
            "sentence": "GPU 1 is hot: 83 °C.",
            "severity": "warning",
            "service": None,
            "title": "GPU 1 is hot",
            "advice": "See to its fans.",
        }
    ]
    assert decoder(StatusView)(found).alerts == (alert,)


def test_openapi_knows_notices_and_alerts(served: Served) -> None:
    page = served.client.get("/openapi.json")
    assert "/api/v1/notices" in page["paths"]
    assert "AlertView" in page["components"]["schemas"]
