"""``status`` and ``journal``: the machine and the engine in a few lines, and what was decided when and why."""

from __future__ import annotations

import time
from functools import partial

from tidegate.cli import connection
from tidegate.cli.actions import seconds_of
from tidegate.cli.formats import counted, duration, moment, percent, size
from tidegate.cli.options import JSON, Given, Option, UsageError, Verb
from tidegate.cli.output import clean, paint, put, put_block, put_json, say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from tidegate.api.client import Client

POLL_S = 1.0
_ORDER = ("running", "starting", "paused", "stopping", "queued", "held", "finished")


def _status(given: Given) -> int:
    engine = connection.client()
    status = connection.ask(lambda: engine.get("/status"))
    if given.flag("json"):
        put_json(status)
        return 0
    now = time.time()
    machine = status["machine"]
    put_block(
        [
            ("Mode", _mode_words(status, now)),
            ("Memory", _memory_words(machine)),
            ("Others", _other_words(machine)),
            ("Swap", _swap_words(machine)),
            ("CPU", _cpu_words(machine)),
            *((f"Card {card['index']}", _card_words(card)) for card in machine["cards"]),
            ("Jobs", _count_words(status["counts"])),
            ("Intake", _intake_words(status["intake"], now)),
            ("Strategy", _strategy_words(status.get("auto"), now)),
            ("Engine", _engine_words(status)),
            *(("Alert", _alert_words(alert, now)) for alert in status.get("alerts", ())),
            ("Trouble", clean(status["journal_error"] or "")),
        ]
    )
    for warning in status["warnings"]:
        say(f"warning: {clean(warning)}")
    return 0


def _mode_words(status: dict[str, Any], now: float) -> str:
    words = paint(status["mode"], status["mode"])
    if status["mode_since"] is not None:
        words += f" since {moment(status['mode_since'], now)}"
    causes = "; ".join(status["mode_causes"])
    return f"{words}: {clean(causes)}" if causes else words


def _memory_words(machine: dict[str, Any]) -> str:
    total, available = machine["memory_total_bytes"], machine["memory_available_bytes"]
    if total is None:
        return "not read yet"
    words = [
        f"{size(None if available is None else total - available)} of {size(total)} used"
        f" ({percent(machine['memory_used_pct'])})",
        f"{size(machine['memory_reserved_bytes'])} reserved for jobs",
    ]
    if machine["memory_headroom_bytes"] is not None:
        words.append(f"{size(machine['memory_headroom_bytes'])} free for more")
    lines = [machine["memory_high_pct"], machine["memory_emergency_pct"]]
    if None not in lines:
        words.append(f"lines at {percent(lines[0])} and {percent(lines[1])}")
    return ", ".join(words)


def _other_words(machine: dict[str, Any]) -> str:
    largest = machine.get("largest_others") or ()
    words = ", ".join(f"{clean(program['name'])} {size(program['memory_bytes'])}" for program in largest)
    return f"most memory: {words}" if words else ""


def _swap_words(machine: dict[str, Any]) -> str:
    if not machine["swap_total_bytes"]:
        return ""
    return f"{size(machine['swap_used_bytes'])} of {size(machine['swap_total_bytes'])} used"


def _cpu_words(machine: dict[str, Any]) -> str:
    if machine["cores"] is None:
        return "not read yet"
    words = [f"{percent(machine['cpu_pct'])} of {counted(machine['cores'], 'core')}"]
    if machine["other_cpu_cores"] is not None:
        words.append(f"other programs use {machine['other_cpu_cores']:.1f}")
    if machine["load"] is not None:
        words.append(f"load {machine['load'][0]:.2f}")
    return ", ".join(words)


def _card_words(card: dict[str, Any]) -> str:
    words = [
        f"{clean(card['name'])}: {percent(card['utilisation_pct'])} busy",
        f"{size(card['memory_used_bytes'])} of {size(card['memory_total_bytes'])} used",
    ]
    if card["temperature_c"] is not None:
        words.append(f"{card['temperature_c']:.0f} °C")
    if card["mode"] != "normal":
        words.append(card["mode"])
    return ", ".join(words)


def _count_words(counts: dict[str, int]) -> str:
    shown = [f"{counts[state]} {state}" for state in _ORDER if counts.get(state)]
    return ", ".join(shown) or "none; add one with 'tidegate submit SCRIPT'"


