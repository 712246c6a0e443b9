"""Starting and ending the engine: what hinders it is one sentence, and what ends it leaves the jobs alone."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from support.live import Live, alive, environment_of, live_home, look, promised
from support.until import until

ENDS_WITHIN_S = 2.0
DEAF = "trap '' TERM HUP INT; echo deaf; while :; do sleep 0.1; done"


# --- what hinders it ------------------------------------------------------------------------------------------------


def test_a_second_engine_for_the_same_home(engine: Live) -> None:
    said = engine.cli("serve").refuses(1, "already runs", str(engine.pid), "shutdown")
    assert engine.client.alive(), said


def test_a_config_that_cannot_be_read(live: Live) -> None:
    config = live.paths.config_file
    config.unlink()
    config.mkdir()
    live.cli("serve").refuses(1, "config.toml")
    checked = live.cli("config", "check", str(config))
    assert checked.code == 1
    assert "config.toml" in checked.out
    config.rmdir()


@pytest.mark.parametrize("content", [b"[machine\n", b"\xff\xfe\x00", b"[machine]\nmemory_high_pct = \n"])
def test_a_config_that_is_no_toml(live: Live, content: bytes) -> None:
    live.paths.config_file.write_bytes(content)
    live.cli("serve").refuses(1, "config.toml")
    checked = live.cli("config", "check", str(live.paths.config_file))
    assert checked.code == 1
    assert "config.toml" in checked.out
    assert "Traceback" not in checked.err


def test_all_that_is_wrong_in_a_config_is_said_at_once_with_the_nearest_name(live: Live) -> None:
    live.paths.config_file.write_text("[machine]\nmemory_hihg_pct = 80\nmemory_emergency_pct = 200\n[nonsense]\n")
    said = live.cli("serve")
    assert said.code == 1
    assert "Traceback" not in said.err
    lines = said.err.splitlines()
    assert len(lines) == 3
    assert any("memory_hihg_pct" in line and "did you mean memory_high_pct?" in line for line in lines)
    assert any("memory_emergency_pct" in line and "200" in line for line in lines)
    assert any("nonsense" in line for line in lines)
    checked = live.cli("config", "check", str(live.paths.config_file))
    assert checked.code == 1
    assert len(checked.out.splitlines()) == 3


def test_a_bad_setting_on_the_command_line_or_in_the_environment(live: Live) -> None:
    live.cli("serve", "--set", "max_wokers=2").refuses(1, "max_wokers", "max_workers")
    live.cli("serve", env={"TIDEGATE_QUEUE_MAX_WORKERS": "many"}).refuses(1, "TIDEGATE_QUEUE_MAX_WORKERS", "many")


def test_a_database_of_a_newer_version_is_refused_and_left_as_it_is(live: Live) -> None:
    with closing(sqlite3.connect(live.paths.database)) as connection:
        connection.execute("PRAGMA user_version = 999")
    before = live.paths.database.read_bytes()
    live.cli("serve").refuses(1, "newer Tidegate", "999", str(live.paths.database))
    assert "tidegate: The database" not in live.cli("submit", "--", "true").refuses(3, "newer Tidegate", "999")
    assert live.paths.database.read_bytes() == before
    assert live.keepers() == []
    live.expected_errors = ("newer Tidegate",)


def test_a_damaged_database_is_set_aside_and_said(live: Live) -> None:
    live.paths.database.write_bytes(b"this is no database at all" * 1000)
    live.start()
    assert live.cli("run", "--", "true").code == 0
    (aside,) = live.paths.data_dir.glob("tidegate.db.damaged-*")
    assert aside.read_bytes().startswith(b"this is no database")
    warnings = live.cli("status", "--json").json["warnings"]
    assert any(aside.name in warning for warning in warnings)
    assert aside.name in live.cli("status").out + live.cli("status").err
    live.expected_errors = ("damaged",)


@contextmanager
def strange_helper(path: Path) -> Iterator[None]:
    """Something on the keeper's socket that answers as a keeper of another version would."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def answer() -> None:
            with listener.accept()[0] as caller:
                caller.recv(4096)
                sentence = "the process helper speaks protocol 99, this program speaks 1"
                caller.sendall(json.dumps({"refused": sentence, "protocol": 99}).encode() + b"\n")
                caller.recv(4096)

        thread = threading.Thread(target=answer)
        thread.start()
        yield
        thread.join(10)
    path.unlink()


