"""Per-card admission against an oracle that tries every choice of cards, on 20,000 random situations.

The oracle does its own arithmetic in whole MiB and whole percent. The same situations are asked of a budget that only
knows sums over the cards (memory and time together, the cards that are too hot or of the wrong kind left out of it),
which is how far one gets without a ledger for each card.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import combinations
from random import Random

from tidegate.core.admission import failing, open_ledger
from tidegate.core.events import MachineSampled
from tidegate.core.job import Attempt, Job, JobId, JobSpec, Paused, PauseReason, Queued, Running, RunRef, Usage
from tidegate.core.machine import GpuReading, MachineReading, MachineState
from tidegate.core.places import activate
from tidegate.core.policy import Policy
from tidegate.core.resources import GIB, MIB, CardNeed, Estimate, EstimateSource, GpuRequest
from tidegate.core.state import State
from tidegate.core.transitions import apply

SITUATIONS = 20_000
MODELS = {"V100": "Tesla V100-SXM2-16GB", "A100": "NVIDIA A100-SXM4-80GB"}


@dataclass
class Tenant:
    """A job of ours that has cards. MiB and percent; ``needs`` None: nobody knows; ``seen`` None: not measured yet."""

    cards: tuple[int, ...]
    needs: int | None
    busy: int
    seen: int | None
    paused: bool

    @property
    def counts_with(self) -> int:
        return max(self.needs or 0, self.seen or 0)


@dataclass
class Card:
    total: int
    model: str
    others: int
    others_busy: int
    celsius: int


@dataclass
class Wish:
    """What the candidate wants: on each of ``count`` cards so much memory (None: nobody knows) and time."""

    count: int
    needs: int | None
    busy: int
    model: str | None
    allowed: frozenset[int] | None
    exclusive: bool
    learned: bool


@dataclass
class Situation:
    cards: list[Card]
    wish: Wish
    tenants: list[Tenant] = field(default_factory=list)

    def on(self, index: int) -> list[Tenant]:
        return [tenant for tenant in self.tenants if index in tenant.cards]

    def used(self, index: int) -> int:
        return self.cards[index].others + sum(tenant.seen or 0 for tenant in self.on(index))

    def busy(self, index: int) -> int:
        """Percent of its time that is spoken for; others are counted from a fifth of it on."""
        others = self.cards[index].others_busy
        ours = sum(tenant.busy for tenant in self.on(index) if not tenant.paused)
        return ours + (others if others >= 20 else 0)


def a_situation(random: Random) -> Situation:
    """Cards that other programs use a little, much, or entirely; up to three of our jobs on each of them."""
    cards = []
    for _ in range(random.randint(1, 4)):
        total = random.choice((8, 16, 24, 48)) * 1024
        share = random.choice((0, 0, 0.03, 0.1, random.random() * 0.5, random.random(), 0.97))
        # Not 20: whether that is a fifth hangs on the last bit of a sum of floats.
        others_busy = random.choice((0, 0, 0, 5, 30, random.randint(21, 100)))
        celsius = 93 if random.random() < 0.05 else random.randint(30, 90)
        cards.append(Card(total, random.choice(tuple(MODELS)), int(total * share), others_busy, celsius))
    wish = Wish(
        count=2 if len(cards) > 1 and random.random() < 0.25 else 1,
        needs=None if random.random() < 0.05 else random.randint(1, random.choice((1, 8, 24)) * 1024),
        busy=random.choice((100, 100, 50, 25, random.randint(1, 100))),
        model=random.choice((None, None, None, *MODELS)),
        allowed=frozenset(random.sample(range(len(cards)), random.randint(1, len(cards))))
        if random.random() < 0.2
        else None,
        exclusive=random.random() < 0.05,
        learned=random.random() < 0.4,
    )
    wish.learned = wish.learned or (wish.count > 1 and wish.busy < 100)  # a share of several cards cannot be declared
    if wish.exclusive:
        wish.busy, wish.learned = 100, False
    found = Situation(cards, wish)
    for index, card in enumerate(cards):
        for _ in range(random.choice((0, 0, 1, 1, 2, 3))):
            needs = None if random.random() < 0.04 else random.randint(1, card.total // 2)
            seen = random.choice((None, 0, int((needs or 2048) * random.random() * 1.2)))
            room = card.total - found.used(index)
            held = {index, random.randrange(len(cards))} if random.random() < 0.1 and not seen else {index}
            paused = random.random() < 0.15
            seen = None if seen is None else min(seen, max(0, room))
            found.tenants.append(Tenant(tuple(sorted(held)), needs, random.randint(1, 60), seen, paused))
    return found


# --- the oracle ------------------------------------------------------------------------------------------------------


def is_eligible(situation: Situation, index: int) -> bool:
    wish, card = situation.wish, situation.cards[index]
    of_its_kind = wish.model in (None, card.model) and (wish.allowed is None or index in wish.allowed)
    return of_its_kind and card.celsius <= 90


def is_safe_on(situation: Situation, index: int) -> bool:
    """D6 for one card, without a ledger: what everybody there may come to, against what there is."""
    wish, card, tenants = situation.wish, situation.cards[index], situation.on(index)
    if not is_eligible(situation, index) or 100 * situation.used(index) > 85 * card.total:
        return False
    if any(tenant.needs is None for tenant in tenants) or situation.busy(index) + wish.busy > 100:
        return False
    if wish.exclusive and (tenants or card.others_busy >= 20 or 100 * card.others >= 20 * card.total):
        return False
    if wish.needs is None:
        return not tenants and 100 * situation.used(index) < 20 * card.total
    all_of_it = card.others + sum(tenant.counts_with for tenant in tenants) + wish.needs
    return 100 * all_of_it <= 95 * card.total


def safe_choices(situation: Situation) -> list[tuple[int, ...]]:
    choices = combinations(range(len(situation.cards)), situation.wish.count)
    return [cards for cards in choices if all(is_safe_on(situation, index) for index in cards)]


def fits_together(situation: Situation) -> bool:
    """The budget over all cards at once: their memory is one sum, and so is their time."""
    wish = situation.wish
    cards = [index for index in range(len(situation.cards)) if is_eligible(situation, index)]
    total = sum(situation.cards[index].total for index in cards)
    used = sum(situation.used(index) for index in cards)
    promised = sum(
        situation.cards[index].others + sum(tenant.counts_with for tenant in situation.on(index)) for index in cards
    )
    busy = sum(situation.busy(index) for index in cards)
    return (
        len(cards) >= wish.count
        and 100 * used <= 85 * total
        and 100 * (promised + wish.count * (wish.needs or 0)) <= 95 * total
        and busy + wish.count * wish.busy <= 100 * len(cards)
    )


# --- ours ------------------------------------------------------------------------------------------------------------


def the_reading(situation: Situation) -> MachineReading:
    gpus = tuple(
        GpuReading(
            index,
            f"GPU-{index}",
            MODELS[card.model],
            card.total * MIB,
            situation.used(index) * MIB,
            utilisation_pct=float(
                card.others_busy + sum(tenant.busy for tenant in situation.on(index) if not tenant.paused)
            ),
            temperature_c=float(card.celsius),
        )
        for index, card in enumerate(situation.cards)
    )
    return MachineReading(1.0, 512, 4096 * GIB, 4000 * GIB, other_cpu_cores=0.0, gpus=gpus)


def a_spec(request: GpuRequest, device: str = "auto") -> JobSpec:
    return JobSpec(("x",), "/", "x", cores=1.0, memory_bytes=MIB, gpu=request, device=device)


def a_job(id: JobId, tenant: Tenant) -> Job:
    needs, run = None if tenant.needs is None else tenant.needs * MIB, RunRef(str(id))
    spec = a_spec(GpuRequest(len(tenant.cards), needs))
    job = Job(id, spec, 0.0, id.number, Paused(0.0, run, PauseReason.USER) if tenant.paused else Running(0.0, run))
    job.attempts = (Attempt(1, run.token, 0.0, 0.0, devices=tenant.cards),)
    job.estimate = Estimate(MIB, EstimateSource.DECLARED, 1.0, spec.gpu, card=CardNeed(tenant.busy / 100, needs))
    if tenant.seen is not None:
        memory = tuple((index, tenant.seen * MIB) for index in tenant.cards)
        busy = tuple((index, 0.0 if tenant.paused else float(tenant.busy)) for index in tenant.cards)
        job.usage = Usage(1.0, MIB, 1.0, 1, memory, busy)
    return job


def admitted(situation: Situation, state: State) -> tuple[int, ...] | None:
    """The cards that admission gives the candidate in this situation, brought about in ``state``; None: it waits."""
    state.jobs, state.active, state.machine = {}, {}, MachineState()
    for number, tenant in enumerate(situation.tenants, start=1):
        job = state.jobs[JobId(number)] = a_job(JobId(number), tenant)
        activate(state, job)
    apply(state, MachineSampled(the_reading(situation)))
    wish = situation.wish
    needs = None if wish.needs is None else wish.needs * MIB
    count = float(wish.count) if wish.busy == 100 or wish.learned else wish.busy / 100
    request = GpuRequest(count, needs, model=wish.model, exclusive=wish.exclusive)
    device = "auto" if wish.allowed is None else ",".join(map(str, sorted(wish.allowed)))
    job = Job(JobId(99), a_spec(request, device), 1.0, 99, Queued(1.0))
    need = CardNeed(wish.busy / 100 if wish.learned else request.share, needs)
    figure = Estimate(MIB, EstimateSource.DECLARED, 1.0, request, card=need)
    codes, devices = failing(state, job, figure, open_ledger(state, 1.0))
    assert all(code.startswith("gpu") for code in codes), codes
    return None if codes else devices


def test_a_card_is_given_exactly_when_that_is_safe_and_sums_over_cards_are_wrong_both_ways() -> None:
    random, state = Random(20_264), State(Policy(max_workers=1000))
    found: Counter[str] = Counter()
    for number in range(SITUATIONS):
        situation = a_situation(random)
        safe, given = safe_choices(situation), admitted(situation, state)
        if given is None:
            assert not safe, f"situation {number}: refused although {safe} would be safe: {situation}"
        else:
            assert given in safe, f"situation {number}: {given} was given, safe is {safe}: {situation}"
        found["safe" if safe else "unsafe"] += 1
        if len(situation.cards) > 1:
            together = fits_together(situation)
            found["safe, several cards" if safe else "unsafe, several cards"] += 1
            found["blocked by sums"] += bool(safe) and not together
            found["let in by sums"] += not safe and together
    blocked = found["blocked by sums"] / found["safe, several cards"]
    let_in = found["let in by sums"] / found["unsafe, several cards"]
    print(f"{dict(found)}: sums block {blocked:.1%} of the safe starts and let in {let_in:.1%} of the unsafe ones")
    assert min(found["safe"], found["unsafe"]) > SITUATIONS // 5, "both kinds have to be there in numbers"
    # Measured here: 9.0 % and 22.5 %. Cards that others have filled block by their sum those that are empty.
    assert blocked > 0.05
    assert let_in > 0.15
