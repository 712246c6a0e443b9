"""Translates the honest subset of ``#SBATCH`` lines, in Slurm's own units, into our options (D5).

Units and defaults are those of Slurm's sbatch manual page: a bare ``--mem`` is MB, a bare ``--time`` minutes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tidegate.submission.directives import Given, SlurmLine
from tidegate.submission.grammar import NotUnderstood, parse_cores, parse_size, parse_whole
from tidegate.submission.request import Refused

_SHORT = {
    "J": "job-name",
    "c": "cpus-per-task",
    "n": "ntasks",
    "N": "nodes",
    "t": "time",
    "a": "array",
    "d": "dependency",
    "o": "output",
    "e": "error",
    "D": "chdir",
    "b": "begin",
    "G": "gpus",
    "H": "hold",
    "p": "partition",
    "A": "account",
    "q": "qos",
    "M": "clusters",
    "w": "nodelist",
    "x": "exclude",
    "C": "constraint",
    "L": "licenses",
    "i": "input",
    "k": "no-kill",
    "s": "oversubscribe",
    "O": "overcommit",
    "v": "verbose",
    "Q": "quiet",
    "W": "wait",
}
_SWITCHES = frozenset(
    ("requeue", "no-requeue", "hold", "overcommit", "no-kill", "oversubscribe", "verbose", "quiet", "wait")
)
_MAY_HAVE_VALUE = frozenset(("nice", "exclusive", "get-user-env", "contiguous", "spread-job", "reboot", "parsable"))


@dataclass(frozen=True, slots=True)
class _Option:
    name: str
    value: str
    origin: str

    def refused(self, clause: str) -> Refused:
        shown = f"--{self.name}={self.value}" if self.value else f"--{self.name}"
        return Refused(self.name, self.value, f"{self.origin}: {shown} cannot be read: {clause}.", usage=True)


@dataclass(frozen=True, slots=True)
class Translated:
    """Our options made from Slurm's, and what could not be taken over, in words."""

    given: tuple[Given, ...]
    warnings: tuple[str, ...]


def translate(lines: Sequence[SlurmLine], cpus: float | None) -> Translated:
    """``cpus`` is what the command line says, because ``--mem-per-cpu`` counts with the cores the job really gets."""
    return _Translation(cpus).run([option for line in lines for option in _options(line)])


def _options(line: SlurmLine) -> list[_Option]:
    """The options of one line: ``--mem=4G``, ``--mem 4G``, ``-c 4`` and ``-c4``."""
    found: list[_Option] = []
    words = list(line.words)
    while words:
        word = words.pop(0)
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
        elif word.startswith("-") and len(word) > 1:
            name, value = _SHORT.get(word[1], word[1]), word[2:].removeprefix("=")
            equals = "=" if value else ""
        else:
            raise Refused("SBATCH", word, f"{line.origin}: {word!r} is not an option of sbatch.", usage=True)
        takes_value = name not in _SWITCHES and name not in _MAY_HAVE_VALUE
        if takes_value and not equals and words and not words[0].startswith("-"):
            value = words.pop(0)
        found.append(_Option(name, value, line.origin))
    return found