def test_a_process_helper_that_cannot_be_used(live: Live) -> None:
    with strange_helper(live.paths.keeper_socket):
        live.cli("serve").refuses(1, "process helper", "protocol 99")
    live.expected_errors = ("protocol 99",)
    live.start()
    assert live.cli("run", "--", "true").code == 0


def test_a_port_in_use_gives_way_to_a_free_one(live: Live) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        live.start("--port", str(port))
        assert live.endpoint["port"] != port
        doctor = live.cli("doctor", "--json").json["api"]
        assert doctor["port"] == live.endpoint["port"]
        with socket.create_connection(("127.0.0.1", live.endpoint["port"]), timeout=5):
            pass
    live.expected_errors = (str(port),)


def test_a_port_that_is_free_is_used(live: Live) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    live.start("--port", str(port))
    assert live.endpoint["port"] == port


def test_a_home_that_cannot_be_made(live: Live) -> None:
    file = live.home / "file"
    file.write_text("")
    live.cli("serve", env={"TIDEGATE_HOME": str(file / "home")}).refuses(1, str(file))
    live.cli("submit", "--", "true", env={"TIDEGATE_HOME": str(file / "home")}).refuses(3, str(file))


@pytest.mark.parametrize("display", [{}, {"DISPLAY": ":987"}, {"WAYLAND_DISPLAY": "wayland-9"}])
def test_a_window_without_a_display_or_a_session_bus(live: Live, display: dict[str, str]) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM", "DBUS_SESSION_BUS_ADDRESS"):
        live.env.pop(name, None)
    live.cli("gui", env=display).refuses(1, "display", "tidegate serve")
    assert live.keepers() == []


def test_the_application_runs_without_a_session_bus(live: Live) -> None:
    """No D-Bus means no toasts and perhaps no tray; the engine and the window work all the same."""
    live.env.pop("DBUS_SESSION_BUS_ADDRESS", None)
    live.env["QT_QPA_PLATFORM"] = "offscreen"
    application = live.begin("gui")
    until(live.client.alive, 20)
    assert live.cli("run", "--no-start", "--", "sh", "-c", "exit 3").code == 3
    began = time.monotonic()
    application.send_signal(signal.SIGTERM)
    assert application.wait(10) == 0
    assert time.monotonic() - began < promised(ENDS_WITHIN_S)
    live.expected_errors = ("D-Bus", "session bus")


# --- what ends it -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_engine_at_once_and_the_jobs_go_on(engine: Live, number: signal.Signals) -> None:
    flag = engine.home / "go"
    running = engine.submit("sh", "-c", f"until [ -e {flag} ]; do sleep 0.05; done; exit 21")
    held = engine.submit("true", hold="yes")
    waiting = engine.submit("true", after=running)
    pid = engine.pid_of(running)
    code, seconds = engine.signal(number)
    assert code == 0
    assert seconds < promised(ENDS_WITHIN_S)
    assert alive(pid)
    assert not engine.paths.socket.exists()
    assert engine.cli("list").code == 3
    flag.touch()
    until(lambda: not alive(pid))
    engine.start()
    (job,) = engine.finished([running])
    assert (job["outcome"], job["exit_code"], job["attempts"]) == ("failed", 21, 1)
    assert engine.status_of(held) == "held"
    assert engine.finished([waiting])[0]["outcome"] == "skipped"


