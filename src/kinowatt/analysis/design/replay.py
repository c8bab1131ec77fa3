"""A choice of rows played on rows that were all measured: what it knows when, and how well.

A profile of the chosen rows predicts whole videos of configurations that it has not seen; the full
set's own error is that of leaving one configuration out (`kinowatt.analysis.held_out`), over the
very same videos. Strategies see what rows ask for, and measured values of chosen rows alone.
"""

import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from kinowatt.analysis.design.belief import Belief, believe
from kinowatt.analysis.design.candidates import Candidates, candidates
from kinowatt.analysis.design.pace import DENOISER
from kinowatt.analysis.design.proposal import Bill, Goal, Spent, propose
from kinowatt.analysis.features import Features, Row, features
from kinowatt.analysis.held_out import configuration, left_out, predicted_by
from kinowatt.errors import InputError, require_extra, unknown_name
from kinowatt.theory.physics import Physics


@dataclass(frozen=True, kw_only=True, slots=True)
class Pool:
    """Measured rows to choose from. `took_s`: GPU-seconds that each really took, starts aside.

    `full_s`: predictions by the profile of all rows, each configuration left out.
    """

    asked: Candidates
    seen: Features
    full_s: Any
    took_s: Sequence[float]
    bill: Bill

    @property
    def rows(self) -> tuple[Row, ...]:
        return self.seen.rows

    @property
    def full_took_s(self) -> float:
        """GPU-seconds of all rows, and of one start for each pipeline."""
        return sum(self.took_s) + self.bill.start_s * len(set(self.bill.builds))


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """After one more row: GPU-seconds so far, mean absolute errors in percent of GPU-paced videos.

    `full_error_pct`: of the full set's profile on the same videos. `expected_error_pct`: what the
    belief says, blind to what is not measured.
    """

    index: int
    spent_s: float
    error_pct: float
    full_error_pct: float
    expected_error_pct: float

    @property
    def excess_pct(self) -> float:
        return self.error_pct - self.full_error_pct


Choice = Callable[[Belief, set[int], Spent], int | None]


def pool(rows: Sequence[Row], physics: Physics, took_s: Sequence[float], bill: Bill) -> Pool:
    """`rows` of one GPU and software (`kinowatt.analysis.learning.like_bench`)."""
    if not len(rows) == len(took_s) == len(bill.builds):
        raise InputError(f"{len(rows)} rows, {len(took_s)} durations, {len(bill.builds)} builds")
    seen = features(rows, physics)
    return Pool(
        asked=candidates(rows, physics),
        seen=seen,
        full_s=left_out(seen, physics, configuration).latency_s,
        took_s=took_s,
        bill=bill,
    )


def adaptive(of: Pool, budget_s: float) -> Choice:
    """The most told per GPU-second."""

    def choose(belief: Belief, waiting: set[int], spent: Spent) -> int | None:
        return propose(belief, waiting, of.bill, Goal(budget_s=budget_s), spent).index

    return choose


def by_chance(of: Pool, budget_s: float, seed: int) -> Choice:
    """Any row that the budget still takes."""
    dice = random.Random(seed)

    def choose(belief: Belief, waiting: set[int], spent: Spent) -> int | None:
        able = _able(of, budget_s, belief, waiting, spent)
        return dice.choice(sorted(able)) if able else None

    return choose


def cheapest(of: Pool, budget_s: float) -> Choice:
    """The row that costs least, by what is known so far."""

    def choose(belief: Belief, waiting: set[int], spent: Spent) -> int | None:
        able = _able(of, budget_s, belief, waiting, spent)
        return min(able, key=lambda index: able[index]) if able else None

    return choose


def _able(
    of: Pool, budget_s: float, belief: Belief, waiting: set[int], spent: Spent
) -> Mapping[int, float]:
    costs = of.bill.costs(belief, spent.built)
    return {i: float(costs[i]) for i in waiting if spent.spent_s + costs[i] <= budget_s}


