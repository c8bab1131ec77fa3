"""Who set the pace: by the row's own record."""

import pytest

from kinowatt.analysis.regime import device_bound, waiting_hosts_bound


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"call_s": 1.0, "host_s": 0.79, "lag_s": 0.0}, True),  # the host was done early
        ({"call_s": 1.0, "host_s": 0.81, "lag_s": 0.0}, False),
        ({"call_s": 1.0, "host_s": 0.99, "lag_s": 0.16}, True),  # it had waited for the queue
        ({"call_s": 1.0, "host_s": 0.99, "lag_s": 0.14}, False),
        ({}, True),
        ({"call_s": 1.0}, True),
    ],
)
def test_by_the_hosts_share(record: dict[str, float], expected: bool) -> None:
    assert device_bound(record) is expected


def test_a_host_that_waits_inside_is_judged_by_the_fastest_of_its_rows() -> None:
    """0.2 s for 8,000 calls bound what the host needs: 25 µs a call."""
    stages = [
        {"call_s": 0.2, "host_s": 0.2, "lag_s": 0.0},
        {"call_s": 0.24, "host_s": 0.24, "lag_s": 0.0},
        {"call_s": 1.4, "host_s": 1.4, "lag_s": 0.0},
        {"call_s": 0.8, "host_s": 0.8, "lag_s": 0.0},
    ]
    assert waiting_hosts_bound(stages, [8000, 8000, 8000, 32000]) == [False, False, True, False]


def test_a_lone_row_says_nothing_of_its_host() -> None:
    stage = {"call_s": 1.0, "host_s": 1.0, "lag_s": 0.0}
    assert waiting_hosts_bound([stage], [100]) == [False]
    assert waiting_hosts_bound([{}], [100]) == [True]
