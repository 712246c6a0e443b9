"""Autostart: the contract on every desktop's own place, and what is special about each."""

from __future__ import annotations

import os
import plistlib
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.autostart_contract import COMMAND, AutostartContract
from tidegate.desktop.autostart import Autostart, AutostartFailed, NoAutostart, find_autostart, login_command
from tidegate.desktop.autostart_macos import MacAutostart
from tidegate.desktop.autostart_windows import APPROVED, RUN, WindowsAutostart
from tidegate.desktop.autostart_xdg import XdgAutostart, quoted


class FakeRegistry:
    """The user's registry in memory."""

    def __init__(self) -> None:
        self.values: dict[tuple[str, str], str | bytes] = {}

    def read(self, key: str, name: str) -> str | bytes | None:
        return self.values.get((key, name))

    def write(self, key: str, name: str, text: str) -> None:
        self.values[key, name] = text

    def remove(self, key: str, name: str) -> None:
        self.values.pop((key, name), None)


class TestXdg(AutostartContract):
    @pytest.fixture(autouse=True)
    def place(self, tmp_path: Path) -> None:
        self.folder = tmp_path / "config" / "autostart"

    def make(self) -> Autostart:
        return XdgAutostart(self.folder)


class TestXdgOverOneOfTheSystem(AutostartContract):
    """A package brought an entry that the system's packager switched off."""

    @pytest.fixture(autouse=True)
    def place(self, tmp_path: Path) -> None:
        self.user, self.system = tmp_path / "user", tmp_path / "etc"
        self.system.mkdir()
        (self.system / "tidegate.desktop").write_text("[Desktop Entry]\nType=Application\nHidden=true\n")

    def make(self) -> Autostart:
        return XdgAutostart(self.user, [self.system])


class TestMac(AutostartContract):
    @pytest.fixture(autouse=True)
    def place(self, tmp_path: Path) -> None:
        self.folder = tmp_path / "LaunchAgents"

    def make(self) -> Autostart:
        return MacAutostart(self.folder)


class TestWindows(AutostartContract):
    @pytest.fixture(autouse=True)
    def place(self) -> None:
        self.registry = FakeRegistry()

    def make(self) -> Autostart:
        return WindowsAutostart(self.registry)


# --- Linux desktops


def entry(folder: Path) -> dict[str, str]:
    lines = (folder / "tidegate.desktop").read_text().splitlines()
    assert lines[0] == "[Desktop Entry]"
    return dict(line.split("=", 1) for line in lines[1:])  # type: ignore[misc]


def test_the_entry_says_what_desktops_ask(tmp_path: Path) -> None:
    XdgAutostart(tmp_path).enable(["/opt/my tools/100%/tidegate-gui", "--hidden"])
    found = entry(tmp_path)
    assert found["Type"] == "Application"
    assert found["Exec"] == '"/opt/my tools/100%%/tidegate-gui" --hidden'
    assert found["TryExec"] == "/opt/my tools/100%/tidegate-gui"
    assert found["X-GNOME-Autostart-enabled"] == "true"
    assert [name for name in os.listdir(tmp_path) if name != "tidegate.desktop"] == []


@pytest.mark.parametrize(
    ("text", "on"),
    [
        ("Exec=tidegate-gui", True),
        ("Exec=tidegate-gui\nHidden=true", False),
        ("Exec=tidegate-gui\nX-GNOME-Autostart-enabled=false", False),
        ("Exec=tidegate-gui\nTryExec=/no/such/tidegate-gui", False),
        (f"Exec=tidegate-gui\nTryExec={sys.executable}", True),
        ("# Hidden=true\nExec=tidegate-gui\n[Desktop Action x]\nHidden=true", True),
    ],
)
def test_what_other_programs_wrote_is_understood(tmp_path: Path, text: str, on: bool) -> None:
    (tmp_path / "tidegate.desktop").write_text(f"[Desktop Entry]\nType=Application\n{text}\n")
    assert XdgAutostart(tmp_path).enabled() is on


def test_an_entry_of_the_system_is_hidden_and_not_removed(tmp_path: Path) -> None:
    user, system = tmp_path / "user", tmp_path / "etc"
    system.mkdir()
    (system / "tidegate.desktop").write_text("[Desktop Entry]\nType=Application\nExec=tidegate-gui\n")
    autostart = XdgAutostart(user, [system])
    assert autostart.enabled()
    autostart.disable()
    assert not autostart.enabled()
    assert entry(user)["Hidden"] == "true"
    autostart.enable(COMMAND)
    assert autostart.enabled()


