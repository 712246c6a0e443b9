"""Jobs as real processes: exit codes, environment, output, and one clear sentence for each start that fails."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest
from keeper_harness import BOOT_ID, World, alive, play

from tidegate.engine.ports import RunActionFailed, RunExited, RunStarted
from tidegate.execution.processes import ProcessIdentity, is_alive, pid_of, tree_of


def test_exit_codes_signals_and_what_was_used(home: Path) -> None:
    async def story(world: World) -> None:
        await world.connect()
        world.start("ok", "true")
        world.start("seven", "sh", "-c", "exit 7")
        world.start("segv", "sh", "-c", "kill -SEGV $$")
        world.python("big", "x = bytearray(80 << 20); sum(range(3_000_000))")
        assert await world.result("ok") == (0, None)
        assert await world.result("seven") == (7, None)
        assert await world.result("segv") == (None, 11)
        assert await world.result("big") == (0, None)
        end = await world.wait(RunExited, "big")
        assert end.peak_memory_bytes is not None
        assert 80 << 20 < end.peak_memory_bytes < 200 << 20
        assert end.cpu_s is not None
        assert end.cpu_s > 0.02
        assert end.started_at is not None
        assert end.started_at <= end.at
        started = await world.wait(RunStarted, "big")
        assert end.identity == started.run.identity

    play(home, story)


def test_identity_is_that_of_the_process(home: Path) -> None:
    async def story(world: World) -> None:
        await world.connect()
        world.start("s", "sh", "-c", "sleep 60 & wait")
        run = (await world.wait(RunStarted, "s")).run
        pid = pid_of(run)
        assert pid is not None
        assert run.identity is not None
        identity = ProcessIdentity.parse(run.identity)
        assert identity.boot_id == BOOT_ID
        assert abs(identity.create_time - psutil.Process(pid).create_time()) < 1.5
        assert is_alive(identity, BOOT_ID)
        assert not is_alive(identity._replace(create_time=identity.create_time - 60), BOOT_ID)
        assert not is_alive(identity, "another-boot")
        await world.until(lambda: len(tree_of(identity, BOOT_ID)) == 2)
        assert Path(f"/proc/{pid}/oom_score_adj").read_text().strip() == "500"
        assert os.getsid(pid) == pid
        world.app.kill("s")
        await world.result("s")
        assert not is_alive(identity, BOOT_ID)

    play(home, story)


def test_environment_and_paths_survive_as_bytes(home: Path) -> None:
    stored = b"PATH=/usr/bin:/bin\0WEIRD=\xff\xfe=\xe4\0EMPTY=\0MULTI=a\nb\0OVER=old\0"
    (home / "abc.env").write_bytes(stored)
    folder = os.fsdecode(os.fsencode(home) + b"/f\xe4\xff")
    os.mkdir(folder)
    command = ("sh", "-c", 'printf "%s\\0" "$WEIRD" "$MULTI" "$OVER" "$1" "$PWD" "${HOME-unset}"', "sh", "\udcff-x")

    async def story(world: World) -> None:
        await world.connect()
        extra = (("OVER", "n\udce4w"), ("TIDEGATE_JOB_ID", "7"))
        log = os.path.join(folder, "out\udcfe.log")
        world.start("e", *command, cwd=folder, environment="abc", extra_environment=extra, log_path=log)
        assert await world.result("e") == (0, None)
        parts = Path(log).read_bytes().split(b"\0")
        assert parts[:4] == [b"\xff\xfe=\xe4", b"a\nb", b"n\xe4w", b"\xff-x"]
        assert parts[4] == os.fsencode(folder)
        assert parts[5] == b"unset"
        assert os.stat(log).st_mode & 0o777 == 0o600

    play(home, story)


def test_a_job_starts_clean(home: Path) -> None:
    """Default signals, no blocked ones, nothing inherited but stdin (empty), stdout and stderr."""
    code = """
