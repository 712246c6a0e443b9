"""Places: where a job stands - in the line, parked, active or ended - and what a change of that means for others.

Only ``transitions`` calls these; each leaves the indices of State in order.
"""

from __future__ import annotations

from tidegate.core.dependencies import broken, unmet
from tidegate.core.estimates import group_key, seen_bytes
from tidegate.core.job import Dependency, Finished, Held, Job, Outcome, Queued, not_before
from tidegate.core.line import GroupKey
from tidegate.core.prediction import RUNS_TO_TRUST, profile_key
from tidegate.core.state import State


def _learned_key(state: State, job: Job) -> str | None:
    if not state.profiles:
        return None
    key = profile_key(job.spec)
    profile = state.profiles.get(key)
    return key if profile is not None and len(profile.peaks_bytes) >= RUNS_TO_TRUST else None


def group_of(state: State, job: Job) -> GroupKey:
    """The group in which this job stands in the line, or would stand."""
    array = job.id.number if job.id.index is not None else None
    seen = seen_bytes(job) if job.attempts else None
    return group_key(job.spec, _learned_key(state, job), array, seen)


def enqueue(state: State, job: Job, now: float) -> None:
    """Give a queued job its one place: in the line, or parked until a moment or another job's end."""
    spec = job.spec
    if spec.after and (dependency := broken(state, job)) is not None:
        finish(state, job, Finished(now, Outcome.SKIPPED, why=skipped_because(dependency)))
        return
    state.queued_count += 1
    moment = not_before(job)
    if (moment is not None and moment > now) or (spec.after and unmet(state, job)):
        state.park(job)
        return
    state.stand_in_line(job, group_of(state, job))


def dequeue(state: State, job: Job) -> None:
    """Take a queued job out of its place."""
    state.queued_count -= 1
    if job.id in state.line:
        state.line.remove(job.id)
    else:
        state.unpark(job)
    state.forced.pop(job.id, None)


def place_anew(state: State, job: Job, now: float) -> None:
    """Take a queued job out of its place and give it the one it should have now; a word to force it stays."""
    forced = job.id in state.forced
    dequeue(state, job)
    enqueue(state, job, now)
    if forced and isinstance(job.status, Queued):
        state.forced[job.id] = None


def release(state: State, job: Job, now: float) -> None:
    state.await_no_more(job)
    job.status = Queued(now)
    enqueue(state, job, now)


def activate(state: State, job: Job) -> None:
    state.active[job.id] = job
    if job.id.index is not None:
        state.array_running[job.id.number] = state.array_running.get(job.id.number, 0) + 1


def deactivate(state: State, job: Job) -> None:
    del state.active[job.id]
    if job.id.index is not None:
        state.array_running[job.id.number] -= 1
        if not state.array_running[job.id.number]:
            del state.array_running[job.id.number]
    job.usage = None
    job.growth_bytes_s = 0.0
    job.settle_base_bytes = None
    job.settle_since = None


def finish(state: State, job: Job, finished: Finished) -> None:
    """End a job, let go who waited for it, and skip who can never run any more, however long the chain is."""
    ending = [(job, finished)]
    while ending:
        job, finished = ending.pop()
        state.count_element(job, -1)
        job.status = finished
        state.count_element(job, 1)
        state.leave_key(job)
        state.finished_order[job.id] = None
        state.touched[job.id] = None
        for id in sorted(state.dependants.get(job.id.number, ())):
            waiting = state.jobs[id]
            if isinstance(waiting.status, Held):
                continue
            dependency = broken(state, waiting)
            if dependency is not None:
                dequeue(state, waiting)
                ending.append((waiting, Finished(finished.at, Outcome.SKIPPED, why=skipped_because(dependency))))
            elif not unmet(state, waiting):
                place_anew(state, waiting, finished.at)
                state.touched[id] = None


def skipped_because(dependency: Dependency) -> str:
    """Why a job that waited for this can never run."""
    wanted = {"ok": "succeed", "any": "end", "failed": "fail"}[dependency.condition]
    return f"it was to run after job {dependency.job} would {wanted}, which did not happen"


def regroup(state: State, teacher: Job) -> None:
    # Once in the life of a key: its waiting jobs leave the group of the unknown and get one of their own.
    alike = [
        id
        for id in state.line
        if state.jobs[id].spec.command == teacher.spec.command and state.jobs[id].spec.cwd == teacher.spec.cwd
    ]
    for id in alike:
        job = state.jobs[id]
        state.line.remove(id)
        state.stand_in_line(job, group_of(state, job))
