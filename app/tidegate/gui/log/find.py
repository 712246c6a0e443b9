"""The find bar of a log: words or errors, counted over the whole log in a thread, and stepped through by key."""

from __future__ import annotations

import asyncio
import re
from bisect import bisect_left

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QLineEdit, QPushButton, QWidget

from tidegate.engine.ports import EngineUnwilling
from tidegate.gui.commands import Commands
from tidegate.gui.log.search import ERRORS, MOST_HITS, Hit, LogSearch, words_pattern
from tidegate.gui.log.view import LogView
from tidegate.gui.theme import font

TYPED_MS = 150
LOOK_MS = 100


class LogFind(QWidget):
    """``closed()`` when it was put away."""

    closed = Signal()

    def __init__(self, commands: Commands, view: LogView) -> None:
        super().__init__()
        self._commands = commands
        self._view = view
        self._search: LogSearch | None = None
        self._running = False
        self._again = False
        self._current: Hit | None = None
        self._attempt = 1
        self._from = Hit(0, 0)
        self._typed = QTimer(self)
        self._typed.setSingleShot(True)
        self._typed.setInterval(TYPED_MS)
        self._typed.timeout.connect(self._begin)
        self._look = QTimer(self)
        self._look.setInterval(LOOK_MS)
        self._look.timeout.connect(self._show_progress)
        self._build()
        view.page_came.connect(self._search_rest)

    def _build(self) -> None:
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        self.field = QLineEdit()
        self.field.setPlaceholderText(self.tr("Find in the whole log"))
        self.field.setAccessibleName(self.tr("Find in the log"))
        self.field.setClearButtonEnabled(True)
        self.field.textEdited.connect(lambda _text: self._typed.start())
        self.count = QLabel("")
        self.count.setProperty("role", "muted")
        self.count.setFont(font(12))
        self.count.setMinimumWidth(96)
        row.addWidget(self.field, 1)
        row.addWidget(self.count)
        for name, hint, slot in (
            (self.tr("Previous"), self.tr("Shift+F3"), self.previous),
            (self.tr("Next"), self.tr("F3"), self.next),
            (self.tr("Errors"), self.tr("Step through lines that speak of an error"), self.find_errors),
            (self.tr("Close"), self.tr("Esc"), self.close_bar),
        ):
            button = QPushButton(name)
            button.setProperty("role", "quiet")
            button.setToolTip(hint)
            button.clicked.connect(lambda _checked=False, slot=slot: slot())
            row.addWidget(button)

    # --- What is asked ---

    def open_bar(self) -> None:
        self.show()
        self.field.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.field.selectAll()
        if self._search is None and self.field.text():
            self._begin()

    def close_bar(self) -> None:
        self.forget()
        self.hide()
        self._view.setFocus()
        self.closed.emit()

    def forget(self) -> None:
        """Another log is shown: what was found belongs to the last one."""
        self._typed.stop()
        self._look.stop()
        if self._search is not None:
            self._search.stop()
        self._search, self._current = None, None
        self._view.set_pattern(None)
        self.count.setText("")

    def find_errors(self) -> None:
        self.field.clear()
        self._start(ERRORS)

    def next(self) -> None:
        self._step(1)

    def previous(self) -> None:
        self._step(-1)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self.close_bar()
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            if self._typed.isActive():
                self._begin()
            else:
                self._step(-1 if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 1)
        else:
            super().keyPressEvent(event)

    # --- Searching ---

    def _begin(self) -> None:
        self._typed.stop()
        text = self.field.text()
        if text:
            self._start(words_pattern(text))
        else:
            self.forget()

    def _start(self, pattern: re.Pattern[str]) -> None:
        self.forget()
        read = self._view.reader()
        if read is None:
            return
        self._search, self._attempt = LogSearch(read, pattern), self._view.attempt
        self._from = Hit(self._view.offset_in_sight(), 0)
        self._view.set_pattern(pattern)
        self._commands.run(self._run(self._search))

    async def _run(self, search: LogSearch) -> None:
        self._running = True
        self._look.start()
        try:
            await asyncio.to_thread(search.run)
        except (KeyError, OSError, EngineUnwilling):
            if search is self._search:
                self.count.setText(self.tr("This log cannot be read."))
                self._look.stop()
            return
        finally:
            self._running = False
        if search is self._search:
            self._look.stop()
            self._show_progress()
            if self._again:
                self._again = False
                self._search_rest()

    def _search_rest(self) -> None:
        """The log has grown: only what is new is searched."""
        search = self._search
        if search is None or not self.isVisible():
            return
        if self._view.attempt != self._attempt:
            self._start(search.pattern)
        elif search.full or search.searched >= self._view.log_size:
            return
        elif self._running:
            self._again = True
        else:
            self._commands.run(self._run(search))

    def _show_progress(self) -> None:
        search = self._search
        if search is None:
            return
        if self._current is None and search.hits:
            at = bisect_left(search.hits, self._from)
            if at < len(search.hits):
                self._go_to(search.hits[at])
            elif not self._running:
                self._go_to(search.hits[-1])
        self._tell(search)

    def _step(self, way: int) -> None:
        search = self._search
        if search is None:
            self._begin()
            return
        if not search.hits:
            return
        if self._current is None:
            at = bisect_left(search.hits, self._from)
        else:
            at = bisect_left(search.hits, self._current) + way
        self._go_to(search.hits[at % len(search.hits)])
        self._tell(search)

    def _go_to(self, hit: Hit) -> None:
        self._current = hit
        self._view.show_hit(hit)

    def _tell(self, search: LogSearch) -> None:
        found = len(search.hits)
        total = self.tr("more than {count}").format(count=f"{MOST_HITS:,}") if search.full else f"{found:,}"
        if found:
            place = bisect_left(search.hits, self._current) + 1 if self._current is not None else 0
            text = self.tr("{place} of {total}").format(place=f"{place:,}", total=total)
        else:
            text = "" if self._running else self.tr("Not found")
        if self._running and search.searched < search.size:
            share = f"{100 * search.searched // search.size} %"
            text = " · ".join(filter(None, (text, self.tr("searching, {share}").format(share=share))))
        self.count.setText(text)
