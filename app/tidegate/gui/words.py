"""What the window says about a job: each cell of the table and each fact of the panel as a person would say it."""

from __future__ import annotations

import os
import shlex
import time
import unicodedata
from dataclasses import dataclass

from PySide6.QtCore import QCoreApplication

from tidegate.core.texts import as_sentence, format_duration, format_moment, format_size
from tidegate.engine.views import AttemptView, ConflictView, IntakeView, JobView, StatusView

NOTHING = "–"


def tr(text: str) -> str:
    return QCoreApplication.translate("words", text)


@dataclass(frozen=True, slots=True)
class StatusWord:
    """``tone`` names the token of the dot and the word: ok, attention, danger or muted."""

    word: str
    tone: str


def status_word(job: JobView) -> StatusWord:
    if job.status == "finished":
        return outcome_word(job.outcome)
    known = {
        "queued": (tr("Waiting"), "muted"),
        "held": (tr("Held"), "muted"),
        "starting": (tr("Starting"), "ok"),
        "running": (tr("Running"), "ok"),
        "paused": (tr("Paused"), "attention"),
        "stopping": (tr("Stopping"), "attention"),
    }
    return StatusWord(*known.get(job.status, (job.status, "muted")))


def outcome_word(outcome: str | None) -> StatusWord:
    known = {
        "succeeded": (tr("Done"), "muted"),
        "failed": (tr("Failed"), "danger"),
        "cancelled": (tr("Cancelled"), "muted"),
        "killed": (tr("Killed"), "muted"),
        "timed_out": (tr("Time is up"), "danger"),
        "out_of_memory": (tr("Out of memory"), "danger"),
        "lost": (tr("Lost"), "danger"),
        "skipped": (tr("Skipped"), "muted"),
    }
    return StatusWord(*known.get(outcome or "", (tr("Finished"), "muted")))


def title(job: JobView) -> str:
    """The job's name, with the place of an array's element."""
    return job.name if job.index is None else f"{job.name} [{job.index}]"


def command_line(job: JobView) -> str:
    """The command as one could type it; bytes that are no text are shown as replacement marks."""
    return printable(shlex.join(job.command))


def on_button(label: str) -> str:
    """A label with names in it as buttons and menus take it: "&" would underline what follows."""
    return printable(label).replace("&", "&&")


def conflict(found: ConflictView) -> str:
    return printable(as_sentence(found.sentence))


def printable(text: str) -> str:
    return os.fsencode(text).decode("utf-8", "replace")


def left_to_right(text: str) -> str:
    """For panels and notifiers, which else let a line begin at the right when its first word does, dots and all."""
    for char in text:
        way = unicodedata.bidirectional(char)
        if way == "L":
            return text
        if way in ("R", "AL"):
            return f"\N{LEFT-TO-RIGHT MARK}{text}"
    return text


def progress(job: JobView, now: float) -> float | None:
    """0..0.99 while a job runs whose usual duration is known; None otherwise."""
    if job.status != "running" or job.started_at is None or job.estimate is None or not job.estimate.duration_s:
        return None
    paused_s = job.attempt_list[-1].paused_s if job.attempt_list else 0.0
    return max(0.0, min(0.99, (now - job.started_at - paused_s) / job.estimate.duration_s))


def why(job: JobView, now: float) -> str:
    """The sentence of the column *why waiting / progress*: the first reason, which is the most telling one."""
    if job.status in ("queued", "held", "paused"):
        return job.waits[0].sentence if job.waits else job.why or ""
    if job.status == "running":
        if job.started_at is None:
            return ""
        return tr("for {duration}").format(duration=format_duration(max(0.0, now - job.started_at)))
    if job.status == "finished":
        return _how_it_ended(job)
    return job.why or ""


def _how_it_ended(job: JobView) -> str:
    took = None
    if job.started_at is not None and job.finished_at is not None:
        seconds = max(0.0, job.finished_at - job.started_at)
        took = tr("less than a second") if seconds < 0.1 else format_duration(seconds)
    if job.outcome == "succeeded":
        return tr("took {duration}").format(duration=took) if took else ""
    parts = []
    if job.outcome == "failed" and job.exit_code is not None:
        parts.append(tr("exit {code}").format(code=job.exit_code))
    elif job.outcome == "failed" and job.signal is not None:
        parts.append(tr("signal {number}").format(number=job.signal))
    if took and parts:
        parts[-1] = tr("{what} after {duration}").format(what=parts[-1], duration=took)
    if job.why:
        parts.append(job.why)
    return " · ".join(parts)


def size_pair(now_bytes: int | None, reserved_bytes: int | None) -> str:
    """``13.4 / 13.9 GB``: the unit once when both have it."""
    if now_bytes is None and reserved_bytes is None:
        return NOTHING
    left = format_size(now_bytes) if now_bytes is not None else NOTHING
    right = format_size(reserved_bytes) if reserved_bytes is not None else NOTHING
    if left.rpartition(" ")[2] == right.rpartition(" ")[2]:
        left = left.rpartition(" ")[0]
    return f"{left} / {right}"


def memory(job: JobView) -> str:
    if job.status == "finished":
        peak = job.usage.peak_memory_bytes
        return NOTHING if peak is None else tr("peak {size}").format(size=format_size(peak))
    if job.status in ("queued", "held"):
        return NOTHING if job.estimate is None else format_size(job.estimate.memory_bytes)
    return size_pair(job.usage.memory_bytes, job.usage.reserved_bytes)


