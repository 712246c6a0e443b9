"""What every Autostart must do, whichever desktop it writes to."""

from __future__ import annotations

import sys

from tidegate.desktop.autostart import Autostart

COMMAND = [sys.executable, "-m", "tidegate", "gui", "--hidden"]


class AutostartContract:
    """A subclass gives ``make``: a fresh one of a person who never asked for it; called again, the same place anew."""

    def make(self) -> Autostart:
        raise NotImplementedError

    def test_it_is_off_until_somebody_asks(self) -> None:
        assert self.make().problem is None
        assert self.make().enabled() is False

    def test_what_was_asked_for_is_there_for_whoever_looks(self) -> None:
        self.make().enable(COMMAND)
        assert self.make().enabled() is True
        self.make().disable()
        assert self.make().enabled() is False

    def test_asking_twice_is_asking_once(self) -> None:
        self.make().enable(COMMAND)
        self.make().enable(COMMAND)
        assert self.make().enabled() is True
        self.make().disable()
        self.make().disable()
        assert self.make().enabled() is False

    def test_another_installation_takes_the_place(self) -> None:
        self.make().enable(["/no/such/old/tidegate-gui", "--hidden"])
        self.make().enable(COMMAND)
        assert self.make().enabled() is True
