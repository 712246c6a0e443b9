"""Hints: advice with evidence and a one-click action, found in State and what earlier runs taught (D4)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tidegate.core.conflicts import Proposal
from tidegate.core.job import JobId


class HintType(StrEnum):
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    SUCCESS = "success"
    SUGGESTION = "suggestion"


@dataclass(frozen=True, slots=True)
class Hint:
    """``key`` is the same as long as it is the same advice about the same jobs; ``code`` names the rule.

    ``after_s``: it is given once what it is about has lasted so long. ``told`` False: it stands in the list, but no
    notice is made of it, because an alert tells of the same.
    """

    key: str
    code: str
    type: HintType
    title: str
    message: str
    jobs: tuple[JobId, ...] = ()
    numbers: tuple[tuple[str, float], ...] = ()
    action: Proposal | None = None
    after_s: float = 0.0
    told: bool = True
