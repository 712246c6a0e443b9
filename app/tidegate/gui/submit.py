"""Files into jobs: what was dropped or chosen is understood off the loop, then handed to the engine in one go."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QFileDialog, QWidget

from tidegate.engine.ports import Submission
from tidegate.gui import words
from tidegate.gui.commands import Commands
from tidegate.submission.request import MachineFacts, Refused, SubmitRequest, Understood

if TYPE_CHECKING:
    from tidegate.paths import Paths
    from tidegate.settings import Settings

FILES_AT_ONCE = 1000
SENTENCES_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Read:
    """What came of reading files: jobs to hand in, and one sentence for each file that is none."""

    submissions: tuple[Submission, ...]
    refused: tuple[str, ...]


class Submitter(QObject):
    """``taken(int, str)``: how many jobs were accepted and the last one's id; ``failed(str)``: why some were not."""

    taken = Signal(int, str)
    failed = Signal(str)

    def __init__(
        self,
        commands: Commands,
        paths: Paths,
        settings: Settings,
        facts: Callable[[], MachineFacts],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._commands = commands
        self._environments = paths.environments_dir
        self._python = settings.python
        self._facts = facts

    def choose(self, owner: QWidget) -> QFileDialog:
        """Ask for files without blocking anything."""
        dialog = QFileDialog(owner, self.tr("Submit scripts"))
        dialog.setFileMode(QFileDialog.FileMode.ExistingFiles)
        dialog.setNameFilters(
            [
                self.tr("Scripts") + " (*.py *.sh *.bash *.zsh *.R *.jl *.js *.ipynb *.bat *.ps1)",
                self.tr("All files") + " (*)",
            ]
        )
        dialog.setLabelText(QFileDialog.DialogLabel.Accept, self.tr("Submit"))
        dialog.filesSelected.connect(self.submit)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()
        return dialog

    def submit(self, files: Sequence[str]) -> None:
        if files:
            self._commands.run(self._submit(tuple(files)))

    async def _submit(self, files: tuple[str, ...]) -> None:
        if len(files) > FILES_AT_ONCE:
            self.failed.emit(
                self.tr("{count} files at once are too many; {most} are accepted.").format(
                    count=len(files), most=FILES_AT_ONCE
                )
            )
            return
        # A copy: the thread reads it while this process may change its own.
        environ = dict(os.environ)
        read = await asyncio.to_thread(
            read_files, files, environ, self._facts(), self._python, self._environments, time.time()
        )
        refused = list(read.refused)
        accepted = []
        if read.submissions:
            for answer in await self._commands.desk.submit(read.submissions):
                if answer.id is None:
                    refused.append(answer.refused or "")
                else:
                    accepted.append(str(answer.id))
        if accepted:
            self.taken.emit(len(accepted), accepted[-1])
        if refused:
            self.failed.emit(self._summary(refused))

    def _summary(self, refused: Sequence[str]) -> str:
        shown = list(refused[:SENTENCES_SHOWN])
        rest = len(refused) - len(shown)
        if rest:
            shown.append(self.tr("{count} more were refused.").format(count=rest))
        return " ".join(shown)


def read_files(
    files: Sequence[str],
    environ: Mapping[str, str],
    facts: MachineFacts,
    python: str | None,
    environments_dir: Path,
    now: float,
) -> Read:
    """Understand each file with the defaults; runs in a thread, because disks may be slow."""
    from tidegate.submission.build import build  # loads every detector; not needed before the first file

    submissions: list[Submission] = []
    refused: list[str] = []
    for file in files:
        if os.path.isdir(file):
            refused.append(_folder_sentence(file))
            continue
        request = SubmitRequest(script=file, cwd=os.path.dirname(os.path.abspath(file)), environment=environ)
        try:
            understood = build(request, facts, python=python, now=now, environments_dir=environments_dir)
        except Refused as refusal:
            refused.append(refusal.sentence)
        except OSError as error:
            refused.append(
                words.tr("{file} cannot be submitted: {error}.").format(
                    file=words.printable(file), error=error.strerror or error
                )
            )
        else:
            submissions.extend(_submission(each) for each in understood)
    return Read(tuple(submissions), tuple(refused))


def _folder_sentence(folder: str) -> str:
    return words.tr("{folder} is a folder; drop the scripts that are to run.").format(folder=words.printable(folder))


def _submission(understood: Understood) -> Submission:
    return Submission(understood.spec, understood.held, understood.warnings, array_indices=understood.array)
