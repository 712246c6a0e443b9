"""Starts one process for the keeper, or says in one sentence why it cannot be started.

Standard library only. ``os.posix_spawn`` is used because it does not copy the keeper (vfork speed); what it cannot do
(the working folder) the single-threaded keeper does around it. Errors are looked into only after a failure.
"""

from __future__ import annotations

import errno
import os
import signal
import stat

from tidegate.execution.keeper_tree import TOKEN_VARIABLE

_ENVIRONMENTS_KEPT = 4
_SIGNALS = sorted(set(signal.valid_signals()) - {signal.SIGKILL, signal.SIGSTOP})
_APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_OOM_SCORE = b"500"

Request = dict[str, object]
FileAction = tuple[int, int, bytes, int, int]


class StartError(Exception):
    """The sentence for the user: nothing runs."""


class Environments:
    """Captured environments by file, the last few kept parsed. None stands for the keeper's own."""

    def __init__(self) -> None:
        self._kept: dict[str, dict[bytes, bytes]] = {}
        self._own = {name: value for name, value in os.environb.items() if name != TOKEN_VARIABLE}

    def load(self, path: str | None) -> dict[bytes, bytes]:
        if path is None:
            return self._own
        kept = self._kept.pop(path, None)
        if kept is None:
            kept = self._read(path)
            while len(self._kept) >= _ENVIRONMENTS_KEPT:
                del self._kept[next(iter(self._kept))]
        self._kept[path] = kept
        return kept

    def _read(self, path: str) -> dict[bytes, bytes]:
        try:
            with open(path, "rb") as stream:
                content = stream.read()
        except OSError as error:
            raise StartError(
                f"The environment stored for this job cannot be read: {_shown(path)}: {error.strerror}."
            ) from error
        variables: dict[bytes, bytes] = {}
        for item in content.split(b"\0"):
            at = item.find(b"=", 1)
            if at > 0:
                variables[item[:at]] = item[at + 1 :]
        return variables


def spawn(request: Request, environments: Environments) -> int:
    """Start what is asked for in a session of its own and return its pid; raises StartError. Leaves cwd changed."""
    command = _strings(request["command"])
    if not command or not command[0]:
        raise StartError("The command is empty.")
    _enter(str(request["cwd"]))
    env_file = request.get("env_file")
    environment = dict(environments.load(None if env_file is None else str(env_file)))
    for name, value in _pairs(request.get("extra")):
        environment[os.fsencode(name)] = os.fsencode(value)
    environment[TOKEN_VARIABLE] = str(request["token"]).encode("ascii", "replace")
    program = _find(command[0], environment.get(b"PATH", os.defpath.encode()))
    outputs = _outputs(request)
    try:
        pid = os.posix_spawn(
            program,
            command,
            environment,
            file_actions=_file_actions(outputs),
            setsid=True,
            setsigmask=(),
            setsigdef=_SIGNALS,
        )
    except OSError as error:
        raise StartError(_why(error, program, command, environment, outputs)) from error
    except ValueError as error:
        raise StartError(
            "An argument, a path or a variable contains a zero byte, which no program can take."
        ) from error
    _offer_to_oom_killer(pid)
    return pid


def _enter(cwd: str) -> None:
    try:
        os.chdir(cwd)
    except (OSError, ValueError) as error:
        number = error.errno if isinstance(error, OSError) else None
        if number == errno.ENOENT:
            raise StartError(f"The working folder {_shown(cwd)} does not exist.") from error
        if number == errno.ENOTDIR:
            raise StartError(f"The working folder {_shown(cwd)} is not a folder.") from error
        if number == errno.EACCES:
            raise StartError(f"The working folder {_shown(cwd)} may not be entered by this user.") from error
        raise StartError(f"The working folder {_shown(cwd)} cannot be entered: {_text(error)}.") from error


def _find(name: str, path: bytes) -> bytes:
    """The program to run: as given when it has a slash, else the first match in the job's own PATH."""
    program = os.fsencode(name)
    if b"/" in program:
        return program
    candidates = [(folder or b".") + b"/" + program for folder in path.split(b":")]
    for candidate in candidates:
        if os.access(candidate, os.X_OK) and not os.path.isdir(candidate):
            return candidate
    for candidate in candidates:
        if os.path.isfile(candidate):
            raise StartError(_no_run_bit(candidate))
    raise StartError(f"There is no program {_shown(program)} in the folders of this job's PATH.")


def _outputs(request: Request) -> tuple[tuple[bytes, int], tuple[bytes, int]]:
    """Paths and permissions of stdout and stderr; files the user named get ordinary permissions."""
    both = []
    for key in ("out", "err"):
        own = request.get(key)
        if own is None:
            both.append((os.fsencode(str(request["log"])), 0o600))
            continue
        path = os.fsencode(str(own))
        try:
            if stat.S_ISFIFO(os.stat(path).st_mode):  # opening it would wait for a reader, and everybody with it
                raise StartError(f"The output {_shown(path)} is a named pipe; name a file instead.")
        except (OSError, ValueError):
            pass  # not there yet, which is usual; anything else is said when it is opened
        both.append((path, 0o666))
    return both[0], both[1]


