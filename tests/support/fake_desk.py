"""A Desk kept in memory: a whole pretended engine for tests of the API, the window and the CLI.

The test says what happens (``add``, ``start``, ``finish``, ``sample``, ``write_log`` ...); views see it as they would
see the real engine. Everything may be called from any thread; listeners run on the thread that makes the change.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from support.kept_settings import KeptSettings
from tidegate.core.conflicts import Severity
from tidegate.core.job import JobId, JobSpec
from tidegate.core.policy import Policy
from tidegate.engine.ports import (
    Answer,
    ApplyHint,
    Change,
    Command,
    CommandResult,
    EngineUnwilling,
    Notice,
    Preview,
    ResolveConflict,
    SettingsPort,
    Submission,
    Submitted,
    Verb,
)
from tidegate.engine.views import (
    AttemptView,
    AutoView,
    CardView,
    ConflictView,
    EstimateView,
    GpuView,
    HintView,
    IntakeView,
    JobView,
    LogChunk,
    MachineSample,
    MachineView,
    QueueStatusView,
    SettingView,
    StatusView,
    StrategiesView,
    TickView,
    UsageView,
    WaitView,
    WayView,
)

GIB = 1024**3
REMEMBERED_CHANGES = 1000
STATUSES = ("queued", "held", "starting", "running", "paused", "stopping", "finished")
ACTIVE = ("starting", "running", "paused", "stopping")


def a_job_view(id: str = "1", **fields: object) -> JobView:
    """A queued job's view; any field may be given."""
    index = int(id.partition(".")[2]) if "." in id else None
    view = JobView(
        id=id,
        index=index,
        name=f"job-{id}",
        status="queued",
        outcome=None,
        exit_code=None,
        signal=None,
        why=None,
        priority=5,
        queue="default",
        command=("python3", "train.py"),
        cwd="/home/ada",
        script=None,
        labels=(),
        submitted_at=1000.0,
        started_at=None,
        finished_at=None,
        begin_at=None,
        time_limit_s=None,
        preemptible=True,
        attempts=0,
        attempt_list=(),
        pid=None,
        devices=(),
        waits=(WaitView("next", "It is next in line."),),
        estimate=EstimateView(512 * 1024**2, "default", 1.0),
        usage=UsageView(),
    )
    return replace(view, **fields)  # type: ignore[arg-type]


def a_machine_view(**fields: object) -> MachineView:
    """A machine with 8 cores, 32 GB of memory of which 12 are used, and one card."""
    card = CardView(0, "GPU-0", "NVIDIA GeForce RTX 3090", "normal", 24 * GIB, 2 * GIB, 10.0, 45.0, 60.0, 0.0, 0)
    view = MachineView(
        at=1000.0,
        cores=8,
        cpu_pct=25.0,
        per_core_pct=(25.0,) * 8,
        other_cpu_cores=0.5,
        frequency_mhz=3600.0,
        load=(1.0, 0.8, 0.5),
        memory_total_bytes=32 * GIB,
        memory_available_bytes=20 * GIB,
        memory_used_pct=37.5,
        memory_other_bytes=10 * GIB,
        memory_reserved_bytes=2 * GIB,
        memory_headroom_bytes=17 * GIB,
        memory_high_pct=85.0,
        memory_emergency_pct=92.0,
        memory_line_bytes=int(29.4 * GIB),
        swap_total_bytes=8 * GIB,
        swap_used_bytes=0,
        psi_memory_some_pct=0.0,
        disk_read_bytes_s=0.0,
        disk_write_bytes_s=0.0,
        net_received_bytes_s=0.0,
        net_sent_bytes_s=0.0,
        cards=(card,),
    )
    return replace(view, **fields)  # type: ignore[arg-type]


