"""The list of notices as a widget: painted rows, the first action by Enter, all of them in the context menu."""

from __future__ import annotations

from datetime import date

from PySide6.QtCore import (
    QItemSelection,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QPoint,
    QPointF,
    QRect,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QFont, QFontMetrics, QKeyEvent, QPainter
from PySide6.QtWidgets import QAbstractItemView, QFrame, QListView, QStyle, QStyledItemDelegate, QStyleOptionViewItem

from tidegate.engine.ports import Notice
from tidegate.gui import words
from tidegate.gui.inbox import words as said
from tidegate.gui.inbox.model import InboxModel
from tidegate.gui.theme import Theme, font
from tidegate.gui.widgets.shapes import paint_shape

ROW_PX, DAY_PX, EDGE_PX = 56, 40, 16
_SHAPE_PX, _TEXT_LEFT_PX = 10, 32
_VCENTRE = Qt.AlignmentFlag.AlignVCenter.value
_RIGHT = Qt.AlignmentFlag.AlignRight.value | _VCENTRE
_BOTTOM = Qt.AlignmentFlag.AlignBottom.value
_SELECTED = QStyle.StateFlag.State_Selected.value
_FOCUSED = QStyle.StateFlag.State_HasFocus.value


class NoticeDelegate(QStyledItemDelegate):
    """Shape, title and reason; the time at the right. Unread titles are heavier."""

    def __init__(self, model: InboxModel, theme: Theme, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._model, self._theme = model, theme
        self.read_up_to = 0
        self._plain, self._strong, self._small = font(13), font(13, QFont.Weight.DemiBold), font(12)
        self._day = font(12, QFont.Weight.DemiBold)
        self._metrics = {False: QFontMetrics(self._plain), True: QFontMetrics(self._strong)}
        self._small_metrics = QFontMetrics(self._small)

    def sizeHint(self, _option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        return QSize(200, DAY_PX if isinstance(self._model.row(index), date) else ROW_PX)

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        row = self._model.row(index)
        rect: QRect = option.rect
        painter.save()
        if isinstance(row, Notice):
            self._paint_notice(painter, rect, row, option.state.value)
        elif row is not None:
            painter.setFont(self._day)
            painter.setPen(self._theme.colour("muted"))
            painter.drawText(rect.adjusted(EDGE_PX, 0, -EDGE_PX, -8), _BOTTOM, str(index.data()))
        painter.restore()

    def _paint_notice(self, painter: QPainter, rect: QRect, notice: Notice, state: int) -> None:
        colour = self._theme.colour
        if state & _SELECTED:
            painter.fillRect(rect, colour("selection"))
        if state & _FOCUSED and state & _SELECTED:
            painter.fillRect(QRect(rect.left(), rect.top(), 2, rect.height()), colour("accent"))
        inner = rect.adjusted(EDGE_PX, 8, -EDGE_PX, -8)
        upper = QRect(inner.left() + _TEXT_LEFT_PX - EDGE_PX + 8, inner.top(), 0, 20)
        shape, tone = said.level_shape(notice.level)
        centre = QPointF(inner.left() + _SHAPE_PX / 2, upper.center().y() + 1)
        paint_shape(painter, shape, centre, colour(tone), _SHAPE_PX)
        time = said.clock(notice.at)
        taken = self._small_metrics.horizontalAdvance(time)
        painter.setFont(self._small)
        painter.setPen(colour("muted"))
        painter.drawText(QRect(inner.right() - taken, upper.top(), taken + 1, 20), _RIGHT, time)
        unread = notice.id is not None and notice.id > self.read_up_to
        upper.setRight(inner.right() - taken - 16)
        painter.setFont(self._strong if unread else self._plain)
        painter.setPen(colour("text"))
        painter.drawText(upper, _VCENTRE, self._cut(self._metrics[unread], notice.title, upper.width()))
        lower = QRect(upper.left(), upper.bottom() + 1, inner.right() - upper.left(), 20)
        painter.setFont(self._small)
        painter.setPen(colour("muted"))
        painter.drawText(lower, _VCENTRE, self._cut(self._small_metrics, notice.text, lower.width()))

    def _cut(self, metrics: QFontMetrics, text: str, width: int) -> str:
        return metrics.elidedText(" ".join(words.printable(text).split()), Qt.TextElideMode.ElideRight, width)


class InboxList(QListView):
    """``chosen_changed()``; ``acted(Notice)`` by Enter or a double click; ``menu_wanted(Notice, QPoint)``."""

    chosen_changed = Signal()
    acted = Signal(object)
    menu_wanted = Signal(object, QPoint)

    def __init__(self, model: InboxModel, theme: Theme) -> None:
        super().__init__()
        self._notices = model
        self.delegate = NoticeDelegate(model, theme, self)
        self.setModel(model)
        self.setItemDelegate(self.delegate)
        self.setAccessibleName(self.tr("Notices"))
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setLayoutMode(QListView.LayoutMode.Batched)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(self._open_menu)
        self.doubleClicked.connect(lambda index: self._act(index))
        theme.changed.connect(self.viewport().update)
        self._kept: int | None = None
        model.modelAboutToBeReset.connect(self._keep)
        model.modelReset.connect(self._restore)

    def chosen(self) -> Notice | None:
        row = self._notices.row(self.currentIndex()) if self.selectionModel().hasSelection() else None
        return row if isinstance(row, Notice) else None

    def choose(self, id: int) -> bool:
        index = self._notices.index_of(id)
        if index.isValid():
            self.setCurrentIndex(index)
            self.scrollTo(index)
        return index.isValid()

    def selectionChanged(self, selected: QItemSelection, deselected: QItemSelection) -> None:
        super().selectionChanged(selected, deselected)
        self.chosen_changed.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and not event.modifiers():
            self._act(self.currentIndex())
        elif event.key() == Qt.Key.Key_Home and not event.modifiers():
            # The first row is a day, which cannot be chosen.
            self.setCurrentIndex(self._notices.first_notice())
            self.scrollToTop()
        else:
            super().keyPressEvent(event)

    def _act(self, index: QModelIndex) -> None:
        row = self._notices.row(index)
        if isinstance(row, Notice):
            self.acted.emit(row)

    def _open_menu(self, at: QPoint) -> None:
        index = self.indexAt(at)
        # By key it is asked for at the chosen row, which may not be where the point is.
        row = self._notices.row(index if index.isValid() else self.currentIndex())
        if isinstance(row, Notice):
            self.menu_wanted.emit(row, self.viewport().mapToGlobal(at))

    def _keep(self) -> None:
        chosen = self.chosen()
        self._kept = None if chosen is None else chosen.id

    def _restore(self) -> None:
        if self._kept is None or not self.choose(self._kept):
            self.chosen_changed.emit()
