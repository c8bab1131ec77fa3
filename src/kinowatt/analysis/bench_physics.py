"""A GPU's physics from its microbench alone: power first, then clocks of bursts, then laws.

The power limit reaches into a burst: heavy work falls to a lower clock within tens of
milliseconds. How fast is learned from the points that ran both ways: cycles of a call are the same
in a burst and at length.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, log
from statistics import median
from typing import Any

from kinowatt.analysis.law_fits import SPECS, Point, fit_laws
from kinowatt.analysis.power_fits import energy_size, fit_power
from kinowatt.errors import InputError
from kinowatt.theory.physics import STALL_S, Physics
from kinowatt.theory.power import Load, PowerLaw, Work, balance

Bench = Mapping[str, Any]
COMMITTED = "microbench/h100-sxm-sixth.json"  # of data/: the one that the shipped profile rests on
CALLS = {"linear": "linear", "attention": "attention", "convolution": "convolution"}
CALLS |= {"norm": "layer_norm", "other": "add"}
HELD = 0.985  # a share of the greatest clock below which the power limit holds it down
SETTLING_S = 0.025  # of the clock, where no point ran both ways
BEFORE = 5  # calls that come before the bursts, to warm up and to guess a call's seconds
ROUNDS = 8


def physics_of_bench(bench: Bench) -> Physics:
    """What a `Microbench` (as a mapping) says of its GPU; `InputError` where it says too little."""
    clocks = burst_clocks(bench)
    return Physics(
        laws=fit_laws(bench["points"], clocks.of),
        power=clocks.power,
        host_s={name: bench["call_overhead"][call]["host_min_s"] for name, call in CALLS.items()},
        stall_s=_stall_s(bench),
    )


def _stall_s(bench: Bench) -> float:
    """Seconds that a waiting host adds to its device's; `STALL_S` of files that do not have it."""
    found = bench.get("stalls")
    return max(0.0, found["waiting_s"] - found["queued_s"]) if found else STALL_S


def burst_clocks(bench: Bench) -> "BurstClocks":
    """The power law of a microbench, and with it the clocks that its bursts ran at."""
    known = bench["conditions"]
    clock_mhz, limit_w = known.get("max_sm_clock_mhz"), known.get("power_limit_w")
    if not clock_mhz or not limit_w:
        raise InputError("the microbench knows no clock and no power limit: take it on a GPU")
    return BurstClocks(
        power=fit_power(bench["points"], bench["loads"], limit_w, clock_mhz),
        settling_s=_settling_s(bench["points"], clock_mhz),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class BurstClocks:
    """`settling_s`: in which the clock falls by 1 - 1/e of what it falls at length."""

    power: PowerLaw
    settling_s: float

    def of(self, point: Point) -> float:
        """Share of the greatest clock at which a point's burst ran."""
        name = next((name for name, spec in SPECS.items() if spec.takes(point)), None)
        if name is None or not point["flops"]:
            return 1.0
        size = energy_size(name, point["params"])
        fall = 1.0 - exp(-_heated_s(point) / self.settling_s)
        clock = 1.0
        for _ in range(ROUNDS):
            cycles_s = point["burst"]["seconds_per_call"] * clock
            work = Work(flops=point["flops"], nbytes=point["bytes"], busy_s=cycles_s)
            joules = self.power.dynamic_j(name, size, work)
            load = Load(compute_s=cycles_s, memory_s=0.0, dynamic_j=joules, host_s=0.0)
            clock = 1.0 - fall * (1.0 - float(balance(load, self.power).clock))
        return clock


def _heated_s(point: Point) -> float:
    """From the first call of a point to the middle of the burst in the middle."""
    burst = point["burst"]
    return float(burst["seconds_per_call"] * (BEFORE + burst["repeats"] / 2 * burst["calls"]))


def _settling_s(points: Sequence[Point], max_clock_mhz: float) -> float:
    """Median over the points whose clock was held down at length."""
    found = []
    for point in points:
        long = point["sustained"]
        if not long or not long.get("clock_mhz") or not point["flops"] or point["data"] != "random":
            continue
        clock = long["clock_mhz"]["mean"] / max_clock_mhz
        in_burst = long["seconds_per_call"] * clock / point["burst"]["seconds_per_call"]
        if clock < HELD and clock < in_burst < 1.0:
            found.append(_heated_s(point) / -log((in_burst - clock) / (1.0 - clock)))
    return median(found) if found else SETTLING_S