STRATEGIES = ("adaptive", "random", "cheapest first")


def choice(name: str, of: Pool, budget_s: float, seed: int) -> Choice:
    """A strategy by name; `seed` matters to chance alone."""
    if name not in STRATEGIES:
        raise unknown_name("strategy", name, STRATEGIES)
    if name == "random":
        return by_chance(of, budget_s, seed)
    return (adaptive if name == "adaptive" else cheapest)(of, budget_s)


def replay(of: Pool, choose: Choice, first: int, budget_s: float) -> Iterator[Point]:
    """Row by row from a first one; a row whose real cost passes the budget is not taken any more."""
    chosen: list[int] = []
    spent, following = Spent(), first
    while True:
        build = of.bill.builds[following]
        start_s = 0.0 if build in spent.built else of.bill.start_s
        spent_s = spent.spent_s + start_s + of.took_s[following]
        if spent_s > budget_s:
            return
        chosen.append(following)
        spent = Spent(spent_s=spent_s, built=frozenset({build}))
        belief = believe(of.asked, {index: of.rows[index] for index in chosen})
        error, full = errors_pct(of, chosen)
        yield Point(
            index=following,
            spent_s=spent_s,
            error_pct=error,
            full_error_pct=full,
            expected_error_pct=belief.expected_error_pct(),
        )
        waiting = set(range(len(of.rows))) - set(chosen)
        found = choose(belief, waiting, spent)
        if found is None:
            return
        following = found


def errors_pct(of: Pool, chosen: Sequence[int]) -> tuple[float, float]:
    """Of GPU-paced videos of other configurations: by the chosen rows, and by the full set."""
    np: Any = require_extra("learn", "numpy")
    own = set(of.asked.configuration[list(chosen)])
    others = [
        index
        for index, label in enumerate(of.asked.configuration)
        if label not in own and of.seen.gpu_bound[index, DENOISER]
    ]
    taught = features([of.rows[index] for index in chosen], of.asked.physics)
    found = predicted_by(taught, of.seen.only(others), of.asked.physics).latency_s
    measured = np.array([of.rows[index]["latency_s"] for index in others])
    by_all = of.full_s[others]
    by_chosen, by_full = (
        float(100 * abs(guess / measured - 1).mean()) for guess in (found, by_all)
    )
    return by_chosen, by_full


@dataclass(frozen=True, kw_only=True, slots=True)
class Curve:
    """Medians over starts at one budget: `share` of the full set's GPU time, errors in percent.

    None where more than half of the starts could not pay for a row.
    """

    strategy: str
    share: float
    error_pct: float | None
    full_error_pct: float | None
    excess_pct: float | None
    starts: int


def starts(of: Pool, count: int, seed: int = 0) -> list[int]:
    """Different first rows by chance."""
    return random.Random(seed).sample(range(len(of.rows)), count)


def curve(
    of: Pool, strategy: str, paths: Sequence[Sequence[Point]], shares: Sequence[float]
) -> list[Curve]:
    """Medians over paths, each at the last row that a share of the full GPU time paid for."""
    found = []
    for share in shares:
        last = [_last(path, share * of.full_took_s) for path in paths]
        found.append(
            Curve(
                strategy=strategy,
                share=share,
                error_pct=_median([p.error_pct if p else None for p in last]),
                full_error_pct=_median([p.full_error_pct if p else None for p in last]),
                excess_pct=_median([p.excess_pct if p else None for p in last]),
                starts=len(paths),
            )
        )
    return found


def _last(path: Sequence[Point], budget_s: float) -> Point | None:
    return next((point for point in reversed(path) if point.spent_s <= budget_s), None)


def _median(values: Sequence[float | None]) -> float | None:
    """A start that has nothing yet counts as infinitely wrong."""
    found = median(math.inf if value is None else value for value in values)
    return found if math.isfinite(found) else None
