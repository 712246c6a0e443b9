"""Reading a strategy's settings: what is missing has its default, what makes no sense is refused with a sentence."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping


class Options:
    """The options of one strategy out of all of them. Every refusal is a ValueError that names option and value."""

    def __init__(self, strategy: str, options: Mapping[str, object]) -> None:
        self._strategy = strategy
        self._options = options

    def number(self, name: str, default: float, least: float = 0.0) -> float:
        """A finite number that is at least so much."""
        value = self._options.get(f"{self._strategy}.{name}", default)
        if not isinstance(value, int | float) or isinstance(value, bool) or not least <= value < math.inf:
            raise ValueError(f"{self._strategy}.{name} = {value!r}: it is a number, {least:g} or more")
        return float(value)

    def text(self, name: str, default: str) -> str:
        value = self._options.get(f"{self._strategy}.{name}", default)
        if not isinstance(value, str):
            raise ValueError(f"{self._strategy}.{name} = {value!r}: it is a text")
        return value.strip()

    def choice(self, name: str, default: str, known: tuple[str, ...]) -> str:
        value = self.text(name, default)
        if value not in known:
            raise ValueError(f"{self._strategy}.{name} = {value!r}: it is one of {', '.join(known)}")
        return value

    def weights(self, name: str) -> dict[str, float]:
        """What each name counts, as ``alice=2 bob=1``."""
        wanted = "their weights above 0, such as alice=2 bob=1"
        return self._by_name(name, wanted, lambda weight: 0 < weight < math.inf)

    def percentages(self, name: str) -> dict[str, float]:
        """What part each name has, 0 or more, as ``research=60% teaching=30``."""
        wanted = "percentages, such as research=60 teaching=30"
        return self._by_name(name, wanted, lambda part: 0 <= part < math.inf, unit="%")

    def _by_name(self, name: str, wanted: str, accepts: Callable[[float], bool], unit: str = "") -> dict[str, float]:
        """Names, each once, with a number; none named: an empty text."""
        text = self._options.get(f"{self._strategy}.{name}", "")
        found: dict[str, float] = {}
        for entry in text.replace(",", " ").split() if isinstance(text, str) else [""]:
            who, _, number = entry.rpartition("=")
            try:
                value = float(number.removesuffix(unit))
            except ValueError:
                value = math.nan
            if not who or who in found or not accepts(value):
                raise ValueError(f"{self._strategy}.{name} = {text!r}: it is names, each once, with {wanted}")
            found[who] = value
        return found
