"""A dropped folder is not run: its scripts are offered, to be chosen in the basket's card or in a dialog."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from PySide6.QtCore import QCoreApplication, Qt, Signal
from PySide6.QtGui import QFont
from PySide6.QtWidgets import (
    QCheckBox,
    QDialog,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from tidegate.gui import words
from tidegate.gui.theme import font
from tidegate.submission.folder import FolderScripts

CHOSEN_AT_FIRST = 10
"""So many are what somebody meant by dropping the folder; of more they choose."""
ROW_PX, ROWS_SHOWN = 28, 7
DIALOG_PX = 440


def _tr(text: str) -> str:
    return QCoreApplication.translate("folder", text)


def offers_something(folders: Sequence[FolderScripts]) -> bool:
    return any(folder.scripts for folder in folders)


def heading(folders: Sequence[FolderScripts]) -> str:
    if len(folders) == 1:
        return words.printable(folders[0].name)
    return _tr("{count} folders").format(count=len(folders))


def remarks(folders: Sequence[FolderScripts]) -> list[str]:
    """What a person should know about the list, a sentence each."""
    sentences = []
    for folder in folders:
        name = words.printable(folder.name)
        if folder.error is not None:
            sentences.append(_tr("{name} cannot be read: {error}.").format(name=name, error=folder.error))
        elif not folder.scripts:
            sentence = _tr("{name} has no scripts directly in it; folders inside it are not searched.")
            sentences.append(sentence.format(name=name))
        elif folder.left_out:
            most, found = len(folder.scripts), len(folder.scripts) + folder.left_out
            sentence = _tr("{name} has {found} scripts; the first {most} are listed.")
            sentences.append(sentence.format(name=name, found=found, most=most))
    return sentences


class FolderOffer(QWidget):
    """``wanted(list[str])`` with the scripts that were chosen, or ``cancelled()``."""

    wanted = Signal(object)
    cancelled = Signal()

    def __init__(self, folders: Sequence[FolderScripts], cancel_first: bool = False) -> None:
        super().__init__()
        self._scripts = [script for folder in folders for script in folder.scripts]
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        self.all = QCheckBox(_all_label(len(self._scripts)))
        self.all.clicked.connect(lambda _checked=False: self._toggle_all())
        self.list = self._make_list(folders)
        column.addWidget(self.all)
        column.addWidget(self.list)
        for sentence in remarks(folders):
            column.addWidget(_sentence(sentence))
        column.addLayout(self._make_buttons(cancel_first))
        self.all.setVisible(len(self._scripts) > 1)
        self._pressed: tuple[QListWidgetItem, Qt.CheckState] | None = None
        self.list.itemPressed.connect(lambda item: self._note(item))
        self.list.itemClicked.connect(self._toggle_by_name)
        self.list.itemChanged.connect(lambda _item: self._show_choice())
        self._show_choice()

    def chosen(self) -> list[str]:
        return [script for row, script in enumerate(self._scripts) if _checked(self.list.item(row))]

    # --- Building ---

    def _make_list(self, folders: Sequence[FolderScripts]) -> QListWidget:
        made = QListWidget()
        made.setProperty("role", "choices")
        made.setUniformItemSizes(True)
        made.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        made.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        made.setAccessibleName(_tr("Scripts in the folder"))
        state = Qt.CheckState.Checked if len(self._scripts) <= CHOSEN_AT_FIRST else Qt.CheckState.Unchecked
        for folder in folders:
            for script in folder.scripts:
                name = words.printable(os.path.basename(script))
                item = QListWidgetItem(name if len(folders) == 1 else f"{words.printable(folder.name)}/{name}")
                item.setToolTip(words.printable(script))
                item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
                item.setCheckState(state)
                made.addItem(item)
        made.setFixedHeight(min(len(self._scripts), ROWS_SHOWN) * ROW_PX + 10)
        made.setCurrentRow(0)
        return made

    def _make_buttons(self, cancel_first: bool) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        self.submit = QPushButton("")
        self.submit.setProperty("role", "primary")
        self.submit.clicked.connect(lambda _checked=False: self.wanted.emit(self.chosen()))
        self.cancel = QPushButton(_tr("Cancel"))
        self.cancel.clicked.connect(lambda _checked=False: self.cancelled.emit())
        if cancel_first:
            row.addStretch(1)
        for button in (self.cancel, self.submit) if cancel_first else (self.submit, self.cancel):
            row.addWidget(button)
        if not cancel_first:
            row.addStretch(1)
        return row

    # --- Choosing ---

    def _note(self, item: QListWidgetItem) -> None:
        self._pressed = (item, item.checkState())

    def _toggle_by_name(self, item: QListWidgetItem) -> None:
        """A click on the box has changed it already; one on the name means the same."""
        if self._pressed == (item, item.checkState()):
            item.setCheckState(Qt.CheckState.Unchecked if _checked(item) else Qt.CheckState.Checked)

    def _toggle_all(self) -> None:
        wanted = Qt.CheckState.Unchecked if len(self.chosen()) == len(self._scripts) else Qt.CheckState.Checked
        self.list.blockSignals(True)
        for row in range(self.list.count()):
            self.list.item(row).setCheckState(wanted)
        self.list.blockSignals(False)
        self.list.viewport().update()
        self._show_choice()

    def _show_choice(self) -> None:
        count = len(self.chosen())
        self.submit.setEnabled(count > 0)
        self.submit.setText(_submit_label(count))
        whole, none = count == len(self._scripts), count == 0
        self.all.setCheckState(
            Qt.CheckState.Checked if whole else Qt.CheckState.Unchecked if none else Qt.CheckState.PartiallyChecked
        )


def open_folder_offer(
    folders: Sequence[FolderScripts], owner: QWidget, submit: Callable[[Sequence[str]], object]
) -> QDialog:
    """The same as a dialog of the window; ``submit`` gets what was chosen. Returns at once."""
    dialog = QDialog(owner)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.setWindowTitle(_tr("Submit scripts of a folder"))
    title = QLabel(heading(folders))
    title.setTextFormat(Qt.TextFormat.PlainText)
    title.setFont(font(14, QFont.Weight.DemiBold))
    offer = FolderOffer(folders, cancel_first=True)
    column = QVBoxLayout(dialog)
    column.setContentsMargins(24, 20, 24, 20)
    column.setSpacing(12)
    column.addWidget(title)
    if len(folders) == 1:
        column.addWidget(_sentence(words.printable(folders[0].path)))
    column.addWidget(offer)
    dialog.setFixedWidth(DIALOG_PX)
    offer.submit.setDefault(True)
    offer.wanted.connect(submit)
    offer.wanted.connect(dialog.accept)
    offer.cancelled.connect(dialog.reject)
    dialog.open()
    offer.list.setFocus()
    return dialog


def _sentence(text: str) -> QLabel:
    label = QLabel(text)
    label.setProperty("role", "muted")
    label.setFont(font(12))
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setWordWrap(True)
    return label


def _checked(item: QListWidgetItem) -> bool:
    return item.checkState() == Qt.CheckState.Checked


def _all_label(count: int) -> str:
    return _tr("Both scripts") if count == 2 else _tr("All {count} scripts").format(count=count)


def _submit_label(count: int) -> str:
    if count == 0:
        return _tr("Submit")
    return _tr("Submit 1 script") if count == 1 else _tr("Submit {count} scripts").format(count=count)
