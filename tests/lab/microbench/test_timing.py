"""Bursts on a device that is made here: its time passes only in work."""

from collections.abc import Callable

import pytest

from kinowatt.lab.microbench.timing import REPEATS, burst, once_s, spread
from kinowatt.lab.timeline import CpuTimeline

CALL_S = 0.004


class Made:
    """A device whose clock falls a little with every call, as at its power limit."""

    spin_cycles = 400_000

    def __init__(self) -> None:
        self.now_s = 0.0
        self.mhz = 1980.0

    def spin(self) -> None:
        self.now_s += self.spin_cycles / (self.mhz * 1e6)

    def call(self) -> None:
        self.now_s += CALL_S
        self.mhz -= 10.0

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


def test_a_burst_knows_the_clock_at_its_edges() -> None:
    line = Made()
    found = burst(line.call, line)
    assert found["seconds_per_call"] == pytest.approx(CALL_S)
    assert found["calls"] == 4  # 15 ms
    # 2 warm calls and 3 guesses came before
    assert found["clock_mhz"]["max"] == pytest.approx(1980 - 50)
    assert found["clock_mhz"]["min"] == pytest.approx(1980 - 50 - 10 * 4 * REPEATS)


def test_a_cpu_has_no_clock_to_tell() -> None:
    found = burst(lambda: sum(range(1000)), CpuTimeline())
    assert found["clock_mhz"] is None
    assert found["min_s"] <= found["seconds_per_call"] <= found["max_s"]


def test_the_first_guess_is_the_least_of_a_few() -> None:
    line = Made()
    slow: list[Callable[[], None]] = [line.call, line.call, lambda: hesitate(line)]

    def call() -> None:
        (slow.pop(0) if slow else line.call)()

    assert once_s(call, line) == pytest.approx(CALL_S)


def hesitate(line: Made) -> None:
    line.now_s += 1.0


def test_a_spread_has_mean_and_ends() -> None:
    assert spread([1.0, 2.0, 6.0]) == {"mean": 3.0, "min": 1.0, "max": 6.0}
