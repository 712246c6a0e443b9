"""Reading the settings: command line > environment > ``config.toml`` > default, with every error in one list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tidegate.settings import queue_settings, strategy_settings
from tidegate.settings.catalogue import SECTIONS, SETTINGS, find_setting, nearest
from tidegate.settings.queue_settings import names_of, queue_values, queues_in, settings_of_own_queues
from tidegate.settings.setting import Setting
from tidegate.settings.values import NotUnderstoodError, SettingsError, Value

if TYPE_CHECKING:
    from pathlib import Path

    from tidegate.core.alert_rules import AlertPolicy, Limit
    from tidegate.core.conflicts import AdvicePolicy
    from tidegate.core.policy import Policy, QueuePolicy
    from tidegate.paths import Paths

DEFAULT, FILE, ENVIRONMENT, COMMAND_LINE = "default", "config.toml", "environment", "command line"

_DAY_S = 86_400.0
_POLICY_NAMES = {
    "reserve_memory": "reserve_memory_bytes",
    "kill_timeout": "kill_timeout_s",
    "stuck_timeout": "stuck_timeout_s",
    "default_memory_python": "default_memory_python_bytes",
    "default_memory_other": "default_memory_other_bytes",
}
"""Settings whose field in the core's Policy has another name; all others that the Policy has go by their own."""

_ALERT_NAMES = {
    rule: (f"alerts_{line}", f"alerts_{lasting}_for")
    for rule, line, lasting in (
        ("GPUHighUtilization", "gpu_utilization_high_pct", "gpu_utilization_high"),
        ("GPULowUtilization", "gpu_utilization_low_pct", "gpu_utilization_low"),
        ("GPUMemoryHigh", "gpu_memory_high_pct", "gpu_memory_high"),
        ("GPUMemoryFull", "gpu_memory_full_pct", "gpu_memory_full"),
        ("GPUHighTemperature", "gpu_temperature_high_c", "gpu_temperature_high"),
        ("GPUCriticalTemperature", "gpu_temperature_critical_c", "gpu_temperature_critical"),
        ("SchedulerQueueHigh", "queue_high", "queue_high"),
        ("SchedulingLatencyHigh", "start_latency_high", "start_latency_high"),
    )
}
"""The settings of each alert rule: its line, and how long it has to last."""


@dataclass(frozen=True)
class Settings:
    """All settings, checked; made by ``load`` and never changed."""

    _values: Mapping[str, Value]
    _sources: Mapping[str, str] = field(default_factory=dict)

    def get(self, name: str) -> Value:
        """The value of a setting by its flat or dotted name; raises KeyError for an unknown one."""
        setting = find_setting(name)
        if setting is None:
            raise KeyError(name)
        return self._values.get(setting.name, setting.default)

    @property
    def settings(self) -> tuple[Setting, ...]:
        """Everything that can be set here, with the settings of the queues that users added."""
        return (*SETTINGS, *settings_of_own_queues(self._values))

    def source(self, name: str) -> str:
        """Where the value comes from: ``default``, ``config.toml``, ``environment`` or ``command line``."""
        setting = find_setting(name)
        if setting is None:
            raise KeyError(name)
        return self._sources.get(setting.name, DEFAULT)

    def describe(self, setting: Setting) -> dict[str, object]:
        """A setting as JSON: ``value`` is plain (bytes, seconds, None for auto), ``text`` what a person would write."""
        value = self._values.get(setting.name, setting.default)
        return {
            "name": setting.name,
            "section": setting.section,
            "key": setting.key,
            "kind": setting.kind.value,
            "value": value,
            "text": setting.show(value),
            "default": setting.default,
            "default_text": setting.show(setting.default),
            "source": self.source(setting.name),
            "unit": setting.unit,
            "low": setting.low,
            "high": setting.high,
            "choices": setting.all_choices,
            "label": setting.label,
            "help": setting.help,
            "accepted": setting.accepted,
            "needs_restart": setting.needs_restart,
            "automatic": setting.automatic,
            "variable": setting.variable,
        }

    def policy(self) -> Policy:
        """The numbers the core decides by."""
        from dataclasses import fields

        from tidegate.core.policy import Policy

        wanted = {entry.name for entry in fields(Policy)}
        named = {_POLICY_NAMES.get(name, name): value for name, value in self._values.items()}
        own: dict[str, Any] = {name: value for name, value in named.items() if name in wanted}
        queues = tuple(self._queue(name) for name in queues_in(self._values))
        return Policy(**own, queues=queues, strategy_options=strategy_settings.strategy_options(self._values))

    def _queue(self, name: str) -> QueuePolicy:
        from tidegate.core.policy import QueuePolicy

        values: dict[str, Any] = queue_values(self._values, name)
        preempts, memory = names_of(values.pop("preempts")), values.pop("memory")
        return QueuePolicy(name, **values, preempts=preempts, memory_bytes=memory)

    def advice_policy(self) -> AdvicePolicy:
        """What is looked for in jobs and machine, and how conflicts are settled."""
        from tidegate.core.conflicts import AdvicePolicy

        return AdvicePolicy(
            conflicts=bool(self._values["conflicts_enabled"]),
            hints=bool(self._values["hints_enabled"]),
            resolve=str(self._values["conflicts_resolve"]),
            quantum_s=self._float("conflicts_quantum"),
        )

    def alert_policy(self) -> AlertPolicy:
        """Which alert rules hold, and from where on."""
        from tidegate.core.alert_rules import SERVICE_DOWN, AlertPolicy, Limit

        limits = {rule: self._alert_limit(line, lasting) for rule, (line, lasting) in _ALERT_NAMES.items()}
        service_s = self._float("alerts_service_down_for")
        limits[SERVICE_DOWN] = Limit(0.5 if service_s else None, service_s)
        return AlertPolicy(bool(self._values["alerts_enabled"]), limits)

    def _alert_limit(self, line_name: str, lasting_name: str) -> Limit:
        from tidegate.core.alert_rules import Limit

        return Limit(self._float(line_name) or None, self._float(lasting_name))

    def _float(self, name: str) -> float:
        value = self._values[name]
        assert isinstance(value, (int, float))
        return float(value)

    def _int(self, name: str) -> int:
        value = self._values[name]
        assert isinstance(value, int)
        return value

    @property
    def api_port(self) -> int:
        return self._int("api_port")

    @property
    def log_level(self) -> str:
        return str(self._values["log_level"])

    @property
    def job_log_cap_bytes(self) -> int:
        return self._int("job_log_cap")

    @property
    def sample_interval_s(self) -> float:
        return self._float("sample_interval_s")

    @property
    def kill_timeout_s(self) -> float:
        return self._float("kill_timeout")

    @property
    def python(self) -> str | None:
        """The interpreter the user set for scripts without an environment of their own, or None."""
        value = self._values["python"]
        return None if value is None else str(value)

    @property
    def samples_kept_s(self) -> float:
        return self._float("samples_kept")

    @property
    def minutes_kept_s(self) -> float:
        return self._int("minutes_kept_days") * _DAY_S

    @property
    def journal_kept_s(self) -> float:
        return self._int("journal_kept_days") * _DAY_S

    @property
    def finished_kept_s(self) -> float | None:
        """None keeps finished jobs for ever."""
        return None if self._values["finished_kept_days"] is None else self._int("finished_kept_days") * _DAY_S

    @property
    def notify_after_s(self) -> float:
        """A job that succeeds is told of when it ran at least this long."""
        return self._float("notify_after")

    @property
    def finished_in_memory(self) -> int:
        return self._int("finished_in_memory")


