"""Fits `h100-sxm/paper-corrected` on the paper's published sweeps, and its intervals.

Five multipliers with wide log-normal priors: the efficiency of linear layers, attention and
convolutions, the memory bandwidth reached, and the host's seconds per video. Each sweep weighs the
same (1/n per row), with a loss that grows linearly beyond 1% so that the three power states of
the frames sweep do not drag everything. Powers by what is busy are fitted on the energies.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from kinowatt.analysis.predict import scenario
from kinowatt.analysis.rows import SWEEPS, WAN, PaperRow, Point, cross_model_rows, paper_rows
from kinowatt.errors import require_extra
from kinowatt.facts.operator_tables import operator_table
from kinowatt.facts.profiles import GpuProfile
from kinowatt.theory.operators import COMPUTE_KINDS
from kinowatt.theory.predict import Estimate, estimate
from kinowatt.units import joules_to_wh

PARAMETERS = ("linear", "attention", "convolution", "memory", "host")
# Microbenchmarks of an H100 in 2026 (docs/model.md), and what a 2025 stack may lose to them.
PRIOR = {"linear": 0.56, "attention": 0.38, "convolution": 0.5, "memory": 0.5, "host": 1.0}
PRIOR_SIGMA = {"linear": 0.3, "attention": 0.3, "convolution": 0.3, "memory": 0.3, "host": 0.5}
# A constant power fitted on the same rows is 675 to 680 W; memory-bound work draws less.
PRIOR_POWER_W = {"linear": 675.0, "attention": 675.0, "convolution": 675.0, "memory": 600.0}
PRIOR_POWER_W |= {"host": 200.0}
POWER_SIGMA = 0.2
NOISE = 0.02  # relative, of one row: the paper's own repeats differ by 2.4%
LINEAR_BEYOND = {"latency": 0.01, "energy": 0.03}  # energies have no rows in another state


@dataclass(frozen=True, kw_only=True, slots=True)
class Fitted:
    """Efficiencies (share of dense peak), bandwidth share, host seconds, and powers in W."""

    parameters: Mapping[str, float]
    power_w: Mapping[str, float]


def predicted(rows: Sequence[Point], profile: GpuProfile) -> Estimate:
    """All rows in one evaluation, as arrays."""
    numpy: Any = require_extra("learn", "numpy")
    chosen = scenario(WAN, "h100-sxm", preset="paper", profile="paper")
    columns = {
        name: numpy.array([getattr(row, name) for row in rows], float)
        for name in ("height_px", "width_px", "frames", "steps")
    }
    workload = replace(chosen.workload, **columns)
    return estimate(replace(chosen, workload=workload, profile=profile), operator_table)


def with_fitted(base: GpuProfile, fitted: Fitted) -> GpuProfile:
    """The profile that a fit describes."""
    p = fitted.parameters
    return replace(
        base,
        efficiency={kind: p[kind] for kind in COMPUTE_KINDS},
        bandwidth={"memory": p["memory"]},
        host_s_per_video=p["host"],
        power_w=fitted.power_w,
    )


def fit(rows: Sequence[PaperRow], base: GpuProfile) -> Fitted:
    """Latency first, then power on top of it."""
    optimize: Any = require_extra("learn", "scipy.optimize")
    numpy: Any = require_extra("learn", "numpy")
    measured = numpy.array([row.latency_s for row in rows])
    weight = numpy.array([_weight(row, rows) for row in rows])
    centre = numpy.log([PRIOR[name] for name in PARAMETERS])
    sigma = numpy.array([PRIOR_SIGMA[name] for name in PARAMETERS])

    def residuals(logs: Any) -> Any:
        trial = Fitted(parameters=_named(numpy.exp(logs)), power_w=base.power_w)
        off = predicted(rows, with_fitted(base, trial)).latency_s / measured - 1
        return numpy.concatenate([_robust(off, "latency", numpy) * weight, (logs - centre) / sigma])

    solution = optimize.least_squares(residuals, centre, x_scale=0.1, diff_step=1e-4)
    parameters = _named(numpy.exp(solution.x))
    timed = with_fitted(base, Fitted(parameters=parameters, power_w=base.power_w))
    return Fitted(parameters=parameters, power_w=_fit_power(rows, timed, weight))


def _named(values: Any) -> dict[str, float]:
    return {name: float(value) for name, value in zip(PARAMETERS, values, strict=True)}


def _weight(row: PaperRow, rows: Sequence[PaperRow]) -> float:
    return 1 / math.sqrt(sum(other.sweep == row.sweep for other in rows)) / NOISE


def _robust(off: Any, quantity: str, numpy: Any) -> Any:
    """Residuals whose square is the pseudo-Huber loss."""
    scale = LINEAR_BEYOND[quantity]
    return numpy.sqrt(2 * scale**2 * (numpy.sqrt(1 + (off / scale) ** 2) - 1))


def _fit_power(rows: Sequence[PaperRow], timed: GpuProfile, weight: Any) -> dict[str, float]:
    optimize: Any = require_extra("learn", "scipy.optimize")
    numpy: Any = require_extra("learn", "numpy")
    seconds = seconds_by_kind(rows, timed)
    energy_j = numpy.array([row.gpu_energy_wh for row in rows]) * 3600
    names = list(PRIOR_POWER_W)
    design = numpy.stack([seconds[name] for name in names], axis=1)
    centre = numpy.log([PRIOR_POWER_W[name] for name in names])

    def residuals(logs: Any) -> Any:
        off = design @ numpy.exp(logs) / energy_j - 1
        return numpy.concatenate(
            [_robust(off, "energy", numpy) * weight, (logs - centre) / POWER_SIGMA]
        )

    ceiling = math.log(scenario(WAN, "h100-sxm").gpu.power_limit_w)
    solution = optimize.least_squares(residuals, centre, bounds=(-math.inf, ceiling))
    return {name: float(w) for name, w in zip(names, numpy.exp(solution.x), strict=True)}


def seconds_by_kind(rows: Sequence[PaperRow], profile: GpuProfile) -> dict[str, Any]:
    """Seconds by what is busy, per row: linear, attention, convolution, memory, host."""
    result = predicted(rows, profile)
    found: dict[str, Any] = dict.fromkeys(PRIOR_POWER_W, 0.0)
    for stage in result.stages.values():
        for item in stage.operators:
            kind = item.operator.kind if item.operator.kind in COMPUTE_KINDS else "memory"
            found[kind] = found[kind] + item.latency_s
        found["host"] = found["host"] + (stage.latency_s - stage.device_s)
    return found


Held = dict[str, tuple[list[float], list[float]]]


def held_out_by_sweep(base: GpuProfile) -> tuple[Held, Held]:
    """Predictions of each sweep by a fit on the other two: (predicted, measured) per sweep.

    First latencies in s, then GPU energies in Wh.
    """
    latency: Held = {}
    energy: Held = {}
    for sweep in SWEEPS:
        training = [row for row in paper_rows() if row.sweep != sweep]
        test = paper_rows(sweep)
        result = predicted(test, with_fitted(base, fit(training, base)))
        seconds: Any = result.latency_s
        latency[sweep] = ([float(s) for s in seconds], [float(r.latency_s or 0) for r in test])
        wh: Any = joules_to_wh(result.energy_j)
        energy[sweep] = ([float(e) for e in wh], [row.gpu_energy_wh for row in test])
    return latency, energy


def spread_of(ratios: Sequence[float], weights: Sequence[float]) -> dict[str, tuple[float, float]]:
    """Weighted quantiles of measured over predicted: the 80 and the 95% interval."""
    ordered = sorted(zip(ratios, weights, strict=True))
    total = sum(weights)

    def quantile(share: float) -> float:
        seen = 0.0
        for ratio, weight in ordered:
            seen += weight
            if seen >= share * total:
                return ratio
        return ordered[-1][0]

    return {
        "80": (min(quantile(0.1), 1.0), max(quantile(0.9), 1.0)),
        "95": (min(quantile(0.025), 1.0), max(quantile(0.975), 1.0)),
    }


def student_spread(ratios: Sequence[float]) -> dict[str, tuple[float, float]]:
    """Prediction interval of one more model from a few: Student's t on log ratios."""
    stats: Any = require_extra("learn", "scipy.stats")
    logs = [math.log(ratio) for ratio in ratios]
    n = len(logs)
    mean = sum(logs) / n
    deviation = math.sqrt(sum((value - mean) ** 2 for value in logs) / (n - 1) * (1 + 1 / n))
    found = {}
    for level in ("80", "95"):
        reach = float(stats.t.ppf(0.5 + float(level) / 200, n - 1)) * deviation
        low, high = math.exp(mean - reach), math.exp(mean + reach)
        found[level] = (min(low, 1.0), max(high, 1.0))  # the point predicted stays inside
    return found