def a_conflict_view(id: int = 1, **fields: object) -> ConflictView:
    """Two jobs that write the same file; any field may be given."""
    view = ConflictView(
        id=id,
        kind="schedule_conflict",
        severity="high",
        resource="file:/data/results.csv",
        jobs=("1", "2"),
        sentence="train.py (job 1) and eval.py (job 2) both write /data/results.csv.",
        detected_at=1000.0,
        ways=(WayView("pause_later", "Pause eval.py"), WayView("cancel_later", "Cancel eval.py")),
    )
    return replace(view, **fields)  # type: ignore[arg-type]


def a_hint_view(id: int = 1, **fields: object) -> HintView:
    """A job that asks for far more memory than it uses; any field may be given."""
    view = HintView(
        id=id,
        type="suggestion",
        code="asks_too_much",
        title="train.py asks for far more memory than it uses",
        message="It asks for 8 GB and used at most 1.1 GB in 3 runs. With 2 GB two more jobs could run beside it.",
        jobs=("1",),
        at=1000.0,
        action=WayView("lower", "Ask for 2 GB"),
        numbers={"declared_bytes": 8 * GIB, "peak_bytes": 1.1 * GIB},
    )
    return replace(view, **fields)  # type: ignore[arg-type]


@dataclass(slots=True)
class _Log:
    data: bytearray = field(default_factory=bytearray)
    dropped: tuple[int, int] | None = None
    ended: bool = False


