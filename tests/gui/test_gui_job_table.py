"""The table model: order, filters, single rows told one by one, many at once by a reset, selection kept by job."""

from __future__ import annotations

import random
from dataclasses import replace

from PySide6.QtCore import QItemSelectionModel, QModelIndex, Qt
from pytestqt.modeltest import ModelTester

from support.fake_desk import a_job_view
from tidegate.engine.views import AttemptView, EstimateView, JobView, UsageView, WaitView
from tidegate.gui import words
from tidegate.gui.commands import Commands
from tidegate.gui.jobs.book import ColourBook, Filter, JobBook
from tidegate.gui.jobs.delegate import JobDelegate
from tidegate.gui.jobs.list import JobList
from tidegate.gui.jobs.match import JobMatch
from tidegate.gui.jobs.table import MANY_MOVES, Column, JobTable

NOW = 10_000.0
GIB = 1024**3


def a_table(*jobs: JobView, filter: Filter = Filter.ALL) -> tuple[JobBook, JobTable]:
    book = JobBook()
    book.replace(jobs)
    table = JobTable(book, clock=lambda: NOW)
    table.set_filter(filter)
    return book, table


def ids(table: JobTable) -> list[str]:
    return [job.id for row in range(table.rowCount()) if (job := table.job_at(row)) is not None]


def running(id: str, since: float = 100.0) -> JobView:
    return a_job_view(id, status="running", started_at=since, waits=())


def finished(id: str, at: float) -> JobView:
    return a_job_view(id, status="finished", outcome="succeeded", finished_at=at, waits=())


def waiting_at(id: str, at: float) -> JobView:
    return a_job_view(id, priority=int(at) % 9)


def test_rows_stand_in_line_order(qapp):
    _, table = a_table(
        finished("1", 50.0),
        a_job_view("2", priority=7),
        a_job_view("3", priority=2),
        running("4", 200.0),
        finished("5", 90.0),
        running("6", 100.0),
        a_job_view("7", priority=7, rank=-1),
    )
    assert ids(table) == ["6", "4", "3", "7", "2", "5", "1"]


def test_filters_show_their_group_only(qapp):
    book, table = a_table(running("1"), a_job_view("2"), a_job_view("3", status="held"), finished("4", 9.0))
    shown = {}
    for wanted in Filter:
        table.set_filter(wanted)
        shown[wanted] = ids(table)
    assert shown == {
        Filter.ALL: ["1", "2", "3", "4"],
        Filter.ACTIVE: ["1"],
        Filter.WAITING: ["2", "3"],
        Filter.FINISHED: ["4"],
    }
    assert [book.counts[group] for group in sorted(book.counts)] == [1, 2, 1]


def test_a_change_of_data_touches_one_row_and_moves_nothing(qapp):
    book, table = a_table(running("1"), running("2"), a_job_view("3"))
    touched: list[tuple[int, int]] = []
    table.dataChanged.connect(lambda first, last: touched.append((first.row(), last.row())))
    resets: list[int] = []
    table.modelReset.connect(lambda: resets.append(1))
    table.apply(book.apply([replace(running("2"), usage=UsageView(5))], []))
    assert touched == [(1, 1)]
    assert not resets
    assert table.job_at(1).usage.memory_bytes == 5


def test_a_start_moves_the_row_and_keeps_a_persistent_index(qapp, qtmodeltester: ModelTester):
    book, table = a_table(running("1"), a_job_view("2"), a_job_view("3"), a_job_view("4"))
    qtmodeltester.check(table, force_py=True)
    from PySide6.QtCore import QPersistentModelIndex

    kept = QPersistentModelIndex(table.index(3, 0))
    table.apply(book.apply([running("4", 300.0)], []))
    assert ids(table) == ["1", "4", "2", "3"]
    assert kept.row() == 1


