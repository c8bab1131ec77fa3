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


class Clocked:
    """A clock that tells what it is given, two looks a burst."""

    def __init__(self, *mhz: float) -> None:
        self.mhz = list(mhz)
        self.looks = 0

    def look(self) -> None:
        self.looks += 1

    def seen_mhz(self) -> list[float]:
        looks, self.looks = self.looks, 0
        found, self.mhz = self.mhz[:looks], self.mhz[looks:]
        return found


def test_the_burst_with_the_steadiest_clock_counts() -> None:
    line, clock = Made(), Clocked(1980.0, 1600.0, 1604.0, 1600.0, 1700.0, 1600.0)
    found = burst(line.call, line, clock)
    assert found["sm_clock_mhz"] == 1602.0
    assert clock.mhz == []
    assert burst(line.call, line)["sm_clock_mhz"] is None


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
