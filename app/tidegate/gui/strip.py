"""The strip on top of every page: mode, what is scarcest, CPU, each card, and the two buttons."""

from __future__ import annotations

import time

from PySide6.QtCore import QPointF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFont, QFontMetrics, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QWidget

from tidegate.core.texts import format_size
from tidegate.engine.views import CardView, StatusView
from tidegate.gui import words
from tidegate.gui.theme import Theme, font
from tidegate.gui.widgets.figure import Figure
from tidegate.gui.widgets.shapes import paint_shape

EDGE_PX, SPACING_PX = 16, 24
BUTTON_PX = 112
_TONES = {"normal": "ok", "high": "attention", "emergency": "danger", "paused": "attention", "offline": "muted"}


class ModePill(QWidget):
    """Word and shape of the mode on a tint of its colour."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._state = "normal"
        self._font = font(12, QFont.Weight.DemiBold)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        theme.changed.connect(self.update)

    def show_state(self, state: str, sentence: str) -> None:
        self.setToolTip(sentence)
        word = words.mode_word(state)
        self.setAccessibleName(self.tr("Mode: {word}").format(word=word))
        if state != self._state:
            self._state = state
            self.updateGeometry()
            self.update()

    def sizeHint(self) -> QSize:
        return QSize(max(92, QFontMetrics(self._font).horizontalAdvance(words.mode_word(self._state)) + 48), 28)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colour = self._theme.colour(_TONES[self._state])
        tint = QColor(colour)
        tint.setAlphaF(0.2 if self._theme.tokens.dark else 0.15)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(tint)
        painter.drawRoundedRect(self.rect(), 14, 14)
        paint_shape(painter, self._state, QPointF(16, self.height() / 2), colour, 8)
        painter.setFont(self._font)
        painter.setPen(colour)
        painter.drawText(
            self.rect().adjusted(28, 0, -8, 0), int(Qt.AlignmentFlag.AlignVCenter), words.mode_word(self._state)
        )


class Strip(QFrame):
    """``pause_wanted(bool)``: pause everything, or resume. ``submit_wanted()``."""

    pause_wanted = Signal(bool)
    submit_wanted = Signal()

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.setProperty("role", "card")
        self.setFixedHeight(64)
        self._theme = theme
        self._paused = False
        self._offline = False
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(EDGE_PX, 8, EDGE_PX, 8)
        self._row.setSpacing(SPACING_PX)
        self.pill = ModePill(theme)
        self._memory = Figure(self.tr("Memory headroom"), theme)
        self._cpu = Figure(self.tr("CPU"), theme)
        self._cards: list[Figure] = []
        self._more = QLabel("")
        self._more.setProperty("role", "muted")
        self._more.hide()
        self.pause = QPushButton(self.tr("Pause all"))
        self.pause.clicked.connect(lambda _checked=False: self.pause_wanted.emit(not self._paused))
        self.submit = QPushButton(self.tr("Submit…"))
        self.submit.setProperty("role", "primary")
        self.submit.clicked.connect(lambda _checked=False: self.submit_wanted.emit())
        for widget in (self.pill, self._memory, self._cpu, self._more):
            self._row.addWidget(widget)
        self._row.addStretch(1)
        buttons = QHBoxLayout()
        buttons.setSpacing(12)
        for button in (self.pause, self.submit):
            button.setFixedWidth(BUTTON_PX)
        buttons.addWidget(self.pause)
        buttons.addWidget(self.submit)
        self._row.addLayout(buttons)

    def show_offline(self, sentence: str | None) -> None:
        """No engine answers, and why: nothing is known now and nothing can be asked. None: one is there again."""
        self._offline = sentence is not None
        for button in (self.pause, self.submit):
            button.setEnabled(not self._offline)
        if sentence is not None:
            self.pill.show_state("offline", sentence)
            for figure in (self._memory, self._cpu):
                figure.show_values(words.NOTHING, "")
            self._show_cards(())

    def show_status(self, status: StatusView) -> None:
        if self._offline:
            return
        machine = status.machine
        state = words.mode_state(status)
        intake = words.intake_sentence(status.intake, time.time())
        self.pill.show_state(state, " ".join(filter(None, (intake, words.mode_sentence(status)))))
        headroom, total = machine.memory_headroom_bytes, machine.memory_total_bytes
        self._memory.show_values(
            words.NOTHING if headroom is None else format_size(max(0, headroom)),
            "" if total is None else self._of(headroom, total),
            self.tr("What jobs may still be given before memory counts as full."),
        )
        self._cpu.show_values(
            words.NOTHING if machine.cpu_pct is None else f"{machine.cpu_pct:.0f} %",
            "" if machine.cores is None else self.tr("{count} cores").format(count=machine.cores),
        )
        self._show_cards(machine.cards)
        self._paused = not status.intake.open
        self.pause.setText(self.tr("Resume") if self._paused else self.tr("Pause all"))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit_cards()

    def _show_cards(self, cards: tuple[CardView, ...]) -> None:
        while len(self._cards) < len(cards):
            figure = Figure(self.tr("GPU {index}").format(index=cards[len(self._cards)].index), self._theme)
            self._row.insertWidget(3 + len(self._cards), figure)
            self._cards.append(figure)
        while len(self._cards) > len(cards):
            self._cards.pop().deleteLater()
        for figure, card in zip(self._cards, cards, strict=True):
            figure.show_values(*self._card_words(card))
        self._fit_cards()

    def _card_words(self, card: CardView) -> tuple[str, str, str]:
        details = [card.name]
        if card.temperature_c is not None:
            details.append(self.tr("{degrees} °C").format(degrees=round(card.temperature_c)))
        if card.power_w is not None:
            details.append(self.tr("{watts} W").format(watts=round(card.power_w)))
        tooltip = " · ".join(details)
        used, total = card.memory_used_bytes, card.memory_total_bytes
        if card.mode == "unreadable" or used is None or total is None:
            return words.NOTHING, self.tr("not readable"), tooltip
        if not card.utilisation_pct and used < total * 0.02:
            return self.tr("idle"), self.tr("{size} free").format(size=format_size(total - used)), tooltip
        beside = self._of(used, total)
        if card.mode == "hot" and card.temperature_c is not None:
            beside += self.tr(" · {degrees} °C, too hot").format(degrees=round(card.temperature_c))
        return format_size(used), beside, tooltip

    def _of(self, part: int | None, total: int) -> str:
        """``of 64``, with the unit where it is another one than the part's."""
        size, _, unit = format_size(total).partition(" ")
        same = part is not None and format_size(max(0, part)).endswith(f" {unit}")
        return self.tr("of {size}").format(size=size if same else f"{size} {unit}")

    def _fit_cards(self) -> None:
        """In a narrow window figures stand alone, and cards that do not fit are counted in one word."""
        machine = (self._memory, self._cpu)
        fixed = 2 * EDGE_PX + self.pill.sizeHint().width() + 2 * BUTTON_PX + 12 + SPACING_PX
        full = fixed + sum(figure.width_for(False) + SPACING_PX for figure in (*machine, *self._cards))
        compact = full > self.width()
        for figure in (*machine, *self._cards):
            figure.set_compact(compact)
        room = self.width() - fixed - sum(figure.width_for(compact) + SPACING_PX for figure in machine)
        more = self._more.fontMetrics().horizontalAdvance("+88 GPU") + SPACING_PX
        hidden = 0
        for place, figure in enumerate(self._cards):
            wanted = figure.width_for(compact) + SPACING_PX
            fits = not hidden and wanted + (more if place < len(self._cards) - 1 else 0) <= room
            figure.setVisible(fits)
            room -= wanted if fits else 0
            hidden += not fits
        self._more.setVisible(hidden > 0 and more <= room)
        self._more.setText(self.tr("+{count} GPU").format(count=hidden))
