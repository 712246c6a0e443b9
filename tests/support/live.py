"""The real program in a throw-away home: an engine as a subprocess that can be killed and started again, its keeper,
clients and the command line; and at the end the proof that nothing of it is left."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.until import until
from tidegate.api.client import ApiError, Client, NoEngine
from tidegate.paths import Paths, find_paths
from tidegate.settings import write_value

APP = Path(__file__).parents[2] / "app"
READY_S = 20.0
PLAIN = {
    # Other programs may use this machine's cores while the tests run: that must put no start off.
    "cpu_hard_pct": "100",
    "cpu_high_pct": "99",
    "max_workers": "8",
    "kill_timeout": "2",
    "job_log_cap": "8M",
}
JobDict = dict[str, Any]


@dataclass(frozen=True)
class Said:
    """What a command line gave back."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def id(self) -> str:
        """The id that ``submit`` printed."""
        assert self.code == 0, self
        return self.out.strip()

    def refuses(self, code: int, *words: str) -> str:
        """This exit code and one sentence with these words, no traceback; gives the sentence."""
        assert self.code == code, self
        assert "Traceback" not in self.err, self
        sentences = [line for line in self.err.splitlines() if line.strip()]
        assert len(sentences) == 1, self
        for word in words:
            assert word in sentences[0], (word, sentences[0])
        return sentences[0]


@dataclass(frozen=True)
class Process:
    """A line of the process table."""

    pid: int
    parent: int
    state: str
    command: str


def look(pid: int) -> Process | None:
    """The process as it is now; None when there is none of this number."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return None
    fields = stat[stat.rfind(b")") + 2 :].split()
    return Process(pid, int(fields[1]), fields[0].decode(), command.replace(b"\0", b" ").decode("utf-8", "replace"))


def processes() -> list[Process]:
    """The process table."""
    found = (look(int(name)) for name in os.listdir("/proc") if name.isdigit())
    return [process for process in found if process is not None]


def alive(pid: int) -> bool:
    process = look(pid)
    return process is not None and process.state not in "ZX"


def environment_of(pid: int) -> list[bytes]:
    """The variables a process was started with; none when it is gone, a zombie or someone else's."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