def gpu(job: JobView) -> str:
    """The cards it has, or while it waits how many it wants."""
    if job.devices:
        return ", ".join(str(index) for index in job.devices)
    if job.status in ("queued", "held") and job.estimate is not None and job.estimate.gpu is not None:
        return tr("wants {count}").format(count=f"{job.estimate.gpu.count:g}")
    return NOTHING


def times(job: JobView, now: float) -> str:
    """When it ends, may start, or ended, as near as it is known."""
    if job.status == "finished":
        return format_moment(job.finished_at, now) if job.finished_at is not None else NOTHING
    if job.status in ("queued", "held"):
        until = [wait.until for wait in job.waits if wait.until is not None]
        return tr("about {moment}").format(moment=format_moment(max(until), now)) if until else NOTHING
    if job.started_at is None:
        return NOTHING
    if job.status == "running" and job.estimate is not None and job.estimate.duration_s:
        paused_s = job.attempt_list[-1].paused_s if job.attempt_list else 0.0
        ends = job.started_at + job.estimate.duration_s + paused_s
        if ends > now:
            return tr("ends {moment}").format(moment=format_moment(ends, now))
    return tr("since {moment}").format(moment=format_moment(job.started_at, now))


def exact_times(job: JobView) -> str:
    """Every moment to the second, for hovering."""
    lines = []
    for label, at in (
        (tr("submitted"), job.submitted_at),
        (tr("not before"), job.begin_at),
        (tr("started"), job.started_at),
        (tr("ended"), job.finished_at),
    ):
        if at is not None:
            lines.append(f"{label} {time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(at))}")
    return "\n".join(lines)


def attempt(view: AttemptView, now: float) -> str:
    """One line about one run of a job."""
    parts = [tr("run {number}").format(number=view.number)]
    if view.started_at is not None:
        parts.append(tr("started {moment}").format(moment=format_moment(view.started_at, now)))
        if view.ended_at is not None:
            parts.append(tr("took {duration}").format(duration=format_duration(view.ended_at - view.started_at)))
    if view.outcome is not None:
        parts.append(outcome_word(view.outcome).word.lower())
    if view.exit_code:
        parts.append(tr("exit {code}").format(code=view.exit_code))
    if view.peak_memory_bytes is not None:
        parts.append(tr("peak {size}").format(size=format_size(view.peak_memory_bytes)))
    if view.cpu_s is not None:
        parts.append(tr("{duration} of CPU").format(duration=format_duration(view.cpu_s)))
    if view.paused_s >= 1.0:
        parts.append(tr("paused {duration}").format(duration=format_duration(view.paused_s)))
    if view.why:
        parts.append(view.why)
    return " · ".join(parts)


# --- The queue and the machine --------------------------------------------------------------------------------------


def running_count(status: StatusView) -> int:
    return sum(status.counts.get(name, 0) for name in ("starting", "running", "paused", "stopping"))


def waiting_count(status: StatusView) -> int:
    return sum(status.counts.get(name, 0) for name in ("queued", "held"))


def counts(status: StatusView) -> str:
    running, waiting = running_count(status), waiting_count(status)
    if not running and not waiting:
        return tr("nothing runs or waits")
    return tr("{running} running · {waiting} waiting").format(running=running, waiting=waiting)


def mode_state(status: StatusView | None) -> str:
    """Which drawing of the gate fits: normal, high, emergency or paused; offline where no engine is."""
    if status is None:
        return "offline"
    if not status.intake.open and not status.intake.gpu_only:
        return "paused"
    return {"HIGH": "high", "EMERGENCY": "emergency"}.get(status.mode, "normal")


def mode_word(state: str) -> str:
    """The word of the pill."""
    return {
        "normal": tr("NORMAL"),
        "high": tr("HIGH"),
        "emergency": tr("EMERGENCY"),
        "paused": tr("PAUSED"),
        "offline": tr("NO ENGINE"),
    }[state]


def mode_sentence(status: StatusView) -> str:
    """What the mode means now, with its causes."""
    sentence = {
        "NORMAL": tr("There is room: jobs start as they fit."),
        "HIGH": tr("Room is getting short: few jobs start."),
        "EMERGENCY": tr("Memory is nearly full: nothing starts."),
    }.get(status.mode, status.mode)
    return " ".join((sentence, *status.mode_causes))


def intake_sentence(intake: IntakeView, now: float) -> str | None:
    """Why nothing starts, when somebody said so; None while jobs may start."""
    if intake.open:
        return None
    if intake.gpu_only:
        what = tr("Jobs with graphics cards are paused")
    elif intake.drain:
        what = tr("Running jobs go on, and nothing new starts")
    else:
        what = tr("Everything is paused, and nothing new starts")
    if intake.until is not None:
        return tr("{what} until {moment}.").format(what=what, moment=format_moment(intake.until, now))
    return tr("{what} until you resume.").format(what=what)


def room(status: StatusView) -> str:
    """What is free for jobs, and how busy the processor is, in one short line."""
    headroom, cpu = status.machine.memory_headroom_bytes, status.machine.cpu_pct
    free = tr("memory unknown")
    if headroom is not None:
        free = tr("{size} free for jobs").format(size=format_size(max(0, headroom)))
    return free if cpu is None else tr("{free} · CPU {percent} %").format(free=free, percent=round(cpu))
