"""Power from a microbench: made stretches give back what made them."""

import json
from pathlib import Path
from typing import Any

import pytest

from kinowatt.analysis.power_fits import fit_power
from kinowatt.errors import InputError
from kinowatt.theory.power import PowerLaw, Work

MHZ = 1980.0
TRUE = PowerLaw(
    static_w=150.0,
    limit_w=690.0,
    clock_share=0.95,
    busy_w={"other": 220.0},
    byte_j=6e-11,
    joules={
        "linear": {1.0: 0.7e-12},
        "attention": {64.0: 1.0e-12, 128.0: 0.8e-12},
        "norm.layer_norm": {1.0: 0.9e-10},
    },
)
LAWS = {"memory": "pointwise", "norm": "norm.layer_norm"}


def stretch(
    family: str, params: dict[str, int], work: float, clock: float, duty: float = 1.0
) -> Any:
    """A point of a second as it would draw at a share of its clock, busy part of the time."""
    law = LAWS.get(family, family)
    computes = family in ("linear", "attention")
    nbytes = work / 1e3 if computes else work
    busy_s = duty * (clock if computes else 1.0)
    done = Work(flops=work if computes else None, nbytes=nbytes, busy_s=busy_s)
    cooler = 1 - TRUE.clock_share + TRUE.clock_share * clock
    watts = TRUE.static_w + TRUE.dynamic_j(law, float(params.get("head", 1.0)), done) * cooler
    seen = {
        "seconds_per_call": 1.0,
        "power_w": {"mean": watts},
        "clock_mhz": {"mean": clock * MHZ},
        "duty": duty,
    }
    return {
        "family": family,
        "op": {"memory": "add", "norm": "layer_norm"}.get(family, family),
        "params": params,
        "dtype": "bfloat16",
        "backend": None,
        "data": "random",
        "flops": work if computes else 0,
        "bytes": nbytes,
        "burst": {"seconds_per_call": 1.0, "graph": False},
        "sustained": seen,
        **seen,
    }


def made() -> tuple[list[Any], list[Any]]:
    """What ran at length, and what ran part of the time."""
    at_length = [
        stretch("linear", {"k": 1}, 5.4e14, 0.7),
        stretch("attention", {"head": 64}, 4.2e14, 0.85),
        stretch("attention", {"head": 128}, 5.0e14, 0.8),
        stretch("memory", {"elements": 1}, 3e12, 1.0),
        stretch("norm", {"width": 64, "rows": 1}, 0.3e12, 1.0),
        stretch("norm", {"width": 3072, "rows": 1}, 2.3e12, 0.95),
    ]
    partly = [stretch("linear", {"k": 1}, 7e14 * duty, 1.0, duty) for duty in (0.25, 0.5, 0.7)]
    partly += [stretch("memory", {"elements": 1}, 3e12 * duty, 1.0, duty) for duty in (0.25, 0.5)]
    return at_length, partly


def test_a_power_law_is_found_again() -> None:
    found = fit_power(*made(), 700.0, MHZ)
    assert found.static_w == pytest.approx(TRUE.static_w, rel=0.02)
    assert found.clock_share == pytest.approx(TRUE.clock_share, abs=0.05)
    assert found.busy_w["other"] == pytest.approx(TRUE.busy_w["other"], rel=0.05)
    assert found.byte_j == pytest.approx(TRUE.byte_j, rel=0.05)
    for law, by_size in TRUE.joules.items():
        for size, joules in by_size.items():
            assert found.joules[law][size] == pytest.approx(joules, rel=0.1)


def test_what_was_not_run_at_length_takes_the_joules_of_its_like() -> None:
    found = fit_power(*made(), 700.0, MHZ)
    assert found.joules["linear.float32"] == found.joules["linear"]
    assert found.joules["norm.rms_norm"] == found.joules["norm.layer_norm"]
    assert "copy" not in found.joules  # its bytes, and being busy


def test_the_limit_is_what_hot_stretches_really_drew() -> None:
    at_length, partly = made()
    hot = stretch("linear", {"k": 1}, 7.0e14, 0.7)
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
    assert 110 < found.static_w < 140  # idle with clocks up: 121 W
    assert 670 < found.limit_w <= 700
    assert 3e-11 < found.byte_j < 8e-11  # HBM3 alone: 5 to 6 pJ a bit
    assert found.busy_w["norm.group_norm"] < 0.5 * found.busy_w["other"]  # 32 blocks of threads
    assert 0.4e-12 < found.joules["linear"][1.0] < 1.2e-12
    assert found.joules["attention"][40.0] > found.joules["attention"][128.0]


def test_watts_by_the_counter_count_where_the_field_misread_them() -> None:
    at_length, partly = made()
    sound = fit_power(at_length, partly, 700.0, MHZ)
    told = [{**p, "counter_w": p["power_w"]["mean"], "power_w": {"mean": 416.0}} for p in partly]
    assert fit_power(at_length, told, 700.0, MHZ) == sound
    assert fit_power(at_length, [{**p, "counter_w": None} for p in partly], 700.0, MHZ) == sound
