"""The job table as a widget: fixed rows, columns that share the width, selection by job, context menu and keys."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QItemSelection, QItemSelectionModel, QPoint, Qt, Signal
from PySide6.QtGui import QContextMenuEvent, QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QFrame, QHeaderView, QMenu, QTableView

from tidegate.engine.views import JobView
from tidegate.gui.commands import Commands
from tidegate.gui.jobs.actions import JobActions
from tidegate.gui.jobs.delegate import ROW_PX, JobDelegate
from tidegate.gui.jobs.table import Column, JobTable
from tidegate.gui.theme import Theme

_WIDTHS = {Column.STATUS: 148, Column.MEMORY: 168, Column.GPU: 80, Column.TIMES: 128}
_SHIFT = Qt.KeyboardModifier.ShiftModifier
_NARROW_PX = 840
"""Below this the columns one misses least make room."""
_LEFT_OUT = (Column.GPU, Column.TIMES)
_JOB_SHARE, _JOB_LEAST_PX, _JOB_MOST_PX = 0.4, 176, 320
"""Of the width that the fixed columns leave, the job's name has this part, and the reason all the rest."""


class JobList(QTableView):
    """``chosen_changed()`` when other jobs are selected, ``opened(str)`` when one is asked for by key or menu.

    ``put_away()`` when Escape was pressed: whatever was opened for the chosen job may go.
    """

    chosen_changed = Signal()
    opened = Signal(str)
    put_away = Signal()

    def __init__(self, model: JobTable, commands: Commands, theme: Theme) -> None:
        super().__init__()
        self._jobs = model
        self._kept: list[str] = []
        self._current: str | None = None
        self._menu: QMenu | None = None
        self._restoring = False
        self._scroll = 0
        self._cards = False
        self.setModel(model)
        self.setItemDelegate(JobDelegate(model, theme, self))
        self.setAccessibleName(self.tr("Jobs"))
        self._dress()
        self.actions_of_jobs = JobActions(commands, self.chosen, self, theme)
        self.actions_of_jobs.open_log.connect(self.opened)
        self.doubleClicked.connect(lambda index: self._open_row(index.row()))
        self.selectionModel().selectionChanged.connect(self._on_selection)
        # A reset takes the selection along: it is kept by job and put back.
        model.modelAboutToBeReset.connect(self._keep)
        model.modelReset.connect(self._restore)
        theme.changed.connect(self.viewport().update)

    def chosen(self) -> Sequence[JobView]:
        # By ranges: one index for each of ten thousand rows would take half a second.
        selected = self.selectionModel().selection()
        ranges = sorted((each.top(), each.bottom()) for each in map(selected.at, range(selected.count())))
        rows = dict.fromkeys(row for top, bottom in ranges for row in range(top, bottom + 1))
        return [job for row in rows if (job := self._jobs.job_at(row)) is not None]

    @property
    def chosen_count(self) -> int:
        return len(self._kept)

    def choose(self, id: str) -> bool:
        """Select this job and bring it into view; False when this filter does not show it."""
        row = self._jobs.row_of(id)
        if row is None:
            return False
        # Not selectRow: with Ctrl or Shift down, as when a key asked for it, that would toggle or extend.
        wanted = QItemSelectionModel.SelectionFlag.ClearAndSelect | QItemSelectionModel.SelectionFlag.Rows
        self.selectionModel().setCurrentIndex(self._jobs.index(row, 0), wanted)
        self.scrollTo(self._jobs.index(row, 0))
        return True

    def choose_all(self, ids: Sequence[str]) -> None:
        """Select those of these jobs that this filter shows, and bring the first into view."""
        rows = self._jobs.rows_of(ids)
        if rows:
            wanted = QItemSelectionModel.SelectionFlag.ClearAndSelect | QItemSelectionModel.SelectionFlag.Rows
            self.selectionModel().select(self._selection(rows), wanted)
            self.scrollTo(self._jobs.index(rows[0], 0))

    def show_cards(self, wanted: bool) -> None:
        """A machine without graphics cards has no column for them."""
        if wanted != self._cards:
            self._cards = wanted
            self._share_width()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key, plain = event.key(), not event.modifiers()
        if key in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and plain:
            self._open_row(self.currentIndex().row())
        elif key == Qt.Key.Key_Menu or (key == Qt.Key.Key_F10 and event.modifiers() == _SHIFT):
            self._open_menu_at_row()
        elif key == Qt.Key.Key_Escape:
            self.put_away.emit()
        else:
            super().keyPressEvent(event)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        if event.reason() == QContextMenuEvent.Reason.Keyboard:
            self._open_menu_at_row()
        elif self.chosen():
            self._open_menu(event.globalPos())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._share_width()

    def _dress(self) -> None:
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setShowGrid(False)
        self.setMouseTracking(False)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setCornerButtonEnabled(False)
        rows, columns = self.verticalHeader(), self.horizontalHeader()
        rows.hide()
        rows.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        rows.setMinimumSectionSize(ROW_PX)
        rows.setDefaultSectionSize(ROW_PX)
        columns.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        columns.setHighlightSections(False)
        columns.setSectionsClickable(False)
        columns.setFixedHeight(ROW_PX)

    def _share_width(self) -> None:
        columns = self.horizontalHeader()
        narrow = self.viewport().width() < _NARROW_PX
        room = self.viewport().width()
        for column, width in _WIDTHS.items():
            hidden = (narrow and column in _LEFT_OUT) or (column == Column.GPU and not self._cards)
            columns.setSectionHidden(column, hidden)
            columns.resizeSection(column, width)
            room -= 0 if hidden else width
        name = min(_JOB_MOST_PX, max(_JOB_LEAST_PX, int(room * _JOB_SHARE)))
        columns.resizeSection(Column.JOB, name)
        columns.resizeSection(Column.WHY, room - name)

    def _open_menu_at_row(self) -> None:
        """Below the current row, where the eye is; some desktops report the key as a key, some as a wish for a menu."""
        current = self._jobs.job_at(self.currentIndex().row())
        if current is not None and not self.selectionModel().hasSelection():
            self.choose(current.id)
        if self.chosen():
            self.scrollTo(self.currentIndex())
            row = self.visualRect(self._jobs.index(self.currentIndex().row(), Column.JOB))
            self._open_menu(self.viewport().mapToGlobal(row.bottomLeft()))

    def _open_menu(self, at: QPoint) -> None:
        if self._menu is not None and self._menu.isVisible():
            return
        self._menu = self.actions_of_jobs.menu()
        self._menu.destroyed.connect(self._forget_menu)
        self._menu.popup(at)

    def _forget_menu(self) -> None:
        self._menu = None

    def _open_row(self, row: int) -> None:
        job = self._jobs.job_at(row)
        if job is not None:
            self.opened.emit(job.id)

    def _on_selection(self) -> None:
        if not self._restoring:
            self._kept = [job.id for job in self.chosen()]
            self.chosen_changed.emit()

    def _selection(self, rows: Sequence[int]) -> QItemSelection:
        """Neighbours in one range: so it costs little to choose all."""
        chosen, last = QItemSelection(), self._jobs.columnCount() - 1
        first = 0
        for place in range(1, len(rows) + 1):
            if place == len(rows) or rows[place] != rows[place - 1] + 1:
                chosen.select(self._jobs.index(rows[first], 0), self._jobs.index(rows[place - 1], last))
                first = place
        return chosen

    def _keep(self) -> None:
        current = self._jobs.job_at(self.currentIndex().row())
        self._current = None if current is None else current.id
        self._scroll = self.verticalScrollBar().value()
        self._restoring = True

    def _restore(self) -> None:
        rows = self._jobs.rows_of(self._kept)
        if rows:
            model = self.selectionModel()
            current = None if self._current is None else self._jobs.row_of(self._current)
            at = self._jobs.index(rows[0] if current is None else current, 0)
            model.setCurrentIndex(at, QItemSelectionModel.SelectionFlag.NoUpdate)
            model.select(self._selection(rows), QItemSelectionModel.SelectionFlag.ClearAndSelect)
        self.verticalScrollBar().setValue(self._scroll)
        self._restoring = False
        if len(rows) != len(self._kept):
            self._on_selection()
