"""``GET /queue-status``: the named queues, or every card with who has it and who waits; described for programs."""

from __future__ import annotations

from tidegate.engine.views import QueueStatusView, QueueView


def test_queues_come_as_asked_for(served) -> None:
    queue = QueueView("batch", 20, "priority_based", 1, 0, 2, 0, 4096, 0, max_running=3)
    served.desk.queues = QueueStatusView("queue", queues=(queue,))
    for path in ("/api/v1/queue-status", "/api/v1/queue-status?by=queue"):
        status, found = served.with_token("GET", path)
        assert (status, found["by"], found["cards"]) == (200, "queue", [])
        [batch] = found["queues"]
        assert (batch["name"], batch["waiting"], batch["max_running"], batch["max_cards"]) == ("batch", 2, 3, None)
    assert served.with_token("GET", "/api/v1/queue-status?by=card") == (200, {"by": "card", "queues": [], "cards": []})


def test_another_way_to_look_is_refused_in_a_sentence(served) -> None:
    status, found = served.with_token("GET", "/api/v1/queue-status?by=colour")
    assert status == 422
    assert found["error"]["field"] == "by"
    assert "queue" in found["error"]["sentence"]
    assert "card" in found["error"]["sentence"]


def test_it_is_described(served) -> None:
    _, page = served.with_token("GET", "/api/v1/openapi.json")
    asked = page["paths"]["/api/v1/queue-status"]["get"]
    assert [parameter["name"] for parameter in asked["parameters"]] == ["by"]
    schema = asked["responses"]["200"]["content"]["application/json"]["schema"]
    assert schema == {"$ref": "#/components/schemas/QueueStatusView"}
    assert "users" in page["components"]["schemas"]["CardQueueView"]["properties"]
