"""``completions``: scripts for bash, zsh and fish, made from the verbs' own tables; job ids are asked of the engine."""

from __future__ import annotations

from tidegate.api.client import ApiError, NoEngine
from tidegate.cli import connection, verbs
from tidegate.cli.advice import ACTIONS as ADVICE
from tidegate.cli.options import HELP, Given, Option, UsageError, Verb, one_of
from tidegate.cli.output import clean, put
from tidegate.cli.queue import ACTIONS as OF_QUEUES

OFFERED_IDS = 200
SHELLS = ("bash", "zsh", "fish")
_FILE_VALUES = ("FILE", "DIR")
NAMED = {**ADVICE, "queue": OF_QUEUES}
"""Words, then the ids or names of what is there."""


class Offer:
    """What can follow a verb: its names, summary, options, and what its operands are."""

    __slots__ = ("kind", "names", "options", "summary")

    def __init__(self, name: str, verb: Verb) -> None:
        self.names = [name, *verbs.aliases_of(name)]
        self.summary = verbs.VERBS[name].summary
        self.options = [option for option in (*verb.options, HELP) if not option.hidden]
        self.kind = verb.complete

    def words(self) -> list[str]:
        """The fixed words its operands can be, where they are fixed."""
        if self.kind == "verbs":
            return list(verbs.VERBS)
        if self.kind == "config":
            from tidegate.cli.config import ACTIONS

            return list(ACTIONS)
        if self.kind == "strategies":
            from tidegate.settings import find_setting

            setting = find_setting("strategy")
            return list(setting.all_choices) if setting is not None else []
        if self.kind in NAMED:
            return list(NAMED[self.kind])
        return list(SHELLS) if self.kind == "shells" else []


def offers() -> list[Offer]:
    return [Offer(name, verbs.load(name)) for name in verbs.VERBS]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _flags(option: Option) -> list[str]:
    return [f"--{option.name}"] + ([f"-{option.short}"] if option.short else [])


def _value_cases(offer: Offer, files: str, words: str, nothing: str) -> list[str]:
    """Shell ``case`` branches for the word behind an option that takes a value."""
    flags_by_action: dict[str, list[str]] = {}
    for option in offer.options:
        if option.value is None:
            continue
        if option.choices:
            action = words.format(" ".join(option.choices))
        else:
            action = files if option.value in _FILE_VALUES else nothing
        flags_by_action.setdefault(action, []).extend(_flags(option))
    return [f"            {'|'.join(flags)}) {action} ;;" for action, flags in flags_by_action.items()]


def bash() -> str:
    lines = [
        "# tidegate completion for bash; put it into your profile:  source <(tidegate completions bash)",
        "_tidegate() {",
        '    local current="${COMP_WORDS[COMP_CWORD]}" previous="${COMP_WORDS[COMP_CWORD-1]}" verb="" word',
        "    local kind options words",
        "    COMPREPLY=()",
        '    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do',
        '        case "$word" in -*) ;; *) verb="$word"; break ;; esac',
        "    done",
        '    case "$verb" in',
    ]
    for offer in offers():
        flags = " ".join(flag for option in offer.options for flag in _flags(option) if flag.startswith("--"))
        lines += [f"    {'|'.join(offer.names)})", f'        kind={offer.kind or "none"} options="{flags}"']
        lines += [f'        words="{" ".join(offer.words())}"']
        cases = _value_cases(
            offer,
            files="compopt -o default; return",
            words='COMPREPLY=($(compgen -W "{}" -- "$current")); return',
            nothing="return",
        )
        lines += (['        case "$previous" in', *cases, "        esac"] if cases else []) + ["        ;;"]
    names = " ".join(name for offer in offers() for name in offer.names)
    lines += [
        f'    "") COMPREPLY=($(compgen -W "{names}" -- "$current")); return ;;',
        "    *) return ;;",
        "    esac",
        '    case "$current" in -*) COMPREPLY=($(compgen -W "$options" -- "$current")); return ;; esac',
        '    case "$kind" in',
        '    ids) words="$(tidegate _ids 2>/dev/null | cut -f1)" ;;',
        f'    {"|".join(NAMED)}) words="$words $(tidegate _ids "$kind" 2>/dev/null | cut -f1)" ;;',
        "    files) compopt -o default; return ;;",
        "    esac",
        '    COMPREPLY=($(compgen -W "$words" -- "$current"))',
        "}",
        "complete -F _tidegate tidegate",
    ]
    return "\n".join(lines)


