"""Asks once before several running jobs are ended together: their work so far may be lost."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtWidgets import QMessageBox, QWidget

from tidegate.engine.ports import Verb

ACTIVE = frozenset({"starting", "running", "paused", "stopping"})


def _tr(text: str) -> str:
    return QCoreApplication.translate("stop", text)


def ask_to_stop(verb: Verb, running: int, chosen: int, owner: QWidget, do: Callable[[], object]) -> QMessageBox:
    """Calls ``do`` when the person says so. The open dialog is returned; it does not block."""
    box = QMessageBox(owner)
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    box.setIcon(QMessageBox.Icon.NoIcon)
    kill = verb is Verb.KILL
    box.setWindowTitle(_tr("Kill jobs") if kill else _tr("Cancel jobs"))
    question = _tr("Kill {count} running jobs?") if kill else _tr("Cancel {count} running jobs?")
    box.setText(question.format(count=running))
    box.setInformativeText(_consequence(kill, chosen - running))
    label = _tr("Kill {count} jobs") if kill else _tr("Cancel {count} jobs")
    stop = box.addButton(label.format(count=chosen), QMessageBox.ButtonRole.DestructiveRole)
    stop.clicked.connect(lambda _checked=False: do())
    keep = box.addButton(_tr("Keep them"), QMessageBox.ButtonRole.RejectRole)
    box.setDefaultButton(keep)
    box.setEscapeButton(keep)
    box.open()
    return box


def _consequence(kill: bool, waiting: int) -> str:
    if kill:
        parts = [_tr("They end at once and cannot save anything first.")]
    else:
        parts = [_tr("They are asked to end and have a moment to do so. What they have not saved is lost.")]
    if waiting == 1:
        parts.append(_tr("One waiting job leaves the line, too."))
    elif waiting:
        parts.append(_tr("{count} waiting jobs leave the line, too.").format(count=waiting))
    return " ".join(parts)
