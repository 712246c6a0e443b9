"""GPU requests in every form of D5, model wishes against driver names, and what this machine can never give."""

from __future__ import annotations

import pytest

from tidegate.core.card_names import card_matches
from tidegate.core.resources import GIB, MIB, GpuRequest
from tidegate.submission.device import parse_device, parse_gpu, why_never
from tidegate.submission.directives import read_directives
from tidegate.submission.grammar import NotUnderstood
from tidegate.submission.request import GpuFact, MachineFacts

V100 = GpuFact(0, "Tesla V100-SXM2-16GB", 16 * GIB)
RTX = GpuFact(1, "NVIDIA GeForce RTX 3090", 24 * GIB)


def machine(*cards: GpuFact) -> MachineFacts:
    return MachineFacts(8, 32 * GIB, 28 * GIB, cards)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2", GpuRequest(2)),
        ("0.5", GpuRequest(0.5)),
        (".5", GpuRequest(0.5)),
        ("0.5(vgpu)", GpuRequest(0.5)),
        ("2(V100)", GpuRequest(2, model="V100")),
        ("1(amd)", GpuRequest(1, vendor="amd")),
        ("1(nvidia,V100)", GpuRequest(1, vendor="nvidia", model="V100")),
        ("1 ( NVIDIA , RTX 3090 )", GpuRequest(1, vendor="nvidia", model="RTX 3090")),
        ("2（V100）", GpuRequest(2, model="V100")),
        ("1（nvidia，V100）", GpuRequest(1, vendor="nvidia", model="V100")),
        ("8G,0.5", GpuRequest(0.5, 8 * GIB)),
        ("512M,0.5", GpuRequest(0.5, 512 * MIB)),
        ("8,0.5", GpuRequest(0.5, 8 * GIB)),
        ("8G，1", GpuRequest(1, 8 * GIB)),
        ("8G,2(V100)", GpuRequest(2, 8 * GIB, model="V100")),
        ("1(exclusive)", GpuRequest(1, exclusive=True)),
        ("1(>=16G)", GpuRequest(1, card_bytes=16 * GIB)),
        ("1(≥16G)", GpuRequest(1, card_bytes=16 * GIB)),
        ("1(~24G)", GpuRequest(1, preferred_bytes=24 * GIB)),
        ("1（＞＝16G，～24G）", GpuRequest(1, card_bytes=16 * GIB, preferred_bytes=24 * GIB)),
        (
            "8G,2(nvidia, V100, >= 16G, Exclusive)",
            GpuRequest(2, 8 * GIB, "nvidia", "V100", card_bytes=16 * GIB, exclusive=True),
        ),
        ("none", None),
        ("0", None),
    ],
)
def test_gpu_requests(text: str, expected: GpuRequest | None) -> None:
    assert parse_gpu(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1.5",
        "-1",
        "8G",
        "one",
        "2(",
        "2()",
        "1(nvidia,amd)",
        "1(V100,A100)",
        "1,2,3",
        "8X,1",
        "0.001",
        "nan",
        "1e3",
        "0.5(exclusive)",
        "1(exclusive,vgpu)",
        "1(>=16)",
        "1(>=)",
        "1(~)",
        "1(>16G)",
        "1(>=16G,>=8G)",
        "1(~16G,~8G)",
    ],
)
def test_gpu_requests_that_are_refused(text: str) -> None:
    with pytest.raises(NotUnderstood):
        parse_gpu(text)


def test_devices() -> None:
    assert [parse_device(text) for text in ("auto", "CPU", "0", "1, 0,1")] == ["auto", "cpu", "0", "0,1"]
    for text in ("", "gpu", "0;1", "-1", "0,"):
        with pytest.raises(NotUnderstood, match="auto, cpu"):
            parse_device(text)


@pytest.mark.parametrize(
    ("wish", "name", "fits"),
    [
        ("RTX3090", "NVIDIA GeForce RTX 3090", True),
        ("rtx 3090", "NVIDIA GeForce RTX 3090", True),
        ("GeForce RTX 3090", "NVIDIA GeForce RTX 3090", True),
        ("RTX3090", "NVIDIA GeForce RTX 3090 Ti", False),
        ("RTX3090Ti", "NVIDIA GeForce RTX 3090 Ti", True),
        ("V100", "Tesla V100-SXM2-16GB", True),
        ("tesla v100", "Tesla V100-SXM2-16GB", True),
        ("A10", "NVIDIA A100-SXM4-80GB", False),
        ("A100", "NVIDIA A100-SXM4-80GB", True),
        ("H100", "NVIDIA H200", False),
        ("RTX4000", "NVIDIA RTX A4000", False),
        ("RX7900XTX", "AMD Radeon RX 7900 XTX", True),
        ("RX7900", "AMD Radeon RX 7900 XTX", False),
    ],
)
def test_a_model_wish_ignores_case_spaces_and_vendor_words(wish: str, name: str, fits: bool) -> None:
    assert card_matches(name, None, wish) is fits


def test_vendor_wishes() -> None:
    assert card_matches("Tesla V100-SXM2-16GB", "nvidia", None)
    assert not card_matches("NVIDIA GeForce RTX 3090", "amd", None)
    assert card_matches("AMD Instinct MI210", "amd", "MI210")


@pytest.mark.parametrize(
    ("request_text", "device", "cards", "says"),
    [
        ("1", "auto", (), "no graphics card"),
        ("3", "auto", (V100, RTX), "wants 3 cards, and there are 2"),
        ("2(V100)", "auto", (V100, RTX), "wants 2 cards, and there is 1 that is V100"),
        ("1(H100)", "auto", (V100, RTX), "no card here is H100; this machine has 0: Tesla V100"),
        ("1(amd)", "auto", (V100,), "no card here is amd"),
        ("1", "5", (V100, RTX), "there is no card 5"),
        ("32G,1", "auto", (V100, RTX), "wants 32 GB on a card, and the largest here has 24 GB"),
        ("1(V100)", "1", (V100, RTX), "no card here is V100"),
        ("1(>=40G)", "auto", (V100, RTX), "no card here is of 40 GB or more; this machine has 0: Tesla V100"),
        ("2(nvidia,>=20G)", "auto", (V100, RTX), "there is 1 that is nvidia of 20 GB or more"),
    ],
)
def test_what_no_card_here_can_ever_give(request_text: str, device: str, cards: tuple[GpuFact, ...], says: str) -> None:
    wanted = parse_gpu(request_text)
    assert wanted is not None
    why = why_never(wanted, device, machine(*cards))
    assert why is not None
    assert says in why


@pytest.mark.parametrize(
    "text", ["1", "2", "0.5", "1(V100)", "1(RTX3090)", "24G,1", "16G,2", "20G,0.5(nvidia)", "1(~80G)", "1(>=24G)"]
)
def test_what_the_cards_here_can_give(text: str) -> None:
    wanted = parse_gpu(text)
    assert wanted is not None
    assert why_never(wanted, "auto", machine(V100, RTX)) is None


def test_a_wish_for_a_size_survives_the_words_of_a_directive() -> None:
    found = read_directives("t.py", b"# tidegate: gpu=1(>=16G,exclusive) mem=8G\n").given
    assert [(each.key, each.value) for each in found] == [("gpu", "1(>=16G,exclusive)"), ("mem", "8G")]
