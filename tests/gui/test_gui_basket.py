"""The drop basket: copies and never moves, one card per drop that follows its jobs, folders, its place, its look."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from PySide6.QtCore import QCoreApplication, QEvent, QMimeData, QPoint, QPointF, QRect, QSize, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent, QDropEvent, QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog, QWidget

from support.until import eventually
from tidegate.engine.ports import EngineUnwilling
from tidegate.gui.basket import card as basket_card
from tidegate.gui.basket.basket import CARDS_SHOWN, Basket
from tidegate.gui.basket.batch import Tally, tally_line
from tidegate.gui.basket.card import BatchCard, FolderCard, SentenceCard
from tidegate.gui.basket.place import HOME_PX, Corner, clamped, first_home, grown, nearest_corner
from tidegate.gui.basket.switch import BasketSwitch
from tidegate.gui.commands import Commands
from tidegate.gui.drop import dropped_paths, local_path
from tidegate.gui.feed import Feed
from tidegate.gui.remembered import Remembered
from tidegate.gui.shell import Shell
from tidegate.gui.submit.folder_offer import FolderOffer, open_folder_offer
from tidegate.gui.submit.submitter import Submitter
from tidegate.settings import load
from tidegate.submission.folder import FolderScripts, scripts_in
from tidegate.submission.request import MachineFacts

pytestmark = pytest.mark.qt_log_ignore(r"^This plugin does not support (raise|propagateSizeHints)\(\)$")
FACTS = MachineFacts(8, 32 * 1024**3, None)
BOTH = Qt.DropAction.CopyAction | Qt.DropAction.MoveAction
NO_KEYS, SHIFT = Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ShiftModifier


@dataclass
class Held:
    """The basket without window or tray, as it lives in the tray alone."""

    switch: BasketSwitch
    remembered: Remembered
    commands: Commands
    submitter: Submitter

    @property
    def basket(self) -> Basket:
        assert self.switch.basket is not None
        return self.switch.basket

    @property
    def card(self) -> BatchCard:
        card = self.basket.cards[-1]
        assert isinstance(card, BatchCard)
        return card

    @property
    def offer(self) -> FolderOffer:
        card = self.basket.cards[-1]
        assert isinstance(card, FolderCard)
        return card.offer


@pytest.fixture
def with_basket(run, desk, theme, paths) -> Callable[..., None]:
    """Runs ``test(held)`` with the basket shown; everything is closed after it."""

    def go(test, shown: bool = True) -> None:
        async def body() -> None:
            feed, commands = Feed(desk), Commands(desk)
            remembered = Remembered(paths.window_file)
            submitter = Submitter(commands, paths, load(paths, {}), lambda: FACTS, theme, remembered)
            held = Held(BasketSwitch(commands, feed, submitter, theme, remembered), remembered, commands, submitter)
            feed.start()
            if shown:
                held.switch.set_shown(True)
            try:
                await test(held)
            finally:
                await commands.settle()
                held.switch.close()
                feed.stop()
                remembered.close()
                QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)

        run(body())

    return go


@pytest.fixture
def script(tmp_path: Path) -> Callable[[str], str]:
    def make(name: str) -> str:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("print()\n")
        return str(tmp_path / name)

    return make


def mime_of(*paths: str) -> QMimeData:
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(path) for path in paths])
    return mime


@dataclass(frozen=True)
class Answered:
    """What the basket made of an event; the event itself dies with its data."""

    accepted: bool
    action: Qt.DropAction


def enter(widget: QWidget, mime: QMimeData, actions: Qt.DropAction = BOTH) -> Answered:
    event = QDragEnterEvent(QPoint(40, 40), actions, mime, Qt.MouseButton.LeftButton, NO_KEYS)
    event.setDropAction(Qt.DropAction.MoveAction)
    QApplication.sendEvent(widget, event)
    return Answered(event.isAccepted(), event.dropAction())


def drop(
    widget: QWidget, mime: QMimeData, keys: Qt.KeyboardModifier = NO_KEYS, actions: Qt.DropAction = BOTH
) -> Answered:
    """As a file manager does that proposes to move; only what was let in can be dropped."""
    if not enter(widget, mime, actions).accepted:
        return Answered(False, Qt.DropAction.IgnoreAction)
    event = QDropEvent(QPointF(40, 40), actions, mime, Qt.MouseButton.LeftButton, keys)
    event.setDropAction(Qt.DropAction.MoveAction)
    QApplication.sendEvent(widget, event)
    return Answered(event.isAccepted(), event.dropAction())


def asked_of(desk) -> list[tuple[str, list[str]]]:
    return [(command.verb.value, [str(id) for id in command.ids]) for command in desk.commands]


# --- What is dropped --------------------------------------------------------------------------------------------------


def test_a_drop_that_would_move_is_a_copy_and_the_file_stays(desk, with_basket, script):
    file = script("train.py")

    async def test(held: Held) -> None:
        entered = enter(held.basket, mime_of(file))
        assert entered.accepted
        assert entered.action == Qt.DropAction.CopyAction
        event = drop(held.basket, mime_of(file))
        assert event.accepted
        assert event.action == Qt.DropAction.CopyAction
        await eventually(lambda: desk.submitted)
        assert desk.submitted[0].spec.script == file

    with_basket(test)
    assert os.path.exists(file)


def test_a_source_that_only_moves_gets_nothing(desk, with_basket, script):
    file = script("train.py")

    async def test(held: Held) -> None:
        assert not enter(held.basket, mime_of(file), Qt.DropAction.MoveAction).accepted
        assert not drop(held.basket, mime_of(file), actions=Qt.DropAction.MoveAction).accepted
        await held.commands.settle()
        assert not desk.submitted

    with_basket(test)


def test_it_lights_up_while_something_hovers(with_basket, script):
    file = script("a.py")

    async def test(held: Held) -> None:
        well = held.basket.well
        quiet = well.grab().toImage()
        enter(held.basket, mime_of(file))
        assert well.text() == "Let go to submit"
        assert well.grab().toImage() != quiet
        QApplication.sendEvent(held.basket, QDragLeaveEvent())
        assert well.text() == "Drop scripts here"
        assert well.grab().toImage() == quiet

    with_basket(test)


def test_lines_of_full_paths_are_files_and_other_text_is_refused(desk, with_basket, script):
    one, two = script("one.py"), script("two words.sh")

    async def test(held: Held) -> None:
        mime = QMimeData()
        mime.setText(f'{one}\n\n"{two}"\n')
        assert enter(held.basket, mime).accepted
        drop(held.basket, mime)
        await eventually(lambda: len(desk.submitted) == 2)
        assert [each.spec.script for each in desk.submitted] == [one, two]
        mime.setText("buy milk")
        drop(held.basket, mime)
        refused = held.basket.cards[-1]
        assert isinstance(refused, SentenceCard)
        assert refused.sentence.text() == "This text names no files; drop files, or lines with their full paths."
        await held.commands.settle()
        assert len(desk.submitted) == 2

    with_basket(test)


def test_what_lies_on_another_computer_is_refused(with_basket):
    async def test(held: Held) -> None:
        mime = QMimeData()
        mime.setUrls([QUrl("https://example.org/a.py")])
        drop(held.basket, mime)
        assert [card.sentence.text() for card in held.basket.cards] == ["Only files on this computer can be submitted."]

    with_basket(test)


@pytest.mark.skipif(os.name == "nt", reason="There names are text.")
def test_the_bytes_of_a_name_survive_the_drop():
    assert os.fsencode(local_path(QUrl("file:///tmp/caf%E9%20%25.py")) or "") == b"/tmp/caf\xe9 %.py"
    assert local_path(QUrl("file://localhost/tmp/a.py")) == "/tmp/a.py"
    assert local_path(QUrl("file://elsewhere.example/tmp/a.py")) is None
    mime = QMimeData()
    mime.setUrls([QUrl("file:///tmp/a.py"), QUrl("file:///tmp/a.py"), QUrl("ftp://host/b.py")])
    assert dropped_paths(mime) == (["/tmp/a.py"], 1)


# --- Cards ------------------------------------------------------------------------------------------------------------


def test_one_drop_is_one_card_that_follows_its_jobs(desk, with_basket, script):
    files = [script(f"{name}.py") for name in "abcde"]
    desk.add("1", name="not ours", status="running", started_at=1.0)

    async def test(held: Held) -> None:
        drop(held.basket, mime_of(*files))
        await eventually(lambda: held.basket.cards and held.card.state.text() == "5 waiting")
        assert held.card.title.text() == "5 scripts"
        assert len(held.basket.cards) == 1
        desk.start("2")
        desk.start("3")
        await eventually(lambda: held.card.state.text() == "2 running · 3 waiting")
        desk.finish("2", "failed", 1)
        await eventually(lambda: held.card.state.text() == "1 failed · 1 running · 3 waiting")
        for id in ("3", "4", "5", "6"):
            desk.finish(id)
        await eventually(lambda: held.card.state.text() == "1 failed · 4 done")
        assert "5 scripts: 1 failed" in held.card.accessibleName()
        desk.finish("1", "failed")
        await eventually(lambda: held.card.state.text() == "1 failed · 4 done")

    with_basket(test)


def test_a_single_script_goes_by_its_name_and_says_why_it_waits(desk, with_basket, script):
    file = script("train.py")

    async def test(held: Held) -> None:
        drop(held.basket, mime_of(file))
        await eventually(lambda: held.basket.cards and held.card.state.text() == "Waiting · It is next in line.")
        assert held.card.title.text() == "train.py"
        desk.start("1")
        await eventually(lambda: held.card.state.text() == "Running")
        desk.finish("1", "failed", 3)
        await eventually(lambda: held.card.state.text().startswith("Failed · exit 3"))

    with_basket(test)


def test_an_array_counts_by_its_elements_and_is_undone_as_one(desk, with_basket, script, tmp_path):
    file = script("sweep.py")
    Path(file).write_text("# tidegate: array=1-3\nprint()\n")

    async def test(held: Held) -> None:
        drop(held.basket, mime_of(file))
        await eventually(lambda: held.basket.cards and held.card.state.text() == "3 waiting")
        desk.start("1.2")
        await eventually(lambda: held.card.state.text() == "1 running · 2 waiting")
        held.card.undo.click()
        await eventually(lambda: held.card.state.text() == "cancelled")
        assert asked_of(desk) == [("cancel", ["1"])]

    with_basket(test)


def test_refused_files_are_said_on_the_card_and_the_others_run(desk, with_basket, script, tmp_path):
    files = [script("good.py"), str(tmp_path / "missing.py")]

    async def test(held: Held) -> None:
        drop(held.basket, mime_of(*files))
        await eventually(lambda: held.basket.cards and held.card.state.text() == "1 waiting · 1 refused")
        assert "missing.py" in held.card.refusal.text()
        assert not held.card.refusal.isHidden()
        assert len(desk.submitted) == 1
        desk.finish("1")
        await eventually(lambda: held.card.state.text() == "1 done · 1 refused")
        assert not held.card._leaves.isActive()

    with_basket(test)


def test_an_unwilling_engine_is_said_on_the_card(desk, with_basket, script):
    desk.unwilling = "The disk is full; nothing new is accepted until there is room."
    file = script("a.py")

    async def test(held: Held) -> None:
        drop(held.basket, mime_of(file))
        await eventually(lambda: held.basket.cards and held.card.state.text() == "not submitted")
        assert held.card.refusal.text() == desk.unwilling
        assert held.card.show_jobs.isHidden()
        assert held.card.undo.isHidden()

    with_basket(test)


def test_undo_cancels_exactly_the_jobs_of_that_drop(desk, with_basket, script):
    first, second = [script("a.py")], [script("b.py"), script("c.py")]
    desk.add("1")

    async def test(held: Held) -> None:
        drop(held.basket, mime_of(*first))
        await eventually(lambda: held.basket.cards and held.card.batch.jobs)
        drop(held.basket, mime_of(*second))
        await eventually(lambda: len(held.basket.cards) == 2 and held.card.batch.jobs)
        desk.start("3")
        held.card.undo.click()
        await eventually(lambda: held.card.state.text() == "cancelled")
        assert asked_of(desk) == [("cancel", ["3", "4"])]
        assert held.card.undo.isHidden()
        assert {job.id: job.status for job in desk.jobs()} == {"1": "queued", "2": "queued"}

    with_basket(test)


def test_an_undo_that_fails_is_said_and_can_be_tried_again(desk, with_basket, script):
    file = script("a.py")
    command = desk.command

    async def unwilling(_command):
        raise EngineUnwilling("The engine is leaving.")

    async def test(held: Held) -> None:
        drop(held.basket, mime_of(file))
        await eventually(lambda: held.basket.cards and held.card.state.text().startswith("Waiting"))
        desk.command = unwilling
        held.card.undo.click()
        assert held.card.state.text() == "taking it back…"
        await eventually(lambda: held.card.refusal.text() == "The engine is leaving.")
        desk.command = command
        held.card.undo.click()
        await eventually(lambda: asked_of(desk) == [("cancel", ["1"])])

    with_basket(test)


def test_a_bug_while_submitting_leaves_no_card_that_waits_for_ever(desk, with_basket, script, caplog):
    file = script("a.py")

    async def broken(_submissions):
        raise RuntimeError("wire cut")

    desk.submit = broken

    async def test(held: Held) -> None:
        drop(held.basket, mime_of(file))
        await eventually(lambda: held.basket.cards and held.card.state.text() == "not submitted")

    with_basket(test)
    assert "wire cut" in caplog.text


def test_undo_goes_once_one_has_finished(desk, with_basket, script):
    files = [script("a.py"), script("b.py")]

    async def test(held: Held) -> None:
        drop(held.basket, mime_of(*files))
        await eventually(lambda: held.basket.cards and held.card.batch.can_undo)
        assert not held.card.undo.isHidden()
        desk.finish("1")
        await eventually(lambda: held.card.undo.isHidden())
        held.card.batch.undo()
        await held.commands.settle()
        assert not desk.commands

    with_basket(test)


def test_a_card_leaves_by_itself_when_all_is_well_and_stays_when_not(desk, with_basket, script, monkeypatch):
    monkeypatch.setattr(basket_card, "LEAVE_MS", 30)
    files = [script("a.py")], [script("b.py")]

    async def test(held: Held) -> None:
        for count, file in enumerate(files, 1):
            drop(held.basket, mime_of(*file))
            await eventually(lambda count=count: len(held.basket.cards) == count and held.card.batch.jobs)
        good, bad = held.basket.cards
        desk.finish("2", "failed", 1)
        await eventually(lambda: bad.state.text().startswith("Failed"))
        desk.finish("1")
        await eventually(lambda: held.basket.cards == [bad])
        assert good.batch._closed
        assert held.basket.well.height() == HOME_PX.height()
        bad.away.click()
        assert held.basket.cards == []
        assert held.basket.size() == HOME_PX

    with_basket(test)


def test_a_card_goes_on_while_the_basket_is_hidden(desk, with_basket, script):
    file = script("a.py")

    async def test(held: Held) -> None:
        drop(held.basket, mime_of(file))
        await eventually(lambda: held.basket.cards and held.card.batch.jobs)
        held.switch.set_shown(False)
        desk.start("1")
        await eventually(lambda: held.card.state.text() == "Running")

    with_basket(test)


def test_older_cards_make_room_but_a_question_waits_for_its_answer(desk, with_basket, script, tmp_path):
    script("folder/x.py")
    files = [script(f"{name}.py") for name in "abcd"]

    async def test(held: Held) -> None:
        drop(held.basket, mime_of(str(tmp_path / "folder")))
        await eventually(lambda: held.basket.cards)
        for file in files:
            drop(held.basket, mime_of(file))
            await eventually(lambda file=file: held.basket.cards[-1].title.text() == os.path.basename(file))
        assert len(held.basket.cards) == CARDS_SHOWN
        assert [card.title.text() for card in held.basket.cards] == ["folder", "c.py", "d.py"]
        # What is no longer shown is no longer followed.
        await eventually(lambda: set(held.switch._parts[1]._followed) == {"3", "4"})

    with_basket(test)


def test_show_names_the_jobs(desk, with_basket, script):
    files = [script("a.py"), script("b.py")]

    async def test(held: Held) -> None:
        wanted: list[list[str]] = []
        held.switch.jobs_wanted.connect(wanted.append)
        drop(held.basket, mime_of(*files))
        await eventually(lambda: held.basket.cards and held.card.batch.jobs)
        held.card.show_jobs.click()
        assert wanted == [["1", "2"]]

    with_basket(test)


@pytest.mark.parametrize(
    ("tally", "refused", "line"),
    [
        (Tally(done=3), 0, "all done"),
        (Tally(cancelled=2), 0, "cancelled"),
        (Tally(done=1, cancelled=2), 0, "1 done · 2 cancelled"),
        (Tally(running=2, waiting=3), 0, "2 running · 3 waiting"),
        (Tally(failed=1), 0, "1 failed"),
        (Tally(paused=1, done=2), 1, "1 paused · 2 done · 1 refused"),
    ],
)
def test_the_state_line(tally, refused, line):
    assert tally_line(tally, refused) == line


# --- Folders ----------------------------------------------------------------------------------------------------------


def test_a_folder_offers_its_scripts_and_submits_those_chosen(desk, with_basket, script, tmp_path):
    scripts = [script(f"project/{name}") for name in ("one.py", "two.sh", "three.py")]
    script("project/inner/deep.py")

    async def test(held: Held) -> None:
        drop(held.basket, mime_of(str(tmp_path / "project")))
        await eventually(lambda: held.basket.cards)
        offer = held.offer
        assert not desk.submitted
        assert offer.chosen() == [scripts[0], scripts[2], scripts[1]]
        assert offer.submit.text() == "Submit 3 scripts"
        offer.list.item(1).setCheckState(Qt.CheckState.Unchecked)
        assert offer.submit.text() == "Submit 2 scripts"
        assert offer.all.checkState() == Qt.CheckState.PartiallyChecked
        offer.submit.click()
        await eventually(lambda: len(desk.submitted) == 2)
        assert [each.spec.script for each in desk.submitted] == scripts[:2]
        assert [card.title.text() for card in held.basket.cards] == ["2 scripts"]

    with_basket(test)


def test_of_many_scripts_none_is_chosen_and_all_can_be(with_basket, script, tmp_path):
    for number in range(11):
        script(f"many/{number}.py")

    async def test(held: Held) -> None:
        drop(held.basket, mime_of(str(tmp_path / "many")))
        await eventually(lambda: held.basket.cards)
        offer = held.offer
        assert offer.chosen() == []
        assert not offer.submit.isEnabled()
        offer.all.click()
        assert len(offer.chosen()) == 11
        assert offer.all.checkState() == Qt.CheckState.Checked
        offer.all.click()
        assert offer.chosen() == []
        offer.list.setFocus()
        QTest.keyClick(offer.list, Qt.Key.Key_Space)
        assert [os.path.basename(path) for path in offer.chosen()] == ["0.py"]
        place = offer.list.visualItemRect(offer.list.item(1)).center()
        QTest.mouseClick(offer.list.viewport(), Qt.MouseButton.LeftButton, NO_KEYS, place)
        assert [os.path.basename(path) for path in offer.chosen()] == ["0.py", "1.py"]
        offer.cancel.click()
        assert held.basket.cards == []

    with_basket(test)


def test_files_go_and_folders_are_offered_when_they_come_together(desk, with_basket, script, tmp_path):
    file = script("now.py")
    script("later/x.py")
    (tmp_path / "empty").mkdir()

    async def test(held: Held) -> None:
        drop(held.basket, mime_of(file, str(tmp_path / "later"), str(tmp_path / "empty")))
        await eventually(lambda: len(held.basket.cards) == 2)
        await eventually(lambda: len(desk.submitted) == 1)
        assert [card.title.text() for card in held.basket.cards] == ["now.py", "2 folders"]
        assert [held.offer.list.item(row).text() for row in range(held.offer.list.count())] == ["later/x.py"]

    with_basket(test)


def test_a_folder_without_scripts_says_so(with_basket, tmp_path):
    async def test(held: Held) -> None:
        drop(held.basket, mime_of(str(tmp_path / "data")))
        await eventually(lambda: held.basket.cards)
        card = held.basket.cards[0]
        assert isinstance(card, SentenceCard)
        expected = "data has no scripts directly in it; folders inside it are not searched."
        assert card.sentence.text() == expected

    (tmp_path / "data").mkdir()
    with_basket(test)


def test_what_is_left_out_of_a_folder_or_cannot_be_read_is_said(theme):
    offer = FolderOffer([FolderScripts("/a/b", ("/a/b/x.py",), 149), FolderScripts("/c", error="Permission denied")])
    sentences = [label.text() for label in offer.findChildren(QWidget) if label.property("role") == "muted"]
    assert "b has 150 scripts; the first 1 are listed." in sentences
    assert "c cannot be read: Permission denied." in sentences
    offer.deleteLater()


def test_shift_opens_the_submit_dialog_instead(desk, with_basket, script, monkeypatch):
    file = script("a.py")

    async def test(held: Held) -> None:
        asked: list[tuple[list[str], object]] = []
        monkeypatch.setattr(held.submitter, "ask", lambda files, owner: asked.append((list(files), owner)))
        event = drop(held.basket, mime_of(file), SHIFT)
        assert event.action == Qt.DropAction.CopyAction
        await eventually(lambda: asked == [([file], None)])
        await held.commands.settle()
        assert not desk.submitted

    with_basket(test)


# --- The same on the window -------------------------------------------------------------------------------------------


def test_the_folder_dialog_hands_over_what_was_chosen_and_blocks_nothing(run, theme, script, tmp_path):
    scripts = [script("f/a.py"), script("f/b.py")]

    async def body() -> None:
        owner = QWidget()
        owner.show()
        submitted: list[list[str]] = []
        dialog = open_folder_offer([scripts_in(str(tmp_path / "f"))], owner, submitted.append)
        assert dialog.isVisible()
        offer = dialog.findChild(FolderOffer)
        assert offer.list.hasFocus() or offer.list is dialog.focusWidget()
        QTest.keyClick(offer.list, Qt.Key.Key_Space)
        QTest.keyClick(dialog, Qt.Key.Key_Return)
        assert submitted == [scripts[1:]]
        assert not dialog.isVisible()
        again = open_folder_offer([scripts_in(str(tmp_path / "f"))], owner, submitted.append)
        QTest.keyClick(again, Qt.Key.Key_Escape)
        assert not again.isVisible()
        assert len(submitted) == 1
        owner.deleteLater()
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)

    run(body())


# --- Place ------------------------------------------------------------------------------------------------------------

LEFT, RIGHT = QRect(0, 32, 1920, 1048), QRect(1920, 0, 1280, 1024)


@pytest.mark.parametrize(
    ("place", "screens", "expected"),
    [
        (QPoint(100, 100), [LEFT], QPoint(100, 100)),
        (QPoint(-50, 0), [LEFT], QPoint(0, 32)),
        (QPoint(1900, 1070), [LEFT], QPoint(1920 - 168, 1080 - 120)),
        (QPoint(2500, 500), [LEFT, RIGHT], QPoint(2500, 500)),
        # Its screen was unplugged: the nearest edge of the one that is left.
        (QPoint(2500, 500), [LEFT], QPoint(1920 - 168, 500)),
        # On the border it goes to the screen that shows most of it.
        (QPoint(1920 - 100, 500), [LEFT, RIGHT], QPoint(1920 - 168, 500)),
        (QPoint(1920 - 50, 500), [LEFT, RIGHT], QPoint(1920, 500)),
        # Below the smaller screen's end, where nothing is shown.
        (QPoint(2500, 1040), [LEFT, RIGHT], QPoint(2500, 1024 - 120)),
        (QPoint(10, 10), [QRect(0, 0, 100, 80)], QPoint(0, 0)),
        (QPoint(7, 7), [], QPoint(7, 7)),
    ],
)
def test_the_place_is_always_on_a_screen_that_exists(place, screens, expected):
    assert clamped(QRect(place, HOME_PX), screens) == QRect(expected, HOME_PX)


def test_it_begins_at_the_lower_right_and_grows_away_from_there():
    home = first_home(LEFT)
    assert LEFT.contains(home)
    corner = nearest_corner(home, LEFT)
    assert corner == Corner(right=True, bottom=True)
    large = grown(home, QSize(288, 400), corner)
    assert (large.right(), large.bottom()) == (home.right(), home.bottom())
    assert grown(large, HOME_PX, corner) == home
    assert nearest_corner(QRect(QPoint(40, 40), HOME_PX), LEFT) == Corner(right=False, bottom=False)


def test_the_well_stays_where_it_was_when_cards_come(with_basket, script):
    file = script("a.py")

    async def test(held: Held) -> None:
        basket = held.basket
        before = basket.geometry()
        drop(basket, mime_of(file))
        await eventually(lambda: basket.cards and held.card.batch.jobs)
        after = basket.geometry()
        assert (after.right(), after.bottom()) == (before.right(), before.bottom())
        assert basket.well.geometry().bottom() == basket.height() - 1
        assert basket.well.height() == HOME_PX.height()
        card = basket.cards[0].geometry()
        assert basket.rect().contains(card)
        assert not card.intersects(basket.well.geometry())

    with_basket(test)


def test_it_is_moved_by_its_body_and_comes_back_there_after_a_restart(with_basket, paths):
    places: list[QPoint] = []

    async def move(held: Held) -> None:
        basket = held.basket
        before = basket.pos()
        QTest.mousePress(basket.well, Qt.MouseButton.LeftButton, NO_KEYS, QPoint(20, 20))
        QTest.mouseMove(basket.well, QPoint(20, 20) - QPoint(120, 90))
        QTest.mouseRelease(basket.well, Qt.MouseButton.LeftButton)
        assert basket.pos() == before - QPoint(120, 90)
        places.append(basket.pos())

    async def come_back(held: Held) -> None:
        assert held.switch.basket is None
        held.switch.start()
        await eventually(lambda: held.switch.basket is not None)
        assert held.basket.isVisible()
        assert held.basket.pos() == places[0]
        held.switch.set_shown(False)

    async def stay_away(held: Held) -> None:
        held.switch.start()
        assert not held.switch._begin.isActive()
        assert held.switch.basket is None

    with_basket(move)
    with_basket(come_back, shown=False)
    with_basket(stay_away, shown=False)


def test_a_remembered_place_that_is_nonsense_or_off_every_screen_does_not_lose_it(with_basket, paths):
    for text in ('{"basket_place": [99999, -4000]}', '{"basket_place": ["x", null]}', '{"basket_place": [1]}'):
        paths.window_file.write_text(text)

        async def test(held: Held) -> None:
            screens = [screen.availableGeometry() for screen in QGuiApplication.screens()]
            assert any(screen.contains(held.basket.geometry()) for screen in screens)

        with_basket(test)


# --- Keys, menu, look -------------------------------------------------------------------------------------------------


@pytest.mark.qt_log_ignore("This plugin does not support")
def test_where_nothing_can_be_see_through_no_corner_is_black(with_basket, monkeypatch):
    monkeypatch.setattr(QGuiApplication, "platformName", lambda: "xcb")

    async def test(held) -> None:
        held.switch.set_shown(True)
        basket = held.basket
        assert not basket.testAttribute(Qt.WidgetAttribute.WA_TranslucentBackground)
        image, mask = basket.grab().toImage(), basket.mask()
        assert not mask.contains(QPoint(0, 0))
        line = basket._theme.colour("line").lightness()
        edge = [QPoint(x, y) for x in range(7) for y in range(7) if mask.contains(QPoint(x, y))]
        assert edge
        assert min(image.pixelColor(at).lightness() for at in edge) >= line - 2

    with_basket(test)


def test_it_is_above_others_takes_no_focus_and_has_no_place_in_the_task_bar(with_basket):
    async def test(held: Held) -> None:
        flags = held.basket.windowFlags()
        assert flags & Qt.WindowType.WindowStaysOnTopHint
        assert flags & Qt.WindowType.FramelessWindowHint
        assert flags & Qt.WindowType.Tool == Qt.WindowType.Tool
        assert held.basket.testAttribute(Qt.WidgetAttribute.WA_ShowWithoutActivating)
        assert held.basket.size() == HOME_PX

    with_basket(test)


def test_escape_hides_and_enter_chooses_files(desk, with_basket, script):
    file = script("chosen.py")

    async def test(held: Held) -> None:
        told: list[bool] = []
        held.switch.changed.connect(told.append)
        QTest.keyClick(held.basket.well, Qt.Key.Key_Return)
        dialog = held.basket.findChild(QFileDialog)
        assert dialog is not None
        assert dialog.isVisible()
        dialog.filesSelected.emit([file])
        dialog.reject()
        await eventually(lambda: held.basket.cards and held.card.title.text() == "chosen.py")
        QTest.keyClick(held.basket.well, Qt.Key.Key_Escape)
        assert not held.basket.isVisible()
        assert told == [False]
        assert not held.switch.shown

    with_basket(test)


def test_enter_on_a_button_presses_it(desk, with_basket, script):
    file = script("a.py")

    async def test(held: Held) -> None:
        drop(held.basket, mime_of(file))
        await eventually(lambda: held.basket.cards and held.card.batch.can_undo)
        held.card.undo.setFocus()
        QTest.keyClick(held.card.undo, Qt.Key.Key_Return)
        await eventually(lambda: asked_of(desk) == [("cancel", ["1"])])
        assert held.basket.findChild(QFileDialog) is None

    with_basket(test)


def test_the_menu_offers_what_a_person_may_want(with_basket):
    async def test(held: Held) -> None:
        said: list[str] = []
        held.switch.submit_wanted.connect(lambda: said.append("submit"))
        held.switch.open_wanted.connect(lambda: said.append("open"))
        menu = held.basket.menu()
        actions = [action for action in menu.actions() if action.text()]
        assert [action.text() for action in actions] == ["Submit…", "Open Tidegate", "Hide basket"]
        for action in actions:
            action.trigger()
        assert said == ["submit", "open"]
        assert not held.basket.isVisible()
        menu.deleteLater()

    with_basket(test)


def test_it_follows_light_and_dark_live(with_basket, script):
    file = script("a.py")

    async def test(held: Held) -> None:
        basket = held.basket
        drop(basket, mime_of(file))
        await eventually(lambda: basket.cards and held.card.batch.jobs)
        seen = []
        for scheme in (Qt.ColorScheme.Dark, Qt.ColorScheme.Light):
            QGuiApplication.styleHints().colorSchemeChanged.emit(scheme)
            picture = basket.grab().toImage()
            card = held.card.geometry()
            surface = picture.pixelColor(card.left() - 4, card.center().y())
            inset = picture.pixelColor(card.right() - 8, card.bottom() - 4)
            seen.append((surface.name(), inset.name()))
            tokens = basket._theme.tokens
            assert getattr(tokens, held.card._tone()) in held.card.state.styleSheet()
        assert seen == [("#1b2027", "#14181d"), ("#ffffff", "#f6f7f9")]

    with_basket(test)


# --- In the application -----------------------------------------------------------------------------------------------


def test_the_application_shows_it_by_menu_and_by_key_and_remembers(run, open_shell, paths):
    async def body() -> None:
        shell: Shell = open_shell()
        assert shell.basket.basket is None
        shell.tray.basket_toggled.emit(True)
        assert shell.basket.basket is not None
        assert shell.basket.basket.isVisible()
        assert "window" not in shell.__dict__
        assert shell.tray.facts.basket
        shell.window.basket_wanted.emit()
        assert not shell.basket.basket.isVisible()
        assert not shell.tray.facts.basket
        shell.window.basket_wanted.emit()
        assert shell.basket.shown
        shell.close()
        again: Shell = open_shell()
        await eventually(lambda: again.basket.basket is not None and again.basket.basket.isVisible())
        assert again.tray.facts.basket

    run(body())


def test_show_opens_the_window_on_the_jobs_even_when_it_was_never_made(run, desk, open_shell, script):
    files = [script("a.py"), script("b.py")]

    async def body() -> None:
        shell: Shell = open_shell()
        desk.add_many(30)
        shell.basket.set_shown(True)
        basket = shell.basket.basket
        assert basket is not None
        drop(basket, mime_of(*files))
        await eventually(lambda: basket.cards and basket.cards[0].batch.jobs)
        desk.start("31")
        await eventually(lambda: basket.cards[0].state.text() == "1 running · 1 waiting")
        basket.cards[0].show_jobs.click()
        await eventually(lambda: [job.id for job in shell.window.queue.list.chosen()] == ["31", "32"])
        shell.window.hide()
        desk.start("32")
        await eventually(lambda: basket.cards[0].state.text() == "2 running")

    run(body())
