"""A window on one job's log, however long: followed at its end, read further up, and never all of it in memory."""

from __future__ import annotations

import asyncio
import re
import time
from collections import deque
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from PySide6.QtCore import QTimer, Signal
from PySide6.QtGui import QHideEvent, QKeyEvent, QKeySequence, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QPlainTextEdit

from tidegate.core.job import JobId
from tidegate.core.texts import format_size
from tidegate.engine.ports import EngineUnwilling
from tidegate.gui.commands import Commands
from tidegate.gui.log.pages import Onward, Page, Read, before, begin_at
from tidegate.gui.log.paper import LogPaper
from tidegate.gui.log.search import Hit
from tidegate.gui.log.text import Line
from tidegate.gui.theme import Theme

FOLLOW_MS = 500
PAGE_BYTES = 64 * 1024
SLICE_S = 0.008
"""So long the document is filled before the window gets its turn again."""
SLICE_LINES = 40
FAR_BEHIND_BYTES = 256 * 1024
"""Whoever follows is not taken through so much, but to the end."""
NEAR_TOP_LINES = 3


class LogView(LogPaper):
    """``told(str)`` says in words what is shown; ``follow_changed(bool)`` when the newest line is kept in sight or not.

    ``page_came()`` when more of the log was read. ``path`` is the file that is shown.
    """

    told = Signal(str)
    follow_changed = Signal(bool)
    page_came = Signal()

    def __init__(self, commands: Commands, theme: Theme) -> None:
        super().__init__(theme)
        self._commands = commands
        self._id: JobId | None = None
        self.attempt = 1
        self._newest = 1
        self._onward: Onward | None = None
        self._page: Page | None = None
        self._top = (1, 0)
        self._wanted = -PAGE_BYTES
        self._then: Callable[[], None] | None = None
        self._ended = False
        self._reading = False
        self._generation = 0
        self._lines: deque[Line] = deque()
        self._above: list[Line] = []
        self.following = True
        self.path: str | None = None
        self.setAccessibleName(self.tr("Log"))
        self.set_wrap(True)
        self._timer = QTimer(self)
        self._timer.setInterval(FOLLOW_MS)
        self._timer.timeout.connect(self._read_on)
        self._pouring = QTimer(self)
        self._pouring.setInterval(0)
        self._pouring.timeout.connect(lambda: self._pour() if self._lines else self._pour_above())
        self.verticalScrollBar().valueChanged.connect(self._on_scrolled)
        theme.changed.connect(self._read_anew)

    # --- What is asked ---

    def show_log(self, id: str, attempt: int) -> None:
        """Show the end of this log; the same one again goes on where it was."""
        wanted = JobId.parse(id)
        if (wanted, attempt) == (self._id, self._newest):
            self._read_on()
            return
        self._id, self.attempt, self._newest = wanted, attempt, attempt
        self.path, self.chosen_match = None, None
        self._restart(-PAGE_BYTES)
        self.set_follow(True)

    def go_on_with(self, id: str, attempt: int) -> None:
        """Show the newest run's log; when the job runs again, the next one's follows where the last one's ended."""
        if JobId.parse(id) != self._id or attempt < self._newest:
            self.show_log(id, attempt)
            return
        if attempt > self._newest:
            self._newest, self._ended = attempt, False
        self._read_on()

    @property
    def log_size(self) -> int:
        """How long the log is, as far as it is known."""
        return 0 if self._page is None else self._page.size

    def reader(self) -> Read | None:
        """Reads the log that is shown, from any thread."""
        return None if self._id is None else partial(self._commands.desk.read_log, self._id, self.attempt)

    def set_follow(self, wanted: bool) -> None:
        """Keep the newest line in sight, or let the reader stay where he is."""
        if wanted != self.following:
            self.following = wanted
            self.follow_changed.emit(wanted)
        if not wanted:
            return
        if self._page is not None and self._page.size - self._page.end > PAGE_BYTES:
            self._restart(-PAGE_BYTES)
        else:
            self.to_end()
            self._read_on()

    def set_wrap(self, wanted: bool) -> None:
        mode = QPlainTextEdit.LineWrapMode
        with self.keeping_place():
            self.setLineWrapMode(mode.WidgetWidth if wanted else mode.NoWrap)

    def go_to_start(self) -> None:
        """The log's very beginning, which may be far above what is here."""
        self.set_follow(False)
        if self._top[1] > 0:
            self._restart(0, lambda: self.verticalScrollBar().setValue(0))
        else:
            self.verticalScrollBar().setValue(0)

    def set_pattern(self, pattern: re.Pattern[str] | None) -> None:
        """Mark what it finds in sight."""
        self.pattern, self.chosen_match = pattern, None
        self.mark_matches()

    def show_hit(self, hit: Hit) -> None:
        """Bring it into view, reading that part of the log when it is not here."""
        self.chosen_match = ((self.attempt, hit.at), hit.nth)
        self.set_follow(False)
        number = self._paragraph_of(hit)
        if number is None:
            self._restart(max(0, hit.at - PAGE_BYTES // 2), lambda: self._go_to(hit))
        else:
            self.go_to_match(number, hit.nth)

    def offset_in_sight(self) -> int:
        """Where the topmost line in sight begins in the file."""
        key = self.key_in_sight()
        if key is not None:
            return max(0, key[1])
        return 0 if self._page is None else self._page.end

    def _paragraph_of(self, hit: Hit) -> int | None:
        return self.number_of((self.attempt, hit.at))

    def _go_to(self, hit: Hit) -> None:
        number = self._paragraph_of(hit)
        if number is not None:
            self.go_to_match(number, hit.nth)

    # --- Qt ---

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._read_on()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._timer.stop()

    def resizeEvent(self, event: QResizeEvent) -> None:
        with self.own_move():
            super().resizeEvent(event)
        if self.following:
            self.to_end()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.matches(QKeySequence.StandardKey.MoveToStartOfDocument):
            self.go_to_start()
        elif event.matches(QKeySequence.StandardKey.MoveToEndOfDocument):
            self.set_follow(True)
        else:
            super().keyPressEvent(event)

    # --- Reading ---

    @property
    def busy(self) -> bool:
        return self._reading or bool(self._lines) or bool(self._above)

    def _restart(self, wanted: int, then: Callable[[], None] | None = None) -> None:
        """Forget what is shown and read from there on (negative: from the log's end)."""
        self._generation += 1
        self._onward, self._page, self._ended, self._reading = None, None, False, False
        self._wanted, self._then = wanted, then
        self._lines.clear()
        self._above.clear()
        self._pouring.stop()
        self.clear_lines()
        self._read_on()

    def _read_on(self, beyond_full: bool = False) -> None:
        if self._id is None or self.busy or self._ended or not self.isVisible():
            return
        if not self._timer.isActive():
            self._timer.start()
        read = self.reader()
        assert read is not None
        if self._onward is None:
            self._start(self._begin(self._generation, read, self._wanted))
        elif self.following or beyond_full or not self.full:
            self._start(self._go_on(self._generation, self._onward))

    def _start(self, reading: Coroutine[Any, Any, None]) -> None:
        self._reading = True
        self._commands.run(self._guarded(reading, self._generation))

    async def _guarded(self, reading: Coroutine[Any, Any, None], generation: int) -> None:
        sentence = None
        try:
            await reading
        except KeyError:
            sentence = self.tr("This log is not kept any more.")
        except OSError as error:
            sentence = self.tr("The log cannot be read: {error}").format(error=error.strerror or error)
        except EngineUnwilling as error:
            sentence = str(error)
        finally:
            if generation == self._generation:
                self._reading = False
        if generation != self._generation:
            return
        if sentence is not None:
            self.told.emit(sentence)
        elif not self.busy:
            self._settle()

    async def _begin(self, generation: int, read: Read, wanted: int) -> None:
        onward, page = await asyncio.to_thread(begin_at, read, wanted, PAGE_BYTES)
        if generation == self._generation:
            self._onward = onward
            self._top = (self.attempt, page.top)
            self._take(page)

    async def _go_on(self, generation: int, onward: Onward) -> None:
        page = await asyncio.to_thread(onward.next, PAGE_BYTES)
        if generation == self._generation:
            self._take(page)

    def _take(self, page: Page) -> None:
        self._page, self.path = page, page.path
        self._ended = page.ended and page.complete and self._newest == self.attempt
        with self.own_move():
            self.take_back(page.back)
        self._lines.extend(page.lines)
        self.told.emit(self._state(page))
        self._pour()

    def _pour(self) -> None:
        """Put read lines into the document, a slice at a time, so that the window never stalls."""
        until = time.perf_counter() + SLICE_S
        assert self._page is not None
        with self.own_move():
            self.replace_open((), self.attempt)
            while self._lines and time.perf_counter() < until:
                count = min(SLICE_LINES, len(self._lines))
                self.put_below([self._lines.popleft() for _ in range(count)], self.attempt)
            if not self._lines:
                self.replace_open(self._page.open, self.attempt)
                self.drop_above()
                if self.keys:
                    self._top = max(self._top, (self.keys[0][0], max(0, self.keys[0][1])))
            if self.following:
                self.to_end()
        self._pour_on()

    def _pour_above(self) -> None:
        """The same for what lies further up, from its end on."""
        until = time.perf_counter() + SLICE_S
        while self._above and time.perf_counter() < until:
            lines, self._above = self._above[-SLICE_LINES:], self._above[:-SLICE_LINES]
            self.put_above(lines, self._top[0])
        if not self._above:
            self._drop_below()
        if self.following:
            self.to_end()
        self._pour_on()

    def _pour_on(self) -> None:
        if self._lines or self._above:
            self._pouring.start()
            return
        self._pouring.stop()
        if not self._reading:
            self._settle()

    def _settle(self) -> None:
        """All that was read is shown: what comes next?"""
        page = self._page
        if page is None:
            return
        then, self._then = self._then, None
        if then is not None:
            then()
        if page.ended and page.complete and self._newest > self.attempt:
            self._begin_attempt(self.attempt + 1)
        elif not page.complete:
            self._read_rest(page)
        elif self._ended:
            self._timer.stop()
        self.page_came.emit()
        self._read_earlier_if_near()

    def _read_rest(self, page: Page) -> None:
        if self.following and page.size - page.end > FAR_BEHIND_BYTES:
            self._restart(-PAGE_BYTES)
        elif self.following or self._near_bottom():
            QTimer.singleShot(0, self, lambda: self._read_on(beyond_full=True))

    def _begin_attempt(self, number: int) -> None:
        self.attempt = number
        read = self.reader()
        assert read is not None
        self._onward, self._page = Onward(read, 0), None
        if self.document().lastBlock().length() > 1:
            self.keys.append((number - 1, self.keys[-1][1] + 1 if self.keys else 0))
            self.appendPlainText("")
        self.put_note(self.tr("— attempt {number} —").format(number=number), (number, -1))
        QTimer.singleShot(0, self, self._read_on)

    # --- Further up, and where the reader is ---

    def _on_scrolled(self, value: int) -> None:
        if self.moves_by_itself:
            return
        complete = self._page is None or (self._page.complete and not self._lines)
        at_bottom = value >= self.verticalScrollBar().maximum()
        if (at_bottom and complete) != self.following:
            self.set_follow(at_bottom)
        elif not complete and self._near_bottom():
            self._read_on(beyond_full=True)
        self._read_earlier_if_near()

    def _near_bottom(self) -> bool:
        bar = self.verticalScrollBar()
        return bar.maximum() - bar.value() <= bar.pageStep()

    def _read_earlier_if_near(self) -> None:
        attempt, top = self._top
        bar = self.verticalScrollBar()
        near = bar.value() - bar.minimum() <= NEAR_TOP_LINES
        if near and top > 0 and self._onward is not None and self._id is not None and not self.busy:
            dropped = self._page.dropped if self._page is not None and attempt == self.attempt else None
            read = partial(self._commands.desk.read_log, self._id, attempt)
            self._start(self._read_before(self._generation, read, top, dropped))

    async def _read_before(self, generation: int, read: Read, top: int, dropped: tuple[int, int] | None) -> None:
        page = await asyncio.to_thread(before, read, top, PAGE_BYTES, dropped)
        if generation != self._generation:
            return
        attempt = self._top[0]
        self._top = (attempt, page.top if page.top < top else 0)
        self._above = list(page.lines)
        self._pour_above()

    def _drop_below(self) -> None:
        """Too much is held: the end goes, and is read again when somebody goes there."""
        key = self.drop_below()
        if key is None or self._id is None or self._page is None:
            return
        attempt, at = key
        self.attempt, at = attempt, max(0, at)
        self._onward, self._ended = Onward(partial(self._commands.desk.read_log, self._id, attempt), at), False
        self._page = Page((), (), at, at, max(self._page.size, at + 1), self._page.dropped, False, self._page.path)

    def _read_anew(self) -> None:
        """Other colours: what is shown is read again from the same place."""
        self.forget_colours()
        if self._onward is not None:
            self._restart(-PAGE_BYTES if self.following else max(0, self.offset_in_sight() - 1))

    def _state(self, page: Page) -> str:
        parts = [format_size(page.size)] if page.size else []
        if page.dropped is not None:
            dropped = format_size(page.dropped[1] - page.dropped[0])
            parts.append(self.tr("{size} in the middle were dropped").format(size=dropped))
        return " · ".join(parts)
