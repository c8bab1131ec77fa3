"""What is concluded from samples of one GPU: steps, wraps, resets, holes and refused polls."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinowatt.lab.meters.samples import SHORT_COUNTER_MJ, Samples, unwrapped
from kinowatt.lab.meters.sampling import FIELDS, RECORD

STEP_S = 0.1
POLL_S = 0.01


def samples(seconds: float = 10.0, **columns: Any) -> Samples:
    """A GPU of 300 W polled every 10 ms, whose counter moves every 100 ms; columns replace it."""
    time_s = np.arange(0.0, seconds, POLL_S)
    tick = np.floor(time_s / STEP_S + 1e-9) * STEP_S
    watts = 300.0 + 0.3 * (np.round(tick / STEP_S) % 2)
    given: dict[str, Any] = {
        "time_s": time_s,
        "energy_mj": np.round(1000 * 300.0 * tick),
        "power_instant_w": watts,
        "power_average_w": watts,
        **columns,
    }
    rows = [np.broadcast_to(given.get(name, np.nan), time_s.shape) for name in FIELDS]
    return Samples(np.stack(rows, axis=1))


def spoilt(values: Any, *at: int, value: float = np.nan) -> Any:
    found = np.array(values)
    found[list(at)] = value
    return found


# --- the energy counter


def test_joules_between_two_steps_of_the_counter() -> None:
    joules, reason = samples().counter_joules(2.03, 8.53)
    assert (joules, reason) == (pytest.approx(300.0 * 6.5, rel=1e-3), None)


def test_watts_of_the_counter_are_those_between_its_steps() -> None:
    """Power goes on and off, and the field was read while it was on."""
    seen = samples(power_instant_w=500.0).between(2.03, 8.53)
    assert seen.counter_watts() == pytest.approx(300.0, rel=1e-3)
    assert samples(energy_mj=1e6).counter_watts() is None
    assert seen.between(2.03, 2.05).counter_watts() is None


@pytest.mark.parametrize("start_mj", [0.0, SHORT_COUNTER_MJ - 1_500_000, 5e12])
def test_a_counter_that_starts_anywhere_gives_the_same_joules(start_mj: float) -> None:
    """The second one wraps at 32 bits half-way; the third one counts in 64."""
    plain = samples()
    counted = plain.column("energy_mj") + start_mj
    if start_mj < SHORT_COUNTER_MJ:
        counted = counted % SHORT_COUNTER_MJ
    found, _ = samples(energy_mj=counted).counter_joules(2.0, 8.0)
    assert found == pytest.approx(plain.counter_joules(2.0, 8.0)[0], rel=1e-9)


@given(
    start=st.integers(0, 2**32 - 1),
    moves=st.lists(st.integers(0, 20_000_000), min_size=1, max_size=400),
)
def test_wraps_lose_nothing(start: int, moves: list[int]) -> None:
    """Each poll within 20 kJ of the one before: at 100 Hz far above what any GPU draws."""
    true = np.cumsum([start, *moves]).astype(np.float64)
    found = unwrapped(true % SHORT_COUNTER_MJ)
    assert found is not None
    assert np.array_equal(found - found[0], true - true[0])


def test_a_counter_that_went_back_is_null() -> None:
    counted = samples().column("energy_mj")
    reset = np.where(np.arange(len(counted)) < 500, counted, counted - counted[500])
    joules, reason = samples(energy_mj=reset).counter_joules(2.0, 8.0)
    assert joules is None
    assert reason == "the energy counter went back: the driver was reloaded meanwhile"


def test_a_counter_that_stands_still_is_null_and_never_zero() -> None:
    assert samples(energy_mj=7.0).counter_joules(2.0, 8.0) == (
        None,
        "the energy counter did not move",
    )


@pytest.mark.parametrize("window", [(-1.0, 5.0), (5.0, 11.0), (0.001, 5.0)])
def test_a_window_that_was_not_sampled_on_both_sides_is_null(window: tuple[float, float]) -> None:
    for joules, reason in (
        samples().counter_joules(*window),
        samples(9.0).integrated_joules("power_instant_w", window[0] - 0.01, window[1] + 4.0),
    ):
        assert joules is None
        assert "on both sides" in str(reason)


def test_a_poll_that_the_driver_refused_changes_no_joule() -> None:
    plain = samples()
    counted = spoilt(plain.column("energy_mj"), 200, 201, 500, 799)
    found = samples(energy_mj=counted)
    at_most_j = 300.0 * 3 * POLL_S  # the step at 2 s is seen up to three polls later
    assert found.counter_joules(2.0, 8.0)[0] == pytest.approx(
        plain.counter_joules(2.0, 8.0)[0], abs=at_most_j
    )
    assert found.step_s("energy_mj") == pytest.approx(STEP_S)
    assert found.moves("energy_mj") == plain.moves("energy_mj")


def test_a_counter_that_never_answers_is_null() -> None:
    nothing = samples(energy_mj=np.nan)
    assert not nothing.has("energy_mj")
    assert nothing.step_s("energy_mj") is None
    assert nothing.counter_joules(2.0, 8.0) == (None, "the energy counter did not move")


# --- power over time


def test_integrated_power_agrees_with_the_counter() -> None:
    joules, reason = samples().integrated_joules("power_instant_w", 2.0, 8.0)
    assert (joules, reason) == (pytest.approx(300.15 * 6.0, rel=1e-3), None)


def test_pieces_of_integrated_power_add_up() -> None:
    found = samples()
    edges = [1.0, 1.234, 4.5, 4.51, 8.0]
    parts = [found.integrated_joules("power_instant_w", a, b)[0] for a, b in pairwise(edges)]
    whole, _ = found.integrated_joules("power_instant_w", edges[0], edges[-1])
    assert whole is not None
    assert sum(part or 0.0 for part in parts) == pytest.approx(whole, rel=1e-12)


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"power_instant_w": spoilt(np.full(1000, 300.0), 400)}, "did not answer every time"),
        ({"power_instant_w": 0.0}, "a power of zero"),
    ],
)
def test_power_that_cannot_be_trusted_is_null(columns: dict[str, Any], reason: str) -> None:
    joules, why = samples(**columns).integrated_joules("power_instant_w", 2.0, 8.0)
    assert joules is None
    assert reason in str(why)


def test_a_hole_in_the_samples_is_not_filled_with_the_last_power() -> None:
    whole = samples()
    hole = Samples(np.concatenate([whole.table[:400], whole.table[520:]]))
    joules, reason = hole.integrated_joules("power_instant_w", 2.0, 8.0)
    assert joules is None
    assert reason == "the power was not sampled for 1.21 s"
    beside, _ = hole.integrated_joules("power_instant_w", 5.5, 9.0)
    assert beside == pytest.approx(300.15 * 3.5, rel=1e-3)
    hiccup = Samples(np.concatenate([whole.table[:400], whole.table[420:]]))
    assert hiccup.integrated_joules("power_instant_w", 2.0, 8.0)[0] is not None


# --- records


def test_half_a_record_at_the_end_is_not_read() -> None:
    """The parent reads while the child writes."""
    data = b"".join(RECORD.pack(float(n), *range(7)) for n in range(3))
    assert len(Samples.of(data + data[: RECORD.size // 2])) == 3
    assert Samples.of(data).last() == [2.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]


def test_shares_of_time_under_each_reason_for_slower_clocks() -> None:
    bits = np.where(np.arange(1000) < 250, 0x004 | 0x040, 0x001)  # 0x001: idle, no reason
    assert samples(reasons=bits.astype(float)).throttled() == {
        "power_cap": 0.25,
        "hw_thermal": 0.25,
    }
    assert samples().throttled() is None
    assert samples().spread("temperature_c") is None
    assert samples(temperature_c=50.0).spread("temperature_c") == {
        "mean": 50.0,
        "min": 50.0,
        "max": 50.0,
    }
