"""Run under the stub: a GpuReader that prints what it knows, one JSON line for every line it is sent."""

from __future__ import annotations

import dataclasses
import json
import sys

from tidegate.monitor.gpu import GpuReader
from tidegate.monitor.gpu_power import CardPower


def main() -> None:
    interval_s, pci_folder = float(sys.argv[1]), sys.argv[2]
    reader = GpuReader(power=CardPower(pci_folder))
    reader.start(interval_s)
    reader.wait_until_known(10)
    for _ in sys.stdin:
        known = {
            "cards": [dataclasses.asdict(card) for card in reader.latest()],
            "driver": reader.driver_version,
            "absent": reader.absent_reason,
        }
        print(json.dumps(known), flush=True)
    reader.stop()


if __name__ == "__main__":
    main()
