"""Builders for the submission tests: a folder with files in it, a machine, and one call that submits."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tidegate.core.resources import GIB
from tidegate.submission.build import build
from tidegate.submission.request import GpuFact, MachineFacts, Refused, SubmitRequest, Understood

NOW = 1_800_000_000.0
MACHINE = MachineFacts(8, 32 * GIB, 28 * GIB, (GpuFact(0, "NVIDIA GeForce RTX 3090", 24 * GIB),))
NO_CARDS = MachineFacts(2, 8 * GIB, 7 * GIB)


class Desk:
    """A person in a folder, with a PATH that holds only what the test put there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "work"
        self.programs = folder / "programs"
        self.environments = folder / "environments"
        self.folder.mkdir()
        self.programs.mkdir()
        self.environ = {"PATH": str(self.programs), "HOME": str(folder)}
        self.machine = MACHINE
        self.python: str | None = None

    def has_programs(self, *names: str) -> None:
        for name in names:
            self.file(self.programs / name, "#!/bin/sh\n", run=True)

    def file(self, path: str | Path, content: str | bytes = "", *, run: bool = False) -> Path:
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content if isinstance(content, bytes) else content.encode())
        target.chmod(0o755 if run else 0o644)
        return target

    def venv(self, path: str | Path, *, python: bool = True) -> Path:
        folder = self.folder / path
        self.file(folder / "pyvenv.cfg", "home = /usr/bin\n")
        if python:
            self.file(folder / "bin" / "python", "#!/bin/sh\n", run=True)
        return folder

    def submit(self, script: str | None = None, *args: str, **more: Any) -> Understood:
        """``more``: command, line, cwd, and options (``mem_limit`` is the option mem-limit)."""
        request = SubmitRequest(
            script=script,
            command=more.pop("command", None),
            line=more.pop("line", None),
            args=args,
            cwd=str(more.pop("here", self.folder)),
            environment=self.environ,
            options={key.replace("_", "-"): value for key, value in more.items()},
        )
        [job] = build(request, self.machine, python=self.python, now=NOW, environments_dir=self.environments)
        return job

    def refused(self, script: str | None = None, *args: str, **more: Any) -> Refused:
        before = self._stored()
        with pytest.raises(Refused) as caught:
            self.submit(script, *args, **more)
        refused = caught.value
        assert refused.sentence
        assert refused.sentence[-1] in ".?'" or any(hint in refused.sentence for hint in ("with: ", "with ./"))
        assert "\n" not in refused.sentence
        assert self._stored() == before, "a refused job leaves nothing"
        return refused

    def _stored(self) -> list[str]:
        return sorted(os.listdir(self.environments)) if self.environments.exists() else []
