"""The clock under a power limit: against a search, and what physics asks of any answer."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinowatt.theory.power import FLOOR, SLOWEST, Load, PowerLaw, Work, balance

LAW = PowerLaw(
    static_w=150.0,
    limit_w=690.0,
    clock_share=0.8,
    busy_w={"other": 200.0, "norm.group_norm": 50.0},
    byte_j=5e-11,
    joules={"attention": {64.0: 1.6e-12, 256.0: 0.4e-12}, "linear": {1.0: 1e-12}},
)


def power_w(load: Load, clock: float) -> float:
    seconds = max(load.compute_s / clock + load.memory_s, load.host_s)
    share = LAW.clock_share
    return LAW.static_w + load.dynamic_j * (1 - share + share * max(clock, FLOOR)) / seconds


def searched(load: Load) -> float:
    """The greatest clock that keeps to the limit, by halving."""
    if power_w(load, 1.0) <= LAW.limit_w:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if power_w(load, middle) <= LAW.limit_w else (low, middle)
    return max(low, SLOWEST)


loads = st.builds(
    Load,
    compute_s=st.floats(1e-6, 1e3),
    memory_s=st.floats(0.0, 1e3),
    dynamic_j=st.floats(0.0, 1e6),
    host_s=st.floats(0.0, 1e3),
)


@given(loads)
def test_the_closed_form_is_what_a_search_finds(load: Load) -> None:
    found = balance(load, LAW)
    assert found.clock == pytest.approx(searched(load), rel=1e-6, abs=1e-9)
    assert found.energy_j == pytest.approx(
        power_w(load, found.clock) * found.latency_s, rel=1e-9, abs=1e-9
    )


@given(loads)
def test_a_limit_costs_time_and_never_gives_any(load: Load) -> None:
    found = balance(load, LAW)
    assert found.latency_s >= max(load.compute_s + load.memory_s, load.host_s) * (1 - 1e-12)
    assert SLOWEST <= found.clock <= 1


def test_cool_work_lends_its_share_to_hot_work() -> None:
    """Together they are faster than one after the other, each at its own limit."""
    hot = Load(compute_s=1.0, memory_s=0.0, dynamic_j=800.0, host_s=0.0)
    cool = Load(compute_s=0.0, memory_s=1.0, dynamic_j=300.0, host_s=0.0)
    both = Load(compute_s=1.0, memory_s=1.0, dynamic_j=1100.0, host_s=0.0)
    apart_s = balance(hot, LAW).latency_s + balance(cool, LAW).latency_s
    assert balance(both, LAW).latency_s < apart_s
    assert balance(both, LAW).clock > balance(hot, LAW).clock


def test_a_gpu_that_waits_for_its_host_draws_less() -> None:
    busy = balance(Load(compute_s=1.0, memory_s=0.5, dynamic_j=500.0, host_s=0.0), LAW)
    waits = balance(Load(compute_s=1.0, memory_s=0.5, dynamic_j=500.0, host_s=3.0), LAW)
    assert waits.latency_s == 3.0
    assert waits.energy_j / waits.latency_s < busy.energy_j / busy.latency_s


@pytest.mark.parametrize("host_s", [0.01, 0.7, 1.0, 1.5, 40.0])
def test_a_host_that_waits_for_results_takes_turns_with_the_device(host_s: float) -> None:
    ahead = Load(compute_s=0.0, memory_s=1.0, dynamic_j=300.0, host_s=host_s)
    apart, together = balance(ahead, LAW), balance(replace(ahead, waits=True), LAW)
    assert apart.latency_s == pytest.approx(max(1.0, host_s))
    assert apart.latency_s <= together.latency_s <= 1.0 + host_s
    alike = 0.5 < host_s < 1.9  # far from one another the slower of both hides the other
    assert (together.latency_s > 1.05 * apart.latency_s) == alike
    idle_j = (together.latency_s - apart.latency_s) * LAW.static_w
    assert together.energy_j == pytest.approx(apart.energy_j + idle_j)


def test_arrays_and_numbers_are_answered_alike() -> None:
    seconds = np.array([0.1, 1.0, 10.0])
    many = balance(Load(compute_s=seconds, memory_s=0.2, dynamic_j=900.0, host_s=0.5), LAW)
    for index, each in enumerate(seconds):
        one = balance(Load(compute_s=each, memory_s=0.2, dynamic_j=900.0, host_s=0.5), LAW)
        assert many.clock[index] == pytest.approx(one.clock)
        assert many.energy_j[index] == pytest.approx(one.energy_j)


def test_joules_are_of_being_busy_of_bytes_and_of_flops() -> None:
    work = Work(flops=1e14, nbytes=1e12, busy_s=0.5)
    assert LAW.dynamic_j("linear", 1.0, work) == pytest.approx(100 + 50 + 100)
    assert LAW.dynamic_j("pointwise", 1.0, Work(flops=None, nbytes=1e12, busy_s=0.5)) == 150
    sparse = Work(flops=None, nbytes=0.0, busy_s=1.0)
    assert LAW.dynamic_j("norm.group_norm", 1.0, sparse) == 50


@pytest.mark.parametrize(("head", "each"), [(16, 160), (64, 160), (128, 80), (256, 40), (512, 40)])
def test_joules_of_a_size_between_two_lie_between_theirs(head: int, each: float) -> None:
    work = Work(flops=1e14, nbytes=0.0, busy_s=0.0)
    assert LAW.dynamic_j("attention", head, work) == pytest.approx(each)
