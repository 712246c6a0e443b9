"""Paints the cells of the job table: dot and word, the job's colour, progress, figures on one right edge."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QObject, QPersistentModelIndex, QPoint, QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QFont, QFontMetrics, QPainter, QPalette
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from tidegate.engine.views import JobView
from tidegate.gui import words
from tidegate.gui.jobs.table import Column, JobTable
from tidegate.gui.theme import Theme, font
from tidegate.gui.widgets.shapes import paint_shape

ROW_PX = 36
PAD_PX = 8
EDGE_PX = 16
"""The first and last column keep the card's inner margin."""
_BAR_MAX_PX = 200
# As numbers: combining Qt's flags costs as much as drawing a word.
_SELECTED = QStyle.StateFlag.State_Selected.value
_FOCUSED = QStyle.StateFlag.State_HasFocus.value
_VCENTRE = Qt.AlignmentFlag.AlignVCenter.value
_RIGHT = Qt.AlignmentFlag.AlignRight.value | _VCENTRE
_ELIDED_KEPT = 4096
_CLAUSE_ENDS = (" · ", "; ", ": ")
_DOT_PX, _MARK_PX = 8, 9


class JobDelegate(QStyledItemDelegate):
    """Fonts and metrics are made once; a cell costs some tens of microseconds."""

    def __init__(self, model: JobTable, theme: Theme, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._model = model
        self._theme = theme
        self._shown: dict[tuple[str, int, str], str] = {}
        self._plain = font(13)
        self._strong = font(13, QFont.Weight.Medium)
        self._small = font(11)
        self._strong_metrics = QFontMetrics(self._strong)
        self._plain_metrics = QFontMetrics(self._plain)
        self._small_metrics = QFontMetrics(self._small)

    def sizeHint(self, _option: QStyleOptionViewItem, _index: QModelIndex | QPersistentModelIndex) -> QSize:
        return QSize(80, ROW_PX)

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        job = self._model.job_at(index.row())
        if job is None:
            return
        rect: QRect = option.rect
        state = option.state.value
        if state & _SELECTED:
            painter.fillRect(rect, self._theme.colour("selection"))
        column = index.column()
        left = EDGE_PX if column == Column.STATUS else PAD_PX
        right = EDGE_PX if column == Column.TIMES else PAD_PX
        inner = rect.adjusted(left, 0, -right, 0)
        painter.save()
        if column == Column.STATUS:
            self._paint_status(painter, inner, job)
        elif column == Column.JOB:
            self._paint_job(painter, inner, job)
        elif column == Column.WHY:
            self._paint_why(painter, inner, job)
        else:
            quiet = column != Column.MEMORY or job.status in ("queued", "held", "finished")
            self._text(
                painter,
                inner,
                self._model.text(job, column),
                "muted" if quiet else "text",
                right=column in (Column.MEMORY, Column.GPU),
            )
        painter.restore()
        if state & _FOCUSED and column == Column.STATUS:
            painter.fillRect(QRect(rect.left(), rect.top(), 2, rect.height()), self._theme.colour("accent"))

    def _paint_status(self, painter: QPainter, inner: QRect, job: JobView) -> None:
        status = words.status_word(job)
        colour = self._theme.colour(status.tone)
        centre = QPointF(inner.left() + _DOT_PX / 2, inner.center().y() + 1)
        paint_shape(painter, "normal", centre, colour, _DOT_PX)
        painter.setFont(self._strong)
        painter.setPen(colour)
        painter.drawText(inner.adjusted(_DOT_PX + 9, 0, 0, 0), _VCENTRE, status.word)

    def _paint_job(self, painter: QPainter, inner: QRect, job: JobView) -> None:
        colour = self._model.colour_of(job)
        if colour is not None:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(self._theme.job_colour(colour))
            painter.drawRoundedRect(QRectF(inner.left(), inner.center().y() - 7, 4, 16), 1.5, 1.5)
        number = f"#{job.id}"
        taken = self._small_metrics.horizontalAdvance(number)
        painter.setFont(self._small)
        painter.setPen(self._theme.colour("faint"))
        painter.drawText(inner, _RIGHT, number)
        room = inner.adjusted(12, 0, -taken - PAD_PX, 0)
        conflict = self._model.conflicts.get(job.id)
        if conflict is not None:
            tone = "danger" if conflict.severity in ("high", "critical") else "attention"
            centre = QPointF(room.right() - _DOT_PX / 2, inner.center().y() + 1)
            paint_shape(painter, "high", centre, self._theme.colour(tone), _MARK_PX)
            room.setRight(room.right() - _MARK_PX - PAD_PX)
        painter.setFont(self._strong)
        painter.setPen(self._theme.colour("text"))
        name = self._model.text(job, Column.JOB)
        shown = self._elided(name, room.width(), strong=True)
        painter.drawText(room, _VCENTRE, shown)

    def _paint_why(self, painter: QPainter, inner: QRect, job: JobView) -> None:
        share = self._model.progress(job)
        if share is None:
            tone = words.status_word(job).tone if job.status == "finished" else "text"
            if job.status in ("running", "paused", "stopping"):
                tone = "muted"
            self._text(painter, inner, self._whole_clauses(self._model.text(job, Column.WHY), inner.width()), tone)
            return
        length = min(_BAR_MAX_PX, inner.width() - 48)
        track = QRectF(inner.left(), inner.center().y() - 2, length, 6)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self._theme.colour("line"))
        painter.drawRoundedRect(track, 3, 3)
        painter.setBrush(self._theme.colour("accent"))
        painter.drawRoundedRect(QRectF(track.left(), track.top(), max(6.0, track.width() * share), 6), 3, 3)
        beside = QRect(QPoint(int(track.right()) + 12, inner.top()), inner.bottomRight())
        self._text(painter, beside, f"{share * 100:.0f} %", "muted")

    def _text(self, painter: QPainter, room: QRect, text: str, tone: str, *, right: bool = False) -> None:
        painter.setFont(self._plain)
        painter.setPen(self._theme.colour(tone))
        painter.drawText(room, _RIGHT if right else _VCENTRE, self._elided(text, room.width()))

    def _whole_clauses(self, sentence: str, width: int) -> str:
        """A sentence that does not fit loses clauses from its end rather than half of a word; hovering shows it all."""
        key = (sentence, width, "clauses")
        shown = self._shown.get(key)
        if shown is None:
            shown = self._keep(key, self._without_last_clauses(sentence, width))
        return shown

    def _without_last_clauses(self, sentence: str, width: int) -> str:
        shown = sentence
        while self._plain_metrics.horizontalAdvance(shown) > width:
            # What stands in brackets may go alone only at the end: what follows it needs its subject whole.
            ends = (*_CLAUSE_ENDS, " (") if shown.endswith(")") else _CLAUSE_ENDS
            end = max(shown.rfind(mark) for mark in ends)
            if end <= 0:
                return sentence
            shown = shown[:end]
        return shown

    def _elided(self, text: str, width: int, strong: bool = False) -> str:
        key = (text, width, "strong" if strong else "plain")
        shown = self._shown.get(key)
        if shown is None:
            metrics = self._strong_metrics if strong else self._plain_metrics
            side = Qt.TextElideMode.ElideMiddle if strong else Qt.TextElideMode.ElideRight
            shown = self._keep(key, metrics.elidedText(text, side, width))
        return shown

    def _keep(self, key: tuple[str, int, str], shown: str) -> str:
        if len(self._shown) >= _ELIDED_KEPT:
            self._shown.clear()
        self._shown[key] = shown
        return shown

    def initStyleOption(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> None:
        super().initStyleOption(option, index)
        palette: QPalette = option.palette
        palette.setColor(QPalette.ColorRole.Highlight, self._theme.colour("selection"))
