"""Exits: what an exit code or a signal usually means, in words for a person."""

from __future__ import annotations

import signal

_SIGNALS = {
    "SIGHUP": "its terminal went away",
    "SIGINT": "it was interrupted",
    "SIGQUIT": "it was told to quit",
    "SIGILL": "it crashed on an instruction this processor lacks",
    "SIGABRT": "it gave up on an error of its own",
    "SIGBUS": "it crashed reading memory or a file that is not there",
    "SIGFPE": "it crashed on a calculation",
    "SIGKILL": "it was killed from outside; the system does so when memory runs out",
    "SIGSEGV": "it crashed using memory that is not its own",
    "SIGPIPE": "nobody read its output",
    "SIGTERM": "it was told to end from outside",
    "SIGXCPU": "it used up its processor time",
    "SIGXFSZ": "a file grew over its limit",
    "SIGSYS": "it made a call the system refuses",
}
_CODES = {126: "a command in it may not be run", 127: "a command in it was not found"}


def signal_name(number: int) -> str:
    """``SIGTERM``; ``signal 99`` where it has no name here."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def exit_sentence(exit_code: int | None, signal_number: int | None, when: str) -> str:
    """``Exit code 1 after 2 min.``; ``when`` tells after how long."""
    if exit_code is None and signal_number is None:
        return f"It ended {when}; how is not known."
    if exit_code is None:
        assert signal_number is not None
        return _with(f"Ended by {signal_name(signal_number)} {when}", _SIGNALS.get(signal_name(signal_number)))
    # A shell passes the signal that ended its child on as 128 and its number.
    passed_on = _SIGNALS.get(signal_name(exit_code - 128)) if exit_code > 128 else None
    return _with(f"Exit code {exit_code} {when}", _CODES.get(exit_code) or passed_on)


def _with(what: str, why: str | None) -> str:
    return f"{what}: {why}." if why else f"{what}."