class _Translation:
    """Goes through the options in order; a later one beats an earlier one, as in Slurm."""

    def __init__(self, cpus: float | None) -> None:
        self._cpus = cpus
        self._given: dict[str, Given] = {}
        self._warnings: list[str] = []
        self._tasks = 1
        self._per_task: float | None = None
        self._cores_from: _Option | None = None
        self._per_cpu: tuple[int, _Option] | None = None

    def run(self, options: Sequence[_Option]) -> Translated:
        for option in options:
            handler = _HANDLERS.get(option.name)
            if handler is None:
                self._warn(option, "is not used here")
                continue
            if not option.value and option.name not in _SWITCHES | _MAY_HAVE_VALUE:
                raise option.refused("its value is missing")
            try:
                handler(self, option)
            except NotUnderstood as error:
                raise option.refused(str(error)) from None
        self._finish()
        return Translated(tuple(self._given.values()), tuple(self._warnings))

    def _finish(self) -> None:
        cores = self._tasks * (self._per_task or 1)
        if self._cores_from:
            self.give("cpus", f"{cores:g}", self._cores_from)
        if self._per_cpu:
            size, option = self._per_cpu
            if "mem" in self._given:
                self._warn(option, "is not used, because --mem is given too")
            else:
                self.give("mem", f"{round(size * (self._cpus or cores))}B", option)

    def give(self, key: str, value: str, option: _Option) -> None:
        self._given[key] = Given(key, (value,), option.origin)

    def _warn(self, option: _Option, what: str) -> None:
        shown = f"--{option.name}={option.value}" if option.value else f"--{option.name}"
        self._warnings.append(f"{option.origin}: {shown} {what}.")

    # --- one method per option ---

    def ntasks(self, option: _Option) -> None:
        self._tasks, self._cores_from = parse_whole(option.value, 1, 1_000_000), option

    def cpus_per_task(self, option: _Option) -> None:
        self._per_task, self._cores_from = parse_cores(option.value), option

    def nodes(self, option: _Option) -> None:
        if option.value not in ("1", "1-1"):
            self._warn(option, "is not used, because this is one machine")

    def mem(self, option: _Option) -> None:
        if re.fullmatch(r"0+[kmgt]?", option.value, re.IGNORECASE):
            self._warn(option, "(all memory of the node) is not used; say how much is needed")
            return
        self.give("mem", f"{parse_size(option.value, bare_unit='M')}B", option)

    def mem_per_cpu(self, option: _Option) -> None:
        self._per_cpu = (parse_size(option.value, bare_unit="M"), option)

    def time(self, option: _Option) -> None:
        seconds = slurm_time(option.value)
        if seconds is None:
            self._given.pop("time", None)
        else:
            self.give("time", f"{seconds}s", option)

    def gres(self, option: _Option) -> None:
        for part in option.value.split(","):
            words = part.partition("(")[0].removeprefix("gres:").removeprefix("gres/").split(":")
            if words[0] == "gpu" and len(words) <= 3:
                self.give("gpu", _gpu_words(words[1:]), option)
            elif words[0] != "none":
                self._warn(option, f"asks for {words[0]}, which is not used here")

    def gpus(self, option: _Option) -> None:
        if "," in option.value:
            raise NotUnderstood("cards of two models in one job are not possible here")
        self.give("gpu", _gpu_words(option.value.split(":")), option)

    def dependency(self, option: _Option) -> None:
        words, warnings = slurm_dependencies(option.value)
        for warning in warnings:
            self._warn(option, warning)
        if words:
            self.give("after", words, option)

    def begin(self, option: _Option) -> None:
        self.give("begin", slurm_moment(option.value), option)

    def nice(self, option: _Option) -> None:
        amount = 100 if not option.value else parse_whole(option.value, -2_147_483_645, 2_147_483_645)
        if amount < 0:
            self._warn(option, "is not used; say --priority 0 to 4 to go before others")
        elif amount:
            self.give("priority", str(nice_priority(amount)), option)

    def requeue(self, option: _Option) -> None:
        self.give("on-preempt", "requeue", option)

    def no_requeue(self, _option: _Option) -> None:
        self._given.pop("on-preempt", None)

    def hold(self, option: _Option) -> None:
        self.give("hold", "yes", option)


def _same(key: str) -> Callable[[_Translation, _Option], None]:
    return lambda translation, option: translation.give(key, option.value, option)


_HANDLERS: dict[str, Callable[[_Translation, _Option], None]] = {
    "job-name": _same("name"),
    "array": _same("array"),
    "chdir": _same("cwd"),
    "output": _same("output"),
    "error": _same("error"),
    "cpus-per-task": _Translation.cpus_per_task,
    "ntasks": _Translation.ntasks,
    "nodes": _Translation.nodes,
    "mem": _Translation.mem,
    "mem-per-cpu": _Translation.mem_per_cpu,
    "time": _Translation.time,
    "gres": _Translation.gres,
    "gpus": _Translation.gpus,
    "dependency": _Translation.dependency,
    "begin": _Translation.begin,
    "nice": _Translation.nice,
    "requeue": _Translation.requeue,
    "no-requeue": _Translation.no_requeue,
    "hold": _Translation.hold,
}

