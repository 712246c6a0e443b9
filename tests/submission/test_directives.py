"""What a file says about its own job: ``# tidegate:`` words and ``#SBATCH`` lines, in Slurm's own units."""

from __future__ import annotations

import pytest

from submission.submitting import NOW, Desk
from tidegate.core.job import AfterCondition, Dependency, JobId, OnPreempt
from tidegate.core.resources import GIB, MIB, GpuRequest
from tidegate.submission.grammar import NotUnderstood
from tidegate.submission.slurm import nice_priority, slurm_moment, slurm_time


@pytest.fixture
def desk(desk: Desk) -> Desk:
    desk.has_programs("python3", "sh", "bash", "node")
    return desk


def test_our_words_in_the_first_comment_block(desk: Desk) -> None:
    desk.file(
        "t.py",
        "#!/usr/bin/env python3\n"
        "# -*- coding: utf-8 -*-\n"
        "# Trains the model.\n"
        "\n"
        "# tidegate: mem=8G gpu=1 priority=2   # what it needs\n"
        "#tidegate: name='the big one' label=night label=big mem_limit = 10G\n"
        '# Tidegate: env=MODE=fast time="90m"\n'
        "import this\n",
    )
    job = desk.submit("t.py")
    spec = job.spec
    assert (spec.memory_bytes, spec.memory_limit_bytes, spec.priority) == (8 * GIB, 10 * GIB, 2)
    assert spec.gpu == GpuRequest(1)
    assert (spec.name, spec.labels, spec.time_limit_s) == ("the big one", ("night", "big"), 5400)
    assert spec.extra_environment == (("MODE", "fast"),)
    assert job.warnings == ()
    assert job.directives[0] == "t.py, line 5: tidegate: mem=8G gpu=1 priority=2   # what it needs"
    assert not spec.slurm_names


def test_the_command_line_beats_the_file(desk: Desk) -> None:
    desk.file("t.py", "# tidegate: mem=8G priority=2 label=file env=A=file env=B=file\n")
    spec = desk.submit("t.py", mem="1G", label=["mine"], env=["A=mine"]).spec
    assert (spec.memory_bytes, spec.priority, spec.labels) == (GIB, 2, ("mine",))
    assert dict(spec.extra_environment) == {"A": "mine", "B": "file"}


def test_a_later_directive_beats_an_earlier_one_and_ours_beat_slurms(desk: Desk) -> None:
    desk.file("t.sh", "#SBATCH --mem=1G\n# tidegate: mem=2G\n# tidegate: mem=3G\n#SBATCH --mem=4G\n")
    assert desk.submit("t.sh").spec.memory_bytes == 3 * GIB


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.js", "// tidegate: mem=2G\nconsole.log(1)\n"),
        ("t.sh", "#!/bin/sh\n# tidegate: mem=2G\n"),
        ("t.py", "\ufeff# tidegate: mem=2G\r\nprint(1)\r\n"),
        ("t.py", "\n\n## tidegate : mem=2G"),
    ],
)
def test_comment_signs_of_each_language(desk: Desk, name: str, text: str) -> None:
    desk.has_programs("env")
    desk.file(name, text.replace("#!/bin/sh", f"#!{desk.programs}/sh"))
    assert desk.submit(name).spec.memory_bytes == 2 * GIB


def test_an_unknown_directive_is_a_warning_that_names_the_line(desk: Desk) -> None:
    desk.file(
        "t.py", "# one\n# tidegate: memory=8G mem=1G\n# tidegate mem=2G\n# tidegate:\nprint()\n# tidegate: gpu=1\n"
    )
    job = desk.submit("t.py")
    assert job.spec.memory_bytes == GIB
    assert job.spec.gpu is None
    assert job.warnings == (
        "t.py, line 2: unknown directive memory (did you mean mem?); it is not used.",
        "t.py, line 3: not read, because the colon is missing after the word tidegate.",
        "t.py, line 4: the directive is empty.",
        "t.py, line 6: not read, because directives stand in the first comment block.",
    )


