"""The words that the dry run and the submit dialog share."""

from __future__ import annotations

import pytest

from tidegate.submission import outlook

GIB = 1024**3


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((8 * GIB, "declared", 1.0), "8 GB of memory (declared), 1 core"),
        ((GIB, "learned", 4.0), "1 GB of memory (learned from earlier runs), 4 cores"),
        ((GIB // 2, "default", 0.5), "512 MB of memory (a guess until it has run), 0.5 cores"),
        ((GIB, "declared", 1.0, 0.5), "1 GB of memory (declared), 1 core, 0.5 of a GPU"),
        ((GIB, "declared", 1.0, 1.0, 8 * GIB), "1 GB of memory (declared), 1 core, 1 GPU with 8 GB"),
        (
            (GIB, "declared", 1.0, 1.0, 8 * GIB, None, "8G,1(V100,exclusive)"),
            "1 GB of memory (declared), 1 core, 1 GPU (V100, exclusive) with 8 GB",
        ),
        ((GIB, "declared", 1.0, 2.0, None, 750.0), "1 GB of memory (declared), 1 core, 2 GPUs, usually 12 min 30 s"),
    ],
)
def test_what_a_job_needs(given: tuple[object, ...], said: str) -> None:
    assert outlook.needs(*given) == said  # type: ignore[arg-type]


def test_what_happens_now() -> None:
    assert outlook.outcome(None, True, False, "starts at once") == "starts at once"
    assert outlook.outcome(None, False, False, "needs 8 GB, 2 GB free") == "waits: needs 8 GB, 2 GB free"
    assert outlook.outcome(None, False, True, "on hold until you release it") == "on hold until you release it"
    assert outlook.outcome("it could never run", False, False, "it could never run") == "it could never run"
