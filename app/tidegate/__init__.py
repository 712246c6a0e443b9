"""Tidegate lets work into a workstation while the water is low, and shuts before it floods.

    Monitor  ->  State  ->  Plan  ->  Executor  ->  Journal  ->  GUI / API
    monitor/     core/      core/     execution/    journal/     gui/  api/  cli/

The monitor's readings and the users' commands become events; ``core`` turns them into State and State into a Plan
(both pure); ``execution`` carries the plan out through the keeper, a tiny process that survives the app; the journal
keeps what happened, and the views show it. ``engine`` is the tick that drives this line, ``wiring`` builds the live
program out of real parts.

``submit``, ``wait`` and ``subscribe`` talk to the running engine; they are loaded when first used, because the CLI
imports this package before every verb.
"""

from __future__ import annotations

__version__ = "0.1.0"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tidegate.api.client import submit, subscribe, wait

__all__ = ["__version__", "submit", "subscribe", "wait"]


def __getattr__(name: str) -> object:
    if name in ("submit", "wait", "subscribe"):
        from tidegate.api import client

        return getattr(client, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
