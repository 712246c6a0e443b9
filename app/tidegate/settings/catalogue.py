"""Every setting, declared once: kind, default, range, label and help; D6 gives the numbers."""

from __future__ import annotations

from tidegate.settings.alert_settings import ALERTS
from tidegate.settings.queue_settings import BUILT_IN_SETTINGS, find_queue_setting
from tidegate.settings.queue_settings import SECTIONS as QUEUE_SECTIONS
from tidegate.settings.setting import Setting
from tidegate.settings.strategy_settings import PLUGIN_OPTIONS, STRATEGY, STRATEGY_OPTIONS, STRATEGY_SECTIONS
from tidegate.settings.values import Kind

MIB = 1024**2
GIB = 1024**3


SECTIONS: dict[str, str] = {
    "machine": "When the machine counts as busy, and what is always left free.",
    "gpu": "The same per graphics card.",
    "queue": "How much runs and starts at the same time.",
    "jobs": "How jobs are run and stopped.",
    "history": "How much is remembered, and for how long.",
    "api": "How programs and the command line reach Tidegate.",
    "log": "What Tidegate writes about itself.",
    "toasts": "What Tidegate tells you, and when it keeps quiet.",
    "conflicts": "When jobs want more than there is: whether you are told, and how it is settled.",
    "hints": "Advice on how jobs use this computer.",
    **QUEUE_SECTIONS,
    **STRATEGY_SECTIONS,
    "alerts": "What you are alerted to, from which figure on, and after how long.",
    "window": "What the window and the tray icon do.",
}


def _percent(name: str, section: str, default: float, label: str, text: str) -> Setting:
    return Setting(name, section, Kind.PERCENT, default, label, text, "%", 0, 100)


def _count(name: str, section: str, default: int | None, label: str, text: str, low: int, high: int) -> Setting:
    automatic = "as many as there are cores" if default is None else None
    return Setting(name, section, Kind.COUNT, default, label, text, "", low, high, automatic=automatic)


def _seconds(name: str, section: str, default: float, label: str, text: str, low: float, high: float) -> Setting:
    return Setting(name, section, Kind.SECONDS, default, label, text, "s", low, high)


def _size(name: str, section: str, default: int, label: str, text: str, low: int, high: int) -> Setting:
    return Setting(name, section, Kind.SIZE, default, label, text, "bytes", low, high)


_MACHINE = (
    _percent("memory_high_pct", "machine", 85.0, "Memory: high line", "Above it the mode is HIGH: few jobs start."),
    _percent(
        "memory_emergency_pct",
        "machine",
        92.0,
        "Memory: emergency line",
        "Above it the mode is EMERGENCY: nothing starts, and jobs are frozen until memory stops growing.",
    ),
    Setting(
        "reserve_memory",
        "machine",
        Kind.SIZE,
        None,
        "Memory kept free",
        "Never given to jobs.",
        "bytes",
        MIB,
        1024 * GIB,
        automatic="10 % of memory but at most 512M, and never less than 5 %",
    ),
    _percent(
        "swap_emergency_pct",
        "machine",
        80.0,
        "Swap: emergency line",
        "Counts while memory is over its high line or pages come back from swap faster and faster.",
    ),
    _percent(
        "cpu_high_pct",
        "machine",
        80.0,
        "Other programs' CPU: high line",
        "When programs other than our jobs use more, the mode is HIGH.",
    ),
    _percent(
        "cpu_hard_pct",
        "machine",
        95.0,
        "Other programs' CPU: hard line",
        "When they use more of the cores we left them, starts are put off for up to a minute.",
    ),
    _percent(
        "mode_hysteresis_pct",
        "machine",
        3.0,
        "Hysteresis",
        "HIGH is left when every reading is this far below its line.",
    ),
    Setting(
        "ema_alpha",
        "machine",
        Kind.NUMBER,
        0.6,
        "Smoothing",
        "Weight of the newest reading in the smoothed one; 1 means no smoothing.",
        "",
        0.01,
        1,
    ),
    _count(
        "emergency_cooldown_ticks",
        "machine",
        2,
        "Emergency cooldown",
        "Samples for which EMERGENCY lasts on after the last reading over the line.",
        0,
        1000,
    ),
    _seconds(
        "emergency_cooldown_s",
        "machine",
        2.0,
        "Emergency cooldown, at least",
        "The shortest time EMERGENCY lasts on, however fast samples come.",
        0,
        3600,
    ),
    _percent(
        "psi_memory_stop_pct",
        "machine",
        20.0,
        "Memory stall line",
        "While programs wait for memory more of the time than this (Linux: PSI), nothing starts.",
    ),
    _seconds(
        "sample_interval_s",
        "machine",
        1.0,
        "Sampling interval",
        "How often the machine is read in NORMAL mode; in HIGH and EMERGENCY it is read more often.",
        0.1,
        60,
    ),
)

