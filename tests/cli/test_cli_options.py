"""The option parser and the help it makes from the same table."""

from __future__ import annotations

import pytest

from tidegate.cli import verbs
from tidegate.cli.options import ANY, Given, Option, UsageError, Verb, help_text, nearest, one_of, parse

SAMPLE = Verb(
    "sample",
    lambda _given: 0,
    "[options] WORD...",
    (
        Option("mem", "Memory.", value="SIZE"),
        Option("lines", "Lines.", value="N", short="n"),
        Option("label", "A label.", value="WORD", many=True),
        Option("hold", "Hold it.", short="H"),
        Option("how", "How.", value="HOW", choices=("pause", "kill")),
    ),
    operands=(0, 2),
)
WRAPPER = Verb("wrapper", lambda _given: 0, "SCRIPT", SAMPLE.options, operands=(0, ANY), command_follows=True)


def given(*words: str, verb: Verb = SAMPLE) -> Given:
    return parse(verb, words)


def test_values_are_taken_with_a_blank_an_equals_sign_or_glued_to_a_short_flag() -> None:
    assert given("--mem", "4G").text("mem") == "4G"
    assert given("--mem=4G").text("mem") == "4G"
    assert given("--mem=").text("mem") == ""
    assert given("-n", "20").text("lines") == "20"
    assert given("-n20").text("lines") == "20"
    assert given("--mem", "-1").text("mem") == "-1"
    assert given("-5", "-n20").operands == ["-5"], "a negative number is no option"


def test_switches_lists_and_operands_mix_in_any_order() -> None:
    found = given("a", "--label", "x", "-H", "b", "--label=y")
    assert found.operands == ["a", "b"]
    assert found.texts("label") == ["x", "y"]
    assert found.flag("hold")
    assert not found.flag("mem")
    assert found.names() == ["label", "hold"]


def test_no_start_is_accepted_by_every_verb() -> None:
    assert given("a", "--no-start").flag("no-start")


def test_what_follows_a_script_belongs_to_it() -> None:
    found = given("--mem", "1G", "train.py", "--mem", "2G", "--", "-x", verb=WRAPPER)
    assert found.text("mem") == "1G"
    assert found.operands == ["train.py", "--mem", "2G", "--", "-x"]
    assert not found.separated


def test_a_double_dash_ends_the_options() -> None:
    found = given("--hold", "--", "--mem", "x", verb=WRAPPER)
    assert found.operands == ["--mem", "x"]
    assert found.separated


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--memm", "4"], "did you mean --mem?"),
        (["--xyzzy"], "tidegate help sample lists what there is."),
        (["--mem"], "--mem needs a value: SIZE."),
        (["--mem", "--hold"], "--mem needs a value"),
        (["--mem", "--"], "--mem needs a value"),
        (["--hold=yes"], "takes no value"),
        (["--how", "stop"], "it can be pause or kill"),
        (["--mem", "1", "--mem", "2"], "given twice"),
        (["a", "b", "c"], "'c' is one word too many"),
        (["-x"], "unknown option -x"),
    ],
)
def test_what_cannot_be_understood_is_said_in_one_sentence(words: list[str], sentence: str) -> None:
    with pytest.raises(UsageError, match=r"\S") as caught:
        parse(SAMPLE, words)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_too_few_operands_name_the_usage_unless_help_is_asked() -> None:
    needs_one = Verb("one", lambda _given: 0, "ID", operands=(1, 1))
    with pytest.raises(UsageError, match="tidegate one ID"):
        parse(needs_one, [])
    assert parse(needs_one, ["--help"]).flag("help")


def test_help_shows_every_option_with_its_choices() -> None:
    text = help_text(SAMPLE, "Does something.", ["other"])
    assert text.startswith("tidegate sample [options] WORD...\n")
    for part in ("Does something.", "Also: other", "--mem SIZE", "-n, --lines N", "One of: pause, kill.", "-h, --help"):
        assert part in text


def test_nearest_and_one_of() -> None:
    assert nearest("lst", ["list", "logs"]) == "list"
    assert nearest("qqq", ["list"]) is None
    assert one_of(["a", "b", "c"]) == "a, b or c"
    assert one_of(["a"]) == "a"


@pytest.mark.parametrize("name", list(verbs.VERBS))
def test_every_verb_has_a_table_with_help(name: str) -> None:
    verb = verbs.load(name)
    assert verb.name == name
    text = help_text(verb, verbs.VERBS[name].summary)
    assert max(map(len, text.splitlines()[3:])) <= 120
    flags = [option.name for option in verb.options]
    assert len(flags) == len(set(flags)), "an option is declared twice"
    for option in verb.options:
        assert option.help.endswith("."), f"--{option.name}: help is a sentence"