def test_a_signal_while_a_client_follows_and_waits(engine: Live) -> None:
    """Open requests do not hold the end up."""
    id = engine.submit("sh", "-c", "echo here; sleep 300")
    engine.pid_of(id)
    clients = [engine.begin("wait", id), engine.begin("logs", "-f", id)]
    assert clients[1].stdout is not None
    assert clients[1].stdout.readline() == b"here\n"
    # Their first requests are short; from the one on that is held they look for an engine for 30 s.
    until(lambda: [engine.connections() for _ in range(200)] == [2] * 200)
    code, seconds = engine.signal(signal.SIGTERM)
    assert code == 0
    assert seconds < promised(ENDS_WITHIN_S)
    engine.start()
    engine.cli("kill", id)
    assert [client.wait(20) for client in clients] == [125, 0]


def test_shutdown_leaves_the_jobs_running(engine: Live) -> None:
    flag = engine.home / "go"
    id = engine.submit("sh", "-c", f"until [ -e {flag} ]; do sleep 0.05; done; exit 22")
    pid = engine.pid_of(id)
    assert engine.cli("shutdown").code == 0
    assert engine.engine is not None
    assert engine.engine.wait(5) == 0
    assert alive(pid)
    flag.touch()
    engine.start()
    assert engine.finished([id])[0]["exit_code"] == 22


def test_shutdown_with_its_jobs_ends_them_and_the_keeper_within_kill_timeout() -> None:
    with live_home(kill_timeout="3") as live:
        live.start()
        ids = live.submit_all(
            [("sh", "-c", DEAF)] * 2 + [("sleep", "300")] * 2 + [("sh", "-c", "setsid sleep 300")], retries="2"
        )
        pids = [live.pid_of(id) for id in ids]
        until(lambda: all(live.log_of(id).read_bytes() == b"deaf\n" for id in ids[:2]))
        (keeper,) = live.keepers()
        began = time.monotonic()
        assert live.cli("shutdown", "--stop-jobs").code == 0
        assert live.engine is not None
        assert live.engine.wait(10) == 0
        assert time.monotonic() - began < promised(3 + 1)
        until(lambda: not alive(keeper), 1)
        assert [pid for pid in pids if alive(pid)] == []
        live.leaves_nothing_behind(1)
        live.start()
        jobs = live.finished(ids)
        assert {job["status"] for job in jobs} == {"finished"}
        assert {job["outcome"] for job in jobs} == {"cancelled"}, [job["outcome"] for job in jobs]


def test_a_signal_ends_an_engine_that_waits_for_its_jobs_to_end() -> None:
    with live_home(kill_timeout="6") as live:
        live.start()
        id = live.submit("sh", "-c", DEAF)
        until(lambda: live.log_of(id).exists() and live.log_of(id).read_bytes() == b"deaf\n")
        (keeper,) = live.keepers()
        pid = live.pid_of(id)
        asking = live.begin("shutdown", "--stop-jobs")
        until(lambda: "listening" in live.log() and not live.client.alive())
        code, seconds = live.signal(signal.SIGTERM)
        assert code == 0
        assert seconds < promised(ENDS_WITHIN_S)
        assert asking.wait(10) == 0
        until(lambda: not alive(pid) and not alive(keeper), 10)
        live.expected_errors = ("not everything was closed",)


def test_the_keeper_leaves_when_it_is_not_needed(engine: Live) -> None:
    assert engine.cli("run", "--", "true").code == 0
    (keeper,) = engine.keepers()
    engine.signal(signal.SIGTERM)
    until(lambda: not alive(keeper), 5)
    assert not engine.paths.keeper_socket.exists()


def test_the_keeper_is_tiny_and_bears_no_run_token(engine: Live) -> None:
    (keeper,) = engine.keepers()
    assert not any(name.startswith(b"TIDEGATE_RUN_TOKEN=") for name in environment_of(keeper))
    status = Path(f"/proc/{keeper}/status").read_text()
    resident_kib = int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])
    assert resident_kib < 22 * 1024
    assert os.getsid(keeper) == keeper
    assert look(keeper) is not None