class FakeDesk:
    """Implements ``engine.ports.Desk``; what it was asked is kept in ``submitted``, ``commands``, ``errands`` ..."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self.submitted: list[Submission] = []
        self.commands: list[Command] = []
        self.errands: list[ResolveConflict | ApplyHint] = []
        self.queues = QueueStatusView("queue")
        self.cards = QueueStatusView("card")
        self.known_strategies = StrategiesView("priority_based", "priority_based", AutoView("priority_based"))
        self.stubborn: str | None = None
        """A sentence here makes every conflict and hint be answered as refused."""
        self.policies: list[Policy] = []
        self.shutdowns: list[bool] = []
        self.unwilling: str | None = None
        """A sentence here makes every submit raise EngineUnwilling."""
        self.refuse: str | None = None
        """A sentence here makes every submission be answered as refused."""
        self.log_reads = 0
        self.start_at_once = False
        """True: what is submitted runs and succeeds before submit answers."""
        self._lock = threading.RLock()
        self._jobs: dict[JobId, JobView] = {}
        self._ticks: list[TickView] = []
        self._notices: list[Notice] = []
        self._conflicts: dict[int, ConflictView] = {}
        self._hints: dict[int, HintView] = {}
        self.kept_settings: SettingsPort = KeptSettings()
        """Where settings are kept; a test may give a home's own."""
        self._samples: list[MachineSample] = []
        self._logs: dict[tuple[str, int], _Log] = {}
        self._changes: deque[Change] = deque(maxlen=REMEMBERED_CHANGES)
        self._listeners: dict[int, Callable[[Change], None]] = {}
        self._listener_keys = itertools.count()
        self._last_number = 0
        self._event_id = 0
        self._started_at = clock()
        self._status = StatusView(
            mode="NORMAL",
            mode_since=self._started_at,
            mode_causes=(),
            machine=a_machine_view(),
            counts={},
            intake=IntakeView(True, None, False, False, None),
            strategy="priority_based",
            version="0.1.0",
            kind="test",
            pid=1,
            started_at=self._started_at,
            uptime_s=0.0,
            journal_error=None,
            warnings=(),
            event_id=0,
        )

    # --- what the test makes happen

    def add(self, id: str | None = None, **fields: object) -> JobView:
        """A job as it stands, any field of JobView given; the next free number when ``id`` is None."""
        with self._lock:
            view = a_job_view(id or str(self._last_number + 1), **fields)
            self._put([view])
            return view

    def add_many(self, count: int, **fields: object) -> None:
        """Queued jobs by the thousand, published as one change."""
        with self._lock:
            first = self._last_number + 1
            self._put([a_job_view(str(number), **fields) for number in range(first, first + count)])

    def change(self, id: str, **fields: object) -> JobView:
        """Set any fields of a job's view and publish it."""
        with self._lock:
            view = replace(self._jobs[JobId.parse(id)], **fields)  # type: ignore[arg-type]
            self._put([view])
            return view

    def start(self, id: str, pid: int = 4242) -> JobView:
        return self.change(id, status="running", started_at=self.clock(), pid=pid, attempts=1, waits=())

    def finish(
        self, id: str, outcome: str = "succeeded", exit_code: int | None = 0, signal: int | None = None
    ) -> JobView:
        """End a job, its log too."""
        with self._lock:
            before = self._jobs[JobId.parse(id)]
            now = self.clock()
            number = max(before.attempts, 1)
            attempt = AttemptView(
                number,
                before.submitted_at,
                before.started_at,
                now,
                outcome,
                exit_code,
                signal,
                0.1,
                10**7,
                0.0,
                (),
                None,
                None,
            )
            self.end_log(id, number)
            return self.change(
                id,
                status="finished",
                outcome=outcome,
                exit_code=exit_code,
                signal=signal,
                finished_at=now,
                started_at=before.started_at or now,
                pid=None,
                waits=(),
                attempts=number,
                attempt_list=(attempt,),
            )

    def forget(self, id: str) -> None:
        """The job leaves memory, as an old finished one does."""
        with self._lock:
            del self._jobs[JobId.parse(id)]
            self._publish(gone=(id,))

    def set_status(self, **fields: object) -> None:
        """Set any fields of StatusView (mode, machine, intake ...) and publish it."""
        with self._lock:
            self._status = replace(self._status, **fields)  # type: ignore[arg-type]
            self._publish(status=self.status())

    def sample(self, **fields: object) -> MachineSample:
        """One timed sample; any field of MachineSample may be given."""
        with self._lock:
            machine = self._status.machine
            sample = MachineSample(
                at=self.clock(),
                mode=self._status.mode,
                cpu_pct=machine.cpu_pct,
                memory_total_bytes=machine.memory_total_bytes,
                memory_used_bytes=12 * GIB,
                memory_other_bytes=machine.memory_other_bytes,
                swap_used_bytes=machine.swap_used_bytes,
                reserved_bytes=machine.memory_reserved_bytes,
                running=sum(job.status == "running" for job in self._jobs.values()),
                queued=sum(job.status == "queued" for job in self._jobs.values()),
                cards=((0, 10.0, 2 * GIB, 45.0, 60.0),),
            )
            sample = replace(sample, **fields)  # type: ignore[arg-type]
            self._samples.append(sample)
            self._publish(sample=sample)
            return sample

    def tick(self, kind: str, sentence: str, job: str | None = None) -> TickView:
        """One row of the audit trail."""
        with self._lock:
            row = TickView(len(self._ticks) + 1, self.clock(), kind, sentence, job, self._status.mode, 37.5, 25.0)
            self._ticks.append(row)
            return row

    def notify(
        self,
        title: str,
        text: str,
        job: str | None = None,
        level: str = "info",
        **fields: object,
    ) -> Notice:
        """Something a person should hear of, kept in the history; any other field of Notice may be given."""
        with self._lock:
            about = None if job is None else JobId.parse(job)
            notice = Notice(self.clock(), title, text, about, level, id=len(self._notices) + 1, **fields)  # type: ignore[arg-type]
            self._notices.append(notice)
            self._publish(notice=notice)
            return notice

    def conflict(self, id: int | None = None, **fields: object) -> ConflictView:
        """A conflict is found (or changes); any field of ConflictView may be given."""
        with self._lock:
            return self._tell_conflict(a_conflict_view(id or len(self._conflicts) + 1, **fields))

    def hint(self, id: int | None = None, **fields: object) -> HintView:
        """A hint is given (or changes); any field of HintView may be given."""
        with self._lock:
            return self._tell_hint(a_hint_view(id or len(self._hints) + 1, **fields))

    def end_conflict(self, id: int, because: str = "It went away by itself.") -> None:
        with self._lock:
            self._tell_conflict(replace(self._conflicts[id], closed_at=self.clock(), closed_because=because))

    def end_hint(self, id: int, because: str = "It no longer holds.") -> None:
        with self._lock:
            self._tell_hint(replace(self._hints[id], closed_at=self.clock(), closed_because=because))

    def write_log(self, id: str, data: bytes, attempt: int = 1) -> None:
        with self._lock:
            self._logs.setdefault((id, attempt), _Log()).data += data

    def drop_log(self, id: str, first: int, last: int, attempt: int = 1) -> None:
        """The bytes from ``first`` to ``last`` were given back: they read as zeros."""
        with self._lock:
            log = self._logs[id, attempt]
            log.data[first:last] = bytes(last - first)
            log.dropped = (first, last)

    def end_log(self, id: str, attempt: int = 1) -> None:
        with self._lock:
            self._logs.setdefault((id, attempt), _Log()).ended = True

    # --- Desk: reads

    def status(self) -> StatusView:
        with self._lock:
            counts = dict.fromkeys(STATUSES, 0)
            for job in self._jobs.values():
                counts[job.status] += 1
            return replace(
                self._status, counts=counts, event_id=self._event_id, uptime_s=self.clock() - self._started_at
            )

    def jobs(self, *, finished: int | None = 0, offset: int = 0, limit: int | None = None) -> list[JobView]:
        with self._lock:
            every = list(self._jobs.values())
        active = [job for job in every if job.status in ACTIVE]
        waiting = sorted((job for job in every if job.status in ("queued", "held")), key=lambda job: job.priority)
        ended = sorted((job for job in every if job.status == "finished"), key=lambda job: -(job.finished_at or 0.0))
        line = [*active, *waiting, *ended[: len(ended) if finished is None else finished]]
        return line[offset : None if limit is None else offset + limit]

    def job(self, id: JobId) -> list[JobView]:
        with self._lock:
            if id in self._jobs:
                return [self._jobs[id]]
            elements = [key for key in self._jobs if key.number == id.number and id.index is None]
            return [self._jobs[key] for key in sorted(elements)]

    def last_number(self) -> int | None:
        return self._last_number or None

    def queue_status(self, by: str = "queue") -> QueueStatusView:
        with self._lock:
            return self.queues if by == "queue" else self.cards

    def strategies(self) -> StrategiesView:
        with self._lock:
            return self.known_strategies

    def samples(self, since: float) -> list[MachineSample]:
        with self._lock:
            return [sample for sample in self._samples if sample.at > since]

    def ticks(self, since: float | None, job: JobId | None, limit: int) -> list[TickView]:
        with self._lock:
            rows = [
                row
                for row in self._ticks
                if (since is None or row.at >= since) and (job is None or row.job == str(job))
            ]
        return rows[-limit:]

    def notices(self, before: int | None, limit: int) -> list[Notice]:
        with self._lock:
            newest_first = [n for n in reversed(self._notices) if before is None or (n.id or 0) < before]
            return newest_first[:limit]

    def conflicts(self, *, closed: bool = False, limit: int | None = None) -> list[ConflictView]:
        with self._lock:
            every = [each for each in self._conflicts.values() if (each.closed_at is not None) is closed]
        ranks = list(Severity)
        every.sort(key=lambda each: (-(each.closed_at or 0.0), -ranks.index(Severity(each.severity)), each.id))
        return every[:limit]

    def hints(self, *, closed: bool = False, limit: int | None = None) -> list[HintView]:
        with self._lock:
            every = [each for each in self._hints.values() if (each.closed_at is not None) is closed]
        return sorted(every, key=lambda each: (-(each.closed_at or 0.0), -each.id))[:limit]

    def settings(self) -> list[SettingView]:
        return self.kept_settings.all()

    def read_log(self, id: JobId, attempt: int | None, offset: int, limit: int) -> LogChunk:
        with self._lock:
            if id not in self._jobs:
                raise KeyError(str(id))
            self.log_reads += 1
            newest = max(self._jobs[id].attempts, 1)
            number = attempt or newest
            if number > newest:
                raise KeyError(f"{id} attempt {number}")
            log = self._logs.get((str(id), number), _Log(ended=self._jobs[id].status == "finished"))
            size = len(log.data)
            first = max(0, size + offset) if offset < 0 else offset
            data = bytes(log.data[first : first + limit])
            ended = log.ended and first + len(data) >= size
            path = f"/logs/{id}-a{number}.log"
            return LogChunk(data, first, first + len(data), size, log.dropped, ended, path, number)

    # --- Desk: changes

    def subscribe(self, listener: Callable[[Change], None]) -> Callable[[], None]:
        with self._lock:
            key = next(self._listener_keys)
            self._listeners[key] = listener
        return lambda: self._unsubscribe(key)

    async def changes(self, after: int | None) -> AsyncIterator[Change]:
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[Change] = asyncio.Queue()
        with self._lock:
            if after is not None:
                queue.put_nowait(self._missed(after))
            end = self.subscribe(lambda change: _hand_over(loop, queue, change))
        try:
            while True:
                yield await queue.get()
        finally:
            end()

    @property
    def listeners(self) -> int:
        """How many subscriptions are open; a view that leaks one is found by this."""
        return len(self._listeners)

    # --- Desk: asking

    async def submit(self, submissions: Sequence[Submission]) -> list[Submitted]:
        if self.unwilling is not None:
            raise EngineUnwilling(self.unwilling)
        with self._lock:
            return [self._submit_one(submission) for submission in submissions]

    async def preview(self, submission: Submission) -> Preview:
        if self.refuse is not None:
            return Preview(False, self.refuse, self.refuse, None)
        [view] = self._views_of(submission, JobId(self._last_number + 1))[:1]
        return Preview(not submission.held, None, "It would start at once.", view)

    async def command(self, command: Command) -> list[CommandResult]:
        with self._lock:
            self.commands.append(command)
            if command.ids is None and command.verb in (Verb.PAUSE, Verb.RESUME):
                opened = command.verb is Verb.RESUME
                until = None if command.seconds is None else self.clock() + command.seconds
                why = None if opened else "paused by you"
                self.set_status(intake=IntakeView(opened, until, command.drain, command.gpu, why))
                return [CommandResult(None, Answer.DONE, "The queue runs." if opened else "The queue is paused.")]
            ids = command.ids if command.ids is not None else tuple(self._jobs)
            return [result for each in ids for result in self._act(command, each)]

    async def resolve_conflict(self, id: int, way: str | None = None) -> CommandResult:
        with self._lock:
            self.errands.append(ResolveConflict(id, way))
            found = self._conflicts.get(id)
            refused = self._refusal("conflict", id, found)
            if refused is not None or found is None:
                return refused or CommandResult(None, Answer.UNKNOWN, f"There is no conflict {id}.")
            chosen = [each for each in found.ways if way in (None, each.name)][:1]
            if not chosen:
                accepted = " and ".join(each.name for each in found.ways)
                return CommandResult(None, Answer.REFUSED, f'"{way}" is no way out of conflict {id}: {accepted} are.')
            self.end_conflict(id, f"Resolved: {chosen[0].label}.")
            return CommandResult(None, Answer.DONE, f"Conflict {id} is resolved: {chosen[0].label}.")

    async def apply_hint(self, id: int) -> CommandResult:
        with self._lock:
            self.errands.append(ApplyHint(id))
            return self._close_hint(id, "Applied.", f"Hint {id} is applied.")

    async def dismiss_hint(self, id: int) -> CommandResult:
        with self._lock:
            return self._close_hint(id, "Dismissed.", f"Hint {id} is dismissed.")

    async def wait(self, ids: Sequence[JobId], timeout_s: float | None, any_one: bool = False) -> list[JobView] | None:
        loop = asyncio.get_running_loop()
        changed = asyncio.Event()
        end = self.subscribe(lambda _: _wake(loop, changed))
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    changed.clear()
                    wanted = [self.job(each) for each in ids]
                    ended = [jobs for jobs in wanted if all(job.status == "finished" for job in jobs)]
                    if any_one and ended:
                        return ended[0]
                    if len(ended) == len(wanted):
                        return [job for jobs in wanted for job in jobs]
                    await changed.wait()
        except TimeoutError:
            return None
        finally:
            end()

    async def change_setting(self, name: str, text: str | None) -> SettingView:
        return self._told(lambda: [self.kept_settings.change(name, text)])[0]

    async def change_settings(self, texts: Mapping[str, str]) -> list[SettingView]:
        return self._told(lambda: self.kept_settings.change_all(texts))

    async def reset_settings(self, names: Sequence[str] | None) -> list[SettingView]:
        return self._told(lambda: self.kept_settings.reset(names))

    def _told(self, write: Callable[[], list[SettingView]]) -> list[SettingView]:
        with self._lock:
            before = {view.name for view in self.settings()}
            views = write()
            asked = {view.name for view in views}
            beside = [view for view in self.settings() if view.name not in before | asked]
            for view in (*views, *beside):
                self._publish(setting=view)
        return views

    async def set_policy(self, policy: Policy) -> None:
        self.policies.append(policy)

    async def shutdown(self, stop_jobs: bool) -> None:
        self.shutdowns.append(stop_jobs)

    # --- inside

    def _unsubscribe(self, key: int) -> None:
        with self._lock:
            self._listeners.pop(key, None)

    def _tell_conflict(self, view: ConflictView) -> ConflictView:
        self._conflicts[view.id] = view
        self._publish(conflicts=(view,))
        return view

    def _tell_hint(self, view: HintView) -> HintView:
        self._hints[view.id] = view
        self._publish(hints=(view,))
        return view

    def _refusal(self, what: str, id: int, found: ConflictView | HintView | None) -> CommandResult | None:
        if found is not None and found.closed_at is not None:
            return CommandResult(None, Answer.REFUSED, f"{what.capitalize()} {id} has ended: {found.closed_because}")
        return None if self.stubborn is None else CommandResult(None, Answer.REFUSED, self.stubborn)

    def _close_hint(self, id: int, because: str, sentence: str) -> CommandResult:
        found = self._hints.get(id)
        refused = self._refusal("hint", id, found)
        if refused is not None or found is None:
            return refused or CommandResult(None, Answer.UNKNOWN, f"There is no hint {id}.")
        self.end_hint(id, because)
        return CommandResult(None, Answer.DONE, sentence)

    def _put(self, views: Iterable[JobView]) -> None:
        views = tuple(views)
        for view in views:
            key = JobId.parse(view.id)
            self._jobs[key] = view
            self._last_number = max(self._last_number, key.number)
        self._publish(jobs=views)

    def _publish(self, **fields: object) -> None:
        self._event_id += 1
        change = Change(self._event_id, self.clock(), **fields)  # type: ignore[arg-type]
        self._changes.append(change)
        for listener in list(self._listeners.values()):
            listener(change)

    def _missed(self, after: int) -> Change:
        """What moved since, as one change; every job when that is too long ago to know."""
        remembered = self._changes and self._changes[0].event_id <= after + 1
        moved = {job.id for change in self._changes if change.event_id > after for job in change.jobs}
        views = [job for job in self._jobs.values() if not remembered or job.id in moved]
        open_conflicts, open_hints = tuple(self.conflicts()), tuple(self.hints())
        return Change(
            self._event_id, self.clock(), tuple(views), (), self.status(), conflicts=open_conflicts, hints=open_hints
        )

    def _submit_one(self, submission: Submission) -> Submitted:
        if self.refuse is not None:
            return Submitted(None, self.refuse, submission.warnings)
        self.submitted.append(submission)
        given = JobId(self._last_number + 1)
        self._put(self._views_of(submission, given))
        if self.start_at_once:
            for view in self.job(given):
                self.start(view.id)
                self.finish(view.id)
        return Submitted(given, None, submission.warnings)

    def _views_of(self, submission: Submission, id: JobId) -> list[JobView]:
        indices = submission.array_indices
        ids = [id] if indices is None else [JobId(id.number, index) for index in indices]
        return [_view_of(submission.spec, each, submission.held, self.clock()) for each in ids]

    def _act(self, command: Command, id: JobId) -> list[CommandResult]:
        views = self.job(id)
        if not views:
            return [CommandResult(id, Answer.UNKNOWN, f"There is no job {id}.")]
        return [self._act_on(command, view) for view in views]

    def _act_on(self, command: Command, view: JobView) -> CommandResult:
        job, status = JobId.parse(view.id), view.status
        moves: dict[Verb, tuple[tuple[str, ...], str]] = {
            Verb.PAUSE: (("running",), "paused"),
            Verb.RESUME: (("paused",), "running"),
            Verb.HOLD: (("queued",), "held"),
            Verb.RELEASE: (("held",), "queued"),
            Verb.RETRY: (("finished",), "queued"),
            Verb.START: (("queued", "held"), "running"),
            Verb.FIRST: (("queued",), "queued"),
            Verb.EDIT: (("queued", "held"), status),
        }
        if command.verb in (Verb.CANCEL, Verb.KILL):
            if status == "finished":
                return CommandResult(job, Answer.REFUSED, f"Job {job} has already finished.")
            outcome = "cancelled" if command.verb is Verb.CANCEL else "killed"
            self.finish(view.id, outcome, None, None if status in ("queued", "held") else 15)
            return CommandResult(job, Answer.DONE, f"Job {job} was {outcome}.")
        accepted, becomes = moves[command.verb]
        if status not in accepted:
            return CommandResult(
                job, Answer.REFUSED, f"Job {job} is {status}; {command.verb} takes {accepted[0]} jobs."
            )
        ended = {"outcome": None, "finished_at": None, "exit_code": None} if command.verb is Verb.RETRY else {}
        self.change(view.id, status=becomes, **ended)
        return CommandResult(job, Answer.DONE, f"Job {job} is {becomes}.")


def _view_of(spec: JobSpec, id: JobId, held: bool, now: float) -> JobView:
    gpu = (
        None
        if spec.gpu is None
        else GpuView(spec.gpu.count, spec.gpu.memory_bytes, spec.gpu.vendor, spec.gpu.model, spec.gpu.text)
    )
    memory, source = (512 * 1024**2, "default") if spec.memory_bytes is None else (spec.memory_bytes, "declared")
    wait = WaitView("held", "It is held by you.") if held else WaitView("next", "It is next in line.")
    return a_job_view(
        str(id),
        name=spec.name,
        status="held" if held else "queued",
        priority=spec.priority,
        queue=spec.queue,
        command=spec.command,
        cwd=spec.cwd,
        script=spec.script,
        labels=spec.labels,
        submitted_at=now,
        begin_at=spec.begin_at,
        time_limit_s=spec.time_limit_s,
        preemptible=spec.preemptible,
        waits=(wait,),
        estimate=EstimateView(memory, source, spec.cores or 1.0, gpu),
    )


def _hand_over(loop: asyncio.AbstractEventLoop, queue: asyncio.Queue[Change], change: Change) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(queue.put_nowait, change)


def _wake(loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(event.set)
