"""From a raw request to a job that can be run, or to one sentence why not; the door of this package."""

from __future__ import annotations

import functools
import getpass
import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

from tidegate.core.job import JobSpec
from tidegate.submission.commands import launch_command, launch_line
from tidegate.submission.detect import Launch, Surroundings, detect, read_file
from tidegate.submission.directives import Directives, Given, read_directives
from tidegate.submission.environments import store
from tidegate.submission.limits import check_limits
from tidegate.submission.options import Merged, Wishes, from_command_line, merge, read_wishes
from tidegate.submission.outputs import Outputs, read_outputs
from tidegate.submission.request import MachineFacts, Refused, SubmitRequest, Understood, shown
from tidegate.submission.slurm import translate

MAX_ARGUMENT_BYTES = 131_071
"""Linux takes no longer single argument (MAX_ARG_STRLEN, 32 pages with its final NUL)."""

_SHORT_NAME = 40
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "JULIA_NUM_THREADS",
)
# What a job that submits another job must not hand on: these say which job one is.
_OWN_VARIABLES = ("TIDEGATE_JOB_ID", "TIDEGATE_ATTEMPT", "TIDEGATE_ARRAY_INDEX")
_SLURM_VARIABLES = ("SLURM_JOB_ID", "SLURM_ARRAY_TASK_ID", "SLURM_CPUS_PER_TASK")


@dataclass(frozen=True, slots=True)
class _Draft:
    """A request on its way: the options of all sources put together, and the file they came from, if any."""

    request: SubmitRequest
    given: Merged
    directives: Directives
    outputs: Outputs
    warnings: tuple[str, ...]
    cwd: str


def build(
    request: SubmitRequest,
    facts: MachineFacts,
    *,
    python: str | None,
    now: float,
    environments_dir: Path | None,
) -> list[Understood]:
    """Understand a request; raises Refused with one sentence when it cannot be taken.

    ``python`` is the interpreter the user set. ``environments_dir`` None: nothing is written (a preview).
    """
    _check_words(request)
    script = None if request.script is None else read_file(request.script, request.cwd)
    directives = Directives() if script is None else read_directives(script.path, script.head)
    draft = _draft(request, directives)
    wishes = read_wishes(draft.given, now, _zone(request.environment))
    check_limits(wishes, facts)
    # A variable given with --env counts where programs are looked for, as it will when the job starts.
    environ = {**request.environment, **dict(wishes.variables)}
    around = Surroundings(environ, draft.cwd, python)
    shell = _last(draft.given, "shell")
    if shell is not None and request.line is None:
        raise shell.refused("a shell is chosen only for a line; a script says it in its first line")
    if script is not None:
        launch = detect(script, request.args, around)
    elif request.line is not None:
        launch = launch_line(request.line, around, shell.value if shell else "sh")
    else:
        launch = launch_command((*(request.command or ()), *request.args), around, bool(wishes.after))
    _check_length(launch.command)
    digest = _store(environments_dir, _captured(request, launch, draft.cwd))
    path = None if script is None else script.path
    return [_understood(draft, wishes, launch, path, digest)]


def build_alike(model: Understood, before: SubmitRequest, request: SubmitRequest) -> Understood | None:
    """What ``build`` would answer, taken from the answer to ``before``; None where it has to look for itself.

    Bulk submits are thousands of lines that share options, folder and environment: all but the line is the same.
    """
    shared = (
        request.options is before.options and request.environment is before.environment and request.cwd == before.cwd
    )
    if not shared or request.args != before.args or request.script is not None or before.script is not None:
        return None
    if request.line is None or before.line is None:
        same = request.command == before.command and request.line is before.line
        return model if same else None
    if not request.line.strip() or "\0" in request.line:
        return None
    command = (*model.spec.command[:-1], request.line)
    _check_length(command)
    name = model.spec.name if "name" in request.options else _default_name(request, None)
    return replace(model, spec=replace(model.spec, command=command, name=name))


