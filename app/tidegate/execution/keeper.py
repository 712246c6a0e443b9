"""The keeper: starts jobs, reaps them and remembers how they ended; it survives the app, and jobs survive it.

Started as ``python -I -S keeper.py --socket S --spool F --log L --boot-id B``; it detaches itself, serves one app at
a time on a unix socket and leaves when no run is left and no app is connected, or when its home is gone. Standard
library only, single-threaded: the working folder changes around each start.

Protocol, one JSON value a line. App to keeper:
  {"hello": 1, "tokens": [...], "stuck_timeout_s": s}      first; the runs it believes exist
  {"start": [request, ...]} {"pause": [token, ...]} {"resume": [...]} {"kill": [...]} {"ack": [...]} {"revoke": [...]}
  {"terminate": [[token, grace_s], ...]} {"stuck_timeout_s": s}
  {"close": {"grace_s": s}}                                end all runs, then leave
Keeper to app:
  {"hello": 1, "pid": p, "since": t, "alive": [[token, pid, created, started_at, paused], ...], "ended": [event, ...]}
  {"refused": sentence, "protocol": 1}    {"replaced": sentence}    {"events": [event, ...]}
An event is ["started", token, at, pid, created], ["start_failed", token, at, sentence], ["exited", token, at, code,
signal, cpu_s, peak_bytes, started_at, pid, created], ["paused" | "resumed" | "revoked", token, at],
["lost", token, at, why] or ["action_failed", token, at, action, why].
"""

from __future__ import annotations

import errno
import fcntl
import json
import math
import os
import select
import signal
import socket
import sys
import time

if __name__ == "__main__":  # with -I -S only the standard library is on the path
    sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from tidegate.execution import PROTOCOL
from tidegate.execution.keeper_runs import Runs
from tidegate.execution.keeper_spool import Line, Spool
from tidegate.execution.keeper_tree import TOKEN_VARIABLE, become_reaper

_IDLE_GRACE_S = 2.0
_HOME_EVERY_S = 2.0
_LOCK_WAIT_S = 2.0
_LAST_ACKS_S = 0.5
_UNHURRIED = ("started", "exited", "start_failed")
_STARTED_WAITS_S = 0.002
_RELAYED_WAITS_S = 0.008
_MOST_UNSENT = 64 << 20
_LOG_MAX = 1 << 20
_SEND_PIECE = 1 << 18
_READABLE = select.POLLIN | select.POLLHUP | select.POLLERR


