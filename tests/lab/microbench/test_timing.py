"""Bursts on a device that is made here: its time passes only in work."""

from collections.abc import Callable

import pytest

from kinowatt.analysis.bench_physics import BEFORE
from kinowatt.lab.microbench.timing import REPEATS, burst, once_s
from kinowatt.lab.timeline import CpuTimeline

CALL_S = 0.004


class Made:
    """A device whose time passes in calls alone."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def call(self) -> None:
        self.now_s += CALL_S

    def mark(self) -> float:
        return self.now_s

    def seconds(self, first: float, second: float) -> float:
        return second - first

    def wait(self) -> None:
        pass

    def wait_for(self, mark: float) -> None:
        pass

    def forget_peak(self) -> None:
        pass

    def peak_bytes(self) -> None:
        return None


def test_a_burst_is_as_many_calls_as_fill_it() -> None:
    line = Made()
    found = burst(line.call, line)
    assert found["seconds_per_call"] == pytest.approx(CALL_S)
    assert found["calls"] == 4  # 15 ms
    # 2 warm calls and 3 guesses come before: fits of burst clocks count on it
    assert line.now_s == pytest.approx(CALL_S * (BEFORE + 4 * REPEATS))


def test_a_cpu_takes_bursts_as_well() -> None:
    found = burst(lambda: sum(range(1000)), CpuTimeline())
    assert 0 < found["min_s"] <= found["seconds_per_call"] <= found["max_s"]


def test_the_first_guess_is_the_least_of_a_few() -> None:
    line = Made()
    slow: list[Callable[[], None]] = [line.call, line.call, lambda: hesitate(line)]

    def call() -> None:
        (slow.pop(0) if slow else line.call)()

    assert once_s(call, line) == pytest.approx(CALL_S)


def hesitate(line: Made) -> None:
    line.now_s += 1.0
