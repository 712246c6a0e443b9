"""Plug-ins: what others add by entry points of their packages; looked for only when somebody asks for one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from tidegate.core.state import MakeStrategy

STRATEGIES = "tidegate.strategies"


class KnownStrategies(Mapping[str, "MakeStrategy"]):
    """Every strategy by its name: the built-in ones, and those of installed packages (entry point group
    ``tidegate.strategies``).

    An entry point names a callable that takes all strategy options (``name.option`` -> value) and returns a Strategy.
    It is loaded when it is looked up; what that raises is the package's own error. A built-in name cannot be taken.
    """

    @cached_property
    def _built_in(self) -> Mapping[str, MakeStrategy]:
        from tidegate.core.strategies.registry import BUILT_IN

        return BUILT_IN

    @cached_property
    def _installed(self) -> dict[str, EntryPoint]:
        from importlib.metadata import entry_points  # dear: only where somebody asks for more than the built-in ones

        return {point.name: point for point in entry_points(group=STRATEGIES) if point.name not in self._built_in}

    def __getitem__(self, name: str) -> MakeStrategy:
        if name in self._built_in:
            return self._built_in[name]
        make: MakeStrategy = self._installed[name].load()
        return make

    def __iter__(self) -> Iterator[str]:
        yield from self._built_in
        yield from sorted(self._installed)

    def __len__(self) -> int:
        return len(self._built_in) + len(self._installed)

    def __contains__(self, name: object) -> bool:
        return name in self._built_in or name in self._installed