def _draft(request: SubmitRequest, directives: Directives) -> _Draft:
    typed = from_command_line(request.options)
    cpus = next((given for given in typed if given.key == "cpus"), None)
    slurm = translate(directives.slurm, None if cpus is None else _number(cpus.value))
    merged = merge(slurm.given, directives.given, typed)
    for given in (given for every in merged.values() for given in every):
        if any("\0" in value for value in given.values):
            raise given.refused("it has a NUL byte in it, which no program can take")
    cwd = _folder(request, _last(merged, "cwd"))
    outputs = read_outputs(merged, cwd)
    warnings = directives.warnings + slurm.warnings + outputs.warnings
    return _Draft(request, merged, directives, outputs, warnings, cwd)


def _last(given: Merged, key: str) -> Given | None:
    return given[key][-1] if key in given else None


def _number(text: str) -> float | None:
    """The cores on the command line as far as they can be read; ``read_wishes`` refuses what cannot."""
    try:
        return float(text)
    except ValueError:
        return None


def _understood(draft: _Draft, wishes: Wishes, launch: Launch, script: str | None, digest: str | None) -> Understood:
    spec = JobSpec(
        command=launch.command,
        cwd=draft.cwd,
        name=wishes.name or _default_name(draft.request, script),
        environment=digest,
        extra_environment=_extra(wishes, draft.request.environment),
        kind=launch.kind,
        script=script,
        queue=wishes.queue,
        priority=wishes.priority,
        cores=wishes.cores,
        memory_bytes=wishes.memory_bytes,
        memory_limit_bytes=wishes.memory_limit_bytes,
        gpu=wishes.gpu,
        device=wishes.device,
        time_limit_s=wishes.time_limit_s,
        begin_at=wishes.begin_at,
        deadline_at=wishes.deadline_at,
        after=wishes.after,
        array_size=None if wishes.array is None else len(wishes.array),
        array_parallel=wishes.array_parallel,
        retries=wishes.retries,
        retry_delay_s=wishes.retry_delay_s,
        labels=wishes.labels,
        locks=wishes.locks,
        dedupe_key=wishes.dedupe_key,
        preemptible=wishes.preemptible,
        on_preempt=wishes.on_preempt,
        checkpoint_signal=wishes.checkpoint_signal,
        checkpoint_grace_s=wishes.checkpoint_grace_s,
        slurm_names=bool(draft.directives.slurm),
        stdout_path=draft.outputs.stdout,
        stderr_path=draft.outputs.stderr,
        user=_login_name(),
    )
    warnings = draft.warnings + wishes.warnings + launch.warnings
    return Understood(
        spec,
        held=wishes.held,
        warnings=tuple(shown(warning) for warning in warnings),
        array=wishes.array,
        interpreter=None if launch.interpreter is None else shown(launch.interpreter),
        environment=None if launch.environment is None else shown(launch.environment),
        directives=tuple(shown(text) for text in draft.directives.texts),
    )


# --- Checks of the request itself ----------------------------------------------------------------------------------


def _check_words(request: SubmitRequest) -> None:
    ways = [way for way in (request.script, request.command, request.line) if way is not None]
    if len(ways) != 1:
        sentence = "A submission has exactly one of a script, a command and a line."
        raise Refused("script", "", sentence, usage=True)
    for field, words in (
        ("script", (request.script or "",)),
        ("command", request.command or ()),
        ("line", (request.line or "",)),
        ("args", request.args),
        ("cwd", (request.cwd,)),
        ("environment", (*request.environment.keys(), *request.environment.values())),
    ):
        for word in words:
            if "\0" in word:
                raise Refused(field, word, f"{field} has a NUL byte in it, which no program can take.", usage=True)


def _check_length(command: tuple[str, ...]) -> None:
    for number, word in enumerate(command):
        size = len(os.fsencode(word))
        if size > MAX_ARGUMENT_BYTES:
            sentence = f"Argument {number} has {size:,} bytes; the system takes at most {MAX_ARGUMENT_BYTES:,} in one."
            raise Refused("args", f"{word[:40]}...", sentence, usage=False)


