"""What every ``Processes`` has to do: the suite runs on the keeper with real processes and on the fake machine."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Protocol

from tidegate.core.resources import MIB
from tidegate.engine.ports import (
    Processes,
    ProcessEvent,
    Reconnected,
    RunActionFailed,
    RunExited,
    RunPaused,
    RunResumed,
    RunRevoked,
    RunStarted,
    RunStartFailed,
    StartRequest,
)

KINDS = ("ends_well", "fails_with_7", "lasts", "ignores_term", "cannot_start")


class ProcessWorld(Protocol):
    """A place where processes run. ``command`` gives the words that make a run behave as one of KINDS."""

    def processes(self) -> Processes: ...

    def command(self, kind: str) -> tuple[str, ...]: ...

    def log_path(self, token: str) -> str: ...

    async def pass_time(self) -> None:
        """Let a moment pass in which what is due can happen."""

    def now(self) -> float: ...


class Watcher:
    """One connected client and all it was told."""

    def __init__(self, world: ProcessWorld) -> None:
        self.world = world
        self.processes = world.processes()
        self.events: list[ProcessEvent] = []
        self.batches = 0

    def deliver(self, batch: object) -> None:
        self.batches += 1
        self.events += batch  # type: ignore[operator]

    async def connect(self, *tokens: str) -> Reconnected:
        return await self.processes.connect(self.deliver, tokens)

    def start(self, *tokens: str, kind: str = "lasts") -> None:
        self.processes.start([self.request(token, kind) for token in tokens])

    def relay(self, *tokens: str, behind: str, kind: str = "ends_well") -> None:
        """Ask for these in a row, each in the place of the one before it."""
        places = (behind, *tokens)
        requests = (self.request(token, kind) for token in tokens)
        self.processes.start([replace(each, behind=place) for each, place in zip(requests, places, strict=False)])

    def request(self, token: str, kind: str) -> StartRequest:
        return StartRequest(
            token=token,
            job=token.removeprefix("t"),
            attempt=1,
            command=self.world.command(kind),
            cwd="/",
            environment=None,
            extra_environment=(),
            log_path=self.world.log_path(token),
            log_cap_bytes=MIB,
        )

    async def told(self, kind: type, token: str) -> ProcessEvent:
        """Wait until an event of this kind came for this run."""
        for _ in range(2000):
            for event in self.events:
                if isinstance(event, kind) and getattr(event, "token", None) == token:
                    return event
            await self.world.pass_time()
        raise AssertionError(f"no {kind.__name__} for {token}; told: {self.events}")

    def count(self, kind: type, token: str) -> int:
        return sum(isinstance(event, kind) and getattr(event, "token", None) == token for event in self.events)


class ProcessesContract:
    """Subclass with a fixture ``world``."""

    def run(self, story: Callable[[], Awaitable[None]]) -> None:
        async def limited() -> None:
            async with asyncio.timeout(60):
                await story()

        asyncio.run(limited())

    def test_a_run_is_told_to_have_started_and_then_how_it_ended(self, world: ProcessWorld) -> None:
        async def story() -> None:
            watcher = Watcher(world)
            found = await watcher.connect()
            assert (found.alive, found.ended) == ((), ())
            watcher.start("t1", kind="ends_well")
            watcher.start("t2", kind="fails_with_7")
            started = await watcher.told(RunStarted, "t1")
            assert isinstance(started, RunStarted)
            assert started.run.token == "t1"
            for token, code in (("t1", 0), ("t2", 7)):
                ended = await watcher.told(RunExited, token)
                assert isinstance(ended, RunExited)
                assert (ended.exit_code, ended.signal) == (code, None)
                assert ended.at <= world.now() + 1
                kinds = [type(event) for event in watcher.events if getattr(event, "token", None) == token]
                assert kinds == [RunStarted, RunExited], "started comes before ended, each once"
            await watcher.processes.close(stop_jobs=True)

        self.run(story)

    def test_what_cannot_be_started_is_told_in_a_sentence_and_nothing_runs(self, world: ProcessWorld) -> None:
        async def story() -> None:
            watcher = Watcher(world)
            await watcher.connect()
            watcher.start("t1", kind="cannot_start")
            failed = await watcher.told(RunStartFailed, "t1")
            assert isinstance(failed, RunStartFailed)
            assert len(failed.error.split()) > 2
            assert not watcher.count(RunStarted, "t1")
            await watcher.processes.close(stop_jobs=True)

        self.run(story)

    def test_pause_and_resume_are_confirmed_and_a_paused_run_does_not_end(self, world: ProcessWorld) -> None:
        async def story() -> None:
            watcher = Watcher(world)
            await watcher.connect()
            watcher.start("t1")
            await watcher.told(RunStarted, "t1")
            watcher.processes.pause("t1")
            await watcher.told(RunPaused, "t1")
            assert not watcher.count(RunExited, "t1")
            watcher.processes.resume("t1")
            await watcher.told(RunResumed, "t1")
            watcher.processes.kill("t1")
            ended = await watcher.told(RunExited, "t1")
            assert isinstance(ended, RunExited)
            assert (ended.exit_code, ended.signal) == (None, 9)
            await watcher.processes.close(stop_jobs=True)

        self.run(story)

    def test_terminate_is_gentle_first_and_then_certain(self, world: ProcessWorld) -> None:
        async def story() -> None:
            watcher = Watcher(world)
            await watcher.connect()
            watcher.start("t1")
            watcher.start("t2", kind="ignores_term")
            await watcher.told(RunStarted, "t1")
            await watcher.told(RunStarted, "t2")
            await self.settled(watcher)
            watcher.processes.terminate("t1", 20.0)
            watcher.processes.terminate("t2", 0.3)
            gentle, certain = await watcher.told(RunExited, "t1"), await watcher.told(RunExited, "t2")
            assert isinstance(gentle, RunExited)
            assert isinstance(certain, RunExited)
            assert (gentle.signal, certain.signal) == (15, 9)
            await watcher.processes.close(stop_jobs=True)

        self.run(story)

    async def settled(self, watcher: Watcher) -> None:
        """Real processes need a moment until they ignore a signal."""
        for _ in range(50):
            await watcher.world.pass_time()

    def test_a_paused_run_can_be_ended(self, world: ProcessWorld) -> None:
        async def story() -> None:
            watcher = Watcher(world)
            await watcher.connect()
            watcher.start("t1")
            await watcher.told(RunStarted, "t1")
            watcher.processes.pause("t1")
            await watcher.told(RunPaused, "t1")
            watcher.processes.terminate("t1", 20.0)
            await watcher.told(RunExited, "t1")
            await watcher.processes.close(stop_jobs=True)

        self.run(story)

    def test_the_next_client_finds_what_lives_and_what_ended_until_it_is_acknowledged(
        self, world: ProcessWorld
    ) -> None:
        async def story() -> None:
            first = Watcher(world)
            await first.connect()
            first.start("t1")
            first.start("t2", kind="fails_with_7")
            await first.told(RunStarted, "t1")
            await first.told(RunExited, "t2")
            first.processes.pause("t1")
            await first.told(RunPaused, "t1")
            await first.processes.close(stop_jobs=False)
            second = Watcher(world)
            found = await second.connect("t1", "t2", "t3")
            assert [(run.token, run.paused) for run in found.alive] == [("t1", True)]
            assert [event.token for event in found.ended] == ["t2"], "t3 left no trace, so it is in no list"
            second.processes.acknowledge(["t2"])
            await self.settled(second)
            await second.processes.close(stop_jobs=False)
            third = Watcher(world)
            assert (await third.connect("t1", "t2")).ended == ()
            third.processes.kill("t1")
            await third.told(RunExited, "t1")
            await third.processes.close(stop_jobs=True)

        self.run(story)

    def test_a_run_is_never_started_twice(self, world: ProcessWorld) -> None:
        async def story() -> None:
            watcher = Watcher(world)
            await watcher.connect()
            watcher.start("t1")
            await watcher.told(RunStarted, "t1")
            watcher.start("t1")
            await watcher.told(RunActionFailed, "t1")
            assert watcher.count(RunStarted, "t1") == 1
            watcher.processes.kill("t1")
            await watcher.told(RunExited, "t1")
            await watcher.processes.close(stop_jobs=True)

        self.run(story)

    def test_starts_are_taken_by_the_hundred(self, world: ProcessWorld) -> None:
        async def story() -> None:
            watcher = Watcher(world)
            await watcher.connect()
            tokens = [f"t{number}" for number in range(1, 101)]
            watcher.start(*tokens, kind="ends_well")
            for token in tokens:
                await watcher.told(RunExited, token)
            assert watcher.batches < 2 * len(tokens), "events come in batches"
            await watcher.processes.close(stop_jobs=True)

        self.run(story)

    def test_a_run_takes_the_place_of_the_one_it_waits_behind(self, world: ProcessWorld) -> None:
        async def story() -> None:
            watcher = Watcher(world)
            await watcher.connect()
            watcher.start("t1")
            await watcher.told(RunStarted, "t1")
            watcher.relay("t2", "t3", "t4", behind="t1")
            await self.settled(watcher)
            assert not [event for event in watcher.events if getattr(event, "token", "t1") != "t1"], "they wait"
            watcher.processes.kill("t1")
            await watcher.told(RunExited, "t4")
            told = [(type(event), event.token) for event in watcher.events if isinstance(event, RunStarted | RunExited)]
            assert told == [(kind, token) for token in ("t1", "t2", "t3", "t4") for kind in (RunStarted, RunExited)]
            await watcher.processes.close(stop_jobs=True)

        self.run(story)

    def test_a_run_whose_place_is_free_already_begins_at_once(self, world: ProcessWorld) -> None:
        async def story() -> None:
            watcher = Watcher(world)
            await watcher.connect()
            watcher.start("t1", kind="ends_well")
            await watcher.told(RunExited, "t1")
            watcher.relay("t2", behind="t1")
            await watcher.told(RunExited, "t2")
            watcher.start("t3", kind="lasts")
            watcher.relay("t4", "t5", behind="t3", kind="cannot_start")
            watcher.processes.kill("t3")
            await watcher.told(RunStartFailed, "t4")
            await watcher.told(RunStartFailed, "t5")
            await watcher.processes.close(stop_jobs=True)

        self.run(story)

    def test_what_waits_can_be_called_back_with_all_behind_it_and_never_begins(self, world: ProcessWorld) -> None:
        async def story() -> None:
            watcher = Watcher(world)
            await watcher.connect()
            watcher.start("t1")
            await watcher.told(RunStarted, "t1")
            watcher.relay("t2", "t3", "t4", behind="t1")
            watcher.processes.revoke(["t3", "t1", "t9"])
            await watcher.told(RunRevoked, "t3")
            await watcher.told(RunRevoked, "t4")
            assert not watcher.count(RunRevoked, "t2")
            assert not watcher.count(RunRevoked, "t1"), "it runs already"
            watcher.processes.kill("t1")
            await watcher.told(RunExited, "t2")
            await self.settled(watcher)
            assert not watcher.count(RunStarted, "t3")
            await watcher.processes.close(stop_jobs=True)

        self.run(story)

    def test_what_waits_when_the_client_goes_never_begins_and_the_next_one_is_told(self, world: ProcessWorld) -> None:
        async def story() -> None:
            first = Watcher(world)
            await first.connect()
            first.start("t1")
            await first.told(RunStarted, "t1")
            first.relay("t2", "t3", behind="t1")
            await self.settled(first)
            await first.processes.close(stop_jobs=False)
            second = Watcher(world)
            found = await second.connect("t1", "t2", "t3")
            assert [run.token for run in found.alive] == ["t1"]
            assert {(type(event), event.token) for event in found.ended} == {(RunRevoked, "t2"), (RunRevoked, "t3")}
            second.processes.kill("t1")
            await second.told(RunExited, "t1")
            second.processes.acknowledge(["t1", "t2", "t3"])
            await self.settled(second)
            assert not second.count(RunStarted, "t2")
            await second.processes.close(stop_jobs=True)

        self.run(story)

    def test_nothing_takes_a_place_when_all_is_to_end(self, world: ProcessWorld) -> None:
        async def story() -> None:
            first = Watcher(world)
            await first.connect()
            first.start("t1")
            await first.told(RunStarted, "t1")
            first.relay("t2", behind="t1")
            await self.settled(first)
            await first.processes.close(stop_jobs=True)
            second = Watcher(world)
            found = await second.connect("t1", "t2")
            assert found.alive == ()
            assert {type(event) for event in found.ended if event.token == "t2"} == {RunRevoked}
            await second.processes.close(stop_jobs=True)

        self.run(story)
