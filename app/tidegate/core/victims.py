"""Victims: the best set of jobs to take from when several things are short at once, found exactly (D7); it only counts.

Least important tier first, then the fewest jobs, then the least work lost. To meet several shortages with the fewest
jobs is a small integer program: its linear relaxation gives a price for each shortage, at these prices a sum says how
good any set can be (Geoffrion 1974, "Lagrangean relaxation"), and what that leaves open is searched, best first.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain
from math import ceil
from operator import mul, or_, sub

from tidegate.core.job import JobId
from tidegate.core.relaxation import relax

# How much of each resource, by its name (memory, cores, slots, gpu:0 ...), each in its own unit.
Amounts = Mapping[str, float]

# Sums of cores and shares are rounded; a billionth of what is short is not missed. Work lost is in whole core-seconds.
ROUNDING = 1e-9
TOLERANCE = 1e-6
LESS = 0.5
# For the event loop's sake a search that looks at more places than this takes the best set it has found (or one job
# more, where it found none). A few jobs' worth on up to five resources takes fewer; where the work lost follows the
# size, or dozens of 64 jobs have to go, it may not be the very least (bench_victims.py says how often, by how much).
MOST_LOOKED_AT = 2_000
MOST_COMPARED = 600


@dataclass(frozen=True, slots=True)
class Candidate:
    """A job that could be taken from. Everyone of a lower ``tier`` goes first; ``gives`` is what that frees.

    ``loss_core_s``: core-seconds of work that are thrown away, 0 for a job that keeps what it has done.
    """

    id: JobId
    tier: int
    gives: Amounts
    loss_core_s: float = 0.0


Vector = tuple[float, ...]
# Some jobs of one tier, by their index, and how many of them are wanted.
Group = tuple[list[int], int]


def best_set(candidates: Sequence[Candidate], shortage: Amounts) -> tuple[Candidate, ...] | None:
    """The set that meets every shortage; None when all of them together do not.

    As few as can be of the most important tier that is needed, then of the next lower one, and so on; of such sets the
    one with the least work lost. In the order in which to take them: lower tiers first, then who gives most.
    """
    needs = {name: amount for name, amount in shortage.items() if amount > 0}
    if not needs:
        return ()
    useful = [candidate for candidate in candidates if any(candidate.gives.get(name, 0) > 0 for name in needs)]
    jobs = _Jobs(useful, needs)
    tiers = jobs.least_tiers()
    if tiers is None:
        return None
    groups, found = jobs.fewest(tiers)
    chosen = jobs.cheapest(groups, found)
    chosen.sort(key=lambda i: (useful[i].tier, -sum(jobs.parts[i]), useful[i].id))
    return tuple(useful[i] for i in chosen)


class _Jobs:
    """The candidates as numbers: what part of each shortage each one meets (1: all of it), by job and by shortage."""

    def __init__(self, candidates: list[Candidate], needs: Amounts) -> None:
        self.candidates = candidates
        self.columns = [
            [min(candidate.gives.get(name, 0) / need, 1.0) for candidate in candidates] for name, need in needs.items()
        ]
        self.parts: list[Vector] = list(zip(*self.columns, strict=True))
        self.losses = [round(candidate.loss_core_s) for candidate in candidates]
        self.all: Vector = (1.0,) * len(self.columns)

    def given(self, chosen: Sequence[int]) -> Vector:
        return tuple(sum([column[i] for i in chosen]) for column in self.columns)

    def lost(self, chosen: Sequence[int]) -> int:
        return sum([self.losses[i] for i in chosen])

    def least_tiers(self) -> list[list[int]] | None:
        """The least important tiers that are enough together, in order; None when all are not."""
        tiers: dict[int, list[int]] = {}
        for i, candidate in enumerate(self.candidates):
            tiers.setdefault(candidate.tier, []).append(i)
        taken: list[list[int]] = []
        for tier in sorted(tiers):
            taken.append(tiers[tier])
            if _meets(self.given(list(chain(*taken))), self.all):
                return taken
        return None

    def fewest(self, tiers: list[list[int]]) -> tuple[list[Group], list[int]]:
        """How many of each tier are needed, the most important first, and a set that shows that they are enough."""
        groups: list[Group] = []
        found: list[int] = []
        weights: Vector = ()
        for index in reversed(range(len(tiers))):
            # What is less important is all taken here: it must not cost one more of these.
            need = tuple(map(sub, self.all, self.given(list(chain(*tiers[:index])))))
            ones = [1 if i in set(tiers[index]) else 0 for i in range(len(self.losses))]
            bound, weights = self._relaxed(groups, tiers[index], ones, need)
            every, scores = len(tiers[index]), self._scores([0] * len(ones), weights)
            for count in range(ceil(min(bound - TOLERANCE, every)), every):
                search = _Search(self, [*groups, (tiers[index], count)], need, scores)
                if (answer := search.run(_dot(weights, need), TOLERANCE, None)) is not None:
                    break
            else:
                count, answer = every, [*found, *tiers[index]]
            found = answer
            groups.append((tiers[index], count))
        self._add_surrogate(weights)
        return groups, found

    def _add_surrogate(self, weights: Vector) -> None:
        """All shortages together as one more: where one job less would not do, it tells soonest what is not enough."""
        if len(weights) > 1 and (total := sum(weights)) > 0:
            self.columns.append([_dot(weights, parts) / total for parts in self.parts])
            self.parts = list(zip(*self.columns, strict=True))
            self.all = (1.0,) * len(self.columns)

    def cheapest(self, groups: list[Group], found: list[int]) -> list[int]:
        """The set with exactly so many of each group that meets every shortage with the least loss.

        What a job gives is taken off its loss, at a price for each shortage; the prices that make the cheapest set
        dearest say what no set can be below. ``found`` is one of the sets.
        """
        best, least = found, self.lost(found)
        groups = [(self._worth_it(group, count), count) for group, count in groups]
        _, prices = self._relaxed(groups, [], self.losses, self.all)
        scores = self._scores(self.losses, prices)
        bound = sum(prices) + sum([scores[i] for i in _lowest(groups, scores)])
        search, gap = _Search(self, groups, self.all, scores, by_loss=True), (least - bound) / 16
        while bound <= least - LESS:
            # Any better set lies between the two, and most often near what none can be below.
            limit = min(bound + gap, least - LESS)
            better = search.run(sum(prices), limit, least)
            if better is not None:
                best, least = better, self.lost(better)
            if limit >= least - LESS:
                break
            gap = 3 * gap if 5 * gap < least - bound else least - bound
        return best

    def _worth_it(self, group: list[int], count: int) -> list[int]:
        """Without those to whom so many others are to be preferred that they are never needed."""
        order = sorted(group, key=lambda i: (self.losses[i], -sum(self.parts[i])))
        ranked = [_Ranked(column, order) for column in self.columns]
        kept = 0
        for place, i in enumerate(order):
            better = kept
            for column, part in zip(ranked, self.parts[i], strict=True):
                better &= column.givers(part)
            if better.bit_count() < count:
                kept |= 1 << place
        return [order[place] for place in _places(kept)]

    def _relaxed(
        self, groups: list[Group], others: list[int], costs: Sequence[float], need: Vector
    ) -> tuple[float, Vector]:
        """What so many of each group and any of the others cost at least, and the price of each shortage."""
        members = [*chain(*(group for group, _ in groups)), *others]
        limits = [[1.0 if i in group else 0.0 for i in members] for group, _ in groups]
        columns = [*([column[i] for i in members] for column in self.columns), *limits]
        return relax([costs[i] for i in members], columns, need, [count for _, count in groups])

    def _scores(self, losses: Sequence[float], prices: Vector) -> list[float]:
        """Each job's loss less what it gives, at these prices."""
        scores = list(losses)
        for price, column in zip(prices, self.columns, strict=True):
            if price:
                scores = [score - price * part for score, part in zip(scores, column, strict=True)]
        return scores


