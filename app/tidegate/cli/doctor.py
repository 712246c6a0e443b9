"""``doctor``: what Tidegate can use on this machine and what stands in its way; it works with and without an engine."""

from __future__ import annotations

import os
import platform
import sys

import tidegate
from tidegate.api.client import ApiError, Client, NoEngine
from tidegate.cli import connection, probes
from tidegate.cli.formats import size
from tidegate.cli.options import JSON, Given, Verb
from tidegate.cli.output import clean, put, put_block, put_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tidegate.paths import Paths

    Report = dict[str, Any]


def report() -> Report:
    """Everything looked at, as ``doctor --json`` prints it."""
    paths = connection.home()
    found: Report = {
        "version": tidegate.__version__,
        "python": {"version": platform.python_version(), "executable": sys.executable},
        "system": platform.platform(),
        "engine": _engine(paths),
        "api": _api(paths),
        "paths": _folders(paths),
        "display": probes.display(),
        "cgroup": probes.cgroup(),
        "psi": probes.pressure(),
        "gpu": probes.nvidia(),
        "memory": probes.memory(),
        "logout": probes.logout(),
        "earlyoom": probes.earlyoom(),
        "home": _home(paths),
    }
    found["findings"] = findings(found)
    return found


def _engine(paths: Paths) -> Report:
    try:
        status = Client(paths, timeout_s=5.0).get("/status")
    except NoEngine as error:
        return {"running": False, "problem": None if "No engine is running" in str(error) else str(error)}
    except ApiError as error:
        return {"running": True, "problem": error.sentence}
    keys = ("kind", "version", "pid", "uptime_s", "mode", "warnings", "journal_error")
    return {"running": True, "problem": None, **{key: status[key] for key in keys}}