@pytest.mark.parametrize(
    ("line", "field", "says"),
    [
        ("# tidegate: mem=8X", "mem", "t.py, line 2: mem=8X cannot be read: a size is"),
        ("# tidegate: mem=8", "mem", "say 8G or 8M"),
        ("# tidegate: mem", "mem", "t.py, line 2: mem has no value"),
        ("# tidegate: priority=10", "priority", "from 0 to 9"),
        ("# tidegate: name='open", "directive", "t.py, line 2: the quotes in"),
        ("#SBATCH --mem=lots", "mem", "t.py, line 2: --mem=lots cannot be read: a size is"),
        ("#SBATCH --time=1:2:3:4", "time", "Slurm's times are"),
        ("#SBATCH --time", "time", "its value is missing"),
        ("#SBATCH mem=4G", "SBATCH", "not an option of sbatch"),
        ("#SBATCH --cpus-per-task=many", "cpus-per-task", "cores are a number"),
        ("#SBATCH --ntasks=0", "ntasks", "whole number from 1"),
        ("#SBATCH --dependency=after:7", "dependency", "afterok:7"),
        ("#SBATCH --dependency=afterok", "dependency", "afterok:7"),
        ("#SBATCH --dependency=afterok:7?afterok:8", "dependency", "not possible here"),
        ("#SBATCH --gpus=V100:1,A100:1", "gpus", "two models"),
        ("#SBATCH --array=1-5:0", "array", "t.py, line 2: array=1-5:0 cannot be read: a step is 1 or more"),
        ("#SBATCH --begin=whenever", "begin", "a moment is such as"),
    ],
)
def test_a_value_that_cannot_be_read_refuses_the_job(desk: Desk, line: str, field: str, says: str) -> None:
    desk.file("t.py", f"# first\n{line}\n")
    refused = desk.refused("t.py")
    assert (refused.field, refused.usage) == (field, True)
    assert says in refused.sentence


def slurm(desk: Desk, *lines: str, **options: str):  # type: ignore[no-untyped-def]
    desk.file("s.sh", "\n".join([f"#!{desk.programs}/bash", *(f"#SBATCH {line}" for line in lines), "echo hello\n"]))
    return desk.submit("s.sh", **options)


def test_a_whole_slurm_script(desk: Desk) -> None:
    job = slurm(
        desk,
        "--job-name=prepare   # what it is called",
        "--cpus-per-task=4",
        "--mem=2048",
        "--time=90",
        "--gres=gpu:1",
        "--array=1-10:2%3",
        "--dependency=afterok:7:9,afterany:8",
        "--output=%x-%A_%a.out",
        "--begin=now+1hour",
        "--nice=500",
        "--requeue",
    )
    spec = job.spec
    assert (spec.name, spec.cores, spec.memory_bytes, spec.time_limit_s) == ("prepare", 4, 2 * GIB, 5400)
    assert spec.gpu == GpuRequest(1)
    assert (job.array, spec.array_size, spec.array_parallel) == ((1, 3, 5, 7, 9), 5, 3)
    assert spec.after == (
        Dependency(JobId(7)),
        Dependency(JobId(9)),
        Dependency(JobId(8), AfterCondition.ANY),
    )
    assert spec.stdout_path == spec.stderr_path == f"{desk.folder}/%x-%A_%a.out"
    assert spec.begin_at == NOW + 3600
    assert (spec.priority, spec.on_preempt) == (7, OnPreempt.REQUEUE)
    assert spec.slurm_names
    assert job.warnings == ()


@pytest.mark.parametrize(
    ("line", "attribute", "value"),
    [
        ("--mem=200", "memory_bytes", 200 * MIB),
        ("--mem=200M", "memory_bytes", 200 * MIB),
        ("--mem 4G", "memory_bytes", 4 * GIB),
        ("--mem=524288K", "memory_bytes", 512 * MIB),
        ("--mem-per-cpu=512 --cpus-per-task=4", "memory_bytes", 2 * GIB),
        ("--mem-per-cpu=1G -n 2 -c 3", "memory_bytes", 6 * GIB),
        ("-c 2 -n 3", "cores", 6),
        ("-c2", "cores", 2),
        ("--ntasks=4", "cores", 4),
        ("-t 1:30", "time_limit_s", 90),
        ("-t 5", "time_limit_s", 300),
        ("-t 1:00:00", "time_limit_s", 3600),
        ("-t 1-12", "time_limit_s", 36 * 3600),
        ("-t 1-12:30", "time_limit_s", 36.5 * 3600),
        ("-t 1-12:00:01", "time_limit_s", 129601),
        ("-t UNLIMITED", "time_limit_s", None),
        ("-t 0", "time_limit_s", None),
        ("-J x", "name", "x"),
        ("--gres=gpu", "gpu", GpuRequest(1)),
        ("--gres=gpu:RTX3090:1", "gpu", GpuRequest(1, model="RTX3090")),
        ("--gres=gpu:rtx_3090", "gpu", GpuRequest(1, model="rtx 3090")),
        ("--gres=gpu:1(S:0)", "gpu", GpuRequest(1)),
        ("--gres=gpu:0", "gpu", None),
        ("--gpus=1", "gpu", GpuRequest(1)),
        ("-G rtx3090:1", "gpu", GpuRequest(1, model="rtx3090")),
        ("-d afternotok:7", "after", (Dependency(JobId(7), AfterCondition.FAILED),)),
        ("-d afterok:7_3", "after", (Dependency(JobId(7, 3)),)),
        ("--begin=now+60", "begin_at", NOW + 60),
        ("--begin=now", "begin_at", None),
        ("--nice", "priority", 7),
        ("--nice=0", "priority", 5),
        ("--requeue --no-requeue", "on_preempt", OnPreempt.PAUSE),
        ("--error=err.txt", "stdout_path", None),
        ("-o /dev/null", "stdout_path", "/dev/null"),
    ],
)
def test_slurms_units_and_spellings(desk: Desk, line: str, attribute: str, value: object) -> None:
    job = slurm(desk, line)
    assert getattr(job.spec, attribute) == value
    assert job.warnings == ()


