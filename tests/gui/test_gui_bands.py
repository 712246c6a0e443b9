"""Samples into bands: means, order of start, the stack's height, gaps, and jobs too small for a band of their own."""

from __future__ import annotations

import pytest

from support.gui_desk import an_hour_of_samples
from tidegate.engine.views import MachineSample
from tidegate.gui.tide.bands import OTHER, RESERVED, SHORT_JOBS, Metric, Series


def a_sample(at: float, *jobs: tuple[str, int | None, float | None], **fields: object) -> MachineSample:
    given: dict[str, object] = {
        "cpu_pct": 50.0,
        "memory_total_bytes": 1000,
        "memory_used_bytes": 400,
        "memory_other_bytes": 100,
        "reserved_bytes": 0,
        "swap_used_bytes": 0,
        **fields,
    }
    return MachineSample(at=at, mode="NORMAL", running=len(jobs), queued=0, jobs=jobs, **given)


def a_series(*samples: MachineSample, metric: Metric | None = None, step_s: float = 2.0) -> Series:
    series = Series(metric or Metric("memory"), span_s=100.0, step_s=step_s)
    series.cores = 4
    series.add(samples)
    return series


def test_jobs_stand_on_other_programs_in_order_of_start():
    bands = a_series(a_sample(10, ("2", 50, 1.0)), a_sample(12, ("2", 60, 1.0), ("1", 30, 1.0))).bands()
    assert [band.id for band in bands] == [OTHER, "2", "1"]
    other, second, first = bands
    assert other.upper == (100, 100)
    assert (second.lower, second.upper) == ((100, 100), (150, 160))
    assert (first.lower, first.upper) == ((150, 160), (150, 190))


def test_a_step_shows_the_mean_of_its_samples():
    series = a_series(a_sample(10, ("1", 100, 1.0)), a_sample(11, ("1", 300, 1.0)))
    assert series.at(10.5) == {OTHER: 100, "1": 200}


def test_unknown_use_is_left_out_and_never_zero():
    series = a_series(a_sample(10, memory_other_bytes=None, memory_used_bytes=None), a_sample(12, ("1", None, None)))
    assert series.at(10) == {}
    assert series.at(12) == {OTHER: 100}


def test_other_programs_are_what_remains_when_nobody_said():
    series = a_series(a_sample(10, ("1", 150, 1.0), memory_other_bytes=None))
    assert series.at(10) == {OTHER: 250, "1": 150}


def test_cpu_is_in_cores_and_other_programs_never_below_nothing():
    series = a_series(a_sample(10, ("1", 1, 0.5)), a_sample(12, ("1", 1, 3.0)), metric=Metric("cpu"))
    assert series.at(10) == {OTHER: pytest.approx(1.5), "1": 0.5}
    assert series.at(12) == {OTHER: 0.0, "1": 3.0}


def test_what_is_reserved_and_not_used_lies_above_all():
    bands = a_series(a_sample(10, ("1", 50, 1.0), reserved_bytes=300), a_sample(12, ("1", 350, 1.0))).bands()
    assert [band.id for band in bands] == [OTHER, "1", RESERVED]
    assert (bands[-1].lower, bands[-1].upper) == ((150, 450), (400, 450))
    assert [band.id for band in a_series(a_sample(10, ("1", 50, 1.0), reserved_bytes=50)).bands()] == [OTHER, "1"]
    metric = Metric("cpu")
    assert RESERVED not in {band.id for band in a_series(a_sample(10, reserved_bytes=9), metric=metric).bands()}


def test_a_card_shows_its_memory_in_use():
    card = ((0, 10.0, 77, None, None), (1, 10.0, None, None, None))
    assert a_series(a_sample(10, cards=card), metric=Metric("card", 0)).at(10) == {OTHER: 77}
    assert len(a_series(a_sample(10, cards=card), metric=Metric("card", 1))) == 0


def test_a_card_is_shared_by_its_jobs_and_what_others_use_of_it():
    cards = ((0, 10.0, 100, None, None), (1, 10.0, 50, None, None))
    sample = a_sample(10, cards=cards, card_jobs=((0, "7", 60), (0, "8", 30), (1, "8", 50)))
    assert a_series(sample, metric=Metric("card", 0)).at(10) == {OTHER: 10, "7": 60, "8": 30}
    assert a_series(sample, metric=Metric("card", 1)).at(10) == {OTHER: 0, "8": 50}


def test_swap_is_one_band_and_unknown_where_there_is_no_reading():
    series = a_series(a_sample(1, ("7", 5, 1.0), swap_used_bytes=30), metric=Metric("swap"))
    assert series.at(1) == {OTHER: 30}
    assert a_series(a_sample(1, swap_used_bytes=None), metric=Metric("swap")).at(1) == {}


def test_a_gap_in_time_is_a_gap_in_the_picture():
    bands = a_series(a_sample(10), a_sample(12), a_sample(50), a_sample(52)).bands()
    assert [band.times for band in bands] == [(11.0, 13.0), (51.0, 53.0)]


def test_a_reading_that_came_late_is_no_gap():
    assert len(a_series(a_sample(10), a_sample(12), a_sample(19), a_sample(20), step_s=1.0).bands()) == 1


def test_old_steps_leave():
    series = a_series(*(a_sample(float(at)) for at in range(0, 1000, 2)))
    assert len(series) <= 52
    assert series.at(998)
    assert not series.at(800)


def test_the_many_small_share_one_band_and_nothing_is_lost():
    jobs = [(str(n), 1, 0.1) for n in range(100, 200)]
    series = a_series(a_sample(10, ("1", 500, 1.0), ("2", 400, 1.0), *jobs))
    bands = series.bands(most=2)
    assert [band.id for band in bands] == [OTHER, SHORT_JOBS, "1", "2"]
    assert bands[-1].upper[0] == 100 + 500 + 400 + 100


def test_the_stack_is_as_high_as_all_use_together():
    samples = an_hour_of_samples(10_000.0)
    series = Series(Metric("memory"), 3600.0, 8.0)
    series.add(samples)
    bands = series.bands()
    for moment in bands[0].times[::40]:
        top = max(band.upper[band.times.index(moment)] for band in bands if moment in band.times)
        assert top == pytest.approx(sum(series.at(moment).values()))
