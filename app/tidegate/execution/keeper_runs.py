"""The keeper's runs: starting, stopping and reaping them, and what is still to be told about them.

Standard library only. Every start and every end is in the spool before it is told. A run's end is told when its main
process has been reaped, except while the run is being stopped: then when its whole tree is gone.
"""

from __future__ import annotations

import os
import signal
import sys
import time

from tidegate.execution import keeper_tree as tree
from tidegate.execution.keeper_logs import CappedLog
from tidegate.execution.keeper_places import Places
from tidegate.execution.keeper_spawn import Environments, Request, StartError, spawn
from tidegate.execution.keeper_spool import Line, Spool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_LEFTOVER_LOOK_S = 0.1
_LEFTOVER_GRACE_S = 2.0
_ORPHANS_EVERY_S = 0.25
_SWEEP_EVERY_S = 0.25
_KILL_AGAIN_S = 0.02
_ADOPTED_EVERY_S = 0.25
_COMPACT_AFTER_S = 1.0
_FORGOTTEN_KEPT = 2000
_PEAK_UNIT = 1 if sys.platform == "darwin" else 1024
_NEVER = float("inf")
_UNKNOWN_END = "the process helper that had started it died, so how it ended cannot be known"


class Run:
    """A run whose main process lives, as far as is known."""

    __slots__ = ("adopted", "attempt", "before", "created", "family", "job", "log", "paused", "reaped_s", "started_at")

    def __init__(self, family: tree.Family, at: float, created: float, job: str, attempt: int, log: CappedLog) -> None:
        self.family = family
        self.started_at = at
        self.created = created
        self.job = job
        self.attempt = attempt
        self.log = log
        self.adopted = False
        self.paused = False
        self.before: set[tuple[int, int]] = set()
        self.reaped_s = 0.0

    def start_line(self) -> Line:
        family, log = self.family, self.log
        place: Line = [family.pid, family.start, self.created, log.path, log.cap]
        return ["start", family.token, self.started_at, self.job, self.attempt, *place]


class Ending:
    """A tree that is being brought to its end; its main process may be gone already."""

    __slots__ = ("action", "family", "kill_at", "log", "look_at", "said", "stuck_at", "termed")

    def __init__(self, family: tree.Family, action: str, log: CappedLog | None) -> None:
        self.family = family
        self.action = action
        self.log = log
        self.look_at = 0.0
        self.kill_at = _NEVER
        self.stuck_at = _NEVER
        self.termed = False
        self.said = False