def _intake_words(intake: dict[str, Any], now: float) -> str:
    if intake["open"]:
        return "open: jobs start as soon as there is room"
    if intake["drain"]:
        words = "closed: running jobs go on, nothing new starts"
    elif intake["gpu_only"]:
        words = "paused for jobs that use graphics cards"
    else:
        words = "paused"
    if intake["until"] is not None:
        words += f" until {moment(intake['until'], now)}"
    return f"{words} ({clean(intake['why'])})" if intake["why"] else words


def _alert_words(alert: dict[str, Any], now: float) -> str:
    return f"{alert['severity']} since {moment(alert['since'], now)}: {clean(alert['sentence'])}"


def _strategy_words(auto: dict[str, Any] | None, now: float) -> str:
    if auto is None:
        return ""
    why = f" since {moment(auto['chosen_at'], now)}: {clean(auto['why'])}" if auto["why"] else ""
    return f"auto: {auto['strategy']}{why}"


def _engine_words(status: dict[str, Any]) -> str:
    up = duration(status["uptime_s"])
    return f"Tidegate {status['version']} ({status['kind']}), process {status['pid']}, up {up}, {status['strategy']}"


def _journal(given: Given) -> int:
    limit = given.text("limit") or "100"
    if not limit.isdigit() or int(limit) == 0:
        raise UsageError(f"--limit {limit!r} is no number of rows; it takes 1 or more.")
    since = _since(given.text("since"))
    engine = connection.client()
    job = given.text("job")
    id = None if job is None else connection.resolve_ids(engine, [job])[0]
    ticks = connection.ask(lambda: engine.get("/journal", since=since, job=id, limit=int(limit)))["ticks"]
    if given.flag("json"):
        if given.flag("follow"):
            raise UsageError("--json cannot follow the journal; leave out --follow.")
        put_json({"ticks": ticks})
        return 0
    if not ticks and not given.flag("follow"):
        say("The journal has nothing to show.")
    for tick in ticks:
        _put_tick(tick)
    if given.flag("follow"):
        for tick in _new_ticks(engine, ticks[-1] if ticks else None, id):
            _put_tick(tick)
    return 0


def _since(text: str | None) -> float | None:
    """``--since``: a moment in Unix seconds, or how long ago (2h)."""
    if text is None:
        return None
    if text.replace(".", "", 1).isdigit() and float(text) > 1e8:
        return float(text)
    try:
        return time.time() - seconds_of(text)
    except UsageError:
        return _iso_moment(text)


def _iso_moment(text: str) -> float:
    from datetime import datetime

    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise UsageError(
            f"--since {text!r} is no moment; it takes 2h (ago), an ISO 8601 date, or Unix seconds."
        ) from None


def _new_ticks(engine: Client, last: dict[str, Any] | None, job: str | None) -> Iterator[dict[str, Any]]:
    """Rows as they are written; the journal is asked once a second, as long as an engine answers."""
    seen = last["id"] if last else -1
    since = last["at"] if last else time.time()
    while True:
        time.sleep(POLL_S)
        read = partial(engine.get, "/journal", since=since, job=job, limit=1000)
        answer = connection.ask(partial(engine.patiently, read))
        for tick in answer["ticks"]:
            if tick["id"] > seen:
                seen, since = tick["id"], tick["at"]
                yield tick


def _put_tick(tick: dict[str, Any]) -> None:
    where = f"job {tick['job']}" if tick["job"] else tick["kind"]
    times = f" ({tick['repeats']} times)" if tick["repeats"] > 1 else ""
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(tick["at"]))
    put(f"{stamp}  {tick['mode'] or '':<9}  {where:<10}  {clean(tick['sentence'])}{times}")


VERBS = {
    "status": Verb("status", _status, "", (JSON,)),
    "journal": Verb(
        "journal",
        _journal,
        "[--since WHEN] [--job ID] [-f]",
        (
            Option("since", "From when on: 2h (ago), 2026-03-01T12:00, or Unix seconds.", value="WHEN"),
            Option("job", "Only what concerns this job.", value="ID"),
            Option("limit", "How many rows at most (100).", value="N"),
            Option("follow", "Go on as new rows are written.", short="f"),
            JSON,
        ),
    ),
}
