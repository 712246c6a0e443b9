"""Pictures: State as the frozen views that window, API and CLI show. Reads only; safe beside the engine's thread."""

from __future__ import annotations

from collections.abc import Callable

from tidegate.core.admission import open_ledger
from tidegate.core.estimates import at_least, estimate, holding, reserved_memory_bytes, seen_bytes
from tidegate.core.job import Attempt, Finished, Job, Stopping
from tidegate.core.placement import CardLedger, need_of
from tidegate.core.reasons import WaitReason
from tidegate.core.resources import CardNeed, Estimate, GpuRequest
from tidegate.core.state import State
from tidegate.engine.views import (
    AttemptView,
    CardView,
    EstimateView,
    GpuView,
    IntakeView,
    JobView,
    MachineSample,
    MachineView,
    ProgramView,
    UsageView,
    WaitView,
)

PidOf = Callable[[str | None], int | None]
LogPath = Callable[[str, int], str]


def job_view(
    state: State, job: Job, waits: tuple[WaitReason, ...], now: float, pid_of: PidOf, log_path: LogPath
) -> JobView:
    """One job as D11 shows it."""
    attempt = job.attempt
    status = job.status
    finished = status if isinstance(status, Finished) else None
    active = job.id in state.active
    return JobView(
        id=str(job.id),
        index=job.id.index,
        name=job.spec.name,
        status=job.status_name,
        outcome=finished.outcome.value if finished else None,
        exit_code=finished.exit_code if finished else None,
        signal=finished.signal if finished else None,
        why=status.why if isinstance(status, Finished | Stopping) else None,
        priority=job.spec.priority,
        queue=job.spec.queue,
        command=job.spec.command,
        cwd=job.spec.cwd,
        script=job.spec.script,
        labels=job.spec.labels,
        submitted_at=job.submitted_at,
        started_at=attempt.started_at if attempt is not None and (active or finished) else None,
        finished_at=finished.at if finished else None,
        begin_at=job.spec.begin_at,
        time_limit_s=job.spec.time_limit_s,
        preemptible=job.spec.preemptible,
        attempts=len(job.attempts),
        attempt_list=tuple(_attempt_view(item) for item in job.attempts),
        pid=pid_of(attempt.identity) if active and attempt is not None else None,
        devices=attempt.devices if active and attempt is not None else (),
        waits=tuple(WaitView(w.code.value, w.sentence, w.numbers, w.until) for w in waits),
        estimate=_estimate_view(_estimate_of(state, job)),
        usage=_usage_view(state, job, now),
        last_wait=job.last_wait.sentence if job.last_wait is not None else None,
        log_path=log_path(str(job.id), attempt.number) if attempt is not None else None,
        rank=job.rank,
        deadline_at=job.spec.deadline_at,
    )


def _estimate_of(state: State, job: Job) -> Estimate:
    if job.id in state.active and job.estimate is not None:
        return job.estimate
    reading = state.machine.reading
    available = reading.memory_available_bytes if reading is not None else None
    figure = estimate(job.spec, state.profile(job), state.policy, available)
    seen = seen_bytes(job)
    line = state.policy.memory_line_bytes(reading.memory_total_bytes) if reading is not None else None
    return figure if seen is None else at_least(figure, seen, line)


def _attempt_view(attempt: Attempt) -> AttemptView:
    return AttemptView(
        number=attempt.number,
        intended_at=attempt.intended_at,
        started_at=attempt.started_at,
        ended_at=attempt.ended_at,
        outcome=attempt.outcome.value if attempt.outcome is not None else None,
        exit_code=attempt.exit_code,
        signal=attempt.signal,
        cpu_s=attempt.cpu_s,
        peak_memory_bytes=attempt.peak_memory_bytes,
        paused_s=max(0.0, attempt.paused_s),
        devices=attempt.devices,
        why=attempt.why,
        waited_for=attempt.waited_for,
        strategy=attempt.strategy,
    )


def _estimate_view(figure: Estimate) -> EstimateView:
    return EstimateView(
        memory_bytes=figure.memory_bytes,
        source=figure.source.value,
        cores=figure.cores,
        gpu=_gpu_view(figure.gpu, figure.card),
        duration_s=figure.duration_s,
    )


def _gpu_view(request: GpuRequest | None, need: CardNeed | None) -> GpuView | None:
    if request is None:
        return None
    return GpuView(
        request.count,
        request.memory_bytes,
        request.vendor,
        request.model,
        request.text,
        need.memory_bytes if need is not None else None,
        100.0 * need.share if need is not None else None,
    )


