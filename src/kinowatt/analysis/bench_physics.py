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
from kinowatt.errors import InputError, UnknownNameError
from kinowatt.facts.gpus import gpu as find_gpu
from kinowatt.theory.physics import STALL_S, Physics
from kinowatt.theory.power import Load, PowerLaw, Work, balance

Bench = Mapping[str, Any]
COMMITTED = "microbench/h100-sxm-tenth.json"  # of data/: the one that the shipped profile rests on
CALLS = {"linear": "linear", "attention": "attention", "convolution": "convolution"}
CALLS |= {"norm": "layer_norm", "other": "add"}
# Around a call modules, views and sizes are worked out in Python: seconds of so many plain calls (set
# with the H100's rows in view, of 0, 0.5, 1 and 2)
PYTHON = 1.0
# What Mochi calls between a wait and its next long kernel (a handful of indexings, each as dear as two
# or three other calls)
SHORT_CALLS = 12
HELD = 0.985  # a share of the greatest clock below which the power limit holds it down
SETTLING_S = 0.025  # of the clock, where no point ran both ways
BEFORE = 5  # calls that come before the bursts, to warm up and to guess a call's seconds
ROUNDS = 8


def physics_of_bench(bench: Bench) -> Physics:
    """What a `Microbench` (as a mapping) says of its GPU; `InputError` where it says too little."""
    clocks = burst_clocks(bench)
    calls_s = {kind: bench["call_overhead"][call]["host_min_s"] for kind, call in CALLS.items()}
    plain_s = calls_s["other"]
    return Physics(
        laws=fit_laws(bench["points"], clocks.of, _peaks_flops(bench)),
        power=clocks.power,
        host_s={kind: call_s + PYTHON * plain_s for kind, call_s in calls_s.items()},
        stall_s=_stall_s(bench, plain_s),
    )


def _peaks_flops(bench: Bench) -> Mapping[str, float]:
    """What the datasheet says that no rate exceeds; nothing of a GPU that is not in the registry."""
    try:
        return find_gpu(bench["device"]).peak_flops
    except UnknownNameError:
        return {}


def _stall_s(bench: Bench, plain_s: float) -> float:
    """Seconds that the device idles where its host waits for a result: until the host has returned,
    and then while it queues calls that are too short to keep the device busy. `STALL_S` of files that
    do not have the first."""
    found = bench.get("stalls")
    if not found:
        return STALL_S
    returned_s = max(0.0, float(found["waiting_s"] - found["queued_s"]))
    return returned_s + SHORT_CALLS * plain_s


def burst_clocks(bench: Bench) -> "BurstClocks":
    """The power law of a microbench, and with it the clocks that its bursts ran at."""
    known = bench["conditions"]
    clock_mhz, limit_w = known.get("max_sm_clock_mhz"), known.get("power_limit_w")
    if not clock_mhz or not limit_w:
        raise InputError("the microbench knows no clock and no power limit: take it on a GPU")
    return BurstClocks(
        power=fit_power(bench["points"], bench["loads"], limit_w, clock_mhz, _idle_w(bench)),
        settling_s=_settling_s(bench["points"], clock_mhz),
        max_clock_mhz=float(clock_mhz),
    )


def _idle_w(bench: Bench) -> float | None:
    """Of a GPU with nothing to do, its clock up."""
    power = bench["idle"].get("power_w")
    return float(power["mean"]) if power else None


@dataclass(frozen=True, kw_only=True, slots=True)
class BurstClocks:
    """`settling_s`: in which the clock falls by 1 - 1/e of what it falls at length; for files whose
    bursts do not have the clock that they ran at."""

    power: PowerLaw
    settling_s: float
    max_clock_mhz: float

    def of(self, point: Point) -> float:
        """Share of the greatest clock at which a point's burst ran."""
        name = next((name for name, spec in SPECS.items() if spec.takes(point)), None)
        if name is None or not point["flops"]:
            return 1.0
        if point["burst"].get("sm_clock_mhz"):
            return float(point["burst"]["sm_clock_mhz"]) / self.max_clock_mhz
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
