"""What stands in the submit dialog, understood: drafts become jobs or refusals; runs in a thread, as disks are slow."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tidegate.submission.request import MachineFacts, Refused, SubmitRequest, Understood

MOST_TYPED = 100_000
"""A longer command is a script."""


@dataclass(frozen=True, slots=True)
class Draft:
    """The dialog's words. ``files`` beats ``file``, the script that stands in the field, and that beats ``text``.

    ``folder`` is as typed, ``base`` where relative names begin.
    """

    text: str = ""
    files: tuple[str, ...] = ()
    args: str = ""
    folder: str = ""
    base: str = "/"
    options: Mapping[str, str] = field(default_factory=dict)
    file: str = ""

    @property
    def empty(self) -> bool:
        return not self.files and not self.text.strip()


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a draft is not taken: the field's option name (or script, args ...), and for one of several files, which."""

    field: str
    sentence: str
    file: str | None = None


@dataclass(frozen=True, slots=True)
class Understanding:
    """Jobs in the order of the files, as they would be without the words that are refused in ``problems``.

    ``scripts`` tells whether arguments have a meaning.
    """

    jobs: tuple[Understood, ...] = ()
    problems: tuple[Problem, ...] = ()
    scripts: bool = False


@dataclass(frozen=True, slots=True)
class Reader:
    """What is needed to understand a draft as the engine's home would."""

    facts: Callable[[], MachineFacts]
    python: Callable[[], str | None]
    environments: Path

    def read(self, draft: Draft, environ: Mapping[str, str], now: float, keep: bool) -> Understanding:
        """``keep``: the environment is written down, for a job that is to be submitted."""
        from tidegate.submission.build import build  # loads every detector; not needed before the first draft

        facts = self.facts()
        jobs: list[Understood] = []
        problems: list[Problem] = []
        for file in draft.files or (None,):
            options, found = dict(draft.options), dict[str, Problem]()
            while True:
                environments = self.environments if keep and not problems and not found else None
                try:
                    request = _request(draft, file, environ, options)
                    built = build(request, facts, python=self.python(), now=now, environments_dir=environments)
                except Refused as refusal:
                    found.setdefault(refusal.field, Problem(refusal.field, refusal.sentence, file))
                    # Judged once more without the word that was refused: all that is wrong is said at once.
                    if options.pop(refusal.field, None) is not None:
                        continue
                except OSError as error:
                    found["script"] = Problem("script", f"It cannot be read: {error.strerror or error}.", file)
                else:
                    jobs += built
                break
            problems += found.values()
        return Understanding(tuple(jobs), tuple(problems), is_script(draft))


def is_script(draft: Draft) -> bool:
    from tidegate.submission.typed import script_in

    return bool(draft.files or draft.file) or script_in(draft.text, _standing(draft))[0] is not None


def _standing(draft: Draft) -> str:
    return os.path.normpath(os.path.join(draft.base, os.path.expanduser(draft.folder.strip())))


def _request(draft: Draft, file: str | None, environ: Mapping[str, str], options: Mapping[str, str]) -> SubmitRequest:
    from tidegate.submission.typed import request_of, script_request, split_arguments

    if draft.folder.strip():
        options = {**options, "cwd": _standing(draft)}
    if file is not None or draft.file:
        return script_request(file or draft.file, split_arguments(draft.args), environ, options)
    if len(draft.text) > MOST_TYPED:
        sentence = f"A command line has at most {MOST_TYPED:,} characters; save this as a script and submit that."
        raise Refused("line", draft.text, sentence, usage=True)
    return request_of(draft.text, draft.args, _standing(draft), environ, options)
