"""``simulate``: what would come of a workload, or of this home's history, under other strategies or on another machine.

No engine is asked: the simulator runs one of its own, on virtual time.
"""

from __future__ import annotations

import os
import sys
import time

from tidegate.cli import connection, probes
from tidegate.cli.formats import counted, duration, percent, size
from tidegate.cli.options import JSON, Given, Option, UsageError, Verb, nearest, one_of
from tidegate.cli.output import Column, Failure, clean, put_json, put_table, say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from tidegate.simulator.report import Report
    from tidegate.simulator.scenario import Machine, Policy, Scenario
    from tidegate.simulator.workload import Workload

CORES_ONLY = "cores-only"
AUTO = "auto"
SHOWN_BAD_ROWS = 10
PROGRESS_EVERY_S = 1.0
CARD_GIB = 24
# With so many cores used and so few cards, the cores are what is short.
FULL_PCT, IDLE_PCT = 90, 50


def _simulate(given: Given) -> int:
    if given.flag("history") == bool(given.operands):
        raise UsageError(f"the usage is: tidegate simulate {USAGE}")
    if given.flag("all") and given.flag("strategy"):
        raise UsageError("--all is every strategy, and --strategy is one; give one of the two.")
    if given.flag("newest") and not given.flag("history"):
        raise UsageError("--newest belongs to --history: a workload file is taken as a whole.")
    numbers = {name: _number(given, name, low, high) for name, low, high in NUMBERS}
    from dataclasses import replace

    from tidegate.plugins import KnownStrategies
    from tidegate.simulator.scenario import Scenario

    policy = _policy(given)
    strategies = KnownStrategies()
    known = sorted(strategies)
    one = given.text("strategy") or policy.strategy
    # Auto is for what is live: here it is the question itself.
    names = known if given.flag("all") or (one == AUTO and not given.flag("strategy")) else [one]
    if names[0] not in known:
        near = nearest(names[0], known)
        hint = (
            f"did you mean {near}?" if near else f"there {'is' if len(known) == 1 else 'are'} {one_of(known, 'and')}."
        )
        raise UsageError(f"--strategy {names[0]} is not known; {hint}")
    workload = _workload(given, numbers["newest"])
    scenario = Scenario(
        workload,
        _machine(given, workload, numbers),
        policy,
        seed=int(numbers["seed"] or 0),
        jitter_pct=numbers["jitter"] or 0.0,
        contention=given.flag("contention"),
        strategies=strategies,
    )
    reports = [_run(replace(scenario, policy=replace(policy, strategy=name)), name) for name in names]
    facts = _facts(given, scenario)
    if given.flag("export"):
        _export(given.text("export") or "", facts, reports)
    if given.flag("json"):
        put_json({**facts, "results": [report.as_json() for report in reports]})
    else:
        _put(reports)
    _say_left_out(reports, scenario.machine.cores)
    return 0


NUMBERS = (
    ("newest", 1, 10**9),
    ("cores", 1, 100_000),
    ("gpus", 0, 1024),
    ("seed", 0, 2**63 - 1),
    ("jitter", 0, 90),
)


