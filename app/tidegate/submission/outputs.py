"""Where an ``#SBATCH`` file sends its output: Slurm's paths with patterns, made absolute (D5)."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from tidegate.submission.directives import Given
from tidegate.submission.options import Merged
from tidegate.submission.request import Refused


@dataclass(frozen=True, slots=True)
class Outputs:
    """Absolute paths with %j %A %a %x %% still in them (core.texts.fill_output_name fills them), or None: the log."""

    stdout: str | None
    stderr: str | None
    warnings: tuple[str, ...] = ()


def read_outputs(given: Merged, cwd: str) -> Outputs:
    """Without ``error`` both go to ``output``, as in Slurm."""
    warnings: list[str] = []
    stdout = _path(given.get("output", (None,))[-1], cwd, warnings)
    stderr = _path(given["error"][-1], cwd, warnings) if "error" in given else stdout
    return Outputs(stdout, stderr, tuple(warnings))


def _path(given: Given | None, cwd: str, warnings: list[str]) -> str | None:
    if given is None:
        return None
    pattern = given.value
    if "\0" in pattern or not pattern.strip() or pattern.endswith("/"):
        raise given.refused("it is the path of a file")
    unknown = re.findall(r"%[0-9]*([^%0-9jAax])", pattern.replace("%%", ""))
    if unknown:
        warnings.append(f"{given.origin}: {', '.join('%' + sign for sign in unknown)} is not filled in here.")
    folder = os.path.join(cwd, os.path.dirname(pattern))
    if "%" not in os.path.dirname(pattern) and not os.path.isdir(folder):
        sentence = f"{given.origin}: the folder of {given.key} {pattern} does not exist."
        raise Refused(given.key, pattern, sentence, usage=False)
    return pattern if os.path.isabs(pattern) else os.path.join(cwd.replace("%", "%%"), pattern)
