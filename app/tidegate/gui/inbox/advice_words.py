"""Conflicts and hints in words: how bad, what about, since when, and how they ended."""

from __future__ import annotations

import html

from tidegate.core.texts import as_sentence, format_moment
from tidegate.engine.views import ConflictView, HintView
from tidegate.gui import words
from tidegate.gui.inbox.words import level_shape, level_word, tr

LABEL_CHARS = 48
"""A longer word on a button is cut; hovering shows it all."""


def shape_of(about: ConflictView | HintView) -> tuple[str, str]:
    """Shape and colour token, as for notices."""
    if isinstance(about, HintView):
        return ("offline", "accent") if about.type == "suggestion" else level_shape(about.type)
    return {"critical": ("emergency", "danger"), "high": ("high", "danger"), "medium": ("high", "attention")}.get(
        about.severity, ("offline", "muted")
    )


def head(about: ConflictView | HintView) -> str:
    return words.printable(about.title) if isinstance(about, HintView) else words.conflict(about)


def text(about: ConflictView | HintView) -> str:
    """What there is to say beside the head."""
    return words.printable(as_sentence(about.message)) if isinstance(about, HintView) and about.message else ""


def severity_word(severity: str) -> str:
    return {
        "low": tr("Low"),
        "medium": tr("Medium"),
        "high": tr("High"),
        "critical": tr("Critical"),
    }.get(severity, severity)


def type_word(type: str) -> str:
    return tr("Suggestion") if type == "suggestion" else level_word(type)


def resource_words(resource: str) -> str:
    """``gpu:0`` as "card 0", ``file:/a/b`` as "file /a/b"; what is unknown as it is."""
    kind, _, which = resource.partition(":")
    return {
        "memory": tr("memory"),
        "cores": tr("processor cores"),
        "gpu": tr("card {which}"),
        "file": tr("file {which}"),
        "port": tr("port {which}"),
        "environment": tr("environment {which}"),
        "deadline": tr("deadline"),
        "begin": tr("begin time"),
        "priority": tr("priority"),
    }.get(kind, resource.replace("{", "{{").replace("}", "}}")).format(which=words.printable(which))


def _about_what(conflict: ConflictView) -> str:
    """What the sentence names already is not said again."""
    kind, _, which = conflict.resource.partition(":")
    named = kind in ("file", "port", "environment") and which in conflict.sentence
    return resource_words(f"{kind}:" if named else conflict.resource).strip()


def since(about: ConflictView | HintView) -> float:
    return about.at if isinstance(about, HintView) else about.detected_at


def about_line(about: ConflictView | HintView, now: float, link_colour: str) -> str:
    """How bad, what about, when, and a link ``job:ID`` for each job, as rich text."""
    if isinstance(about, HintView):
        parts = [type_word(about.type)]
    else:
        parts = [severity_word(about.severity), _about_what(about)]
    parts.append(tr("since {moment}").format(moment=format_moment(since(about), now)))
    if about.closed_at is not None:
        parts[-1] = tr("ended {moment}").format(moment=format_moment(about.closed_at, now))
    style = f"color: {link_colour}; text-decoration: none"
    links = [
        f'<a href="job:{html.escape(id)}" style="{style}">{html.escape(tr("job {id}").format(id=id))}</a>'
        for id in about.jobs
    ]
    said = " · ".join(html.escape(words.printable(part)) for part in parts)
    return f"{said} · {', '.join(links)}" if links else said


def label(way: str) -> str:
    """The words on a button."""
    return words.on_button(way if len(way) <= LABEL_CHARS else f"{way[: LABEL_CHARS - 1]}…")


def summary(conflicts: int, hints: int, ended: bool) -> str:
    """How many there are of each; empty for none."""
    parts = []
    if conflicts:
        parts.append(tr("1 conflict") if conflicts == 1 else tr("{count} conflicts").format(count=conflicts))
    if hints:
        parts.append(tr("1 hint") if hints == 1 else tr("{count} hints").format(count=hints))
    if not parts:
        return ""
    said = tr("{one} and {other}").format(one=parts[0], other=parts[1]) if len(parts) == 2 else parts[0]
    return tr("{found} that ended").format(found=said) if ended else tr("{found} open").format(found=said)


def empty_words(ended: bool) -> tuple[str, str]:
    """Title and sentence of a list with nothing in it."""
    if ended:
        return tr("None has ended yet"), tr("Conflicts and hints that are over are kept here, with how they ended.")
    return (
        tr("No hints and no conflicts"),
        tr("Advice on how jobs could run better, and jobs that want more than there is, appear here."),
    )
