"""The upper part of the submit dialog: what to run - one field for a script or a command, or a list of scripts."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QBrush, QKeyEvent, QPalette
from PySide6.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from tidegate.gui import words
from tidegate.gui.submit.fields import field_label, mark, refusal_label
from tidegate.gui.submit.reading import MOST_TYPED
from tidegate.gui.theme import Theme

ROW_PX, FRAME_PX = 20, 12
ROWS_SHOWN = 5


class SubmitSource(QWidget):
    """``changed()`` when something else is to run. One file stands in the field, several in a list."""

    changed = Signal()

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        # Kept here: an item of the list, like the field, loses the bytes of a name that are no text.
        self._file = ""
        self._files: tuple[str, ...] = ()
        self.field = QLineEdit()
        self.field.setPlaceholderText(self.tr("A script, or a command line such as python3 train.py --epochs 90"))
        self.field.setAccessibleName(self.tr("What to run"))
        # Longer than is taken: what does not fit would be cut off, and another command run.
        self.field.setMaxLength(MOST_TYPED + 1)
        self.field.textChanged.connect(lambda _text: self.changed.emit())
        self.list = QListWidget()
        self.list.setAccessibleName(self.tr("Scripts to run"))
        self.list.setSelectionMode(QListWidget.SelectionMode.ExtendedSelection)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.list.installEventFilter(self)
        self.list.hide()
        self._label = field_label("", self.field)
        self._browse = _button(self.tr("Browse…"))
        self._browse.clicked.connect(lambda _checked=False: self.browse())
        self._remove = _button(self.tr("Remove"))
        self._remove.clicked.connect(lambda _checked=False: self.remove_chosen())
        self.refusal = refusal_label()
        self._lay_out()
        self._show()

    def _lay_out(self) -> None:
        buttons = QVBoxLayout()
        buttons.setSpacing(8)
        buttons.addWidget(self._browse)
        buttons.addWidget(self._remove)
        buttons.addStretch(1)
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(self.field, 1)
        row.addWidget(self.list, 1)
        row.addLayout(buttons)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(self._label)
        column.addLayout(row)
        column.addWidget(self.refusal)

    # --- What is to run ---

    @property
    def files(self) -> tuple[str, ...]:
        """Several scripts; none while the field counts."""
        return self._files

    @property
    def file(self) -> str:
        """The one script that was put into the field; its name may hold what no text can say, or end in a blank."""
        return self._file if self.field.text() == words.printable(self._file) else ""

    @property
    def text(self) -> str:
        return self.field.text().strip()

    def add(self, files: Sequence[str]) -> None:
        """These too; a script that stands in the field stays, a command gives way."""
        one = self.file or self.text
        known = self.files or ((one,) if os.path.isfile(one) else ())
        self._set([*known, *files])

    def set_text(self, text: str) -> None:
        self._set([])
        self.field.setText(text)

    def _set(self, files: Sequence[str]) -> None:
        paths = list(dict.fromkeys(os.path.abspath(file) for file in files))
        self.list.clear()
        self._file = paths[0] if len(paths) == 1 else ""
        self._files = tuple(paths) if len(paths) > 1 else ()
        if self._file:
            self.field.setText(words.printable(self._file))
        elif paths:
            self.field.clear()
            for path in paths:
                item = QListWidgetItem(words.printable(_called(path)))
                item.setToolTip(words.printable(path))
                self.list.addItem(item)
        self._show()
        self.changed.emit()

    def _show(self) -> None:
        count = self.list.count()
        self.field.setVisible(not count)
        self.list.setVisible(bool(count))
        self._remove.setVisible(bool(count))
        if count:
            row_px = max(self.list.sizeHintForRow(0), ROW_PX)
            self.list.setFixedHeight(min(count, ROWS_SHOWN) * row_px + FRAME_PX)
            if self.list.currentRow() < 0:
                self.list.setCurrentRow(0)
        self._label.setText(self.tr("{count} scripts").format(count=count) if count else self.tr("What to run"))
        self._label.setBuddy(self.list if count else self.field)
        self._browse.setText(self.tr("Add…") if count else self.tr("Browse…"))

    def remove_chosen(self) -> None:
        chosen = {index.row() for index in self.list.selectedIndexes()}
        if chosen:
            self._set([path for row, path in enumerate(self.files) if row not in chosen])
            (self.list if self.files else self.field).setFocus()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is self.list and isinstance(event, QKeyEvent) and _removes(event):
            self.remove_chosen()
            return True
        return super().eventFilter(watched, event)

    def browse(self) -> QFileDialog:
        """Ask for files without blocking anything."""
        dialog = QFileDialog(self, self.tr("Choose scripts"))
        dialog.setFileMode(QFileDialog.FileMode.ExistingFiles)
        dialog.setNameFilters(
            [
                self.tr("Scripts") + " (*.py *.sh *.bash *.zsh *.R *.jl *.js *.ipynb *.bat *.ps1)",
                self.tr("All files") + " (*)",
            ]
        )
        known = self.files or (self.file or self.text,)
        folder = os.path.dirname(known[0])
        if folder and os.path.isdir(folder):
            dialog.setDirectory(folder)
        dialog.filesSelected.connect(self._take_chosen)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()
        return dialog

    def _take_chosen(self, files: Sequence[str]) -> None:
        self._set([*self.files, *files])

    # --- What is wrong with it ---

    def refuse(self, sentence: str) -> None:
        """The field (or a list as a whole) is not taken; empty: it is."""
        mark(self.field, bool(sentence))
        self.refusal.setText(sentence)
        self.refusal.setVisible(bool(sentence))

    def refuse_files(self, sentences: Mapping[str, str]) -> None:
        """Which of several scripts are not taken, and why."""
        for row, path in enumerate(self.files):
            item = self.list.item(row)
            why = sentences.get(path)
            item.setForeground(
                QBrush(self._theme.colour("danger")) if why else QBrush(self.palette().color(QPalette.ColorRole.Text))
            )
            item.setToolTip(words.printable(path) + (f"\n{why}" if why else ""))


def _called(path: str) -> str:
    """The name first, because that is what people look for; then where it lies."""
    return f"{os.path.basename(path)}   {os.path.dirname(path)}"


def _removes(event: QKeyEvent) -> bool:
    return event.type() == QEvent.Type.KeyPress and event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace)


def _button(label: str) -> QPushButton:
    made = QPushButton(label)
    made.setAutoDefault(False)
    return made


class FolderField(QWidget):
    """The folder to run in, typed or chosen. ``changed()``."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.field = QLineEdit()
        self.field.setAccessibleName(self.tr("Folder to run in"))
        self.field.textChanged.connect(lambda _text: self.changed.emit())
        self._browse = _button("…")
        self._browse.setAccessibleName(self.tr("Choose the folder to run in"))
        self._browse.setToolTip(self.tr("Choose the folder to run in"))
        self._browse.setFixedWidth(40)
        self._browse.setProperty("role", "small")
        self._browse.clicked.connect(lambda _checked=False: self.browse())
        self.label: QLabel = field_label(self.tr("Run in"), self.field)
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(self.field, 1)
        row.addWidget(self._browse)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(self.label)
        column.addLayout(row)

    def browse(self) -> QFileDialog:
        dialog = QFileDialog(self, self.tr("Choose the folder to run in"))
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.setOption(QFileDialog.Option.ShowDirsOnly)
        folder = self.field.text().strip() or self.field.placeholderText()
        if os.path.isdir(folder):
            dialog.setDirectory(folder)
        dialog.fileSelected.connect(self.field.setText)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()
        return dialog
