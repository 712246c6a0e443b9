"""A whole request: what it becomes, and every way in which it is refused with one sentence."""

from __future__ import annotations

import hashlib
import os
import signal
import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from submission.submitting import MACHINE, NO_CARDS, NOW, Desk
from tidegate.core.job import AfterCondition, Dependency, JobId, JobKind, OnPreempt
from tidegate.core.resources import GIB, GpuRequest
from tidegate.submission import environments
from tidegate.submission.build import build
from tidegate.submission.request import OPTIONS, MachineFacts, Refused, SubmitRequest, Understood


@pytest.fixture
def desk(desk: Desk) -> Desk:
    desk.has_programs("sh", "bash", "python3", "work")
    return desk


# --- What it becomes -----------------------------------------------------------------------------------------------


def test_a_plain_command_stays_as_it_was_typed(desk: Desk) -> None:
    spec = desk.submit(command=("work", "-n", "3", "a b")).spec
    assert spec.command == ("work", "-n", "3", "a b")
    assert (spec.cwd, spec.script, spec.kind) == (str(desk.folder), None, JobKind.OTHER)
    assert spec.name == "work -n 3 'a b'"
    assert (spec.cores, spec.memory_bytes, spec.gpu, spec.priority, spec.queue) == (None, None, None, 5, "default")
    assert spec.extra_environment == ()


def test_a_line_goes_through_the_shell(desk: Desk) -> None:
    spec = desk.submit(line="work | sort > out").spec
    assert spec.command == (f"{desk.programs}/sh", "-c", "work | sort > out")
    assert spec.name == "work | sort > out"
    assert desk.submit(line="echo ${x^^}", shell="bash").spec.command[0] == f"{desk.programs}/bash"


def test_python_commands_are_of_the_python_class(desk: Desk) -> None:
    assert desk.submit(command=("python3", "x.py")).spec.kind is JobKind.PYTHON


def test_every_option_arrives_where_it_belongs(desk: Desk) -> None:
    job = desk.submit(
        command=("work",),
        cpus="2.5",
        mem="4G",
        mem_limit="6G",
        gpu="8G,0.5",
        device="0",
        time="30",
        priority="0",
        queue="batch",
        name="my job",
        after="7,any:8.2",
        begin="now+1h",
        deadline="now+1d",
        retries="3",
        label=["a", "b,c"],
        env=["X=1", "X=2=3", "Y="],
        hold="",
        array="0-4:2%2",
        on_preempt="requeue",
        preemptible="no",
        locks="disk",
        dedupe="nightly",
        checkpoint_signal="usr1",
        checkpoint_grace="2m",
    )
    spec = job.spec
    assert (spec.cores, spec.memory_bytes, spec.memory_limit_bytes) == (2.5, 4 * GIB, 6 * GIB)
    assert (spec.gpu, spec.device) == (GpuRequest(0.5, 8 * GIB), "0")
    assert (spec.time_limit_s, spec.priority, spec.queue, spec.name) == (1800, 0, "batch", "my job")
    assert spec.after == (Dependency(JobId(7)), Dependency(JobId(8, 2), AfterCondition.ANY))
    assert (spec.begin_at, spec.deadline_at) == (NOW + 3600, NOW + 86400)
    assert (spec.retries, spec.labels, spec.locks, spec.dedupe_key) == (3, ("a", "b", "c"), ("disk",), "nightly")
    assert job.held
    assert (job.array, spec.array_size, spec.array_parallel) == ((0, 2, 4), 3, 2)
    assert (spec.on_preempt, spec.preemptible) == (OnPreempt.REQUEUE, False)
    assert (spec.checkpoint_signal, spec.checkpoint_grace_s) == (int(signal.SIGUSR1), 120)
    extra = dict(spec.extra_environment)
    assert (extra["X"], extra["Y"], extra["OMP_NUM_THREADS"]) == ("2=3", "", "2")
    assert job.warnings == ("preemptible=no: this job is spared until the last memory line, and then taken last.",)


def test_every_option_has_a_reader(desk: Desk) -> None:
    """An option that is accepted and then forgotten would be the worst kind of answer."""
    for option in OPTIONS:
        value = {"env": "nonsense", "name": " ", "label": " ", "locks": " ", "dedupe": " "}.get(option, "non/sense")
        assert desk.refused(line="work", **{option: value}).field == option
        assert "NUL" in desk.refused(line="work", **{option: "a\0b"}).sentence


