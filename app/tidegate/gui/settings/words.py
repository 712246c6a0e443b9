"""What the settings page says beyond the settings' own words: titles, what a percentage comes to here, refusals."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Mapping, Sequence

from PySide6.QtCore import QCoreApplication

from tidegate.core.policy import Policy
from tidegate.core.texts import format_size
from tidegate.engine.views import CardView, MachineView, SettingView
from tidegate.settings.catalogue import SECTIONS
from tidegate.settings.queue_settings import PREFIX as QUEUES

OF_MEMORY = ("memory_high_pct", "memory_emergency_pct")
OF_CPU = ("cpu_high_pct", "cpu_hard_pct")
OF_CARDS = ("gpu_memory_high_pct", "gpu_memory_emergency_pct", "gpu_free_pct")
SIZES_OF_MEMORY = ("reserve_memory", "default_memory_python", "default_memory_other")


def tr(text: str) -> str:
    return QCoreApplication.translate("settings", text)


def section_title(name: str) -> str:
    """The heading of a section; one that is not known here goes by its own name."""
    known = {
        "machine": tr("Machine"),
        "gpu": tr("Graphics cards"),
        "queue": tr("Queue"),
        "jobs": tr("Jobs"),
        "history": tr("History"),
        "api": tr("Access"),
        "log": tr("Program log"),
        "window": tr("Window and tray"),
        "toasts": tr("Notifications"),
        "alerts": tr("Alerts"),
    }
    if name.startswith(QUEUES):
        return tr("Queue: {name}").format(name=name.removeprefix(QUEUES))
    return known.get(name, name.replace("_", " ").capitalize())


def section_text(name: str) -> str:
    if name not in SECTIONS and name.startswith(QUEUES):
        return tr("A queue of your own. The command “tidegate queue remove” takes it away.")
    return SECTIONS.get(name, "")


def is_there(section: str, views: Iterable[SettingView]) -> bool:
    """Whether there is such a section: a queue of one's own is there for as long as something is said of it."""
    return section in SECTIONS or any(view.source != "default" for view in views)


def matches(view: SettingView, wanted: Sequence[str]) -> bool:
    """Whether every one of these words (lower case) is in what is said about the setting."""
    section = f"{section_title(view.section)} {section_text(view.section)}"
    said = f"{view.label} {view.help} {view.name} {view.key} {section} {' '.join(view.choices)}".casefold()
    return all(word in said for word in wanted)


def fixed_reason(view: SettingView) -> str | None:
    """Why it cannot be changed here; None when it can."""
    if view.source == "environment":
        return tr("Set by the environment variable {name}, which comes first.").format(name=view.variable)
    if view.source == "command line":
        return tr("Set on the command line that started Tidegate, which comes first.")
    return None


def changed(view: SettingView) -> bool:
    """Whether somebody chose another value than the default, and it can be taken back here.

    What is said of a queue of one's own is what makes it, so taking that back would take the queue away.
    """
    return view.section in SECTIONS and view.source == "config.toml" and view.value != view.default


def refusal(sentence: str, view: SettingView, every: Iterable[SettingView]) -> str:
    """An engine's refusal of this setting, with labels for names."""
    return named(sentence.removeprefix(f"{view.name}: "), every)


def named(sentence: str, every: Iterable[SettingView]) -> str:
    """Settings by what they are called on the page; a file's path stays as it is."""
    labels = {each.name: tr("“{label}”").format(label=each.label) for each in every}
    return re.sub(r"(?<![/\w])[a-z]+(?:_[a-z0-9]+)+\b(?!/)", lambda name: labels.get(name[0], name[0]), sentence)


def still_holds(refusal: str, view: SettingView) -> str:
    """Why it is not as wanted, and what holds instead."""
    return tr("{refusal} {value} stays in force.").format(refusal=refusal, value=with_unit(view))


def with_unit(view: SettingView, text: str | None = None) -> str:
    """``85 %``, ``30 days``, ``8G``: the value with its unit where the text has none."""
    text = view.text if text is None else text
    return f"{text} {view.unit}" if unit(view) and text != "auto" else text


def unit(view: SettingView) -> str:
    """What stands behind the field; sizes and times have theirs in the text."""
    return "" if view.kind in ("size", "seconds") else view.unit


def unbroken(text: str) -> str:
    """No line ends between a figure and its unit."""
    return re.sub(r"(?<=\d) (?=[KMGT]?B\b|%)", "\N{NO-BREAK SPACE}", text)


def hint(view: SettingView, machine: MachineView) -> str:
    """What the value comes to on this machine, or what "auto" means now; nothing where that is no help."""
    if view.value is None:
        return _automatic(view, machine)
    if isinstance(view.value, (str, bool)):
        return ""
    if view.name in OF_MEMORY:
        return _part(view, machine.memory_total_bytes, tr("of this machine's {total}"))
    if view.name == "swap_emergency_pct":
        if machine.swap_total_bytes == 0:
            return tr("This machine has no swap.")
        return _part(view, machine.swap_total_bytes, tr("of {total} of swap"))
    if view.name in OF_CPU and machine.cores:
        amount = f"{machine.cores * view.value / 100:.3g}"
        return tr("{text} % is {amount} of {cores} cores.").format(text=view.text, amount=amount, cores=machine.cores)
    if view.name in OF_CARDS:
        return _of_cards(view, machine.cards)
    if view.name in SIZES_OF_MEMORY and machine.memory_total_bytes:
        percent = f"{100 * view.value / machine.memory_total_bytes:.2g}"
        return tr("That is {percent} % of this machine's memory.").format(percent=percent)
    return ""


def _automatic(view: SettingView, machine: MachineView) -> str:
    now = None
    if view.name == "reserve_memory" and machine.memory_total_bytes:
        now = format_size(Policy().reserve_bytes(machine.memory_total_bytes))
    elif view.name == "max_workers" and machine.cores:
        now = str(machine.cores)
    elif view.name == "python":
        now = shutil.which("python3")
    if now is None:
        return tr("Auto: {meaning}.").format(meaning=view.automatic) if view.automatic else ""
    return tr("Auto: {meaning}; {now} here.").format(meaning=view.automatic, now=now)


def _part(view: SettingView, total_bytes: int | None, of: str) -> str:
    if not total_bytes or not isinstance(view.value, (int, float)):
        return ""
    amount, total = format_size(total_bytes * view.value / 100), format_size(total_bytes)
    return tr("{text} % is {amount} {of}.").format(text=view.text, amount=amount, of=of.format(total=total))


def _of_cards(view: SettingView, cards: Sequence[CardView]) -> str:
    """One figure where all cards are alike, else one for each."""
    if not cards:
        return tr("This machine has no graphics card.")
    sizes = {card.index: card.memory_total_bytes for card in cards if card.memory_total_bytes}
    if len(set(sizes.values())) == 1:
        of = tr("of {total}") if len(cards) == 1 else tr("of each card's {total}")
        return _part(view, next(iter(sizes.values())), of)
    return tr("{text} % is {amounts}.").format(text=view.text, amounts=_amounts(view, sizes)) if sizes else ""


def _amounts(view: SettingView, sizes: Mapping[int, int]) -> str:
    assert isinstance(view.value, (int, float))
    share = view.value / 100
    return ", ".join(
        tr("{size} on GPU {index}").format(size=format_size(size * share), index=index) for index, size in sizes.items()
    )
