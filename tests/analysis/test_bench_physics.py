"""Physics of a microbench: clocks of bursts are those that cycles at length tell."""

import json
from pathlib import Path
from typing import Any

import pytest

from kinowatt.analysis.bench_physics import (
    PYTHON,
    SETTLING_S,
    SHORT_CALLS,
    BurstClocks,
    _settling_s,
    burst_clocks,
    physics_of_bench,
)
from kinowatt.errors import InputError
from kinowatt.facts.gpus import gpu
from kinowatt.theory.physics import STALL_S

MHZ = 1980.0


@pytest.fixture(scope="module")
def bench(root: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((root / "data/microbench/h100-sxm.json").read_text("utf-8"))
    return found


def held(bench: dict[str, Any]) -> list[dict[str, Any]]:
    """Points that ran both ways and whose clock the limit held down at length."""
    return [
        p
        for p in bench["points"]
        if p["sustained"]
        and p["flops"]
        and p["data"] == "random"
        and p["sustained"]["clock_mhz"]["mean"] < 0.95 * MHZ
    ]


def test_a_burst_falls_less_than_work_at_length(bench: dict[str, Any]) -> None:
    clocks = burst_clocks(bench)
    assert 0.01 < clocks.settling_s < 0.05
    assert len(held(bench)) >= 5
    for point in held(bench):
        at_length = point["sustained"]["clock_mhz"]["mean"] / MHZ
        assert at_length - 0.03 < clocks.of(point) < 1


def test_cycles_of_a_call_are_the_same_in_a_burst_and_at_length(bench: dict[str, Any]) -> None:
    clocks, off = burst_clocks(bench), []
    for point in held(bench):
        long = point["sustained"]
        cycles = long["seconds_per_call"] * long["clock_mhz"]["mean"] / MHZ
        off.append(abs(point["burst"]["seconds_per_call"] * clocks.of(point) / cycles - 1))
    assert sum(off) / len(off) < 0.04


def test_cool_work_keeps_its_clock(bench: dict[str, Any]) -> None:
    clocks = burst_clocks(bench)
    for point in bench["points"]:
        if not point["flops"] or point["flops"] / point["burst"]["seconds_per_call"] < 50e12:
            assert clocks.of(point) == pytest.approx(1.0, abs=0.01)


def test_how_fast_a_clock_settles_is_found_again(bench: dict[str, Any]) -> None:
    """Bursts as they would be with a clock that settles in 20 ms."""
    power = burst_clocks(bench).power
    true = BurstClocks(power=power, settling_s=0.020, max_clock_mhz=MHZ)
    made = []
    for point in held(bench):
        long = point["sustained"]
        cycles_s = long["seconds_per_call"] * long["clock_mhz"]["mean"] / MHZ
        burst = dict(point["burst"])
        for _ in range(20):
            burst["seconds_per_call"] = cycles_s / true.of({**point, "burst": burst})
        made.append({**point, "burst": burst})
    assert _settling_s(made, MHZ) == pytest.approx(0.020, rel=0.2)
    assert _settling_s([], MHZ) == SETTLING_S


def test_a_stall_is_what_waiting_adds_or_the_usual_one_in_older_files(
    bench: dict[str, Any],
) -> None:
    assert physics_of_bench(bench).stall_s == STALL_S
    stalls = {"calls": 8, "waiting_s": 7e-4, "queued_s": 6e-4}
    calls_s = SHORT_CALLS * bench["call_overhead"]["add"]["host_min_s"]
    found = physics_of_bench(bench | {"stalls": stalls})
    assert found.stall_s == pytest.approx(1e-4 + calls_s)


def test_a_burst_that_knows_its_clock_is_believed(bench: dict[str, Any]) -> None:
    """Above NVML's greatest too: a light kernel was seen at 2,068 MHz."""
    clocks = burst_clocks(bench)
    point = held(bench)[0]
    for mhz in (1400.0, 2060.0):
        seen = {**point, "burst": point["burst"] | {"sm_clock_mhz": mhz}}
        assert clocks.of(seen) == pytest.approx(mhz / MHZ)


def test_no_rate_is_above_the_datasheet(bench: dict[str, Any]) -> None:
    laws = physics_of_bench(bench).laws
    peaks = gpu(bench["device"]).peak_flops
    for name, dtype in (("linear", "bfloat16"), ("convolution.tf32", "tf32")):
        assert laws[name].rate_flops <= peaks[dtype] * (1 + 1e-6)
    unknown = physics_of_bench(bench | {"device": "a GPU that no datasheet has"}).laws
    assert unknown["convolution.tf32"].rate_flops > peaks["tf32"]  # what its points alone would say


def test_the_host_works_out_as_much_again_in_python(bench: dict[str, Any]) -> None:
    calls = bench["call_overhead"]
    found = physics_of_bench(bench).host_s
    assert found["other"] == pytest.approx((1 + PYTHON) * calls["add"]["host_min_s"])
    more = found["linear"] - found["other"]
    assert more == pytest.approx(calls["linear"]["host_min_s"] - calls["add"]["host_min_s"])


def test_a_microbench_of_a_cpu_has_no_physics() -> None:
    with pytest.raises(InputError, match="no clock and no power limit: take it on a GPU"):
        physics_of_bench({"conditions": {}})