def test_thread_hints_only_with_cpus_and_never_over_the_users_own(desk: Desk) -> None:
    assert desk.submit(command=("work",)).spec.extra_environment == ()
    desk.environ["MKL_NUM_THREADS"] = "7"
    extra = dict(desk.submit(command=("work",), cpus="4", env=["OMP_NUM_THREADS=9"]).spec.extra_environment)
    assert extra["OMP_NUM_THREADS"] == "9"
    assert "MKL_NUM_THREADS" not in extra
    assert extra["OPENBLAS_NUM_THREADS"] == "4"
    assert dict(desk.submit(command=("work",), cpus="0.5").spec.extra_environment)["OMP_NUM_THREADS"] == "1"


def test_a_begin_in_the_past_is_now(desk: Desk) -> None:
    job = desk.submit(command=("work",), begin="2020-01-01T00:00")
    assert job.spec.begin_at is None
    assert "lies in the past" in job.warnings[0]


def test_the_time_zone_is_that_of_the_person(desk: Desk) -> None:
    desk.environ["TZ"] = "Asia/Tokyo"
    assert desk.submit(command=("work",), deadline="2030-01-01T09:00").spec.deadline_at == 1893456000
    desk.environ["TZ"] = "Nowhere/Land"
    assert desk.submit(command=("work",), deadline="2030-01-01T09:00Z").spec.deadline_at == 1893488400


def test_a_device_that_names_cards_asks_for_them(desk: Desk) -> None:
    assert desk.submit(command=("work",), device="0").spec.gpu == GpuRequest(1)
    assert desk.submit(command=("work",), device="cpu").spec.gpu is None


def test_the_folder_asked_for(desk: Desk) -> None:
    (desk.folder / "sub").mkdir()
    script = desk.file("s.sh", "echo\n")
    spec = desk.submit("s.sh", cwd="sub").spec
    assert (spec.cwd, spec.command[1]) == (f"{desk.folder}/sub", str(script))
    assert desk.submit("s.sh", cwd="~").spec.cwd == desk.environ["HOME"]


def test_a_program_made_by_an_earlier_job_is_waited_for(desk: Desk) -> None:
    job = desk.submit(command=("./build/solver",), after="7")
    assert job.spec.command == ("./build/solver",)
    assert job.warnings == ("./build/solver is not there yet.",)


def test_a_variable_given_counts_where_programs_are_looked_for(desk: Desk) -> None:
    other = desk.file("../other/tool", "#!/bin/sh\n", run=True).parent
    assert desk.submit(command=("tool",), env=[f"PATH={other}"]).spec.command == ("tool",)


def test_default_names_stay_short_and_printable(desk: Desk) -> None:
    assert desk.submit(command=(f"{desk.programs}/work", "x")).spec.name == "work x"
    name = desk.submit(command=("work", "a" * 100)).spec.name
    assert len(name) == 40
    assert name.endswith("…")
    assert desk.submit(line="work\t 1 &&\nwork\x07 2").spec.name == "work 1 && work\ufffd 2"


# --- Environments --------------------------------------------------------------------------------------------------


def test_the_environment_is_stored_once_and_readable_by_nobody_else(desk: Desk) -> None:
    desk.environ["RAW"] = os.fsdecode(b"\xff\xfe=1")
    first, second = (desk.submit(command=("work",)).spec.environment for _ in range(2))
    assert first == second
    [path] = desk.environments.iterdir()
    content = path.read_bytes()
    assert path.name == f"{first}.env"
    assert first == hashlib.sha256(content).hexdigest()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert b"RAW=\xff\xfe=1" in content.split(b"\0")
    assert environments.load(desk.environments, first or "") == desk.environ


def test_a_stored_environment_is_never_written_again(tmp_path: Path) -> None:
    digest = environments.store(tmp_path, {"A": "1"})
    (tmp_path / f"{digest}.env").write_bytes(b"marked")
    assert environments.store(tmp_path, {"A": "1"}) == digest
    assert (tmp_path / f"{digest}.env").read_bytes() == b"marked"


