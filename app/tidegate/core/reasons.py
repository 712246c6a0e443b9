"""Typed causes why a job is not running: code, sentence, numbers, and when known the time it may end."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class WaitCode(StrEnum):
    """Stable names for programs; people read the sentence."""

    HELD = "held"
    BEGIN = "begin"
    RETRY = "retry"
    DEPENDENCY = "dependency"
    QUEUE_PAUSED = "queue_paused"
    GPU_PAUSED = "gpu_paused"
    MODE = "mode"
    PRIORITY_CUTOFF = "priority_cutoff"
    WORKERS = "workers"
    START_RATE = "start_rate"
    MEMORY = "memory"
    MEMORY_PRESSURE = "memory_pressure"
    CPU = "cpu"
    CPU_BUSY = "cpu_busy"
    GPU_MEMORY = "gpu_memory"
    GPU_BUSY = "gpu_busy"
    GPU_HOT = "gpu_hot"
    GPU_UNREADABLE = "gpu_unreadable"
    UNSETTLED = "unsettled"
    ARRAY_LIMIT = "array_limit"
    LOCK = "lock"
    QUEUE_LIMIT = "queue_limit"
    BEHIND = "behind"
    TURN = "turn"
    POOL = "pool"
    NO_READING = "no_reading"
    JOURNAL = "journal"
    WAITING_TO_RESUME = "waiting_to_resume"
    PAUSED = "paused"
    NEXT = "next"


@dataclass(frozen=True, slots=True)
class WaitReason:
    """``numbers`` carry their unit in the key (``needed_bytes``); ``until`` is Unix seconds or None."""

    code: WaitCode
    sentence: str
    numbers: dict[str, float] = field(default_factory=dict)
    until: float | None = None
