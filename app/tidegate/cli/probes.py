"""What ``doctor`` looks at on this machine: each probe answers one question, in bounded time, and never raises.

Unknown is None, never a guess.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

CALL_TIMEOUT_S = 3.0
NETWORK_FILESYSTEMS = frozenset(
    {"nfs", "nfs4", "cifs", "smb", "smb3", "smbfs", "afs", "ceph", "glusterfs", "lustre", "beegfs", "gpfs", "9p"}
    | {"ncpfs", "fuse.sshfs", "fuse.glusterfs"}
)


def read_text(name: str) -> str | None:
    """A small file's text, or None when it cannot be read."""
    try:
        with open(name, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return None


def call(words: Sequence[str]) -> str | None:
    """A system tool's output, or None when it is missing, fails, or takes too long."""
    import subprocess

    try:
        done = subprocess.run(words, capture_output=True, timeout=CALL_TIMEOUT_S, check=True, text=True)
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    return done.stdout


def display() -> dict[str, Any]:
    """Where a window could open, and whether a tray waits for icons."""
    bus = os.environ.get("DBUS_SESSION_BUS_ADDRESS")
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    has_bus = bool(bus) or (runtime is not None and os.path.exists(os.path.join(runtime, "bus")))
    return {
        "x11": os.environ.get("DISPLAY") or None,
        "wayland": os.environ.get("WAYLAND_DISPLAY") or None,
        "session_bus": has_bus,
        "tray": _tray() if has_bus else False,
        "desktop": os.environ.get("XDG_CURRENT_DESKTOP") or None,
    }


def _tray() -> bool | None:
    """Whether a StatusNotifier host is on the session bus; None where no tool can ask."""
    question = "org.freedesktop.DBus.NameHasOwner"
    answer = call(
        [
            "dbus-send",
            "--session",
            "--print-reply=literal",
            "--dest=org.freedesktop.DBus",
            "/org/freedesktop/DBus",
            question,
            "string:org.kde.StatusNotifierWatcher",
        ]
    )
    return None if answer is None else "true" in answer


def cgroup() -> dict[str, Any]:
    """The cgroup version, our own group, and whether we may make groups below it or the user manager's."""
    if not os.path.isdir("/sys/fs/cgroup"):
        return {"version": None, "path": None, "delegated": None, "controllers": []}
    if not os.path.exists("/sys/fs/cgroup/cgroup.controllers"):
        return {"version": 1, "path": None, "delegated": False, "controllers": []}
    own = next((line[3:] for line in (read_text("/proc/self/cgroup") or "").split("\n") if line.startswith("0::")), "/")
    manager = f"/user.slice/user-{os.getuid()}.slice/user@{os.getuid()}.service"
    for path in (own, manager):
        folder = "/sys/fs/cgroup" + path
        # Both must be ours: the folder to make groups in, the file to hand controllers down.
        if all(os.access(name, os.W_OK) for name in (folder, os.path.join(folder, "cgroup.subtree_control"))):
            controllers = (read_text(os.path.join(folder, "cgroup.controllers")) or "").split()
            return {"version": 2, "path": path, "delegated": True, "controllers": controllers}
    return {"version": 2, "path": own, "delegated": False, "controllers": []}


def pressure() -> bool | None:
    """Whether the kernel tells of pressure (PSI); None where there is no such kernel."""
    if sys.platform != "linux":
        return None
    return read_text("/proc/pressure/memory") is not None


def memory() -> dict[str, int | None]:
    """Totals in bytes as the kernel says them."""
    found = {}
    for line in (read_text("/proc/meminfo") or "").split("\n"):
        name, _, rest = line.partition(":")
        number = rest.split()[:1]
        if number and number[0].isdigit():
            found[name] = int(number[0]) * 1024
    names = (
        ("total", "MemTotal"),
        ("available", "MemAvailable"),
        ("swap_total", "SwapTotal"),
        ("swap_free", "SwapFree"),
    )
    return {f"{key}_bytes": found.get(name) for key, name in names}


def nvidia() -> dict[str, Any]:
    """The NVIDIA driver and its cards. Asked in a thread: a call into a broken driver may never come back."""
    import threading

    answer: dict[str, Any] = {"driver": None, "cards": [], "error": "the driver did not answer"}
    thread = threading.Thread(target=_ask_nvidia, args=(answer,), daemon=True)
    thread.start()
    thread.join(CALL_TIMEOUT_S)
    return dict(answer)


def _ask_nvidia(answer: dict[str, Any]) -> None:
    try:
        import pynvml
    except ImportError:
        answer["error"] = "the package nvidia-ml-py is not installed"
        return
    try:
        pynvml.nvmlInit()
        driver = pynvml.nvmlSystemGetDriverVersion()
        handles = [pynvml.nvmlDeviceGetHandleByIndex(number) for number in range(pynvml.nvmlDeviceGetCount())]
        cards = [str(pynvml.nvmlDeviceGetName(handle)) for handle in handles]
    except pynvml.NVMLError_LibraryNotFound:
        answer["error"] = "no NVIDIA driver is installed"
        return
    except pynvml.NVMLError as error:
        answer["error"] = str(error)
        return
    answer.update(driver=str(driver), cards=cards, error=None)


def logout() -> dict[str, Any]:
    """Whether the end of the session ends jobs: it does when the user's systemd manager goes with it."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", f"/run/user/{os.getuid()}" if hasattr(os, "getuid") else "")
    manager = os.path.exists(os.path.join(runtime, "systemd", "private"))
    shown = call(["loginctl", "show-user", str(os.getuid()), "--property=Linger"]) if hasattr(os, "getuid") else None
    linger = None if shown is None or "=" not in shown else shown.strip().endswith("=yes")
    ends = False if linger or not manager else True if linger is False else None
    return {"user_manager": manager, "linger": linger, "ends_jobs": ends}


def earlyoom() -> dict[str, Any]:
    """Whether earlyoom runs, and its -m value in percent of memory (10 is its default)."""
    for words in _command_lines():
        if os.path.basename(words[0]) == "earlyoom":
            return {"running": True, "memory_pct": _minimum(words)}
    return {"running": False, "memory_pct": None}


def _minimum(words: Sequence[str]) -> float:
    for number, word in enumerate(words):
        if word.startswith("-m"):
            value = word[2:] or (words[number + 1] if number + 1 < len(words) else "")
            try:
                return float(value.split(",")[0])
            except ValueError:
                break
    return 10.0


def _command_lines() -> Iterator[list[str]]:
    try:
        names = os.listdir("/proc")
    except OSError:
        return
    for name in names:
        if name.isdigit():
            text = read_text(f"/proc/{name}/cmdline")
            if text:
                yield text.rstrip("\0").split("\0")


def filesystem_of(folder: str) -> str | None:
    """The type of the file system that holds ``folder``, or will; None where it cannot be told."""
    path = os.path.realpath(folder)
    best, kind = "", None
    for line in (read_text("/proc/self/mountinfo") or "").split("\n"):
        mount, separator, source = line.partition(" - ")
        if not separator:
            continue
        point = mount.split()[4].replace("\\040", " ")
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, source.split()[0]
    return kind
