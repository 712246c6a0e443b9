#!/usr/bin/env python3
# Demo 3 of 8: fails on purpose. It reads measurements and stumbles over a broken row: exit code 3 after two seconds.
# tidegate: name="flaky import" label=demo
"""Imports a (made-up) file of measurements whose row 1,204 is damaged."""

import sys
import time
import traceback

BROKEN_ROW = 1204


def rows():
    for number in range(1, 2001):
        value = "21,5?C" if number == BROKEN_ROW else f"{20 + number % 7 / 10:.1f}"
        yield number, f"2026-03-{1 + number % 28:02d};sensor-{number % 5};{value}"


def read_temperature(line):
    return float(line.split(";")[2])


def main():
    total = 0.0
    for number, line in rows():
        if number % 200 == 0:
            print(f"{number:5d} rows read", flush=True)
            time.sleep(0.3)
        try:
            total += read_temperature(line)
        except ValueError:
            traceback.print_exc()
            print(
                f"measurements.csv, row {number}: {line!r} has no temperature. Nothing was imported.", file=sys.stderr
            )
            return 3
    print(f"mean temperature {total / number:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
