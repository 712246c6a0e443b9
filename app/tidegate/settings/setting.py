"""What is declared about one setting, and how its value is judged and shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tidegate.settings.values import AUTO, Kind, NotUnderstoodError, Value, read, show


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting. ``name`` is flat and unique; in ``config.toml`` it stands as ``key`` below ``[section]``.

    ``low`` and ``high`` bound the value, both included. ``automatic`` says what "auto" means where that is accepted;
    such a setting's value may be None. ``more_choices`` looks for those that installed packages bring.
    """

    name: str
    section: str
    kind: Kind
    default: Value
    label: str
    help: str
    unit: str = ""
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    more_choices: Callable[[], tuple[str, ...]] | None = None
    automatic: str | None = None
    needs_restart: bool = False

    @property
    def key(self) -> str:
        """``api_port`` stands as ``port`` below ``[api]``; most names are their own key."""
        return self.name.removeprefix(self.section + "_").removeprefix(self.section + ".")

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return f"TIDEGATE_{self.section}_{self.key}".upper().replace(".", "_")

    @property
    def all_choices(self) -> tuple[str, ...]:
        """With those that installed packages bring, which takes a moment to find out."""
        return self.choices if self.more_choices is None else (*self.choices, *self.more_choices())

    @property
    def accepted(self) -> str:
        """What may be written, as the tail of a sentence."""
        text = self._accepted_values()
        return f'{text}, or "{AUTO}" ({self.automatic})' if self.automatic else text

    def _accepted_values(self) -> str:
        match self.kind:
            case Kind.BOOL:
                return "true or false"
            case Kind.CHOICE:
                more = "" if self.more_choices is None else ", or the name of an installed one"
                return "one of " + ", ".join(self.choices) + more
            case Kind.TEXT:
                return "one line of text"
            case Kind.HOURS:
                return "hours of a day such as 22:00-07:00, or off"
            case Kind.SIZE:
                text = "a size with its unit such as 512M or 8G"
            case Kind.SECONDS:
                text = "a time such as 10, 10s, 5m or 2h"
            case Kind.PERCENT:
                text = "a percentage"
            case Kind.COUNT:
                text = "a whole number"
            case Kind.NUMBER:
                text = "a number"
        return f"{text} from {self._bound(self.low)} to {self._bound(self.high)}"

    def _bound(self, bound: float | None) -> str:
        if self.kind is Kind.SIZE and bound is not None:
            return show(self.kind, int(bound))
        return show(self.kind, bound)

    def parse(self, raw: object) -> Value:
        """The value ``raw`` means; raises NotUnderstoodError when it is no value of this setting."""
        if self.automatic and isinstance(raw, str) and raw.strip().lower() in (AUTO, ""):
            return None
        value = read(self.kind, raw)
        if self.choices and value not in self.choices:
            return self._installed_choice(value)
        if (
            not isinstance(value, (str, bool))
            and self.low is not None
            and self.high is not None
            and not self.low <= value <= self.high
        ):
            raise NotUnderstoodError
        return value

    def _installed_choice(self, value: Value) -> str:
        # A choice is written in any case; packages give theirs as they like.
        for name in self.all_choices:
            if name.lower() == value:
                return name
        raise NotUnderstoodError

    def show(self, value: Value) -> str:
        """``value`` as a person would write it."""
        return show(self.kind, value)
