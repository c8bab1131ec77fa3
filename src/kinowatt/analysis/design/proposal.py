"""The next row, or the reason to stop."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from kinowatt.analysis.design.belief import FLOOR_PCT, Belief, believe
from kinowatt.analysis.design.candidates import Candidates
from kinowatt.analysis.learning import BARE
from kinowatt.errors import InputError, require_extra

Stop = Literal["target", "budget", "rows"]
# (place of a row, its seconds by stage and after them) → GPU-seconds of measuring it
Cost = Callable[[int, Sequence[float]], float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Bill:
    """What measuring costs: `row_s` without the start of a pipeline, `builds` by row, `start_s` for
    each change of pipeline."""

    row_s: Cost
    builds: Sequence[str]
    start_s: float

    def costs(self, belief: Belief, built: Collection[str]) -> Any:
        """GPU-seconds of every row by what is known so far, where some pipelines are built."""
        np: Any = require_extra("learn", "numpy")
        found = []
        for index, row in enumerate(belief.of.rows):
            stages = [*map(float, belief.seconds[index]), BARE.seconds(row)]
            start_s = 0.0 if self.builds[index] in built else self.start_s
            found.append(start_s + self.row_s(index, stages))
        return np.array(found)


@dataclass(frozen=True, kw_only=True, slots=True)
class Goal:
    """When to stop: an expected error in percent (None: never for that), and GPU-seconds."""

    budget_s: float
    target_error_pct: float | None = None

    def __post_init__(self) -> None:
        if self.budget_s <= 0:
            raise InputError(f"a budget is more than 0 GPU-seconds, not {self.budget_s:g}")
        if self.target_error_pct is not None and self.target_error_pct <= FLOOR_PCT:
            raise InputError(
                f"a target error of {self.target_error_pct:g}% is out of reach: other videos are"
                f" missed by about {FLOOR_PCT:.1f}% however many rows there are"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class Proposal:
    """A row by its place, what it costs, and by how much it lowers the mean variance of log seconds;
    or, where `stop` says why, none. `error_pct`: expected before it."""

    index: int | None
    cost_s: float
    gain: float
    error_pct: float
    stop: Stop | None = None


def propose(
    belief: Belief, waiting: Collection[int], bill: Bill, goal: Goal, state: "Spent"
) -> Proposal:
    """The waiting row with the most gain per GPU-second among those that the budget still takes."""
    error_pct = belief.expected_error_pct()
    free = sorted(set(waiting) - set(belief.given))
    if goal.target_error_pct is not None and error_pct <= goal.target_error_pct and belief.given:
        return _stopped("target", error_pct)
    if not free:
        return _stopped("rows", error_pct)
    costs, gains = bill.costs(belief, state.built), belief.gains()
    able = [index for index in free if state.spent_s + costs[index] <= goal.budget_s]
    if not able:
        return _stopped("budget", error_pct)
    best = max(able, key=lambda index: gains[index] / costs[index])
    return Proposal(
        index=best, cost_s=float(costs[best]), gain=float(gains[best]), error_pct=error_pct
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Spent:
    """GPU-seconds so far, rows under way included, and the pipelines that stand ready."""

    spent_s: float = 0.0
    built: frozenset[str] = frozenset()


def _stopped(why: Stop, error_pct: float) -> Proposal:
    return Proposal(index=None, cost_s=0.0, gain=0.0, error_pct=error_pct, stop=why)


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One row of a course that nobody has begun: `error_pct` is expected once it is measured."""

    index: int
    cost_s: float
    spent_s: float
    error_pct: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Ahead:
    """The rows that would be taken if all came out as predicted; `before_pct`: without any."""

    before_pct: float
    steps: tuple[Step, ...]
    stop: Stop


def ahead(of: Candidates, waiting: Collection[int], bill: Bill, goal: Goal) -> Ahead:
    """Plays a choice through before anything is measured, on one GPU."""
    chosen: list[int] = []
    steps: list[Step] = []
    state = Spent()
    belief = start = believe(of)
    while (found := propose(belief, waiting, bill, goal, state)).index is not None:
        chosen.append(found.index)
        spent_s = state.spent_s + found.cost_s
        state = Spent(spent_s=spent_s, built=frozenset({bill.builds[found.index]}))
        belief = replace(start, given=tuple(sorted(chosen)))
        error_pct = belief.expected_error_pct()
        steps.append(
            Step(index=found.index, cost_s=found.cost_s, spent_s=spent_s, error_pct=error_pct)
        )
    assert found.stop is not None
    return Ahead(before_pct=start.expected_error_pct(), steps=tuple(steps), stop=found.stop)