class Live:
    """One home and the engine that serves it. ``settings`` go into its config.toml, by flat names."""

    def __init__(self, home: Path, **settings: str) -> None:
        self.home = home
        # The engine, its keeper, its jobs and every command line bear this variable: by it they are found again.
        self._mark = b"TIDEGATE_HOME=" + os.fsencode(home)
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("TIDEGATE_")}
        self.env.update({"TIDEGATE_HOME": str(home), "PYTHONPATH": str(APP)})
        self.paths: Paths = find_paths(self.env)
        self.paths.create()
        self.client = Client(self.paths)
        self.engine: subprocess.Popen[bytes] | None = None
        self.expected_errors: tuple[str, ...] = ()
        self.patience_s = 10.0
        self._began: list[subprocess.Popen[bytes]] = []
        for name, value in {**PLAIN, **settings}.items():
            write_value(self.paths, name, value, {})

    # --- the engine -----------------------------------------------------------------------------------------------

    def start(self, *options: str, env: Mapping[str, str] | None = None, verb: str = "serve") -> None:
        """``tidegate serve`` (or ``gui``) until it is ready; fails with what it said when it ends instead."""
        assert self.engine is None or self.engine.poll() is not None, "the engine runs already"
        with open(self.said, "ab") as output:
            self.engine = subprocess.Popen(
                program(verb, *options),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**self.env, **(env or {})},
                start_new_session=True,
            )
        until(self._ready, READY_S)

    def open_app(self, screen: Mapping[str, str], *options: str) -> None:
        """The tray application on a desktop with these variables, until its engine is ready."""
        # A job's environment names the home by which it is found again; the rest is the desktop's.
        ours = {name: self.env[name] for name in ("TIDEGATE_HOME", "PYTHONPATH")}
        self.start(*options, verb="gui", env={**screen, **ours})

    def _ready(self) -> bool:
        assert self.engine is not None
        assert self.engine.poll() is None, f"the engine ended: {self.said.read_text()}"
        return self.client.alive() and self.endpoint["pid"] == self.engine.pid

    @property
    def said(self) -> Path:
        """What the engine wrote on its terminal."""
        return self.home / "serve.out"

    @property
    def endpoint(self) -> JobDict:
        found: JobDict = json.loads(self.paths.endpoint_file.read_text())
        return found

    @property
    def pid(self) -> int:
        assert self.engine is not None
        return self.engine.pid

    def kill(self) -> None:
        """``kill -9`` of the engine."""
        assert self.engine is not None
        self.engine.kill()
        assert self.engine.wait(10) == -signal.SIGKILL

    def signal(self, number: signal.Signals, within_s: float = 10.0) -> tuple[int, float]:
        """Send a signal and see the engine end: its exit code and how long it took."""
        assert self.engine is not None
        began = time.monotonic()
        self.engine.send_signal(number)
        return self.engine.wait(within_s), time.monotonic() - began

    def restart(self, *options: str) -> None:
        """Killed by ``kill -9`` and started again."""
        self.kill()
        self.start(*options)

    # --- asking it ------------------------------------------------------------------------------------------------

    def cli(
        self,
        *words: str | bytes,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        cwd: str | bytes | Path | None = None,
        timeout_s: float = 60.0,
    ) -> Said:
        """Run one command line in a process of its own and wait for its end."""
        done = subprocess.run(
            program(*words),
            input=stdin,
            capture_output=True,
            timeout=timeout_s,
            env={**self.env, **(env or {})},
            cwd=cwd or self.home,
            check=False,
        )
        return Said(done.returncode, os.fsdecode(done.stdout), os.fsdecode(done.stderr))

    def begin(self, *words: str) -> subprocess.Popen[bytes]:
        """The same, not waited for; ends with the home at the latest."""
        running = subprocess.Popen(
            program(*words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.env,
            cwd=self.home,
        )
        self._began.append(running)
        return running

    def submit(self, *command: str, **options: str | Sequence[str]) -> str:
        """Submit one command by the client; its id. ``mem_limit="1G"`` is ``--mem-limit 1G``."""
        return self.submit_all([command], **options)[0]

    def submit_all(self, commands: Iterable[Sequence[str]], **options: str | Sequence[str]) -> list[str]:
        """One request for many commands; their ids. They are small, so that many run at once."""
        raw = {"mem": "16M", "cpus": "0.1", **{name.replace("_", "-"): value for name, value in options.items()}}
        entries = [{"command": list(command)} for command in commands]
        answered = self.client.submit(entries, cwd=str(self.home), environment=self.env, options=raw)
        return [str(entry["id"]) for entry in answered]

    def job(self, id: str) -> JobDict:
        return self.client.get(f"/jobs/{id}")

    def status_of(self, id: str) -> str:
        return str(self.job(id)["status"])

    def connections(self) -> int:
        """How many clients are connected to the API's socket."""
        lines = Path("/proc/net/unix").read_text().splitlines()
        connected = "03"
        return sum(line.endswith(f" {self.paths.socket}") and line.split()[5] == connected for line in lines)

    def pid_of(self, id: str) -> int:
        """The pid of the job's main process, once it runs."""
        return int(str(until(lambda: self.job(id)["pid"])))

    def finished(self, ids: Sequence[str], timeout_s: float = 30.0) -> list[JobDict]:
        """The jobs when all have finished; fails with those that have not."""
        jobs = self.client.wait(list(ids), timeout_s)
        if jobs is None:
            left = [self.job(id) for id in ids]
            said = [f"{job['id']} {job['status']} {job['waits']}" for job in left if job["status"] != "finished"]
            raise AssertionError(f"not finished after {timeout_s:g} s: {said[:10]}; log: {self.log()[-2000:]}")
        return jobs

    def log_of(self, id: str, attempt: int = 1) -> Path:
        """The file with the job's output."""
        return self.paths.job_log(id, attempt)

    def log(self) -> str:
        """The program's own log."""
        name = self.paths.log_file
        return name.read_text("utf-8", "replace") if name.exists() else ""

    # --- what of it there is in the process table -------------------------------------------------------------------

    def keepers(self) -> list[int]:
        """Pids of this home's keepers (one, or none)."""
        return [
            process.pid
            for process in processes()
            if process.state not in "ZX" and f"keeper.py --socket {self.paths.keeper_socket} " in process.command
        ]

    def tokens(self) -> set[bytes]:
        """The run tokens of every attempt in the database."""
        if not self.paths.database.exists():
            return set()
        # Read-only: a last connection that may write would tidy up what a kill -9 left, which is not ours to do.
        with contextlib.closing(sqlite3.connect(f"file:{self.paths.database}?mode=ro", uri=True)) as connection:
            try:
                return {str(token).encode() for (token,) in connection.execute("SELECT token FROM attempts")}
            except sqlite3.DatabaseError:
                return set()

    def bearers(self) -> list[Process]:
        """Every living process that was started for this home, by its environment: engine, keeper, jobs, commands."""
        marks = {self._mark, *(b"TIDEGATE_RUN_TOKEN=" + token for token in self.tokens())}
        return [
            process
            for process in processes()
            if process.state not in "ZX" and process.pid != os.getpid() and marks & set(environment_of(process.pid))
        ]

    def strays(self) -> list[Process]:
        """Living processes of jobs, and whatever else hangs on the keeper."""
        keepers = set(self.keepers())
        ours = keepers | {self.engine.pid if self.engine is not None else -1} | {item.pid for item in self._began}
        bearers = {process.pid: process for process in self.bearers() if process.pid not in ours}
        for process in processes():
            if process.parent in keepers and process.state not in "ZX":
                bearers[process.pid] = process
        return list(bearers.values())

    def zombies(self) -> list[Process]:
        """The dead that their parent, our engine or keeper, has not reaped."""
        parents = {*self.keepers(), self.engine.pid if self.engine is not None else -1}
        return [process for process in processes() if process.state == "Z" and process.parent in parents]

    def leaves_nothing_behind(self, within_s: float = 10.0) -> None:
        """No process of a job and no zombie is left; those that are just ending are waited for."""
        with contextlib.suppress(AssertionError):
            until(lambda: not self.strays() and not self.zombies(), within_s, step_s=0.05)
        assert self.strays() == []
        assert self.zombies() == []

    # --- the end ----------------------------------------------------------------------------------------------------

    def close(self) -> list[str]:
        """End exactly what was started here and remove the home; what should not have been, as sentences."""
        said = self.shut_down()
        for running in self._began:
            _end(running)
        with contextlib.suppress(AssertionError):
            until(lambda: not self.bearers(), self.patience_s, step_s=0.05)
        for process in self.bearers():
            said.append(f"left behind: {process}")
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        said += [line for line in self._complaints() if not any(word in line for word in self.expected_errors)]
        shutil.rmtree(self.home, ignore_errors=True)
        return said

    def shut_down(self) -> list[str]:
        """Tell the engine to end with its jobs and see it end; what went wrong, as sentences."""
        with contextlib.suppress(NoEngine, ApiError):
            self.client.post("/shutdown", {"stop_jobs": True}, timeout_s=30.0)
        return self._end_engine()

    def _end_engine(self) -> list[str]:
        if self.engine is None or self.engine.poll() is not None:
            return []
        try:
            self.engine.wait(20)
        except subprocess.TimeoutExpired:
            _end(self.engine)
            return ["the engine did not end within 20 s of being told to"]
        return []

    def _complaints(self) -> list[str]:
        """Warnings and errors in the program's logs, and anything like a traceback."""
        said = self.said.read_text("utf-8", "replace") if self.said.exists() else ""
        keeper = self.paths.keeper_log.read_text("utf-8", "replace") if self.paths.keeper_log.exists() else ""
        words = (" WARNING ", " ERROR ", " CRITICAL ", "Traceback", "Error:", "could not be handled")
        lines = [*self.log().splitlines(), *said.splitlines(), *keeper.splitlines()]
        return list(dict.fromkeys(line for line in lines if any(word in line for word in words)))


def promised(seconds: float) -> float:
    """A promise of so many seconds, with room for a machine whose cores others use too (the load lags behind that).

    A test shows that it ends by itself and in that order of time; how fast it is, the benchmarks measure.
    """
    return seconds * max(3.0, 2.0 * os.getloadavg()[0] / (os.cpu_count() or 1))


def program(*words: str | bytes) -> list[str | bytes]:
    """The real program's command line."""
    return [sys.executable, "-m", "tidegate", *words]


def _end(running: subprocess.Popen[bytes]) -> None:
    if running.poll() is None:
        running.kill()
        running.wait(10)
    for stream in (running.stdout, running.stderr):
        if stream is not None:
            stream.close()


@contextlib.contextmanager
def live_home(**settings: str) -> Iterator[Live]:
    """A home with a short name (a socket's path is short) and nothing running yet; fails when anything is left."""
    folder = Path(tempfile.mkdtemp(prefix="tg", dir="/tmp" if os.access("/tmp", os.W_OK) else None))
    live = Live(folder, **settings)
    try:
        yield live
    except BaseException:
        print(live.log()[-4000:], file=sys.stderr)
        live.close()
        raise
    said = live.close()
    assert not said, "\n".join(said)