class _Ranked:
    """Who gives how much of one resource; jobs are bits, by their places in ``order``."""

    def __init__(self, column: list[float], order: list[int]) -> None:
        pairs = sorted([(column[i], 1 << place) for place, i in enumerate(order)], reverse=True)
        self._generous = [(bit, part) for part, bit in pairs if part > 0]
        self._amounts = [part for part, _ in reversed(pairs)]
        self._givers = list(accumulate([bit for _, bit in pairs], or_, initial=0))[::-1]

    def givers(self, least: float, more: bool = False) -> int:
        """Who gives at least that, or more than that."""
        return self._givers[(bisect_right if more else bisect_left)(self._amounts, least)]

    def most(self, free: int, count: int) -> float:
        """The most that so many of those who are free can give."""
        most = 0.0
        for bit, part in self._generous:
            if free & bit:
                most += part
                count -= 1
                if not count:
                    break
        return most


class _Search:
    """Depth first through the sets with exactly so many of each group, those with low scores first.

    Sets of jobs are the bits of a number, by place in the order of the scores, so that all jobs that give enough of
    one resource are found by bisection and all that give enough of everything by AND.
    """

    def __init__(
        self, jobs: _Jobs, groups: list[Group], need: Vector, scores: list[float], by_loss: bool = False
    ) -> None:
        self._jobs = jobs
        self._by_loss = by_loss
        self._order = sorted((i for group, count in groups if count for i in group), key=scores.__getitem__)
        self._scores = [scores[i] for i in self._order]
        self._need = [amount - ROUNDING for amount in need]
        self._left = [count for _, count in groups]
        group_of = {i: index for index, (group, _) in enumerate(groups) for i in group}
        self._group = [group_of[i] for i in self._order]
        self._members = [0] * len(groups)
        for place, index in enumerate(self._group):
            self._members[index] |= 1 << place
        self._ranked = [_Ranked(column, self._order) for column in jobs.columns]
        self._worse_than: dict[int, int] = {}
        self.nodes = 0
        self._path: list[int] = []
        self._found: list[int] | None = None
        self._limit = 0.0
        self._least: int | None = None

    def run(self, base: float, limit: float, least: int | None) -> list[int] | None:
        """A set that meets the need and whose scores and ``base`` sum up to ``limit`` at most; None: there is none.

        ``least`` None: the first one found. Else the one that loses the least, and less than that; the sum of scores is
        then never more than what a set loses, so that the limit falls with every better one.
        """
        self._found, self._limit, self._least = None, limit, least
        self._visit((1 << len(self._order)) - 1, self._left, sum(self._left), base, self._need)
        return self._found

    def _visit(self, free: int, left: list[int], count: int, score: float, lacks: list[float]) -> bool:
        """True when enough was found, or looked at. ``free``: who may still be taken, ``left``: how many of a group."""
        self.nodes += 1
        if self.nodes > (MOST_COMPARED if self._by_loss else MOST_LOOKED_AT):
            return True
        for lack, ranked in zip(lacks, self._ranked, strict=True):
            if lack > 0:
                # Each that is taken has to give what the most generous others cannot.
                wanted = lack if count == 1 else lack - ranked.most(free, count - 1)
                if wanted > 0:
                    free &= ranked.givers(wanted)
                    if not free:
                        return False
        free = self._cheap_enough(free, left, score)
        if count == 1 or not free:
            return free > 0 and self._note(free)
        # One of those that are taken gives no less than the average: few can where it is hardest.
        least, branch = len(self._order) + 1, 0
        for lack, ranked in zip(lacks, self._ranked, strict=True):
            if lack > 0:
                some = free & ranked.givers(lack / count)
                if some.bit_count() < least:
                    least, branch = some.bit_count(), some
        if least > len(self._order):
            return self._note(0)
        while branch:
            bit = branch & -branch
            place = bit.bit_length() - 1
            if self._take(place, free & ~bit, left, count, score, lacks):
                return True
            free &= ~(bit | self._worse(place))
            branch &= free
        return False

    def _take(self, place: int, free: int, left: list[int], count: int, score: float, lacks: list[float]) -> bool:
        i, group = self._order[place], self._group[place]
        if len(left) > 1:
            left = left.copy()
            left[group] -= 1
            if not left[group]:
                free &= ~self._members[group]
        else:
            left = [count - 1]
        self._path.append(i)
        done = self._visit(
            free, left, count - 1, score + self._scores[place], list(map(sub, lacks, self._jobs.parts[i]))
        )
        self._path.pop()
        return done

    def _cheap_enough(self, free: int, left: list[int], score: float) -> int:
        """Who may be taken without going over the limit even with the cheapest others; nobody: they are too few."""
        scores = self._scores
        dearest: list[tuple[int, float]] = []
        for members, count in zip(self._members, left, strict=True):
            mine = free & members
            if mine.bit_count() < count:
                return 0
            for taken in range(count):
                bit = mine & -mine
                mine ^= bit
                own = scores[bit.bit_length() - 1]
                score += own
                if taken == count - 1:
                    dearest.append((members, own))
        spare, cheap = self._limit - score, 0
        if spare >= 0:
            for members, own in dearest:
                cheap |= members & ((1 << bisect_right(scores, own + spare)) - 1)
        return free & cheap

    def _worse(self, place: int) -> int:
        """The later places, as bits, that need not be tried where this one was left out."""
        mask = self._worse_than.get(place)
        if mask is None:
            i, losses = self._order[place], self._jobs.losses
            mask = self._members[self._group[place]] & -(2 << place)
            for part, ranked in zip(self._jobs.parts[i], self._ranked, strict=True):
                mask &= ~ranked.givers(part, more=True)
            if self._by_loss:
                mask = sum(1 << other for other in _places(mask) if losses[self._order[other]] >= losses[i])
            self._worse_than[place] = mask
        return mask

    def _note(self, last: int) -> bool:
        """The path, and any one of ``last``, meets the need; True when no better set is looked for."""
        losses = self._jobs.losses
        path = [*self._path, *sorted([self._order[place] for place in _places(last)], key=losses.__getitem__)[:1]]
        lost = self._jobs.lost(path)
        if self._least is None:
            self._found = path
            return True
        if lost < self._least:
            self._found, self._least, self._limit = path, lost, min(self._limit, lost - LESS)
        return False


def _places(mask: int) -> Iterator[int]:
    while mask:
        yield (mask & -mask).bit_length() - 1
        mask &= mask - 1


def _lowest(groups: list[Group], scores: list[float]) -> list[int]:
    return [i for group, count in groups for i in sorted(group, key=scores.__getitem__)[:count]]


def _dot(left: Vector, right: Vector) -> float:
    return float(sum(map(mul, left, right)))


def _meets(given: Vector, need: Vector) -> bool:
    return all(have >= want - ROUNDING for have, want in zip(given, need, strict=True))
