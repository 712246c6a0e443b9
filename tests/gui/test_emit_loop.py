"""Watchman over PySide6: signals and timers must not lose references to None and True (6.12.0 did, D15)."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import sys
from PySide6.QtCore import QCoreApplication, QObject, QTimer, Signal

class Source(QObject):
    said = Signal(object)

app, source, heard = QCoreApplication([]), Source(), []
source.said.connect(lambda value: heard.append(value is None))
source.said.connect(lambda value: True)
before = sys.getrefcount(None), sys.getrefcount(True)
for turn in range(3000):
    source.said.emit(None)
    source.said.emit(True)
    QTimer.singleShot(0, lambda: None)
QTimer.singleShot(0, app.quit)
app.exec()
assert len(heard) == 6000, len(heard)
heard.clear()
print(before[0] - sys.getrefcount(None), before[1] - sys.getrefcount(True))
"""


def test_emitting_keeps_the_references_of_none_and_true() -> None:
    """In a process of its own: a lost reference ends the interpreter, and the other tests with it."""
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    lost_none, lost_true = (int(word) for word in done.stdout.split())
    assert lost_none < 500, f"{lost_none} references to None are gone after 3000 emissions"
    assert lost_true < 500, f"{lost_true} references to True are gone after 3000 emissions"
