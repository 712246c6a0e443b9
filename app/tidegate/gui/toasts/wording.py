"""What a toast says and offers: one line title, one line reason, at most two buttons; pure but for ``tr``."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QCoreApplication

from tidegate.desktop.notifications import Toast, ToastButton
from tidegate.engine.ports import Errand, Notice, NoticeKind, ResolveConflict
from tidegate.gui import words
from tidegate.gui.toasts.policy import Showing

LINE_CHARS, NAME_CHARS = 160, 44
"""Desktops cut or wrap longer lines, each in its own way. Three names and how many more there are fit on one."""
BUTTONS_MOST = 2


def tr(text: str) -> str:
    return QCoreApplication.translate("toasts", text)


@dataclass(frozen=True, slots=True)
class Ask:
    """What the notice offers."""

    errand: Errand


@dataclass(frozen=True, slots=True)
class OpenLog:
    job: str


@dataclass(frozen=True, slots=True)
class ShowJob:
    job: str


@dataclass(frozen=True, slots=True)
class ShowInbox:
    """Of this notice, where it is about one."""

    notice: int | None = None


@dataclass(frozen=True, slots=True)
class ShowConflict:
    """With all its ways out."""

    conflict: int


Deed = Ask | OpenLog | ShowJob | ShowInbox | ShowConflict


@dataclass(frozen=True, slots=True)
class Choice:
    """A button: its word and what it does."""

    label: str
    deed: Deed


@dataclass(frozen=True, slots=True)
class Worded:
    """A toast and what is done for a click on it (``click``) and for each button, by its key.

    ``notice`` is the number in the history of the one it tells of, if it tells of one.
    """

    toast: Toast
    click: Deed
    deeds: dict[str, Deed]
    notice: int | None = None


def choices(notice: Notice) -> list[Choice]:
    """Everything one may do about a notice, the most likely first."""
    job = None if notice.job is None else str(notice.job)
    # The name of a job may be in the label, and hold any bytes.
    made = [Choice(_cut(_flat(offer.label), NAME_CHARS), Ask(offer.command)) for offer in notice.offers]
    conflict = _conflict_of(notice)
    if conflict is not None:
        # Beside the proposed way, so that a toast has it rather than the next way, which may end a job for good.
        made.insert(1, Choice(tr("Show conflict"), ShowConflict(conflict)))
    if job is not None and notice.kind is NoticeKind.FAILED:
        made.insert(0, Choice(tr("Open log"), OpenLog(job)))
        made.append(Choice(tr("Show job"), ShowJob(job)))
    elif job is not None:
        made.append(Choice(tr("Show job"), ShowJob(job)))
        made.append(Choice(tr("Open log"), OpenLog(job)))
    return made


def worded(showing: Showing) -> Worded:
    if showing.count == 1 and not showing.after_quiet:
        return _one(showing)
    title, text = _title(showing), _names(showing)
    if showing.after_quiet:
        text = tr("Kept while notifications were off: {names}").format(names=text)
    elif showing.missed:
        text = tr("Meanwhile: {names}").format(names=text)
    show = ShowInbox()
    toast = Toast(showing.id, title, _line(text), (ToastButton("0", tr("Show all")),), showing.critical)
    return Worded(toast, show, {"0": show})


def _one(showing: Showing) -> Worded:
    [notice] = showing.named
    offered = choices(notice)[:BUTTONS_MOST] or [Choice(tr("Show"), ShowInbox(notice.id))]
    buttons = tuple(ToastButton(str(i), choice.label) for i, choice in enumerate(offered))
    toast = Toast(showing.id, _line(notice.title), _line(notice.text), buttons, showing.critical)
    return Worded(toast, _click(notice), {str(i): choice.deed for i, choice in enumerate(offered)}, notice.id)


def _click(notice: Notice) -> Deed:
    """What one wants to see of it."""
    conflict = _conflict_of(notice)
    if conflict is not None:
        return ShowConflict(conflict)
    return ShowInbox(notice.id) if notice.job is None else ShowJob(str(notice.job))


def _conflict_of(notice: Notice) -> int | None:
    return next((offer.command.id for offer in notice.offers if isinstance(offer.command, ResolveConflict)), None)


def _title(showing: Showing) -> str:
    said = ", ".join(_counted(kind, count) for kind, count in showing.counts)
    return said[:1].upper() + said[1:]


def _counted(kind: NoticeKind, count: int) -> str:
    one, several = {
        NoticeKind.FAILED: (tr("1 job failed"), tr("{count} jobs failed")),
        NoticeKind.ENDED: (tr("1 job finished"), tr("{count} jobs finished")),
        NoticeKind.INTERVENED: (tr("1 job was held back"), tr("{count} steps to protect this computer")),
        NoticeKind.ALERT: (tr("1 alert"), tr("{count} alerts")),
        NoticeKind.CONFLICT: (tr("1 conflict"), tr("{count} conflicts")),
        NoticeKind.HINT: (tr("1 hint"), tr("{count} hints")),
        NoticeKind.ENGINE: (tr("1 message"), tr("{count} messages")),
    }[kind]
    return one if count == 1 else several.format(count=count)


def _names(showing: Showing) -> str:
    """The first titles, of one kind without the words they all end with; and how many there are besides."""
    titles = [_flat(notice.title) for notice in showing.named]
    ending = _common_ending(titles) if len(showing.counts) == 1 else ""
    named = [_cut(title.removesuffix(ending), NAME_CHARS) for title in titles]
    rest = showing.count - len(named)
    between = ", " if ending else "; "
    last = [tr("{count} more").format(count=rest)] if rest else named[1:][-1:]
    first = named if rest else named[: max(1, len(named) - 1)]
    if not last:
        return between.join(first)
    return tr("{names} and {last}").format(names=between.join(first), last=last[0])


def _common_ending(titles: list[str]) -> str:
    """Whole words, as in " failed" of "a.sh failed" and "b.sh failed"; of a single title none."""
    if len(titles) < 2:
        return ""
    words_of = [title.split(" ") for title in titles]
    same = 0
    while same < min(map(len, words_of)) - 1 and len({own[-1 - same] for own in words_of}) == 1:
        same += 1
    return "".join(f" {word}" for word in words_of[0][len(words_of[0]) - same :])


def _line(text: str) -> str:
    """One line of text that every desktop can take, whatever bytes a job's name has."""
    return _cut(words.left_to_right(_flat(text)), LINE_CHARS)


def _flat(text: str) -> str:
    return " ".join(words.printable(text).split())


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
