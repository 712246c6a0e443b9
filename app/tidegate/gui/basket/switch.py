"""Shows and hides the drop basket, makes it when it is first wanted, and remembers over a restart that it was shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from tidegate.gui.commands import Commands
from tidegate.gui.feed import Feed
from tidegate.gui.remembered import Remembered
from tidegate.gui.submit.submitter import Submitter
from tidegate.gui.theme import Theme

if TYPE_CHECKING:
    from tidegate.gui.basket.basket import Basket

SHOWN = "basket_shown"


class BasketSwitch(QObject):
    """``changed(bool)`` when it was shown or hidden; the others are what is asked in it (see ``Basket``)."""

    changed = Signal(bool)
    open_wanted = Signal()
    submit_wanted = Signal()
    jobs_wanted = Signal(object)

    def __init__(
        self,
        commands: Commands,
        feed: Feed,
        submitter: Submitter,
        theme: Theme,
        remembered: Remembered,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._parts = (commands, feed, submitter, theme, remembered)
        self._remembered = remembered
        self.basket: Basket | None = None
        self._begin = QTimer(self)
        self._begin.setSingleShot(True)
        self._begin.timeout.connect(lambda: self.set_shown(True))

    @property
    def shown(self) -> bool:
        return self._remembered.get(SHOWN, False)

    def start(self) -> None:
        """As it was left; after what is shown first."""
        if self.shown:
            self._begin.start(0)

    def set_shown(self, shown: bool) -> None:
        self._begin.stop()
        if shown:
            self._made().show()
        elif self.basket is not None:
            self.basket.hide()
        self._remembered.put(SHOWN, shown)
        self.changed.emit(shown)

    def toggle(self) -> None:
        self.set_shown(not self.shown)

    def close(self) -> None:
        """The application ends: the basket goes, and is remembered as it was."""
        self._begin.stop()
        if self.basket is not None:
            self.basket.close_cards()
            self.basket.hide()
            self.basket.deleteLater()
            self.basket = None

    def _made(self) -> Basket:
        if self.basket is None:
            from tidegate.gui.basket.basket import Basket  # its code loads when it is first wanted

            basket = self.basket = Basket(*self._parts)
            basket.hide_wanted.connect(lambda: self.set_shown(False))
            basket.open_wanted.connect(self.open_wanted)
            basket.submit_wanted.connect(self.submit_wanted)
            basket.jobs_wanted.connect(self.jobs_wanted)
        return self.basket
