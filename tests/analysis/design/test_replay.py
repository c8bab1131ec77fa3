"""Choices played on measured rows: honest errors, budgets kept; 20 starts of all rows by torture."""

import json
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from kinowatt.analysis.design.proposal import Bill
from kinowatt.analysis.design.replay import (
    STRATEGIES,
    Pool,
    choice,
    curve,
    errors_pct,
    pool,
    replay,
    starts,
)
from kinowatt.errors import InputError, UnknownNameError
from kinowatt.theory.physics import Physics

EVIDENCE = Path(__file__).parents[3] / "docs" / "evidence" / "adaptive.json"
TOOK_S = (30.0, 10.0, 25.0, 12.0, 40.0, 15.0, 20.0, 18.0)


@pytest.fixture(scope="module")
def few(rows: list[dict[str, Any]], physics: Physics) -> Pool:
    """Eight rows that took other seconds than is expected of them."""
    bill = Bill(row_s=lambda _, stages: 16.0, builds=[r["model"] for r in rows], start_s=5.0)
    return pool(rows, physics, TOOK_S, bill)


def test_the_full_time_has_one_start_for_each_pipeline(few: Pool) -> None:
    assert few.full_took_s == sum(TOOK_S) + 5.0 * len({row["model"] for row in few.rows})


def test_with_all_other_rows_the_error_is_the_full_sets(few: Pool) -> None:
    """The two sides of the comparison are measured in one way."""
    for left in (0, 3, 7):
        others = [
            i for i in range(8) if few.asked.configuration[i] != few.asked.configuration[left]
        ]
        if not few.seen.gpu_bound[left, 1]:
            continue
        chosen, full = errors_pct(few, others)
        assert chosen == pytest.approx(full, rel=1e-3)  # searches begin elsewhere


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_choice_keeps_its_budget_and_takes_no_row_twice(few: Pool, name: str) -> None:
    path = list(replay(few, choice(name, few, 100.0, seed=1), first=1, budget_s=100.0))
    assert path[0].index == 1
    assert path[0].spent_s == 15.0  # its own ten seconds, and the start of its pipeline
    assert len({point.index for point in path}) == len(path) > 1
    assert [p.spent_s for p in path] == sorted(p.spent_s for p in path)
    assert path[-1].spent_s <= 100.0
    again = list(replay(few, choice(name, few, 100.0, seed=1), first=1, budget_s=100.0))
    assert again == path


def test_cheapest_first_takes_what_needs_no_start(few: Pool) -> None:
    path = list(replay(few, choice("cheapest first", few, 60.0, seed=0), first=0, budget_s=60.0))
    models = [few.rows[point.index]["model"] for point in path]
    assert models[1] == models[0]


def test_medians_at_a_share_of_the_time(few: Pool) -> None:
    paths = [
        list(replay(few, choice("adaptive", few, 90.0, 0), first, 90.0)) for first in (0, 1, 5)
    ]
    found = curve(few, "adaptive", paths, [0.01, 90.0 / few.full_took_s])
    assert found[0].error_pct is None  # nobody could pay for a row
    assert found[1].error_pct == median(path[-1].error_pct for path in paths)
    assert found[1].starts == 3


def test_bad_input(few: Pool, physics: Physics) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'adaptive'"):
        choice("adaptiv", few, 9.0, 0)
    with pytest.raises(InputError, match="8 rows, 7 durations, 8 builds"):
        pool(few.rows, physics, TOOK_S[1:], few.bill)


def test_starts_differ_and_are_the_same_each_time(few: Pool) -> None:
    assert len(set(starts(few, 5))) == 5
    assert starts(few, 5) == starts(few, 5)


@pytest.mark.torture
def test_twenty_starts_of_all_committed_rows_give_what_is_published() -> None:
    """Rows alone, a twentieth of their time: the medians of docs/evidence/adaptive.json."""
    from kinowatt.app.replaying import committed_pool

    of = committed_pool(0.0)
    published = json.loads(EVIDENCE.read_text("utf-8"))[0]
    assert of.full_took_s == pytest.approx(published["full_took_s"])
    budget_s = 0.05 * of.full_took_s
    found = {}
    for name in STRATEGIES:
        paths = [
            list(replay(of, choice(name, of, budget_s, seed), first, budget_s))
            for seed, first in enumerate(starts(of, 20))
        ]
        found[name] = curve(of, name, paths, [0.05])[0].error_pct
        known = next(c for c in published["curves"] if (c["strategy"], c["share"]) == (name, 0.05))
        assert found[name] == pytest.approx(known["error_pct"], rel=0.02)
    assert found["adaptive"] < found["random"] < found["cheapest first"]
