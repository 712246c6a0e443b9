"""The import law of D2, and what else may not stand in the source: read from the syntax tree, without importing."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

APP = Path(__file__).parent.parent / "app"
SOURCES = sorted((APP / "tidegate").rglob("*.py"))

# The keeper may be written in several files; its client is on our side of the socket.
KEEPER = tuple(
    f"execution.{file.stem}"
    for file in (APP / "tidegate" / "execution").glob("keeper*.py")
    if file.stem != "keeper_client"
)
BORDER = ("core", "engine.ports", "engine.views")
LAW: dict[str, tuple[str, ...] | None] = {
    # Who may import what of ours; the longest name that fits a module counts. None: everything.
    "core": ("core",),
    "engine": ("core", "engine"),
    "submission": ("core", "submission"),
    "monitor": (*BORDER, "monitor"),
    "execution": (*BORDER, "execution"),
    **dict.fromkeys(KEEPER, (*KEEPER, "execution.PROTOCOL")),
    "journal": (*BORDER, "journal"),
    "services": (*BORDER, "services"),
    "desktop": (*BORDER, "desktop"),
    "api": ("core", "engine", "submission", "settings", "paths", "journal.history", "api"),
    "api.client": ("paths", "api.client", "api.wire"),
    "api.wire": ("paths", "api.wire"),
    "gui": (*BORDER, "submission", "settings", "paths", "desktop", "gui"),
    "simulator": ("core", "engine", "execution.executor", "journal", "simulator"),
    "cli": ("api.client", "simulator", "submission", "settings", "paths", "plugins", "cli"),
    "settings": ("core", "submission", "paths", "plugins", "settings"),
    "plugins": ("core", "plugins"),
    "paths": (),
    "__init__": ("api.client",),
    "__main__": None,
    "wiring": None,
}
NO_VERSION = ("core", *KEEPER, "paths")
STANDARD_LIBRARY_ONLY = ("core", *KEEPER, "api.client", "api.wire")
STANDARD_LIBRARY_FIRST = ("paths", "cli", "settings", "plugins", "__init__", "__main__")  # the rest inside functions
QT = {"PySide6", "qasync", "shiboken6"}
IMPURE = {
    *("asyncio", "concurrent", "contextvars", "ctypes", "fcntl", "glob", "http", "io", "logging", "mmap"),
    *("multiprocessing", "os", "pathlib", "queue", "random", "resource", "sched", "secrets", "select", "selectors"),
    *("shutil", "signal", "socket", "sqlite3", "subprocess", "sys", "tempfile", "threading", "time", "urllib", "uuid"),
}
CLOCKS = {("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today")}
NESTED_LOOPS = {"exec", "exec_", "processEvents"}
BLOCKING_DIALOGS = {
    *("question", "information", "warning", "critical", "getText", "getItem", "getInt"),
    *("getOpenFileName", "getOpenFileNames", "getSaveFileName", "getExistingDirectory"),
}


def module_name(file: Path) -> str:
    """``core.job`` for app/tidegate/core/job.py; a package goes by its own name, tidegate itself by ``__init__``."""
    parts = file.relative_to(APP / "tidegate").with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def within(module: str, names: tuple[str, ...]) -> bool:
    return any(module == name or module.startswith(name + ".") for name in names)


def imports(module: str, tree: ast.AST) -> Iterator[tuple[int, str, bool]]:
    """Line and full name of everything imported, for type checking too; True where a function does it when called."""
    package = ["tidegate", *module.split(".")]
    lazy = {
        node
        for function in ast.walk(tree)
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
        for node in ast.walk(function)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name, node in lazy
        elif isinstance(node, ast.ImportFrom):
            base = ".".join([*package[: -node.level], node.module or ""]) if node.level else node.module or ""
            for alias in node.names:
                yield node.lineno, f"{base}.{alias.name}".replace("..", "."), node in lazy
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            for constant in (argument for argument in node.args[:1] if isinstance(argument, ast.Constant)):
                yield node.lineno, str(constant.value), node in lazy


def import_faults(module: str, source: str) -> list[str]:
    """Every import in ``source`` that the law forbids to ``module``."""
    rule = max((name for name in LAW if within(module, (name,))), key=len, default=None)
    if rule is None:
        return [f"{module}: the law has no line for it"]
    allowed = LAW[rule]
    faults = []
    for line, name, lazy in imports(module, ast.parse(source)):
        top, _, ours = name.partition(".")
        if top == "tidegate":
            if ours in ("", "__version__"):
                bad = within(module, NO_VERSION)
            else:
                bad = allowed is not None and not within(ours, allowed)
        elif top in QT:
            bad = not within(module, ("gui",))
        elif top in sys.stdlib_module_names:
            bad = within(module, ("core",)) and top in IMPURE
        else:
            bad = within(module, STANDARD_LIBRARY_ONLY) or (within(module, STANDARD_LIBRARY_FIRST) and not lazy)
        if bad:
            faults.append(f"{module}, line {line}: {rule} may not import {name}")
    return faults


def purity_faults(module: str, source: str) -> list[str]:
    """Clocks, files and consoles that need no import, in the core."""
    faults = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        words = ast.unparse(node.func).split(".")
        if words[-1] in ("open", "print", "input", "__import__") and len(words) == 1:
            faults.append(f"{module}, line {node.lineno}: the core may not call {words[-1]}")
        if len(words) > 1 and (words[-2], words[-1]) in CLOCKS:
            faults.append(f"{module}, line {node.lineno}: the core may not read a clock")
    return faults


def nested_loop_faults(module: str, source: str) -> list[str]:
    """Calls in coroutines that run a second event loop: other tasks would be lost for good (D15)."""
    faults = []

    def look(node: ast.AST, in_coroutine: bool) -> None:
        if isinstance(node, ast.AsyncFunctionDef):
            in_coroutine = True
        elif isinstance(node, (ast.FunctionDef, ast.Lambda)):
            in_coroutine = False  # a plain slot defined there runs later, outside of the coroutine
        elif in_coroutine and isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            holder, name = ast.unparse(node.func.value), node.func.attr
            dialog = name in BLOCKING_DIALOGS and holder in ("QMessageBox", "QFileDialog", "QInputDialog")
            if name in NESTED_LOOPS or dialog:
                faults.append(f"{module}, line {node.lineno}: {holder}.{name}() inside a coroutine")
        for child in ast.iter_child_nodes(node):
            look(child, in_coroutine)

    look(ast.parse(source), False)
    return faults


@pytest.mark.parametrize("file", SOURCES, ids=module_name)
def test_source_keeps_the_law(file: Path) -> None:
    module, source = module_name(file), file.read_text(encoding="utf-8")
    faults = import_faults(module, source) + nested_loop_faults(module, source)
    if within(module, ("core",)):
        faults += purity_faults(module, source)
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("file", SOURCES, ids=module_name)
def test_source_opens_with_its_place(file: Path) -> None:
    """STYLE: every module opens with one sentence; an empty ``__init__.py`` has nothing to say."""
    source = file.read_text(encoding="utf-8")
    assert not source.strip() or ast.get_docstring(ast.parse(source)), f"{module_name(file)} has no docstring"


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("core.plan", "from tidegate.engine import ports"),
        ("core.plan", "import time"),
        ("core.plan", "def f():\n    import psutil"),
        ("core.plan", "from ..settings import load"),
        ("engine.engine", "from tidegate.execution.keeper_client import KeeperProcesses"),
        ("monitor.sampler", "from tidegate.engine.store import Store"),
        ("monitor.sampler", "from tidegate import settings"),
        ("api.client", "import httpx"),
        ("api.client", "from tidegate.core import job"),
        ("api.server", "from tidegate.journal.journal import Journal"),
        ("api.server", "from PySide6.QtCore import QObject"),
        ("execution.keeper", "from tidegate.core.job import Job"),
        ("execution.keeper", "import psutil"),
        ("execution.keeper", "import tidegate"),
        ("gui.window", "from tidegate.engine.store import Store"),
        ("gui.window", "import importlib\nimportlib.import_module('tidegate.journal.history')"),
        ("cli.main", "from tidegate.engine.engine import Engine"),
        ("cli.doctor", "import pynvml"),
        ("wiring", "import qasync"),
        ("novelty.part", "import os"),
    ],
)
def test_law_catches(module: str, source: str) -> None:
    assert import_faults(module, source)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("core.plan", "from tidegate.core.job import Job\nfrom datetime import datetime"),
        ("gui.window", "from PySide6.QtCore import QObject\nfrom tidegate.engine.ports import Desk"),
        ("api.client", "import json\nfrom tidegate.paths import find_paths"),
        ("wiring", "from tidegate.gui.app import run"),
        ("cli.version", "from tidegate import __version__"),
        ("cli.doctor", "def look():\n    import pynvml"),
    ],
)
def test_law_allows(module: str, source: str) -> None:
    assert import_faults(module, source) == []


def test_core_reads_no_clock_and_no_file() -> None:
    assert purity_faults("core.plan", "import datetime\ndatetime.datetime.now()")
    assert purity_faults("core.plan", "print(open('x'))")
    assert purity_faults("core.plan", "x.open()") == []


def test_nested_event_loops_are_found_in_coroutines_only() -> None:
    assert nested_loop_faults("gui.x", "async def f():\n    dialog.exec()")
    assert nested_loop_faults("gui.x", "async def f():\n    if QMessageBox.question(a):\n        pass")
    assert nested_loop_faults("gui.x", "def f():\n    dialog.exec()") == []
    assert nested_loop_faults("gui.x", "async def f():\n    def slot():\n        dialog.exec()") == []
