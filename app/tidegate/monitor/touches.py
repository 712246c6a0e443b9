"""What each run touches that only one job should have at a time (conflicts, D4): looked up rarely and kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tidegate.core.job import Touches
from tidegate.monitor.holdings import Found, Holdings
from tidegate.monitor.process_table import ProcessRow, ProcessTable

REFRESH_S = 2.0


class TouchLook:
    """``latest`` has what was found last of every run, by token; read by any thread."""

    def __init__(self, table: ProcessTable, holdings: Holdings) -> None:
        self._table = table
        self._holdings = holdings
        self.latest: dict[str, Touches] = {}

    def look(self, living: Mapping[str, Sequence[ProcessRow]]) -> Iterator[None]:
        """One round over the processes of all runs, in small steps."""
        self._holdings.new_round()
        self.latest = {token: touches for token, touches in self.latest.items() if token in living}
        for token, rows in living.items():
            found = Found()
            for row in rows:
                # The round may be long, and the number another process's by now.
                present = self._table.row(row.pid)
                if present is not None and present.start == row.start:
                    yield from self._holdings.look(row, found)
            self.latest[token] = found.touches()
