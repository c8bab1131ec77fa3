"""The next row: within the budget, never twice, and none once it is enough."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinowatt.analysis.design.belief import FLOOR_PCT, believe
from kinowatt.analysis.design.candidates import Candidates
from kinowatt.analysis.design.proposal import Ahead, Bill, Goal, Spent, ahead, propose
from kinowatt.errors import InputError

START_S = 20.0


def bill(of: Candidates) -> Bill:
    """Ten seconds, and a tenth of those of the video."""
    return Bill(
        row_s=lambda _, stages: 10.0 + sum(stages) / 10,
        builds=[row["model"] for row in of.rows],
        start_s=START_S,
    )


def course(of: Candidates, budget_s: float, target: float | None = None) -> Ahead:
    goal = Goal(budget_s=budget_s, target_error_pct=target)
    return ahead(of, range(len(of)), bill(of), goal)


@settings(max_examples=15, deadline=None)
@given(budget_s=st.floats(min_value=1.0, max_value=400.0))
def test_a_course_keeps_its_budget_and_takes_no_row_twice(of: Candidates, budget_s: float) -> None:
    found = course(of, budget_s)
    chosen = [step.index for step in found.steps]
    assert len(set(chosen)) == len(chosen)
    assert sum(step.cost_s for step in found.steps) <= budget_s
    assert found.stop == ("rows" if len(chosen) == len(of) else "budget")
    errors = [found.before_pct, *(step.error_pct for step in found.steps)]
    assert errors == sorted(errors, reverse=True)


def test_it_ends_with_the_first_row_that_meets_the_target(of: Candidates) -> None:
    whole = course(of, 1000.0)
    target = whole.steps[1].error_pct
    found = course(of, 1000.0, target)
    assert (found.stop, found.steps) == ("target", whole.steps[:2])


def test_the_first_row_has_the_most_gain_per_second(of: Candidates) -> None:
    belief = believe(of)
    costs, gains = bill(of).costs(belief, ()), belief.gains()
    found = propose(belief, range(len(of)), bill(of), Goal(budget_s=1000.0), Spent())
    assert found.index == int((gains / costs).argmax())
    assert (found.gain, found.cost_s) == (gains[found.index], costs[found.index])


def test_a_start_is_paid_for_unless_the_pipeline_stands_ready(of: Candidates) -> None:
    belief, model = believe(of), of.rows[0]["model"]
    cold, warm = (bill(of).costs(belief, built) for built in ((), (model,)))
    mine = [row["model"] == model for row in of.rows]
    assert list(cold - warm) == pytest.approx([START_S if own else 0.0 for own in mine])


def test_rows_under_way_are_not_proposed(of: Candidates) -> None:
    belief = believe(of, under_way=range(len(of) - 1))
    found = propose(belief, range(len(of)), bill(of), Goal(budget_s=1000.0), Spent())
    assert found.index == len(of) - 1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"budget_s": 0.0}, "more than 0 GPU-seconds, not 0"),
        ({"budget_s": 9.0, "target_error_pct": FLOOR_PCT}, "out of reach: other videos are missed"),
    ],
)
def test_a_goal_that_nothing_meets_is_refused(values: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Goal(**values)
