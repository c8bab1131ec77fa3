"""Power by what is busy, fitted to what `kinowatt microbench` saw at length and at part of the time.

Watts of a stretch = static + dynamic joules of a call x (1 - a + a x) / seconds of a call, with x
the clock and a the share of the joules that falls with it. Static power, a, the watts of being busy
and the joules of a byte are the same for all; joules per FLOP, or per byte on top, belong to a kind
of operator.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import exp, log
from typing import Any

from kinowatt.analysis.law_fits import SPECS, Point
from kinowatt.errors import InputError, require_extra
from kinowatt.theory.kernels import KERNELS, law_of_kernel
from kinowatt.theory.physics import ENERGY_SIZE
from kinowatt.theory.power import PowerLaw, Work

# Laws whose operators were not run at length take the joules of these
LIKE = {
    "linear.float32": "linear",
    "attention.float32": "linear",
    "convolution.tf32": "convolution",
    "norm.layer_norm.float32": "norm.layer_norm",
    "norm.rms_norm": "norm.layer_norm",
    "norm.rms_norm.float32": "norm.layer_norm",
    **{law_of_kernel(kernel): "attention" for kernel in KERNELS},
}
# Nothing on top of their bytes; a few blocks of threads leave most of a GPU idle
PLAIN = "pointwise"
SPARSE = ("norm.group_norm",)
FEWEST = 6
# Where the search begins, and how far from there it may go unasked (log-normal)
STATIC_W = 140.0
# Of joules that fall with the clock, as they do where voltage squared falls like the clock. By the
# power field microbenches of H100s said 0.19 to 0.78, as far apart as they tell it; set with the
# H100's rows in view, of 0.8, 0.9 and 1
CLOCK_SHARE, CLOCK_SHARE_SIGMA, MOST_CLOCK_SHARE = 1.0, 0.1, 1.3
BUSY_W, BYTE_J, PULL = 250.0, 5e-11, 0.02
SOFT = 0.05


@dataclass(frozen=True, kw_only=True, slots=True)
class Stretch:
    """Watts of an operator over seconds; FLOPs (0 where it only moves memory), bytes and seconds
    at work of a call, these at the greatest clock."""

    law: str
    size: float
    flops: float
    nbytes: float
    busy_s: float
    seconds: float
    watts: float
    clock: float

    @property
    def key(self) -> tuple[str, float]:
        return self.law, self.size


def fit_power(
    points: Sequence[Point],
    loads: Sequence[Point],
    limit_w: float,
    max_clock_mhz: float,
    idle_w: float | None = None,
) -> PowerLaw:
    """The power law of a GPU; `InputError` where too little was run at length.

    `points`, `loads`: of a `Microbench`. `limit_w`: as the driver names it; the mean that it lets
    through is the median of what the hottest stretches drew, at most the limit itself. `idle_w`:
    seen with nothing to do, which static power is drawn to.
    """
    at_length = [_stretch(p, p["sustained"], max_clock_mhz) for p in points if p["sustained"]]
    bursts = {_identity(p): p["burst"] for p in points}
    partly = [
        _stretch({**p, "burst": bursts[_identity(p)]}, p, max_clock_mhz)
        for p in loads
        if _identity(p) in bursts
    ]
    found = [stretch for stretch in (*at_length, *partly) if stretch is not None]
    if len(found) < FEWEST:
        raise InputError(
            f"the microbench has power of {len(found)} stretches, {FEWEST} are needed:"
            " take it on a GPU whose power NVML tells, with the usual budget"
        )
    return _solve(found, _reached(found, limit_w), idle_w)


def energy_size(law: str, params: Mapping[str, Any]) -> float:
    """The size of a call that its joules depend on."""
    return float(params.get(ENERGY_SIZE.get(law.partition(".")[0], ""), 1.0))


def _identity(point: Point) -> tuple[Any, ...]:
    params = tuple(sorted(point["params"].items()))
    return point["op"], point["dtype"], point["data"], point["backend"], params


def _stretch(point: Point, seen: Mapping[str, Any], max_clock_mhz: float) -> Stretch | None:
    laws = [name for name, spec in SPECS.items() if spec.takes(point)]
    if not laws or not seen.get("power_w"):
        return None
    clock = min(1.0, seen["clock_mhz"]["mean"] / max_clock_mhz)
    at_work = seen["seconds_per_call"] * seen["duty"] * (clock if point["flops"] else 1.0)
    return Stretch(
        law=laws[0],
        size=energy_size(laws[0], point["params"]),
        flops=point["flops"],
        nbytes=point["bytes"],
        busy_s=min(at_work, point["burst"]["seconds_per_call"]),
        seconds=seen["seconds_per_call"],
        watts=mean_watts(seen),
        clock=clock,
    )


def mean_watts(seen: Mapping[str, Any]) -> float:
    """Of a stretch whose power was told: by the energy counter, else by the power field."""
    return float(seen.get("counter_w") or seen["power_w"]["mean"])


def _solve(found: Sequence[Stretch], limit_w: float, idle_w: float | None) -> PowerLaw:
    """Least squares of relative watts; what is not seen stays where the search begins."""
    import numpy as np

    optimize: Any = require_extra("learn", "scipy.optimize")
    keys = sorted({s.key for s in found if s.law != PLAIN and s.law not in SPARSE})
    sparse = sorted({s.law for s in found} & set(SPARSE))
    first = [
        *(log(value) for value in (BUSY_W, BYTE_J)),
        *(log(BUSY_W) for _ in sparse),
        *(log(_first_j(found, key)) for key in keys),
    ]

    def law(values: Any) -> PowerLaw:
        return _law(values, keys, sparse, limit_w)

    def errors(values: Any) -> Any:
        now = law(values)
        off = [log(_watts(now, stretch) / stretch.watts) for stretch in found]
        off += [log(values[0] / idle_w)] if idle_w else []
        off.append(SOFT * (values[1] - CLOCK_SHARE) / CLOCK_SHARE_SIGMA)
        return np.concatenate([off, PULL * SOFT * (values[2:] - first)])

    least, most = [20.0, 0.0], [400.0, MOST_CLOCK_SHARE]
    bounds = ([*least, *[-np.inf] * len(first)], [*most, *[np.inf] * len(first)])
    start = [idle_w or STATIC_W, CLOCK_SHARE, *first]
    best = optimize.least_squares(
        errors, start, bounds=bounds, x_scale="jac", loss="soft_l1", f_scale=SOFT
    ).x
    return _for_all_laws(law(best))


def _law(
    values: Any, keys: Sequence[tuple[str, float]], sparse: Sequence[str], limit_w: float
) -> PowerLaw:
    """`values`: static watts, the share that falls with the clock, and logarithms of all else."""
    busy_w, byte_j, *rest = (exp(value) for value in values[2:])
    joules: dict[str, dict[float, float]] = {}
    for (name, size), value in zip(keys, rest[len(sparse) :], strict=True):
        joules.setdefault(name, {})[size] = value
    return PowerLaw(
        static_w=float(values[0]),
        limit_w=limit_w,
        clock_share=float(values[1]),
        busy_w={"other": busy_w} | dict(zip(sparse, rest, strict=False)),
        byte_j=byte_j,
        joules=joules,
    )


def _watts(law: PowerLaw, s: Stretch) -> float:
    work = Work(flops=s.flops or None, nbytes=s.nbytes, busy_s=s.busy_s)
    dynamic_j = law.dynamic_j(s.law, s.size, work)
    return float(law.static_w + dynamic_j * law.cooled(s.clock) / s.seconds)


def _first_j(found: Sequence[Stretch], key: tuple[str, float]) -> float:
    """Joules per unit of work of the first stretch of a kind beyond being busy."""
    first = next(s for s in found if s.key == key)
    rest_w = max(first.watts - STATIC_W - BUSY_W, 10.0)
    return rest_w * first.seconds / (first.flops or first.nbytes)


def _reached(found: Sequence[Stretch], limit_w: float) -> float:
    """What the limit lets through: the median of stretches whose clock it held down."""
    held = sorted(s.watts for s in found if s.clock < 0.9 and s.watts > 0.9 * limit_w)
    return min(limit_w, held[len(held) // 2]) if held else limit_w


def _for_all_laws(law: PowerLaw) -> PowerLaw:
    likely = {name: law.joules[like] for name, like in LIKE.items() if like in law.joules}
    return replace(law, joules={**likely, **law.joules})