def _folder(request: SubmitRequest, asked: Given | None) -> str:
    """The folder the job runs in; raises Refused when nothing can run there."""
    where = f"{asked.origin}: " if asked and asked.origin else ""
    typed = asked.value if asked else request.cwd
    cwd = os.path.normpath(os.path.join(request.cwd, _home(typed, request.environment)))
    if not os.path.isabs(cwd):
        raise Refused("cwd", typed, f"{where}The folder {typed} is not a full path.", usage=True)
    if not os.path.exists(cwd):
        raise Refused("cwd", typed, f"{where}The folder {typed} to run in does not exist.", usage=False)
    if not os.path.isdir(cwd):
        raise Refused("cwd", typed, f"{where}{typed} is not a folder to run in.", usage=False)
    if not os.access(cwd, os.X_OK):
        raise Refused(
            "cwd", typed, f"{where}The folder {typed} cannot be entered: you have no permission.", usage=False
        )
    return cwd


def _home(path: str, environ: Mapping[str, str]) -> str:
    home = environ.get("HOME")
    return f"{home}{path[1:]}" if home and (path == "~" or path.startswith("~/")) else path


def _zone(environ: Mapping[str, str]) -> tzinfo | None:
    """The time zone of the person who submits; None is the machine's."""
    name = environ.get("TZ", "").removeprefix(":")
    try:
        return ZoneInfo(name) if name else None
    except (ValueError, OSError, LookupError):
        return None


# --- The environment and the name ----------------------------------------------------------------------------------


def _captured(request: SubmitRequest, launch: Launch, cwd: str) -> dict[str, str]:
    """The variables the job is to see: those of the request, with its Python environment made the active one."""
    environ = dict(request.environment)
    dropped = _OWN_VARIABLES + _SLURM_VARIABLES if "TIDEGATE_JOB_ID" in environ else ()
    # "_" is the shell's note about its last command: another in every call, and of no use to the job.
    for name in (*dropped, "_", *(name for name in environ if name.startswith("TIDEGATE_RUN"))):
        environ.pop(name, None)
    if "PWD" in environ and environ["PWD"] != cwd and not _same_folder(environ["PWD"], cwd):
        environ["PWD"] = cwd
    for name, value in launch.variables.items():
        if value is None:
            environ.pop(name, None)
        else:
            environ[name] = value
    return environ


def _same_folder(one: str, other: str) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False


@functools.cache
def _login_name() -> str | None:
    """Who submits: requests come from the user whose engine this is. None where the system has no name for them."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return None


def _store(directory: Path | None, environ: Mapping[str, str]) -> str | None:
    if directory is None:
        return None
    try:
        return store(directory, environ)
    except OSError as error:
        reason = error.strerror or str(error)
        sentence = f"The job's environment cannot be written down in {directory}: {reason}."
        raise Refused("environment", str(directory), sentence, usage=False) from None


def _extra(wishes: Wishes, environ: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Thread-count hints when cores were asked for, and the user's own variables, which beat them."""
    if wishes.cores is None:
        return wishes.variables
    own = dict(wishes.variables)
    hints = _thread_hints(max(1, int(wishes.cores)))
    return (*(hint for hint in hints if hint[0] not in environ and hint[0] not in own), *wishes.variables)


@functools.lru_cache(maxsize=64)
def _thread_hints(threads: int) -> tuple[tuple[str, str], ...]:
    return tuple((name, str(threads)) for name in _THREAD_VARIABLES)


def _default_name(request: SubmitRequest, script: str | None) -> str:
    """The script's file name, or the command's base name with as many arguments as fit."""
    if script is not None:
        return shown(os.path.basename(script))
    if request.line is not None:
        name = " ".join(request.line.split())
    else:
        program, *args = (*(request.command or ()), *request.args)
        name = " ".join([os.path.basename(program), *(shlex.quote(arg) if " " in arg else arg for arg in args)])
    name = shown(name)
    return name if len(name) <= _SHORT_NAME else f"{name[: _SHORT_NAME - 1].rstrip()}…"
