"""Names, paths, arguments, variables and output in any encoding: the bytes that went in come out."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from support.live import Live
from support.until import until

ODD = b"na\xefve \xff\xfe\xe2\x82\xac '\"$\n\t-end"
SHOW = r"""
import os, sys
with open(os.environb[b"SEEN"], "wb") as file:
    file.write(b"\0".join([os.getcwdb(), *map(os.fsencode, sys.argv[1:]), os.environb[b"ODD"]]))
os.write(1, os.fsencode(sys.argv[1]))
"""


def test_arguments_folder_variables_and_output(shared: Live) -> None:
    folder = os.fsencode(shared.home) + b"/" + ODD
    os.mkdir(folder)
    seen = shared.home / "seen"
    said = subprocess.run(
        [
            *(sys.executable, "-m", "tidegate", "run", "--name", ODD, "--env", b"ODD=" + ODD, "--env", f"SEEN={seen}"),
            *("--", sys.executable, "-I", "-S", "-c", SHOW, ODD, b"", b" "),
        ],
        env=shared.env,
        cwd=folder,
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert (said.returncode, said.stderr) == (0, b"")
    assert said.stdout == ODD
    assert seen.read_bytes().split(b"\0") == [folder, ODD, b"", b" ", ODD]


def test_a_captured_variable_and_a_name_of_odd_bytes(shared: Live) -> None:
    environment = {**{os.fsencode(k): os.fsencode(v) for k, v in shared.env.items()}, b"CAPTURED\xff": ODD}
    done = subprocess.run(
        [sys.executable, "-m", "tidegate", "run", "--", "env", "-0"],
        env=environment,
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done
    assert b"CAPTURED\xff=" + ODD in done.stdout.split(b"\0")


def test_a_script_in_a_folder_of_odd_bytes_with_arguments(shared: Live) -> None:
    folder = os.fsencode(shared.home) + b"/scripts\xff\xe9"
    os.mkdir(folder)
    script = folder + b"/r\xe9sum\xe9 1.sh"
    Path(os.fsdecode(script)).write_bytes(b'#!/bin/sh\n# tidegate: mem=16M\nprintf %s "$1"\nexit 3\n')
    os.chmod(script, 0o755)
    said = shared.cli("run", script, b"arg\xff")
    assert said.code == 3
    assert os.fsencode(said.out) == b"arg\xff"


def test_lines_of_a_file_in_any_encoding(shared: Live) -> None:
    said = shared.cli("submit", "--mem", "16M", "--each-line", "-", stdin=b"printf '\xff\xe9'\nprintf caf\xe9\r\n")
    ids = said.out.split()
    shared.finished(ids)
    assert [shared.log_of(id).read_bytes() for id in ids] == [b"\xff\xe9", b"caf\xe9"]


def test_every_reading_verb_shows_such_a_job_on_one_line_each_and_as_json(shared: Live) -> None:
    id = shared.cli("submit", "--hold", "--name", ODD, "--", "echo", ODD).id
    for verb in ("list", "show", "why", "journal"):
        for json_ in ([], ["--json"]):
            said = shared.cli(verb, *([id] if verb in ("show", "why") else []), *json_)
            assert said.code == 0, said
            assert "Traceback" not in said.err
    rows = [line for line in shared.cli("list").out.splitlines() if line.split()[0] == id]
    assert len(rows) == 1
    assert os.fsencode(shared.cli("show", id, "--json").json["command"][1]) == ODD
    shared.cli("cancel", id)


def test_they_survive_a_kill(live: Live) -> None:
    live.start()
    id = live.cli("submit", "--hold", "--name", ODD, "--", "printf", "%s", ODD).id
    live.restart()
    job = live.job(id)
    assert os.fsencode(job["command"][2]) == ODD
    assert job["name"].isprintable()
    live.cli("release", id)
    live.finished([id])
    assert live.log_of(id).read_bytes() == ODD


def test_a_home_of_odd_bytes_with_a_long_name(live: Live) -> None:
    """Its sockets lie elsewhere then: their address would be too long."""
    home = os.fsencode(live.home) + b"/h\xff\xe9 " + b"long" * 30
    environment = {**{os.fsencode(k): os.fsencode(v) for k, v in live.env.items()}, b"TIDEGATE_HOME": home}
    environment[b"XDG_RUNTIME_DIR"] = os.fsencode(live.home)

    def tidegate(*words: str) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-m", "tidegate", *words]
        return subprocess.run(command, env=environment, capture_output=True, timeout=30, check=False)

    ran = tidegate("run", "--", "sh", "-c", "echo hi; exit 4")
    assert (ran.returncode, ran.stdout) == (4, b"hi\n"), ran
    ended = tidegate("shutdown", "--stop-jobs")
    assert ended.returncode == 0, ended
    mark = b"TIDEGATE_HOME=" + home

    def left() -> list[str]:
        names = [name for name in os.listdir("/proc") if name.isdigit()]
        return [name for name in names if mark in _environment(name)]

    until(lambda: left() == [])


def _environment(pid: str) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []
