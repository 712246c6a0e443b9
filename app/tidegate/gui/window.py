"""The one window: rail, strip, messages, pages. It holds no truth: a snapshot, and the changes while it is seen."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QRect, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QCloseEvent, QHideEvent, QKeySequence, QShortcut, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QMainWindow, QStackedWidget, QVBoxLayout, QWidget

from tidegate.engine.ports import Verb
from tidegate.engine.views import JobView, MachineSample, StatusView
from tidegate.gui import words
from tidegate.gui.commands import Commands
from tidegate.gui.drop import FileDrop
from tidegate.gui.feed import Feed
from tidegate.gui.job_book import JobBook
from tidegate.gui.message_bar import MessageBar, Offer
from tidegate.gui.preferences import Preferences
from tidegate.gui.queue_page import QueuePage
from tidegate.gui.rail import Rail
from tidegate.gui.remembered import Remembered
from tidegate.gui.strip import Strip
from tidegate.gui.submit import Submitter
from tidegate.gui.theme import Theme

if TYPE_CHECKING:
    from tidegate.gui.tide_page import TidePage

SIZE_PX, LEAST_PX = QSize(1280, 820), QSize(900, 600)
FRAME_PX = QSize(16, 48)
"""What window managers put around a window, and a little air; how much it is they only say later."""
FINISHED_SHOWN = 2000
TICK_MS = 1000


class MainWindow(QMainWindow):
    """``close_wanted()`` when a person closes it; whoever listens decides whether the app goes on in the tray."""

    close_wanted = Signal()

    def __init__(
        self,
        commands: Commands,
        feed: Feed,
        submitter: Submitter,
        theme: Theme,
        preferences: Preferences,
        remembered: Remembered,
    ) -> None:
        super().__init__()
        self._commands, self._feed, self._submitter = commands, feed, submitter
        self._theme, self._preferences, self._remembered = theme, preferences, remembered
        self.book = JobBook()
        self.tide: TidePage | None = None
        self._held_back: list[tuple[Sequence[JobView], Sequence[str]]] | None = None
        self._status: StatusView | None = None
        self.setWindowTitle("Tidegate")
        self.setMinimumSize(LEAST_PX)
        self.setGeometry(first_place(self.screen().availableGeometry()))
        self._build()
        self._connect()
        self._timer = QTimer(self)
        self._timer.setInterval(TICK_MS)
        self._timer.timeout.connect(self._tick)
        self.show_page("queue")

    # --- What others ask ---

    def show_page(self, name: str) -> None:
        """One of the rail's; a page is made when it is first shown."""
        self.rail.choose(name)
        page = self._page(name)
        if page is not self._pages.currentWidget() and self._pages.isAncestorOf(self.focusWidget() or self):
            # Else the focus would pass to some control of the new page, which nobody chose.
            self._middle.setFocus()
        self._pages.setCurrentWidget(page)

    def _page(self, name: str) -> QWidget:
        if name not in self._made:
            self._made[name] = self._makers[name]()
            self._pages.addWidget(self._made[name])
        return self._made[name]

    def open_job(self, id: str) -> None:
        self.show_page("queue")
        self.queue.open_job(id)

    def come_forward(self) -> None:
        self.setVisible(True)
        self.setWindowState(self.windowState() & ~self.windowState().WindowMinimized)
        self.raise_()
        self.activateWindow()

    def choose_files(self) -> None:
        self.come_forward()
        self._submitter.choose(self)

    # --- Building ---

    def _build(self) -> None:
        self.rail = Rail({"queue": self.tr("Queue"), "tide": self.tr("Tide")}, self._theme)
        self.strip = Strip(self._theme)
        self.messages = MessageBar()
        self.queue = QueuePage(self.book, self._commands, self._theme)
        self._pages = QStackedWidget()
        self._pages.addWidget(self.queue)
        self._made: dict[str, QWidget] = {"queue": self.queue}
        self._makers: dict[str, Callable[[], QWidget]] = {"tide": self._make_tide}
        content = QVBoxLayout()
        content.setContentsMargins(24, 20, 24, 20)
        content.setSpacing(16)
        content.addWidget(self.strip)
        content.addWidget(self.messages)
        content.addWidget(self._pages, 1)
        middle = self._middle = QWidget()
        middle.setObjectName("page")
        middle.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        row = QHBoxLayout(middle)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(self.rail)
        row.addLayout(content, 1)
        self.setCentralWidget(middle)

    def _connect(self) -> None:
        self.rail.page_wanted.connect(self.show_page)
        self.strip.submit_wanted.connect(self.choose_files)
        self.queue.submit_wanted.connect(self.choose_files)
        self.strip.pause_wanted.connect(self._pause_all)
        self._commands.failed.connect(self.messages.show_error)
        self._submitter.failed.connect(self.messages.show_error)
        self._submitter.taken.connect(self._say_taken)
        drop = FileDrop(self)
        drop.dropped.connect(self._submitter.submit)
        drop.refused.connect(self.messages.show_error)
        self._feed.jobs_changed.connect(self._on_jobs)
        self._feed.status_changed.connect(self._on_status)
        self._feed.sampled.connect(self._on_sample)
        for keys, slot in (
            (QKeySequence.StandardKey.Open, self.choose_files),
            (QKeySequence("Ctrl+P"), lambda: self._pause_all(self._status is None or self._status.intake.open)),
            (QKeySequence.StandardKey.Close, self.close),
        ):
            QShortcut(QKeySequence(keys), self).activated.connect(slot)

    def _make_tide(self) -> TidePage:
        from tidegate.gui.tide_page import TidePage  # the chart's code loads with its page

        page = TidePage(
            self.book,
            self._commands,
            self._theme,
            gpu_high_pct=self._preferences.number("gpu_memory_high_pct"),
            gpu_emergency_pct=self._preferences.number("gpu_memory_emergency_pct"),
            cpu_high_pct=self._preferences.number("cpu_high_pct"),
        )
        page.job_opened.connect(self.open_job)
        page.submit_wanted.connect(self.choose_files)
        if self._status is not None:
            page.show_status(self._status)
        self.tide = page
        return page

    # --- Seen and unseen ---

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if self._held_back is None:
            self._held_back = []
            self._feed.watch_jobs(True)
            self._on_status(self._commands.desk.status())
            self._commands.run(self._load())
        if self.focusWidget() is None or self.focusWidget() in self.rail.buttons.values():
            # Nothing was reached by key yet: no control should look chosen.
            self._middle.setFocus()
        self._timer.start()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        if not event.spontaneous():
            self._feed.watch_jobs(False)
            self._timer.stop()
            self._held_back = None

    def closeEvent(self, event: QCloseEvent) -> None:
        event.ignore()
        self.close_wanted.emit()

    async def _load(self) -> None:
        """A snapshot, then what changed meanwhile: the changes were asked for first, so that none is missed."""
        held_back = self._held_back
        book = await asyncio.to_thread(_read_book, self._commands.desk.jobs)
        if held_back is None or held_back is not self._held_back:
            return
        self.book.take(book)
        for changed, gone in held_back:
            self.book.apply(changed, gone)
        self._held_back = _LOADED
        self.queue.reload()
        if self.tide is not None:
            self.tide.reload()

    # --- Changes ---

    def _on_jobs(self, changed: Sequence[JobView], gone: Sequence[str]) -> None:
        if self._held_back is None:
            return
        if self._held_back is not _LOADED:
            self._held_back.append((changed, gone))
            return
        moves = self.book.apply(changed, gone)
        if self.tide is not None:
            self.tide.note_jobs(changed)
        page = self._pages.currentWidget()
        if page is self.queue:
            self.queue.apply(moves)
        elif self.tide is not None:
            self.tide.apply(moves)

    def _on_status(self, status: StatusView) -> None:
        self._status = status
        if not self.isVisible():
            return
        self.queue.show_status(status)
        self.strip.show_status(status)
        self.rail.show_footer(words.counts(status))
        if self.tide is not None:
            self.tide.show_status(status)
        paused = words.intake_sentence(status.intake, time.time())
        resume = Offer(self.tr("Resume"), lambda: self._commands.send(Verb.RESUME, None))
        self.messages.set_state("intake", paused, resume)
        self.messages.set_state("journal", status.journal_error)
        self.messages.set_state("warnings", " ".join(status.warnings) or None)

    def _on_sample(self, sample: MachineSample) -> None:
        if self.tide is not None and self.tide.isVisible():
            self.tide.add_sample(sample)

    def _tick(self) -> None:
        page = self._pages.currentWidget()
        if page is self.queue:
            self.queue.tick()
        elif self.tide is not None:
            self.tide.tick()

    # --- What a person asks ---

    def _pause_all(self, wanted: bool) -> None:
        self._commands.send(Verb.PAUSE if wanted else Verb.RESUME, None)

    def _say_taken(self, count: int, last: str) -> None:
        sentence = (
            self.tr("Submitted as job {id}.").format(id=last)
            if count == 1
            else self.tr("{count} jobs submitted.").format(count=count)
        )
        self.messages.show_info(sentence, Offer(self.tr("Show"), lambda: self.open_job(last)))


_LOADED: list[tuple[Sequence[JobView], Sequence[str]]] = []
"""Stands for: the snapshot is in, changes apply at once."""


def first_place(available: QRect) -> QRect:
    """Where the window opens: its own size where the screen has room beside panels and frame, in the middle."""
    size = SIZE_PX.boundedTo(available.size() - FRAME_PX).expandedTo(LEAST_PX)
    place = QRect(available.topLeft(), size)
    place.moveCenter(available.center())
    # The frame's title is above: what the middle leaves is shared as the frame needs it.
    place.translate(0, FRAME_PX.height() // 6)
    return place


def _read_book(jobs: Callable[..., list[JobView]]) -> JobBook:
    """Runs in a thread: ten thousand keys take longer than a frame."""
    book = JobBook()
    book.replace(jobs(finished=FINISHED_SHOWN))
    return book
