"""Whether a graphics card sleeps, read from sysfs: asking its driver instead would wake it (laptops)."""

from __future__ import annotations

import os


class CardPower:
    """Runtime power management of PCI devices, by NVML's bus id (``00000000:01:00.0``). No sysfs: nothing sleeps."""

    def __init__(self, folder: str = "/sys/bus/pci/devices") -> None:
        self._folder = folder

    def sleeps(self, bus_id: str) -> bool:
        return self._read(bus_id, "runtime_status") == "suspended"

    def may_sleep(self, bus_id: str) -> bool:
        """True when the system lets this card go to sleep once nobody uses its driver."""
        return self._read(bus_id, "control") == "auto"

    def _read(self, bus_id: str, name: str) -> str | None:
        domain, _, rest = bus_id.lower().partition(":")
        path = os.path.join(self._folder, f"{domain[-4:]}:{rest}", "power", name)
        try:
            with open(path, encoding="ascii", errors="replace") as file:
                return file.read().strip()
        except OSError:
            return None
