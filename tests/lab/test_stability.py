"""The verdict: each fault alone is found, with its number and what to do; steady runs pass."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinowatt.lab.stability import outliers, verdict

STEADY = [10.0, 10.02, 9.99, 10.01, 10.0]


def trace(**more: Any) -> dict[str, Any]:
    same = {"mean": 1500.0, "min": 1490.0, "max": 1510.0}
    warm = {"mean": 60.0, "min": 59.0, "max": 61.0}
    return {"clock_mhz": same, "temperature_c": warm, "throttled": {"power_cap": 1.0}, **more}


def test_steady_runs_are_stable_at_the_power_limit() -> None:
    found = verdict(STEADY, [trace()] * 5)
    assert found["stable"]
    assert found["reasons"] == []
    assert found["throttled"] == {"power_cap": 1.0}


@pytest.mark.parametrize(
    ("latencies", "traces", "part"),
    [
        ([10.0, 10.1, 10.2, 10.3, 10.4], [], "slower by 3.9%"),
        ([10.4, 10.3, 10.2, 10.1, 10.0], [], "faster by 3.9%"),
        ([10.0, 10.0, 12.0, 10.0, 10.0], [], "run 3 of 5 is an outlier"),
        ([10.0, 10.6, 9.5, 10.5, 9.6], [], "scatter by"),
        (STEADY, [trace(throttled={"hw_thermal": 0.2})], "hw thermal slowed the clocks for 20%"),
        (
            STEADY,
            [trace(), trace(clock_mhz={"mean": 1300.0, "min": 1290.0, "max": 1310.0})],
            "range from 1300 to 1500 MHz",
        ),
        (STEADY, [trace(temperature_c={"mean": 88.0, "min": 80.0, "max": 91.0})], "91 °C"),
        (
            STEADY,
            [trace(temperature_c={"mean": t, "min": t, "max": t}) for t in (50.0, 62.0)],
            "warmed by 12 °C",
        ),
    ],
)
def test_each_fault_is_named(latencies: list[float], traces: list[Any], part: str) -> None:
    found = verdict(latencies, traces)
    assert not found["stable"]
    assert any(part in reason for reason in found["reasons"])


def test_scatter_is_not_taken_for_a_trend() -> None:
    """Seven calls of AnimateDiff, whose host has good and bad moments."""
    found = verdict([0.80, 0.76, 0.83, 0.75, 0.79, 0.76, 0.75], [])
    assert abs(found["drift"]) > 0.02
    assert [reason for reason in found["reasons"] if "from first to last" in reason] == []
    assert not found["stable"]


def test_one_run_says_nothing_of_drift() -> None:
    found = verdict([10.0], [])
    assert (found["drift"], found["scatter"], found["stable"]) == (None, None, True)


@given(st.lists(st.floats(0.5, 2.0), min_size=4, max_size=20), st.floats(1e-3, 1e3))
def test_outliers_do_not_depend_on_the_unit(values: list[float], factor: float) -> None:
    assert outliers([value * factor for value in values]) in (outliers(values), outliers(values))
    assert len(outliers(values)) <= len(values) // 2
