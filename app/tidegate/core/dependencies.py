"""Whether the jobs that a job waits for have ended in the wanted way (D5: after ok / any / failed)."""

from __future__ import annotations

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


def open_ids(state: State, dependency: Dependency) -> list[JobId]:
    """The jobs of this dependency that have not ended. A job that left memory has ended."""
    ids = [dependency.job] if dependency.job in state.jobs else state.elements(dependency.job.number)
    return [id for id in ids if not isinstance(state.jobs[id].status, Finished)]


def unmet(state: State, job: Job) -> list[Dependency]:
    """The dependencies that still keep this job waiting."""
    return [dependency for dependency in job.spec.after if open_ids(state, dependency)]


def broken(state: State, job: Job) -> Dependency | None:
    """A dependency that ended in another way than wanted, so that this job can never run; None while it can."""
    for dependency in job.spec.after:
        ids = [dependency.job] if dependency.job in state.jobs else state.elements(dependency.job.number)
        for id in ids:
            outcome = state.jobs[id].outcome
            if outcome is not None and not satisfied(dependency.condition, outcome):
                return dependency
    return None
