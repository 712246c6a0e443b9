"""Graphics cards through the real pynvml, on a stand-in for the driver's library that misbehaves on demand."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support import nvml_stub
from support.nvml_stub import GIB, NvmlStub
from support.until import until

pytestmark = pytest.mark.skipif(
    nvml_stub.compiler() is None or sys.platform != "linux", reason="needs Linux and a C compiler for the NVML stub"
)

ROOT = Path(__file__).parents[2]


class Reader:
    """A GpuReader in a process of its own, asked over a pipe."""

    def __init__(self, stub: NvmlStub, pci: Path, interval_s: float = 0.05) -> None:
        environment = stub.environment() | {"PYTHONPATH": str(ROOT / "app")}
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "tests/support/nvml_stub/read_cards.py"), str(interval_s), str(pci)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )

    def known(self) -> dict[str, Any]:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def cards(self) -> list[dict[str, Any]]:
        return list(self.known()["cards"])

    def close(self) -> None:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        assert self.process.wait(timeout=10) == 0
        self.process.stdout.close()


@pytest.fixture
def stub(tmp_path: Path) -> NvmlStub:
    folder = tmp_path / "nvml"
    folder.mkdir()
    stub = NvmlStub(folder)
    stub.add_card("NVIDIA GeForce RTX 3090", total_bytes=24 * GIB, used_bytes=6 * GIB)
    stub.add_card("NVIDIA H200", total_bytes=141 * GIB, used_bytes=1 * GIB)
    return stub


@pytest.fixture
def reader(stub: NvmlStub, tmp_path: Path) -> Iterator[Reader]:
    reader = Reader(stub, tmp_path / "pci")
    yield reader
    reader.close()


def test_two_cards_are_read_with_all_their_figures(stub: NvmlStub, reader: Reader) -> None:
    stub.set({"0.utilisation": 97, "0.temperature": 71, "0.power_mw": 250500})
    first, second = until(lambda: cards if (cards := reader.cards())[0]["utilisation_pct"] == 97 else None)
    assert first == {
        "index": 0,
        "uuid": "GPU-00000000-1111-2222-3333-444444444444",
        "name": "NVIDIA GeForce RTX 3090",
        "memory_total_bytes": 24 * GIB,
        "memory_used_bytes": 6 * GIB,
        "utilisation_pct": 97.0,
        "temperature_c": 71.0,
        "power_w": 250.5,
        "processes": [],
        "lost": False,
        "error": None,
    }
    assert (second["index"], second["name"], second["memory_used_bytes"]) == (1, "NVIDIA H200", GIB)
    known = reader.known()
    assert known["driver"] == "580.65.06"
    assert known["absent"] is None


def test_processes_of_both_kinds_come_with_memory_or_none(stub: NvmlStub, reader: Reader) -> None:
    stub.set({"0.compute": "100:1000,101:?,102:500", "0.graphics": "102:500,103:70"})
    expected = [
        {"pid": 100, "memory_bytes": 1000, "utilisation_pct": None},
        {"pid": 101, "memory_bytes": None, "utilisation_pct": None},
        {"pid": 102, "memory_bytes": 500, "utilisation_pct": None},
        {"pid": 103, "memory_bytes": 70, "utilisation_pct": None},
    ]
    until(lambda: reader.cards()[0]["processes"] == expected)
    assert reader.cards()[1]["processes"] == []


def work(reader: Reader, card: int = 0) -> dict[int, float | None]:
    return {process["pid"]: process["utilisation_pct"] for process in reader.cards()[card]["processes"] or ()}


def test_each_process_has_its_part_of_the_work(stub: NvmlStub, reader: Reader) -> None:
    stub.set({"0.utilisation": 95, "0.compute": "100:1,101:1,102:1", "0.work": "100:70@50,101:20@50"})
    until(lambda: work(reader) == {100: 70.0, 101: 20.0, 102: 0.0})
    stub.set({"0.work": "100:70@50,101:20@50,101:99@58,100:1@59,102:30@60,101:40@60"})
    until(lambda: work(reader) == {100: 0.0, 101: 40.0, 102: 30.0})
    assert work(reader) == {100: 0.0, 101: 40.0, 102: 30.0}, "between two records the last ones stand"
    stub.set({"0.work": "100:10@2,101:12@2"})
    until(lambda: work(reader) == {100: 10.0, 101: 12.0, 102: 0.0}), "a clock that was set back"


def test_entries_the_driver_left_unfilled_are_passed_over(stub: NvmlStub, reader: Reader) -> None:
    stub.set({"0.compute": "100:1,101:1", "0.work": "0:0@9999999,100:3000000@50,101:20@50,77:5@50"})
    until(lambda: work(reader) == {100: 0.0, 101: 20.0})


@pytest.mark.parametrize("error", [3, 6, 13, 999])
def test_a_driver_that_does_not_say_who_worked_leaves_the_rest(stub: NvmlStub, reader: Reader, error: int) -> None:
    stub.set({"0.compute": "100:1", "0.utilisation": 60, "0.work": "100:60@5"})
    until(lambda: work(reader) == {100: 60.0})
    stub.set({"0.error.work": error})
    until(lambda: work(reader) == {100: None})
    card = reader.cards()[0]
    assert card["utilisation_pct"] == 60
    assert card["error"] == ("Unknown Error." if error == 999 else None)


def test_a_card_lost_in_the_middle_of_its_figures_is_lost(stub: NvmlStub, reader: Reader) -> None:
    stub.set({"0.compute": "100:1", "0.error.work": 15})
    until(lambda: reader.cards()[0]["lost"])
    assert reader.cards()[1]["memory_used_bytes"] == GIB
    stub.unset("0.error.work")
    until(lambda: reader.cards()[0]["processes"])


def test_a_card_nobody_uses_is_not_asked_who_worked(stub: NvmlStub, reader: Reader, tmp_path: Path) -> None:
    stub.set(log=tmp_path / "calls")
    until(lambda: (tmp_path / "calls").exists() and (tmp_path / "calls").read_text().count("graphics") > 4)
    assert "work" not in (tmp_path / "calls").read_text().split()


def test_a_figure_the_card_does_not_know_is_none_and_the_others_stay(stub: NvmlStub, reader: Reader) -> None:
    stub.set({"1.error.power": 3, "1.error.temperature": 3, "1.error.graphics": 3, "1.compute": "7:8"})
    card = until(lambda: card if (card := reader.cards()[1])["power_w"] is None else None)
    assert card["temperature_c"] is None
    assert card["memory_used_bytes"] == GIB
    assert card["processes"] == [{"pid": 7, "memory_bytes": 8, "utilisation_pct": None}]
    assert card["error"] is None, "a figure that does not exist is no fault"


def test_a_call_that_fails_for_another_reason_says_so(stub: NvmlStub, reader: Reader) -> None:
    stub.set({"1.error.utilisation": 999})
    card = until(lambda: card if (card := reader.cards()[1])["error"] else None)
    assert card["error"] == "Unknown Error."
    assert card["utilisation_pct"] is None
    assert card["memory_used_bytes"] == GIB
    assert not card["lost"]


def test_a_lost_card_has_no_figures_while_the_other_goes_on_and_comes_back(stub: NvmlStub, reader: Reader) -> None:
    until(lambda: len(reader.cards()) == 2)
    stub.set({"0.error": 15, "1.utilisation": 33})
    lost, fine = until(lambda: cards if (cards := reader.cards())[0]["lost"] else None)
    assert lost["memory_used_bytes"] is None
    assert lost["utilisation_pct"] is None
    assert lost["processes"] is None
    assert lost["error"] == "The driver has lost this card: GPU is lost."
    assert lost["name"] == "NVIDIA GeForce RTX 3090"
    until(lambda: reader.cards()[1]["utilisation_pct"] == 33)
    assert not fine["lost"]
    stub.unset("0.error")
    until(lambda: reader.cards()[0]["memory_used_bytes"] == 6 * GIB)


def test_a_hanging_call_makes_the_figures_unknown_and_recovers(stub: NvmlStub, reader: Reader) -> None:
    until(lambda: len(reader.cards()) == 2)
    stub.set({"0.hang": "memory"})
    first, second = until(lambda: cards if (cards := reader.cards())[0]["error"] else None)
    assert first["memory_used_bytes"] is None
    assert first["memory_total_bytes"] == 24 * GIB
    assert second["utilisation_pct"] is None
    assert "has not answered for" in first["error"]
    assert not first["lost"]
    stub.unset("0.hang")
    until(lambda: reader.cards()[0]["memory_used_bytes"] == 6 * GIB)
    assert reader.cards()[0]["error"] is None


def test_a_reader_whose_driver_hangs_still_ends(stub: NvmlStub, reader: Reader) -> None:
    until(lambda: len(reader.cards()) == 2)
    stub.set({"0.compute": "100:1", "0.hang": "work"})
    until(lambda: reader.cards()[0]["error"])
    # The fixture closes the process, which must leave with status 0 although its thread is inside the driver.


def test_a_driver_that_goes_away_makes_all_unknown_and_is_found_again(stub: NvmlStub, reader: Reader) -> None:
    until(lambda: len(reader.cards()) == 2)
    stub.set({"0.error.memory": 9})
    card = until(lambda: cards[1] if (cards := reader.cards())[1]["memory_used_bytes"] is None else None)
    assert card["error"] == "Driver Not Loaded."
    stub.unset("0.error.memory")
    until(lambda: reader.cards()[1]["memory_used_bytes"] == GIB)


def test_a_driver_that_cannot_be_used_is_a_sentence_and_no_cards(stub: NvmlStub, tmp_path: Path) -> None:
    stub.set({"init.error": 9})
    reader = Reader(stub, tmp_path / "pci")
    known = reader.known()
    reader.close()
    assert known["cards"] == []
    assert known["absent"] == "The NVIDIA driver cannot be used: Driver Not Loaded."


def test_a_card_that_cannot_be_named_leaves_the_others_their_numbers(stub: NvmlStub, tmp_path: Path) -> None:
    stub.set({"0.error": 15})
    reader = Reader(stub, tmp_path / "pci")
    cards = until(reader.cards)
    reader.close()
    assert [(card["index"], card["name"]) for card in cards] == [(1, "NVIDIA H200")]


def test_a_sleeping_card_is_not_asked(stub: NvmlStub, tmp_path: Path) -> None:
    power = tmp_path / "pci" / "0000:01:00.0" / "power"
    power.mkdir(parents=True)
    (power / "runtime_status").write_text("suspended\n")
    stub.unset("cards")
    stub.set(cards=1, log=tmp_path / "calls")
    reader = Reader(stub, tmp_path / "pci")
    card = until(lambda: reader.cards()[0])
    assert card["utilisation_pct"] == 0.0
    assert card["memory_total_bytes"] == 24 * GIB
    assert card["processes"] == []
    assert card["error"] is None
    calls = (tmp_path / "calls").read_text().split()
    assert "utilisation" not in calls, "that would have woken it"
    (power / "runtime_status").write_text("active\n")
    stub.set({"0.utilisation": 12})
    until(lambda: reader.cards()[0]["utilisation_pct"] == 12)
    reader.close()
