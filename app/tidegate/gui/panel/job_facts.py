"""What the panel says about one job, in words: why it waits and how long, what it asks for and uses."""

from __future__ import annotations

import time
from dataclasses import dataclass

from tidegate.core.texts import format_duration, format_moment, format_size
from tidegate.engine.views import JobView, WaitView
from tidegate.gui import words
from tidegate.gui.words import tr
from tidegate.submission import outlook

SHORT_CHARS = 24


@dataclass(frozen=True, slots=True)
class FactLine:
    """``hint`` is the exact figure or moment, for hovering."""

    text: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Fact:
    """A label and what is so. ``typed``: it is what one would type, shown and copied as it is."""

    label: str
    lines: tuple[FactLine, ...]
    typed: bool = False


def facts_of(job: JobView, now: float) -> list[Fact]:
    """In the order of what one wants to know first; without those there is nothing to say of."""
    found = [
        Fact(tr("Command"), (FactLine(words.command_line(job)),), typed=True),
        Fact(tr("Folder"), (FactLine(words.printable(job.cwd)),), typed=True),
        Fact(tr("Asks for"), (FactLine(_asks_for(job)),)),
    ]
    if job.status not in ("queued", "held"):
        found.append(Fact(tr("Uses") if job.status != "finished" else tr("Used"), (FactLine(_uses(job)),)))
    found.append(Fact(tr("Times"), tuple(_times(job, now))))
    if job.labels:
        found.append(Fact(tr("Labels"), (FactLine(" · ".join(job.labels)),)))
    if job.queue != "default":
        found.append(Fact(tr("Queue"), (FactLine(job.queue),)))
    return [fact for fact in found if any(line.text for line in fact.lines)]


def why_of(job: JobView, now: float) -> list[Fact]:
    """Why it does not run, or how it ended; empty when there is nothing to explain."""
    return [fact for fact in _why(job, now) if any(line.text for line in fact.lines)]


def _why(job: JobView, now: float) -> list[Fact]:
    if job.status in ("queued", "held", "paused"):
        reasons = tuple(reason(wait, now) for wait in job.waits) or (FactLine(job.why or ""),)
        return [Fact(tr("Why it waits"), reasons)]
    if job.status == "finished":
        how = words.why(job, now)
        return [Fact(tr("How it ended"), (FactLine(how),))] if job.outcome != "succeeded" and how else []
    return [Fact(tr("Why"), (FactLine(job.why),))] if job.why else []


def reason(wait: WaitView, now: float) -> FactLine:
    """The sentence, the numbers behind it that it does not say, and when it may end."""
    figures = [figure for name, value in wait.numbers.items() if (figure := _figure(name, value, wait.sentence))]
    text = f"{wait.sentence} ({', '.join(figures)})" if figures else wait.sentence
    if wait.until is None:
        return FactLine(text)
    about = tr("about {moment}").format(moment=format_moment(wait.until, now))
    return FactLine(f"{text} · {about}", exactly(wait.until))


def _figure(name: str, value: float, sentence: str) -> str:
    """Empty when the sentence has it already."""
    shown, said = f"{value:g}", f"{value:g}"
    if name.endswith("_bytes"):
        shown = format_size(value)
        said = shown.partition(" ")[0]
    elif name.endswith("_pct"):
        shown = said = f"{value:.0f} %"
    elif name.endswith("_s"):
        shown = said = format_duration(value)
    if said in sentence:
        return ""
    label = name.removesuffix("_bytes").removesuffix("_pct").removesuffix("_s").replace("_", " ")
    return f"{label} {shown}"


def exactly(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))


def _times(job: JobView, now: float) -> list[FactLine]:
    """Each as near as one says it, exact on hover."""
    lines = []
    for words_for, at in (
        (tr("submitted {moment}"), job.submitted_at),
        (tr("not before {moment}"), job.begin_at),
        (tr("started {moment}"), job.started_at),
        (tr("ended {moment}"), job.finished_at),
    ):
        if at is not None:
            lines.append(FactLine(words_for.format(moment=format_moment(at, now)), exactly(at)))
    expected = words.times(job, now)
    if job.status == "running" and expected != words.NOTHING and job.estimate is not None and job.estimate.duration_s:
        lines.append(FactLine(tr("usually takes {duration}").format(duration=format_duration(job.estimate.duration_s))))
    return [FactLine(_joined([line.text for line in lines]), "\n".join(_hinted(line) for line in lines if line.hint))]


def _hinted(line: FactLine) -> str:
    return f"{line.text.split(' ')[0]} {line.hint}"


def _asks_for(job: JobView) -> str:
    if job.estimate is None:
        return ""
    source = {
        "declared": tr("as declared"),
        "learned": tr("learned from earlier runs"),
        "default": tr("a guess until it is known"),
    }.get(job.estimate.source, job.estimate.source)
    size = format_size(job.estimate.memory_bytes)
    parts = [tr("{size} of memory, {source}").format(size=size, source=source)]
    cores = tr("{count} core") if job.estimate.cores == 1 else tr("{count} cores")
    parts.append(cores.format(count=f"{job.estimate.cores:g}"))
    if job.estimate.gpu is not None:
        gpu = job.estimate.gpu
        parts.append(outlook.cards_wanted(gpu.count, gpu.memory_bytes, gpu.text))
    if job.time_limit_s is not None:
        parts.append(tr("at most {duration}").format(duration=format_duration(job.time_limit_s)))
    parts.append(tr("priority {priority}").format(priority=job.priority))
    if not job.preemptible:
        parts.append(tr("never paused for others"))
    return _joined(parts)


def _joined(parts: list[str]) -> str:
    """A figure stays with its unit where the line is broken."""
    return " · ".join(part.replace(" ", "\u00a0") if len(part) < SHORT_CHARS else part for part in parts)


def _uses(job: JobView) -> str:
    parts = []
    live = job.status != "finished"
    usage = job.usage
    if usage.memory_bytes is not None and live:
        parts.append(tr("{size} of memory now").format(size=format_size(usage.memory_bytes)))
    if usage.peak_memory_bytes is not None:
        parts.append(tr("peak {size}").format(size=format_size(usage.peak_memory_bytes)))
    if usage.cores is not None and live:
        parts.append(tr("{count} cores").format(count=f"{usage.cores:.1f}"))
    if usage.cpu_s is not None and not live:
        parts.append(tr("{duration} of CPU").format(duration=format_duration(usage.cpu_s)))
    if usage.processes is not None and live:
        processes = tr("{count} process") if usage.processes == 1 else tr("{count} processes")
        parts.append(processes.format(count=usage.processes))
    for index, size in usage.gpu_memory_bytes.items():
        parts.append(tr("{size} on GPU {index}").format(size=format_size(size), index=index))
    for index, pct in usage.gpu_utilisation_pct.items() if live else ():
        parts.append(tr("{pct} % of GPU {index}").format(pct=round(pct), index=index))
    return _joined(parts)
