"""The linear relaxation of choosing from a few dozen things under a few constraints: a bound, and a price for each."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

# Below this a number counts as 0, and what is this far out of bounds as within them.
EPSILON = 1e-9
# Every step leaves a bound that holds, so that a search for the best one may be cut short.
MOST_PIVOTS = 200


def relax(
    costs: Sequence[float], columns: Sequence[Sequence[float]], needs: Sequence[float], most: Sequence[float]
) -> tuple[float, tuple[float, ...]]:
    """The least cost of parts 0 ... 1 of each thing that give every need, and the price of a unit of each need.

    ``columns`` say what each thing gives, first of each need, then of each limit: of those it may not be more than
    ``most``. No choice of whole things costs less, and with these prices a sum over single things says so (the dual
    simplex method with bounded variables; Wagner 1958). Costs are 0 or more. Where nothing is enough the bound is inf.
    """
    size = len(costs)
    rows = [[-given for given in column] for column in columns[: len(needs)]]
    rows += [list(taken) for taken in columns[len(needs) :]]
    values = [-need for need in needs] + [float(limit) for limit in most]
    # basis[row] = value of the row - the sum over the variables in ``outside``, which are all 0. Those from ``size``
    # on are what a row has left over; a thing that is taken whole stands there as 1 less its part.
    outside, basis = list(range(size)), list(range(size, size + len(rows)))
    reduced, cost = [float(each) for each in costs], 0.0
    for _ in range(MOST_PIVOTS):
        over = [value - 1.0 if inner < size else -1.0 for value, inner in zip(values, basis, strict=True)]
        out = [max(-value, above) for value, above in zip(values, over, strict=True)]
        leaves = out.index(max(out))
        if out[leaves] <= EPSILON:
            break
        row = rows[leaves]
        if over[leaves] > EPSILON:
            row, values[leaves] = [-factor for factor in row], 1.0 - values[leaves]
        ratio, enters = inf, -1
        for place, factor in enumerate(row):
            if factor < -EPSILON and reduced[place] < -factor * ratio:
                ratio, enters = -reduced[place] / factor, place
        if enters < 0:
            return inf, (0.0,) * len(needs)
        inverse = 1.0 / row[enters]
        turned = [factor * inverse for factor in row]
        turned[enters], value = inverse, values[leaves] * inverse
        for index, other in enumerate(rows):
            if (factor := other[enters]) and index != leaves:
                rows[index] = _less(other, factor, turned, enters)
                values[index] -= factor * value
        cost += reduced[enters] * value
        reduced = _less(reduced, reduced[enters], turned, enters)
        rows[leaves], values[leaves] = turned, value
        outside[enters], basis[leaves] = basis[leaves], outside[enters]
    price = {variable: max(0.0, each) for variable, each in zip(outside, reduced, strict=True)}
    return cost, tuple(price.get(size + index, 0.0) for index in range(len(needs)))


def _less(row: list[float], factor: float, turned: list[float], enters: int) -> list[float]:
    left = [own - factor * other for own, other in zip(row, turned, strict=True)]
    left[enters] = -factor * turned[enters]
    return left
