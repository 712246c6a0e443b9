"""A few random scenarios for every strategy through the real engine; ``tests.benchmarks.campaign`` is the long form."""

from __future__ import annotations

import pytest

from support.campaign import judge
from tidegate.core.strategies.registry import BUILT_IN


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", list(BUILT_IN))
def test_every_job_ends_within_its_limits_and_nobody_is_paused_again_and_again(name: str, seed: int) -> None:
    assert judge(name, seed, most_jobs=20) == []