def zsh() -> str:
    lines = [
        "#compdef tidegate",
        "# tidegate completion for zsh; put it into your profile:  source <(tidegate completions zsh)",
        "_tidegate() {",
        "    local verb word kind",
        "    local -a described options operands",
        "    for word in ${words[2,CURRENT-1]}; do",
        "        [[ $word == -* ]] || { verb=$word; break }",
        "    done",
        "    case $verb in",
    ]
    for offer in offers():
        lines += [f"    {'|'.join(offer.names)})", f"        kind={offer.kind or 'none'}", "        options=("]
        for option in offer.options:
            lines += [f"            {_quoted(f'{flag}:{option.help}')}" for flag in _flags(option)]
        lines += ["        )", f"        operands=({' '.join(offer.words())})"]
        cases = _value_cases(offer, files="_files; return", words="compadd {}; return", nothing="return")
        lines += (["        case ${words[CURRENT-1]} in", *cases, "        esac"] if cases else []) + ["        ;;"]
    lines += ["    '')", "        described=("]
    lines += [f"            {_quoted(f'{name}:{offer.summary}')}" for offer in offers() for name in offer.names]
    lines += [
        "        )",
        "        _describe verb described",
        "        return",
        "        ;;",
        "    esac",
        "    if [[ ${words[CURRENT]} == -* ]]; then",
        "        _describe option options",
        "        return",
        "    fi",
        "    case $kind in",
        "    ids)",
        '        operands=(${(f)"$(tidegate _ids 2>/dev/null)"})',
        "        described=(${operands//$'\\t'/:})",
        "        _describe job described",
        "        ;;",
        f"    {'|'.join(NAMED)})",
        '        operands+=(${(f)"$(tidegate _ids $kind 2>/dev/null | cut -f1)"})',
        "        compadd -a operands",
        "        ;;",
        "    files) _files ;;",
        "    *) compadd -a operands ;;",
        "    esac",
        "}",
        'if [[ ${funcstack[1]} == _tidegate ]]; then _tidegate "$@"; else compdef _tidegate tidegate; fi',
    ]
    return "\n".join(lines)


def fish() -> str:
    lines = [
        "# tidegate completion for fish; save it as ~/.config/fish/completions/tidegate.fish",
        "complete -c tidegate -f",
    ]
    for offer in offers():
        for name in offer.names:
            lines.append(f"complete -c tidegate -n __fish_use_subcommand -a {name} -d {_quoted(offer.summary)}")
        after = f"complete -c tidegate -n '__fish_seen_subcommand_from {' '.join(offer.names)}'"
        for option in offer.options:
            short = f" -s {option.short}" if option.short else ""
            value = ""
            if option.choices:
                value = f" -x -a '{' '.join(option.choices)}'"
            elif option.value is not None:
                value = " -r -F" if option.value in _FILE_VALUES else " -x"
            lines.append(f"{after} -l {option.name}{short}{value} -d {_quoted(option.help)}")
        if offer.kind == "ids":
            lines.append(f"{after} -a '(tidegate _ids 2>/dev/null)'")
        elif offer.kind == "files":
            lines.append(f"{after} -F")
        elif offer.words():
            lines.append(f"{after} -a '{' '.join(offer.words())}'")
        if offer.kind in NAMED:
            lines.append(f"{after} -a '(tidegate _ids {offer.kind} 2>/dev/null)'")
    return "\n".join(lines)


def _completions(given: Given) -> int:
    makers = {"bash": bash, "zsh": zsh, "fish": fish}
    shell = given.operands[0]
    if shell not in makers:
        raise UsageError(f"completions for {shell!r} are not known; there are {one_of(SHELLS)}.")
    put(makers[shell]())
    return 0


def _ids(given: Given) -> int:
    """Ids and names (of jobs, conflicts, hints or queues) for completion; silent when there is no engine."""
    what = given.operands[0] if given.operands else "jobs"
    query = {"all": True, "limit": OFFERED_IDS} if what == "jobs" else {}
    try:
        if what == "queue":
            return _queues()
        found = connection.client().get(f"/{what}", **query)[what]
    except (NoEngine, ApiError):
        return 0
    name = {"jobs": "name", "conflicts": "sentence", "hints": "title"}[what]
    for each in found:
        put(f"{each['id']}\t{clean(each[name])}")
    return 0


def _queues() -> int:
    """Those that can be removed."""
    from tidegate.settings.queue_settings import BUILT_IN

    for queue in connection.client().get("/queue-status", by="queue")["queues"]:
        if queue["name"] not in BUILT_IN:
            put(queue["name"])
    return 0


VERBS = {
    "completions": Verb("completions", _completions, "bash | zsh | fish", operands=(1, 1), complete="shells"),
    "_ids": Verb("_ids", _ids, "", operands=(0, 1)),
}
