"""Which verbs there are, what each is for, and the module that does it; loaded before any of them."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tidegate.cli.options import Verb


class Entry:
    """One line of ``tidegate help``."""

    __slots__ = ("group", "module", "summary")

    def __init__(self, group: str, module: str, summary: str) -> None:
        self.group = group
        self.module = module
        self.summary = summary


SUBMITTING, LOOKING, ACTING, RUNNING = (
    "Give it work",
    "See what is going on",
    "Change what happens",
    "The program itself",
)

VERBS = {
    "submit": Entry(SUBMITTING, "submit", "Add a script or a command to the queue and print its id."),
    "run": Entry(SUBMITTING, "submit", "Submit a command, show its output, and end with its exit code."),
    "list": Entry(LOOKING, "jobs", "List the jobs (this is what tidegate alone does)."),
    "show": Entry(LOOKING, "jobs", "Show everything about a job."),
    "why": Entry(LOOKING, "jobs", "Say why a job is not running, and when that may end."),
    "logs": Entry(LOOKING, "logs", "Print what a job wrote."),
    "wait": Entry(LOOKING, "wait", "Wait until jobs have finished, and end with their exit code."),
    "status": Entry(LOOKING, "status", "Show the machine, the mode it is in, and what is running."),
    "queue": Entry(LOOKING, "queue", "Show the queues, or the cards as queues; add and remove queues."),
    "journal": Entry(LOOKING, "status", "Show what was decided and done, and why."),
    "conflicts": Entry(LOOKING, "advice", "List what jobs get in each other's way for, and resolve it."),
    "hints": Entry(LOOKING, "advice", "List what would let the jobs run better, and apply it."),
    "strategy": Entry(LOOKING, "strategy", "Show, choose or compare the strategies by which waiting jobs are taken."),
    "simulate": Entry(LOOKING, "simulate", "Try a workload on virtual time: strategies compared, other machines."),
    "pause": Entry(ACTING, "actions", "Freeze jobs, or without ids the whole queue."),
    "resume": Entry(ACTING, "actions", "Let paused jobs, or without ids the whole queue, go on."),
    "hold": Entry(ACTING, "actions", "Keep waiting jobs from starting."),
    "release": Entry(ACTING, "actions", "Let held jobs start again."),
    "cancel": Entry(ACTING, "actions", "End jobs: asked first, forced after a grace time."),
    "kill": Entry(ACTING, "actions", "End jobs at once."),
    "retry": Entry(ACTING, "actions", "Run finished jobs again."),
    "edit": Entry(ACTING, "edit", "Change what a waiting job asks for."),
    "first": Entry(ACTING, "actions", "Put jobs first in the line of their priority."),
    "start": Entry(ACTING, "actions", "Start a job now, ahead of the line."),
    "config": Entry(RUNNING, "config", "Read and change the settings."),
    "doctor": Entry(RUNNING, "doctor", "Look at this machine and say what Tidegate can use and what is in its way."),
    "demo": Entry(RUNNING, "program", "Show the application at work in a throw-away home."),
    "serve": Entry(RUNNING, "program", "Run the engine without a window, in the foreground."),
    "gui": Entry(RUNNING, "program", "Open the application."),
    "shutdown": Entry(RUNNING, "program", "Stop the engine; running jobs go on unless --stop-jobs is given."),
    "completions": Entry(RUNNING, "completions", "Print the completion script for a shell."),
    "version": Entry(RUNNING, "program", "Print the version."),
    "help": Entry(RUNNING, "help", "Show the verbs, or how to use one of them."),
}

ALIASES = {"add": "submit"}
HIDDEN = {"_ids": "completions"}
"""Verbs for our own scripts: not in help, not offered."""


def load(name: str) -> Verb:
    """The verb's table; only its own module is imported."""
    from importlib import import_module

    module = HIDDEN[name] if name in HIDDEN else VERBS[name].module
    table: dict[str, Verb] = import_module(f"tidegate.cli.{module}").VERBS
    return table[name]


def aliases_of(name: str) -> list[str]:
    return [alias for alias, verb in ALIASES.items() if verb == name]
