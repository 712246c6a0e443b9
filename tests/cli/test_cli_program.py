"""The program around the verbs: dispatch, help, completions, doctor, settings without an engine, and closed pipes."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

import tidegate as package
from cli.conftest import program
from support.fake_desk import FakeDesk
from tidegate.cli import probes, verbs
from tidegate.cli.doctor import findings
from tidegate.cli.main import main
from tidegate.cli.options import parse
from tidegate.cli.program import overrides
from tidegate.paths import Paths

LATER = [
    "profile",
    "history",
    "undo",
    "services",
    "metrics",
    "mcp",
    "adopt",
]


@pytest.mark.parametrize("word", ["lst", "xyzzy", *LATER])
def test_an_unknown_verb_is_exit_2_with_the_nearest_name(tidegate, word: str) -> None:
    said = tidegate(word)
    assert (said.code, said.out) == (2, "")
    assert "unknown verb" in said.err
    assert f"\n  {word} " not in tidegate("help").out


def test_a_file_instead_of_a_verb_is_told_how(tidegate, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.touch()
    assert f"tidegate submit {script}" in tidegate(str(script)).err


def test_help_names_every_verb_and_each_has_its_own(tidegate) -> None:
    overview = tidegate("help").out
    assert tidegate("--help").out == overview
    for name in verbs.VERBS:
        assert f"\n  {name} " in overview
        said = tidegate("help", name)
        assert said.code == 0
        assert said.out.startswith(f"tidegate {name}")
        assert tidegate(name, "--help").out == said.out
        assert tidegate(name, "-h").out == said.out
    assert "_ids" not in overview
    assert tidegate("help", "submti").code == 2
    assert "Also: add" in tidegate("help", "add").out


def test_version(tidegate) -> None:
    assert tidegate("version").out == f"tidegate {package.__version__}\n"
    assert tidegate("--version").out == f"tidegate {package.__version__}\n"
    assert tidegate("version", "--json").json == {"version": package.__version__}


def test_program_verbs_go_to_the_functions_they_were_given() -> None:
    seen = []

    def serve(given) -> int:
        seen.append((given.verb, given.flag("auto"), overrides(given)))
        return 5

    words = ["serve", "--auto", "--port", "0", "--set", "memory_high_pct=80", "--set", "a.b = c=d"]
    assert main(words, {"serve": serve}) == 5
    assert seen == [("serve", True, {"memory_high_pct": "80", "a.b": "c=d", "api_port": "0"})]


def test_a_setting_without_a_value_is_bad_usage(tidegate) -> None:
    assert main(["serve", "--set", "memory_high_pct"], {"serve": lambda given: len(overrides(given))}) == 2


def test_a_reader_that_has_enough_is_no_error(environ, desk: FakeDesk) -> None:
    desk.add_many(3000, name="x" * 60)
    # Unbuffered, Python itself takes a short write for a whole one.
    environ.pop("PYTHONUNBUFFERED", None)
    listing = subprocess.Popen(
        program("list", "--all", "--json"), env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert listing.stdout is not None
    assert listing.stderr is not None
    listing.stdout.read(1)
    listing.stdout.close()
    assert listing.stderr.read() == b""
    assert listing.wait(timeout=20) == 141
    listing.stderr.close()


def test_doctor_reports_without_an_engine(tidegate, paths: Paths) -> None:
    found = tidegate("doctor", "--json")
    assert found.code == 0
    report = found.json
    assert report["engine"] == {"running": False, "problem": None}
    assert set(report["api"]) == {"host", "port", "socket", "token_file"}
    assert report["api"]["port"] is None
    assert report["paths"]["config_file"] == str(paths.config_file)
    assert "No engine is running." in [row["sentence"] for row in report["findings"]]
    words = tidegate("doctor")
    assert words.code == 0
    assert "Findings:" in words.out


def test_doctor_tells_where_the_engine_is_reached(tidegate, desk: FakeDesk, server) -> None:
    desk.set_status(warnings=("no D-Bus",))
    report = tidegate("doctor", "--json").json
    assert report["engine"]["running"] is True
    assert report["api"]["host"] == "127.0.0.1"
    assert isinstance(report["api"]["port"], int)
    token = Path(report["api"]["token_file"]).read_text()
    assert token.strip()
    assert token.strip() not in json.dumps(report)
    assert "no D-Bus" in [row["sentence"] for row in report["findings"]]
    assert "http://127.0.0.1:" in tidegate("doctor").out


def test_doctor_names_the_one_command_against_logout(tidegate) -> None:
    report = tidegate("doctor", "--json").json
    report["logout"] = {"user_manager": True, "linger": False, "ends_jobs": True}
    report["earlyoom"] = {"running": True, "memory_pct": 10.0}
    report["home"] = {"from": "user folders", "filesystem": "nfs4", "network": True}
    rows = {row["topic"]: row for row in findings(report)}
    assert rows["logout"]["fix"] == "loginctl enable-linger"
    assert "below 10 %" in rows["earlyoom"]["sentence"]
    assert "nfs4" in rows["home"]["sentence"]


def test_probes_never_raise_and_say_unknown_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "read_text", lambda _: None)
    assert probes.memory() == dict.fromkeys(
        ("total_bytes", "available_bytes", "swap_total_bytes", "swap_free_bytes"), None
    )
    assert probes.filesystem_of("/") is None
    assert probes.earlyoom() == {"running": False, "memory_pct": None}
    assert probes.call(["/nowhere/tool"]) is None
    assert probes.call(["false"]) is None


@pytest.mark.parametrize(
    ("line", "percent"), [("earlyoom", 10.0), ("earlyoom -m 5,3", 5.0), ("/usr/bin/earlyoom -m7", 7.0)]
)
def test_the_line_of_earlyoom(monkeypatch: pytest.MonkeyPatch, line: str, percent: float) -> None:
    monkeypatch.setattr(probes, "_command_lines", lambda: iter([["init"], line.split()]))
    assert probes.earlyoom() == {"running": True, "memory_pct": percent}


def test_settings_without_an_engine_go_to_their_file(tidegate, paths: Paths, tmp_path: Path) -> None:
    assert tidegate("config", "path").out == f"{paths.config_file}\n"
    assert tidegate("config", "get", "memory_high_pct").out == "85\n"
    assert tidegate("config", "init").code == 0
    assert tidegate("config", "init").code == 1
    assert tidegate("config", "init", "--force").code == 0
    assert tidegate("config", "set", "memory_high_pct", "70").code == 0
    assert tidegate("config", "get", "memory_high_pct").out == "70\n"
    assert tidegate("config", "check", str(paths.config_file)).code == 0
    assert tidegate("config", "set", "memory_high_pct", "99").code == 1
    assert tidegate("config", "set", "memory_high_pct", "much").code == 2
    assert "did you mean memory_high_pct?" in tidegate("config", "set", "memory_hgh_pct", "1").err
    assert tidegate("config", "set", "memory_high_pct").code == 2
    assert "did you mean get?" in tidegate("config", "gte").err
    bad = tmp_path / "bad.toml"
    bad.write_text("[machine]\nmemory_high_pct = 300\nmemory_hgh_pct = 3\n")
    said = tidegate("config", "check", str(bad))
    assert said.code == 1
    assert len(said.out.splitlines()) == 2
    assert tidegate("config", "check", str(bad), "--json").json["errors"] == said.out.splitlines()


def test_a_bad_file_is_one_list_of_errors_for_get(tidegate, paths: Paths) -> None:
    paths.config_file.write_text("[machine]\nmemory_high_pct = 300\nnonsense = 3\n")
    said = tidegate("config", "get")
    assert said.code == 1
    assert said.err.count("tidegate: ") == 2


def bash_offers(script: Path, environ: dict[str, str], *words: str) -> set[str]:
    quoted = " ".join(f"'{word}'" for word in words)
    code = f"source '{script}'; COMP_WORDS=(tidegate {quoted}); COMP_CWORD={len(words)}; _tidegate; "
    code += 'printf "%s\\n" "${COMPREPLY[@]}"'
    done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, env=environ, timeout=30, check=True)
    return set(done.stdout.split())


@pytest.fixture
def with_program(environ: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """An environment whose PATH has a ``tidegate``."""
    folder = tmp_path / "bin"
    folder.mkdir()
    starter = folder / "tidegate"
    starter.write_text("#!/bin/sh\nexec " + " ".join(program('"$@"')) + "\n")
    starter.chmod(0o755)
    return {**environ, "PATH": f"{folder}:{environ['PATH']}"}


def test_bash_completes_verbs_options_values_and_ids(
    tidegate, desk: FakeDesk, with_program: dict[str, str], tmp_path: Path
) -> None:
    script = tmp_path / "tidegate.bash"
    script.write_text(tidegate("completions", "bash").out)
    desk.add()
    desk.add("12.3")
    offered = {"submit", "show", "simulate", "status", "start", "strategy", "serve", "shutdown"}
    assert bash_offers(script, with_program, "s") == offered
    assert bash_offers(script, with_program, "strategy", "f") == {"fair_sharing"}
    assert bash_offers(script, with_program, "submit", "--mem") == {"--mem", "--mem-limit"}
    assert bash_offers(script, with_program, "submit", "--on-preempt", "") == {"pause", "requeue", "kill"}
    assert bash_offers(script, with_program, "show", "") == {"1", "12.3"}
    assert bash_offers(script, with_program, "--no-start", "show", "12") == {"12.3"}
    assert bash_offers(script, with_program, "config", "") == {"get", "set", "reset", "path", "init", "check"}
    assert bash_offers(script, with_program, "help", "w") == {"why", "wait"}


ZSH_STUBS = """
compdef() { }
_describe() { local -a all; all=(${(P)2}); print -l -- ${all%%:*} }
compadd() { [[ $1 == -a ]] && print -l -- ${(P)2} || print -l -- "$@" }
_files() { print files }
"""


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_completes_verbs_options_values_and_ids(
    tidegate, desk: FakeDesk, with_program: dict[str, str], tmp_path: Path
) -> None:
    script = tmp_path / "tidegate.zsh"
    script.write_text(tidegate("completions", "zsh").out)
    desk.add()

    def offers(*words: str) -> set[str]:
        quoted = " ".join(f"'{word}'" for word in words)
        code = f"{ZSH_STUBS}\nsource '{script}'; words=(tidegate {quoted}); CURRENT={len(words) + 1}; _tidegate"
        done = subprocess.run(
            ["zsh", "-f", "-c", code], capture_output=True, text=True, env=with_program, timeout=30, check=True
        )
        return set(done.stdout.split())

    assert {"submit", "add", "help"} <= offers("")
    assert {"--mem", "--no-start"} <= offers("submit", "--")
    assert offers("submit", "--on-preempt", "") == {"pause", "requeue", "kill"}
    assert offers("show", "") == {"1"}
    assert offers("submit", "") == {"files"}
    assert offers("config", "") == {"get", "set", "reset", "path", "init", "check"}


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish_completes_verbs_options_values_and_ids(
    tidegate, desk: FakeDesk, with_program: dict[str, str], tmp_path: Path
) -> None:
    script = tmp_path / "tidegate.fish"
    script.write_text(tidegate("completions", "fish").out)
    desk.add()

    def offers(line: str) -> set[str]:
        code = f"source '{script}'; complete -C '{line}'"
        done = subprocess.run(
            ["fish", "--no-config", "-c", code],
            capture_output=True,
            text=True,
            env=with_program,
            timeout=30,
            check=True,
        )
        return {found.split("\t")[0] for found in done.stdout.splitlines()}

    assert offers("tidegate subm") == {"submit"}
    assert offers("tidegate submit --mem") == {"--mem", "--mem-limit"}
    assert offers("tidegate submit --on-preempt ") >= {"pause", "requeue", "kill"}
    assert offers("tidegate show ") == {"1"}


def test_completions_without_an_engine_offer_no_ids_and_unknown_shells_are_refused(tidegate) -> None:
    said = tidegate("_ids")
    assert (said.code, said.out, said.err) == (0, "", "")
    assert tidegate("completions", "tcsh").code == 2


def test_the_hot_verb_imports_nothing_slow(environ) -> None:
    code = (
        "import sys; from tidegate.__main__ import main; sys.argv = ['tidegate', 'submit', '--no-start', '--', 'x']; "
    )
    code += "main(); print(' '.join(sys.modules))"
    done = subprocess.run([program()[0], "-c", code], capture_output=True, text=True, env=environ, check=True)
    slow = {"json", "re", "socket", "dataclasses", "enum", "pathlib", "argparse", "asyncio", "subprocess", "difflib"}
    assert slow & set(done.stdout.split()) == set()
    assert "tidegate.api.client" in done.stdout


def test_parse_is_what_the_program_uses() -> None:
    assert parse(verbs.load("gui"), ["a.py", "--port", "1", "b.py"]).operands == ["a.py", "b.py"]
