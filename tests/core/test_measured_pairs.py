"""Which real training jobs may share a card: admission's answer against measured speeds (Lucid, ASPLOS 2023).

``single_data`` has the utilisation and memory of 66 jobs that ran alone on a card of 24 GB, ``colocate_info`` 1,388
pairs of them on one card, with the speed of each relative to running alone.
"""

from __future__ import annotations

import csv
import gzip
import os
from collections.abc import Iterator
from pathlib import Path
from statistics import mean

import pytest

from tidegate.core.actions import Start
from tidegate.core.events import JobSubmitted, MachineSampled
from tidegate.core.job import CardUse, JobId, JobSpec
from tidegate.core.machine import GpuReading, MachineReading
from tidegate.core.planner import plan
from tidegate.core.policy import Policy
from tidegate.core.prediction import RUNS_TO_TRUST, Profile, profile_key
from tidegate.core.resources import GIB, MIB, GpuRequest
from tidegate.core.state import State
from tidegate.core.transitions import apply

DATA = Path(os.environ.get("TIDEGATE_TEST_DATA", Path(__file__).parents[2].parent / "shared" / "data")) / "gpu"
CARD = GpuReading(0, "GPU-0", "NVIDIA GeForce RTX 3090", 24 * GIB, 0, 0.0, 40.0)
Row = dict[str, str]


def rows(name: str) -> list[Row]:
    file = DATA / name
    if not file.exists():
        pytest.skip(f"the measured pairs are not here: {file} (TIDEGATE_TEST_DATA)")
    with gzip.open(file, "rt", newline="") as lines:
        return list(csv.DictReader(lines))


def spec_of(row: Row, suffix: str = "") -> JobSpec:
    words = tuple(row[name + suffix] for name in ("model", "dataset", "batchsize", "amp"))
    return JobSpec(words, "/", words[0], cores=1.0, memory_bytes=MIB, gpu=GpuRequest(1))


def taught(row: Row) -> Profile:
    """What as many runs alone as are trusted have shown of this job."""
    use = CardUse(int(float(row["gmem"]) * MIB), float(row["gpu_util"]), 100)
    profile = Profile(profile_key(spec_of(row)))
    for _ in range(RUNS_TO_TRUST):
        profile = profile.with_run(MIB, 60.0, use)
    return profile


def start_together(profiles: dict[str, Profile], *specs: JobSpec) -> bool:
    state = State(Policy())
    state.profiles = profiles
    apply(state, MachineSampled(MachineReading(0.0, 64, 512 * GIB, 500 * GIB, other_cpu_cores=0.0, gpus=(CARD,))))
    for number, spec in enumerate(specs, start=1):
        apply(state, JobSubmitted(0.0, JobId(number), spec, number))
    return len([action for action in plan(state, 0.0).actions if isinstance(action, Start)]) == len(specs)


@pytest.fixture(scope="module")
def profiles() -> dict[str, Profile]:
    return {profile.key: profile for profile in map(taught, rows("single_data.csv.gz"))}


def pairs() -> Iterator[tuple[JobSpec, JobSpec, float, float]]:
    for row in rows("colocate_info.csv.gz"):
        yield spec_of(row, "1"), spec_of(row, "2"), float(row["speed1"]), float(row["speed2"])


def test_pairs_that_admission_lets_share_a_card_keep_their_speed_and_those_it_keeps_apart_would_not(
    profiles: dict[str, Profile],
) -> None:
    together, apart = [], []
    for first, second, *speeds in pairs():
        (together if start_together(profiles, first, second) else apart).append(mean(speeds))
    slow = sum(speed < 0.9 for speed in together) / len(together)
    print(
        f"{len(together)} pairs share: {mean(together):.3f} of their speed, {slow:.1%} of them below 0.9; "
        f"{len(apart)} are kept apart: {mean(apart):.3f}"
    )
    assert len(together) + len(apart) == 1388
    assert mean(together) >= 0.97
    assert mean(apart) < 0.90
    assert len(together) > len(apart), "most of the measured pairs are small enough to share"


def test_without_what_was_learned_two_jobs_that_want_a_card_each_never_share_one(profiles: dict[str, Profile]) -> None:
    assert profiles
    assert not any(start_together({}, first, second) for first, second, *_ in list(pairs())[:50])
