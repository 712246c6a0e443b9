"""A stand-in for NVIDIA's library, built with the C compiler at hand; what it answers can be changed while it is used.

The real pynvml loads it in a subprocess: ``environment(folder)`` gives the variables for that.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

GIB = 1024**3
SOURCE = Path(__file__).with_name("nvml_stub.c")


def compiler() -> str | None:
    return shutil.which("gcc") or shutil.which("cc")


class NvmlStub:
    """``set`` and ``unset`` change the control file in one step; keys are described in nvml_stub.c."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._control = folder / "control"
        self._values: dict[str, str] = {}
        found = compiler()
        assert found is not None, "the stub needs a C compiler"
        library = folder / "libnvidia-ml.so.1"
        subprocess.run([found, "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE)], check=True, timeout=60)
        self.set(driver="580.65.06", cards=0)

    def add_card(self, name: str, total_bytes: int = 24 * GIB, used_bytes: int = 0) -> int:
        """One more card; returns its number."""
        index = int(self._values["cards"])
        self.set(
            {
                "cards": index + 1,
                f"{index}.name": name,
                f"{index}.uuid": f"GPU-0000000{index}-1111-2222-3333-444444444444",
                f"{index}.bus": f"00000000:0{index + 1}:00.0",
                f"{index}.total": total_bytes,
                f"{index}.used": used_bytes,
                f"{index}.utilisation": 0,
                f"{index}.temperature": 40,
                f"{index}.power_mw": 30000,
            }
        )
        return index

    def set(self, values: dict[str, object] | None = None, **more: object) -> None:
        self._values |= {key: str(value) for key, value in {**(values or {}), **more}.items()}
        self._write()

    def unset(self, *keys: str) -> None:
        for key in keys:
            self._values.pop(key, None)
        self._write()

    def environment(self) -> dict[str, str]:
        """Variables under which pynvml finds this library."""
        return {
            **os.environ,
            "LD_LIBRARY_PATH": f"{self._folder}:{os.environ.get('LD_LIBRARY_PATH', '')}".rstrip(":"),
            "TIDEGATE_NVML_STUB": str(self._control),
        }

    def _write(self) -> None:
        fresh = self._control.with_suffix(".new")
        fresh.write_text("".join(f"{key}={value}\n" for key, value in self._values.items()))
        os.replace(fresh, self._control)
