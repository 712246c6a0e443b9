"""Reads a verb's command line from the table that also makes its help: no argparse, whose start-up is a third of ours.

Pure: text in, ``Given`` or ``UsageError`` out.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

ANY = 1_000_000
"""As many operands as the user likes."""


class UsageError(Exception):
    """The command line cannot be understood: exit 2. The text is one sentence."""


class Option:
    """One option of a verb: ``--mem SIZE`` takes a value, ``--hold`` (no ``value``) is a switch.

    ``many`` collects repeated uses. ``choices`` are the words accepted, and are offered by completion.
    """

    __slots__ = ("choices", "help", "hidden", "many", "name", "short", "value")

    def __init__(
        self,
        name: str,
        help: str,
        *,
        value: str | None = None,
        short: str | None = None,
        many: bool = False,
        choices: tuple[str, ...] = (),
        hidden: bool = False,
    ) -> None:
        self.name = name
        self.help = help
        self.value = value
        self.short = short
        self.many = many
        self.choices = choices
        self.hidden = hidden

    @property
    def spelling(self) -> str:
        """As help shows it: ``-n, --lines N``."""
        text = f"-{self.short}, --{self.name}" if self.short else f"    --{self.name}"
        return f"{text} {self.value}" if self.value else text


class Verb:
    """One verb: what it accepts, and the function that does it.

    ``operands`` is how few and how many words are taken besides options. ``command_follows`` ends our options at the
    first operand: what comes after it belongs to the user's script.
    """

    __slots__ = ("command_follows", "complete", "ending", "name", "operands", "options", "run", "usage")

    def __init__(
        self,
        name: str,
        run: Callable[[Given], int],
        usage: str,
        options: tuple[Option, ...] = (),
        *,
        operands: tuple[int, int] = (0, 0),
        command_follows: bool = False,
        complete: str = "",
        ending: str = "",
    ) -> None:
        self.name = name
        self.run = run
        self.usage = usage
        self.options = options
        self.operands = operands
        self.command_follows = command_follows
        self.complete = complete
        self.ending = ending


NO_START = Option("no-start", "Do not start an engine when none runs.")
HELP = Option("help", "Show this help.", short="h")
JSON = Option("json", "Print JSON for programs.")


class Given:
    """A command line, understood. ``separated`` is True when ``--`` stood before the operands."""

    __slots__ = ("_values", "operands", "separated", "verb")

    def __init__(self, verb: str) -> None:
        self.verb = verb
        self.operands: list[str] = []
        self.separated = False
        self._values: dict[str, list[str]] = {}

    def add(self, name: str, value: str) -> None:
        self._values.setdefault(name, []).append(value)

    def flag(self, name: str) -> bool:
        return name in self._values

    def text(self, name: str) -> str | None:
        """The value given last, or None."""
        values = self._values.get(name)
        return values[-1] if values else None

    def texts(self, name: str) -> list[str]:
        """Every value given, in order."""
        return list(self._values.get(name, ()))

    def names(self) -> list[str]:
        """The options that were given, in order of first use."""
        return list(self._values)


def parse(verb: Verb, words: Sequence[str]) -> Given:
    """Understand the words after the verb; raises UsageError with one sentence."""
    given = Given(verb.name)
    options = (*verb.options, NO_START, HELP)
    by_flag = {f"--{option.name}": option for option in options}
    by_flag.update({f"-{option.short}": option for option in options if option.short})
    position = 0
    while position < len(words):
        word = words[position]
        position += 1
        if word == "--":
            given.separated = True
            given.operands += words[position:]
            break
        if len(word) < 2 or word[0] != "-" or (word[1].isdigit() and word not in by_flag):
            given.operands.append(word)
            if verb.command_follows:
                given.operands += words[position:]
                break
            continue
        flag, equals, value = _split(word, by_flag)
        option = by_flag.get(flag)
        if option is None:
            raise UsageError(_unknown_option(verb, flag, by_flag))
        if option.value is None:
            if equals:
                raise UsageError(f"--{option.name} is a switch and takes no value.")
            given.add(option.name, "")
            continue
        if not equals:
            if position >= len(words) or words[position] == "--" or words[position] in by_flag:
                raise UsageError(f"--{option.name} needs a value: {option.value}.")
            value = words[position]
            position += 1
        if option.choices and value not in option.choices:
            raise UsageError(f"--{option.name} {value} is not known; it can be {one_of(option.choices)}.")
        if not option.many and given.flag(option.name):
            raise UsageError(f"--{option.name} was given twice.")
        given.add(option.name, value)
    if not given.flag("help"):
        _check_operands(verb, given)
    return given


def _split(word: str, by_flag: dict[str, Option]) -> tuple[str, str, str]:
    """``--mem=4G`` and ``-n20`` in parts: the flag, whether a value is attached, the value."""
    if word.startswith("--"):
        flag, equals, value = word.partition("=")
        return flag, equals, value
    if len(word) > 2 and word[:2] in by_flag and by_flag[word[:2]].value is not None:
        return word[:2], "=", word[2:]
    return word, "", ""


def _check_operands(verb: Verb, given: Given) -> None:
    fewest, most = verb.operands
    if len(given.operands) < fewest:
        raise UsageError(f"something is missing; the usage is: tidegate {verb.name} {verb.usage}")
    if len(given.operands) > most:
        extra = given.operands[most]
        raise UsageError(f"{extra!r} is one word too many; the usage is: tidegate {verb.name} {verb.usage}".rstrip())


def _unknown_option(verb: Verb, flag: str, known: Iterable[str]) -> str:
    shown = [name for name in known if name.startswith("--")]
    near = nearest(flag, shown)
    tail = f"did you mean {near}?" if near else f"tidegate help {verb.name} lists what there is."
    return f"unknown option {flag}; {tail}"


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known name that looks most like ``word``, or None."""
    import difflib

    found = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return found[0] if found else None


def one_of(words: Sequence[str], joined: str = "or") -> str:
    """``a, b or c``."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {joined} {words[-1]}"


def help_text(verb: Verb, summary: str, aliases: Sequence[str] = ()) -> str:
    """The help of one verb, made from its table."""
    lines = [f"tidegate {verb.name} {verb.usage}".rstrip(), "", summary]
    if aliases:
        lines += ["", f"Also: {', '.join(aliases)}"]
    lines += ["", "Options:"]
    shown = [option for option in (*verb.options, HELP) if not option.hidden]
    width = min(30, max(len(option.spelling) for option in shown))
    for option in shown:
        lines += _option_lines(option, width)
    if verb.ending:
        lines += ["", verb.ending]
    return "\n".join(lines) + "\n"


def _option_lines(option: Option, width: int) -> list[str]:
    import textwrap

    text = option.help
    if option.choices:
        text += f" One of: {', '.join(option.choices)}."
    wrapped = textwrap.wrap(text, 78 - width)
    head = f"  {option.spelling:<{width}}  {wrapped[0]}"
    if len(option.spelling) > width:
        head = f"  {option.spelling}\n  {'':<{width}}  {wrapped[0]}"
    return [head, *(f"  {'':<{width}}  {line}" for line in wrapped[1:])]
