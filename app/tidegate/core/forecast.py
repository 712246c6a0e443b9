"""Forecast: when jobs should start and end, by running the very ``plan`` ahead on a fork of State; no guesses (D3).

Durations are the usual ones of earlier runs, else time limits. A job whose duration nobody knows ends never here, and
who would have to wait for that has no forecast.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from heapq import heapify, heappop, heappush
from itertools import count, islice
from typing import NamedTuple

from tidegate.core import events as e
from tidegate.core.actions import Action, Kill, Pause, Resume, Start, Terminate
from tidegate.core.durations import OVERDUE_SHARE, usual_duration_s
from tidegate.core.job import Job, JobId, Paused, Running, RunRef, Starting, Stopping, twin
from tidegate.core.planner import plan
from tidegate.core.resources import EstimateSource
from tidegate.core.state import FORKED_WAITING, State
from tidegate.core.texts import format_duration, format_moment
from tidegate.core.transitions import apply

HORIZON_S = 7 * 86_400.0
MOST_PLANS = 500
# Ends that lie nearer to each other than this part of how far ahead they are count as one moment.
COARSENESS = 0.02


class Span(NamedTuple):
    """Unix seconds; ``end_at`` is None where nobody knows how long the job takes."""

    start_at: float
    end_at: float | None


def forecast(
    state: State, now: float, horizon_s: float = HORIZON_S, wanted: Collection[JobId] | None = None
) -> dict[JobId, Span]:
    """When jobs that run, and those of the first 200 waiting that should start within the horizon, start and end.

    Reads ``state`` only. Bounded: who would start after ``MOST_PLANS`` steps has no forecast either. It goes no further
    than it takes for all of ``wanted``.
    """
    return forecasting(state, now, horizon_s, wanted)()


def forecasting(
    state: State, now: float, horizon_s: float = HORIZON_S, wanted: Collection[JobId] | None = None
) -> Callable[[], dict[JobId, Span]]:
    """``forecast`` in two steps: this one looks at ``state``, for a millisecond; what it gives may run in a thread."""
    ahead = _Ahead(state, now)

    def go_on() -> dict[JobId, Span]:
        ahead.go_on(now + horizon_s, wanted)
        return ahead.spans

    return go_on


class _Ahead:
    """A fork of State in which time goes on, from one end of a job to the next."""

    def __init__(self, state: State, now: float) -> None:
        self.spans: dict[JobId, Span] = {}
        self._state = fork = state.fork()
        # What ends here teaches nothing.
        fork.profiles = dict(state.profiles)
        self._began = self._now = now
        self._ends: list[tuple[float, JobId, str]] = []
        self._left_s: dict[JobId, float] = {}
        self._tokens = count(1)
        self._bring_parked(state)
        for job in fork.active.values():
            if job.estimate is not None:
                # By the time it matters, it will have shown what it needs.
                job.estimate = replace(job.estimate, source=EstimateSource.DECLARED)
            self._take_up(job)
        heapify(self._ends)

    def _bring_parked(self, state: State) -> None:
        for job in list(islice(state.parked.values(), FORKED_WAITING)):
            self._state.bring(state, [dependency.job for dependency in job.spec.after])
            self._state.jobs.pop(job.id, None)
            apply(self._state, e.JobRestored(self._now, twin(job)))

    def _take_up(self, job: Job) -> None:
        """A job that is active now: when it should end, or how much it has left when it goes on."""
        duration_s, now = self._lasts_s(job), self._now
        if isinstance(job.status, Stopping):
            heappush(self._ends, (job.status.kill_at or now, job.id, job.attempts[-1].token))
        elif duration_s is not None:
            attempt = job.attempts[-1]
            begun = (attempt.started_at or attempt.intended_at) + attempt.paused_s
            until = job.status.since if isinstance(job.status, Paused) else now
            left_s = max(begun + duration_s - until, OVERDUE_SHARE * (until - begun))
            if isinstance(job.status, Paused):
                self._left_s[job.id] = left_s
            else:
                heappush(self._ends, (now + left_s, job.id, attempt.token))
        if isinstance(job.status, Running | Starting):
            end = None if duration_s is None else now + left_s
            self.spans[job.id] = Span(job.attempts[-1].started_at or now, end)
        if isinstance(job.status, Starting) and not self._state.waits_behind(job):
            apply(self._state, e.JobStarted(now, job.id, RunRef(job.status.token)))

    def _lasts_s(self, job: Job) -> float | None:
        return usual_duration_s(job.spec, self._state.profile(job))

    def go_on(self, until: float, wanted: Collection[JobId] | None) -> None:
        """Plan, carry out, and go to the next moment at which something changes; until nothing does any more."""
        for _ in range(MOST_PLANS):
            if wanted is not None and all(id in self.spans for id in wanted):
                return
            self._pass_moment()
            decided = plan(self._state, self._now)
            for section, memory in decided.remembered:
                apply(self._state, e.StrategyRemembered(self._now, section, memory))
            for action in decided.actions:
                self._carry_out(action)
            if any(isinstance(action, Terminate | Kill) for action in decided.actions):
                continue  # they made room at once
            moments = [moment for moment in (decided.wake_at, self._ends[0][0] if self._ends else None) if moment]
            following = min((moment for moment in moments if moment > self._now), default=None)
            if following is None or following > until:
                return
            # The farther ahead, the less a moment more or less matters, and the fewer plans it takes.
            together = following + (following - self._began) * COARSENESS
            self._now = max((end for end, _, _ in self._ends if following <= end <= together), default=following)

    def _pass_moment(self) -> None:
        state, now = self._state, self._now
        while self._ends and self._ends[0][0] <= now:
            _, id, token = heappop(self._ends)
            job = state.jobs[id]
            if isinstance(job.status, Running | Starting | Stopping) and job.attempts[-1].token == token:
                self._end(job)
        if state.begin_times and state.begin_times[0][0] <= now:
            apply(state, e.MomentReached(now))
        if not state.intake.open and state.intake.until is not None and state.intake.until <= now:
            apply(state, e.IntakeChanged(now, open=True))

    def _end(self, job: Job) -> None:
        """It ends well, or as it was told to; what it used of cards is free."""
        reading, held = self._state.machine.reading, dict(job.usage.gpu_memory_bytes) if job.usage is not None else {}
        exited = e.JobExited(self._now, job.id, job.attempts[-1].token, 0, None, None, None)
        apply(self._state, exited)
        if held and reading is not None:
            cards = tuple(
                replace(card, memory_used_bytes=max(0, (card.memory_used_bytes or 0) - held.get(card.index, 0)))
                for card in reading.gpus
            )
            apply(self._state, e.MachineSampled(replace(reading, gpus=cards), timed=False))

    def _carry_out(self, action: Action) -> None:
        state, now = self._state, self._now
        job = state.jobs[action.id]
        match action:
            case Start():
                token = f"forecast-{next(self._tokens)}"
                figure = replace(action.estimate, source=EstimateSource.DECLARED)
                number = len(job.attempts) + 1
                apply(state, e.JobStarting(now, job.id, number, token, figure, action.devices, action.bypassed))
                apply(state, e.JobStarted(now, job.id, RunRef(token)))
                duration_s = self._lasts_s(job)
                end = None if duration_s is None else now + duration_s
                if end is not None:
                    heappush(self._ends, (end, job.id, token))
                self.spans[job.id] = Span(now, end)
            case Pause():
                left = [entry for entry in self._ends if entry[1] == job.id]
                self._ends = [entry for entry in self._ends if entry[1] != job.id]
                heapify(self._ends)
                if left:
                    self._left_s[job.id] = left[0][0] - now
                apply(state, e.JobPaused(now, job.id, action.reason, action.resume_at, action.why))
            case Resume():
                apply(state, e.JobResumed(now, job.id))
                left_s = self._left_s.pop(job.id, None)
                if left_s is not None:
                    heappush(self._ends, (now + left_s, job.id, job.attempts[-1].token))
                    self.spans[job.id] = Span(job.attempts[-1].started_at or now, now + left_s)
            case Terminate() | Kill():
                apply(state, e.JobStopping(now, job.id, action.outcome, action.why))
                apply(state, e.JobExited(now, job.id, job.attempts[-1].token, None, 15, None, None))


def deadline_sentence(deadline_at: float, spans: Iterable[Span | None], now: float) -> tuple[str, bool]:
    """What to say of a deadline of a job (or of all elements of an array), and whether it will be missed."""
    ends = [span.end_at if span is not None else None for span in spans]
    known = [end for end in ends if end is not None]
    late_s = max(known, default=now) - deadline_at
    if late_s > 0:
        return f"will not make its deadline: about {_about(late_s)} late", True
    if len(known) < len(ends) or not ends:
        return "may or may not make its deadline: not all durations that it takes are known", False
    by = format_moment(max(known), now)
    return f"should be done by {by}, {_about(-late_s)} before its deadline", False


def _about(seconds: float) -> str:
    """Nobody foretells seconds of what takes minutes."""
    return format_duration(seconds if seconds < 120 else 60 * round(seconds / 60))


def deadline_outlook(state: State, id: JobId, now: float) -> tuple[str, bool] | None:
    """``deadline_sentence`` of an unfinished job, or of what is open of an array; None where there is no deadline."""
    later = deadline_outlook_of(state, id, now)
    return later() if later is not None else None


def deadline_outlook_of(state: State, id: JobId, now: float) -> Callable[[], tuple[str, bool]] | None:
    """``deadline_outlook`` in two steps, like ``forecasting``."""
    jobs = [state.jobs[each] for each in state.elements(id.number) if each == id or id.index is None]
    open_jobs = [job for job in jobs if job.outcome is None and job.spec.deadline_at is not None]
    if not open_jobs:
        return None
    deadline_at = min(job.spec.deadline_at for job in open_jobs if job.spec.deadline_at is not None)
    ids = [job.id for job in open_jobs]
    look_ahead = forecasting(state, now, wanted=ids)

    def outlook() -> tuple[str, bool]:
        spans = look_ahead()
        return deadline_sentence(deadline_at, [spans.get(id) for id in ids], now)

    return outlook
