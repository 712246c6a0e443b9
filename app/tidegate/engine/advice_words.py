"""How conflicts and hints are told: titles, levels, and the buttons that settle them."""

from __future__ import annotations

from tidegate.core.conflicts import Severity
from tidegate.core.hints import HintType
from tidegate.core.job import JobId
from tidegate.engine.ports import ApplyHint, Notice, NoticeKind, NoticeOffer, ResolveConflict
from tidegate.engine.views import ConflictView, HintView

OFFERED = 2

_LEVELS = {Severity.LOW: "info", Severity.MEDIUM: "warning", Severity.HIGH: "warning", Severity.CRITICAL: "error"}
_HINT_LEVELS = {
    HintType.INFO: "info",
    HintType.WARNING: "warning",
    HintType.ERROR: "error",
    HintType.SUCCESS: "success",
    HintType.SUGGESTION: "info",
}
_TITLES = {
    "memory": "Jobs compete for memory",
    "cores": "Jobs compete for the processor",
    "gpu": "Jobs compete for a graphics card",
    "priority": "A more important job waits",
    "deadline": "Two deadlines cannot both be met",
    "begin": "Two jobs begin at the same time",
    "file": "Jobs write the same file",
    "port": "Jobs listen on the same port",
    "environment": "A job changes an environment in use",
}


def conflict_notice(view: ConflictView, at: float) -> Notice:
    """High and critical ones cannot wait for a digest."""
    severity = Severity(view.severity)
    ways = [way for way in view.ways if way.name != "leave"][:OFFERED]
    offers = tuple(NoticeOffer(way.label, ResolveConflict(view.id, way.name)) for way in ways)
    title = _TITLES[view.resource.partition(":")[0]]
    urgent = severity in (Severity.HIGH, Severity.CRITICAL)
    level = _LEVELS[severity]
    return Notice(at, title, view.sentence, _first(view.jobs), level, NoticeKind.CONFLICT, urgent, offers)


def hint_notice(view: HintView, at: float) -> Notice:
    offers = (NoticeOffer(view.action.label, ApplyHint(view.id)),) if view.action is not None else ()
    kind = HintType(view.type)
    urgent = kind is HintType.ERROR
    return Notice(at, view.title, view.message, _first(view.jobs), _HINT_LEVELS[kind], NoticeKind.HINT, urgent, offers)


def _first(jobs: tuple[str, ...]) -> JobId | None:
    return JobId.parse(jobs[0]) if jobs else None