class Connection:
    """A connected program; it becomes the app when it has said hello."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.unread = b""
        self.unsent = bytearray()
        self.polled = select.POLLIN

    def say(self, message: dict[str, object]) -> None:
        self.unsent += json.dumps(message, separators=(",", ":")).encode("ascii") + b"\n"

    def send(self) -> bool:
        """Send what the socket takes now. False when the other side is gone or does not read."""
        try:
            while self.unsent:
                sent = self.sock.send(self.unsent[:_SEND_PIECE])
                del self.unsent[:sent]
        except BlockingIOError:
            return len(self.unsent) <= _MOST_UNSENT
        except OSError:
            return False
        return True

    def receive(self) -> list[bytes] | None:
        """Whole lines that have arrived; None when the other side is gone."""
        try:
            data = self.sock.recv(1 << 20)
        except BlockingIOError:
            return []
        except OSError:
            return None
        if not data:
            return None
        *lines, self.unread = (self.unread + data).split(b"\n")
        return lines


class Keeper:
    """The loop: signals, messages and timers, one after the other."""

    def __init__(self, socket_path: str, spool_path: str, lock: int, boot_id: str) -> None:
        self._socket_path = socket_path
        self._spool_path = spool_path
        self._lock = lock
        self._events: list[Line] = []
        self._app: Connection | None = None
        self._connections: dict[int, Connection] = {}
        self._idle_since: float | None = time.monotonic()
        self._home_at = time.monotonic() + _HOME_EVERY_S
        self._told_to_leave = False
        self._leave_at: float | None = None
        self._flush_at: float | None = None
        self._poll = select.poll()
        self._signals = self._catch_signals()
        self._runs = Runs(Spool(spool_path, boot_id), self._events.append, note)
        self._runs.recall(boot_id)
        self._listener = self._listen()

    def _catch_signals(self) -> int:
        readable, writable = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC) if hasattr(os, "pipe2") else _pipe()
        signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._leave_when_done)
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        self._poll.register(readable, select.POLLIN)
        return readable

    def _leave_when_done(self, *_: object) -> None:
        """The session or the machine ends: runs are told so too, and how they end is still written down."""
        self._told_to_leave = True

    def _listen(self) -> socket.socket:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        if os.path.lexists(self._socket_path):  # of a keeper that is gone: we hold the lock
            os.unlink(self._socket_path)
        mask = os.umask(0o177)
        try:
            listener.bind(self._socket_path)
        finally:
            os.umask(mask)
        listener.listen(16)
        listener.setblocking(False)
        self._poll.register(listener.fileno(), select.POLLIN)
        return listener

    def run(self) -> None:
        while not self._finished(time.monotonic()):
            wait_ms = max(0, math.ceil((self._due() - time.monotonic()) * 1000))
            for fd, mask in self._poll.poll(min(wait_ms, 60_000)):
                if fd == self._signals:
                    self._drain_signals()
                elif fd == self._listener.fileno():
                    self._accept()
                else:
                    self._serve(fd, mask)
            if self._told_to_leave:
                self._runs.revoke_all()
            self._runs.reap()
            self._runs.tick(time.monotonic())
            self._flush()
        self._leave()

    def _due(self) -> float:
        due = min(self._runs.due(), self._home_at)
        if self._leave_at is not None:
            due = min(due, self._leave_at)
        if self._flush_at is not None:
            due = min(due, self._flush_at)
        if self._idle_since is not None:
            due = min(due, self._idle_since + _IDLE_GRACE_S)
        return due

    def _finished(self, now: float) -> bool:
        if now >= self._home_at:
            self._home_at = now + _HOME_EVERY_S
            if self._home_gone():
                note("the home is gone; leaving")
                self._runs.thaw_all()
                return True
        if self._runs.any_left:
            self._idle_since = self._leave_at = None
            return False
        if self._told_to_leave and self._leave_at is None:
            self._leave_at = now + _LAST_ACKS_S
        if self._leave_at is not None and (now >= self._leave_at or self._runs.all_acknowledged or self._app is None):
            return True
        if self._app is not None:
            self._idle_since = None
        elif self._idle_since is None:
            self._idle_since = now
        return self._idle_since is not None and now >= self._idle_since + _IDLE_GRACE_S

    def _home_gone(self) -> bool:
        """True when the lock file is no longer ours: the home was removed, and perhaps made anew."""
        try:
            mine, there = os.fstat(self._lock), os.stat(self._socket_path + ".lock")
            os.stat(os.path.dirname(self._spool_path))
        except FileNotFoundError:
            return True
        except OSError:
            return False  # a network home that does not answer is not gone
        return (mine.st_dev, mine.st_ino) != (there.st_dev, there.st_ino)

    def _leave(self) -> None:
        note("leaving")
        try:
            if not self._home_gone():
                self._runs.leave()
                os.unlink(self._socket_path)
        except OSError:
            pass  # it is replaced by the next keeper anyway
        for connection in self._connections.values():
            connection.send()
            connection.sock.close()
        self._listener.close()

    # --- connections ------------------------------------------------------------------------------------------

    def _drain_signals(self) -> None:
        try:
            while len(os.read(self._signals, 4096)) == 4096:
                pass
        except BlockingIOError:
            pass

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                note("no file descriptor left for a new connection")
            return
        sock.setblocking(False)
        self._connections[sock.fileno()] = Connection(sock)
        self._poll.register(sock.fileno(), select.POLLIN)

    def _serve(self, fd: int, mask: int) -> None:
        connection = self._connections.get(fd)
        if connection is None:
            return
        if mask & select.POLLOUT and not self._send(connection):
            return
        if mask & _READABLE:
            lines = connection.receive()
            if lines is None:
                self._drop(connection)
                return
            for line in lines:
                self._handle_line(connection, line)

    def _drop(self, connection: Connection) -> None:
        fd = connection.sock.fileno()
        if fd >= 0:
            self._poll.unregister(fd)
            self._connections.pop(fd, None)
            connection.sock.close()
        if connection is self._app:
            self._app = None
            self._runs.revoke_all()

    def _send(self, connection: Connection) -> bool:
        if not connection.send():
            self._drop(connection)
            return False
        wanted = select.POLLIN | select.POLLOUT if connection.unsent else select.POLLIN
        if wanted != connection.polled:
            connection.polled = wanted
            self._poll.modify(connection.sock.fileno(), wanted)
        return True

    def _flush(self) -> None:
        if self._app is not None:
            if self._events and self._may_wait():
                return
            if self._events:
                self._app.say({"events": self._events})
            if self._app.unsent:
                self._send(self._app)
        # Without an app nothing is lost: ends are kept until they are acknowledged, the rest is seen at hello.
        self._events.clear()
        self._flush_at = None
        self._runs.place_is_free = False

    def _may_wait(self) -> bool:
        """News of mere starts waits a moment: an instant job's end then comes in the same message.

        So does news of ends while nobody has to hurry, as the place of each was taken at once.
        """
        if self._runs.place_is_free or any(event[0] not in _UNHURRIED for event in self._events):
            return False
        now = time.monotonic()
        if self._flush_at is None:
            self._flush_at = now + (_RELAYED_WAITS_S if self._runs.any_waiting else _STARTED_WAITS_S)
        return now < self._flush_at

    # --- messages ---------------------------------------------------------------------------------------------

    def _handle_line(self, connection: Connection, line: bytes) -> None:
        try:
            message = json.loads(line)
            if "hello" in message:
                self._handle_hello(connection, message)
            elif connection is self._app:
                for verb, argument in message.items():
                    self._handle(verb, argument)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one message, the runs must be kept
            import traceback

            note(f"a message could not be handled: {error!r}\n{traceback.format_exc()}")

    def _handle_hello(self, connection: Connection, message: dict[str, object]) -> None:
        if message["hello"] != PROTOCOL:
            sentence = f"the process helper speaks protocol {PROTOCOL}, this program speaks {message['hello']}"
            connection.say({"refused": sentence, "protocol": PROTOCOL})
            connection.send()
            self._drop(connection)
            return
        old = self._app
        if old is not None and old is not connection:
            old.say({"replaced": "another program took over the process helper"})
            old.send()
            self._drop(old)
        self._app = connection
        self._runs.stuck_timeout_s = float(str(message.get("stuck_timeout_s", 30.0)))
        tokens = message.get("tokens")
        self._runs.reap()
        self._runs.find({str(token) for token in tokens} if isinstance(tokens, list) else set())
        self._events.clear()  # all of it is in the answer
        self._flush_at = None
        runs = self._runs
        reply: dict[str, object] = {"hello": PROTOCOL, "pid": os.getpid(), "since": runs.since}
        reply |= {"alive": runs.alive(), "ended": runs.ended()}
        connection.say(reply)
        self._send(connection)

    def _handle(self, verb: str, argument: object) -> None:
        runs = self._runs
        if verb == "close" and isinstance(argument, dict):
            self._told_to_leave = True
            runs.stop_all(float(argument["grace_s"]))
        elif verb == "stuck_timeout_s":
            runs.stuck_timeout_s = float(str(argument))
        elif not isinstance(argument, list):
            raise ValueError(f"unknown message {verb!r}")
        elif verb == "start":
            runs.start(argument)
        elif verb == "ack":
            runs.acknowledge(argument)
        elif verb == "terminate":
            for token, grace_s in argument:
                runs.terminate(token, float(grace_s))
        elif verb == "revoke":
            runs.revoke(argument)
        elif verb in ("pause", "resume", "kill"):
            action = {"pause": runs.pause, "resume": runs.resume, "kill": runs.kill}[verb]
            for token in argument:
                action(token)
        else:
            raise ValueError(f"unknown message {verb!r}")


def _pipe() -> tuple[int, int]:
    readable, writable = os.pipe()
    os.set_blocking(readable, False)
    os.set_blocking(writable, False)
    return readable, writable


def note(text: str) -> None:
    """One line into the keeper's log (standard error)."""
    line = f"{time.strftime('%Y-%m-%d %H:%M:%S')} [{os.getpid()}] {text}\n"
    try:
        os.write(2, line.encode("utf-8", "replace"))
    except OSError:
        return  # a full disk must not end the keeper


