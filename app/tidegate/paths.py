"""Where everything lies: the folders of one Tidegate home, its sockets, and the files that came with the program.

Imported by the CLI before anything else, so it loads only ``os`` and ``sys``; the rest comes when it is asked for.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SOCKET_PATH_MAX_BYTES = 107
"""A Unix socket's address holds 108 bytes, the last one zero."""

_SOCKET_NAMES = ("api.sock", "keeper.sock", "gui.sock")


class PathsError(Exception):
    """A folder cannot be used; the text is one sentence for the user."""


class Paths:
    """The folders of one home; everything else is a name inside them. Made by ``find_paths``, never changed."""

    __slots__ = ("_config", "_data", "_logs", "_runtime", "_sockets")

    def __init__(
        self,
        config_dir: str | Path,
        data_dir: str | Path,
        logs_dir: str | Path,
        runtime_dir: str | Path,
        sockets_dir: str | Path | None = None,
    ) -> None:
        """Absolute folders; ``sockets_dir`` is given when ``runtime_dir`` is too long a name for a socket."""
        self._config = os.fspath(config_dir)
        self._data = os.fspath(data_dir)
        self._logs = os.fspath(logs_dir)
        self._runtime = os.fspath(runtime_dir)
        self._sockets = self._runtime if sockets_dir is None else os.fspath(sockets_dir)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Paths) and self._folders() == other._folders()

    def __hash__(self) -> int:
        return hash(self._folders())

    def __repr__(self) -> str:
        return (
            f"Paths(config_dir={self._config!r}, data_dir={self._data!r}, "
            f"logs_dir={self._logs!r}, runtime_dir={self._runtime!r})"
        )

    def _folders(self) -> tuple[str, ...]:
        return (self._config, self._data, self._logs, self._runtime, self._sockets)

    @property
    def config_dir(self) -> Path:
        return _path(self._config)

    @property
    def data_dir(self) -> Path:
        return _path(self._data)

    @property
    def logs_dir(self) -> Path:
        return _path(self._logs)

    @property
    def runtime_dir(self) -> Path:
        return _path(self._runtime)

    @property
    def sockets_dir(self) -> Path:
        """``runtime_dir``, or a shorter place when that is too long for a socket (D1)."""
        return _path(self._sockets)

    @property
    def config_file(self) -> Path:
        return _path(self._config, "config.toml")

    @property
    def database(self) -> Path:
        return _path(self._data, "tidegate.db")

    @property
    def environments_dir(self) -> Path:
        """Captured environments, one file per content hash."""
        return _path(self._data, "environments")

    @property
    def keeper_spool(self) -> Path:
        """Starts and exits as the keeper saw them, one JSON line each."""
        return _path(self._data, "keeper-spool.jsonl")

    @property
    def window_file(self) -> Path:
        """What the window remembers between starts: places and switches, nothing that matters."""
        return _path(self._data, "window.json")

    @property
    def token_file(self) -> Path:
        """The bearer token of the TCP port, alone in the file."""
        return _path(self._data, "token")

    @property
    def job_logs_dir(self) -> Path:
        return _path(self._logs, "jobs")

    @property
    def log_file(self) -> Path:
        return _path(self._logs, "tidegate.log")

    @property
    def window_log(self) -> Path:
        """The log of a window on another process's engine."""
        return _path(self._logs, "window.log")

    @property
    def keeper_log(self) -> Path:
        return _path(self._logs, "keeper.log")

    @property
    def lock_file(self) -> Path:
        """Held by the one engine of this home and machine."""
        return _path(self._runtime, "engine.lock")

    @property
    def endpoint_file(self) -> Path:
        """Where the running engine can be reached, as JSON."""
        return _path(self._runtime, "engine.json")

    @property
    def socket(self) -> Path:
        """The engine's API socket."""
        return _path(self._sockets, "api.sock")

    @property
    def keeper_socket(self) -> Path:
        return _path(self._sockets, "keeper.sock")

    @property
    def gui_lock_file(self) -> Path:
        """Held by the one tray application of this home and machine."""
        return _path(self._runtime, "gui.lock")

    @property
    def gui_socket(self) -> Path:
        """Where the tray application takes what a second start of it hands over."""
        return _path(self._sockets, "gui.sock")

    @property
    def socket_name(self) -> str:
        """``socket`` as a string, for the CLI: pathlib alone would cost it a third of its start-up budget."""
        return os.path.join(self._sockets, "api.sock")

    @property
    def endpoint_name(self) -> str:
        """``endpoint_file`` as a string, for the CLI."""
        return os.path.join(self._runtime, "engine.json")

    @property
    def token_name(self) -> str:
        """``token_file`` as a string, for the CLI."""
        return os.path.join(self._data, "token")

    def job_log(self, job: str, attempt: int) -> Path:
        """The output of one attempt; ``job`` is an id such as ``7`` or ``7.3``."""
        return _path(self.job_log_name(job, attempt))

    def job_log_name(self, job: str, attempt: int) -> str:
        """``job_log`` as a string, for the engine: it asks at every start."""
        return os.path.join(self._logs, "jobs", f"{job}-a{attempt}.log")

    def create(self) -> None:
        """Make every folder, each 0700; raises PathsError with one sentence when one cannot be made."""
        if self._sockets != self._runtime:
            parent = os.path.dirname(self._sockets)
            _refuse_foreign(parent)
            _make_private(parent)
        for folder in (*self._folders(), os.path.join(self._logs, "jobs"), os.path.join(self._data, "environments")):
            _make_private(folder)


