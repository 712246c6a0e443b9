"""Decides how a submitted file is run: its kind, its interpreter, its environment (D5)."""

from __future__ import annotations

import difflib
import os
import re
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

from tidegate.core.job import JobKind
from tidegate.submission.directives import HEAD_BYTES
from tidegate.submission.programs import Shebang, find_program, is_program, read_shebang
from tidegate.submission.projects import (
    PythonEnvironment,
    find_active_environment,
    find_project_environment,
)
from tidegate.submission.request import Refused

ACCEPTED = ".py .ipynb .sh .bash .zsh .bat .ps1 .R .jl .js, a program, or a file with a #! line"
_SHELLS = frozenset(("sh", "bash", "zsh", "dash", "ksh", "mksh", "fish", "ash", "csh", "tcsh"))


@dataclass(frozen=True, slots=True)
class Launch:
    """How the file is run. ``variables`` (None: unset) are laid over the captured environment."""

    command: tuple[str, ...]
    kind: JobKind = JobKind.OTHER
    interpreter: str | None = None
    environment: str | None = None
    variables: Mapping[str, str | None] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class File:
    """A submitted file as it was found: absolute path, first bytes, and whether it has the run bit."""

    path: str
    head: bytes
    runnable: bool

    @property
    def name(self) -> str:
        return os.path.basename(self.path)

    @property
    def suffix(self) -> str:
        return os.path.splitext(self.path)[1].lower()

    @property
    def binary(self) -> bool:
        return b"\0" in self.head


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where the job was submitted from. ``python`` is the interpreter the user set, or None."""

    environ: Mapping[str, str]
    cwd: str
    python: str | None = None

    def find(self, program: str) -> str | None:
        return find_program(program, self.environ, self.cwd)


def read_file(script: str, cwd: str) -> File:
    """Look at the file; raises Refused when there is none that could be run."""
    if not script:
        raise _no(script, "The script has no name; give the path of a file.")
    path = os.path.abspath(os.path.join(cwd, script))
    try:
        status = os.stat(path)
        if stat.S_ISDIR(status.st_mode):
            raise _no(script, f"{script} is a folder; submit a file in it: {ACCEPTED}.")
        if not stat.S_ISREG(status.st_mode):
            raise _no(script, f"{script} is not an ordinary file; accepted are {ACCEPTED}.")
        with open(path, "rb") as file:
            head = file.read(HEAD_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        raise _no(script, _missing(script, path)) from None
    except PermissionError:
        if is_program(path):
            return File(path, b"\0", True)
        raise _no(script, f"{script} cannot be read: you have no permission.") from None
    except OSError as error:
        raise _no(script, f"{script} cannot be read: {error.strerror or error}.") from None
    return File(path, head, os.access(path, os.X_OK))


def _no(script: str, sentence: str) -> Refused:
    return Refused("script", script, sentence, usage=False)


def _missing(script: str, path: str) -> str:
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        return f"There is no file {script}: the folder {folder} does not exist."
    try:
        near = difflib.get_close_matches(os.path.basename(path), os.listdir(folder), n=1, cutoff=0.6)
    except OSError:
        near = []
    hint = f"; did you mean {os.path.join(os.path.dirname(script), near[0])}?" if near else "."
    return f"There is no file {script}{hint}"


def detect(file: File, args: tuple[str, ...], around: Surroundings) -> Launch:
    """How to run ``file`` with ``args``; raises Refused when it cannot be run here."""
    if not file.head:
        return _empty(file, args, around)
    if file.suffix in (".py", ".pyw", ".pyz"):
        return _python(file, args, around)
    if file.suffix == ".ipynb":
        return _notebook(file, args, around)
    if file.suffix in (".bat", ".cmd"):
        return _batch(file, args, around)
    shebang = read_shebang(file.head)
    if shebang and (file.runnable or file.suffix not in _INTERPRETERS or shebang.base in _SHELLS):
        return _by_shebang(file, shebang, args, around)
    if file.suffix in _INTERPRETERS:
        return _by_suffix(file, args, around)
    if file.runnable:
        return _program(file, args, around)
    if file.binary:
        raise _no(file.path, f"{file.name} is a program without the run bit; allow it with: chmod +x {file.path}")
    raise _no(file.path, f"{file.name} cannot be run: nothing says with what. Accepted are {ACCEPTED}.")


def _empty(file: File, args: tuple[str, ...], around: Surroundings) -> Launch:
    if file.suffix not in (".py", ".pyw", *_INTERPRETERS):
        raise _no(file.path, f"{file.name} is empty, so there is nothing to run.")
    launch = _python(file, args, around) if file.suffix in (".py", ".pyw") else _by_suffix(file, args, around)
    return _with(launch, warnings=(*launch.warnings, f"{file.name} is empty, so it will do nothing."))


def _with(launch: Launch, *, warnings: tuple[str, ...]) -> Launch:
    return Launch(launch.command, launch.kind, launch.interpreter, launch.environment, launch.variables, warnings)


# --- Python --------------------------------------------------------------------------------------------------------


def _python(file: File, args: tuple[str, ...], around: Surroundings) -> Launch:
    shebang = read_shebang(file.head)
    if shebang and shebang.base == "uv" and around.find(shebang.program):
        return _by_shebang(file, shebang, args, around, JobKind.PYTHON)
    chosen, warnings = find_python(file, around)
    return Launch(
        (*chosen.command, file.path, *args),
        JobKind.PYTHON,
        " ".join(chosen.command),
        chosen.label,
        chosen.variables,
        warnings,
    )


def find_python(file: File, around: Surroundings) -> tuple[PythonEnvironment, tuple[str, ...]]:
    """The Python for a script: the project's environment, the active one, the one set by the user, the shebang's,
    ``python3`` on the PATH, and last our own."""
    project = find_project_environment(file.path, around.environ, around.cwd)
    if project.environment:
        return project.environment, project.warnings
    active = find_active_environment(around.environ)
    warnings = project.warnings + active.warnings
    if active.environment:
        return active.environment, warnings
    if around.python:
        return PythonEnvironment((_set_python(around),), "the Python of your settings"), warnings
    named, more = _shebang_python(file, around)
    warnings += more
    if named:
        return named, warnings
    python = around.find("python3") or around.find("python")
    if python:
        return PythonEnvironment((python,), "python3 on the PATH"), warnings
    warnings += (f"There is no python3 on the PATH, so {sys.executable} is used.",)
    return PythonEnvironment((sys.executable,), "the Python that runs Tidegate"), warnings


def _set_python(around: Surroundings) -> str:
    assert around.python
    found = around.find(os.path.expanduser(around.python))
    if found is None:
        sentence = f"The Python of your settings, {around.python}, is not a program; correct the setting python."
        raise Refused("python", around.python, sentence, usage=False)
    return found


def _shebang_python(file: File, around: Surroundings) -> tuple[PythonEnvironment | None, tuple[str, ...]]:
    shebang = read_shebang(file.head)
    if shebang is None or not re.fullmatch(r"(python|pypy)[0-9.]*", shebang.base):
        return None, ()
    found = around.find(shebang.program)
    if found:
        # "#!/usr/bin/python3 -u" keeps its -u; behind env there is only the program.
        options = shebang.words[1:] if os.path.basename(shebang.words[0]) != "env" else ()
        return PythonEnvironment((found, *options), f"the file's first line, #!{shebang.line}"), ()
    if shebang.base in ("python", "python3"):
        return None, (f"{file.name} names {shebang.program}, which is not there; another Python is used.",)
    raise _unknown_interpreter(file, shebang)


def _notebook(file: File, args: tuple[str, ...], around: Surroundings) -> Launch:
    chosen, warnings = find_python(file, around)
    jupyter = _jupyter(chosen, around)
    if jupyter is None:
        python = " ".join(chosen.command)
        raise _no(
            file.path,
            f"{file.name} needs jupyter, which is not installed in {chosen.label}; "
            f"install it with: {python} -m pip install nbconvert ipykernel",
        )
    result = f"{os.path.splitext(file.name)[0]}.executed.ipynb"
    command = (
        *jupyter,
        *("nbconvert", "--to", "notebook", "--execute", "--ExecutePreprocessor.timeout=-1"),
        *("--output", result, *args, file.path),
    )
    note = f"The executed notebook is written to {os.path.join(os.path.dirname(file.path), result)}."
    return Launch(command, JobKind.NOTEBOOK, " ".join(jupyter), chosen.label, chosen.variables, (*warnings, note))


def _jupyter(chosen: PythonEnvironment, around: Surroundings) -> tuple[str, ...] | None:
    """jupyter of the found environment; without an environment of its own, the one on the PATH."""
    if chosen.folder is None and chosen.command[1:2] == ("run",):
        return (*chosen.command[:-1], "jupyter")
    beside = os.path.dirname(chosen.command[0])
    for folder in (beside, *((os.path.join(chosen.folder, "Scripts"),) if chosen.folder else ())):
        for name in ("jupyter", "jupyter.exe"):
            if is_program(os.path.join(folder, name)):
                return (os.path.join(folder, name),)
    on_path = around.find("jupyter") if chosen.folder is None else None
    return (on_path,) if on_path else None


# --- Everything else -----------------------------------------------------------------------------------------------

_INTERPRETERS: dict[str, tuple[tuple[str, ...], ...]] = {
    ".sh": (("sh",),),
    ".bash": (("bash",),),
    ".zsh": (("zsh",),),
    ".ps1": (("pwsh", "-NoProfile", "-File"), ("powershell", "-NoProfile", "-ExecutionPolicy", "Bypass", "-File")),
    ".r": (("Rscript",),),
    ".jl": (("julia",),),
    ".js": (("node",),),
    ".mjs": (("node",),),
    ".cjs": (("node",),),
}
"""By extension: the commands that can run such a file, best first."""


def _by_suffix(file: File, args: tuple[str, ...], around: Surroundings) -> Launch:
    for program, *options in _INTERPRETERS[file.suffix]:
        found = around.find(program)
        if found:
            return Launch((found, *options, file.path, *args), interpreter=found, warnings=_line_ends(file))
    names = " or ".join(command[0] for command in _INTERPRETERS[file.suffix])
    raise Refused(
        "script",
        file.path,
        f"{file.name} is run with {names}, which is not on the PATH; install it or add its folder to the PATH.",
        usage=False,
    )


def _by_shebang(
    file: File, shebang: Shebang, args: tuple[str, ...], around: Surroundings, kind: JobKind = JobKind.OTHER
) -> Launch:
    found = around.find(shebang.program)
    if found is None or around.find(shebang.words[0]) is None:
        raise _unknown_interpreter(file, shebang)
    if re.fullmatch(r"(python|pypy)[0-9.]*", shebang.base):
        kind = JobKind.PYTHON
    # Named explicitly, so that a file without run bit or on a noexec disk runs too.
    return Launch(
        (*shebang.words, file.path, *args), kind, found, None, {}, _line_ends(file) if kind is JobKind.OTHER else ()
    )


def _unknown_interpreter(file: File, shebang: Shebang) -> Refused:
    return _no(
        file.path,
        f"{file.name} asks to be run with {shebang.program} (#!{shebang.line}), and there is no such program.",
    )


def _line_ends(file: File) -> tuple[str, ...]:
    if b"\r\n" not in file.head or file.binary:
        return ()
    return (f"{file.name} has Windows line ends, which shells take as part of the words.",)


def _program(file: File, args: tuple[str, ...], around: Surroundings) -> Launch:
    if file.binary:
        return Launch((file.path, *args))
    # A text file with the run bit and without a first line is what every shell runs as its own script.
    shell = around.find("sh") or "/bin/sh"
    return Launch((shell, file.path, *args), interpreter=shell, warnings=_line_ends(file))


_CMD_SPECIAL = re.compile(r'[%^&|"]')


def _batch(file: File, args: tuple[str, ...], around: Surroundings) -> Launch:
    check_batch_arguments(args)
    shell = around.find(around.environ.get("COMSPEC", "cmd.exe")) or around.find("cmd.exe")
    if shell is None:
        raise _no(file.path, f"{file.name} is a Windows batch file, and this machine has no cmd.exe to run it with.")
    return Launch((shell, "/d", "/c", file.path, *args), interpreter=shell)


def check_batch_arguments(args: tuple[str, ...]) -> None:
    """Batch files pass through cmd.exe, which would take some signs in arguments as commands (D15)."""
    for number, argument in enumerate(args, 1):
        if _CMD_SPECIAL.search(argument):
            sentence = (
                f'Argument {number}, {argument}, has one of % ^ & | ", which cmd.exe would take as its own; '
                "a batch file cannot be given such an argument."
            )
            raise Refused("args", argument, sentence, usage=False)
