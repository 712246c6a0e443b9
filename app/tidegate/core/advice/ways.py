"""Ways out of a conflict, each as the real steps that carry it out; a rule offers those that make sense for it."""

from __future__ import annotations

from collections.abc import Sequence

from tidegate.core.advice.survey import NAMED, ids_of, least_important
from tidegate.core.conflicts import BY_PRIORITY, FAIR_SHARE, LEAVE, STOP, TIME_SLICING, Proposal, Step
from tidegate.core.job import Job, JobId, Queued, Running

LEAVE_IT = Proposal(LEAVE, "Leave it as it is", ())
"""Every conflict may be left as it is; it is not told again as long as it lasts."""


def rest(name: str, resting: Sequence[Job], until: Sequence[Job]) -> Proposal:
    """Pause these (hold, where they still wait) until one of the others has ended."""
    queued = all(isinstance(job.status, Queued) for job in resting)
    steps = tuple(Step("hold" if isinstance(job.status, Queued) else "pause", job.id) for job in resting)
    others = f"job {until[0].id} ends" if len(until) == 1 else "another ends"
    label = f"{'Hold' if queued else 'Pause'} {numbered(ids_of(resting))} until {others}"
    return Proposal(name, label, steps, ids_of(until))


def give_way(parties: Sequence[Job], candidates: Sequence[Job] | None = None) -> tuple[Proposal, ...]:
    """The least important of the candidates rests until another of the parties has ended."""
    willing = [job for job in (parties if candidates is None else candidates) if job.spec.preemptible]
    if not willing:
        return ()
    resting = least_important(willing)
    return (rest(BY_PRIORITY, [resting], [job for job in parties if job is not resting]),)


def one_at_a_time(jobs: Sequence[Job], keep: Job | None = None) -> tuple[Proposal, ...]:
    """All but the most important, or of equals the first that works, rest until that one has ended."""
    keep = keep or min(jobs, key=lambda job: (isinstance(job.status, Queued), job.spec.priority, job.sequence))
    resting = [job for job in jobs if job is not keep and isinstance(job.status, Queued | Running)]
    if not resting or not all(job.spec.preemptible for job in resting):
        return ()
    return (rest(BY_PRIORITY, resting, [keep]),)


def give_back(greedy: Job | None, parties: Sequence[Job]) -> tuple[Proposal, ...]:
    """Who takes the most beyond its share rests until another has ended."""
    if greedy is None or not greedy.spec.preemptible:
        return ()
    return (rest(FAIR_SHARE, [greedy], [job for job in parties if job is not greedy]),)


def take_turns(parties: Sequence[Job]) -> tuple[Proposal, ...]:
    """One of them rests at a time, each for a quantum, the least important first."""
    if not all(job.spec.preemptible for job in parties):
        return ()
    rank = sorted(parties, key=lambda job: (job.spec.priority, job.sequence), reverse=True)
    first = next((job for job in rank if not isinstance(job.status, Queued)), None)
    if first is None:
        return ()
    order = (first, *(job for job in rank if job is not first))
    return (Proposal(TIME_SLICING, "Let them take turns", (Step("pause", first.id),), ids_of(order), turns=True),)


def run_later(name: str, jobs: Sequence[Job]) -> tuple[Proposal, ...]:
    """Stop these and run them again later, where their users allowed that."""
    if not jobs or not all(job.spec.may_rerun and job.spec.preemptible for job in jobs):
        return ()
    steps = tuple(Step("requeue", job.id) for job in jobs)
    return (Proposal(name, f"Stop {numbered(ids_of(jobs))} and run {_them(jobs)} again later", steps),)


def put_first(job: Job) -> Proposal:
    return Proposal(BY_PRIORITY, f"Put job {job.id} first", (Step("first", job.id),))


def stop(jobs: Sequence[Job]) -> Proposal:
    """End them for good: never chosen by a policy."""
    return Proposal(STOP, f"Stop {numbered(ids_of(jobs))}", tuple(Step("cancel", job.id) for job in jobs))


def ways(*groups: Sequence[Proposal] | Proposal) -> tuple[Proposal, ...]:
    """In this order, and at the end to leave it."""
    flat: list[Proposal] = []
    for group in groups:
        flat += [group] if isinstance(group, Proposal) else group
    return (*flat, LEAVE_IT)


def numbered(ids: Sequence[JobId]) -> str:
    """``job 7``, ``jobs 7 and 8``, ``12 jobs``."""
    if len(ids) > NAMED:
        return f"{len(ids)} jobs"
    return f"job {ids[0]}" if len(ids) == 1 else f"jobs {', '.join(map(str, ids[:-1]))} and {ids[-1]}"


def _them(jobs: Sequence[Job]) -> str:
    return "it" if len(jobs) == 1 else "them"
