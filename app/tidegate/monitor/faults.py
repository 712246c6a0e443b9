"""A part that fails becomes unknown: every part of a sample runs through here, so none can stop the thread."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

log = logging.getLogger(__name__)

T = TypeVar("T")


class Faults:
    """Calls parts of a reading and says each kind of failure once.

    The environment's fault is said in a line, a bug of ours with its trace.
    """

    def __init__(self) -> None:
        self._said: set[tuple[str, type[Exception]]] = set()

    def attempt(self, kind: str, part: Callable[[], T]) -> T | None:
        """The part's answer, or None when it raised."""
        try:
            return part()
        except OSError as error:
            if self._is_new(kind, error):
                log.warning("The reading of %s is unknown: %s", kind, error)
        except Exception as error:
            if self._is_new(kind, error):
                log.exception("The reading of %s failed and is unknown.", kind)
        return None

    def _is_new(self, kind: str, error: Exception) -> bool:
        known = (kind, type(error)) in self._said
        self._said.add((kind, type(error)))
        return not known
