"""What the menu of the tray icon and of the window offers, as a value made of the facts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from tidegate.core.job import JobId
from tidegate.core.texts import format_moment
from tidegate.engine.ports import Command, Verb
from tidegate.engine.views import IntakeView, JobView, StatusView
from tidegate.gui import words
from tidegate.gui.moments import tomorrow_morning
from tidegate.gui.tray.facts import TrayFacts, quiet_word, state_line, tr

NAME_CHARS = 40
LINE_CHARS = 72
_HALF_HOUR_S, _HOUR_S = 1800.0, 3600.0


class Wish(Enum):
    """What an entry may ask of the application; the tray has a signal for each."""

    OPEN = auto()
    LOG = auto()
    SUBMIT = auto()
    BASKET = auto()
    QUIET = auto()
    INBOX = auto()
    SETTINGS = auto()
    START_ENGINE = auto()
    QUIT = auto()


@dataclass(frozen=True, slots=True)
class Ask:
    """A wish with what goes with it, as its signal carries it."""

    wish: Wish
    values: tuple[str | float | bool | None, ...] = ()


@dataclass(frozen=True, slots=True)
class PauseUntil:
    """Pause everything up to a moment; how long that is, is known when it is asked."""

    at: float


@dataclass(frozen=True, slots=True)
class QuietUntil:
    """Hold toasts back up to a moment."""

    at: float


Asked = Ask | Command | PauseUntil | QuietUntil


@dataclass(frozen=True, slots=True)
class Entry:
    """``asks`` None and no ``below``: only text. ``checked`` None: nothing to tick. ``key`` does it in the window."""

    label: str
    asks: Asked | None = None
    below: tuple[Entry, ...] = ()
    checked: bool | None = None
    enabled: bool = True
    key: str = ""


@dataclass(frozen=True, slots=True)
class MenuPlan:
    """The menu in groups. ``line`` stands in the first, as its last; it changes often, and by itself alone."""

    line: str
    groups: tuple[tuple[Entry, ...], ...]


def plan_menu(facts: TrayFacts, now: float, *, with_open: bool = True) -> MenuPlan:
    """What the menu offers now; ``with_open`` False for the window's own, which is open."""
    line = _shortened(state_line(facts, now), LINE_CHARS)
    can_open = facts.status is not None or facts.offline is not None
    top = (Entry(tr("Open Tidegate"), Ask(Wish.OPEN)),) if with_open and can_open else ()
    leave = (Entry(tr("Quit…"), Ask(Wish.QUIT)),)
    if facts.status is None:
        start = (Entry(tr("Start an engine here"), Ask(Wish.START_ENGINE)),) if facts.offline is not None else ()
        return MenuPlan(line, (top, start, leave))
    middle = (
        Entry(tr("Submit…"), Ask(Wish.SUBMIT), key="Ctrl+O"),
        Entry(tr("Drop basket"), Ask(Wish.BASKET, (not facts.basket,)), checked=facts.basket, key="Ctrl+B"),
        _quiet(facts.quiet_until, now),
    )
    inbox = tr("Inbox: {count} new").format(count=facts.unread) if facts.unread else tr("Inbox")
    pages = (Entry(inbox, Ask(Wish.INBOX)), Entry(tr("Settings…"), Ask(Wish.SETTINGS)))
    return MenuPlan(line, (top, _jobs(facts, facts.status), _intake(facts.status, now), middle, pages, leave))


# --- Jobs ---


def _jobs(facts: TrayFacts, status: StatusView) -> tuple[Entry, ...]:
    entries = [_job(job) for job in facts.jobs]
    unseen = words.running_count(status) - len(entries)
    if entries and unseen > 0:
        entries.append(Entry(tr("{count} more…").format(count=unseen), Ask(Wish.OPEN)))
    return tuple(entries)


def _job(job: JobView) -> Entry:
    name = _shortened(words.printable(words.title(job)), NAME_CHARS)
    ids = (JobId.parse(job.id),)
    below = [Entry(tr("Open log"), Ask(Wish.LOG, (job.id,)))]
    if job.status == "paused":
        below.append(Entry(tr("Resume"), Command(Verb.RESUME, ids)))
    else:
        below.append(Entry(tr("Pause"), Command(Verb.PAUSE, ids), enabled=job.status == "running"))
    below.append(Entry(tr("Stop"), Command(Verb.CANCEL, ids), enabled=job.status != "stopping"))
    label = words.left_to_right(f"{name} · {words.status_word(job).word.lower()}")
    return Entry(label, below=tuple(below))


# --- Pausing ---


def _intake(status: StatusView, now: float) -> tuple[Entry, ...]:
    intake = status.intake
    resume = Command(Verb.RESUME, None)
    frozen = not intake.open and not intake.drain and not intake.gpu_only
    first = Entry(tr("Resume"), resume) if frozen else Entry(tr("Pause"), below=_pauses(now))
    return (
        first,
        _switch(
            tr("Pause GPU only"),
            intake.gpu_only and not intake.open,
            Command(Verb.PAUSE, None, gpu=True),
            enabled=_has_gpu(status, intake) and not frozen,
        ),
        _switch(
            tr("Start nothing new"),
            intake.drain and not intake.open,
            Command(Verb.PAUSE, None, drain=True),
            enabled=not frozen,
        ),
    )


def _switch(label: str, on: bool, ask: Command, *, enabled: bool) -> Entry:
    return Entry(label, Command(Verb.RESUME, None) if on else ask, checked=on, enabled=enabled)


def _has_gpu(status: StatusView, intake: IntakeView) -> bool:
    return bool(status.machine.cards) or intake.gpu_only


def _pauses(now: float) -> tuple[Entry, ...]:
    morning = tomorrow_morning(now)
    lengths = ((_HALF_HOUR_S, tr("for 30 min")), (_HOUR_S, tr("for 1 h")), (3 * _HOUR_S, tr("for 3 h")))
    return (
        *(Entry(label, Command(Verb.PAUSE, None, seconds=seconds)) for seconds, label in lengths),
        Entry(_until(morning, now), PauseUntil(morning)),
        Entry(tr("until I resume"), Command(Verb.PAUSE, None)),
    )


def _until(at: float, now: float) -> str:
    return tr("until {moment}").format(moment=format_moment(at, now))


def _quiet(until: float | None, now: float) -> Entry:
    if until is not None:
        return Entry(quiet_word(until, now), Ask(Wish.QUIET, (False,)), checked=True)
    morning = tomorrow_morning(now)
    return Entry(
        tr("Do not disturb"),
        below=(
            Entry(tr("for 1 h"), Ask(Wish.QUIET, (_HOUR_S,))),
            Entry(_until(morning, now), QuietUntil(morning)),
            Entry(tr("until I turn it off"), Ask(Wish.QUIET, (None,))),
        ),
    )


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