def test_random_changes_end_where_a_fresh_table_would(qapp):
    generator = random.Random(7)
    book, table = a_table(*(a_job_view(str(n)) for n in range(1, 60)))
    waiting = JobTable(book, clock=lambda: NOW)
    waiting.set_filter(Filter.WAITING)
    for size in (1, 3, 40, 2, 55, 7) * 6:
        changed = []
        for number in generator.sample(range(1, 90), size):
            made = generator.choice((running, finished, waiting_at))
            changed.append(made(str(number), generator.uniform(1, 999)))
        gone = [str(n) for n in generator.sample(range(1, 90), 2)]
        moves = book.apply(changed, gone)
        for each in (table, waiting):
            each.apply(moves)
            fresh = JobTable(book)
            fresh.set_filter(each.filter)
            assert ids(each) == ids(fresh)
            assert all(each.row_of(id) == row for row, id in enumerate(ids(each)))


def test_many_moves_are_one_reset(qapp):
    book, table = a_table(*(a_job_view(str(n)) for n in range(1, 100)))
    seen: list[str] = []
    table.modelReset.connect(lambda: seen.append("reset"))
    table.rowsMoved.connect(lambda *_: seen.append("moved"))
    table.apply(book.apply([running(str(n)) for n in range(1, MANY_MOVES + 2)], []))
    assert seen == ["reset"]


def test_cells_speak_like_a_person(qapp):
    known = EstimateView(13 * GIB, "learned", 1.0, None, 1000.0)
    run = AttemptView(1, 9300.0, 9400.0, None, None, None, None, None, None, 100.0, (), None, None)
    _, table = a_table(
        replace(
            running("1", NOW - 600), estimate=known, attempt_list=(run,), usage=UsageView(2 * 1024**3, 3 * 1024**3)
        ),
        a_job_view("2", waits=(WaitView("memory", "needs 12.5 GB, 9.4 free"), WaitView("dependency", "after a.py"))),
        replace(finished("3", 60.0), outcome="failed", exit_code=2, started_at=56.0),
    )

    def row(number: int) -> list[str]:
        return [table.index(number, column).data() for column in Column]

    assert row(0)[:5] == ["Running", "job-1", "50 %", "2 / 3 GB", "–"]
    assert row(1)[:4] == ["Waiting", "job-2", "needs 12.5 GB, 9.4 free", "512 MB"]
    assert table.index(1, Column.WHY).data(Qt.ItemDataRole.ToolTipRole) == "needs 12.5 GB, 9.4 free\nafter a.py"
    assert row(2)[:3] == ["Failed", "job-3", "exit 2 after 4 s"]
    spoken = table.index(1, Column.WHY).data(Qt.ItemDataRole.AccessibleTextRole)
    assert spoken == "Why waiting / progress: needs 12.5 GB, 9.4 free"


def test_what_ended_at_once_took_no_zero_seconds(qapp):
    done = replace(finished("1", 200.0), started_at=199.99)
    assert words.why(done, NOW) == "took less than a second"
    assert words.why(replace(done, outcome="failed", exit_code=2), NOW) == "exit 2 after less than a second"


def test_names_that_are_no_text_are_shown_all_the_same(qapp):
    name = b"caf\xe9.sh".decode("utf-8", "surrogateescape")
    _, table = a_table(a_job_view("1", name=name, command=("sh", name)))
    assert table.index(0, Column.JOB).data() == "caf\ufffd.sh"
    assert "\udce9" not in words.command_line(table.job_at(0))


def test_touching_the_active_rows_does_not_touch_the_waiting(qapp):
    _, table = a_table(running("1"), running("2"), a_job_view("3"))
    touched: list[tuple[int, int]] = []
    table.dataChanged.connect(lambda first, last: touched.append((first.row(), last.row())))
    table.touch_active()
    table.set_filter(Filter.WAITING)
    table.touch_active()
    assert touched == [(0, 1)]
    assert table.rowCount(QModelIndex()) == 1


def test_a_job_keeps_its_colour_and_live_jobs_differ():
    book = ColourBook(3)
    first = [book.assign(id) for id in ("1", "2", "3")]
    assert sorted(first) == [0, 1, 2]
    book.rest("2")
    assert book.assign("4") == first[1]
    assert book.of("2") == first[1]
    book.forget("2")
    assert book.of("2") is None


