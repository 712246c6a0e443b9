"""Pictures of conflicts and hints wherever they are shown: ``python tests/gui/look_advice.py FOLDER`` (on a display).

Not a test: people look at what it makes.
"""

from __future__ import annotations

import asyncio
import pathlib
import sys
import time

_ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(_ROOT / "app"), str(_ROOT / "tests")]

from support.fake_desk import FakeDesk  # noqa: E402
from support.gui_desk import a_busy_desk  # noqa: E402
from support.pictures import SIZES, schemes, take  # noqa: E402
from tidegate.engine.ports import ApplyHint, NoticeKind, NoticeOffer, ResolveConflict  # noqa: E402
from tidegate.engine.views import WayView  # noqa: E402
from tidegate.gui.inbox.words import NoticeFilter  # noqa: E402
from tidegate.gui.shell import Shell  # noqa: E402

GIB = 1024**3


def a_desk() -> FakeDesk:
    desk = a_busy_desk()
    now = time.time()
    file = "/home/ada/vision/results/summary of the second ablation.csv"
    desk.conflict(
        1,
        resource="memory",
        severity="critical",
        jobs=("1", "3", "4.3"),
        sentence="train_vit.py, embed.ipynb and sweep.sh together grow towards 61 GB; the emergency line is at 58.9 GB "
        "and is reached in about 4 min",
        detected_at=now - 140,
        ways=(
            WayView("pause_least", "Pause sweep.sh until train_vit.py has finished"),
            WayView("requeue", "Put sweep.sh back into the queue and give its memory to train_vit.py first"),
            WayView("lower", "Hold what waits"),
        ),
    )
    desk.conflict(
        2,
        resource=f"file:{file}",
        jobs=("3", "4.3"),
        sentence=f"embed.ipynb and sweep.sh both write {file}",
        detected_at=now - 300,
        ways=(WayView("pause_later", "Pause sweep.sh"), WayView("cancel_later", "Cancel sweep.sh")),
    )
    desk.conflict(
        3,
        kind="schedule_conflict",
        resource="deadline",
        severity="medium",
        jobs=("5",),
        sentence="finetune.py will be about 40 min late for its deadline at 18:00",
        detected_at=now - 30,
        ways=(WayView("first", "Put it first"),),
    )
    desk.conflict(
        4,
        kind="priority_conflict",
        resource="priority",
        severity="low",
        jobs=("6",),
        ways=(),
        sentence="report.R waits behind less important jobs",
        detected_at=now - 4000,
    )
    desk.conflict(5)
    desk.end_conflict(5, "eval.py was paused by you")
    desk.hint(1, at=now - 900)
    desk.hint(
        2,
        type="warning",
        code="blocked_by_others",
        title="Firefox holds 9.8 GB that finetune.py waits for",
        message="It needs 12.5 GB and 5.5 are free. Closing Firefox would let it start.",
        jobs=("5",),
        action=None,
        at=now - 100,
    )
    desk.hint(3)
    desk.end_hint(3, "applied by you")
    return desk


async def _pictures(shell: Shell, folder: pathlib.Path) -> int:
    await asyncio.sleep(0.5)
    window = shell.window
    for name in schemes():
        for size, (width, height) in SIZES.items():
            window.resize(width, height)
            window.show_page("queue")
            window.open_job("3")
            await shell.grab(folder / f"advice-queue-{size}-{name}.png")
            window.show_page("inbox")
            page = window.inbox
            assert page is not None
            page.set_filter(NoticeFilter.ADVICE)
            page.advice.show_ended(False)
            await shell.grab(folder / f"advice-{size}-{name}.png")
            page.advice.show_ended(True)
            await shell.grab(folder / f"advice-ended-{size}-{name}.png")
    desk = shell.desk
    assert isinstance(desk, FakeDesk)
    window.hide()
    _raise_toasts(desk)
    await asyncio.sleep(1.5)
    return 0


def _raise_toasts(desk: FakeDesk) -> None:
    """They stay on the desktop for its own picture."""
    worst, other = desk.conflicts()[:2]
    for conflict in (worst, other):
        offers = tuple(NoticeOffer(way.label, ResolveConflict(conflict.id, way.name)) for way in conflict.ways[:2])
        desk.notify("Jobs are in each other's way", conflict.sentence, kind=NoticeKind.CONFLICT, level="warning",
                    offers=offers)  # fmt: skip
    hint = desk.hints()[-1]
    desk.notify(hint.title, hint.message, kind=NoticeKind.HINT, offers=(NoticeOffer("Ask for 2 GB", ApplyHint(1)),))


if __name__ == "__main__":
    sys.exit(take(a_desk(), pathlib.Path(sys.argv[1]), _pictures))