class Runs:
    """All runs of one home. ``tell`` takes each event; it is called only after the spool has it."""

    def __init__(self, spool: Spool, tell: Callable[[Line], None], note: Callable[[str], None]) -> None:
        self.stuck_timeout_s = 30.0
        self.since = time.time()
        self._spool = spool
        self._tell = tell
        self._note = note
        self._environments = Environments()
        self._tokens = tree.Tokens()
        self._boot = tree.BootTime()
        self._live: dict[str, Run] = {}
        self._roots: dict[int, str] = {}
        self._ending: dict[str, Ending] = {}
        self._held: set[str] = set()
        self._ends: dict[str, Line] = {}
        self._attempts: dict[tuple[str, int], str] = {}
        self._places = Places()
        self.place_is_free = False
        self._forgotten: dict[str, None] = {}
        self._sweep_at = self._orphans_at = self._adopted_at = self._logs_at = self._compact_at = _NEVER
        self._orphans_looked_at = 0.0

    # --- what is known ----------------------------------------------------------------------------------------

    @property
    def any_left(self) -> bool:
        return bool(self._live or self._ending)

    @property
    def any_waiting(self) -> bool:
        """True while somebody waits for a place that will be left."""
        return bool(self._places)

    @property
    def all_acknowledged(self) -> bool:
        return not self._ends

    def alive(self) -> list[Line]:
        """Runs whose end is not to be told yet: token, pid, create time, started at, paused."""
        lines: list[Line] = [
            [token, run.family.pid, run.created, run.started_at, run.paused] for token, run in self._live.items()
        ]
        for token in self._held:
            end = self._ends[token]
            if end[0] == "exited":
                lines.append([token, end[8], end[9], end[7], False])
        return lines

    def ended(self) -> list[Line]:
        return [line for token, line in self._ends.items() if token not in self._held]

    def recall(self, boot_id: str) -> None:
        """Take over from a keeper that died: read its spool, adopt what still runs, call lost what does not."""
        self.since = self._spool.take_over()
        starts, self._ends, written_in = self._spool.read()
        table = tree.scan() if starts and written_in == boot_id else tree.Table({})
        lost: list[str] = []
        for token, line in starts.items():
            _, _, at, job, attempt, pid, start, created, path, cap = line
            family = tree.Family(token, int(str(pid)), int(str(start)), scattered=True)
            log = CappedLog(str(path), int(str(cap)), time.monotonic())
            process = table.processes.get(family.pid)
            if process is not None and process.start == family.start and process.alive:
                run = Run(family, float(str(at)), float(str(created)), str(job), int(str(attempt)), log)
                self._adopt(run, process.stopped)
                continue
            lost.append(token)
            if tree.members(table, family, self._tokens, ()):
                self._end_later(family, log, time.monotonic())
        for token in lost:
            self._ends[token] = ["lost", token, time.time(), _UNKNOWN_END]
        self._compact()

    def find(self, wanted: set[str]) -> None:
        """Adopt runs that nothing is known of but the token in the environment of their processes."""
        wanted = {token for token in wanted if not self._knows(token)}
        if not wanted or not tree.HAS_PROC:
            return
        bearers: dict[str, list[tree.Process]] = {}
        table = tree.scan()
        for process in table.processes.values():
            token = tree.read_token(process.pid) if process.alive else None
            if token in wanted and token is not None:
                bearers.setdefault(token, []).append(process)
        for token, processes in bearers.items():
            pids = {process.pid for process in processes}
            heads = [process for process in processes if process.parent not in pids]
            root = min(heads, key=lambda process: (process.pid != process.session, process.start))
            family = tree.Family(token, root.pid, root.start, scattered=True)
            created = self._boot.create_time(root.start)
            run = Run(family, created, created, "", 0, CappedLog("", 0, time.monotonic()))
            self._adopt(run, root.stopped)
            self._write(run.start_line())

    def _adopt(self, run: Run, paused: bool) -> None:
        run.adopted = True
        run.paused = paused
        self._take_in(run)
        self._adopted_at = min(self._adopted_at, time.monotonic() + _ADOPTED_EVERY_S)
        self._note(f"adopted run {run.family.token} (process {run.family.pid})")

    def _take_in(self, run: Run) -> None:
        self._live[run.family.token] = run
        self._roots[run.family.pid] = run.family.token
        if run.job:
            self._attempts[run.job, run.attempt] = run.family.token
        if run.log.cap > 0:
            self._logs_at = min(self._logs_at, run.log.due)

    def _knows(self, token: str) -> bool:
        return token in self._live or token in self._ends or token in self._forgotten or token in self._places

    # --- what is asked ----------------------------------------------------------------------------------------

    def start(self, requests: list[Request]) -> None:
        try:
            for request in requests:
                self._start(request)
        finally:
            os.chdir("/")

    def _start(self, request: Request) -> None:
        token, job, attempt = str(request["token"]), str(request["job"]), int(str(request["attempt"]))
        if self._knows(token):
            self._fail(token, "start", "this attempt was started already, and a run is never started twice")
            return
        behind = str(request.get("behind"))
        if behind in self._live or behind in self._places:
            self._places.wait(token, request, behind)
            return
        at = time.time()
        try:
            if (job, attempt) in self._attempts:
                raise StartError(f"Attempt {attempt} of job {job} was started already; it is not started twice.")
            ticks = tree.ticks_now()
            pid = spawn(request, self._environments)
        except StartError as error:
            self._settle(token, ["start_failed", token, at, str(error)])
            self._tell_end(token)
            return
        start = tree.start_of(pid, ticks)
        created = self._boot.create_time(start) if start else at
        log = CappedLog(str(request["log"]), int(str(request.get("cap") or 0)), time.monotonic())
        run = Run(tree.Family(token, pid, start, scattered=False), at, created, job, attempt, log)
        self._take_in(run)
        self._write(run.start_line())
        self._tell(["started", token, at, pid, created])

    def pause(self, token: str) -> None:
        run = self._wanted(token, "pause")
        if run is None:
            return
        deliveries, before = tree.freeze([run.family], self._tokens, self._roots)
        delivery = deliveries[token]
        if delivery.refused:
            tree.send_all([p for p in delivery.reached if (p.pid, p.start) not in before], signal.SIGCONT)
            self._fail(token, "pause", _another_user(delivery.refused))
        elif delivery.reached:
            tree.wait_for_standstill(delivery.reached)
            run.paused, run.before = True, run.before if run.paused else before
            self._tell(["paused", token, time.time()])

    def resume(self, token: str) -> None:
        run = self._wanted(token, "resume")
        if run is None:
            return
        found = tree.members(tree.scan(), run.family, self._tokens, self._roots)
        # Children first: a shell that watches its children must not see them stopped.
        stopped = [p for p in reversed(found) if (p.pid, p.start) not in run.before]
        delivery = tree.send_all(stopped, signal.SIGCONT)
        if delivery.refused:
            self._fail(token, "resume", _another_user(delivery.refused))
        elif delivery.reached:
            run.paused, run.before = False, set()
            self._tell(["resumed", token, time.time()])

    def terminate(self, token: str, grace_s: float) -> None:
        ending = self._ending_of(token, "terminate")
        if ending is not None:
            now = time.monotonic()
            ending.kill_at = min(ending.kill_at, now + grace_s)
            ending.look_at = self._sweep_at = now

    def kill(self, token: str) -> None:
        ending = self._ending_of(token, "kill")
        if ending is not None:
            ending.action = "kill"
            ending.kill_at = ending.look_at = self._sweep_at = time.monotonic()

    def revoke(self, tokens: list[str]) -> None:
        """What still waits for a place never begins, nor what waits behind it."""
        for token in tokens:
            self._revoked(self._places.revoke(token))

    def revoke_all(self) -> None:
        """Nothing begins that was handed over ahead of time: whoever decides is gone, or all is to end."""
        self._revoked(self._places.revoke_all())

    def stop_all(self, grace_s: float) -> None:
        self.revoke_all()
        for token in list(self._live):
            self.terminate(token, grace_s)

    def acknowledge(self, tokens: list[str]) -> None:
        known = [token for token in dict.fromkeys(tokens) if token in self._ends]
        for token in known:
            del self._ends[token]
            self._held.discard(token)
            self._forgotten[token] = None
        while len(self._forgotten) > _FORGOTTEN_KEPT:
            del self._forgotten[next(iter(self._forgotten))]
        if known:
            self._write(["ack", known])
            self._compact_at = min(self._compact_at, time.monotonic() + _COMPACT_AFTER_S)

    def leave(self) -> None:
        """The keeper ends in order."""
        self._spool.leave(self.since)

    def thaw_all(self) -> None:
        """Nobody will be there to resume them: used when the home is gone."""
        for token, run in list(self._live.items()):
            if run.paused:
                self.resume(token)

    def _wanted(self, token: str, action: str) -> Run | None:
        run = self._live.get(token)
        if run is None:
            if token not in self._ends:
                self._fail(token, action, "no such run is known")
        elif token in self._ending:
            self._fail(token, action, "it is being stopped")
            return None
        return run

    def _ending_of(self, token: str, action: str) -> Ending | None:
        ending = self._ending.get(token)
        if ending is None:
            run = self._live.get(token)
            if run is None:
                if token not in self._ends:
                    self._fail(token, action, "no such run is known")
                return None
            ending = self._ending[token] = Ending(run.family, action, run.log)
        return ending

    def _fail(self, token: str, action: str, why: str) -> None:
        self._note(f"{action} of run {token} failed: {why}")
        self._tell(["action_failed", token, time.time(), action, why])

    # --- what happens -----------------------------------------------------------------------------------------

    def reap(self) -> None:
        """Collect every child that has ended: main processes, and orphans that were given to the keeper.

        All are collected before anything is done about them: an end may start the next run, which may have ended by
        then, and so on, and nobody would hear of it.
        """
        exits: list[tuple[Run, int, float, int]] = []
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            run = self._live.get(self._roots.get(pid, ""))
            cpu_s = usage.ru_utime + usage.ru_stime
            if run is None or run.adopted:
                self._reaped_orphan(pid, cpu_s)
            else:
                del self._roots[pid]  # from now on it may be another's number
                exits.append((run, status, cpu_s, usage.ru_maxrss * _PEAK_UNIT))
        for run, status, cpu_s, peak in exits:
            self._handle_exit(run, status, cpu_s, peak)

    def _reaped_orphan(self, pid: int, cpu_s: float) -> None:
        owner = self._live.get(self._tokens.remembered(pid) or "")
        if owner is not None:
            owner.reaped_s += cpu_s
        if self._ending:
            self._sweep_at = min(self._sweep_at, time.monotonic() + _KILL_AGAIN_S)

    def _handle_exit(self, run: Run, status: int, cpu_s: float, peak: int) -> None:
        code = os.waitstatus_to_exitcode(status)
        family = run.family
        line: Line = ["exited", family.token, time.time(), code if code >= 0 else None, -code if code < 0 else None]
        line += [cpu_s + run.reaped_s, peak, run.started_at, family.pid, run.created]
        self._main_process_gone(run, line)

    def _main_process_gone(self, run: Run, end: Line) -> None:
        now = time.monotonic()
        family = run.family
        self._settle(family.token, end)
        del self._live[family.token]
        if self._roots.get(family.pid) == family.token:
            del self._roots[family.pid]
        self._finish_log(run.log, now)
        if family.token in self._ending:
            self._held.add(family.token)
            self._sweep_at = min(self._sweep_at, now)
            self._ending[family.token].look_at = now
            return
        self._tell_end(family.token)
        if family.scattered or tree.group_exists(family.pid):
            self._end_later(family, run.log, now)
        self._orphans_at = min(self._orphans_at, max(now, self._orphans_looked_at + _ORPHANS_EVERY_S))

    def _tell_end(self, token: str) -> None:
        """The run has left its place: whoever waits for it begins at once."""
        self._tell(self._ends[token])
        request = self._places.follow(token)
        if request is None:
            self.place_is_free = True
        else:
            self.start([request])

    def _revoked(self, tokens: list[str]) -> None:
        for token in tokens:
            self._settle(token, ["revoked", token, time.time()])
            self._tell(self._ends[token])

    def _settle(self, token: str, end: Line) -> None:
        self._ends[token] = end
        self._write(end)

    def _write(self, line: Line) -> None:
        before = self._spool.error
        self._spool.append(line)
        if self._spool.error is not None:
            self._compact_at = min(self._compact_at, time.monotonic() + _COMPACT_AFTER_S)
            if before is None:
                self._note(f"the spool {self._spool.path} cannot be written: {self._spool.error}; it is tried again")

    def _end_later(self, family: tree.Family, log: CappedLog | None, now: float) -> None:
        """What the main process left behind gets a moment to end by itself, then TERM, then KILL."""
        ending = self._ending[family.token] = Ending(family, "leftover", log)
        ending.look_at = now + _LEFTOVER_LOOK_S
        ending.kill_at = ending.look_at + _LEFTOVER_GRACE_S
        self._sweep_at = min(self._sweep_at, ending.look_at)

    # --- by the clock -----------------------------------------------------------------------------------------

    def due(self) -> float:
        """Monotonic time of the next ``tick`` that has something to do."""
        return min(self._sweep_at, self._orphans_at, self._adopted_at, self._logs_at, self._compact_at)

    def tick(self, now: float) -> None:
        if now >= self._adopted_at:
            self._look_after_adopted(now)
        if now >= self._orphans_at:
            self._look_for_orphans(now)
        if now >= self._sweep_at:
            self._sweep(now)
        if now >= self._logs_at:
            self._look_at_logs(now)
        if now >= self._compact_at:
            self._compact_at = _NEVER
            if self._spool.wants_rewrite or self._spool.error or not (self._live or self._ends):
                self._compact()

    def _compact(self) -> None:
        self._spool.rewrite([run.start_line() for run in self._live.values()] + list(self._ends.values()))
        if self._spool.error:
            self._compact_at = time.monotonic() + _COMPACT_AFTER_S

    def _look_after_adopted(self, now: float) -> None:
        adopted = [run for run in self._live.values() if run.adopted]
        for run in adopted:
            process = tree.look(run.family.pid)
            if process is None or process.start != run.family.start or not process.alive:
                self._main_process_gone(run, ["lost", run.family.token, time.time(), _UNKNOWN_END])
        self._adopted_at = now + _ADOPTED_EVERY_S if adopted else _NEVER

    def _look_for_orphans(self, now: float) -> None:
        """Children given to the keeper whose run has ended are leftovers of it."""
        self._orphans_at, self._orphans_looked_at = _NEVER, now
        for pid in tree.children_of_this_process():
            if pid in self._roots:
                continue
            process = tree.look(pid)
            if process is None or not process.alive:
                continue
            token = self._tokens.of(process)
            if token in self._live or token in self._ending:
                continue
            if token is not None and self._knows(token):
                self._end_later(tree.Family(token, -1, 0, scattered=False), None, now)

    def _look_at_logs(self, now: float) -> None:
        self._logs_at = _NEVER
        for run in self._live.values():
            log = run.log
            if log.cap <= 0 or log.failure is not None:
                continue
            if log.due <= now:
                self._look_at_log(log, now)
            self._logs_at = min(self._logs_at, log.due)

    def _finish_log(self, log: CappedLog | None, now: float) -> None:
        if log is not None and log.cap > 0 and log.failure is None:
            self._look_at_log(log, now)

    def _look_at_log(self, log: CappedLog, now: float) -> None:
        failure = log.look(now)
        if failure is not None:
            self._note(failure)

    def _sweep(self, now: float) -> None:
        """One look at the process table for all trees that are being ended."""
        table = tree.scan()
        self._tokens.prune(table)
        doomed: list[Ending] = []
        for token, ending in list(self._ending.items()):
            found = tree.members(table, ending.family, self._tokens, self._roots)
            if not found:
                if token not in self._live:
                    self._tree_gone(token, ending, now)
                else:  # its main process is dead but not reaped yet
                    ending.look_at = now + _SWEEP_EVERY_S
            elif now >= ending.kill_at:
                doomed.append(ending)
            elif now >= ending.look_at:
                self._terminate_tree(ending, found, now)
        if doomed:
            self._kill_trees(doomed, now)
        self._sweep_at = min((ending.look_at for ending in self._ending.values()), default=_NEVER)

    def _terminate_tree(self, ending: Ending, found: list[tree.Process], now: float) -> None:
        ending.look_at = min(ending.kill_at, now + _SWEEP_EVERY_S)
        if ending.termed:
            return
        ending.termed = True
        delivery = tree.send_all(found, signal.SIGTERM)
        tree.send_all(list(reversed(delivery.reached)), signal.SIGCONT)
        self._say_refused(ending, delivery)

    def _kill_trees(self, doomed: list[Ending], now: float) -> None:
        """Stop, then kill: what is stopped cannot fork again, so a fork bomb ends too."""
        deliveries, _ = tree.freeze([ending.family for ending in doomed], self._tokens, self._roots)
        for ending in doomed:
            delivery = tree.send_all(deliveries[ending.family.token].reached, signal.SIGKILL)
            self._say_refused(ending, deliveries[ending.family.token])
            if ending.stuck_at == _NEVER:
                ending.stuck_at = now + self.stuck_timeout_s
            wait = _KILL_AGAIN_S if now < ending.stuck_at - self.stuck_timeout_s + 1.0 else _SWEEP_EVERY_S
            ending.look_at = now + wait
            if now >= ending.stuck_at:
                self._give_up(ending, delivery)

    def _give_up(self, ending: Ending, delivery: tree.Delivery) -> None:
        """It stays tracked and is tried again, rarely; its end, if known, is told now."""
        token = ending.family.token
        ending.look_at = time.monotonic() + 10 * _SWEEP_EVERY_S
        if not ending.said:
            ending.said = True
            pids = ", ".join(str(process.pid) for process in delivery.reached) or "of another user"
            why = f"still there {self.stuck_timeout_s:g} s after it was killed (process {pids}); it is stuck"
            self._fail(token, ending.action, why)
        if token in self._held:
            self._held.discard(token)
            self._tell_end(token)

    def _say_refused(self, ending: Ending, delivery: tree.Delivery) -> None:
        if delivery.refused and not ending.said:
            ending.said = True
            self._fail(ending.family.token, ending.action, _another_user(delivery.refused))

    def _tree_gone(self, token: str, ending: Ending, now: float) -> None:
        del self._ending[token]
        self._finish_log(ending.log, now)
        if token in self._held:
            self._held.discard(token)
            self._tell_end(token)
        # Its last processes may have handed orphans to the keeper in the meantime.
        self._orphans_at = min(self._orphans_at, max(now, self._orphans_looked_at + _ORPHANS_EVERY_S))


def _another_user(pids: list[int]) -> str:
    listed = ", ".join(str(pid) for pid in pids[:5])
    return f"process {listed} belongs to another user and may not be signalled"
