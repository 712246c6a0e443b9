"""What the tray icon, its tooltip and its menu show: the facts as one value, and their short lines."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from PySide6.QtCore import QCoreApplication

from tidegate.core.texts import format_moment
from tidegate.engine.views import IntakeView, JobView, StatusView
from tidegate.gui import words


def tr(text: str) -> str:
    return QCoreApplication.translate("tray", text)


@dataclass(frozen=True, slots=True)
class TrayFacts:
    """``status`` None: no engine answers, and ``offline`` says why; None for both while it starts.

    ``jobs`` are the first active ones. ``quiet_until``: toasts are held back until then, infinity for until told
    otherwise, None for not at all.
    """

    status: StatusView | None = None
    offline: str | None = None
    jobs: tuple[JobView, ...] = ()
    unread: int = 0
    basket: bool = False
    quiet_until: float | None = None

    @property
    def state(self) -> str:
        """Which icon: one of ``tray_icons.STATES``."""
        return words.mode_state(self.status)


def state_word(facts: TrayFacts, now: float) -> str:
    """One or a few words for how the gate stands, and until when a person wanted it so."""
    if facts.status is None:
        return tr("Starting…") if facts.offline is None else tr("No engine")
    intake = facts.status.intake
    mode = words.mode_word(words.mode_state(facts.status)).capitalize()
    if intake.open:
        return mode
    if intake.gpu_only:
        return tr("{mode} · {what}").format(mode=mode, what=_until(tr("GPU paused"), intake, now))
    return _until(tr("Starts nothing new") if intake.drain else mode, intake, now)


def _until(word: str, intake: IntakeView, now: float) -> str:
    if intake.until is None:
        return word
    return tr("{word} until {moment}").format(word=word, moment=format_moment(intake.until, now))


def state_line(facts: TrayFacts, now: float) -> str:
    """The line of the menu that tells how things stand."""
    if facts.status is None:
        # The first sentence says what happened; the tooltip has them all.
        return _sentences(facts.offline)[0] if facts.offline else state_word(facts, now)
    return f"{state_word(facts, now)} · {words.counts(facts.status)}"


def _sentences(text: str) -> list[str]:
    return re.split(r"(?<=\.) ", text) if text else []


def tooltip(facts: TrayFacts, now: float) -> str:
    """At most three short lines."""
    word = state_word(facts, now)
    first = tr("Tidegate: {state}").format(state=word[:1].lower() + word[1:])
    if facts.unread:
        first = tr("{line} · {count} new").format(line=first, count=facts.unread)
    if facts.status is None:
        return "\n".join((first, *_sentences(facts.offline or "")[:2]))
    return "\n".join((first, words.counts(facts.status), words.room(facts.status)))


def quiet_word(until: float, now: float) -> str:
    """The menu's word for toasts that are held back."""
    if math.isinf(until):
        return tr("Do not disturb")
    return tr("Do not disturb until {moment}").format(moment=format_moment(until, now))
