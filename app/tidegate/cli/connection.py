"""The engine as a verb sees it: found, started where a verb may start one, and its refusals turned into exit codes."""

from __future__ import annotations

import os

from tidegate.api.client import ApiError, Client, NoEngine
from tidegate.cli.options import UsageError
from tidegate.cli.output import Failure, say
from tidegate.paths import PathsError, find_paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeVar

    from tidegate.cli.options import Given
    from tidegate.paths import Paths

    T = TypeVar("T")

REFUSED, NO_ENGINE, NO_SUCH_ID = 1, 3, 127
_HOW_TO_START = "start one with 'tidegate serve', or open the application with 'tidegate gui'."


def home() -> Paths:
    """The folders of this home; Failure when they cannot be used."""
    try:
        return find_paths()
    except PathsError as error:
        raise Failure(REFUSED, str(error)) from error


def client() -> Client:
    return Client(home())


class NobodyThere(Failure):
    """No engine runs: the request reached nobody, so it may be made again."""

    def __init__(self, sentence: str) -> None:
        super().__init__(NO_ENGINE, sentence)


def ask(call: Callable[[], T]) -> T:
    """``call()`` to a running engine; what goes wrong becomes Failure with the exit code and a sentence."""
    try:
        return call()
    except NoEngine as error:
        if str(error).startswith("No engine is running"):
            raise NobodyThere(f"No engine is running; {_HOW_TO_START}") from error
        raise Failure(NO_ENGINE, str(error)) from error
    except ApiError as error:
        raise _failure(error) from error


def require(engine: Client) -> None:
    """Fail at once when no engine runs: patience is for one that ran when the verb began."""
    ask(lambda: engine.get("/health"))


def ask_or_start(given: Given, engine: Client, call: Callable[[], T]) -> T:
    """The same for verbs that start an engine in the background when none runs (D1).

    Only a request that reached nobody is repeated: one that broke off may have been accepted, and nothing runs twice.
    """
    try:
        return ask(call)
    except NobodyThere:
        if given.flag("no-start"):
            sentence = f"No engine is running, and --no-start forbids to start one; {_HOW_TO_START}"
            raise NobodyThere(sentence) from None
    start_in_background(engine.paths)
    return ask(call)


def start_in_background(paths: Paths) -> None:
    """Start an engine that lives on after this verb; Failure says why it could not be done."""
    from tidegate.api.client import start_engine

    try:
        start_engine(paths, os.environ)
    except (NoEngine, PathsError, OSError) as error:
        raise Failure(NO_ENGINE, str(error)) from error
    say("No engine was running: one was started in the background ('tidegate shutdown' ends it).")


def _failure(error: ApiError) -> Failure | UsageError:
    if error.kind == "usage":
        return UsageError(error.sentence)
    return Failure(NO_SUCH_ID if error.kind == "unknown" else REFUSED, error.sentence)


def resolve_ids(engine: Client, words: Sequence[str]) -> list[str]:
    """``7 7.3 @ @~1`` as the engine's ids, each once, in order; UsageError for what is none."""
    return list(dict.fromkeys(_resolve(engine, word) for word in words))


def _resolve(engine: Client, word: str) -> str:
    base, dot, index = word.partition(".")
    if base.startswith("@"):
        number, back = None, 0 if base == "@" else _number(base.removeprefix("@~"))
        if back is not None and (not dot or _number(index) is not None):
            number = _number(str(ask(lambda: engine.get("/jobs/last", n=back))["id"]).partition(".")[0])
    else:
        number = _number(base)
    parts = [number] + ([_number(index)] if dot else [])
    if None in parts:
        raise UsageError(f"{word!r} is no job id; ids look like 7 or 7.3, @ is the last job and @~1 the one before it.")
    return ".".join(str(part) for part in parts)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 15 else None
