"""The submit dialog's form: what to run, where, the fields worth changing, and below them what it would come to."""

from __future__ import annotations

import time
from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QPushButton, QVBoxLayout, QWidget

from tidegate.engine.ports import Preview
from tidegate.gui.submit.facts import Facts
from tidegate.gui.submit.fields import JobFields, field_label, mark, refusal_label
from tidegate.gui.submit.reading import Draft, Problem, Understanding
from tidegate.gui.submit.source import FolderField, SubmitSource
from tidegate.gui.submit.words import defaults, facts_of, intro
from tidegate.gui.theme import Theme

MAIN = (("mem", "gpu", "priority"),)
MORE = (("name", "cpus", "time"), ("after", "begin", "deadline"), ("retries", "retry-delay", "queue"))
ONE_ONLY = ("name",)
"""Has no meaning for several scripts at once."""


class SubmitForm(QWidget):
    """``changed()`` when anything in it was written."""

    changed = Signal()

    def __init__(self, theme: Theme, queues: Sequence[str]) -> None:
        super().__init__()
        self.setObjectName("dialogBody")
        self.source = SubmitSource(theme)
        self.arguments = QLineEdit()
        self.arguments.setAccessibleName(self.tr("Arguments"))
        self.arguments.setPlaceholderText(self.tr("none"))
        self.folder = FolderField()
        self.fields = JobFields(MAIN)
        self.more = JobFields(MORE, queues)
        self.more_button = QPushButton()
        self.more_button.setProperty("role", "more")
        self.more_button.setCheckable(True)
        self.more_button.setAutoDefault(False)
        self.facts = Facts()
        column = QVBoxLayout(self)
        column.setContentsMargins(24, 20, 24, 16)
        column.setSpacing(12)
        column.addWidget(self.source)
        column.addWidget(self._make_places())
        column.addWidget(self.fields)
        column.addWidget(self.more_button, 0, Qt.AlignmentFlag.AlignLeft)
        column.addWidget(self.more)
        column.addWidget(self.facts)
        column.addStretch(1)
        for part in (self.source, self.folder, self.fields, self.more):
            part.changed.connect(self.changed)
        self.arguments.textChanged.connect(lambda _text: self.changed.emit())
        self.more_button.toggled.connect(self._open_more)
        self._open_more(False)

    def _make_places(self) -> QWidget:
        """Arguments of a script, and the folder to run in."""
        places = QWidget()
        row = QHBoxLayout()
        row.setSpacing(16)
        self._arguments_box = QWidget()
        column = QVBoxLayout(self._arguments_box)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(field_label(self.tr("Arguments"), self.arguments))
        column.addWidget(self.arguments)
        self.place_refusal = refusal_label()
        row.addWidget(self._arguments_box, 1)
        row.addWidget(self.folder, 1)
        both = QVBoxLayout(places)
        both.setContentsMargins(0, 0, 0, 0)
        both.setSpacing(4)
        both.addLayout(row)
        both.addWidget(self.place_refusal)
        return places

    def _open_more(self, opened: bool) -> None:
        self.more_button.setChecked(opened)
        self.more_button.setText(self.tr("Fewer options") if opened else self.tr("More options"))
        self.more.setVisible(opened)

    def draft(self, base: str, hold: bool) -> Draft:
        """What is written; ``base`` is the folder in which nothing else is said."""
        options = {**self.fields.texts(), **self.more.texts()}
        if self.source.files:
            for name in ONE_ONLY:
                options.pop(name, None)
        if hold:
            options["hold"] = "yes"
        arguments, folder = self.arguments.text().strip(), self.folder.field.text()
        return Draft(self.source.text, self.source.files, arguments, folder, base, options, self.source.file)

    # --- What came of it ---

    def show_answer(
        self, draft: Draft, understanding: Understanding, previews: Sequence[Preview], error: str | None
    ) -> None:
        """Everything a look at the draft brought, each where it belongs."""
        self._arguments_box.setVisible(draft.empty or understanding.scripts)
        if understanding.jobs or not understanding.problems:
            # A refused word keeps the file from being understood: what it says holds as before.
            self._show_defaults(draft, understanding, previews)
        left = self._show_problems(understanding.problems)
        self.facts.show_facts(intro() if draft.empty else facts_of(understanding, previews, left or error))

    def _show_defaults(self, draft: Draft, understanding: Understanding, previews: Sequence[Preview]) -> None:
        """What holds where nothing is written stands in the empty fields."""
        job = understanding.jobs[0] if len(draft.files) <= 1 and understanding.jobs else None
        view = previews[0].job if previews else None
        estimate = view.estimate if view is not None and job is not None else None
        found = defaults(job, estimate, time.time())
        for part in (self.fields, self.more):
            for name in part.names():
                part.set_default(name, found[name])
        for name in ONE_ONLY:
            self.more.control(name).setEnabled(not draft.files)
        several = len({each.spec.cwd for each in understanding.jobs}) > 1
        folder = self.tr("each in its own folder") if several or draft.files else found["cwd"]
        self.folder.field.setPlaceholderText(folder or draft.base)

    def _show_problems(self, problems: Sequence[Problem]) -> str | None:
        """Each beside its field; the sentence of the first one that belongs to none."""
        self.source.refuse("")
        self.source.refuse_files({})
        self.fields.accept_all()
        self.more.accept_all()
        self.place_refusal.hide()
        for control in (self.arguments, self.folder.field):
            mark(control, False)
        left = None
        of_files = [problem for problem in problems if problem.file is not None and not self._beside(problem)]
        if of_files:
            self.source.refuse_files({problem.file: problem.sentence for problem in of_files if problem.file})
            self.source.refuse(self._many(of_files))
        for problem in problems:
            if problem.file is None and not self._beside(problem):
                left = left or problem.sentence
        return left

    def _beside(self, problem: Problem) -> bool:
        """Said at the field it belongs to; False when there is none."""
        if problem.field in ("script", "line", "command") and problem.file is None:
            self.source.refuse(problem.sentence)
            return True
        places = {"args": self.arguments, "cwd": self.folder.field}
        if problem.field in places:
            mark(places[problem.field], True)
            self.place_refusal.setText(problem.sentence)
            self.place_refusal.show()
            return True
        if self.more.refuse(problem.field, problem.sentence):
            self._open_more(True)
            return True
        return self.fields.refuse(problem.field, problem.sentence)

    def _many(self, problems: Sequence[Problem]) -> str:
        if len(problems) == 1:
            rest = self.tr("Remove it to submit the others.")
        else:
            rest = self.tr("{count} scripts are refused; remove them to submit the others.").format(count=len(problems))
        return f"{problems[0].sentence} {rest}"