def _api(paths: Paths) -> Report:
    """Where programs reach the engine. The token file holds the token alone."""
    import json

    try:
        endpoint = json.loads(paths.endpoint_file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        endpoint = {}
    return {
        "host": endpoint.get("host"),
        "port": endpoint.get("port"),
        "socket": str(paths.socket),
        "token_file": str(paths.token_file),
    }


def _folders(paths: Paths) -> Report:
    return {
        "config_file": str(paths.config_file),
        "data": str(paths.data_dir),
        "logs": str(paths.logs_dir),
        "runtime": str(paths.runtime_dir),
        "database": str(paths.database),
        "log_file": str(paths.log_file),
    }


def _home(paths: Paths) -> Report:
    kind = probes.filesystem_of(str(paths.data_dir))
    return {
        "from": "TIDEGATE_HOME" if os.environ.get("TIDEGATE_HOME") else "user folders",
        "filesystem": kind,
        "network": None if kind is None else kind in probes.NETWORK_FILESYSTEMS,
    }


def findings(found: Report) -> list[Report]:
    """What a person should know: a sentence each, and the one command against it where there is one."""
    rows: list[Report] = []

    def note(topic: str, sentence: str, fix: str | None = None) -> None:
        rows.append({"topic": topic, "sentence": sentence, "fix": fix})

    engine, logout, shown = found["engine"], found["logout"], found["display"]
    if engine["problem"]:
        note("engine", engine["problem"])
    elif not engine["running"]:
        note("engine", "No engine is running.", "tidegate serve")
    for warning in engine.get("warnings") or ():
        note("engine", warning)
    if engine.get("journal_error"):
        note("journal", engine["journal_error"])
    if logout["ends_jobs"]:
        note("logout", "Logging out ends running jobs on this machine.", "loginctl enable-linger")
    if not (shown["x11"] or shown["wayland"]) and sys.platform == "linux":
        note("display", "There is no display here, so no window can open; the engine and these verbs work without.")
    elif shown["tray"] is False:
        note("tray", "No tray was found; the window works without, and closing it then asks what to do.")
    _note_machine(found, note)
    return rows


def _note_machine(found: Report, note: Any) -> None:
    group, memory, early = found["cgroup"], found["memory"], found["earlyoom"]
    if sys.platform == "linux":
        if group["version"] != 2:
            note("cgroup", "There are no version 2 cgroups, so --mem-limit is watched but cannot be enforced.")
        elif not group["delegated"]:
            note("cgroup", "No cgroup is delegated to you, so --mem-limit is watched but cannot be enforced.")
        elif "memory" not in group["controllers"]:
            note("cgroup", "The delegated cgroup has no memory controller, so --mem-limit cannot be enforced.")
        if found["psi"] is False:
            note("psi", "The kernel gives no pressure figures (PSI), so a shortage is seen a little later.")
    if memory["swap_total_bytes"] == 0:
        note("swap", "There is no swap, so nothing can be pushed out when memory runs short.")
    if early["running"]:
        note("earlyoom", f"earlyoom runs and kills below {early['memory_pct']:g} % of memory; our line lies above its.")
    if found["gpu"]["error"]:
        note("gpu", f"No NVIDIA card is seen: {found['gpu']['error']}.")
    if found["home"]["network"]:
        kind = found["home"]["filesystem"]
        note("home", f"The data lies on a network file system ({kind}): slower, and kept apart per machine.")


def _doctor(given: Given) -> int:
    found = report()
    if given.flag("json"):
        put_json(found)
        return 0
    put_block(
        [
            ("Tidegate", f"{found['version']} on Python {found['python']['version']}, {found['system']}"),
            ("Engine", _engine_words(found["engine"])),
            ("API", _api_words(found["api"])),
            ("Token", clean(found["api"]["token_file"])),
            ("Settings", clean(found["paths"]["config_file"])),
            ("Data", clean(found["paths"]["data"])),
            ("Logs", clean(found["paths"]["logs"])),
            ("Memory", _memory_words(found["memory"])),
            ("Cards", _card_words(found["gpu"])),
            ("cgroup", _cgroup_words(found["cgroup"])),
            ("Display", _display_words(found["display"])),
            ("Logout", _logout_words(found["logout"])),
        ]
    )
    put("")
    put("Findings:" if found["findings"] else "Nothing to complain about.")
    for row in found["findings"]:
        put(f"  {row['topic']}: {clean(row['sentence'])}" + (f" Against it: {row['fix']}" if row["fix"] else ""))
    return 0


def _engine_words(engine: Report) -> str:
    if not engine["running"]:
        return "not running"
    if engine["problem"]:
        return "running, but it does not answer as it should"
    return f"running ({engine['kind']}, process {engine['pid']}), mode {engine['mode']}"


def _api_words(api: Report) -> str:
    tcp = "" if api["port"] is None else f"http://{api['host']}:{api['port']} and "
    return f"{tcp}{clean(api['socket'])}"


def _memory_words(memory: Report) -> str:
    swap = memory["swap_total_bytes"]
    return f"{size(memory['total_bytes'])}, swap {size(swap) if swap else 'none'}"


def _card_words(gpu: Report) -> str:
    return f"{', '.join(gpu['cards']) or 'none'}" + (f" (driver {gpu['driver']})" if gpu["driver"] else "")


def _cgroup_words(group: Report) -> str:
    if group["version"] is None:
        return "none"
    delegated = "delegated: " + " ".join(group["controllers"]) if group["delegated"] else "not delegated"
    return f"version {group['version']}, {delegated}"


def _display_words(shown: Report) -> str:
    places = [f"{name} {shown[key]}" for name, key in (("X11", "x11"), ("Wayland", "wayland")) if shown[key]]
    tray = {True: "a tray", False: "no tray", None: "tray unknown"}[shown["tray"]]
    bus = "a session bus" if shown["session_bus"] else "no session bus"
    return f"{', '.join(places) or 'none'}, {bus}, {tray}"


def _logout_words(logout: Report) -> str:
    return {True: "ends running jobs", False: "does not end running jobs", None: "cannot be told here"}[
        logout["ends_jobs"]
    ]


VERBS = {"doctor": Verb("doctor", _doctor, "", (JSON,))}