_TIMES = "Slurm's times are minutes, minutes:seconds, hours:minutes:seconds, days-hours[:minutes[:seconds]]"


def slurm_time(text: str) -> int | None:
    """Seconds of a Slurm time; None for no limit (0, UNLIMITED, INFINITE)."""
    if text.upper() in ("UNLIMITED", "INFINITE", "-1"):
        return None
    match = re.fullmatch(r"(?:([0-9]{1,6})-)?([0-9]{1,9})(?::([0-9]{1,9}))?(?::([0-9]{1,9}))?", text)
    if match is None:
        raise NotUnderstood(_TIMES)
    days, *clock = (None if part is None else int(part) for part in match.groups())
    parts = [part for part in clock if part is not None]
    if days is not None or len(parts) == 3:
        hours, minutes, seconds = (*parts, 0, 0)[:3]
    else:
        hours, (minutes, seconds) = 0, (*parts, 0)[:2]
    # Slurm counts in minutes and rounds seconds up; ours are exact.
    return (((days or 0) * 24 + hours) * 60 + minutes) * 60 + seconds or None


def _gpu_words(words: Sequence[str]) -> str:
    """Our GPU request from ``[]``, ``["2"]``, ``["V100"]`` or ``["V100", "2"]``."""
    count = words[-1] if words and words[-1].isdigit() else "1"
    models = [word for word in words if word and not word.isdigit()]
    if len(models) > 1:
        raise NotUnderstood("a card request is such as gpu:2 or gpu:V100:2")
    return f"{count}({models[0].replace('_', ' ')})" if models else count


_CONDITIONS = {"afterok": "ok", "afterany": "any", "afternotok": "failed", "aftercorr": "ok"}


def slurm_dependencies(text: str) -> tuple[str, list[str]]:
    """Our dependency words for ``afterok:7:9,afterany:8``, and what to warn of."""
    if "?" in text:
        raise NotUnderstood("one dependency out of several (?) is not possible here; all of them (,) is")
    found: list[str] = []
    warnings: list[str] = []
    for part in text.split(","):
        kind, *ids = part.split(":")
        if kind.lower() == "singleton":
            warnings.append("(one job of this name at a time) is not used here; say --locks NAME instead")
            continue
        condition = _CONDITIONS.get(kind.lower())
        if condition is None or not ids:
            raise NotUnderstood("a dependency is such as afterok:7, afterany:7:9, afternotok:7")
        if kind.lower() == "aftercorr":
            warnings.append("waits for the whole array, not element by element")
        found += [f"{condition}:{number.replace('_', '.')}" for number in ids]
    return ",".join(found), warnings


_NAMED_MOMENTS = {"midnight": "00:00", "noon": "12:00", "fika": "15:00", "teatime": "16:00", "today": "now"}


def slurm_moment(text: str) -> str:
    """Our moment for Slurm's: a bare number after ``now+`` is seconds there, dates may be MM/DD/YY."""
    word = text.strip().lower()
    if word in _NAMED_MOMENTS:
        return _NAMED_MOMENTS[word]
    if word == "tomorrow":
        return "now+24h"
    if re.fullmatch(r"now\+[0-9]+", word):
        return f"{word}s" if int(word[4:]) else "now"
    american = re.fullmatch(r"([0-9]{2})/?([0-9]{2})/?([0-9]{2})(?:[t-](.+))?", word)
    if american:
        day = f"20{american[3]}-{american[1]}-{american[2]}"
        return f"{day}T{american[4]}" if american[4] else day
    return text


def nice_priority(amount: int) -> int:
    """Slurm's nice lowers a priority of up to 2^32; ours has four steps below the default, one per order of ten."""
    for priority, below in ((6, 100), (7, 1000), (8, 10_000)):
        if amount < below:
            return priority
    return 9
