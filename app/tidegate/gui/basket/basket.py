"""The drop basket: what is dropped on it is copied, submitted and followed here, whether or not the window is there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QCloseEvent, QContextMenuEvent, QHideEvent, QKeyEvent, QMouseEvent
from PySide6.QtWidgets import QMenu, QPushButton

from tidegate.gui.basket.batch import Batch
from tidegate.gui.basket.card import BasketCard, BatchCard, FolderCard, SentenceCard
from tidegate.gui.basket.frame import BasketFrame
from tidegate.gui.basket.place import HOME_PX
from tidegate.gui.basket.well import BasketWell
from tidegate.gui.commands import Commands
from tidegate.gui.drop import FileDrop
from tidegate.gui.feed import Feed
from tidegate.gui.remembered import Remembered
from tidegate.gui.submit.folder_offer import heading, offers_something, remarks
from tidegate.gui.submit.submitter import Submitter
from tidegate.gui.theme import Theme
from tidegate.submission.folder import FolderScripts, look_at

CARDS_SHOWN = 3
CARD_PX, GAP_PX = 272, 8
WIDTH_PX = CARD_PX + 2 * GAP_PX


class Basket(BasketFrame):
    """``hide_wanted()``, ``open_wanted()``, ``submit_wanted()`` by its menu; ``jobs_wanted(list[str])`` by a card."""

    hide_wanted = Signal()
    open_wanted = Signal()
    submit_wanted = Signal()
    jobs_wanted = Signal(object)

    def __init__(
        self, commands: Commands, feed: Feed, submitter: Submitter, theme: Theme, remembered: Remembered
    ) -> None:
        super().__init__(theme, remembered)
        self._commands, self._feed, self._submitter = commands, feed, submitter
        self.cards: list[BasketCard] = []
        self.setWindowTitle(self.tr("Tidegate drop basket"))
        self.setAccessibleName(self.tr("Drop basket"))
        self.well = BasketWell(theme)
        self.well.setParent(self)
        drop = FileDrop(self)
        drop.hovering.connect(self.well.set_hovering)
        drop.dropped.connect(self.take)
        drop.asked.connect(self.ask)
        drop.refused.connect(self._say)
        self.fit()

    # --- Drops ---

    def take(self, paths: Sequence[str]) -> None:
        """Submit files at once, as one card; offer what is in folders."""
        self._commands.run(self._take(tuple(paths), self.submit))

    def ask(self, paths: Sequence[str]) -> None:
        """Shift was held: files are looked at in the submit dialog first."""
        self._commands.run(self._take(tuple(paths), self._open_dialog))

    def submit(self, files: Sequence[str]) -> BatchCard:
        card = BatchCard(Batch(files, self._commands, self._feed, self._submitter), self._theme)
        card.show_wanted.connect(self.jobs_wanted)
        self._add(card)
        card.batch.start()
        return card

    def choose_files(self) -> None:
        self._submitter.choose(self, self.take)

    def _open_dialog(self, files: Sequence[str]) -> None:
        # Not owned by the basket: it stays when that is hidden.
        self._submitter.ask(files, None)

    async def _take(self, paths: tuple[str, ...], submit: Callable[[Sequence[str]], object]) -> None:
        dropped = await asyncio.to_thread(look_at, paths)
        if dropped.files:
            submit(dropped.files)
        if dropped.folders:
            self._add(self._folder_card(dropped.folders, submit))

    def _folder_card(self, folders: Sequence[FolderScripts], submit: Callable[[Sequence[str]], object]) -> BasketCard:
        if not offers_something(folders):
            return SentenceCard(heading(folders), remarks(folders), self._theme)
        card = FolderCard(folders, self._theme)
        card.wanted.connect(lambda _scripts: self._remove(card))
        card.wanted.connect(submit)
        return card

    def _say(self, sentence: str) -> None:
        self._add(SentenceCard(self.tr("Not submitted"), [sentence], self._theme))

    # --- Cards ---

    def _add(self, card: BasketCard) -> None:
        """The newest beside the well; when they are too many, the oldest that asks nothing goes."""
        self.cards.append(card)
        card.closed.connect(lambda: self._remove(card))
        card.resized.connect(self.fit_soon.start)
        card.setParent(self)
        card.show()
        while len(self.cards) > CARDS_SHOWN:
            self._remove(next((old for old in self.cards[:-1] if not old.asks), self.cards[0]))
        self.fit()
        # Once more when the style has reached every part of it.
        self.fit_soon.start()

    def _remove(self, card: BasketCard) -> None:
        if card not in self.cards:
            return
        if card.isAncestorOf(self.focusWidget() or self):
            self.well.setFocus()
        self.cards.remove(card)
        card.put_away()
        card.hide()
        card.deleteLater()
        self.fit()

    def close_cards(self) -> None:
        """The application ends."""
        for card in list(self.cards):
            self._remove(card)

    def wanted_size(self) -> QSize:
        if not self.cards:
            return QSize(HOME_PX)
        return QSize(WIDTH_PX, HOME_PX.height() + sum(_height(card) + GAP_PX for card in self.cards))

    def arrange(self) -> None:
        """The well in the basket's corner, so that it stays where it was; the newest card beside it."""
        up = self.corner.bottom
        y = self.height() - HOME_PX.height() if up else 0
        self.well.setGeometry(0, y, self.width(), HOME_PX.height())
        y += 0 if up else HOME_PX.height()
        for card in reversed(self.cards):
            height = _height(card)
            card.setGeometry(GAP_PX, y - height if up else y, CARD_PX, height)
            y += -height - GAP_PX if up else height + GAP_PX

    # --- What a person does with it ---

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self.choose_files()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        focus = self.focusWidget()
        if event.key() == Qt.Key.Key_Escape:
            self.hide_wanted.emit()
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            if isinstance(focus, QPushButton):
                focus.click()
            else:
                self.choose_files()
        else:
            super().keyPressEvent(event)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        menu = self.menu()
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(event.globalPos())

    def menu(self) -> QMenu:
        menu = QMenu(self)
        for label, signal in (
            (self.tr("Submit…"), self.submit_wanted),
            (self.tr("Open Tidegate"), self.open_wanted),
            (self.tr("Hide basket"), self.hide_wanted),
        ):
            if signal is self.hide_wanted:
                menu.addSeparator()
            menu.addAction(label).triggered.connect(lambda _checked=False, signal=signal: signal.emit())
        return menu

    def closeEvent(self, event: QCloseEvent) -> None:
        event.ignore()
        self.hide_wanted.emit()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self.well.set_hovering(False)


def _height(card: BasketCard) -> int:
    """With words that wrap the height follows from the width."""
    layout = card.layout()
    assert layout is not None
    layout.activate()
    return max(card.heightForWidth(CARD_PX), card.minimumSizeHint().height())
