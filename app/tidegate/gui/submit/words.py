"""What the submit dialog says about a draft: what was found, what it needs, what happens now, and what holds unsaid."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QCoreApplication

from tidegate.core.resources import GpuRequest
from tidegate.core.texts import format_duration, format_moment, format_size
from tidegate.engine.ports import Desk, Preview
from tidegate.engine.views import EstimateView
from tidegate.gui import words
from tidegate.gui.submit.facts import Fact
from tidegate.gui.submit.reading import Understanding
from tidegate.settings.queue_settings import queues_in
from tidegate.submission import outlook
from tidegate.submission.request import Understood

SHOWN = 4
"""Lines of one kind; the rest is counted."""


def _tr(text: str) -> str:
    return QCoreApplication.translate("submit", text)


def intro() -> list[Fact]:
    """Before anything is chosen."""
    return [Fact("", _tr("Choose a script, drop files here, or type a command line."), "muted")]


def facts_of(understanding: Understanding, previews: Sequence[Preview], error: str | None) -> list[Fact]:
    """The card's lines. ``error`` is a sentence that belongs to no field."""
    facts = _found(understanding)
    now = _now(understanding, previews, error)
    needs = _needs(previews)
    if needs and now.tone != "danger":
        facts.append(Fact(_tr("Counts with"), needs))
    outlooks = [preview.job.outlook for preview in previews if preview.job is not None and preview.job.outlook]
    if len(previews) == 1 and outlooks:
        return [*facts, now, Fact(_tr("Deadline"), _capital(outlooks[0]))]
    return [*facts, now]


def _found(understanding: Understanding) -> list[Fact]:
    jobs = understanding.jobs
    facts: list[Fact] = []
    if len(jobs) == 1:
        [job] = jobs
        how = [part for part in (job.interpreter, job.environment) if part]
        if how:
            facts.append(Fact(_tr("Runs with"), words.printable("\n".join(how))))
        if job.array is not None:
            facts.append(Fact(_tr("Array"), _tr("{count} jobs").format(count=len(job.array))))
        facts += _lines(_tr("In the file"), job.directives, "")
    facts += _lines(_tr("Note"), tuple(dict.fromkeys(warning for job in jobs for warning in job.warnings)), "attention")
    return facts


def _lines(label: str, texts: Sequence[str], tone: str) -> list[Fact]:
    if not texts:
        return []
    lines = list(texts[:SHOWN])
    if len(texts) > SHOWN:
        lines.append(_tr("and {count} more").format(count=len(texts) - SHOWN))
    return [Fact(label, "\n".join(lines), tone)]


def _needs(previews: Sequence[Preview]) -> str | None:
    """Of one job; several have too different needs for one line."""
    estimates = {preview.job.estimate for preview in previews if preview.job is not None and preview.job.estimate}
    if len(estimates) != 1:
        return None
    [estimate] = estimates
    gpu = estimate.gpu
    text = outlook.needs(
        estimate.memory_bytes,
        estimate.source,
        estimate.cores,
        None if gpu is None else gpu.count,
        None if gpu is None else gpu.memory_bytes,
        estimate.duration_s,
        "" if gpu is None else gpu.text,
    )
    return text if len(previews) == 1 else _tr("{needs}, each").format(needs=text)


def _now(understanding: Understanding, previews: Sequence[Preview], error: str | None) -> Fact:
    label = _tr("Now")
    if error is not None:
        return Fact(label, error, "danger", strong=True)
    if understanding.problems:
        return Fact(label, _tr("It cannot be submitted as it stands; see above."), "muted")
    refused = next((preview.refused for preview in previews if preview.refused), None)
    if refused is not None:
        return Fact(label, _capital(refused), "danger", strong=True)
    if not previews:
        return Fact(label, "", "muted")
    first = previews[0]
    held = first.job is not None and first.job.status == "held"
    text = _capital(outlook.outcome(None, first.would_start, held, first.sentence.removesuffix(".")))
    if len(understanding.jobs) > 1:
        name = understanding.jobs[0].spec.name
        text = _tr("{name}: {what}; the others as there is room").format(name=name, what=text[0].lower() + text[1:])
        text = _tr("All on hold until you release them") if held else text
    return Fact(label, text, "ok" if first.would_start else "", strong=True)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


# --- What holds where nothing is written ----------------------------------------------------------------------------


def defaults(job: Understood | None, estimate: EstimateView | None, now: float) -> dict[str, str]:
    """By option, the words in its empty field; what a file says shows through."""
    spec = job.spec if job is not None else None
    memory = _tr("such as 8G")
    if estimate is not None:
        memory = f"{format_size(estimate.memory_bytes)}, {short_source(estimate.source)}"
    priority = 5 if spec is None else spec.priority
    return {
        "mem": memory,
        "gpu": _gpu(spec.gpu) if spec is not None else _tr("none"),
        "priority": (_tr("{number} · as usual") if priority == 5 else _tr("{number} · in the file")).format(
            number=priority
        ),
        "name": spec.name if spec is not None else "",
        "cpus": "1" if spec is None or spec.cores is None else f"{spec.cores:g}",
        "time": _tr("none") if spec is None or spec.time_limit_s is None else format_duration(spec.time_limit_s),
        "after": _tr("none") if spec is None or not spec.after else ", ".join(str(each.job) for each in spec.after),
        "begin": _tr("at once") if spec is None or spec.begin_at is None else format_moment(spec.begin_at, now),
        "deadline": _tr("none") if spec is None or spec.deadline_at is None else format_moment(spec.deadline_at, now),
        "retries": "0" if spec is None else str(spec.retries),
        "retry-delay": _tr("at once")
        if spec is None or not spec.retry_delay_s
        else format_duration(spec.retry_delay_s),
        "queue": "default" if spec is None else spec.queue,
        "cwd": words.printable(spec.cwd) if spec is not None else "",
    }


def queues(desk: Desk) -> list[str]:
    """Those that a job may stand in: the built-in ones, and a person's own."""
    return queues_in(view.name for view in desk.settings() if view.source != "default")


def short_source(source: str) -> str:
    """Where a figure for the memory comes from, in one word or two."""
    return {"declared": _tr("declared"), "learned": _tr("learned"), "default": _tr("a guess")}.get(source, source)


def _gpu(request: GpuRequest | None) -> str:
    if request is None:
        return _tr("none")
    memory = "" if request.memory_bytes is None else f"{format_size(request.memory_bytes)}, "
    kind = ", ".join(request.wishes)
    return f"{memory}{request.count:g}" + (f" ({kind})" if kind else "")