def find_paths(environ: Mapping[str, str] | None = None) -> Paths:
    """The folders of this user and machine; ``TIDEGATE_HOME`` puts all of them below one folder (D1).

    Raises PathsError when the place for the sockets belongs to someone else.
    """
    env = os.environ if environ is None else environ
    home = env.get("TIDEGATE_HOME", "")
    if home:
        root = os.path.abspath(os.path.expanduser(home))
        config, data, logs, runtime = (os.path.join(root, name) for name in ("config", "data", "logs", "run"))
    else:
        config, data, logs, runtime = _user_folders(env)
    return Paths(config, data, logs, runtime, _short_socket_folder(runtime, env))


def _make_private(folder: str) -> None:
    """Make a folder 0700, and what is missing above it likewise; one that exists becomes 0700 itself."""
    try:
        parent = os.path.dirname(folder)
        if not os.path.isdir(parent):
            _make_private(parent)
        if not os.path.isdir(folder):
            os.mkdir(folder, 0o700)
        os.chmod(folder, 0o700)
    except FileExistsError as error:
        if not os.path.isdir(folder):
            raise PathsError(f"The folder {folder} cannot be used: a file lies in its place.") from error
    except OSError as error:
        raise PathsError(f"The folder {folder} cannot be made: {_reason(error)}.") from error


def _user_folders(env: Mapping[str, str]) -> tuple[str, str, str, str]:
    """The platform's places for this user; state is kept per machine, as labs share home folders between hosts.

    Logs and runtime files lie with the data and not in $XDG_RUNTIME_DIR: a cron job or an SSH session without that
    variable must find the same engine.
    """
    if sys.platform == "linux":
        home = env.get("HOME") or os.path.expanduser("~")
        # The two rules of the XDG specification that platformdirs would apply too, without its import time.
        config = _absolute(env.get("XDG_CONFIG_HOME")) or os.path.join(home, ".config")
        data = _absolute(env.get("XDG_DATA_HOME")) or os.path.join(home, ".local", "share")
        config, data = os.path.join(config, "tidegate"), os.path.join(data, "tidegate")
    else:
        import platformdirs

        config = platformdirs.user_config_dir("tidegate", appauthor=False)
        data = platformdirs.user_data_dir("tidegate", appauthor=False)
    state = os.path.join(os.path.abspath(data), machine_id())
    return os.path.abspath(config), state, os.path.join(state, "logs"), os.path.join(state, "run")


def _absolute(folder: str | None) -> str | None:
    """The specification says: a relative name in an XDG variable is invalid and ignored."""
    return folder if folder and os.path.isabs(folder) else None


