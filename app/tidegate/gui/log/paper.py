"""The lines of a log on screen: put below, above, and taken away at either end, while the reader keeps his place."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from PySide6.QtCore import QMimeData, Qt
from PySide6.QtGui import QTextCharFormat, QTextCursor
from PySide6.QtWidgets import QPlainTextEdit, QTextEdit, QWidget

from tidegate.core.texts import format_size
from tidegate.gui.log.paint import LogPaint, mixed
from tidegate.gui.log.text import PLAIN, Line
from tidegate.gui.theme import Theme, fixed_font

LINES_KEPT = 8000
CHARS_KEPT = 2 * 1024 * 1024
_GOES_ON = 1

Key = tuple[int, int]
"""Where a line lies: attempt and offset."""


class LogPaper(QPlainTextEdit):
    """``keys`` name the whole lines; the paragraphs after them are the lines that are still being written."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._paint = LogPaint(theme)
        self._own_moves = 0
        self._marks: list[tuple[int, int, bool]] = []
        self.keys: list[Key] = []
        self._open_keys: list[Key] = []
        self.pattern: re.Pattern[str] | None = None
        self.chosen_match: tuple[Key, int] | None = None
        """The line, and which match in it, that the search stands at."""
        self.setReadOnly(True)
        self.setUndoRedoEnabled(False)
        self.setFont(fixed_font(12))
        flags = Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        self.setTextInteractionFlags(flags)
        self.updateRequest.connect(lambda _rect, _dy: self.mark_matches())

    # --- Lines ---

    @property
    def full(self) -> bool:
        return len(self.keys) >= LINES_KEPT or self.document().characterCount() >= CHARS_KEPT

    def clear_lines(self) -> None:
        self.keys.clear()
        self._open_keys.clear()
        self._marks = []
        with self.own_move():
            self.clear()

    def put_below(self, lines: Sequence[Line], attempt: int) -> None:
        """After the last whole line; there must be no unfinished one."""
        self._put(lines, len(self.keys), QTextCursor.MoveOperation.End)
        self.keys += [(attempt, line.at) for line in lines]

    def put_above(self, lines: Sequence[Line], attempt: int) -> None:
        with self.keeping_place(len(lines)):
            self._put(lines, 0, QTextCursor.MoveOperation.Start)
            self.keys[:0] = [(attempt, line.at) for line in lines]

    def put_note(self, text: str, key: Key) -> None:
        self._show_last_paragraph(True)
        cursor = QTextCursor(self.document())
        cursor.movePosition(QTextCursor.MoveOperation.End)
        cursor.insertText(f"{text}\n", self._paint.note())
        self.keys.append(key)

    def replace_open(self, lines: Sequence[Line], attempt: int) -> None:
        self._open_keys = [(attempt, line.at) for line in lines]
        self._show_last_paragraph(True)
        cursor = QTextCursor(self.document().findBlockByNumber(len(self.keys)))
        cursor.movePosition(QTextCursor.MoveOperation.End, QTextCursor.MoveMode.KeepAnchor)
        cursor.removeSelectedText()
        for number, line in enumerate(lines):
            if number:
                cursor.insertText("\n")
            for run in line.runs:
                cursor.insertText(run.text, self._paint.format(run.style))
            cursor.block().setUserState(_GOES_ON if line.goes_on else -1)
        if self.keys and lines and not lines[-1].runs:
            self._show_last_paragraph(False)

    def _show_last_paragraph(self, wanted: bool) -> None:
        """An empty one would be a blank line below all that was written."""
        last = self.document().lastBlock()
        if last.isVisible() != wanted:
            last.setVisible(wanted)
            self.document().markContentsDirty(last.position(), last.length())

    def take_back(self, count: int) -> None:
        """The newest whole lines go, for they are being written again."""
        kept = max(0, len(self.keys) - count)
        if kept < len(self.keys):
            self._show_last_paragraph(True)
            cursor = QTextCursor(self.document().findBlockByNumber(kept))
            cursor.movePosition(QTextCursor.MoveOperation.End, QTextCursor.MoveMode.KeepAnchor)
            cursor.removeSelectedText()
            del self.keys[kept:]

    def drop_above(self) -> None:
        """The oldest lines make room."""
        excess = len(self.keys) - LINES_KEPT
        if self.document().characterCount() > CHARS_KEPT:
            excess = max(excess, len(self.keys) // 2)
        if not 0 < excess < len(self.keys):
            return
        with self.keeping_place(-excess):
            cursor = QTextCursor(self.document())
            cursor.setPosition(self.document().findBlockByNumber(excess).position(), QTextCursor.MoveMode.KeepAnchor)
            cursor.removeSelectedText()
            del self.keys[:excess]

    def drop_below(self) -> Key | None:
        """The newest lines make room; where they began, or None when there was no need."""
        first = LINES_KEPT
        if self.document().characterCount() > CHARS_KEPT:
            first = min(first, len(self.keys) // 2)
        if not 0 < first < len(self.keys):
            return None
        cursor = QTextCursor(self.document().findBlockByNumber(first))
        cursor.movePosition(QTextCursor.MoveOperation.End, QTextCursor.MoveMode.KeepAnchor)
        with self.own_move():
            cursor.removeSelectedText()
        key = self.keys[first]
        del self.keys[first:]
        return key

    def _put(self, lines: Sequence[Line], number: int, where: QTextCursor.MoveOperation) -> None:
        cursor = QTextCursor(self.document())
        cursor.movePosition(where)
        cursor.beginEditBlock()
        for text, form in self._texts(lines):
            cursor.insertText(text, form)
        cursor.endEditBlock()
        for index, line in enumerate(lines):
            if line.goes_on:
                self.document().findBlockByNumber(number + index).setUserState(_GOES_ON)

    def _texts(self, lines: Sequence[Line]) -> Iterator[tuple[str, QTextCharFormat]]:
        """Neighbours of one look together: each call into Qt costs more than the text it takes."""
        plain: list[str] = []
        for line in lines:
            if line.dropped or any(run.style != PLAIN for run in line.runs):
                if plain:
                    yield "".join(plain), self._paint.format(PLAIN)
                    plain = []
                if line.dropped:
                    size = format_size(line.dropped)
                    yield self.tr("… {size} were dropped here …").format(size=size), self._paint.note()
                for run in line.runs:
                    yield run.text, self._paint.format(run.style)
            else:
                plain += [run.text for run in line.runs]
            plain.append("\n")
        if plain:
            yield "".join(plain), self._paint.format(PLAIN)

    def createMimeDataFromSelection(self) -> QMimeData:
        """A line that was only broken for showing is copied in one piece."""
        cursor = self.textCursor()
        first, last = cursor.selectionStart(), cursor.selectionEnd()
        block = self.document().findBlock(first)
        parts: list[str] = []
        while block.isValid() and block.position() <= last:
            if parts and block.userState() != _GOES_ON:
                parts.append("\n")
            parts.append(block.text()[max(0, first - block.position()) : last - block.position()])
            block = block.next()
        data = QMimeData()
        data.setText("".join(parts))
        return data

    # --- The reader's place ---

    @contextmanager
    def own_move(self) -> Iterator[None]:
        """What scrolls in here was not the person's doing."""
        self._own_moves += 1
        try:
            yield
        finally:
            self._own_moves -= 1

    @property
    def moves_by_itself(self) -> bool:
        return self._own_moves > 0

    @contextmanager
    def keeping_place(self, added: int = 0) -> Iterator[None]:
        """The topmost line in sight stays where it is, though so many lines come above it (negative: go)."""
        bar = self.verticalScrollBar()
        first = self.firstVisibleBlock()
        number, above = first.blockNumber(), bar.value() - first.firstLineNumber()
        with self.own_move():
            yield
            same = self.document().findBlockByNumber(max(0, number + added))
            bar.setValue(same.firstLineNumber() + above)

    def to_end(self) -> None:
        if self.textCursor().hasSelection():
            return  # somebody is about to copy something
        bar = self.verticalScrollBar()
        with self.own_move():
            bar.setValue(bar.maximum())

    def key_in_sight(self) -> Key | None:
        """Of the topmost line in sight; None when that is the unfinished one."""
        number = self.firstVisibleBlock().blockNumber()
        return self.keys[number] if number < len(self.keys) else None

    # --- Matches ---

    def number_of(self, key: Key) -> int | None:
        """Which paragraph this line is."""
        if key in self._open_keys:
            return len(self.keys) + self._open_keys.index(key)
        number = bisect_left(self.keys, key)
        return number if number < len(self.keys) and self.keys[number] == key else None

    def go_to_match(self, number: int, nth: int) -> None:
        """Bring the ``nth`` match of a paragraph into the middle."""
        block = self.document().findBlockByNumber(number)
        found = [] if self.pattern is None else [match.start() for match in self.pattern.finditer(block.text())]
        cursor = QTextCursor(block)
        if nth < len(found):
            cursor.setPosition(block.position() + found[nth])
        with self.own_move():
            self.setTextCursor(cursor)
            self.centerCursor()
        self.mark_matches()

    def mark_matches(self) -> None:
        """Only what is in sight: a word may be in the log ten thousand times."""
        marks: list[tuple[int, int, bool]] = []
        if self.pattern is not None:
            key, chosen_nth = self.chosen_match or ((0, 0), 0)
            chosen = self.number_of(key)
            for number, position, text in self._in_sight():
                for nth, match in enumerate(self.pattern.finditer(text)):
                    current = number == chosen and nth == chosen_nth
                    marks.append((position + match.start(), position + match.end(), current))
        if marks != self._marks:
            self._marks = marks
            self.setExtraSelections([self._selection(*mark) for mark in marks])

    def _in_sight(self) -> Iterator[tuple[int, int, str]]:
        block, bottom, offset = self.firstVisibleBlock(), self.viewport().height(), self.contentOffset()
        while block.isValid() and self.blockBoundingGeometry(block).translated(offset).top() <= bottom:
            yield block.blockNumber(), block.position(), block.text()
            block = block.next()

    def _selection(self, first: int, last: int, current: bool) -> QTextEdit.ExtraSelection:
        made = QTextEdit.ExtraSelection()
        cursor = QTextCursor(self.document())
        cursor.setPosition(first)
        cursor.setPosition(last, QTextCursor.MoveMode.KeepAnchor)
        form = QTextCharFormat()
        if current:
            form.setBackground(self._theme.colour("accent"))
            form.setForeground(self._theme.colour("on_accent"))
        else:
            form.setBackground(mixed(self._theme.colour("window"), self._theme.colour("attention"), 0.4))
        made.cursor, made.format = cursor, form
        return made

    def forget_colours(self) -> None:
        self._paint.forget()
        self._marks = []
