"""Whether runs can be trusted: drift, scatter, throttling, clocks, heat; and what to do next."""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from kinowatt.facts.throttling import faults

DRIFT_LIMIT = 0.02  # of latency, from the first run to the last
SCATTER_LIMIT = 0.02  # coefficient of variation
OUTLIER_MADS = 5.0
CLOCK_LIMIT = 0.05  # of the mean clock, between runs
HOT_C = 85.0
HEATING_C = 8.0


def verdict(latencies_s: Sequence[float], traces: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Judges timed runs; `traces` are the sampler's summaries of the same runs, if there are any.

    `stable` is False where any check fails; `reasons` gives number, cause and next action of each.
    """
    drift = _drift(latencies_s)
    scatter = _scatter(latencies_s)
    reasons = [
        *_about_times(latencies_s, drift, scatter),
        *_about_clocks(traces),
    ]
    return {
        "stable": not reasons,
        "drift": drift,
        "scatter": scatter,
        "outliers": outliers(latencies_s),
        "throttled": _throttled(traces),
        "reasons": reasons,
    }


def outliers(values: Sequence[float]) -> list[int]:
    """Runs (from 0) further from the median than five median absolute deviations, and by 2%."""
    if len(values) < 4:
        return []
    middle = statistics.median(values)
    spread = statistics.median(abs(value - middle) for value in values)
    limit = max(OUTLIER_MADS * spread, SCATTER_LIMIT * middle)
    return [index for index, value in enumerate(values) if abs(value - middle) > limit]


def _drift(values: Sequence[float]) -> float | None:
    """Relative change over the runs by a straight line; None for fewer than three."""
    if len(values) < 3:
        return None
    line = statistics.linear_regression(range(len(values)), values)
    return line.slope * (len(values) - 1) / statistics.fmean(values)


def _is_trend(drift: float, values: Sequence[float]) -> bool:
    """Whether a drift is more than scatter makes by chance: twice its standard error."""
    runs = len(values)
    line = statistics.linear_regression(range(runs), values)
    left: list[float] = [
        value - line.intercept - line.slope * index for index, value in enumerate(values)
    ]
    residual = math.sqrt(sum(x * x for x in left) / max(1, runs - 2)) / statistics.fmean(values)
    error = residual * (runs - 1) * math.sqrt(12 / (runs * (runs**2 - 1)))
    return abs(drift) > 2 * error


def _scatter(values: Sequence[float]) -> float | None:
    if len(values) < 2:
        return None
    return statistics.stdev(values) / statistics.fmean(values)


def _about_times(values: Sequence[float], drift: float | None, scatter: float | None) -> list[str]:
    found = []
    odd, runs = outliers(values), len(values)
    if drift is not None and abs(drift) > DRIFT_LIMIT and _is_trend(drift, values):
        way = "slower" if drift > 0 else "faster"
        found.append(
            f"runs get {way} by {abs(drift):.1%} from first to last: the GPU has not settled;"
            " warm up longer (`--warmup` of protocol full)"
        )
    if odd:
        named = ", ".join(str(index + 1) for index in odd)
        found.append(
            f"run {named} of {runs} is an outlier: something else used the machine; look at"
            " `nvidia-smi` and measure again"
        )
    elif scatter is not None and scatter > SCATTER_LIMIT:
        found.append(
            f"runs scatter by {scatter:.1%}: raise --runs, and leave the machine to this one job"
        )
    return found


def _about_clocks(traces: Sequence[Mapping[str, Any]]) -> list[str]:
    found = [
        f"{name.replace('_', ' ')} slowed the clocks for {share:.0%} of the time:"
        " check cooling and power supply, then measure again"
        for name, share in faults(_throttled(traces)).items()
    ]
    clocks = [trace["clock_mhz"]["mean"] for trace in traces if trace.get("clock_mhz")]
    if clocks and max(clocks) - min(clocks) > CLOCK_LIMIT * statistics.fmean(clocks):
        found.append(
            f"mean clocks of runs range from {min(clocks):.0f} to {max(clocks):.0f} MHz:"
            " raise --warmup, or see whether another job shares the GPU"
        )
    heat = [trace["temperature_c"] for trace in traces if trace.get("temperature_c")]
    if heat and max(h["max"] for h in heat) > HOT_C:
        found.append(f"the GPU reached {max(h['max'] for h in heat):.0f} °C: check its cooling")
    if heat and heat[-1]["mean"] - heat[0]["mean"] > HEATING_C:
        found.append(
            f"the GPU warmed by {heat[-1]['mean'] - heat[0]['mean']:.0f} °C over the runs:"
            " raise --warmup"
        )
    return found


def _throttled(traces: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Greatest share of a run under each reason for slower clocks."""
    found: dict[str, float] = {}
    for trace in traces:
        for name, share in (trace.get("throttled") or {}).items():
            found[name] = max(found.get(name, 0.0), share)
    return found
