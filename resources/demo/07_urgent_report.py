#!/usr/bin/env python3
# Demo 7 of 8: comes late and matters most. With priority 1 it goes before everything that still waits.
# tidegate: name="urgent report" priority=1 mem=120M label=demo
"""Sums up a (made-up) year of sales by month and prints the report that somebody is waiting for."""

import random
import statistics

MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
SALES = 120_000
REDRAWS = 80


def median_range(amounts, draw):
    """How far the median would move if the month were lived again: 5 % and 95 % of many redraws."""
    medians = sorted(statistics.median(draw.choices(amounts, k=len(amounts))) for _ in range(REDRAWS))
    return medians[REDRAWS // 20], medians[-1 - REDRAWS // 20]


def main():
    draw = random.Random(2026)
    by_month = {month: [] for month in MONTHS}
    for number in range(SALES):
        month = MONTHS[number * 12 // SALES]
        by_month[month].append(draw.lognormvariate(4, 0.6))
    print(f"{'month':<10} {'sales':>8} {'total':>14} {'median':>8}  {'likely range':>17}", flush=True)
    for month, amounts in by_month.items():
        low, high = median_range(amounts, draw)
        total, median = sum(amounts), statistics.median(amounts)
        print(f"{month:<10} {len(amounts):>8,} {total:>14,.2f} {median:>8.2f}  {low:>7.2f} to {high:>6.2f}", flush=True)
    print(f"{'the year':<10} {SALES:>8,} {sum(map(sum, by_month.values())):>14,.2f}")


if __name__ == "__main__":
    main()
