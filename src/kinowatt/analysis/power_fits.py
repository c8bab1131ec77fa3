"""Power by what is busy, fitted to what `kinowatt microbench` saw at length and at part of the time.

Watts of a stretch = static + dynamic joules of a call x (1 - a + a x) / seconds of a call, with x
the clock and a the share of the joules that falls with it. One static power and one a for all;
joules per FLOP or per byte for each kind of operator.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kinowatt.analysis.law_fits import SPECS, Point
from kinowatt.errors import InputError, require_extra
from kinowatt.theory.power import PowerLaw

# Which size of a law's operators its joules depend on
SIZES: Mapping[str, str] = {
    "attention": "head",
    "convolution": "cin",
    "convolution.tf32": "cin",
    "norm.layer_norm": "width",
}
# Laws whose operators were not run at length take the joules of these
LIKE = {
    "linear.float32": "linear",
    "norm.layer_norm.float32": "norm.layer_norm",
    "norm.rms_norm": "norm.layer_norm",
    "norm.rms_norm.float32": "norm.layer_norm",
}
FEWEST = 6
STATIC_W, CLOCK_SHARE = 140.0, 0.7  # where the search begins


@dataclass(frozen=True, kw_only=True, slots=True)
class Stretch:
    """Watts of an operator over seconds: `work` is FLOPs or bytes of a call."""

    law: str
    size: float
    work: float
    seconds: float
    watts: float
    clock: float

    @property
    def key(self) -> tuple[str, float]:
        return self.law, self.size


def fit_power(
    points: Sequence[Point], loads: Sequence[Point], limit_w: float, max_clock_mhz: float
) -> PowerLaw:
    """The power law of a GPU; `InputError` where too little was run at length.

    `points`, `loads`: of a `Microbench`. `limit_w`: as the driver names it; the mean that it lets
    through is the median of what the hottest stretches drew, at most the limit itself.
    """
    at_length = [_stretch(p, p["sustained"], max_clock_mhz) for p in points if p["sustained"]]
    partly = [_stretch(p, p, max_clock_mhz) for p in loads]
    found = [stretch for stretch in (*at_length, *partly) if stretch is not None]
    if len(found) < FEWEST:
        raise InputError(
            f"the microbench has power of {len(found)} stretches, {FEWEST} are needed:"
            " take it on a GPU whose power NVML tells, with the usual budget"
        )
    static_w, share, joules = _solve(found)
    return PowerLaw(
        static_w=static_w,
        limit_w=_reached(found, limit_w),
        clock_share=share,
        joules=_by_law(joules),
    )


def _stretch(point: Point, seen: Mapping[str, Any], max_clock_mhz: float) -> Stretch | None:
    laws = [name for name, spec in SPECS.items() if spec.takes(point)]
    if not laws or not seen.get("power_w"):
        return None
    size = point["params"].get(SIZES.get(laws[0], ""), 1.0)
    return Stretch(
        law=laws[0],
        size=float(size),
        work=point["flops"] or point["bytes"],
        seconds=seen["seconds_per_call"],
        watts=seen["power_w"]["mean"],
        clock=min(1.0, seen["clock_mhz"]["mean"] / max_clock_mhz),
    )


def _solve(found: Sequence[Stretch]) -> tuple[float, float, dict[tuple[str, float], float]]:
    import numpy as np

    optimize: Any = require_extra("learn", "scipy.optimize")
    keys = sorted({stretch.key for stretch in found})
    first = [np.log(_joules(found, key, STATIC_W)) for key in keys]

    def errors(values: Any) -> Any:
        static_w, share, joules = values[0], values[1], dict(zip(keys, values[2:], strict=True))
        lawful = [
            static_w + np.exp(joules[s.key]) * s.work * (1 - share + share * s.clock) / s.seconds
            for s in found
        ]
        return np.log(np.array(lawful) / [s.watts for s in found])

    bounds = ([20.0, 0.0, *[-np.inf] * len(keys)], [400.0, 1.0, *[np.inf] * len(keys)])
    best = optimize.least_squares(
        errors, [STATIC_W, CLOCK_SHARE, *first], bounds=bounds, x_scale="jac", loss="soft_l1"
    ).x
    joules = {key: float(np.exp(value)) for key, value in zip(keys, best[2:], strict=True)}
    return float(best[0]), float(best[1]), joules


def _joules(found: Sequence[Stretch], key: tuple[str, float], static_w: float) -> float:
    """Joules per unit of work of the first stretch of a kind, clock aside."""
    first = next(s for s in found if s.key == key)
    return max(first.watts - static_w, 1.0) * first.seconds / first.work


def _reached(found: Sequence[Stretch], limit_w: float) -> float:
    """What the limit lets through: the median of stretches whose clock it held down."""
    held = sorted(s.watts for s in found if s.clock < 0.9 and s.watts > 0.9 * limit_w)
    return min(limit_w, held[len(held) // 2]) if held else limit_w


def _by_law(joules: Mapping[tuple[str, float], float]) -> dict[str, dict[float, float]]:
    found: dict[str, dict[float, float]] = {}
    for (law, size), value in joules.items():
        found.setdefault(law, {})[size] = value
    moved = found.get("pointwise", {1.0: max(v for each in found.values() for v in each.values())})
    for law in SPECS:
        found.setdefault(law, found.get(LIKE.get(law, ""), moved))
    return found
