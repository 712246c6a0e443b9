"""Graphics cards in the real window: the driver's library is a stand-in (D15), everything from pynvml on is real."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from support import nvml_stub
from support.desktop import desktop, missing
from support.live import Live, live_home
from support.nvml_stub import GIB, NvmlStub
from support.until import until

_WHY = missing() or (None if nvml_stub.compiler() else "The stand-in for the driver needs a C compiler.")
pytestmark = [pytest.mark.desktop, pytest.mark.skipif(_WHY is not None, reason=_WHY or "")]
LOST, NOT_SUPPORTED = 15, 3
LOOP = ("sh", "-c", "while :; do sleep 0.2; done")


class Window:
    """The application under test; every question is answered by what it shows at that moment."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, **what: object) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()
        found: dict[str, Any] = json.loads(self._process.stdout.readline())
        return found

    def shows(self, so: Callable[[dict[str, Any]], bool], **what: object) -> dict[str, Any]:
        """What it says as soon as it is so; a stuck one fails with the last answer."""
        last: list[dict[str, Any]] = []

        def is_so() -> bool:
            last[:] = [self.ask(**what)]
            return so(last[0])

        try:
            until(is_so, 20.0, step_s=0.1)
        except AssertionError:
            pytest.fail(f"the window still says {last}")
        return last[0]


@contextmanager
def window_on_cards(tmp_path: Path) -> Iterator[tuple[Live, Window, NvmlStub]]:
    folder = tmp_path / "nvml"
    folder.mkdir()
    stub = NvmlStub(folder)
    stub.add_card("NVIDIA GeForce RTX 3090", total_bytes=24 * GIB, used_bytes=2 * GIB)
    stub.add_card("NVIDIA H200", total_bytes=140 * GIB, used_bytes=GIB)
    with desktop(tmp_path) as screen, live_home() as live, open(tmp_path / "window.err", "wb") as told:
        own = {name: live.env[name] for name in ("TIDEGATE_HOME", "PYTHONPATH")}
        driver = {name: stub.environment()[name] for name in ("LD_LIBRARY_PATH", "TIDEGATE_NVML_STUB")}
        process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("gpu_window.py"))],
            env={**screen.env, **driver, **own},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=told,
            text=True,
        )
        try:
            yield live, Window(process), stub
        finally:
            assert process.stdin is not None
            process.stdin.close()
            code = process.wait(20)
            assert process.stdout is not None
            process.stdout.close()
        assert code == 0, (tmp_path / "window.err").read_text()


def test_two_cards_a_job_on_one_a_card_that_is_lost_and_a_driver_that_hangs(tmp_path: Path) -> None:
    with window_on_cards(tmp_path) as (live, window, stub):
        said = window.shows(lambda said: len(said["strip"]) == 4)
        assert said["strip"][2:] == ["GPU 0: 2 GB of 24", "GPU 1: idle 139 GB free"]
        assert [name for name in said["tabs"] if name.startswith("GPU")] == ["GPU 0", "GPU 1"]

        # A job that has memory on card 0, as the driver tells of its process.
        until(live.client.alive, 20.0)
        job = live.submit(*LOOP, gpu="1", device="0")
        stub.set({"0.compute": f"{live.pid_of(job)}:{8 * GIB},99999:{GIB}", "0.used": 11 * GIB, "0.utilisation": 97})
        said = window.shows(lambda said: said["bands"].get(job) == 8 * GIB, card=0)
        assert said["bands"][""] == 3 * GIB
        assert said["top"] == 24 * GIB
        assert said["strip"][2] == "GPU 0: 11 GB of 24"
        assert said["gpu_cells"][job] == "0"
        assert said["on_cards"][job] == {"0": 8 * GIB}
        assert job not in window.shows(lambda said: said["bands"].get("") == GIB, card=1)["bands"]

        stub.set({"0.temperature": 92})
        window.shows(lambda said: said["strip"][2] == "GPU 0: 11 GB of 24 · 92 °C, too hot")
        stub.set({"0.temperature": 40})

        # A field the card does not have leaves the others as they are.
        stub.set({"0.error.temperature": NOT_SUPPORTED, "0.error.power": NOT_SUPPORTED, "0.used": 12 * GIB})
        window.shows(lambda said: said["strip"][2] == "GPU 0: 12 GB of 24", card=0)

        # Card 1 falls off the bus: it is said, its curve stops, card 0 goes on.
        stub.set({"1.error": LOST})
        said = window.shows(lambda said: said["strip"][3] == "GPU 1: – not readable", card=1)
        stopped_at = said["last_at"]
        stub.set({"0.used": 13 * GIB})
        window.shows(lambda said: said["bands"].get("") == 5 * GIB, card=0)
        assert window.ask(card=1)["last_at"] == stopped_at
        queued = live.submit("true", gpu="1", device="1")
        waits = until(lambda: live.job(queued)["waits"])
        assert "gpu_unreadable" in [wait["code"] for wait in waits], waits

        # The driver hangs: no figure is made up, and window and engine go on answering.
        stub.set({"0.hang": "memory"})
        window.shows(lambda said: said["strip"][2] == "GPU 0: – not readable", card=0, grab=str(tmp_path / "gpu.png"))
        assert live.finished([live.submit("true")])[0]["exit_code"] == 0
        stub.unset("0.hang")
        window.shows(lambda said: said["strip"][2] == "GPU 0: 13 GB of 24")
        live.client.post("/actions/kill", {"ids": [job, queued]})