def load(
    paths: Paths, environ: Mapping[str, str] | None = None, overrides: Mapping[str, str] | None = None
) -> Settings:
    """Read all settings; raises SettingsError with everything that is wrong. A missing ``config.toml`` is no error.

    ``overrides`` are settings from the command line, by flat or dotted name.
    """
    return combine(paths.config_file, read_file(paths.config_file), environ, overrides)


def combine(
    file: Path,
    tables: Mapping[str, object],
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, str] | None = None,
) -> Settings:
    """Lay the sources over each other and judge the result; ``tables`` is what ``file`` holds, or would hold."""
    import os

    values: dict[str, Value] = {setting.name: setting.default for setting in SETTINGS}
    sources: dict[str, str] = {}
    errors: list[str] = []
    for layer, source in (
        (_from_file(file, tables, errors), FILE),
        (_from_environment(os.environ if environ is None else environ, errors), ENVIRONMENT),
        (_from_command_line(overrides or {}, errors), COMMAND_LINE),
    ):
        values.update(layer)
        sources.update(dict.fromkeys(layer, source))
    errors.extend(_contradictions(values))
    if errors:
        raise SettingsError(errors)
    return Settings(values, sources)


def read_file(file: Path, *, must_exist: bool = False) -> dict[str, object]:
    """What a TOML file holds, by section; raises SettingsError with a sentence when it is no TOML or not readable."""
    import tomllib

    try:
        text = file.read_bytes().decode("utf-8-sig")
        return by_section(tomllib.loads(text))
    except FileNotFoundError:
        if must_exist:
            raise SettingsError([f"{file}: there is no such file."]) from None
        return {}
    except IsADirectoryError:
        raise SettingsError([f"{file}: this is a folder, but the settings must be a text file."]) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise SettingsError([f"{file}: line {line} is not UTF-8 text."]) from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError([f"{file}: this is not valid TOML: {error}."]) from None
    except (ValueError, RecursionError) as error:
        raise SettingsError([f"{file}: this is not valid TOML: {error}."]) from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise SettingsError([f"{file}: the settings cannot be read: {reason}."]) from None