_GPU = (
    _percent("gpu_memory_high_pct", "gpu", 85.0, "Card memory: high line", "Above it the card takes no new job."),
    _percent(
        "gpu_memory_emergency_pct",
        "gpu",
        95.0,
        "Card memory: emergency line",
        "Above it the guard acts on that card's jobs.",
    ),
    Setting("gpu_guard", "gpu", Kind.BOOL, True, "Guard cards", "Whether the guard may act on jobs for a card's sake."),
    _percent(
        "gpu_free_pct",
        "gpu",
        20.0,
        "A card counts as free below",
        "A job that wants a card and gives no memory figure starts only where less of the card's memory is used.",
    ),
    Setting(
        "placement",
        "gpu",
        Kind.CHOICE,
        "balanced",
        "Which card a job gets",
        "Spread prefers idle cards, pack busy ones, balanced those that the job brings near half of their time; "
        "all of them prefer cards with more free memory.",
        choices=("balanced", "spread", "pack"),
    ),
    Setting(
        "gpu_stop_temperature_c",
        "gpu",
        Kind.NUMBER,
        90.0,
        "Card: hot above",
        "A hotter card takes no new job.",
        "\N{DEGREE SIGN}C",
        30,
        120,
    ),
)

_QUEUE = (
    STRATEGY,
    PLUGIN_OPTIONS,
    _count(
        "max_workers", "queue", None, "Jobs at once, at most", "How many jobs run at once in NORMAL mode.", 1, 10000
    ),
    _count(
        "min_workers",
        "queue",
        1,
        "Jobs at once, at least",
        "How many may run in HIGH mode however small the half.",
        1,
        10000,
    ),
    _count(
        "high_mode_priority_cutoff",
        "queue",
        5,
        "Priorities that start in HIGH mode",
        "In HIGH mode only jobs of this priority or a more important one start (0 is the most important).",
        0,
        9,
    ),
    _count(
        "max_start_per_tick_normal",
        "queue",
        4,
        "Starts a sample in NORMAL mode",
        "How many jobs of unknown memory use start per sample.",
        1,
        100000,
    ),
    _count(
        "max_start_per_tick_high",
        "queue",
        1,
        "Starts a sample in HIGH mode",
        "The same in HIGH mode.",
        1,
        100000,
    ),
    _count(
        "preempt_count_per_tick",
        "queue",
        1,
        "Preemptions a sample",
        "How many jobs may be paused or stopped per sample for another job's sake.",
        0,
        1000,
    ),
    _count(
        "max_bypass",
        "queue",
        20,
        "Overtaken at most",
        "How often jobs of which nobody knows how long they take may start before one that does not fit yet.",
        0,
        100000,
    ),
    _count(
        "max_backfill",
        "queue",
        1000,
        "Overtaken without delay at most",
        "How often jobs may start before one that does not fit yet when, as expected, they do not delay it.",
        0,
        1_000_000,
    ),
    _count("max_queued", "queue", 100_000, "Waiting jobs, at most", "Further submits are refused.", 1, 10_000_000),
)

_JOBS = (
    _seconds(
        "kill_timeout",
        "jobs",
        10.0,
        "Time to end",
        "How long a job that is asked to end may take before it is killed.",
        0.1,
        86400,
    ),
    _seconds(
        "stuck_timeout",
        "jobs",
        30.0,
        "Stuck after",
        "A killed job that is still there after this time is reported as stuck.",
        1,
        86400,
    ),
    _size(
        "job_log_cap",
        "jobs",
        64 * MIB,
        "Size of a job's log",
        "Of longer output the beginning and the end are kept.",
        64 * 1024,
        1024 * GIB,
    ),
    _size(
        "default_memory_python",
        "jobs",
        2 * GIB,
        "Assumed memory: Python",
        "What a Python job or notebook is expected to use when nobody said and it has not run before.",
        MIB,
        1024 * GIB,
    ),
    _size(
        "default_memory_other",
        "jobs",
        512 * MIB,
        "Assumed memory: others",
        "The same for every other job.",
        MIB,
        1024 * GIB,
    ),
    Setting(
        "python",
        "jobs",
        Kind.TEXT,
        None,
        "Python for scripts",
        "The interpreter for .py files that have no environment of their own beside or above them.",
        automatic="the first python3 on PATH",
    ),
)

_HISTORY = (
    Setting(
        "samples_kept",
        "history",
        Kind.SECONDS,
        3600.0,
        "Samples kept",
        "For how long every reading is kept.",
        "s",
        60,
        7 * 86400,
    ),
    Setting(
        "minutes_kept_days",
        "history",
        Kind.COUNT,
        30,
        "Minute rows kept",
        "For how many days one row a minute (mean and maximum) is kept.",
        "days",
        1,
        3650,
    ),
    Setting(
        "journal_kept_days",
        "history",
        Kind.COUNT,
        90,
        "Journal kept",
        "For how many days the journal of what was decided, and why, is kept, and what you were told.",
        "days",
        1,
        3650,
    ),
    Setting(
        "finished_kept_days",
        "history",
        Kind.COUNT,
        None,
        "Finished jobs kept",
        "For how many days finished jobs stay in the history.",
        "days",
        1,
        3650,
        automatic="for ever",
    ),
    Setting(
        "finished_in_memory",
        "history",
        Kind.COUNT,
        2000,
        "Finished jobs in memory",
        "How many finished jobs the lists show at once; older ones are read from disk.",
        "",
        10,
        1_000_000,
        needs_restart=True,
    ),
)