@given(
    st.dictionaries(st.text(st.characters(codec="utf-8", exclude_characters="\0="), min_size=1), st.binary(max_size=9))
)
def test_any_environment_survives_encoding(environ: dict[str, bytes]) -> None:
    as_text = {name: os.fsdecode(value.replace(b"\0", b"")) for name, value in environ.items()}
    assert environments.decode(environments.encode(as_text)) == as_text


def test_a_preview_writes_nothing(desk: Desk) -> None:
    request = SubmitRequest(command=("work",), cwd=str(desk.folder), environment=desk.environ)
    [job] = build(request, MACHINE, python=None, now=NOW, environments_dir=None)
    assert job.spec.environment is None
    assert not desk.environments.exists()


def test_a_job_that_submits_a_job_does_not_hand_on_who_it_is(desk: Desk) -> None:
    desk.environ |= {"TIDEGATE_JOB_ID": "7.1", "TIDEGATE_ARRAY_INDEX": "1", "TIDEGATE_RUN_TOKEN": "t"}
    desk.environ |= {"SLURM_ARRAY_TASK_ID": "1", "TIDEGATE_HOME": "/h", "_": "/usr/bin/tidegate", "PWD": "/"}
    stored = environments.load(desk.environments, desk.submit(command=("work",)).spec.environment or "")
    assert stored == {**{key: desk.environ[key] for key in ("PATH", "HOME", "TIDEGATE_HOME")}, "PWD": str(desk.folder)}


def test_an_environment_that_cannot_be_written_is_said(desk: Desk) -> None:
    desk.file("../blocked")
    desk.environments = desk.folder.parent / "blocked" / "environments"
    with pytest.raises(Refused) as caught:
        desk.submit(command=("work",))
    assert caught.value.field == "environment"
    assert "cannot be written down" in caught.value.sentence


# --- Refusals ------------------------------------------------------------------------------------------------------


def test_a_missing_script_with_the_nearest_name(desk: Desk) -> None:
    desk.file("sub/train_model.py", "pass\n")
    refused = desk.refused("sub/train_modle.py")
    assert (refused.field, refused.value, refused.usage) == ("script", "sub/train_modle.py", False)
    assert refused.sentence == "There is no file sub/train_modle.py; did you mean sub/train_model.py?"
    assert desk.refused("zzz.py").sentence == "There is no file zzz.py."
    assert "nowhere does not exist" in desk.refused("nowhere/x.py").sentence
    assert "has no name" in desk.refused("").sentence


def test_a_folder_is_no_script(desk: Desk) -> None:
    (desk.folder / "project").mkdir()
    assert "project is a folder; submit a file in it: .py" in desk.refused("project").sentence


def test_other_things_that_are_no_scripts(desk: Desk) -> None:
    os.mkfifo(desk.folder / "pipe.py")
    assert "not an ordinary file" in desk.refused("pipe.py").sentence
    (desk.folder / "loop.py").symlink_to("loop.py")
    assert "cannot be read" in desk.refused("loop.py").sentence
    desk.file("notes.txt", "hello\n")
    assert "nothing says with what" in desk.refused("notes.txt").sentence
    desk.file("empty", "")
    assert "is empty" in desk.refused("empty").sentence
    desk.file("empty.py", "")
    assert "it will do nothing" in desk.submit("empty.py").warnings[0]


def test_a_binary_without_run_bit(desk: Desk) -> None:
    path = desk.file("solver", b"\x7fELF\0\0")
    assert desk.refused("solver").sentence.endswith(f"chmod +x {path}")
    assert desk.refused(command=("./solver",)).sentence.endswith(f"chmod +x {desk.folder}/./solver")


@pytest.mark.parametrize(
    ("command", "usage", "says"),
    [
        ((), True, "There is no command to run."),
        (("",), True, "There is no command to run."),
        (("nosuch",), False, "There is no program nosuch on the PATH."),
        (("./nosuch",), False, "There is no program ./nosuch."),
        (("cd", "/tmp"), False, "cd is part of the shell, not a program; say: sh -c 'cd ...'"),
        (("./folder",), False, "./folder is a folder, not a program."),
        (("here.sh",), False, "run with ./here.sh"),
    ],
)
def test_commands_that_cannot_run(desk: Desk, command: tuple[str, ...], usage: bool, says: str) -> None:
    (desk.folder / "folder").mkdir()
    desk.file("here.sh", "echo\n", run=True)
    refused = desk.refused(command=command)
    assert (refused.field, refused.usage) == ("command", usage)
    assert says in refused.sentence


