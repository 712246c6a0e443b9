"""Asks before the app goes while there is work: keep the jobs running, or stop them."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtWidgets import QMessageBox, QWidget

from tidegate.engine.views import StatusView
from tidegate.gui import words


def _tr(text: str) -> str:
    return QCoreApplication.translate("quit", text)


def ask_to_quit(status: StatusView, owner: QWidget | None, quit_now: Callable[[bool], None]) -> QMessageBox | None:
    """Calls ``quit_now(stop_jobs)`` at once when no work is left, else when answered. The open dialog is returned."""
    running, waiting = words.running_count(status), words.waiting_count(status)
    if not running and not waiting:
        quit_now(False)
        return None
    box = QMessageBox(owner)
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    box.setWindowTitle(_tr("Quit Tidegate"))
    box.setIcon(QMessageBox.Icon.NoIcon)
    box.setText(_title(running, waiting))
    box.setInformativeText(_consequence(running, waiting))
    if running:
        keep = box.addButton(_tr("&Keep jobs running"), QMessageBox.ButtonRole.AcceptRole)
        stop = box.addButton(_tr("&Stop jobs"), QMessageBox.ButtonRole.DestructiveRole)
        stop.clicked.connect(lambda: quit_now(True))
    else:
        keep = box.addButton(_tr("Quit"), QMessageBox.ButtonRole.AcceptRole)
    keep.clicked.connect(lambda: quit_now(False))
    box.setDefaultButton(keep)
    box.setEscapeButton(box.addButton(_tr("Cancel"), QMessageBox.ButtonRole.RejectRole))
    box.open()
    return box


def _title(running: int, waiting: int) -> str:
    if running == 1:
        return _tr("One job is still running.")
    if running:
        return _tr("{count} jobs are still running.").format(count=running)
    if waiting == 1:
        return _tr("One job is still waiting.")
    return _tr("{count} jobs are still waiting.").format(count=waiting)


def _consequence(running: int, waiting: int) -> str:
    parts = []
    if running == 1:
        parts.append(_tr("It can go on without this window; nobody watches the memory as closely then."))
    elif running:
        parts.append(_tr("They can go on without this window; nobody watches the memory as closely then."))
    if waiting:
        parts.append(_tr("Waiting jobs stay in line and go on when Tidegate runs again."))
    return " ".join(parts)