def _short_socket_folder(runtime: str, env: Mapping[str, str]) -> str | None:
    """None when sockets fit into ``runtime``; else a short folder named after its hash, refused unless it is ours."""
    if max(len(os.fsencode(os.path.join(runtime, name))) for name in _SOCKET_NAMES) <= SOCKET_PATH_MAX_BYTES:
        return None
    import hashlib

    digest = hashlib.sha256(os.fsencode(runtime)).hexdigest()[:16]
    user_runtime = _absolute(env.get("XDG_RUNTIME_DIR"))
    if user_runtime is not None:
        parent = os.path.join(user_runtime, "tidegate")
    else:
        temporary = next((env[name] for name in ("TMPDIR", "TEMP", "TMP") if env.get(name)), "/tmp")
        parent = os.path.join(os.path.abspath(temporary), f"tidegate-{_user_id()}")
    _refuse_foreign(parent)
    folder = os.path.join(parent, digest)
    longest = max(len(os.fsencode(os.path.join(folder, name))) for name in _SOCKET_NAMES)
    if longest > SOCKET_PATH_MAX_BYTES:
        raise PathsError(
            f"The folder {folder} is too long a name for a socket ({longest} bytes, at most {SOCKET_PATH_MAX_BYTES}): "
            "set TIDEGATE_HOME or TMPDIR to a shorter one."
        )
    return folder


def _refuse_foreign(folder: str) -> None:
    """Raise unless ``folder`` is absent or ours alone: another user could wait there with a socket of their own."""
    import stat

    try:
        found = os.lstat(folder)
    except FileNotFoundError:
        return
    except OSError as error:
        raise PathsError(f"The folder {folder} cannot be used for sockets: {_reason(error)}.") from error
    ours = found.st_uid == _user_id() or sys.platform == "win32"
    if not stat.S_ISDIR(found.st_mode) or not ours or stat.S_IMODE(found.st_mode) & 0o077:
        raise PathsError(
            f"The folder {folder} cannot be used for sockets: it must be a real folder of yours with mode 0700; "
            "remove it, or set TIDEGATE_HOME to a shorter path."
        )


def _user_id() -> int:
    return os.getuid() if hasattr(os, "getuid") else 0


def _reason(error: OSError) -> str:
    """The system's words for an error, as the tail of a sentence."""
    return (error.strerror or str(error)).lower()


def _path(*parts: str) -> Path:
    from pathlib import Path

    return Path(*parts)


def resource(*parts: str) -> Path:
    """A file that came with the program, as ``resource("icons", "normal.svg")``, in every way it can be installed.

    A frozen bundle keeps them beside its archive, a wheel in ``tidegate/_resources``, a checkout in ``resources/``.
    """
    package = os.path.dirname(os.path.abspath(__file__))
    bundle = getattr(sys, "_MEIPASS", None)
    places = [os.path.join(package, "_resources"), os.path.join(package, "..", "..", "resources")]
    if bundle is not None:
        places.insert(0, os.path.join(bundle, "tidegate", "_resources"))
    folder = next((place for place in places if os.path.isdir(place)), places[0])
    return _path(os.path.normpath(folder), *parts)


def machine_id() -> str:
    """A short name of this machine, fit for a folder, that stays the same as long as its system is installed."""
    for source in ("/etc/machine-id", "/var/lib/dbus/machine-id"):
        text = _first_line(source)
        if text:
            # Not the whole of it: the full id is meant to be kept private (machine-id(5)).
            return text[:12]
    import platform

    return "".join(letter if letter.isalnum() or letter == "-" else "-" for letter in platform.node()) or "machine"


def boot_id() -> str:
    """Names the present run of the system: with a process id and its start time, an identity that is never reused."""
    text = _first_line("/proc/sys/kernel/random/boot_id")
    if text:
        return text
    import psutil

    return f"boot-{round(psutil.boot_time())}"


def _first_line(name: str) -> str:
    """The file's first line without blanks, or nothing when it cannot be read."""
    try:
        with open(name, encoding="ascii", errors="replace") as file:
            return file.readline().strip()
    except OSError:
        return ""
