"""packaging/dev.sh where something is missing: which line it prints, which Python it takes, what it refuses."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import requires, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent.parent
PLAIN_TOOLS = ("bash", "cat", "cksum", "dirname", "env", "mv", "sed", "sort", "tr")

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="system packages are looked for on Linux only")


class Machine:
    """A PATH with nothing on it but plain tools and what the test puts there, and a checkout without .venv."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self.checkout = folder / "a checkout"
        self.bin.mkdir()
        (self.checkout / "packaging").mkdir(parents=True)
        for name in ("packaging/dev.sh", "packaging/constraints.txt", "pyproject.toml"):
            shutil.copy(ROOT / name, self.checkout / name)
        for name in PLAIN_TOOLS:
            found = shutil.which(name)
            assert found, name
            (self.bin / name).symlink_to(found)
        self.has("uname", "echo Linux")
        self.has("id", "echo 1000")
        self.has("ldconfig", "exit 0")

    def has(self, name: str, script: str) -> None:
        (self.bin / name).write_text(f"#!/bin/bash\n{script}\n")
        (self.bin / name).chmod(0o755)

    def dev(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", self.checkout / "packaging" / "dev.sh", *arguments],
            env={"PATH": str(self.bin), "HOME": str(self.checkout), **environ},
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.parametrize(
    ("manager", "start", "packages"),
    [
        (
            "apt-get",
            "sudo apt-get install --yes --no-install-recommends ",
            "libxcb-cursor0 libegl1 xvfb dbus-x11 xdotool",
        ),
        ("dnf", "sudo dnf install --assumeyes ", "xcb-util-cursor libglvnd-egl xorg-x11-server-Xvfb xdotool"),
        ("pacman", "sudo pacman -S --needed --noconfirm ", "xcb-util-cursor libglvnd xorg-server-xvfb xdotool"),
    ],
)
def test_without_rights_the_exact_line_is_printed(machine: Machine, manager: str, start: str, packages: str) -> None:
    machine.has(manager, "echo must not be called >&2; exit 9")
    machine.has("sudo", "exit 1")
    done = machine.dev("test")
    assert done.returncode == 1
    first, line = done.stderr.splitlines()
    assert first == "dev.sh: system packages are missing; install them with this line and call me again:"
    assert line.startswith(start)
    assert set(packages.split()) <= set(line.split())
    assert len(set(line.split())) == len(line.split()), "a package is named twice"


def test_without_a_known_manager_all_three_lines_are_printed(machine: Machine) -> None:
    done = machine.dev("setup")
    assert done.returncode == 1
    assert [line.split()[1] for line in done.stderr.splitlines()[1:]] == ["apt-get", "dnf", "pacman"]


def test_run_wants_less_than_test_and_no_virtual_display_beside_a_real_one(machine: Machine) -> None:
    machine.has("apt-get", "exit 9")
    lines = {
        "run": machine.dev("run").stderr,
        "run on a display": machine.dev("run", DISPLAY=":0").stderr,
        "test on a display": machine.dev("test", DISPLAY=":0").stderr,
    }
    assert [name for name, line in lines.items() if " xvfb" in line] == ["run", "test on a display"]
    assert [name for name, line in lines.items() if " xdotool" in line] == ["test on a display"]


def test_only_what_is_missing_is_named(machine: Machine) -> None:
    machine.has("apt-get", "exit 9")
    machine.has("ldconfig", 'echo "	libxcb-cursor.so.0 (libc6,x86-64) => /usr/lib/libxcb-cursor.so.0"')
    machine.has("Xvfb", "exit 0")
    line = machine.dev("run").stderr.splitlines()[-1]
    assert "libegl1" in line
    assert "libxcb-cursor0" not in line
    assert "xvfb" not in line


def test_with_sudo_packages_are_installed_without_a_question(machine: Machine, tmp_path: Path) -> None:
    machine.has("apt-get", "exit 0")
    machine.has("sudo", f'printf "%s\\n" "$*" >>"{tmp_path}/asked"')
    done = machine.dev("run")
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked[0] == "-n true"
    assert re.match(
        r"-n env DEBIAN_FRONTEND=noninteractive apt-get .*install --yes --no-install-recommends .*libegl1", asked[1]
    )
    # This sudo did nothing, so it must be noticed that the packages still are not there.
    assert done.returncode == 1
    assert "apt could not install: " in done.stderr


def test_stale_lists_are_renewed_and_it_is_tried_again(machine: Machine, tmp_path: Path) -> None:
    machine.has("id", "echo 0")
    machine.has("apt-get", f'echo "$@" >>"{tmp_path}/asked"; [[ $* == *update* ]]')
    machine.dev("run")
    asked = (tmp_path / "asked").read_text().splitlines()
    assert ["install" in asked[0], "update" in asked[1], "install" in asked[2]] == [True, True, True]


def test_no_python_is_one_sentence(machine: Machine) -> None:
    machine.has("python3", "exit 1")
    done = machine.dev("build")
    assert done.returncode == 1
    assert done.stderr == (
        "dev.sh: Tidegate needs Python 3.11 or newer, and none was found; install one, or set TIDEGATE_PYTHON to it.\n"
    )


def test_a_python_that_cannot_make_environments_is_one_sentence(machine: Machine) -> None:
    # What Debian's python3 without python3-venv does: it runs, but has no ensurepip.
    machine.has("python3", f'[[ $2 == *ensurepip* ]] && exit 1; exec {sys.executable} "$@"')
    done = machine.dev("build")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("install its venv module: sudo apt-get install python3-venv")


def test_an_old_python_before_a_good_one_is_passed_over(machine: Machine, tmp_path: Path) -> None:
    machine.has("python3", "exit 1")
    good = tmp_path / "other"
    good.mkdir()
    (good / "python3").write_text(f'#!/bin/bash\n[[ $* == *--clear* ]] && exit 77; exec {sys.executable} "$@"\n')
    (good / "python3").chmod(0o755)
    done = machine.dev("build", PATH=f"{machine.bin}:{good}")
    assert done.returncode == 77, done.stderr
    assert "making .venv with Python 3." in done.stderr


@pytest.mark.parametrize("arguments", [(), ("fly",), ("--help",)])
def test_anything_else_shows_the_usage(machine: Machine, arguments: tuple[str, ...]) -> None:
    done = machine.dev(*arguments)
    assert done.returncode == 2
    for verb in ("run", "test", "setup", "bench", "build"):
        assert f"bash packaging/dev.sh {verb}" in done.stderr


# --- Pins ---------------------------------------------------------------------------------------------------------


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins() -> dict[str, str]:
    lines = (ROOT / "packaging" / "constraints.txt").read_text().splitlines()
    words = [line.split("==") for line in lines if line and not line.startswith("#")]
    assert all(len(pair) == 2 and re.fullmatch(r"[0-9][0-9a-z.]*", pair[1]) for pair in words), "exact versions only"
    return {normal(name): version for name, version in words}


def asked_for() -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = (
        project["project"]["dependencies"],
        project["dependency-groups"]["dev"],
        project["build-system"]["requires"],
    )
    return [requirement for group in groups for requirement in group]


def test_everything_needed_is_pinned_and_installed_so() -> None:
    """Also what our dependencies need in their turn, on this platform."""
    pinned, seen, todo = pins(), set[str](), [Requirement(text) for text in asked_for()]
    while todo:
        requirement = todo.pop()
        name = normal(requirement.name)
        if name in seen or (requirement.marker is not None and not requirement.marker.evaluate({"extra": ""})):
            continue
        seen.add(name)
        assert name in pinned, f"{requirement} is needed, but not pinned"
        assert version(name) == pinned[name], f"{name} {version(name)} is installed here, pinned is {pinned[name]}"
        todo += [Requirement(text) for text in requires(name) or ()]
    assert len(seen) > len(asked_for())


def test_dev_sh_and_ci_can_be_executed() -> None:
    assert os.access(ROOT / "packaging" / "dev.sh", os.X_OK)
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
