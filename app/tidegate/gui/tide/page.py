"""The Tide page: the machine over time as bands of jobs, and the head of the queue below it."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice, pairwise
from statistics import median

from PySide6.QtCore import QTimer, Signal
from PySide6.QtGui import QFont, QHideEvent, QShowEvent
from PySide6.QtWidgets import (
    QButtonGroup,
    QFrame,
    QHBoxLayout,
    QLabel,
    QStackedLayout,
    QVBoxLayout,
    QWidget,
)

from tidegate.core.texts import format_size
from tidegate.engine.views import JobView, MachineSample, StatusView
from tidegate.gui import words
from tidegate.gui.commands import Commands
from tidegate.gui.jobs.book import JobBook, Move
from tidegate.gui.jobs.list import JobList
from tidegate.gui.jobs.table import JobTable
from tidegate.gui.theme import Theme, font
from tidegate.gui.tide.bands import JOBLESS, OTHER, Metric, Series
from tidegate.gui.tide.chart import Picture, TideChart
from tidegate.gui.tide.limit_lines import Line, cpu_lines, high_and_emergency, memory_lines
from tidegate.gui.widgets.empty import EmptyState
from tidegate.gui.widgets.tab_button import TabButton

RANGES_S = (900.0, 3600.0)
LEAST_SPAN_S, BEFORE_FIRST = 30.0, 1.04
"""While there is less than a range to show, the axis begins a little before the first reading."""
STEPS = 360
"""As many steps of time as a chart shows: two or three pixels each on a common window."""
_FINEST_FOR_S = 300.0
_INTERVAL_OF = 20
SAMPLES_KEPT = 3700
STILL_CORES = 0.005
_CHUNK = 250
"""Samples taken in at a time while an hour is loaded, so that the window stays alive."""

MEMORY = Metric("memory")


class TidePage(QWidget):
    """``job_opened(str)``, ``submit_wanted()``. Nothing is computed while the page is not seen."""

    job_opened = Signal(str)
    submit_wanted = Signal()

    def __init__(
        self,
        book: JobBook,
        commands: Commands,
        theme: Theme,
        gpu_high_pct: float,
        gpu_emergency_pct: float,
        cpu_high_pct: float | None,
        swap_emergency_pct: float | None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__()
        self.setObjectName("page")
        self._book, self._commands, self._clock = book, commands, clock
        self._gpu_lines = (gpu_high_pct, gpu_emergency_pct)
        self._cpu_high_pct, self._swap_emergency_pct = cpu_high_pct, swap_emergency_pct
        self._status: StatusView | None = None
        self._samples: deque[MachineSample] = deque(maxlen=SAMPLES_KEPT)
        self._metric, self._span_s = MEMORY, RANGES_S[0]
        self._series = self._new_series()
        self._loading: deque[MachineSample] = deque()
        self._paused: dict[str, list[tuple[float, float | None]]] = {}
        self._loader = QTimer(self)
        self._loader.setInterval(0)
        self._loader.timeout.connect(self._load_chunk)
        self.chart = TideChart(theme)
        self.chart.job_clicked.connect(self.job_opened)
        self.model = JobTable(book)
        self.list = JobList(self.model, commands, theme)
        self.list.opened.connect(self.job_opened)
        self._tabs: dict[Metric, TabButton] = {}
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(16)
        column.addWidget(self._chart_card(), 10)
        column.addWidget(self._table_card(), 9)

    # --- What the window tells ---

    def show_status(self, status: StatusView) -> None:
        self._status = status
        self._series.cores = status.machine.cores
        self.list.show_cards(bool(status.machine.cards))
        swap = [Metric("swap")] if status.machine.swap_total_bytes else []
        wanted = [MEMORY, *swap, Metric("cpu"), *(Metric("card", card.index) for card in status.machine.cards)]
        if list(self._tabs) != wanted:
            self._make_tabs(wanted)

    def show_limits(
        self,
        gpu_high_pct: float,
        gpu_emergency_pct: float,
        cpu_high_pct: float | None,
        swap_emergency_pct: float | None,
    ) -> None:
        """The lines of cards, CPU and swap, when a person moved them; memory's come with the status."""
        self._gpu_lines = (gpu_high_pct, gpu_emergency_pct)
        self._cpu_high_pct, self._swap_emergency_pct = cpu_high_pct, swap_emergency_pct
        self._show_picture()

    def add_sample(self, sample: MachineSample) -> None:
        if self._samples and sample.at <= self._samples[-1].at:
            return
        self._samples.append(sample)
        if self._loading:
            self._loading.append(sample)
            return
        self._series.add((sample,))
        self._show_picture()

    def note_jobs(self, jobs: Sequence[JobView]) -> None:
        """Remember since when jobs stand still; the samples do not say it."""
        now = self._clock()
        for job in jobs:
            spans = self._paused.get(job.id)
            still = bool(spans) and spans is not None and spans[-1][1] is None
            if job.status == "paused" and not still:
                self._paused.setdefault(job.id, []).append((now, None))
            elif job.status != "paused" and still and spans is not None:
                spans[-1] = (spans[-1][0], now)

    def apply(self, moves: Sequence[Move]) -> None:
        self.model.apply(moves)
        self._show_table_or_empty()

    def reload(self) -> None:
        self.model.reload()
        # Jobs and samples are read at the same time, so either may come last.
        self._find_pauses()
        self._show_table_or_empty()

    def tick(self) -> None:
        self.model.touch_active()

    # --- Seen and unseen ---

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.reload()
        self._commands.run(self._fetch())

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._loader.stop()
        self._loading.clear()

    async def _fetch(self) -> None:
        """Everything that was missed while unseen; reading may ask a disk or another process."""
        since = self._clock() - RANGES_S[-1]
        samples = await asyncio.to_thread(self._commands.desk.samples, since)
        newest = samples[-1].at if samples else 0.0
        later = [sample for sample in self._samples if sample.at > newest]
        self._samples = deque([*samples, *later], maxlen=SAMPLES_KEPT)
        self._find_pauses()
        self._rebuild()

    def _find_pauses(self) -> None:
        """Jobs that stand still now: since when nobody told this page, but they have used no CPU since then."""
        for id, job in self._book.jobs.items():
            if (
                not self._samples
                or job.status != "paused"
                or (self._paused.get(id) and self._paused[id][-1][1] is None)
            ):
                continue
            since = self._clock()
            for sample in reversed(self._samples):
                cores = next((cores for each, _, cores in sample.jobs if each == id), None)
                if cores is None or cores >= STILL_CORES:
                    break
                since = sample.at
            self._paused.setdefault(id, []).append((since, None))

    def _rebuild(self) -> None:
        self._series = self._new_series()
        oldest = self._clock() - self._span_s - self._series.step_s
        self._loading = deque(sample for sample in self._samples if sample.at >= oldest)
        self._load_chunk()
        self._loader.start()

    def _load_chunk(self) -> None:
        chunk = [self._loading.popleft() for _ in range(min(_CHUNK, len(self._loading)))]
        self._series.add(chunk)
        if not self._loading:
            self._loader.stop()
            self._show_picture()

    def _new_series(self) -> Series:
        series = Series(self._metric, self._span_s, self._step_s())
        series.cores = self._status.machine.cores if self._status is not None else None
        return series

    def _shown_span_s(self) -> float:
        """The range a person chose, or what there is of it."""
        oldest = self._samples[0].at if self._samples else self._clock()
        return min(self._span_s, max(LEAST_SPAN_S, (self._clock() - oldest) * BEFORE_FIRST))

    def _step_s(self) -> float:
        """As fine as the range needs that the readings fill, and never finer than they come: that would draw a comb."""
        shown_s = self._shown_span_s()
        span_s = next(span_s for span_s in (_FINEST_FOR_S, *RANGES_S) if shown_s <= span_s)
        return max(float(round(self._interval_s())), span_s / STEPS, 1.0)

    def _interval_s(self) -> float:
        """How far apart the newest readings are; where they stopped for a while does not count."""
        moments = [sample.at for sample in islice(reversed(self._samples), _INTERVAL_OF)]
        return median(later - earlier for later, earlier in pairwise(moments)) if len(moments) > 1 else 1.0

    # --- The picture ---

    def _show_picture(self) -> None:
        top = self._top()
        if not self.isVisible() or top is None or not len(self._series):
            return
        if self._step_s() != self._series.step_s:
            self._rebuild()
            return
        now = self._clock()
        bands = self._series.bands()
        ids = [band.id for band in bands if band.id not in JOBLESS]
        self.chart.show_picture(
            Picture(
                bands=bands,
                top=top,
                now=now,
                span_s=self._shown_span_s(),
                lines=self._lines(top),
                amount=self._amount,
                names=self._names(ids),
                colours={id: self._book.colours.assign(id, live=False) for id in ids},
                paused={id: [(start, end or now) for start, end in self._paused.get(id, ())] for id in ids},
            )
        )

    def _names(self, ids: Sequence[str]) -> dict[str, str]:
        names = {id: words.printable(words.title(self._book.jobs[id])) for id in ids if id in self._book.jobs}
        names[OTHER] = self.tr("pushed out of memory") if self._metric.kind == "swap" else self.tr("other programs")
        return names

    def _top(self) -> float | None:
        machine = None if self._status is None else self._status.machine
        if machine is None:
            return None
        if self._metric.kind == "memory":
            return machine.memory_total_bytes
        if self._metric.kind == "cpu":
            return machine.cores
        if self._metric.kind == "swap":
            return machine.swap_total_bytes
        return next((card.memory_total_bytes for card in machine.cards if card.index == self._metric.index), None)

    def _amount(self, value: float) -> str:
        if self._metric.kind != "cpu":
            return format_size(value) if value else "0 GB"
        return self.tr("1 core") if value == 1 else self.tr("{count} cores").format(count=f"{value:.3g}")

    def _lines(self, top: float) -> list[Line]:
        if self._metric.kind == "card":
            return high_and_emergency(top, *self._gpu_lines)
        if self._metric.kind == "cpu":
            return cpu_lines(top, self._cpu_high_pct)
        if self._metric.kind == "swap":
            return high_and_emergency(top, None, self._swap_emergency_pct)
        assert self._status is not None
        return memory_lines(top, self._status.machine)

    # --- Parts ---

    def _chart_card(self) -> QFrame:
        card = QFrame()
        card.setProperty("role", "card")
        column = QVBoxLayout(card)
        column.setContentsMargins(1, 8, 1, 4)
        column.setSpacing(0)
        head = QHBoxLayout()
        head.setContentsMargins(15, 0, 15, 0)
        head.setSpacing(4)
        self._title = QLabel(self.tr("Memory"))
        self._title.setFont(font(14, QFont.Weight.DemiBold))
        self._title.setMinimumWidth(64)
        head.addWidget(self._title)
        head.addSpacing(8)
        self._tab_row = QHBoxLayout()
        self._tab_row.setSpacing(4)
        self._tab_group = QButtonGroup(self)
        head.addLayout(self._tab_row)
        head.addStretch(1)
        ranges = QButtonGroup(self)
        self._ranges: dict[float, TabButton] = {}
        for span_s, label in zip(RANGES_S, (self.tr("15 min"), self.tr("1 h")), strict=True):
            button = TabButton(label, ranges)
            button.setChecked(span_s == self._span_s)
            button.clicked.connect(lambda _checked=False, span_s=span_s: self.set_span(span_s))
            head.addWidget(button)
            self._ranges[span_s] = button
        column.addLayout(head)
        column.addWidget(self.chart, 1)
        return card

    def _table_card(self) -> QFrame:
        card = QFrame()
        card.setProperty("role", "card")
        card.setMinimumHeight(160)
        holder = QVBoxLayout(card)
        holder.setContentsMargins(1, 4, 1, 8)
        self._stack = QStackedLayout()
        self._empty = EmptyState()
        self._empty.show_words(
            self.tr("No jobs yet"),
            self.tr("Each job becomes a coloured band above. Drop scripts anywhere in this window."),
            self.tr("Submit…"),
        )
        self._empty.wanted.connect(self.submit_wanted)
        self._stack.addWidget(self.list)
        self._stack.addWidget(self._empty)
        holder.addLayout(self._stack)
        return card

    def _show_table_or_empty(self) -> None:
        self._stack.setCurrentWidget(self.list if len(self._book) else self._empty)

    def _make_tabs(self, metrics: Sequence[Metric]) -> None:
        for old in self._tabs.values():
            self._tab_group.removeButton(old)
            old.deleteLater()
        self._tabs = {}
        for metric in metrics:
            button = TabButton(self._metric_name(metric), self._tab_group)
            button.clicked.connect(lambda _checked=False, metric=metric: self.set_metric(metric))
            self._tab_row.addWidget(button)
            self._tabs[metric] = button
        if self._metric not in self._tabs:
            self.set_metric(MEMORY)
        self._tabs[self._metric].setChecked(True)

    def set_metric(self, metric: Metric) -> None:
        self._metric = metric
        self._title.setText(self._metric_name(metric))
        if metric in self._tabs:
            self._tabs[metric].setChecked(True)
        self._rebuild()

    def set_span(self, span_s: float) -> None:
        self._span_s = span_s
        self._ranges[span_s].setChecked(True)
        self._rebuild()

    def _metric_name(self, metric: Metric) -> str:
        if metric.kind == "card":
            return self.tr("GPU {index}").format(index=metric.index)
        return {"cpu": self.tr("CPU"), "swap": self.tr("Swap")}.get(metric.kind, self.tr("Memory"))
