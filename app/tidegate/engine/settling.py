"""Settling: what a way out of a conflict leaves to be done later: who rests goes on again, and turns change."""

from __future__ import annotations

from dataclasses import replace

from tidegate.core.advice.ways import numbered
from tidegate.core.conflicts import Proposal, Step
from tidegate.core.job import Finished, Held, Job, JobId, Paused, PauseReason, Running, Starting
from tidegate.core.state import State
from tidegate.core.texts import format_moment
from tidegate.engine.ports import Settlement

TURN = "rests until its turn comes"


def begin(proposal: Proposal, done: set[JobId], now: float) -> Settlement | None:
    """What there is to see to once its steps were done; None where that was all."""
    resting = tuple(step.job for step in proposal.steps if step.verb in ("pause", "hold") and step.job in done)
    if not resting or not proposal.until:
        return None
    return Settlement(proposal.name, resting, proposal.until, proposal.turns, now)


def why(proposal: Proposal) -> str | None:
    """What a job that rests for it says of itself."""
    if proposal.turns:
        return TURN
    if len(proposal.until) > 1:
        return "rests until another job has ended"
    return f"rests until job {proposal.until[0]} has ended" if proposal.until else None


def over(state: State, settlement: Settlement) -> str | None:
    """Why there is nothing more to see to; None while there is."""
    for id in (*settlement.until, *settlement.resting):
        job = state.jobs.get(id)
        if job is None or isinstance(job.status, Finished):
            return f"Settled: job {id} has ended."
    let_go = next((id for id in settlement.resting if not rests(state.jobs[id])), None)
    return None if let_go is None else f"You let job {let_go} go on."


def rests(job: Job) -> bool:
    """It stands still as it was told to, or will as soon as it has started."""
    match job.status:
        case Paused(reason=PauseReason.USER, wants_resume=False) | Held() | Starting():
            return True
        case _:
            return False


def let_go(state: State, settlement: Settlement) -> list[Step]:
    """Who still rests goes on."""
    steps = []
    for id in settlement.resting:
        job = state.jobs.get(id)
        if job is not None and rests(job):
            steps.append(Step("release" if isinstance(job.status, Held) else "resume", id))
    return steps


def next_turn(state: State, settlement: Settlement, quantum_s: float, now: float) -> tuple[Settlement, list[Step]]:
    """Once the turn is over the next one rests, and who rested goes on; not while the queue stands still."""
    order = settlement.until
    if not settlement.turns or now - settlement.since < quantum_s or not state.intake.open:
        return settlement, []
    resting = settlement.resting[0]
    place = order.index(resting)
    after = next((id for id in (*order[place + 1 :], *order[:place]) if _works(state, id)), None)
    if after is None:
        return settlement, []  # the others wait for room, or stand still for another reason
    steps = [Step("pause", after), *let_go(state, settlement)]
    return replace(settlement, resting=(after,), since=now), steps


def _works(state: State, id: JobId) -> bool:
    job = state.jobs.get(id)
    return job is not None and isinstance(job.status, Running)


def sentence(settlement: Settlement, quantum_s: float, now: float) -> str:
    """What is being done about it."""
    who = numbered(settlement.resting).capitalize()
    jobs = f"{who} rests" if len(settlement.resting) == 1 else f"{who} rest"
    if settlement.turns:
        return f"{jobs} until {format_moment(settlement.since + quantum_s, now)}, then the next in turn."
    others = [str(id) for id in settlement.until]
    return f"{jobs} until job {others[0]} has ended." if len(others) == 1 else f"{jobs} until another has ended."
