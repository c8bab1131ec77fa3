"""Change points: a sequence of powers cut into states, and states that come again."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, median

from kinowatt.analysis.audit import thresholds as at

CHUNK = 400  # values that are cut at a time; what lies on both sides of a border is one state


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """Positions of a sequence at one level; they need not follow one another."""

    level: float
    members: tuple[int, ...]


def states_of(values: Sequence[float]) -> tuple[State, ...]:
    """The states of a sequence, the one with the most members first; one where nothing changes.

    Cuts minimise squared deviations with a price for each (`STATE_PENALTY` squares of the noise
    from one value to the next); pieces within `STATE_POWER` of one another are one state.
    """
    if len(values) < 2 * at.STATE_ROWS:
        return (State(level=fmean(values), members=tuple(range(len(values)))),) if values else ()
    logs = [math.log(value) for value in values]
    price = at.STATE_PENALTY * _noise(logs) ** 2
    pieces = [
        (start + first, start + last)
        for start in range(0, len(logs), CHUNK)
        for first, last in _pieces(logs[start : start + CHUNK], price)
    ]
    found: list[list[int]] = []
    for start, end in pieces:
        piece = list(range(start, end))
        near = [s for s in found if _apart(values, s, piece) < at.STATE_POWER]
        if near:
            min(near, key=lambda s: _apart(values, s, piece)).extend(piece)
        else:
            found.append(piece)
    states = [State(level=median(values[i] for i in s), members=tuple(s)) for s in found]
    return tuple(sorted(states, key=lambda state: -len(state.members)))


def _apart(values: Sequence[float], one: Sequence[int], other: Sequence[int]) -> float:
    return abs(math.log(median(values[i] for i in one) / median(values[i] for i in other)))


def _pieces(logs: Sequence[float], price: float) -> list[tuple[int, int]]:
    """Optimal partition into pieces of `STATE_ROWS` or more; those at the ends may be shorter."""
    size = len(logs)
    sums, squares = [0.0], [0.0]
    for value in logs:
        sums.append(sums[-1] + value)
        squares.append(squares[-1] + value * value)

    def cost(start: int, end: int) -> float:
        total = sums[end] - sums[start]
        return squares[end] - squares[start] - total * total / (end - start)

    best = [0.0, *[math.inf] * size]
    cut = [0] * (size + 1)
    for end in range(1, size + 1):
        for start in range(end):
            inside = start > 0 and end < size
            if inside and end - start < at.STATE_ROWS:
                continue
            whole = best[start] + cost(start, end) + price
            if whole < best[end]:
                best[end], cut[end] = whole, start
    pieces, end = [], size
    while end > 0:
        pieces.append((cut[end], end))
        end = cut[end]
    return pieces[::-1]


def _noise(logs: Sequence[float]) -> float:
    """Standard deviation from one value to the next, not less than a thousandth."""
    steps = [abs(b - a) for a, b in pairwise(logs)]
    return max(1.4826 * median(steps) / math.sqrt(2), 1e-3)