import os
status = {line.split(":")[0]: line.split()[-1] for line in open("/proc/self/status") if line.startswith("Sig")}
print(sorted(int(fd) for fd in os.listdir("/proc/self/fd"))[:3], len(os.listdir("/proc/self/fd")))
print(repr(os.read(0, 10)), os.environ["TIDEGATE_RUN_TOKEN"], os.getcwd(), flush=True)
print(status["SigBlk"], os.getpid() == os.getsid(0))
"""

    async def story(world: World) -> None:
        await world.connect()
        world.python("clean", code)
        world.start("pipe", "sh", "-c", "grep SigIgn /proc/self/status")
        assert await world.result("clean") == (0, None)
        assert world.log("clean").read_text().splitlines() == [
            "[0, 1, 2] 4",
            f"b'' clean {home}",
            "0000000000000000 True",
        ]
        assert await world.result("pipe") == (0, None)
        ignored = int(world.log("pipe").read_text().split()[1], 16)
        assert ignored & ~(0b11 << 31) == 0  # 32 and 33 are the C library's own; nobody can reset them

    play(home, story)


def test_output_files_of_its_own(home: Path) -> None:
    async def story(world: World) -> None:
        await world.connect()
        out, err = str(home / "out.txt"), str(home / "err.txt")
        both = "echo good; echo bad >&2"
        world.start("two", "sh", "-c", both, stdout_path=out, stderr_path=err)
        world.start("one", "sh", "-c", both, stdout_path="rel.txt", stderr_path="rel.txt")
        world.start("half", "sh", "-c", both, stdout_path=str(home / "half.txt"))
        for token in ("two", "one", "half"):
            assert await world.result(token) == (0, None)
        assert Path(out).read_text() == "good\n"
        assert Path(err).read_text() == "bad\n"
        assert (home / "rel.txt").read_text() == "good\nbad\n"
        assert world.log("half").read_text() == "bad\n"
        os.mkfifo(home / "fifo")
        world.start("fifo", "true", stdout_path=str(home / "fifo"))
        assert "named pipe" in await world.start_error("fifo")

    play(home, story)


def _script(path: Path, text: bytes, mode: int = 0o755) -> str:
    path.write_bytes(text)
    path.chmod(mode)
    return str(path)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("absent", "There is no program 'no-such-program-here' in the folders of this job's PATH."),
        ("absent_path", "There is no program at '{home}/nothing'."),
        ("no_run_bit", "'{home}/norun.sh' lacks the permission to be executed (its run bit)"),
        ("no_run_bit_in_path", "'{home}/norun.sh' lacks the permission to be executed (its run bit)"),
        ("folder", "'{home}' is a folder, not a program."),
        ("interpreter", "wants the interpreter '/no/such/interpreter', which does not exist."),
        ("windows", "has Windows line ends, so its interpreter '/bin/sh' is not found"),
        ("text", "'{home}/text' is neither a program for this machine nor a script that names its interpreter"),
        ("cwd", "The working folder '{home}/gone' does not exist."),
        ("cwd_file", "The working folder '{home}/text' is not a folder."),
        ("log", "The output file '{home}/nolog/x.log' cannot be made: the folder '{home}/nolog' does not exist."),
        ("log_folder", "The output file '{home}' cannot be written: is a directory."),
        ("long", "The arguments and variables are too long:"),
        ("zero", "contains a zero byte"),
        ("empty", "The command is empty."),
        ("environment", "The environment stored for this job cannot be read: '{home}/nohash.env'"),
    ],
)
def test_each_start_error_is_one_sentence(home: Path, name: str, expected: str) -> None:
    no_run = _script(home / "norun.sh", b"#!/bin/sh\n", 0o644)
    text = _script(home / "text", b"just words\n")
    place = str(home)
    cases: dict[str, tuple[tuple[str, ...], dict[str, object]]] = {
        "absent": (("no-such-program-here",), {}),
        "absent_path": ((f"{place}/nothing",), {}),
        "no_run_bit": ((no_run,), {}),
        "no_run_bit_in_path": (("norun.sh",), {"extra_environment": (("PATH", place),)}),
        "folder": ((place,), {}),
        "interpreter": ((_script(home / "i", b"#!/no/such/interpreter -x\n"),), {}),
        "windows": ((_script(home / "w", b"#!/bin/sh\r\necho\r\n"),), {}),
        "text": ((text,), {}),
        "cwd": (("true",), {"cwd": f"{place}/gone"}),
        "cwd_file": (("true",), {"cwd": text}),
        "log": (("true",), {"log_path": f"{place}/nolog/x.log"}),
        "log_folder": (("true",), {"log_path": place}),
        "long": (("true", "x" * 140_000), {}),
        "zero": (("true", "a\0b"), {}),
        "empty": ((), {}),
        "environment": (("true",), {"environment": "nohash"}),
    }
    command, changes = cases[name]

    async def story(world: World) -> None:
        await world.connect()
        world.start(name, *command, **changes)
        error = await world.start_error(name)
        assert expected.format(home=place) in error
        assert error.endswith(".")
        assert "\n" not in error
        world.start("after", "true")
        assert await world.result("after") == (0, None)

    play(home, story)


def test_a_second_start_of_the_same_attempt_is_refused(home: Path) -> None:
    async def story(world: World) -> None:
        await world.connect()
        world.start("a", "sh", "-c", "echo ran; sleep 60")
        pid = await world.started("a")
        world.start("a", "sh", "-c", "echo again")
        failed = await world.wait(RunActionFailed, "a")
        assert failed.action == "start"
        world.start("b", "true", job="a", attempt=1)
        assert "started already" in await world.start_error("b")
        assert alive(pid)
        world.app.kill("a")
        assert await world.result("a") == (None, 9)
        world.app.acknowledge(["a", "b"])
        world.events.clear()
        world.start("c", "true")
        await world.result("c")
        world.start("a", "true")
        assert (await world.wait(RunActionFailed, "a")).action == "start"
        assert world.log("a").read_text() == "ran\n"

    play(home, story)
