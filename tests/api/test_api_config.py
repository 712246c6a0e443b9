"""Settings over HTTP: read, changed and reset through the desk, the one path, so that every view hears of it."""

from __future__ import annotations

import pytest

from api.conftest import Served
from tidegate.api.client import ApiError
from tidegate.engine.ports import Change
from tidegate.settings import SETTINGS


def setting(served: Served, name: str) -> dict[str, object]:
    [found] = [each for each in served.client.get("/config")["settings"] if each["name"] == name]
    return found


def heard(served: Served) -> list[Change]:
    changes: list[Change] = []
    served.desk.subscribe(changes.append)
    return changes


def test_a_change_is_heard_by_every_view(served: Served) -> None:
    changes = heard(served)
    answer = served.client.request("PUT", "/config", {"name": "memory_high_pct", "value": "80 %"})[1]
    assert (answer["setting"]["text"], answer["setting"]["source"]) == ("80", "config.toml")
    assert [(c.setting.name, c.setting.value) for c in changes if c.setting is not None] == [("memory_high_pct", 80.0)]
    assert served.applied[-1].get("memory_high_pct") == 80.0


def test_null_lets_a_setting_be_at_its_default_again(served: Served) -> None:
    served.client.request("PUT", "/config", {"name": "api_port", "value": 7300})
    answer = served.client.request("PUT", "/config", {"name": "api_port", "value": None})[1]
    assert answer == {"setting": setting(served, "api_port"), "applied": False}
    assert (answer["setting"]["value"], answer["setting"]["source"]) == (7117, "default")
    assert "\nport =" not in served.paths.config_file.read_text()


def test_several_are_written_in_one_piece_and_each_is_heard_or_none(served: Served) -> None:
    changes = heard(served)
    values = {"queues.render.order": 5, "queues.render.preempts": "night", "queues.night.order": 30}
    answer = served.client.request("PATCH", "/config", {"values": values})[1]
    assert [(each["name"], each["text"]) for each in answer["settings"]] == [(n, str(v)) for n, v in values.items()]
    assert set(values) <= {c.setting.name for c in changes if c.setting is not None}
    before = served.paths.config_file.read_text()
    for wrong in ({"max_workers": "4", "queues.day.preempts": "x"}, {"max_workers": "4", "no_such": "1"}):
        with pytest.raises(ApiError) as refused:
            served.client.request("PATCH", "/config", {"values": wrong})
        assert refused.value.kind == "usage"
    assert served.paths.config_file.read_text() == before


def test_several_are_reset_in_one_piece_and_each_is_heard(served: Served) -> None:
    for name, value in (("memory_emergency_pct", 98), ("memory_high_pct", 95), ("min_workers", 1)):
        served.client.request("PUT", "/config", {"name": name, "value": value})
    changes = heard(served)
    names = ["memory_emergency_pct", "memory_high_pct"]
    answer = served.client.post("/config/reset", {"names": names})
    assert [(each["name"], each["value"]) for each in answer["settings"]] == [
        ("memory_emergency_pct", 92.0),
        ("memory_high_pct", 85.0),
    ]
    assert [change.setting.name for change in changes if change.setting is not None] == names
    assert len(served.client.post("/config/reset", {})["settings"]) == len(SETTINGS)
    assert {each["source"] for each in served.client.get("/config")["settings"]} == {"default"}


def test_what_cannot_be_reset_is_refused_in_one_sentence(served: Served) -> None:
    for body, part in (
        ({"names": ["memory_hihg_pct"]}, "did you mean memory_high_pct?"),
        ({"name": "x"}, "name"),
    ):
        with pytest.raises(ApiError) as raised:
            served.client.post("/config/reset", body)
        assert (raised.value.status, raised.value.kind) == (422, "usage")
        assert part in raised.value.sentence


def test_a_file_that_cannot_be_written_is_refused_and_nothing_applies(served: Served) -> None:
    served.paths.config_file.write_text("[machine\n")
    with pytest.raises(ApiError, match="not valid TOML") as raised:
        served.client.request("PUT", "/config", {"name": "api_port", "value": "7300"})
    assert (raised.value.status, raised.value.kind) == (422, "usage")
    assert served.applied == []
