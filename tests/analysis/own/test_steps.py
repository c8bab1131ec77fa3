"""Linear in steps: only whole videos tell."""

import pytest

from kinowatt.analysis.own.models import NOTHING
from kinowatt.analysis.own.rows import grouped
from kinowatt.analysis.own.steps import ladders, steps_table

COMPOSED = {"steps": 50, "timed_steps": 8}


def table(*rows):
    return steps_table(ladders(grouped(rows))).rows


def test_a_line_through_whole_videos(make) -> None:
    (row,) = table(*(make(steps=s, runs=(2.0 + 0.5 * s,)) for s in (1, 4, 16)))
    assert (row["steps"], row["points"]) == ("1, 4, 16", 3)
    assert (row["s_per_step"], row["s_besides"]) == pytest.approx((0.5, 2.0))
    assert (row["wh_per_step"], row["latency_r2"]) == pytest.approx((0.1, 1.0))


def test_two_points_have_no_r2(make) -> None:
    (row,) = table(make(steps=1, runs=(3.0,)), make(steps=4, runs=(6.0,)))
    assert row["s_per_step"] == pytest.approx(1.0)
    assert row["latency_r2"] is None


def test_composed_rows_are_excluded(make) -> None:
    rows = [make(steps=s, composed=COMPOSED, protocol="sampled") for s in (4, 16)]
    assert ladders(grouped([*rows, make(steps=50)])) == []


def test_unlike_rows_make_no_line(make) -> None:
    rows = [make(steps=4), make(steps=16, torch="2.12.0"), make(steps=32, frames=49)]
    (row,) = table(*rows)
    assert (row["points"], row["measured_2026"]) == (0, NOTHING)


def test_committed_rows_hold_no_composed_one(rows) -> None:
    found = ladders(grouped(rows))
    assert found
    assert not any(group.first.composed for ladder in found for group in ladder.groups)