def _from_file(file: Path, tables: Mapping[str, object], errors: list[str]) -> dict[str, Value]:
    """Settings stand below their section; flat names before the first section are understood too."""
    values: dict[str, Value] = {}
    for name, entry in tables.items():
        if isinstance(entry, Mapping) and (name in SECTIONS or _is_a_queue(name)):
            for key, raw in entry.items():
                setting = find_setting(f"{name}.{key}") or find_setting(key)
                if setting is not None and setting.section == name:
                    _take(setting, raw, f"{file}: [{name}] {key}", values, errors)
                elif setting is not None:
                    errors.append(f"{file}: [{name}] {key}: this setting belongs below [{setting.section}].")
                else:
                    errors.append(f"{file}: [{name}] {key}: there is no such setting{_like(key)}")
        elif isinstance(entry, Mapping) and name.startswith(queue_settings.PREFIX):
            errors.append(f"{file}: [{name}]: a queue has {queue_settings.NAMED_LIKE}.")
        elif isinstance(entry, Mapping):
            known = nearest(name, list(SECTIONS)) or f"; there are {', '.join(SECTIONS)}."
            errors.append(f"{file}: [{name}]: there is no such section{known}")
        elif (setting := find_setting(name)) is not None:
            _take(setting, entry, f"{file}: {name}", values, errors)
        else:
            errors.append(f"{file}: {name}: there is no such setting{_like(name)}")
    return values


def by_section(tables: Mapping[str, object]) -> dict[str, object]:
    """What stands in a file, by the names its headers have: the tables of queues stand one deeper."""
    queues = tables.get("queues")
    if not isinstance(queues, Mapping):
        return dict(tables)
    flat = {name: entry for name, entry in tables.items() if name != "queues"}
    return {**flat, **{f"queues.{name}": entry for name, entry in queues.items()}}


def _is_a_queue(section: str) -> bool:
    name = section.removeprefix(queue_settings.PREFIX)
    return name != section and queue_settings.NAME.fullmatch(name) is not None


def _from_environment(environ: Mapping[str, str], errors: list[str]) -> dict[str, Value]:
    """Variables of our sections only: TIDEGATE_HOME and those that jobs get are no settings."""
    values: dict[str, Value] = {}
    known = {setting.variable: setting for setting in SETTINGS}
    without_section = {f"TIDEGATE_{setting.name}".upper(): setting.variable for setting in SETTINGS}
    ours = tuple(f"TIDEGATE_{section}_".upper() for section in SECTIONS)
    for variable in sorted(environ):
        if variable in known:
            _take(known[variable], environ[variable], variable, values, errors)
        elif variable in without_section:
            errors.append(f"{variable}: there is no such setting; did you mean {without_section[variable]}?")
        elif variable.startswith(ours):
            errors.append(f"{variable}: there is no such setting{nearest(variable, list(known)) or '.'}")
    return values


def _from_command_line(overrides: Mapping[str, str], errors: list[str]) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for name, raw in overrides.items():
        setting = find_setting(name)
        if setting is None:
            errors.append(f"{name}: there is no such setting{_like(name)}")
        else:
            _take(setting, raw, name, values, errors)
    return values


def _like(name: str) -> str:
    return nearest(name, [setting.name for setting in SETTINGS]) or "."


def _take(setting: Setting, raw: object, where: str, values: dict[str, Value], errors: list[str]) -> None:
    """Put one value where it belongs, or its error into the list."""
    if setting.name in values:
        errors.append(f"{where}: this setting stands there twice.")
        return
    try:
        values[setting.name] = setting.parse(raw)
    except NotUnderstoodError:
        shown = f'"{raw}"' if isinstance(raw, str) else str(raw).lower() if isinstance(raw, bool) else str(raw)
        errors.append(f"{where}: {shown} is not accepted; write {setting.accepted}.")


def _contradictions(values: Mapping[str, Value]) -> list[str]:
    """What is wrong between settings, each of which is right by itself."""
    import os

    errors = []
    for low, high in (
        ("memory_high_pct", "memory_emergency_pct"),
        ("cpu_high_pct", "cpu_hard_pct"),
        ("gpu_memory_high_pct", "gpu_memory_emergency_pct"),
        ("mode_hysteresis_pct", "memory_high_pct"),
        ("mode_hysteresis_pct", "cpu_high_pct"),
    ):
        if _number(values[low]) >= _number(values[high]):
            errors.append(_contradiction(values, low, "below", high))
    if _number(values["max_start_per_tick_high"]) > _number(values["max_start_per_tick_normal"]):
        errors.append(_contradiction(values, "max_start_per_tick_high", "at most", "max_start_per_tick_normal"))
    if values["max_workers"] is not None:
        if _number(values["min_workers"]) > _number(values["max_workers"]):
            errors.append(_contradiction(values, "min_workers", "at most", "max_workers"))
    elif _number(values["min_workers"]) > (cores := os.cpu_count() or 1):
        errors.append(f"min_workers ({values['min_workers']}) must be at most max_workers ({cores}, one per core).")
    return errors + queue_settings.contradictions(values) + strategy_settings.contradictions(values)


def _contradiction(values: Mapping[str, Value], name: str, relation: str, other: str) -> str:
    shown = [setting.show(values[setting.name]) for wanted in (name, other) if (setting := find_setting(wanted))]
    return f"{name} ({shown[0]}) must be {relation} {other} ({shown[1]})."


def _number(value: Value) -> float:
    assert isinstance(value, (int, float))
    return value
