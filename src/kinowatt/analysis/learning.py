"""A GPU's profile from its microbench, and from rows of whole videos where there are any.

The microbench gives every law. Rows fit at most eight factors on top, each drawn towards 1 by how
far the microbench can be wrong about it; what rows do not determine stays where it was, and the
report says so.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from kinowatt.analysis.bench_physics import Bench, physics_of_bench
from kinowatt.analysis.calibration import student_spread
from kinowatt.analysis.features import GROUPS, STAGES, Features, Row, features
from kinowatt.errors import InputError, require_extra
from kinowatt.facts.gpus import gpu as find_gpu
from kinowatt.theory.physics import Physics, table_of
from kinowatt.units import joules_to_wh

# How far the laws of a microbench may be from what runs inside a forward (log-normal)
PRIOR_SIGMA = {
    "linear": 0.05,
    "attention": 0.05,
    "convolution": 0.15,
    "convolution.tf32": 0.15,
    "norm": 0.2,
    "memory": 0.25,
    "power.compute": 0.1,
    "power.memory": 0.2,
    "gap": 0.7,
    "host": 0.5,
}
# Of seconds, where the device sets the pace; the text encoder is too short to count
NOISE = {"denoiser": 0.01, "vae_decoder": 0.03}
HOST_NOISE = 0.15  # where the host does: it scatters from process to process
ENERGY_NOISE = 0.02
CLOCK_NOISE = 0.015
HOST_SHARE, LAG_SHARE = 0.8, 0.15  # of a call
SOFT = 2.0  # standard deviations from which a row counts as an outlier
DETERMINED = 0.8  # a factor is the rows' where they shrink its prior to this share
FEWEST_MODELS = 3  # to know how far a model that was left out is missed
# Measured over predicted of seven models on one H100 by its microbench alone (November 2026)
ALONE = {"80": (0.9, 1.3), "95": (0.8, 1.5)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Factor:
    """What rows say about one group of operators.

    `value`: seconds or joules over the microbench's; `low`, `high`: its 95% interval; `determined`:
    whether rows moved it further than its prior alone allows to say.
    """

    name: str
    value: float
    low: float
    high: float
    determined: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Learned:
    """A profile as its file holds it, and how it came."""

    profile: Mapping[str, Any]
    factors: tuple[Factor, ...]
    used: int
    left_out: tuple[tuple[int, str], ...]


def learn(bench: Bench, rows: Sequence[Row] = (), label: str = "") -> Learned:
    """Learns a profile; `InputError` in one line where that cannot be done.

    `bench`: a `Microbench` as a mapping. `rows`: measurements as mappings, of the same GPU and
    software.
    """
    physics = physics_of_bench(bench)
    taken, left_out = _like(bench, rows)
    factors: tuple[Factor, ...] = ()
    spread = {"latency": ALONE, "energy": ALONE}
    if taken:
        seen = features([rows[index] for index in taken], physics)
        factors = fit_factors(seen, physics)
        spread = _unseen(seen, physics)
        values = {factor.name: factor.value for factor in factors}
        physics = replace(physics, factors=values)
    profile = _profile(bench, [rows[i] for i in taken], physics, spread, label)
    return Learned(profile=profile, factors=factors, used=len(taken), left_out=left_out)


def _like(bench: Bench, rows: Sequence[Row]) -> tuple[list[int], tuple[tuple[int, str], ...]]:
    """Rows of the microbench's GPU and software that may teach, and why the others may not."""
    taken, left_out = [], []
    known = bench["conditions"]
    for index, row in enumerate(rows):
        conditions = row["conditions"]
        reasons = [
            f"{name} {conditions.get(name)}, the microbench has {known.get(name)}"
            for name in ("gpu_name", "torch", "cudnn", "power_limit_w")
            if conditions.get(name) != known.get(name)
        ]
        reasons += [
            f"{name} {conditions.get(name)}"
            for name, usual in (("compile", "none"), ("offload", "none"), ("twin", False))
            if conditions.get(name) != usual
        ]
        if conditions.get("attention_backend") not in (None, "default"):
            reasons.append(f"attention {conditions['attention_backend']}")
        if reasons:
            left_out.append((index, "; ".join(reasons)))
        else:
            taken.append(index)
    if rows and not taken:
        raise InputError(f"no row is of the microbench's GPU and software: {left_out[0][1]}")
    return taken, tuple(left_out)


def fit_factors(seen: Features, physics: Physics) -> tuple[Factor, ...]:
    """Least squares on seconds, joules and clocks of stages, outliers held back, drawn towards 1.

    At the power limit joules follow seconds; the clock is what tells operators' power apart.
    """
    np: Any = require_extra("learn", "numpy")
    optimize: Any = require_extra("learn", "scipy.optimize")
    targets = _targets(seen, np)
    sigma = np.array([PRIOR_SIGMA[name] for name in GROUPS])

    def off(logs: Any) -> Any:
        found = seen.stages(physics, dict(zip(GROUPS, np.exp(logs), strict=True)))
        pairs = zip((found.seconds, found.joules, found.clock), targets, strict=True)
        errors = [
            np.log(value[known] / wanted[known]) * sure[known]
            for value, (wanted, sure) in pairs
            for known in (sure > 0,)
        ]
        rows = np.concatenate(errors) / SOFT
        held = SOFT * np.sqrt(2 * (np.sqrt(1 + rows**2) - 1))  # grows linearly beyond SOFT
        return np.concatenate([held, logs / sigma])

    best = optimize.least_squares(off, np.zeros(len(GROUPS)), x_scale=0.1, diff_step=1e-4)
    spread = np.sqrt(np.diag(np.linalg.inv(best.jac.T @ best.jac)))
    return tuple(
        Factor(
            name=name,
            value=math.exp(value),
            low=math.exp(value - 1.96 * error),
            high=math.exp(value + 1.96 * error),
            determined=bool(error < DETERMINED * PRIOR_SIGMA[name]),
        )
        for name, value, error in zip(GROUPS, best.x, spread, strict=True)
    )