_API = (
    Setting(
        "api_port",
        "api",
        Kind.COUNT,
        7117,
        "Port",
        "TCP port on this machine's loopback address; 0, or one that is taken, means any free one.",
        "",
        0,
        65535,
        needs_restart=True,
    ),
)

_LOG = (
    Setting(
        "log_level",
        "log",
        Kind.CHOICE,
        "info",
        "Log level",
        "How much goes to the program's own log.",
        choices=("debug", "info", "warning", "error"),
    ),
)

_WINDOW = (
    Setting(
        "window_scheme",
        "window",
        Kind.CHOICE,
        "auto",
        "Light or dark",
        "Auto follows the desktop.",
        choices=("auto", "light", "dark"),
    ),
    Setting(
        "window_show_at_start",
        "window",
        Kind.BOOL,
        True,
        "Show the window at start",
        "Otherwise Tidegate starts in the tray alone, where the desktop has one.",
    ),
    Setting(
        "tray_icon",
        "window",
        Kind.CHOICE,
        "auto",
        "Tray icon",
        "In colour, or a symbol of one colour: a light one for dark panels, a dark one for light panels. "
        "Auto is in colour, but a symbol where the desktop's own icons are symbols.",
        choices=("auto", "colour", "light", "dark"),
    ),
)


def _switch(name: str, section: str, default: bool, label: str, text: str) -> Setting:
    return Setting(name, section, Kind.BOOL, default, label, text)


_TOASTS = (
    _switch(
        "toasts_enabled",
        "toasts",
        True,
        "Show notifications",
        "Without them, everything is still kept in the inbox.",
    ),
    _switch("toasts_failures", "toasts", True, "Failures", "Jobs that failed, could not start or were lost."),
    _switch(
        "toasts_interventions",
        "toasts",
        True,
        "What Tidegate did to a job",
        "Jobs paused, stopped or ended to keep this computer usable.",
    ),
    _switch(
        "toasts_ended",
        "toasts",
        True,
        "Long jobs that finished",
        "Unless you have them before your eyes.",
    ),
    _switch("toasts_alerts", "toasts", True, "Alerts", "When something about this computer needs attention."),
    _switch("toasts_conflicts", "toasts", True, "Conflicts", "When two jobs want more than there is."),
    _switch("toasts_hints", "toasts", True, "Hints", "Advice that comes with something to do about it."),
    _count(
        "toasts_per_minute",
        "toasts",
        4,
        "Notifications a minute, at most",
        "What is more is told together a little later.",
        1,
        60,
    ),
    Setting(
        "toasts_quiet_hours",
        "toasts",
        Kind.HOURS,
        "off",
        "Quiet hours",
        "Every day between these times nothing is shown; one notification sums up what came meanwhile.",
    ),
    _switch(
        "toasts_quiet_lets_critical",
        "toasts",
        True,
        "Quiet, but for what cannot wait",
        "Critical alerts, and jobs that had to be ended, are shown while it is quiet too.",
    ),
)

_ADVICE = (
    _switch(
        "conflicts_enabled",
        "conflicts",
        True,
        "Look for conflicts",
        "Jobs that compete for memory, cores or a card, collide in time, or write the same file.",
    ),
    Setting(
        "conflicts_resolve",
        "conflicts",
        Kind.CHOICE,
        "by_hand",
        "Settle conflicts",
        "By hand: you choose. Else at once, where this way makes sense: the less important job waits, who takes more "
        "than its share waits, or they take turns. No policy ends a job for good.",
        choices=("by_hand", "by_priority", "fair_share", "time_slicing"),
    ),
    _seconds(
        "conflicts_quantum",
        "conflicts",
        300.0,
        "A turn lasts",
        "How long one job rests before the next does, where jobs take turns.",
        10.0,
        86_400.0,
    ),
    _switch(
        "hints_enabled",
        "hints",
        True,
        "Give hints",
        "Each comes with what was measured, and often with something to do about it.",
    ),
)

SETTINGS: tuple[Setting, ...] = (
    *_MACHINE,
    *_GPU,
    *_QUEUE,
    *_JOBS,
    *_HISTORY,
    *_API,
    *_LOG,
    *_WINDOW,
    *_TOASTS,
    *_ADVICE,
    *BUILT_IN_SETTINGS,
    *STRATEGY_OPTIONS,
    *ALERTS,
)

_BY_NAME = {setting.name: setting for setting in SETTINGS}
_BY_DOTTED = {f"{setting.section}.{setting.key}": setting for setting in SETTINGS}


def find_setting(name: str) -> Setting | None:
    """The setting of a flat name (``api_port``) or a dotted one (``api.port``); of any queue, ``queues.NAME.order``."""
    return _BY_NAME.get(name) or _BY_DOTTED.get(name) or find_queue_setting(name)


def nearest(name: str, known: list[str]) -> str:
    """The tail of an error: the known name that looks most like ``name``, or nothing when none does."""
    import difflib

    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else ""
