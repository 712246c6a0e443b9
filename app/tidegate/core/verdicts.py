"""What can be said of a job at submit: that it could never run on this machine, and why."""

from __future__ import annotations

from tidegate.core.job import JobSpec
from tidegate.core.placement import eligible
from tidegate.core.state import State
from tidegate.core.texts import format_size


def never_fits(state: State, spec: JobSpec, before: JobSpec | None = None) -> str | None:
    """One sentence why this job could never run here, with the numbers; None when it could.

    ``before``: what it was, for one that is changed; it may stay in a queue that was taken away meanwhile.
    """
    if before is None or before.queue != spec.queue:
        refused = _no_such_queue(state, spec.queue)
        if refused is not None:
            return refused
    refused = _queue_never_fits(state, spec)
    if refused is not None:
        return refused
    reading = state.machine.reading
    if reading is None:
        return None
    if spec.cores is not None and spec.cores > reading.cores:
        return f"it asks for {spec.cores:g} cores and this machine has {reading.cores}, so it could never run"
    line = state.policy.memory_line_bytes(reading.memory_total_bytes)
    if spec.memory_bytes is not None and line is not None and spec.memory_bytes > line:
        return (
            f"it asks for {format_size(spec.memory_bytes)} of memory and jobs can have {format_size(line)} "
            f"of this machine's {format_size(reading.memory_total_bytes)} at most, so it could never run"
        )
    if spec.gpu is None or spec.device == "cpu":
        return None
    cards = [card for card in reading.gpus if eligible(spec, card)]
    if not reading.gpus:
        return "it asks for a GPU and this machine has none that can be read"
    if spec.gpu.cards > len(cards):
        return f"it asks for {spec.gpu.cards} GPUs of that kind and this machine has {len(cards)}"
    wanted = spec.gpu.memory_bytes
    largest = max((card.memory_total_bytes or 0 for card in cards), default=0)
    if wanted is not None and wanted > largest * state.policy.gpu_memory_emergency_pct / 100.0:
        return f"it asks for {format_size(wanted)} of GPU memory and the largest card has {format_size(largest)}"
    return None


def _no_such_queue(state: State, name: str) -> str | None:
    if name in state.queues:
        return None
    known = ", ".join(sorted(state.queues, key=lambda name: (state.queues[name].order, name)))
    return f"there is no queue {name!r}; there are {known} (`tidegate queue add NAME` makes one)"


def _queue_never_fits(state: State, spec: JobSpec) -> str | None:
    queue = state.queue(spec.queue)
    if queue.memory_bytes is not None and (spec.memory_bytes or 0) > queue.memory_bytes:
        return (
            f"it asks for {format_size(spec.memory_bytes or 0)} of memory and the queue {queue.name} may hold "
            f"{format_size(queue.memory_bytes)} at most, so it could never run there"
        )
    if queue.cards is not None and spec.gpu is not None and spec.gpu.cards > queue.cards:
        return f"it asks for {spec.gpu.cards} GPUs and the queue {queue.name} may hold {queue.cards} at most"
    return None
