"""Which card a job gets: the score of D8 by placement, wishes for a kind of card, and what is learned of cards."""

from __future__ import annotations

import pytest

from tidegate.core.estimates import card_need
from tidegate.core.job import CardUse, JobSpec
from tidegate.core.machine import CardMode, GpuReading
from tidegate.core.placement import PLACEMENTS, CardLedger, choose, score
from tidegate.core.policy import Policy
from tidegate.core.prediction import Profile
from tidegate.core.resources import GIB, CardNeed, GpuRequest
from tidegate.journal.codec import decode_profile, encode_profile
from tidegate.submission.device import parse_gpu


def ledger(
    index: int = 0, *, total: int = 24, free: float | None = None, share: float = 0.0, name: str = "V100"
) -> CardLedger:
    reading = GpuReading(index, f"GPU-{index}", name, total * GIB, 0)
    return CardLedger(reading, CardMode.NORMAL, int((total if free is None else free) * GIB), share=share)


def chosen(text: str, *cards: CardLedger, placement: str = "balanced", device: str = "auto") -> tuple[int, ...] | str:
    spec = JobSpec(("x",), "/", "x", gpu=parse_gpu(text), device=device)
    given, refused = choose(spec, {card.reading.index: card for card in cards}, Policy(placement=placement))
    return given if refused is None else refused.value


@pytest.mark.parametrize(
    ("placement", "score_of_idle", "score_of_busy"),
    [("spread", 40 * 0.6 + 30, 40 * 0.1 + 30), ("pack", 40 * 0.4 + 30, 40 * 0.9 + 30), ("balanced", 62.0, 38.0)],
)
def test_the_score_is_40_for_how_busy_the_card_would_be_and_30_for_its_free_memory(
    placement: str, score_of_idle: float, score_of_busy: float
) -> None:
    need = CardNeed(0.4, 0)
    assert score(GpuRequest(0.4), need, ledger(), placement) == pytest.approx(score_of_idle)
    assert score(GpuRequest(0.4), need, ledger(share=0.5), placement) == pytest.approx(score_of_busy)
    half_full = score(GpuRequest(0.4), need, ledger(free=12), placement)
    assert half_full == pytest.approx(score_of_idle - 15)


def test_a_whole_card_costs_10_where_it_would_leave_less_than_30_percent_of_its_memory_in_a_piece() -> None:
    whole, share = GpuRequest(1), GpuRequest(0.5)
    pieces = {20: 10.0, 16: 0.0, 24: 0.0}  # of 24 GB: 4 are left (a piece), 8 are left, nothing is left
    for wanted, penalty in pieces.items():
        need = CardNeed(1.0, wanted * GIB)
        assert score(whole, need, ledger(), "spread") == pytest.approx(30 - penalty)
        assert score(share, need, ledger(), "spread") == pytest.approx(30)


def test_each_placement_has_its_own_card() -> None:
    cards = (ledger(0), ledger(1, share=0.2), ledger(2, share=0.6))
    assert [chosen("1G,0.3", *cards, placement=placement) for placement in PLACEMENTS] == [(0,), (2,), (1,)]
    assert chosen("1G,0.3", ledger(0, free=4), ledger(1, free=20), placement="pack") == (1,)
    assert chosen("1G,2", *cards) == "gpu_busy"
    assert chosen("1G,2", ledger(0), ledger(1), ledger(2, free=2)) == (0, 1)


def test_wishes_for_a_kind_of_card() -> None:
    small, large = ledger(0, total=16, name="Tesla T4"), ledger(1, total=24, free=2, name="NVIDIA L4")
    assert chosen("1G,0.5", small, large) == (0,)
    assert chosen("1G,0.5(>=24G)", small, large) == (1,)
    assert chosen("1G,0.5(~24G)", small, large) == (1,)
    assert chosen("4G,0.5(~24G)", small, large) == (0,), "a preference never makes a job wait"
    assert chosen("4G,0.5(>=24G)", small, large) == "gpu_memory"
    assert chosen("1G,0.5(L4)", small, large) == (1,)
    assert chosen("1G,0.5", small, large, device="1") == (1,)
    assert chosen("1G,2", small, large, device="0,1") == (0, 1)
    assert chosen("1G,1", small, large, device="cpu") == ()


def test_a_card_of_16_gb_counts_as_such_although_its_driver_says_15() -> None:
    card = CardLedger(GpuReading(0, "GPU-0", "Tesla T4", 15 * GIB, 0), CardMode.NORMAL, 14 * GIB)
    assert chosen("1G,1(>=16G)", card) == (0,)
    assert chosen("1G,1(>=24G)", card) == "gpu_busy"


def test_what_a_job_takes_of_a_card_is_learned_from_three_runs() -> None:
    request, profile = GpuRequest(1, 8 * GIB), Profile("train")
    for utilisation in (30.0, 80.0):
        profile = profile.with_run(GIB, 10.0, CardUse(4 * GIB, utilisation, 5))
        assert card_need(request, profile) == CardNeed(1.0, 8 * GIB)
    profile = profile.with_run(GIB, 10.0, CardUse(5 * GIB, 40.0, 5))
    learned = card_need(request, profile)
    assert learned.share == pytest.approx(0.4), "the median of its runs, not the mean"
    assert learned.memory_bytes == int(5 * GIB * (1.02 + 0.2 / 3))
    assert card_need(GpuRequest(1), profile).memory_bytes == learned.memory_bytes
    assert card_need(GpuRequest(1, 2 * GIB), profile).memory_bytes == 2 * GIB, "the promise is smaller and holds"
    assert card_need(GpuRequest(1, exclusive=True), profile).share == 1.0
    assert decode_profile(encode_profile(profile)) == profile
    older = '{"key":"train","peaks_bytes":[1,2,3],"durations_s":[1.0,2.0,3.0]}'
    assert card_need(request, decode_profile(older)) == CardNeed(1.0, 8 * GIB)


def test_runs_that_no_card_saw_teach_nothing_about_cards_and_an_idle_one_is_never_counted_as_nothing() -> None:
    profile = Profile("train")
    for _ in range(3):
        profile = profile.with_run(GIB, 10.0).with_run(GIB, 10.0, CardUse(GIB, None))
    assert card_need(GpuRequest(0.5), profile) == CardNeed(0.5, int(GIB * (1.02 + 0.2 / 3)))
    for _ in range(3):
        profile = profile.with_run(GIB, 10.0, CardUse(GIB, 0.0, 9))
    assert card_need(GpuRequest(0.5), profile).share == 0.01