def _usage_view(state: State, job: Job, now: float) -> UsageView:
    attempt = job.attempt
    usage = job.usage
    active = job.id in state.active and attempt is not None and not state.waits_behind(job)
    reserved = None
    if active and attempt is not None:
        reserved = reserved_memory_bytes(job, attempt, state.policy, state.profile(job), now)
    peak = job.peak_memory_bytes
    if peak is None and attempt is not None:
        peak = attempt.peak_memory_bytes  # of a run before this engine's time only that is written down
    return UsageView(
        memory_bytes=usage.memory_bytes if usage is not None else None,
        reserved_bytes=reserved,
        peak_memory_bytes=peak,
        cores=usage.cores if usage is not None else None,
        processes=usage.processes if usage is not None else None,
        cpu_s=attempt.cpu_s if attempt is not None else None,
        gpu_memory_bytes={str(index): size for index, size in usage.gpu_memory_bytes} if usage is not None else {},
        gpu_utilisation_pct={str(index): pct for index, pct in usage.gpu_utilisation_pct} if usage is not None else {},
        threads=usage.threads if usage is not None else None,
    )


def machine_view(state: State, now: float) -> MachineView:
    """The machine with the lines it is judged by, and what is promised of it."""
    ledger = open_ledger(state, now)
    policy, reading = state.policy, state.machine.reading
    return MachineView(
        at=reading.at if reading else None,
        cores=reading.cores if reading else None,
        cpu_pct=reading.cpu_pct if reading else None,
        per_core_pct=reading.per_core_pct if reading else (),
        other_cpu_cores=reading.other_cpu_cores if reading else None,
        frequency_mhz=reading.frequency_mhz if reading else None,
        load=reading.load if reading else None,
        memory_total_bytes=reading.memory_total_bytes if reading else None,
        memory_available_bytes=reading.memory_available_bytes if reading else None,
        memory_used_pct=reading.memory_used_pct if reading else None,
        memory_other_bytes=ledger.other_bytes,
        memory_reserved_bytes=ledger.reserved_bytes,
        memory_headroom_bytes=ledger.headroom_bytes,
        memory_high_pct=policy.memory_high_pct,
        memory_emergency_pct=policy.memory_emergency_pct,
        memory_line_bytes=ledger.memory_line_bytes,
        swap_total_bytes=reading.swap_total_bytes if reading else None,
        swap_used_bytes=reading.swap_used_bytes if reading else None,
        psi_memory_some_pct=reading.psi_memory_some_pct if reading else None,
        disk_read_bytes_s=reading.disk_read_bytes_s if reading else None,
        disk_write_bytes_s=reading.disk_write_bytes_s if reading else None,
        net_received_bytes_s=reading.net_received_bytes_s if reading else None,
        net_sent_bytes_s=reading.net_sent_bytes_s if reading else None,
        cards=tuple(card_view(state, card) for card in ledger.cards.values()),
        largest_others=tuple(ProgramView(one.name, one.memory_bytes) for one in reading.largest_others)
        if reading
        else (),
    )


def card_view(state: State, card: CardLedger) -> CardView:
    """One card with what our jobs are expected to take of it; memory of a job that takes more counts as it is."""
    reading, promised = card.reading, 0
    for id in list(card.holders):
        job = state.jobs[id]
        need = need_of(job.spec, job.estimate)
        measured = dict(job.usage.gpu_memory_bytes).get(reading.index, 0) if job.usage is not None else 0
        promised += max(measured, (need.memory_bytes or 0) if need is not None else 0)
    return CardView(
        index=reading.index,
        uuid=reading.uuid,
        name=reading.name,
        mode=card.mode.value,
        memory_total_bytes=reading.memory_total_bytes,
        memory_used_bytes=reading.memory_used_bytes,
        utilisation_pct=reading.utilisation_pct,
        temperature_c=reading.temperature_c,
        power_w=reading.power_w,
        reserved_share=card.share,
        reserved_memory_bytes=promised,
    )


def intake_view(state: State) -> IntakeView:
    intake = state.intake
    return IntakeView(intake.open, intake.until, intake.drain, intake.gpu_only, intake.why)


def machine_sample(state: State, now: float) -> MachineSample | None:
    """One point of the curves; None before the first reading."""
    reading = state.machine.reading
    if reading is None:
        return None
    jobs = []
    card_jobs: list[tuple[int, str, int]] = []
    reserved = ours = running = 0
    for job in state.active.values():
        if state.waits_behind(job):
            continue
        held = holding(job, state.policy, state.profile(job), now)
        reserved += held.memory_bytes
        running += held.slots
        usage = job.usage
        memory = usage.memory_bytes if usage is not None else None
        ours += memory or 0
        jobs.append((str(job.id), memory, usage.cores if usage is not None else None))
        if usage is not None:
            card_jobs += [(card, str(job.id), size) for card, size in usage.gpu_memory_bytes]
    available = reading.memory_available_bytes
    used = None if available is None else reading.memory_total_bytes - available
    return MachineSample(
        at=reading.at,
        mode=state.machine.mode.value,
        cpu_pct=reading.cpu_pct,
        memory_total_bytes=reading.memory_total_bytes,
        memory_used_bytes=used,
        memory_other_bytes=None if used is None else max(0, used - ours),
        swap_used_bytes=reading.swap_used_bytes,
        reserved_bytes=reserved,
        running=running,
        queued=state.queued_count,
        jobs=tuple(jobs),
        cards=tuple(
            (card.index, card.utilisation_pct, card.memory_used_bytes, card.temperature_c, card.power_w)
            for card in reading.gpus
        ),
        card_jobs=tuple(card_jobs),
    )
