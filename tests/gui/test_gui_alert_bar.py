"""Critical alerts stand in the window for as long as they last; milder ones do not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from support.until import eventually
from tidegate.engine.views import AlertView

pytestmark = pytest.mark.qt_log_ignore(r"^This plugin does not support (raise|propagateSizeHints)\(\)$")

CRITICAL = AlertView(
    "GPUCriticalTemperature",
    0,
    1000.0,
    "GPU 0 is far too hot: 95 °C, over the line of 90 °C.",
    "critical",
    None,
    "GPU 0 is far too hot",
    "Stop its jobs.",
)
MILD = AlertView("SchedulerQueueHigh", None, 1000.0, "Many jobs wait.", "warning", None, "Many jobs wait", "")


def test_a_critical_alert_is_said_in_the_window_until_it_is_over(run, desk, open_shell) -> None:
    async def body() -> None:
        shell = open_shell()
        shell.window.show()
        desk.set_status(alerts=(MILD, CRITICAL))
        await eventually(lambda: shell.window.messages.text == "GPU 0 is far too hot. Stop its jobs.")
        [(_, message)] = shell.window.messages._states.values()
        desk.set_status(alerts=(replace(CRITICAL, sentence="GPU 0 is far too hot: 97 °C."),), mode="HIGH")
        await eventually(lambda: shell.window.strip.pill._state == "high")
        assert [each for _, each in shell.window.messages._states.values()] == [message], "it does not flicker"
        desk.set_status(alerts=(MILD,))
        await eventually(lambda: shell.window.messages.text == "")

    run(body())
