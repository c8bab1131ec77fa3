"""Power by what is busy, and the clock that the power limit then allows.

The limit couples the operators of a stage: cool ones lend their share to hot ones. Time and power
are therefore solved together, in closed form.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, log
from typing import Any

from kinowatt.theory.expressions import larger, smaller, where

Number = Any
TINY = 1e-12  # joules
# Between two waits for a result come many light calls, then few heavy ones: what the light ones are
# of the device's and of the host's seconds (set with Mochi's rows on the H100 in view, of three pairs)
LIGHT_DEVICE, LIGHT_HOST = 0.35, 0.7
# Share of the greatest clock below which a call's joules fall no further, as voltage has a floor: by
# what one H100 drew that was held to 220 W (data/throttled); a microbench sees none below 0.65
FLOOR = 0.5
SLOWEST = 0.25  # share of the greatest clock below which no GPU is held


@dataclass(frozen=True, kw_only=True, slots=True)
class PowerLaw:
    """Watts of a GPU.

    `static_w`: powered up and waiting. `limit_w`: the mean that the limit really lets through.
    The rest is dynamic, all at the greatest clock: `busy_w` while an operator runs, by law, `other`
    for most; `byte_j` joules for each byte moved; `joules` by law for each FLOP, or for each byte
    on top of `byte_j` where nothing is computed, by the size that matters (the head of attention,
    the channels of a convolution), 1 where none does. `clock_share`: how much of it falls with the
    clock (the voltage falls with it) down to `FLOOR`; the rest does not.
    """

    static_w: float
    limit_w: float
    clock_share: float
    busy_w: Mapping[str, float]
    byte_j: float
    joules: Mapping[str, Mapping[float, float]]

    def cooled(self, clock: Number) -> Number:
        """What is left of dynamic joules at a share of the greatest clock."""
        return 1.0 - self.clock_share + self.clock_share * larger(clock, FLOOR)

    def dynamic_j(self, law: str, size: Number, work: "Work") -> Number:
        """Dynamic joules of some work at the greatest clock."""
        busy_w = self.busy_w.get(law, self.busy_w["other"])
        each_j = self._each_j(law, size)
        counted = work.nbytes if work.flops is None else work.flops
        return busy_w * work.busy_s + self.byte_j * work.nbytes + each_j * counted

    def _each_j(self, law: str, size: Number) -> float:
        known = self.joules.get(law, {1.0: 0.0})
        if len(known) == 1:
            return next(iter(known.values()))
        sizes = sorted(known)
        values = [log(known[each]) for each in sizes]
        return exp(between(log(float(size)), [log(each) for each in sizes], values))


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """What an operator does: `flops` None of work that only moves memory; seconds it is at it."""

    flops: Number | None
    nbytes: Number
    busy_s: Number


@dataclass(frozen=True, kw_only=True, slots=True)
class Load:
    """A stage at the greatest clock: seconds that stretch as the clock falls, seconds that do not,
    dynamic joules, and seconds that the host needs for it in all. `waits`: whether the host waits for
    results inside it, so that it cannot run ahead."""

    compute_s: Number
    memory_s: Number
    dynamic_j: Number
    host_s: Number
    waits: Number = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Balance:
    """`clock`: share of the greatest clock; seconds and joules of the stage at it."""

    clock: Number
    device_s: Number
    latency_s: Number
    energy_j: Number


def balance(load: Load, law: PowerLaw) -> Balance:
    """The greatest clock at which a stage keeps to the power limit, and what it then takes.

    x: the clock, C and M: seconds of compute and of memory, E: dynamic joules, all at the greatest
    clock; a: `clock_share`, D: the limit less the static power. The limit is reached where
    E (1 - a + a x) = D T. With the device as the slower part T = C/x + M, which is quadratic in x;
    with the host as the slower part T is the host's.
    """
    spare_w = law.limit_w - law.static_w
    share, joules = law.clock_share, load.dynamic_j + TINY
    linear = joules * (1.0 - share) - spare_w * load.memory_s
    root = (linear**2 + 4.0 * share * joules * spare_w * load.compute_s) ** 0.5
    clock = (root - linear) / (2.0 * share * joules)
    # At the floor joules are known, and with them the seconds that the limit gives them
    least_s = joules * law.cooled(FLOOR) / spare_w - load.memory_s
    clock = _possible(where(clock < FLOOR, load.compute_s / larger(least_s, TINY), clock))
    waits = load.compute_s / clock + load.memory_s < load.host_s
    waiting = _possible((spare_w * load.host_s / joules - 1.0 + share) / share)
    # Below the floor no joule is saved by waiting: then it is as slow as without a host
    clock = where(waits, where(waiting < FLOOR, clock, waiting), clock)
    device_s = load.compute_s / clock + load.memory_s
    latency_s = larger(device_s, load.host_s)
    if load.waits is not False:
        latency_s = where(load.waits, _in_turns(device_s, load.host_s), latency_s)
    return Balance(
        clock=clock,
        device_s=device_s,
        latency_s=latency_s,
        energy_j=load.dynamic_j * law.cooled(clock) + law.static_w * latency_s,
    )


def _in_turns(device_s: Number, host_s: Number) -> Number:
    """Seconds of a stage whose host waits for results inside: its light calls, then its heavy ones,
    each at the pace of the slower."""
    light_s = larger(LIGHT_DEVICE * device_s, LIGHT_HOST * host_s)
    return light_s + larger((1.0 - LIGHT_DEVICE) * device_s, (1.0 - LIGHT_HOST) * host_s)


def between(x: float, xs: Sequence[float], ys: Sequence[float]) -> float:
    """The straight line between neighbours; the nearest value outside."""
    if x <= xs[0]:
        return ys[0]
    for index in range(1, len(xs)):
        if x <= xs[index]:
            share = (x - xs[index - 1]) / (xs[index] - xs[index - 1])
            return ys[index - 1] + share * (ys[index] - ys[index - 1])
    return ys[-1]


def _possible(clock: Number) -> Number:
    return larger(smaller(clock, 1.0), SLOWEST)
