"""How the inbox names things: days, filters, what each kind of notice is called, and the shape of each level."""

from __future__ import annotations

import time
from datetime import date, timedelta
from enum import Enum

from PySide6.QtCore import QCoreApplication

from tidegate.engine.ports import Notice, NoticeKind


def tr(text: str) -> str:
    return QCoreApplication.translate("inbox", text)


class NoticeFilter(Enum):
    """The chips above the list; ``kinds`` None is all of them."""

    ALL = None
    FAILURES = frozenset({NoticeKind.FAILED})
    DONE_BY_US = frozenset({NoticeKind.INTERVENED})
    ALERTS = frozenset({NoticeKind.ALERT, NoticeKind.ENGINE})
    ADVICE = frozenset({NoticeKind.CONFLICT, NoticeKind.HINT})

    def lets(self, notice: Notice) -> bool:
        return self.value is None or notice.kind in self.value


def filter_label(wanted: NoticeFilter) -> str:
    return {
        NoticeFilter.ALL: tr("All"),
        NoticeFilter.FAILURES: tr("Failures"),
        NoticeFilter.DONE_BY_US: tr("What Tidegate did"),
        NoticeFilter.ALERTS: tr("Alerts"),
        NoticeFilter.ADVICE: tr("Hints and conflicts"),
    }[wanted]


def level_shape(level: str) -> tuple[str, str]:
    """Shape and colour token: they differ both, so that colour never speaks alone."""
    return {
        "error": ("emergency", "danger"),
        "warning": ("high", "attention"),
        "success": ("normal", "ok"),
    }.get(level, ("offline", "muted"))


def level_word(level: str) -> str:
    return {"error": tr("Error"), "warning": tr("Warning"), "success": tr("Success")}.get(level, tr("Information"))


def day_of(at: float) -> date:
    return date.fromtimestamp(at)


def day_label(day: date, today: date) -> str:
    if day == today:
        return tr("Today")
    if day == today - timedelta(days=1):
        return tr("Yesterday")
    if day.year == today.year:
        return f"{day:%A}, {day.day} {day:%B}"
    return f"{day.day} {day:%B %Y}"


def clock(at: float) -> str:
    return time.strftime("%H:%M", time.localtime(at))


def exact(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))


def empty_words(wanted: NoticeFilter) -> tuple[str, str]:
    """Title and sentence of a list with nothing in it: what belongs there."""
    return {
        NoticeFilter.ALL: (
            tr("Nothing to tell yet"),
            tr("Failed jobs, long ones that finished, and what Tidegate does to protect this computer are kept here."),
        ),
        NoticeFilter.FAILURES: (
            tr("Nothing has failed"),
            tr("Jobs that fail, run out of time or memory, or cannot start appear here, with their logs."),
        ),
        NoticeFilter.DONE_BY_US: (
            tr("Tidegate has not had to step in"),
            tr("When memory runs short and a job is paused, stopped or ended, it says so here, and why."),
        ),
        NoticeFilter.ALERTS: (
            tr("No alerts"),
            tr("When memory, processor, cards or disk of this computer stay beyond their lines, it is said here."),
        ),
        NoticeFilter.ADVICE: (
            tr("No hints and no conflicts"),
            tr("Advice on how jobs could run better, and jobs that want more than there is, appear here."),
        ),
    }[wanted]
