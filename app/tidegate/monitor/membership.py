"""Which processes belong to which run: the root's descendants, its session, those seen before, and found strays."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from tidegate.core.job import RunRef
from tidegate.monitor.process_table import LocalRoot, ProcessRow, ProcessTable, parse_identity

Members = dict[int, ProcessRow]


@dataclass(slots=True)
class _Root:
    """``start`` is set once the process was recognised by its identity, and exact from then on."""

    identity: str | None
    named: LocalRoot | None
    start: float | None = None


class Membership:
    """Follows the watched runs from sample to sample."""

    def __init__(self, table: ProcessTable) -> None:
        self._table = table
        self._roots: dict[str, _Root] = {}
        self._members: dict[str, Members] = {}
        self._strays: dict[tuple[int, float], str | None] = {}

    def follow(
        self, runs: Mapping[str, RunRef], rows: Mapping[int, ProcessRow], helpers: Collection[int] = ()
    ) -> dict[str, Members]:
        """The members of every run that can be found, by token, zombies included.

        ``helpers`` are the processes that orphans of jobs fall to.
        """
        self._roots = {token: self._root(token, run) for token, run in runs.items()}
        roots = {
            root.named.pid: token
            for token, root in self._roots.items()
            if root.named is not None and self._recognise(root, root.named, rows)
        }
        children: dict[int, list[int]] = {}
        seeds: dict[str, list[int]] = {token: [] for token in runs}
        for pid, token in roots.items():
            if pid in rows:
                seeds[token].append(pid)
        for row in rows.values():
            children.setdefault(row.parent, []).append(row.pid)
            if row.session in roots:
                seeds[roots[row.session]].append(row.pid)
        for token, members in self._members.items():
            if token in seeds:
                seeds[token] += [pid for pid, row in members.items() if _same(rows.get(pid), row)]
        for row, token in self._adopted(helpers, roots, children, rows):
            if token in seeds:
                seeds[token].append(row.pid)
        self._members = {token: _descend(token, seeds[token], roots, children, rows) for token in runs if seeds[token]}
        return self._members

    def _adopted(
        self,
        helpers: Collection[int],
        roots: Mapping[int, str],
        children: Mapping[int, list[int]],
        rows: Mapping[int, ProcessRow],
    ) -> list[tuple[ProcessRow, str]]:
        """Orphans that left their session, with the run they came from. Each environment is read once."""
        strays: dict[tuple[int, float], str | None] = {}
        found = []
        for helper in helpers:
            for pid in children.get(helper, ()):
                if pid in roots:
                    continue
                key = (pid, rows[pid].start)
                token = self._strays[key] if key in self._strays else self._table.run_token(pid)
                strays[key] = token
                if token is not None:
                    found.append((rows[pid], token))
        self._strays = strays
        return found

    def _root(self, token: str, run: RunRef) -> _Root:
        known = self._roots.get(token)
        if known is not None and known.identity == run.identity:
            return known
        return _Root(run.identity, parse_identity(run))

    def _recognise(self, root: _Root, named: LocalRoot, rows: Mapping[int, ProcessRow]) -> bool:
        """True when the pid still stands for this run: its process lives, or has ended and nobody else has the pid.

        The kernel gives nobody a pid that is still the number of a session, so a session may outlive its leader.
        """
        row = rows.get(named.pid)
        if row is None:
            return root.start is not None
        if root.start is None and self._table.is_root(row, named):
            root.start = row.start
        return row.start == root.start


def _same(row: ProcessRow | None, before: ProcessRow) -> bool:
    return row is not None and row.start == before.start


def _descend(
    token: str,
    seeds: list[int],
    roots: Mapping[int, str],
    children: Mapping[int, list[int]],
    rows: Mapping[int, ProcessRow],
) -> Members:
    """Seeds and their descendants, down to where another run begins."""
    members: Members = {}
    waiting = seeds
    while waiting:
        pid = waiting.pop()
        if pid not in members and roots.get(pid, token) == token:
            members[pid] = rows[pid]
            waiting.extend(children.get(pid, ()))
    return members