def spreads(base: GpuProfile, fitted: GpuProfile) -> dict[str, Any]:
    """Intervals by scope: held-out sweeps for the model fitted on, the other six for the rest."""
    latency, energy = held_out_by_sweep(base)
    return {
        "seen": {"latency": _pooled(latency), "energy": _pooled(energy)},
        "unseen": other_models(fitted),
    }


def _pooled(held: Held) -> dict[str, tuple[float, float]]:
    ratios, weights = [], []
    for predictions, measured in held.values():
        ratios += [m / p for p, m in zip(predictions, measured, strict=True)]
        weights += [1 / len(measured)] * len(measured)
    return spread_of(ratios, weights)


def other_models(profile: GpuProfile) -> dict[str, dict[str, tuple[float, float]]]:
    """From the paper's cross-model means of the models that the profile was not fitted on."""
    latency, energy = [], []
    for row in cross_model_rows():
        if row.model in profile.seen:
            continue
        chosen = replace(
            scenario(row.model, "h100-sxm", preset="paper", profile="paper"), profile=profile
        )
        result = estimate(chosen, operator_table)
        latency.append(row.latency_s / result.latency_s)
        energy.append(row.energy_wh["gpu"] / joules_to_wh(result.energy_j))
    return {"latency": student_spread(latency), "energy": student_spread(energy)}
