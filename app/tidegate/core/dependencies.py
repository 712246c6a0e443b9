"""Whether the jobs that a job waits for have ended in the wanted way (D5: after ok / any / failed)."""

from __future__ import annotations

from collections.abc import Iterable

from tidegate.core.job import AfterCondition, Dependency, Finished, Job, JobId, Outcome
from tidegate.core.state import State


def satisfied(condition: AfterCondition, outcome: Outcome) -> bool:
    """True when this end is the one that was wanted."""
    match condition:
        case AfterCondition.ANY:
            return True
        case AfterCondition.OK:
            return outcome is Outcome.SUCCEEDED
        case AfterCondition.FAILED:
            return outcome is not Outcome.SUCCEEDED


def still_open(state: State, dependency: Dependency) -> bool:
    """True while the job, or any element of the array, has not ended. What left memory has ended."""
    awaited = state.jobs.get(dependency.job)
    if awaited is not None:
        return not isinstance(awaited.status, Finished)
    array = state.array_ends.get(dependency.job.number) if dependency.job.index is None else None
    return array is not None and array.open > 0


def unmet(state: State, job: Job) -> list[Dependency]:
    """The dependencies that still keep this job waiting."""
    return [dependency for dependency in job.spec.after if still_open(state, dependency)]


def cycle(state: State, id: JobId, after: Iterable[Dependency]) -> list[JobId] | None:
    """The way from a job over what it would wait for back to itself, itself left out; None when there is none."""
    ways = [[dependency.job] for dependency in after]
    seen: set[JobId] = set()
    while ways:
        way = ways.pop()
        awaited = way[-1]
        if awaited == id or (awaited.index is None and awaited.number == id.number):
            return way[:-1]
        if awaited in seen:
            continue
        seen.add(awaited)
        for each in [awaited] if awaited in state.jobs else state.elements(awaited.number):
            job = state.jobs[each]
            if job.outcome is None:
                ways += [[*way, dependency.job] for dependency in job.spec.after]
    return None


def broken(state: State, job: Job) -> Dependency | None:
    """A dependency that ended in another way than wanted, so that this job can never run; None while it can.

    Every element of an array has to end in the wanted way.
    """
    for dependency in job.spec.after:
        awaited = state.jobs.get(dependency.job)
        if awaited is not None:
            if awaited.outcome is not None and not satisfied(dependency.condition, awaited.outcome):
                return dependency
            continue
        array = state.array_ends.get(dependency.job.number) if dependency.job.index is None else None
        if array is None or dependency.condition is AfterCondition.ANY:
            continue
        if array.others if dependency.condition is AfterCondition.OK else array.succeeded:
            return dependency
    return None
