"""Power from a microbench: made stretches give back what made them."""

import json
from pathlib import Path
from typing import Any

import pytest

from kinowatt.analysis.power_fits import fit_power
from kinowatt.errors import InputError
from kinowatt.theory.power import PowerLaw

MHZ = 1980.0
TRUE = PowerLaw(
    static_w=150.0,
    limit_w=690.0,
    clock_share=0.8,
    joules={
        "linear": {1.0: 1.0e-12},
        "attention": {64.0: 1.4e-12, 128.0: 1.2e-12},
        "pointwise": {1.0: 1.3e-10},
    },
)


def stretch(family: str, params: dict[str, int], work: float, seconds: float, clock: float) -> Any:
    """A point as it would draw at a share of its clock."""
    law = {"memory": "pointwise"}.get(family, family)
    size = float(params.get("head", 1.0))
    cooler = 1 - TRUE.clock_share + TRUE.clock_share * clock
    watts = TRUE.static_w + TRUE.joules[law][size] * work * cooler / seconds
    seen = {
        "seconds_per_call": seconds,
        "power_w": {"mean": watts},
        "clock_mhz": {"mean": clock * MHZ},
    }
    moves = family == "memory"
    return {
        "family": family,
        "op": "add" if moves else family,
        "params": params,
        "dtype": "bfloat16",
        "backend": None,
        "data": "random",
        "flops": 0 if moves else work,
        "bytes": work,
        "sustained": seen,
        **seen,
    }


def made() -> tuple[list[Any], list[Any]]:
    """What ran at length, and what ran part of the time."""
    at_length = [
        stretch("linear", {"k": 1}, 5.4e14, 1.0, 0.7),
        stretch("attention", {"head": 64}, 4.2e14, 1.0, 0.85),
        stretch("attention", {"head": 128}, 5.0e14, 1.0, 0.8),
        stretch("memory", {"elements": 1}, 3e12, 1.0, 1.0),
    ]
    partly = [stretch("linear", {"k": 1}, 7e14 * duty, 1.0, 1.0) for duty in (0.25, 0.5, 0.7)]
    partly += [stretch("memory", {"elements": 1}, 3e12 * duty, 1.0, 1.0) for duty in (0.25, 0.5)]
    return at_length, partly


def test_a_power_law_is_found_again() -> None:
    found = fit_power(*made(), 700.0, MHZ)
    assert found.static_w == pytest.approx(TRUE.static_w, rel=0.02)
    assert found.clock_share == pytest.approx(TRUE.clock_share, abs=0.05)
    for law, by_size in TRUE.joules.items():
        for size, joules in by_size.items():
            assert found.joules[law][size] == pytest.approx(joules, rel=0.03)


def test_what_was_not_run_at_length_takes_the_joules_of_its_like() -> None:
    found = fit_power(*made(), 700.0, MHZ)
    assert found.joules["linear.float32"] == found.joules["linear"]
    assert found.joules["copy"] == found.joules["pointwise"]
    assert found.dynamic_j("attention", 90.0, 1.0) == pytest.approx(1.3e-12, rel=0.02)
    assert found.dynamic_j("attention", 40.0, 1.0) == found.joules["attention"][64.0]


def test_the_limit_is_what_hot_stretches_really_drew() -> None:
    at_length, partly = made()
    hot = stretch("linear", {"k": 1}, 7.0e14, 1.0, 0.7)
    drawn = [hot, *(p for p in at_length if p["clock_mhz"]["mean"] < 0.9 * MHZ)]
    watts = sorted(p["power_w"]["mean"] for p in drawn)
    found = fit_power([*at_length, hot], partly, 700.0, MHZ)
    assert found.limit_w in watts[1:]
    assert fit_power([*at_length, hot], partly, 600.0, MHZ).limit_w == 600.0


def test_too_little_power_is_one_line() -> None:
    with pytest.raises(InputError, match="power of 2 stretches, 6 are needed") as caught:
        fit_power(made()[0][:2], [], 700.0, MHZ)
    assert "\n" not in str(caught.value)


def test_power_of_an_h100(root: Path) -> None:
    read = json.loads((root / "data/microbench/h100-sxm.json").read_text("utf-8"))
    found = fit_power(read["points"], read["loads"], 700.0, MHZ)
    assert 120 < found.static_w < 200  # idle with clocks up: 126 W
    assert 670 < found.limit_w <= 700
    assert 0.8e-12 < found.joules["linear"][1.0] < 1.3e-12
    assert found.joules["attention"][40.0] > found.joules["attention"][128.0]