def test_empty_lines_and_missing_shells(desk: Desk) -> None:
    assert desk.refused(line="  ").usage
    assert desk.refused(line="x", shell="zsh").sentence == "The shell zsh is not on the PATH."


def test_a_shell_is_chosen_for_lines_only(desk: Desk) -> None:
    refused = desk.refused(command=("work",), shell="bash")
    assert (refused.field, refused.usage) == ("shell", True)


def test_exactly_one_thing_to_run(desk: Desk) -> None:
    assert "exactly one" in desk.refused().sentence
    assert "exactly one" in desk.refused("x.py", line="x").sentence


def test_folders_to_run_in(desk: Desk) -> None:
    desk.file("plain")
    assert "does not exist" in desk.refused(command=("work",), cwd="nowhere").sentence
    assert "is not a folder" in desk.refused(command=("work",), cwd="plain").sentence
    assert desk.refused(command=("work",), here="/nowhere/at/all").field == "cwd"
    assert "not a full path" in desk.refused(command=("work",), here="sub").sentence


@pytest.mark.parametrize("field", ["script", "command", "line", "args", "environment"])
def test_nul_bytes(desk: Desk, field: str) -> None:
    desk.file("x.py", "pass\n")
    nul: dict[str, object] = {"command": ("work", "a\0b")} if field == "command" else {"line": "a\0b"}
    if field == "script":
        refused = desk.refused("a\0b")
    elif field == "args":
        refused = desk.refused("x.py", "a\0b")
    elif field == "environment":
        desk.environ["A"] = "a\0b"
        refused = desk.refused("x.py")
    else:
        refused = desk.refused(**nul)
    assert (refused.field, refused.usage) == (field, True)
    assert "NUL" in refused.sentence
    assert "\0" not in refused.value


def test_an_argument_longer_than_the_system_takes(desk: Desk) -> None:
    assert "takes at most 131,071" in desk.refused(line="x" * 200_000).sentence
    assert desk.submit(line="x" * 131_071).spec.command[2] == "x" * 131_071


def test_more_than_the_machine_has_is_refused_with_both_numbers(desk: Desk) -> None:
    memory = desk.refused(command=("work",), mem="64G")
    assert (memory.field, memory.usage) == ("mem", False)
    assert memory.sentence == (
        "64 GB of memory is wanted, and jobs can have at most 28 GB of this machine's 32 GB, "
        "so the job could never run."
    )
    cores = desk.refused(command=("work",), cpus="9")
    assert (cores.field, cores.usage) == ("cpus", False)
    assert cores.sentence == "9 cores are wanted, and this machine has 8, so the job could never run."
    cards = desk.refused(command=("work",), gpu="2")
    assert (cards.field, cards.usage) == ("gpu", False)
    assert "wants 2 cards, and there is 1" in cards.sentence


def test_exactly_what_the_machine_has_is_taken(desk: Desk) -> None:
    assert desk.submit(command=("work",), mem="28G", cpus="8", gpu="1").spec.memory_bytes == 28 * GIB
    desk.machine = MachineFacts(8, 32 * GIB, None)
    assert desk.submit(command=("work",), mem="64G").spec.memory_bytes == 64 * GIB


def test_a_card_on_a_machine_without_one(desk: Desk) -> None:
    desk.machine = NO_CARDS
    assert "no graphics card" in desk.refused(command=("work",), gpu="0.5").sentence
    assert desk.submit(command=("work",), gpu="none").spec.gpu is None


