"""Whether a graphics card is of the kind a job wishes for: maker, model words, size (D5)."""

from __future__ import annotations

import re
from functools import lru_cache

VENDORS: tuple[str, ...] = ("nvidia", "amd", "intel")

# Words that name a maker or a product line and say nothing about the model.
_VENDOR_WORDS = frozenset(
    ("nvidia", "geforce", "tesla", "quadro", "amd", "ati", "radeon", "instinct", "intel", "corporation", "graphics")
)
# An "RTX 3080 Ti" is another card than an "RTX 3080".
_VARIANT_WORDS = frozenset(("ti", "super", "xt", "xtx"))

# A driver reports less than the name on the box: of 16 GB on a T4 it is 15 GiB.
_REPORTED = 0.93


def vendor_of(name: str) -> str:
    """The maker by the driver's name; a name without one comes from NVML, so it is nvidia."""
    words = re.findall(r"[a-z]+", name.lower())
    if {"amd", "ati", "radeon", "instinct"} & set(words):
        return "amd"
    return "intel" if "intel" in words else "nvidia"


def _parts(text: str) -> list[str]:
    """Runs of letters and of digits without vendor words, so that ``RTX3090`` and ``RTX 3090`` are the same."""
    return [part for part in re.findall(r"[a-z]+|[0-9]+", text.lower()) if part not in _VENDOR_WORDS]


@lru_cache(maxsize=1024)
def card_matches(name: str, vendor: str | None, model: str | None) -> bool:
    """True when the card called ``name`` fits the wish; a wish of None fits every card."""
    if vendor is not None and vendor_of(name) != vendor.lower():
        return False
    if model is None:
        return True
    wish, have = _parts(model), _parts(name)
    if not wish:
        return vendor_of(name) == vendor_of(model)
    for start in range(len(have) - len(wish) + 1):
        end = start + len(wish)
        if have[start:end] == wish and not (end < len(have) and have[end] in _VARIANT_WORDS):
            return True
    return False


def is_large_enough(total_bytes: int | None, wanted_bytes: int | None) -> bool:
    """True when a card is sold with this much memory or more; a size nobody knows may be enough."""
    return total_bytes is None or wanted_bytes is None or total_bytes >= _REPORTED * wanted_bytes