def test_memory_per_cpu_counts_with_the_cores_of_the_command_line(desk: Desk) -> None:
    assert slurm(desk, "--mem-per-cpu=1G", "-c 2", cpus="6").spec.memory_bytes == 6 * GIB


def test_output_and_error_may_go_apart(desk: Desk) -> None:
    spec = slurm(desk, "--output=o.txt", "--error=e-%j.txt").spec
    assert (spec.stdout_path, spec.stderr_path) == (f"{desk.folder}/o.txt", f"{desk.folder}/e-%j.txt")


def test_a_percent_sign_in_the_folders_name_is_no_pattern(desk: Desk) -> None:
    (desk.folder / "50%j").mkdir()
    assert slurm(desk, "--output=o.txt", "--chdir=50%j").spec.stdout_path == f"{desk.folder}/50%%j/o.txt"


def test_an_output_folder_that_is_missing_is_refused(desk: Desk) -> None:
    desk.file("s.sh", "#SBATCH --output=logs/o.txt\n")
    refused = desk.refused("s.sh")
    assert (refused.field, refused.usage) == ("output", False)
    assert "s.sh, line 1: the folder of output logs/o.txt does not exist" in refused.sentence


def test_chdir(desk: Desk) -> None:
    (desk.folder / "sub").mkdir()
    assert slurm(desk, "--chdir=sub").spec.cwd == f"{desk.folder}/sub"
    assert slurm(desk, "-D sub", cwd=".").spec.cwd == str(desk.folder)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("--partition=long", "s.sh, line 2: --partition=long is not used here."),
        ("-A physics", "s.sh, line 2: --account=physics is not used here."),
        ("--exclusive", "s.sh, line 2: --exclusive is not used here."),
        ("--mail-type=END", "s.sh, line 2: --mail-type=END is not used here."),
        ("--nodes=2", "s.sh, line 2: --nodes=2 is not used, because this is one machine."),
        ("--mem=0", "say how much is needed"),
        ("--dependency=singleton", "say --locks NAME instead"),
        ("--dependency=aftercorr:7", "waits for the whole array"),
        ("--gres=shard:4", "asks for shard"),
        ("--nice=-10", "say --priority 0 to 4"),
        ("--mem=1G --mem-per-cpu=1G", "--mem-per-cpu=1G is not used, because --mem is given too"),
        ("--output=%u-%N.txt", "%u, %N is not filled in here"),
    ],
)
def test_what_is_not_taken_over_is_said_with_its_line(desk: Desk, line: str, says: str) -> None:
    [warning] = slurm(desk, line).warnings
    assert warning.startswith("s.sh, line 2: ")
    assert says in warning


def test_only_slurms_own_spelling_counts_and_only_before_the_program(desk: Desk) -> None:
    desk.file("s.sh", "# SBATCH --mem=1G\n##SBATCH --mem=2G\n#SBATCHED\n\necho\n#SBATCH --mem=3G\n")
    job = desk.submit("s.sh")
    assert job.spec.memory_bytes is None
    assert not job.spec.slurm_names
    assert job.warnings == ("s.sh, line 6: not read, because directives stand in the first comment block.",)


def test_nodes_1_needs_no_word(desk: Desk) -> None:
    assert slurm(desk, "-N 1").warnings == ()


@pytest.mark.parametrize("text", ["", "x", "1-", "-5", "1:2:3:4", "1.5", "2h"])
def test_times_slurm_does_not_know(text: str) -> None:
    with pytest.raises(NotUnderstood):
        slurm_time(text)


@pytest.mark.parametrize(
    ("text", "ours"),
    [
        ("16:00", "16:00"),
        ("teatime", "16:00"),
        ("tomorrow", "now+24h"),
        ("now+2hours", "now+2hours"),
        ("12/24/26", "2026-12-24"),
        ("122426", "2026-12-24"),
        ("2026-12-24T18:00", "2026-12-24T18:00"),
    ],
)
def test_slurms_moments(text: str, ours: str) -> None:
    assert slurm_moment(text) == ours


def test_nice_never_raises_and_goes_down_in_steps() -> None:
    assert [nice_priority(amount) for amount in (1, 99, 100, 999, 1000, 9999, 10_000, 2_000_000_000)] == [
        *(6, 6, 7, 7, 8, 8, 9, 9)
    ]