@pytest.mark.parametrize(
    ("options", "field", "says"),
    [
        ({"mem": "8"}, "mem", "mem=8 cannot be read: a size needs its unit: say 8G or 8M."),
        ({"mem": "lots"}, "mem", "such as 8G, 1.5G or 512M"),
        ({"mem": ""}, "mem", "a size is"),
        ({"mem_limit": "-1G"}, "mem-limit", "a size is"),
        ({"mem": "2G", "mem_limit": "1G"}, "mem-limit", "below what mem promises"),
        ({"cpus": "0"}, "cpus", "above 0"),
        ({"time": "soon"}, "time", "a time is such as"),
        ({"priority": "10"}, "priority", "from 0 to 9"),
        ({"priority": "-1"}, "priority", "from 0 to 9"),
        ({"queue": "a b"}, "queue", "one word"),
        ({"name": " "}, "name", "1 to 200"),
        ({"after": "x"}, "after", "x is not a job id"),
        ({"begin": "25:00"}, "begin", "between 00:00 and 23:59"),
        ({"deadline": "yesterday"}, "deadline", "a moment is such as"),
        ({"begin": "now+2h", "deadline": "now+1h"}, "deadline", "before begin"),
        ({"retries": "many"}, "retries", "from 0 to 1000"),
        ({"label": ["a,,b"]}, "label", "a word"),
        ({"env": ["NOVALUE"]}, "env", "NAME=VALUE"),
        ({"env": ["=x"]}, "env", "NAME=VALUE"),
        ({"hold": "maybe"}, "hold", "yes or no"),
        ({"array": "1-200000"}, "array", "at most 100,000"),
        ({"array": ""}, "array", "an array is such as"),
        ({"on_preempt": "sleep"}, "on-preempt", "pause, requeue or kill"),
        ({"preemptible": "2"}, "preemptible", "yes or no"),
        ({"checkpoint_signal": "KILL"}, "checkpoint-signal", "no program can catch"),
        ({"checkpoint_signal": "HELLO"}, "checkpoint-signal", "such as USR1"),
        ({"checkpoint_grace": "30"}, "checkpoint-grace", "say 30s"),
        ({"gpu": "1.5"}, "gpu", "whole cards"),
        ({"device": "gpu"}, "device", "auto, cpu"),
        ({"device": "cpu", "gpu": "1"}, "device", "contradicts"),
        ({"device": "0", "gpu": "none"}, "device", "contradicts"),
        ({"device": "0", "gpu": "2"}, "device", "fewer cards"),
        ({"memory": "8G"}, "memory", "There is no option memory (did you mean mem?)"),
        ({"zzzz": "8G"}, "zzzz", "the options are cpus, mem"),
    ],
)
def test_values_that_cannot_be_understood(desk: Desk, options: dict[str, object], field: str, says: str) -> None:
    refused = desk.refused(command=("work",), **options)
    assert (refused.field, refused.usage) == (field, True)
    assert says in refused.sentence


def test_a_deadline_in_the_past_is_understood_and_refused(desk: Desk) -> None:
    refused = desk.refused(command=("work",), deadline="2020-01-01")
    assert (refused.field, refused.usage) == ("deadline", False)
    assert refused.sentence == ("deadline=2020-01-01 cannot be granted: it lies in the past, so it could never be met.")


def test_a_file_nobody_may_read(desk: Desk) -> None:
    if os.getuid() == 0:
        pytest.skip("root may read everything")
    desk.file("x.py", "pass\n").chmod(0)
    assert "no permission" in desk.refused("x.py").sentence


def submits_or_says_why(desk: Desk, script: str | None = None, **more: object) -> Refused | Understood:
    """The job or the refusal; anything else that is raised fails the test."""
    try:
        return desk.submit(script, **more)
    except Refused as refused:
        return refused


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(st.sampled_from(OPTIONS), st.text(max_size=12))
def test_no_value_at_all_breaks_submission(desk: Desk, option: str, value: str) -> None:
    answer = submits_or_says_why(desk, command=("work",), **{option: value})
    if isinstance(answer, Refused):
        assert answer.field == option or (option, answer.field) == ("device", "gpu")
        answer.sentence.encode()
    else:
        assert answer.spec.command == ("work",)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(st.binary(max_size=200))
def test_no_file_at_all_breaks_submission(desk: Desk, content: bytes) -> None:
    for name, head in (("any.py", b"# tidegate: "), ("any.sh", b"#SBATCH "), ("any", b"#!"), ("any.ipynb", b"")):
        desk.file(name, head + content)
        answer = submits_or_says_why(desk, name)
        if isinstance(answer, Refused):
            answer.sentence.encode()
        else:
            assert str(desk.folder / name) in answer.spec.command
