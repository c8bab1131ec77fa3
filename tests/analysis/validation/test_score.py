"""Errors, coverage and verdicts by hand; promises that are broken are called so."""

from dataclasses import replace

import pytest

from kinowatt.analysis.validation.cases import LEAVE_CONFIGURATION, Case, with_intervals
from kinowatt.analysis.validation.score import score
from kinowatt.analysis.validation.targets import judged

CASE = Case(
    scheme=LEAVE_CONFIGURATION,
    quantity="denoiser",
    regime="gpu",
    index=0,
    model="a",
    sweep="s",
    label=0,
    measured=10.0,
    predicted=10.0,
    power_w=600.0,
)
ENDS = {"80": (0.95, 1.05), "95": (0.9, 1.1)}


def case(model: str, predicted: float, label: int = 0) -> Case:
    return replace(CASE, model=model, predicted=predicted, label=label, interval=ENDS)


def test_by_hand() -> None:
    found = score([case("a", 11.0), case("a", 10.2), case("b", 8.0)])
    assert found is not None
    assert found.mae_pct == pytest.approx((10 + 2 + 20) / 3)
    assert found.signed_pct == pytest.approx((10 + 2 - 20) / 3)
    assert found.by_model_pct == pytest.approx((6 + 20) / 2)
    assert found.worst_model_pct == pytest.approx(20)
    assert found.worst_pct == pytest.approx(-20)
    assert found.coverage_80 == pytest.approx(1 / 3)
    assert found.coverage_95 == pytest.approx(2 / 3)
    assert found.half_width_pct == pytest.approx(10)


def test_of_nothing() -> None:
    assert score([]) is None


def test_an_interval_never_rests_on_its_own_error() -> None:
    cases = [case("a", 10.0 * 1.01**i, label=i) for i in range(1, 6)]
    wide = [*cases, case("a", 20.0, label=9)]
    mine = with_intervals(wide)[-1]
    assert mine.interval is not None
    low, high = mine.interval["95"]
    assert high / low < 1.2  # the five others, not its own factor of two
    assert not low <= mine.measured / mine.predicted <= high


def test_a_broken_promise_is_called_broken() -> None:
    memory = score([case("a", 10.5)])
    assert memory is not None
    verdicts = {(v.what, v.figure): v for v in judged([case("a", 10.3)], memory)}
    first = next(v for v in judged([case("a", 10.3)], memory) if v.n)
    assert (first.what, first.kept) == ("denoiser", False)  # 3% where 2% is promised
    kept = next(v for v in judged([case("a", 10.1)], memory) if v.n)
    assert (kept.what, kept.kept) == ("denoiser", True)
    assert verdicts["peak memory", "mean error"].kept is True
