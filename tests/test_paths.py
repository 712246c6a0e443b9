"""Folders of a home, the rule for long socket paths, and finding what came with the program."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tidegate.paths import SOCKET_PATH_MAX_BYTES, Paths, PathsError, boot_id, find_paths, machine_id, resource


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_home_holds_everything(home: Path) -> None:
    paths = find_paths()
    assert paths.config_file == home / "config" / "config.toml"
    assert paths.database == home / "data" / "tidegate.db"
    assert paths.log_file == home / "logs" / "tidegate.log"
    assert paths.endpoint_file == home / "run" / "engine.json"
    assert paths.socket.parent == paths.keeper_socket.parent == home / "run"
    assert paths.job_log("7.3", 1) == home / "logs" / "jobs" / "7.3-a1.log"
    assert (paths.socket_name, paths.token_name) == (str(paths.socket), str(paths.token_file))


def test_home_may_be_relative(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    assert find_paths({"TIDEGATE_HOME": "here"}).data_dir == home / "here" / "data"


def test_two_looks_at_a_home_are_equal(home: Path) -> None:
    assert find_paths() == find_paths()
    assert find_paths() != find_paths({"TIDEGATE_HOME": str(home / "other")})
    assert len({find_paths(), find_paths()}) == 1


def test_create_makes_private_folders_whatever_the_umask(home: Path) -> None:
    paths = find_paths({"TIDEGATE_HOME": str(home / "new" / "place")})
    before = os.umask(0o000)
    try:
        paths.create()
    finally:
        os.umask(before)
    made = [paths.config_dir, paths.data_dir, paths.logs_dir, paths.runtime_dir, paths.job_logs_dir]
    for folder in (*made, paths.environments_dir, home / "new" / "place", home / "new"):
        assert mode(folder) == 0o700, folder
    paths.create()


def test_a_folder_that_was_open_to_others_is_closed(home: Path) -> None:
    paths = find_paths()
    paths.data_dir.mkdir(mode=0o755)
    paths.create()
    assert mode(paths.data_dir) == 0o700


def test_a_file_in_the_way_is_one_sentence(home: Path) -> None:
    (home / "data").write_text("")
    with pytest.raises(PathsError, match=r"^The folder .*/data cannot be used: a file lies in its place\.$"):
        find_paths().create()


def test_a_home_below_a_file_is_one_sentence(home: Path) -> None:
    (home / "file").write_text("")
    with pytest.raises(PathsError, match=r"^The folder .* cannot be (made|used): .*\.$"):
        find_paths({"TIDEGATE_HOME": str(home / "file" / "sub")}).create()


def test_without_a_home_state_lies_below_the_machine(home: Path) -> None:
    paths = find_paths({"HOME": str(home), "XDG_CONFIG_HOME": "not/absolute"})
    if sys.platform == "linux":
        assert paths.config_dir == home / ".config" / "tidegate"
        assert paths.data_dir == home / ".local" / "share" / "tidegate" / machine_id()
    assert machine_id() in paths.data_dir.parts
    assert paths.logs_dir.is_relative_to(paths.data_dir)


def test_xdg_folders_are_kept(home: Path) -> None:
    paths = find_paths({"HOME": "/nobody", "XDG_CONFIG_HOME": str(home / "c"), "XDG_DATA_HOME": str(home / "d")})
    if sys.platform == "linux":
        assert paths.config_dir == home / "c" / "tidegate"
        assert paths.data_dir.parent == home / "d" / "tidegate"


# --- Sockets (D1: 107 bytes) ----------------------------------------------------------------------------------------


def long_home(home: Path, length: int = 120) -> Path:
    return home / ("x" * length)


def test_a_long_path_puts_sockets_into_the_runtime_folder(home: Path) -> None:
    environ = {"TIDEGATE_HOME": str(long_home(home)), "XDG_RUNTIME_DIR": str(home / "rt")}
    paths = find_paths(environ)
    assert paths.socket.parent.parent == home / "rt" / "tidegate"
    assert paths.socket.parent == paths.keeper_socket.parent != paths.runtime_dir
    assert len(os.fsencode(paths.socket)) <= SOCKET_PATH_MAX_BYTES
    paths.create()
    assert mode(home / "rt" / "tidegate") == 0o700
    assert find_paths(environ) == paths
    assert find_paths({**environ, "TIDEGATE_HOME": str(long_home(home, 121))}).socket != paths.socket


def test_the_limit_is_107_bytes_and_not_characters(home: Path) -> None:
    def sockets_stay(name: str) -> bool:
        paths = find_paths({"TIDEGATE_HOME": name, "XDG_RUNTIME_DIR": str(home)})
        return paths.keeper_socket.parent == paths.runtime_dir

    spare = SOCKET_PATH_MAX_BYTES - len("/run/keeper.sock") - 1
    assert sockets_stay("/" + "x" * spare)
    assert not sockets_stay("/" + "x" * (spare + 1))
    assert not sockets_stay("/" + "\N{WATER WAVE}" * (spare // 2))


def test_without_a_runtime_folder_the_temporary_one_serves(home: Path) -> None:
    paths = find_paths({"TIDEGATE_HOME": str(long_home(home)), "TMPDIR": str(home)})
    assert paths.socket.parent.parent == home / f"tidegate-{os.getuid()}"
    paths.create()
    assert mode(paths.socket.parent.parent) == 0o700


@pytest.mark.parametrize("trap", ["open to others", "link", "file"])
def test_a_foreign_socket_folder_is_refused(home: Path, trap: str) -> None:
    environ = {"TIDEGATE_HOME": str(long_home(home)), "TMPDIR": str(home)}
    folder = home / f"tidegate-{os.getuid()}"
    if trap == "open to others":
        folder.mkdir()
        folder.chmod(0o777)
    elif trap == "link":
        (home / "elsewhere").mkdir(mode=0o700)
        folder.symlink_to(home / "elsewhere")
    else:
        folder.write_text("")
    with pytest.raises(PathsError, match=r"cannot be used for sockets: it must be a real folder of yours"):
        find_paths(environ)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make a folder that belongs to someone else")
def test_a_socket_folder_of_another_user_is_refused(home: Path) -> None:
    folder = home / f"tidegate-{os.getuid()}"
    folder.mkdir(mode=0o700)
    os.chown(folder, 12345, 12345)
    with pytest.raises(PathsError, match="of yours"):
        find_paths({"TIDEGATE_HOME": str(long_home(home)), "TMPDIR": str(home)})


def test_a_trap_laid_after_the_look_is_found_by_create(home: Path) -> None:
    paths = find_paths({"TIDEGATE_HOME": str(long_home(home)), "TMPDIR": str(home)})
    folder = home / f"tidegate-{os.getuid()}"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(PathsError):
        paths.create()


def test_no_short_place_at_all_is_one_sentence(home: Path) -> None:
    with pytest.raises(PathsError, match=r"too long a name for a socket \(\d+ bytes, at most 107\)"):
        find_paths({"TIDEGATE_HOME": str(long_home(home)), "TMPDIR": str(long_home(home))})


# --- Resources and identities ---------------------------------------------------------------------------------------


def test_resources_of_a_checkout_lie_beside_app() -> None:
    root = Path(__file__).parent.parent
    assert resource() == root / "resources"
    assert resource("icons", "x.svg") == root / "resources" / "icons" / "x.svg"


def test_resources_of_a_frozen_bundle(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "tidegate" / "_resources").mkdir(parents=True)
    monkeypatch.setattr(sys, "_MEIPASS", str(home), raising=False)
    assert resource("demo") == home / "tidegate" / "_resources" / "demo"


def test_identities_stay_and_fit_a_folder() -> None:
    assert machine_id() == machine_id()
    assert machine_id().replace("-", "").isalnum()
    assert boot_id() == boot_id() != ""


def test_importing_paths_loads_nothing_heavy() -> None:
    """Every start of the command line pays for what this module imports (D14)."""
    code = (
        "import sys; before = set(sys.modules); import tidegate; from tidegate.paths import find_paths\n"
        "find_paths().socket_name; print(*sorted(set(sys.modules) - before))"
    )
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent / "app")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environ)
    assert set(done.stdout.split()) <= {"__future__", "tidegate", "tidegate.paths", "encodings.ascii"}


def test_paths_can_be_made_by_hand(home: Path) -> None:
    paths = Paths(home / "c", home / "d", home / "l", home / "r")
    assert paths.lock_file.parent == home / "r"
    assert "config_dir" in repr(paths)