def test_a_sentence_too_long_for_its_cell_loses_whole_clauses(qapp, theme):
    _, table = a_table()
    delegate = JobDelegate(table, theme)
    sentence = "needs 12.7 GB, 8.3 GB free · after big model A"
    width = delegate._plain_metrics.horizontalAdvance
    assert delegate._whole_clauses(sentence, width(sentence)) == sentence
    assert delegate._whole_clauses(sentence, width(sentence) - 1) == "needs 12.7 GB, 8.3 GB free"
    # One clause that does not fit either is cut with an ellipsis when it is painted, and keeps what follows it.
    assert delegate._whole_clauses(sentence, 40) == sentence


def test_the_column_for_cards_is_there_where_cards_are(qapp, theme, desk):
    _, table = a_table(running("1"))
    jobs = JobList(table, Commands(desk), theme)
    jobs.resize(1000, 300)
    jobs.show()
    columns = jobs.horizontalHeader()
    assert columns.isSectionHidden(Column.GPU)
    without = columns.sectionSize(Column.WHY)
    assert without > columns.sectionSize(Column.JOB)
    jobs.show_cards(True)
    assert not columns.isSectionHidden(Column.GPU)
    assert columns.sectionSize(Column.WHY) < without
    assert columns.length() <= jobs.viewport().width()
    jobs.deleteLater()


def test_words_are_looked_for_in_pieces_and_jobs_that_change_meanwhile_count_as_they_are(qapp):
    book, table = a_table(*(a_job_view(str(number), name="alpha") for number in range(1, 1001)))
    match = JobMatch("alpha")
    pieces = match.look_at(list(book.jobs.values()))
    next(pieces)
    table.apply(book.apply([a_job_view("1", name="omega"), a_job_view("1001", name="alphabet")], ["2"]))
    assert table.rowCount() == 1000
    assert 1 < len(list(pieces)) < 100
    table.set_match(match)
    assert ids(table) == [str(number) for number in range(3, 1002)]


def test_thousands_of_jobs_are_chosen_kept_and_counted_without_a_stall(qapp, theme, desk):
    book, table = a_table(*(a_job_view(str(number)) for number in range(1, 5001)))
    jobs = JobList(table, Commands(desk), theme)
    calls = count_calls(table, "index")
    jobs.selectAll()
    assert len(jobs.chosen()) == jobs.chosen_count == 5000
    assert jobs.actions_of_jobs.fit_counts()["cancel"] == 5000
    assert jobs.actions_of_jobs.fit_counts()["edit"] == 0
    table.reload()
    assert len(jobs.chosen()) == 5000
    assert len(calls) < 100
    jobs.choose_all([str(number) for number in range(2, 5001, 2)])
    table.apply(book.apply([], [str(number) for number in range(2, 1001)]))
    assert [job.id for job in jobs.chosen()] == [str(number) for number in range(1002, 5001, 2)]


def test_the_row_one_stands_at_stays_when_all_rows_are_put_anew(qapp, theme, desk):
    _, table = a_table(*(a_job_view(str(number)) for number in range(1, 11)))
    jobs = JobList(table, Commands(desk), theme)
    jobs.choose_all(["2", "4", "6"])
    jobs.selectionModel().setCurrentIndex(table.index(5, 0), QItemSelectionModel.SelectionFlag.NoUpdate)
    table.reload()
    assert jobs.currentIndex().row() == 5
    assert [job.id for job in jobs.chosen()] == ["2", "4", "6"]


def count_calls(table: JobTable, name: str) -> list[tuple[object, ...]]:
    """Notes every call from Python of a method of the table."""
    calls: list[tuple[object, ...]] = []
    method = getattr(table, name)

    def noted(*words: object) -> object:
        calls.append(words)
        return method(*words)

    setattr(table, name, noted)
    return calls