def test_the_folders_are_those_of_the_session(tmp_path: Path) -> None:
    XdgAutostart.of({"XDG_CONFIG_HOME": str(tmp_path / "mine")}, tmp_path).enable(COMMAND)
    assert (tmp_path / "mine" / "autostart" / "tidegate.desktop").is_file()
    XdgAutostart.of({"XDG_CONFIG_HOME": "not/absolute"}, tmp_path).enable(COMMAND)
    assert (tmp_path / ".config" / "autostart" / "tidegate.desktop").is_file()


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    real = tmp_path / "dotfiles" / "tidegate.desktop"
    real.parent.mkdir()
    real.write_text("")
    folder = tmp_path / "autostart"
    folder.mkdir()
    (folder / "tidegate.desktop").symlink_to(real)
    XdgAutostart(folder).enable(COMMAND)
    assert (folder / "tidegate.desktop").is_symlink()
    assert "Exec=" in real.read_text()


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "autostart").write_text("a file where the folder should be")
    autostart = XdgAutostart(tmp_path / "autostart")
    assert autostart.enabled() is False
    with pytest.raises(AutostartFailed, match=r"tidegate\.desktop cannot be written: .*\.$"):
        autostart.enable(COMMAND)


def read_exec(line: str) -> list[str]:
    """An Exec line as a desktop reads it: string escapes, then quotes, then field codes."""
    text, at = "", 0
    while at < len(line):
        if line[at] == "\\":
            text += {"s": " ", "n": "\n", "t": "\t", "r": "\r", "\\": "\\"}[line[at + 1]]
            at += 2
        else:
            text += line[at]
            at += 1
    words, word, inside, at = [], None, False, 0
    while at < len(text):
        each = text[at]
        if each == '"':
            inside, word = not inside, word or ""
        elif each == "\\" and inside:
            at += 1
            word = (word or "") + text[at]
        elif each == " " and not inside:
            if word is not None:
                words.append(word)
            word = None
        else:
            word = (word or "") + each
        at += 1
    return [each.replace("%%", "%") for each in [*words, *([word] if word is not None else [])]]


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")), min_size=1, max_size=4))
def test_any_command_reads_back_from_an_exec_line(command: list[str]) -> None:
    line = " ".join(quoted(argument) for argument in command)
    assert "\n" not in line
    assert read_exec(line) == command


# --- the others


def test_the_launch_agent_runs_the_command_at_login(tmp_path: Path) -> None:
    MacAutostart(tmp_path).enable(COMMAND)
    [file] = tmp_path.iterdir()
    agent = plistlib.loads(file.read_bytes())
    assert agent["ProgramArguments"] == COMMAND
    assert agent["RunAtLoad"] is True
    file.write_bytes(plistlib.dumps({**agent, "Disabled": True}))
    assert MacAutostart(tmp_path).enabled() is False
    file.write_bytes(b"no property list")
    assert MacAutostart(tmp_path).enabled() is False


def test_the_run_key_holds_one_command_line_and_the_task_manager_wins() -> None:
    registry = FakeRegistry()
    autostart = WindowsAutostart(registry)
    autostart.enable([r"C:\Program Files\Tidegate\tidegate-gui.exe", "--hidden"])
    assert registry.values[RUN, "Tidegate"] == r'"C:\Program Files\Tidegate\tidegate-gui.exe" --hidden'
    registry.values[APPROVED, "Tidegate"] = bytes([3]) + bytes(11)
    assert autostart.enabled() is False
    autostart.enable(COMMAND)
    assert autostart.enabled() is True


# --- which one, and what it runs


def test_a_throw_away_home_is_never_entered_into_a_login(tmp_path: Path) -> None:
    found = find_autostart({"TIDEGATE_HOME": str(tmp_path), "HOME": str(tmp_path)})
    assert isinstance(found, NoAutostart)
    assert found.problem is not None
    assert "TIDEGATE_HOME" in found.problem
    with pytest.raises(AutostartFailed):
        found.enable(COMMAND)
    assert list(tmp_path.iterdir()) == []


def test_each_platform_has_its_own(tmp_path: Path) -> None:
    assert isinstance(find_autostart({"HOME": str(tmp_path)}, "linux"), XdgAutostart)
    assert isinstance(find_autostart({"HOME": str(tmp_path)}, "darwin"), MacAutostart)


def test_the_command_of_a_login_starts_this_program() -> None:
    program, *arguments = login_command(())
    assert os.path.isabs(program)
    words = [program, *arguments]
    if words[-1] == "gui":
        words = words[:-1]
    answer = subprocess.run([*words, "--help"], capture_output=True, text=True, timeout=60, check=False)
    assert "tidegate" in answer.stdout, shlex.join(words)