def _number(given: Given, name: str, low: int, high: int) -> float | None:
    text = given.text(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
        raise UsageError(f"--{name} {text} is not accepted; it takes a whole number from {low} to {high}.")
    return int(text)


def _bytes(given: Given, name: str) -> int | None:
    from tidegate.submission.grammar import parse_size

    text = given.text(name)
    if text is None:
        return None
    try:
        return parse_size(text)
    except ValueError as error:
        raise UsageError(f"--{name}: {error}") from None


def _policy(given: Given) -> Policy:
    from tidegate.settings import SettingsError, load
    from tidegate.simulator.scenario import CORES_ONLY as NO_LIMITS

    if given.text("policy") == CORES_ONLY:
        return NO_LIMITS
    try:
        return load(connection.home()).policy()
    except SettingsError as error:
        raise Failure(1, "\ntidegate: ".join(error.errors)) from error


def _workload(given: Given, newest: float | None) -> Workload:
    import sqlite3

    from tidegate.simulator.workload import WorkloadRefused, read_csv, read_history

    try:
        recorded = given.flag("history")
        if recorded:
            workload = read_history(connection.home().database, None if newest is None else int(newest))
        else:
            workload = read_csv(given.operands[0])
    except WorkloadRefused as refused:
        raise Failure(1, clean(str(refused))) from None
    except sqlite3.Error as error:
        raise Failure(1, f"The history cannot be read: {error}.") from None
    bad = workload.bad_rows
    if recorded and bad:
        never = "never ran to its end and is" if len(bad) == 1 else "never ran to their ends and are"
        say(f"{counted(len(bad), 'recorded job')} {never} left out.")
        return workload
    for row in bad[:SHOWN_BAD_ROWS]:
        say(f"line {row.line} is left out: {clean(row.reason)}")
    if len(bad) > SHOWN_BAD_ROWS:
        say(f"and {len(bad) - SHOWN_BAD_ROWS} more are left out.")
    if bad:
        used = len(workload.jobs)
        say(f"{used} of {counted(used + len(bad), 'job')} {'is' if used == 1 else 'are'} used.")
    return workload


def _machine(given: Given, workload: Workload, numbers: dict[str, float | None]) -> Machine:
    """This one, but for what is said of another."""
    from tidegate.simulator.scenario import GIB, Machine, fake_card

    memory = _bytes(given, "mem") or probes.memory()["total_bytes"]
    if memory is None:
        raise UsageError("how much memory this machine has cannot be read; say it with --mem SIZE.")
    cards = numbers["gpus"]
    if cards is None:
        # The driver is only asked when it matters: it may take its time.
        cards = len(probes.nvidia()["cards"]) if any(job.spec.gpu for job in workload.jobs) else 0
    card_bytes = _bytes(given, "card-mem") or CARD_GIB * GIB
    cores = int(numbers["cores"] or os.cpu_count() or 1)
    return Machine(cores, memory, tuple(fake_card(index, card_bytes) for index in range(int(cards))))


def _run(scenario: Scenario, name: str) -> Report:
    from tidegate.simulator.scenario import simulate

    return simulate(scenario, _progress(name))


def _progress(name: str) -> Callable[[int, int], None]:
    """A line that is written over, on a terminal; every ten seconds a line elsewhere."""
    on_terminal = sys.stderr is not None and sys.stderr.isatty()
    every_s = PROGRESS_EVERY_S if on_terminal else 10 * PROGRESS_EVERY_S
    last = time.monotonic()

    def tell(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < every_s:
            return
        last = now
        text = f"{name}: {done:,} of {total:,} jobs have ended ({percent(100 * done / max(1, total))})"
        if on_terminal:
            sys.stderr.write(f"\r\x1b[Ktidegate: {text}" if done < total else "\r\x1b[K")
            sys.stderr.flush()
        else:
            say(text)

    return tell


def _facts(given: Given, scenario: Scenario) -> dict[str, object]:
    """What was simulated; nothing of where or when."""
    machine, workload = scenario.machine, scenario.workload
    return {
        "workload": workload.name,
        "jobs_used": len(workload.jobs),
        "span_s": workload.jobs[-1].submit_s,
        "bad_rows": [{"line": row.line, "reason": row.reason} for row in workload.bad_rows],
        "machine": {
            "cores": machine.cores,
            "memory_bytes": machine.memory_bytes,
            "cards": [card.memory_total_bytes for card in machine.cards],
        },
        "policy": given.text("policy") or "settings",
        "seed": scenario.seed,
        "jitter_pct": scenario.jitter_pct,
        "contention": scenario.contention,
    }


def _export(path: str, facts: dict[str, object], reports: list[Report]) -> None:
    from tidegate.simulator.report import export

    try:
        with open(path, "w", encoding="utf-8", newline="\n") as file:
            file.write(export(facts, reports))
    except OSError as error:
        raise Failure(1, f"{path} cannot be written: {(error.strerror or str(error)).lower()}.") from None


def _put(reports: list[Report]) -> None:
    columns = [Column("STRATEGY"), *(Column(title, right=True, least=5) for title in TITLES)]
    put_table(columns, [_row(report) for report in reports if report.switched_off is None])
    for report in reports:
        if report.switched_off is not None:
            say(f"{report.strategy} could not be tried: {clean(report.switched_off)}.")


TITLES = ("STARTS", "OK", "WAIT", "P95 WAIT", "SLOWDOWN", "MAKESPAN", "PREEMPTED", "LOST", "CORES", "MEMORY", "CARDS")


def _row(report: Report) -> list[str]:
    from dataclasses import asdict

    found = report.measures
    done, wait, p95, slowdown, preempted, lost = measure_cells(asdict(found))
    return [
        *(report.strategy, str(found.starts), done, wait, p95, slowdown, duration(found.makespan_s), preempted, lost),
        percent(report.cores_used_pct),
        percent(report.memory_used_pct),
        percent(report.cards_used_pct),
    ]


def measure_cells(found: Mapping[str, Any]) -> list[str]:
    """Of the measures of D8 those by which strategies are compared: OK, WAIT, P95 WAIT, SLOWDOWN, PREEMPTED, LOST."""
    return [
        "-" if found["success_rate"] is None else f"{100 * found['success_rate']:.1f} %",
        duration(found["mean_wait_s"]),
        duration(found["p95_wait_s"]),
        "-" if found["mean_slowdown"] is None else f"{found['mean_slowdown']:.2f}",
        str(found["preemptions"]),
        _core_hours(found["work_lost_core_s"]),
    ]


def _core_hours(core_s: float) -> str:
    """What is lost but little is not nothing."""
    if 0.0 < core_s < 180.0:
        return "< 0.1 core h"
    return f"{core_s / 3600:.1f} core h" if core_s else "0"


def _say_left_out(reports: list[Report], cores: int) -> None:
    """Whether a job could ever run is the same for all strategies, whether it came to an end is not."""
    refused = reports[0].refused
    if refused:
        what = counted(len(refused), "job")
        say(f"{what} could never run on this machine, like job {clean(refused[0].job)}: {clean(refused[0].sentence)}.")
    idle = reports[0].cards_used_pct
    if idle is not None and idle < IDLE_PCT and reports[0].cores_used_pct > FULL_PCT:
        say(
            f"The cards wait for cores: {percent(reports[0].cores_used_pct)} of the {counted(cores, 'core')} and "
            f"{percent(idle)} of the cards are used; --cores N tries a machine with more."
        )
    for report in reports:
        if report.unfinished:
            say(f"{report.strategy}: {counted(report.unfinished, 'job')} never came to an end.")


USAGE = "WORKLOAD.csv | --history [--strategy NAME | --all] [options]"
VERBS = {
    "simulate": Verb(
        "simulate",
        _simulate,
        USAGE,
        (
            Option("history", "Replay the jobs that ran in this home."),
            Option("newest", "Of the history only the N jobs that ended last.", value="N"),
            Option("strategy", "The strategy to try; without it the one that is set.", value="NAME"),
            Option("all", "Every strategy, one after the other."),
            Option(
                "policy",
                "The limits of this home's settings, or none but cores (for traces without memory).",
                value="WHICH",
                choices=("settings", CORES_ONLY),
            ),
            Option("cores", "A machine with so many cores (this one's).", value="N"),
            Option("mem", "A machine with so much memory (this one's).", value="SIZE"),
            Option("gpus", "A machine with so many cards (this one's).", value="N"),
            Option("card-mem", f"The memory of each card ({size(CARD_GIB * 2**30)}).", value="SIZE"),
            Option("contention", "Jobs slow down where cores or cards are used over 100 %."),
            Option("jitter", "Let each job last up to PCT % more or less than it did.", value="PCT"),
            Option("seed", "What the jitter is drawn by (0).", value="N"),
            Option("export", "Write what came of every job there, a line of JSON each.", value="FILE"),
            JSON,
        ),
        operands=(0, 1),
        complete="files",
        ending="WORKLOAD.csv names its columns in the first line: job_id, submit_s, duration_s, and\n"
        "where they are known cpus, mem_mib, gpus, user, app, priority, requested_s (what the\n"
        "scheduler is told; duration_s is what happens). It may be gzipped.",
    )
}
