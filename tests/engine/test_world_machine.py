"""Any order of words and of weather: hypothesis drives a whole engine, what must hold is looked at each time.

Beside the invariants here, the World's store checks State after every event and the ledger before every start.
"""

from __future__ import annotations

import logging
from collections import Counter

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from support.world import World, a_job, size
from tidegate.core.job import AfterCondition, Dependency, Finished, JobId
from tidegate.core.policy import Policy
from tidegate.engine.ports import Command, EngineUnwilling, StartRequest, Verb

POLICY = Policy(max_bypass=3, kill_timeout_s=5.0)
LEFT_ALONE_S = 4000

pick = st.integers(0, 1000)
memory = st.sampled_from(("200M", "1G", "4G", "7G"))
VERBS = (Verb.PAUSE, Verb.RESUME, Verb.HOLD, Verb.RELEASE, Verb.CANCEL, Verb.KILL, Verb.RETRY, Verb.FIRST, Verb.START)


class Weather(RuleBasedStateMachine):
    """A user who says anything at any time, on a machine where anything may happen."""

    def __init__(self) -> None:
        super().__init__()
        logging.getLogger("tidegate").setLevel(logging.CRITICAL)
        self.world = World(POLICY, cores=4, memory_bytes=size("16G"), others_bytes=size("1G"))
        self.ids: list[JobId] = []
        self.runs: Counter[str] = Counter()
        self.attempts: Counter[tuple[str, int]] = Counter()
        start = self.world.machine._start

        def counted(request: StartRequest) -> None:
            self.runs[request.token] += 1
            self.attempts[request.job, request.attempt] += 1
            start(request)

        self.world.machine._start = counted  # type: ignore[method-assign]

    # --- work --------------------------------------------------------------------------------------------------------

    def _submit(self, **fields: object) -> None:
        lasting, fails, term, needs, uses = (fields.pop(key) for key in ("lasting", "fails", "term", "needs", "uses"))
        job = a_job().having(**fields).using(str(uses), ramp_s=2.0).lasting(float(lasting))  # type: ignore[arg-type]
        if needs is not None:
            job = job._set(memory_bytes=size(str(needs)))
        if fails:
            job = job.failing(3)
        if term:
            job = job.ignoring_term()
        answers = self.world.try_submit(job)
        if isinstance(answers, EngineUnwilling):
            assert "journal" in str(answers) or "not accepted" in str(answers)
            return
        assert answers[0].id is not None, answers[0].refused
        self.ids += self.world.engine.state.elements(answers[0].id.number)

    @rule(
        needs=st.none() | memory,
        uses=memory,
        lasting=st.sampled_from((0.05, 1, 12, 60)),
        priority=st.integers(0, 9),
        cores=st.sampled_from((None, 1.0, 2.0, 4.0)),
        retries=st.integers(0, 2),
        fails=st.booleans(),
        term=st.booleans(),
        held=st.booleans(),
        preemptible=st.booleans(),
        locks=st.sampled_from(((), ("disk",))),
        begin=st.none() | st.floats(0.0, 40.0),
        limit=st.none() | st.just(20.0),
    )
    def submit(self, begin: float | None, limit: float | None, **fields: object) -> None:
        begin_at = None if begin is None else self.world.clock.now() + begin
        self._submit(begin_at=begin_at, time_limit_s=limit, **fields)

    @rule(
        count=st.integers(1, 4), parallel=st.sampled_from((None, 1, 2)), fails=st.booleans(), needs=st.none() | memory
    )
    def submit_array(self, count: int, parallel: int | None, fails: bool, needs: str | None) -> None:
        self._submit(
            array=tuple(range(count)), array_size=count, array_parallel=parallel,
            fails=fails, lasting=3, term=False, needs=needs, uses="200M",
        )  # fmt: skip

    @rule(count=st.integers(20, 60), lasting=st.sampled_from((0.001, 0.004)), priority=st.integers(4, 6), odd=pick)
    def submit_moments(self, count: int, lasting: float, priority: int, odd: int) -> None:
        """Jobs that last so little that the relay hands them over ahead of time, and one among them that does not."""
        jobs = [a_job().needing("200M").with_priority(priority).lasting(lasting) for _ in range(count)]
        jobs[odd % count] = a_job().needing("200M").with_priority(priority).lasting(2.0)
        answers = self.world.try_submit(*jobs)
        if isinstance(answers, EngineUnwilling):
            assert "journal" in str(answers) or "not accepted" in str(answers)
            return
        self.ids += [answer.id for answer in answers if answer.id is not None]

    @rule(count=st.integers(8, 40), retries=st.integers(0, 1), fails=st.booleans())
    def submit_many_that_last_a_moment(self, count: int, retries: int, fails: bool) -> None:
        for _ in range(count):
            self._submit(
                retries=retries, fails=fails, lasting=0.004, term=False, needs="200M", uses="200M"
            )  # fmt: skip

    @precondition(lambda self: self.ids)
    @rule(which=pick, condition=st.sampled_from(AfterCondition), whole=st.booleans(), held=st.booleans())
    def submit_after(self, which: int, condition: AfterCondition, whole: bool, held: bool) -> None:
        id_ = self.ids[which % len(self.ids)]
        awaited = JobId(id_.number) if whole else id_
        self._submit(
            after=(Dependency(awaited, condition),), held=held,
            fails=False, lasting=1, term=False, needs="200M", uses="200M",
        )  # fmt: skip

    # --- words -------------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.ids)
    @rule(verb=st.sampled_from(VERBS), which=pick, whole=st.booleans(), force=st.booleans(), brief=st.booleans())
    def say(self, verb: Verb, which: int, whole: bool, force: bool, brief: bool) -> None:
        id_ = self.ids[which % len(self.ids)]
        seconds = 7.5 if brief and verb is Verb.PAUSE else None
        command = Command(verb, (JobId(id_.number) if whole else id_,), seconds=seconds, force=force)
        assert self.world.command(command)

    @rule(verb=st.sampled_from((Verb.PAUSE, Verb.RESUME)), brief=st.booleans(), drain=st.booleans())
    def say_to_the_queue(self, verb: Verb, brief: bool, drain: bool) -> None:
        self.world.command(Command(verb, None, seconds=15.0 if brief else None, drain=drain))

    @rule(verb=st.sampled_from((Verb.CANCEL, Verb.KILL, Verb.RETRY, Verb.HOLD, Verb.RELEASE)), dice=st.integers(0, 5))
    def say_to_all(self, verb: Verb, dice: int) -> None:
        if dice == 0:
            self.world.command(Command(verb, None))

    # --- weather -----------------------------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from((0.004, 0.05, 0.7, 3.0, 11.0, 45.0)))
    def time_passes(self, seconds: float) -> None:
        self.world.advance(seconds)

    @rule(used=st.sampled_from(("1G", "6G", "11G", "14G", "15.9G")))
    def others_use_memory(self, used: str) -> None:
        self.world.machine.others_bytes = size(used)

    @rule(cores=st.sampled_from((0.0, 2.0, 3.9)))
    def others_use_cores(self, cores: float) -> None:
        self.world.machine.others_cores = cores

    @rule(readable=st.booleans())
    def memory_can_be_read_or_not(self, readable: bool) -> None:
        self.world.machine.readable = readable

    @rule(full=st.booleans())
    def the_disk_fills_or_heals(self, full: bool) -> None:
        if full:
            self.world.journal.fail("the disk is full")
        elif self.world.journal._error is not None:
            self.world.journal.heal()

    @rule(seconds=st.sampled_from((-500.0, 3600.0)))
    def the_clock_jumps(self, seconds: float) -> None:
        self.world.clock.sleep_machine(seconds)

    @precondition(lambda self: self.world.journal._error is None)
    @rule()
    def kill_minus_nine(self) -> None:
        self.world.restart()

    # --- what must always hold ---

    @invariant()
    def no_job_is_lost(self) -> None:
        assert all(id_ in self.world.engine.state.jobs for id_ in self.ids)
        assert not [id_ for id_ in self.ids if self.world.status(id_) == "lost"]

    @invariant()
    def no_run_is_started_twice(self) -> None:
        assert all(times == 1 for times in self.runs.values()), self.runs
        assert all(times == 1 for times in self.attempts.values()), self.attempts

    @invariant()
    def the_planner_never_fails(self) -> None:
        assert self.world.engine.planner_failures == 0

    @invariant()
    def what_runs_is_known_to_run(self) -> None:
        active = {str(id_) for id_ in self.world.engine.state.active}
        assert set(self.world.machine.running()) <= active

    @invariant()
    def every_waiting_job_has_a_reason(self) -> None:
        plan = self.world.engine.plan
        assert plan is not None
        assert all(plan.waits[id_] for id_ in plan.waits)

    def teardown(self) -> None:
        """Left alone with room, everything ends."""
        logging.getLogger("tidegate").setLevel(logging.NOTSET)
        world = self.world
        world.machine.others_bytes, world.machine.others_cores, world.machine.readable = size("1G"), 0.0, True
        world.journal.heal()
        world.advance(5)
        world.command(Command(Verb.RESUME, None))
        world.command(Command(Verb.RELEASE, None))
        for _ in range(LEFT_ALONE_S // 50):
            if all(isinstance(world.job(id_).status, Finished) for id_ in self.ids):
                break
            for id_ in self.ids:
                if world.status(id_) == "paused":
                    world.command(Command(Verb.RESUME, (id_,)))
            world.advance(50)
        self.no_job_is_lost()
        self.no_run_is_started_twice()
        left = {str(id_): (world.status(id_), world.engine.plan.waits[id_]) for id_ in self.ids  # type: ignore[union-attr]
                if not isinstance(world.job(id_).status, Finished)}  # fmt: skip
        assert left == {}, left
        assert world.machine.running() == []


TestWeather = Weather.TestCase
TestWeather.settings = settings(
    max_examples=30,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=(HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large),
)