def _file_actions(outputs: tuple[tuple[bytes, int], tuple[bytes, int]]) -> list[tuple[object, ...]]:
    (out, out_mode), (err, err_mode) = outputs
    actions: list[tuple[object, ...]] = [
        (os.POSIX_SPAWN_OPEN, 0, b"/dev/null", os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, out, _APPEND, out_mode),
    ]
    if err == out:
        actions.append((os.POSIX_SPAWN_DUP2, 1, 2))
    else:
        actions.append((os.POSIX_SPAWN_OPEN, 2, err, _APPEND, err_mode))
    return actions


def _offer_to_oom_killer(pid: int) -> None:
    """When memory runs out the kernel should choose a job, never the keeper or the app (D7)."""
    try:
        fd = os.open(f"/proc/{pid}/oom_score_adj", os.O_WRONLY)
    except OSError:
        return
    try:
        os.write(fd, _OOM_SCORE)
    except OSError:
        return
    finally:
        os.close(fd)


def _why(
    error: OSError,
    program: bytes,
    command: list[str],
    environment: dict[bytes, bytes],
    outputs: tuple[tuple[bytes, int], tuple[bytes, int]],
) -> str:
    """One sentence for a failed spawn; its error number alone does not say which of the paths was meant."""
    for path, mode in outputs:
        problem = _cannot_write(path, mode)
        if problem:
            return problem
    if error.errno == errno.E2BIG:
        size = sum(len(os.fsencode(word)) + 9 for word in command)
        size += sum(len(name) + len(value) + 10 for name, value in environment.items())
        return (
            f"The arguments and variables are too long: {size} bytes, and the system takes at most "
            f"{os.sysconf('SC_ARG_MAX')} in all and 131072 in one."
        )
    if error.errno in (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE):
        return f"The system has no room for another process: {_text(error)}."
    return _program_problem(error, program)


def _cannot_write(path: bytes, mode: int) -> str | None:
    try:
        os.close(os.open(path, _APPEND | os.O_NONBLOCK, mode))
    except OSError as error:
        folder = os.path.dirname(path)
        if error.errno == errno.ENOENT:
            return f"The output file {_shown(path)} cannot be made: the folder {_shown(folder)} does not exist."
        if error.errno in _NO_ROOM:
            return f"The output file {_shown(path)} cannot be made: the disk is full."
        return f"The output file {_shown(path)} cannot be written: {_text(error)}."
    return None


def _program_problem(error: OSError, program: bytes) -> str:
    try:
        mode = os.stat(program).st_mode
    except OSError as missing:
        if missing.errno == errno.ENOENT:
            return f"There is no program at {_shown(program)}."
        return f"The program {_shown(program)} cannot be reached: {_text(missing)}."
    if stat.S_ISDIR(mode):
        return f"{_shown(program)} is a folder, not a program."
    if not os.access(program, os.X_OK):
        return _no_run_bit(program)
    interpreter = _interpreter(program)
    if interpreter is not None:
        problem = _interpreter_problem(program, interpreter)
        if problem:
            return problem
    if error.errno == errno.ENOEXEC:
        return (
            f"{_shown(program)} is neither a program for this machine nor a script that names its interpreter "
            "in a first line such as #!/bin/sh."
        )
    if error.errno == errno.ENOENT:
        return f"The program {_shown(program)} needs a loader or library that is not on this machine."
    return f"The program {_shown(program)} cannot be started: {_text(error)}."


def _interpreter(program: bytes) -> bytes | None:
    """What the first line of a script names, or None for anything else."""
    try:
        fd = os.open(program, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        head = os.read(fd, 256)
    except OSError:
        return None
    finally:
        os.close(fd)
    if not head.startswith(b"#!"):
        return None
    return head[2:].split(b"\n", 1)[0].strip(b" \t").split(b" ", 1)[0].split(b"\t", 1)[0]


def _interpreter_problem(program: bytes, interpreter: bytes) -> str | None:
    if interpreter.endswith(b"\r"):
        return (
            f"The script {_shown(program)} has Windows line ends, so its interpreter "
            f"{_shown(interpreter.rstrip())} is not found; save it with Unix line ends."
        )
    if not interpreter:
        return f"The script {_shown(program)} names no interpreter after #! in its first line."
    if not os.path.exists(interpreter):
        return f"The script {_shown(program)} wants the interpreter {_shown(interpreter)}, which does not exist."
    if os.path.isdir(interpreter) or not os.access(interpreter, os.X_OK):
        return f"The script {_shown(program)} wants the interpreter {_shown(interpreter)}, which cannot be executed."
    return None


def _no_run_bit(program: bytes) -> str:
    return (
        f"{_shown(program)} lacks the permission to be executed (its run bit); "
        f"allow it with chmod +x, or name the interpreter that runs it."
    )


def _text(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror[:1].lower() + error.strerror[1:]
    return str(error)


def _shown(path: str | bytes) -> str:
    """For people: bytes that are no text are shown as such, and nothing can break the line."""
    text = os.fsencode(path).decode("utf-8", "replace")
    return "'" + "".join(letter if letter.isprintable() else "\ufffd" for letter in text) + "'"


def _strings(value: object) -> list[str]:
    return [str(word) for word in value] if isinstance(value, list) else []


def _pairs(value: object) -> list[tuple[str, str]]:
    return [(str(name), str(text)) for name, text in value] if isinstance(value, list) else []