def device_bound(stage: Mapping[str, Any]) -> bool:
    """Whether the device set the pace of a stage, by the row's own record.

    The host returned early from its calls, or it was so far ahead at their end that it must have
    waited for room in the queue: its seconds then hold those of waiting. A row that does not say
    counts as one whose device did.
    """
    call_s, host_s, lag_s = (stage.get(name) for name in ("call_s", "host_s", "lag_s"))
    if not call_s or host_s is None:
        return True
    return bool(host_s < HOST_SHARE * call_s or (lag_s or 0.0) > LAG_SHARE * call_s)


def _targets(seen: Features, np: Any) -> tuple[tuple[Any, Any], ...]:
    """Measured seconds, joules and clocks by (row, stage), each with what it counts: 0 where it is
    unknown.

    Rows of one model count as one model: many rows of one must not drown the others.
    """
    shape = (len(seen.rows), len(STAGES))
    (seconds, sure_s), (joules, sure_j), (clocks, sure_c) = found = tuple(
        (np.zeros(shape), np.zeros(shape)) for _ in range(3)
    )
    models = [row["model"] for row in seen.rows]
    for i, row in enumerate(seen.rows):
        worth = 1 / math.sqrt(max(1, models.count(row["model"]) / 4))
        for stage, noise in NOISE.items():
            known, j = row["stages"].get(stage), STAGES.index(stage)
            if known is None:
                continue
            bound = device_bound(known)
            seconds[i, j] = known["latency_s"]
            sure_s[i, j] = worth / (noise if bound else HOST_NOISE)
            wh = known["energy_wh"]["gpu"]
            if wh:
                joules[i, j] = wh * 3600
                sure_j[i, j] = worth / (max(ENERGY_NOISE, noise) if bound else HOST_NOISE)
        clock = _clock(row)
        if clock:
            j = STAGES.index("denoiser")
            clocks[i, j], sure_c[i, j] = clock, worth / CLOCK_NOISE
    return found


def _clock(row: Row) -> float | None:
    """Mean share of the greatest clock over the denoiser, where a window held little else."""
    conditions = row["conditions"]
    seen, highest = conditions.get("clock_mhz"), conditions.get("max_sm_clock_mhz")
    steady = row.get("protocol") == "sampled" and device_bound(row["stages"]["denoiser"])
    return float(seen["mean"]) / float(highest) if seen and highest and steady else None


def _unseen(seen: Features, physics: Physics) -> dict[str, Any]:
    """Intervals of a model that was not fitted: each left out in turn, measured over predicted."""
    models = sorted({row["model"] for row in seen.rows})
    if len(models) < FEWEST_MODELS:
        return {"latency": ALONE, "energy": ALONE}
    ratios: dict[str, list[float]] = {"latency": [], "energy": []}
    for name in models:
        inside = [i for i, row in enumerate(seen.rows) if row["model"] != name]
        outside = [i for i, row in enumerate(seen.rows) if row["model"] == name]
        fitted = {f.name: f.value for f in fit_factors(seen.only(inside), physics)}
        late, spent = _ratios(seen.only(outside), physics, fitted)
        ratios["latency"].append(_mean(late))
        ratios["energy"].append(_mean(spent))
    return {quantity: student_spread(values) for quantity, values in ratios.items()}


def _mean(ratios: Sequence[float]) -> float:
    """Geometric."""
    return math.exp(sum(map(math.log, ratios)) / len(ratios))


def _ratios(
    seen: Features, physics: Physics, factors: Mapping[str, float]
) -> tuple[list[float], list[float]]:
    """Measured over predicted seconds of the stages, and joules of the whole, row by row."""
    found = seen.stages(physics, factors)
    late, spent = [], []
    for index, row in enumerate(seen.rows):
        known = [row["stages"].get(stage, {}).get("latency_s", 0.0) for stage in STAGES]
        late.append(sum(known) / float(found.seconds[index].sum()))
        wh = row["energy_wh"]["gpu"]
        if wh:
            rest_j = (row["latency_s"] - sum(known)) * physics.power.static_w
            spent.append(wh / joules_to_wh(float(found.joules[index].sum()) + rest_j))
    return late, spent


def _profile(
    bench: Bench, rows: Sequence[Row], physics: Physics, spread: Mapping[str, Any], label: str
) -> dict[str, Any]:
    known = bench["conditions"]
    names = ("gpu_name", "driver", "torch", "cuda", "cudnn", "diffusers", "power_limit_w")
    models = sorted({row["model"] for row in rows})
    rest_s = sorted(row["stages"]["other"]["latency_s"] for row in rows) or [0.5]
    told = f"{len(rows)} rows of {len(models)} models" if rows else "no rows"
    return {
        "label": label or "learned from a microbench" + (" and rows" if rows else ""),
        "kind": "learned",
        "gpu": find_gpu(bench["device"]).name,
        "stack": f"torch {known.get('torch')}, driver {known.get('driver')}",
        "data": f"microbench of {bench['taken_at'][:10]}; {told}",
        "warning": "" if rows else "learned from a microbench alone: no video was measured",
        "seen": models,
        "fingerprint": {name: known.get(name) for name in names},
        "host": {"seconds_per_video": rest_s[len(rest_s) // 2]},
        "spread": {"seen": spread, "unseen": spread},
        "physics": table_of(physics),
    }
