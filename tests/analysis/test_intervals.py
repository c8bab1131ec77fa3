"""Intervals from what was left out: every group has the same weight, and might have been another."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinowatt.analysis.intervals import spread


def test_one_group_is_its_own_quantile() -> None:
    found = spread({"a": [0.01, -0.02, 0.03, 0.04, -0.05]})
    assert found["80"] == pytest.approx((math.exp(-0.04), math.exp(0.04)))
    assert found["95"] == pytest.approx((math.exp(-0.05), math.exp(0.05)))


def test_few_groups_leave_room_for_others_that_might_have_been_seen() -> None:
    """Eight of ten hold 80%, but other ten might have been drawn; of many groups that tells little."""
    few = {str(n): [n / 100] for n in range(1, 11)}
    many = {f"{n} {i}": [n / 100] for n in range(1, 11) for i in range(200)}
    assert spread(few)["80"][1] == pytest.approx(math.exp(0.09))
    assert spread(many)["80"][1] == pytest.approx(math.exp(0.08), abs=0.011)
    assert spread(few) == spread(dict(few))  # drawn from one seed


def test_many_rows_of_one_group_do_not_drown_the_others() -> None:
    many = spread({"a": [0.001] * 500, "b": [0.1], "c": [0.2]})
    few = spread({"a": [0.001], "b": [0.1], "c": [0.2]})
    assert many == few


@given(
    st.dictionaries(
        st.sampled_from("abcdefg"),
        st.lists(st.floats(-1, 1), min_size=1, max_size=5),
        min_size=1,
    )
)
def test_ends_are_around_one_and_nested(errors: dict[str, list[float]]) -> None:
    found = spread(errors)
    (low80, high80), (low95, high95) = found["80"], found["95"]
    assert low95 <= low80 <= 1 <= high80 <= high95
    assert low80 * high80 == pytest.approx(1)
    worst = max(abs(e) for group in errors.values() for e in group)
    assert high95 <= math.exp(worst) * (1 + 1e-12)
