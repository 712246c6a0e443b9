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
    from tidegate.gui.remembered import Remembered
    from tidegate.gui.submit.dialog import SubmitDialog
    from tidegate.gui.theme import Theme
    from tidegate.paths import Paths
    from tidegate.settings import Settings

FILES_AT_ONCE = 1000
SENTENCES_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Read:
    """What came of reading files: jobs to hand in, and one sentence for each file that is none."""

    submissions: tuple[Submission, ...]
    refused: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of handing in files: the ids of the jobs (an array has one), and one sentence for each refusal."""

    ids: tuple[str, ...]
    refused: tuple[str, ...] = ()


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
        theme: Theme,
        remembered: Remembered,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._commands = commands
        self._environments = paths.environments_dir
        self.python = settings.python
        self._facts = facts
        self._theme, self._remembered = theme, remembered
        self._dialog: SubmitDialog | None = None

    def ask(self, files: Sequence[str], owner: QWidget | None, command: str = "") -> SubmitDialog:
        """Open the submit dialog on these files or this command line; one that is open gets them too."""
        dialog = self._dialog
        if dialog is None:
            dialog = self._dialog = self._make_dialog(owner)
        if files:
            dialog.add(files)
        elif command:
            dialog.set_command(command)
        dialog.show()
        dialog.raise_()
        dialog.activateWindow()
        return dialog

    def _make_dialog(self, owner: QWidget | None) -> SubmitDialog:
        from tidegate.gui.submit.dialog import SubmitDialog  # loads with its first opening
        from tidegate.gui.submit.reading import Reader

        reader = Reader(self._facts, lambda: self.python, self._environments)
        dialog = SubmitDialog(self._commands, reader, self._theme, self._remembered, self.taken.emit, owner)
        dialog.finished.connect(self._forget_dialog)
        return dialog

    def _forget_dialog(self, _result: int) -> None:
        self._dialog = None

    def choose(self, owner: QWidget, then: Callable[[Sequence[str]], object] | None = None) -> QFileDialog:
        """Ask for files without blocking anything; ``then`` gets them, else they are submitted."""
        dialog = QFileDialog(owner, self.tr("Submit scripts"))
        dialog.setFileMode(QFileDialog.FileMode.ExistingFiles)
        dialog.setNameFilters(
            [
                self.tr("Scripts") + " (*.py *.sh *.bash *.zsh *.R *.jl *.js *.ipynb *.bat *.ps1)",
                self.tr("All files") + " (*)",
            ]
        )
        dialog.setLabelText(QFileDialog.DialogLabel.Accept, self.tr("Submit"))
        dialog.filesSelected.connect(then or self.submit)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()
        return dialog

    def submit(self, files: Sequence[str]) -> None:
        if files:
            self._commands.run(self.take(tuple(files)))

    async def hand_in(self, files: Sequence[str], variables: Mapping[str, str] | None = None) -> Taken:
        """Understand the files and submit them in one go. Raises EngineUnwilling when nothing can be accepted now.

        The jobs' environment is this program's, or ``variables``.
        """
        if len(files) > FILES_AT_ONCE:
            sentence = self.tr("{count} files at once are too many; {most} are accepted.")
            return Taken((), (sentence.format(count=len(files), most=FILES_AT_ONCE),))
        # A copy: the thread reads it while this process may change its own.
        environ = dict(variables or os.environ)
        read = await asyncio.to_thread(
            read_files, files, environ, self._facts(), self.python, self._environments, time.time()
        )
        refused = list(read.refused)
        accepted = []
        if read.submissions:
            for answer in await self._commands.desk.submit(read.submissions):
                if answer.id is None:
                    refused.append(answer.refused or "")
                else:
                    accepted.append(str(answer.id))
        return Taken(tuple(accepted), tuple(refused))

    async def take(self, files: Sequence[str], variables: Mapping[str, str] | None = None) -> Taken:
        """``hand_in``, and the window says what came of it."""
        taken = await self.hand_in(files, variables)
        if taken.ids:
            self.taken.emit(len(taken.ids), taken.ids[-1])
        if taken.refused:
            self.failed.emit(self.summary(taken.refused))
        return taken

    def summary(self, refused: Sequence[str]) -> str:
        """The first sentences, and of the rest how many."""
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
