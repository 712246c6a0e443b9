#!/usr/bin/env python3
# Demo 2 of 8: loads a table batch by batch. Its memory grows in steps to about 300 MB, then it ends.
# tidegate: name="growing table" mem=380M label=demo
"""Keeps every batch of a (made-up) table in memory and joins it with what came before, as many scripts do."""

import array
import math
import time
import zlib

BATCHES = 14
ROWS = 2_500_000  # eight bytes each: 20 MB a batch


def load_batch(number):
    # One wave, repeated: quick to make, yet every page of it is really written.
    wave = array.array("d", (math.sin(number + step / 500) for step in range(50_000)))
    batch = array.array("d")
    for _ in range(ROWS // len(wave)):
        batch.extend(wave)
    return batch


def main():
    table = []
    for number in range(BATCHES):
        table.append(load_batch(number))
        total = sum(len(batch) for batch in table)
        checksum = 0
        for batch in table:
            checksum = zlib.crc32(batch, checksum)
        print(
            f"batch {number + 1:2d} of {BATCHES}: {total:>11,} rows, {total * 8 / 1e6:5.0f} MB, {checksum:08x}",
            flush=True,
        )
        time.sleep(0.4)  # the next batch comes from a slow disk
    top = max(max(batch[:50_000]) for batch in table)
    print(f"Table complete: {sum(len(batch) for batch in table):,} rows, largest value {top:.6f}.")


if __name__ == "__main__":
    main()
