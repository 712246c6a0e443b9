"""One conflict or hint: what it is, how bad and since when, its jobs as links, and a button for each way out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import QPointF, QSize, Qt, Signal
from PySide6.QtGui import QFont, QPainter, QPaintEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QMenu, QPushButton, QVBoxLayout, QWidget

from tidegate.core.conflicts import LEAVE, STOP
from tidegate.core.texts import as_sentence
from tidegate.engine.ports import ApplyHint, Errand, ResolveConflict
from tidegate.engine.views import ConflictView, HintView, WayView
from tidegate.gui import words
from tidegate.gui.inbox import advice_words as said
from tidegate.gui.theme import Theme, font
from tidegate.gui.widgets.shapes import paint_shape

_SHAPE_PX = 10
About = ConflictView | HintView


class AdviceRow(QFrame):
    """``asked(Errand)`` by a button or the menu, ``dismissed()``, ``job_wanted(str)`` by a link."""

    asked = Signal(object)
    dismissed = Signal()
    job_wanted = Signal(str)

    def __init__(self, about: About, theme: Theme, now: float) -> None:
        super().__init__()
        self.setProperty("role", "advice")
        self._theme, self.about = theme, about
        self._mark = _Mark(theme)
        self._head, self._text, self._line, self._ended = (self._label(size) for size in (13, 13, 12, 12))
        self._line.setTextFormat(Qt.TextFormat.RichText)
        self._line.setTextInteractionFlags(Qt.TextInteractionFlag.LinksAccessibleByMouse | _BY_KEY)
        self._line.linkActivated.connect(lambda link: self.job_wanted.emit(link.removeprefix("job:")))
        self._line.setProperty("role", "muted")
        self._ended.setProperty("role", "muted")
        self.buttons: list[QPushButton] = []
        self._row = QHBoxLayout()
        self._row.setContentsMargins(0, 6, 0, 0)
        self._row.setSpacing(8)
        words_column = QVBoxLayout()
        words_column.setSpacing(2)
        for label in (self._head, self._text, self._line, self._ended):
            words_column.addWidget(label)
        words_column.addLayout(self._row)
        across = QHBoxLayout(self)
        across.setContentsMargins(16, 10, 16, 12)
        across.setSpacing(12)
        across.addWidget(self._mark, 0, Qt.AlignmentFlag.AlignTop)
        across.addLayout(words_column, 1)
        self._ways: tuple[WayView, ...] | None = None
        self.show_about(about, now)

    def show_about(self, about: About, now: float) -> None:
        """What is so now; buttons stay as they are while they offer the same, so that no press is lost."""
        self.about = about
        shape, tone = said.shape_of(about)
        self._mark.show_shape(shape, tone)
        heavy = isinstance(about, HintView) or about.severity in ("high", "critical")
        self._head.setFont(font(13, QFont.Weight.DemiBold if heavy else QFont.Weight.Normal))
        self._head.setText(said.head(about))
        self._text.setText(said.text(about))
        self._text.setVisible(bool(self._text.text()))
        self._line.setText(said.about_line(about, now, self._theme.tokens.accent))
        self._ended.setText(words.printable(as_sentence(about.closed_because)) if about.closed_because else "")
        self._ended.setVisible(bool(self._ended.text()))
        self.setAccessibleName(self._head.text())
        ways = _ways_of(about)
        if ways != self._ways:
            self._ways = ways
            self._fill_buttons(ways)

    def set_busy(self, busy: bool) -> None:
        """While the engine is at it, nothing is asked twice."""
        for button in self.buttons:
            button.setEnabled(not busy)

    def set_primary(self, wanted: bool) -> None:
        """Of all buttons on the page at most one is the accent's, and none that ends a job for good."""
        ways = self._ways or ()
        role = "primary" if wanted and ways and ways[0].name not in (STOP, LEAVE) else ""
        for button in self.buttons[:1] if ways else ():
            if button.property("role") != role:
                button.setProperty("role", role)
                button.style().unpolish(button)
                button.style().polish(button)

    def menu(self) -> QMenu:
        """The ways out beside the proposed one."""
        menu = QMenu(self)
        menu.aboutToHide.connect(menu.deleteLater)
        for way in (self._ways or ())[1:]:
            menu.addAction(words.on_button(way.label)).triggered.connect(lambda _on=False, way=way: self._ask(way))
        return menu

    def _fill_buttons(self, ways: Sequence[WayView]) -> None:
        while (item := self._row.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        self.buttons = []
        if ways:
            self._add(said.label(ways[0].label), "", lambda: self._ask(ways[0])).setToolTip(
                words.printable(ways[0].label)
            )
        if len(ways) == 2:
            self._add(said.label(ways[1].label), "quiet", lambda: self._ask(ways[1]))
        elif ways[1:]:
            others = self._add(self.tr("Other ways…"), "quiet", self._open_menu)
            others.setAccessibleName(self.tr("Other ways to settle it"))
        if isinstance(self.about, HintView) and self.about.closed_at is None:
            self._add(self.tr("Dismiss"), "quiet", self.dismissed.emit)
        self._row.addStretch(1)

    def _add(self, label: str, role: str, slot: Callable[[], object]) -> QPushButton:
        button = QPushButton(label)
        button.setProperty("role", role)
        button.clicked.connect(lambda _checked=False: slot())
        self._row.addWidget(button)
        self.buttons.append(button)
        return button

    def _open_menu(self) -> None:
        button = self.buttons[1]
        self.menu().popup(button.mapToGlobal(button.rect().bottomLeft()))

    def _ask(self, way: WayView) -> None:
        errand: Errand = (
            ApplyHint(self.about.id) if isinstance(self.about, HintView) else ResolveConflict(self.about.id, way.name)
        )
        self.asked.emit(errand)

    def _label(self, pixels: int) -> QLabel:
        label = QLabel("")
        label.setFont(font(pixels))
        label.setWordWrap(True)
        label.setTextFormat(Qt.TextFormat.PlainText)
        label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        return label


_BY_KEY = Qt.TextInteractionFlag.LinksAccessibleByKeyboard


def _ways_of(about: About) -> tuple[WayView, ...]:
    if about.closed_at is not None:
        return ()
    if isinstance(about, ConflictView):
        return about.ways
    return () if about.action is None else (about.action,)


class _Mark(QWidget):
    """How bad it is, as a shape on the height of the first line."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._shape, self._tone = "offline", "muted"
        self.setFixedSize(QSize(_SHAPE_PX + 2, 20))

    def show_shape(self, shape: str, tone: str) -> None:
        self._shape, self._tone = shape, tone
        self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        centre = QPointF(self.width() / 2, self.height() / 2)
        paint_shape(QPainter(self), self._shape, centre, self._theme.colour(self._tone), _SHAPE_PX)