def _take_lock(path: str) -> int | None:
    """The lock of this home, or None when another keeper has it. A keeper that is just leaving is waited for."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + _LOCK_WAIT_S
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return fd
        except OSError:
            if time.monotonic() >= deadline:
                os.close(fd)
                return None
            time.sleep(0.01)


def _detach(log: str) -> bool:
    """Become a process of its own that no terminal or parent can end; False in the parent."""
    if os.fork() > 0:
        return False
    os.setsid()
    os.closerange(3, 65536)
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    try:
        size = os.stat(log).st_size
    except OSError:
        size = 0
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | (os.O_TRUNC if size > _LOG_MAX else 0)
    try:
        fd = os.open(log, flags, 0o600)
    except OSError:
        fd = os.open(os.devnull, os.O_WRONLY)
    os.dup2(fd, 1)
    os.dup2(fd, 2)
    os.close(fd)
    return True


def main(arguments: list[str]) -> int:
    given = dict(zip(arguments[::2], arguments[1::2], strict=True))
    os.environb.pop(TOKEN_VARIABLE, None)  # the keeper is never part of a run, even when a job started the app
    if not _detach(given["--log"]):
        return 0
    lock = _take_lock(given["--socket"] + ".lock")
    if lock is None:
        return 0
    become_reaper()
    keeper = Keeper(given["--socket"], given["--spool"], lock, given["--boot-id"])
    note("ready")
    keeper.run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
