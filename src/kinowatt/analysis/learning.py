"""A GPU's profile from its microbench, and from rows of whole videos where there are any.

The microbench gives every law; rows fit a few factors on top (`factors.py`), and say how far a
model, a configuration or a call-bound video that was left out is missed (`intervals.py`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from kinowatt.analysis.bench_physics import Bench, physics_of_bench
from kinowatt.analysis.factors import TELLS, Factor, fit_factors
from kinowatt.analysis.features import Features, Row, features
from kinowatt.analysis.held_out import (
    AfterWork,
    HeldOut,
    configuration,
    fit_after_work,
    left_out,
    megapixels,
    model,
    predicted_by,
)
from kinowatt.analysis.intervals import spread
from kinowatt.errors import InputError, require_extra
from kinowatt.facts.gpus import gpu as find_gpu
from kinowatt.facts.throttling import bench_fault, row_faults, shown
from kinowatt.theory.physics import Physics, table_of
from kinowatt.theory.profile import sizes

FEWEST_MODELS = 3  # to know how far a model that was left out is missed
# Measured over predicted of seven models on one H100 by its microbench alone (November 2026)
ALONE = {"80": (0.9, 1.3), "95": (0.8, 1.5)}
BARE = AfterWork(base_s=0.02, megapixel_s=0.025)  # the medians of the same rows


@dataclass(frozen=True, kw_only=True, slots=True)
class Learned:
    """A profile as its file holds it, and how it came."""

    profile: Mapping[str, Any]
    factors: tuple[Factor, ...]
    used: int
    left_out: tuple[tuple[int, str], ...]
    advice: tuple[str, ...] = ()


def learn(bench: Bench, rows: Sequence[Row] = (), label: str = "") -> Learned:
    """Learns a profile; `InputError` in one line where that cannot be done.

    `bench`: a `Microbench` as a mapping. `rows`: measurements as mappings, of the same GPU and
    software.
    """
    if wrong := bench_fault(bench):
        raise InputError(f"no profile is learned from this microbench: {wrong}")
    physics = physics_of_bench(bench)
    taken, unlike = like_bench(bench, rows)
    if not taken:
        return Learned(profile=_alone(bench, physics, label), factors=(), used=0, left_out=unlike)
    seen = features([rows[index] for index in taken], physics)
    factors = fit_factors(seen, physics)
    fitted = replace(physics, factors={factor.name: factor.value for factor in factors})
    changed = features([rows[index] for index in of_other_kernels(bench, rows)], physics)
    profile = _profile(bench, fitted, label) | _by_rows(seen, changed, physics)
    return Learned(
        profile=profile,
        factors=factors,
        used=len(taken),
        left_out=unlike,
        advice=tuple(_advice(seen, factors)),
    )


def _advice(seen: Features, factors: Sequence[Factor]) -> Iterator[str]:
    """What to measure next, a line for each thing that these rows leave open."""
    models = {*map(model, seen.rows)}
    if len(models) < FEWEST_MODELS:
        yield (
            f"rows of {len(models)} model{'s' if len(models) > 1 else ''}: how far another one is"
            f" missed is that of a microbench alone; measure {FEWEST_MODELS} models or more"
        )
    for factor in factors:
        if not factor.determined:
            yield f"{factor.name} is not determined by these rows: measure {TELLS[factor.name]}"


def like_bench(bench: Bench, rows: Sequence[Row]) -> tuple[list[int], tuple[tuple[int, str], ...]]:
    """Rows of the microbench's GPU and software that may teach, and why the others may not.

    A row that a fault of its GPU slowed (heat, its supply) never teaches.
    """
    taken, unlike = [], []
    for index, row in enumerate(rows):
        reasons = [*_unlike(bench, row), *_kernels(row)]
        if reasons:
            unlike.append((index, "; ".join(reasons)))
        else:
            taken.append(index)
    if rows and not taken:
        raise InputError(
            f"no row is of the microbench's GPU and software, and sound: {unlike[0][1]}"
        )
    return taken, tuple(unlike)


def of_other_kernels(bench: Bench, rows: Sequence[Row]) -> list[int]:
    """Rows of the microbench's GPU and software that differ in their kernels alone."""
    return [i for i, row in enumerate(rows) if [*_kernels(row)] and not [*_unlike(bench, row)]]


def _unlike(bench: Bench, row: Row) -> Iterator[str]:
    known, conditions = bench["conditions"], row["conditions"]
    if found := row_faults(row):
        yield f"the GPU was throttled ({shown(found)})"
    for name in ("gpu_name", "torch", "cudnn", "power_limit_w"):
        if conditions.get(name) != known.get(name):
            yield f"{name} {conditions.get(name)}, the microbench has {known.get(name)}"
    for name, usual in (("offload", "none"), ("twin", False)):
        if conditions.get(name) != usual:
            yield f"{name} {conditions.get(name)}"


def _kernels(row: Row) -> Iterator[str]:
    conditions = row["conditions"]
    if conditions.get("compile") != "none":
        yield f"compile {conditions.get('compile')}"
    if conditions.get("attention_backend") not in (None, "default"):
        yield f"attention {conditions['attention_backend']}"


def _profile(bench: Bench, physics: Physics, label: str) -> dict[str, Any]:
    """What every learned profile has, whether rows taught it or not."""
    known = bench["conditions"]
    names = ("gpu_name", "driver", "torch", "cuda", "cudnn", "diffusers", "power_limit_w")
    return {
        "label": label or "learned from a microbench",
        "kind": "learned",
        "gpu": find_gpu(bench["device"]).name,
        "stack": f"torch {known.get('torch')}, driver {known.get('driver')}",
        "data": f"microbench of {bench['taken_at'][:10]}",
        "warning": "",
        "seen": [],
        "fingerprint": {name: known.get(name) for name in names},
        "physics": table_of(physics),
    }


def _alone(bench: Bench, physics: Physics, label: str) -> dict[str, Any]:
    whole = {"latency": ALONE, "energy": ALONE}
    return _profile(bench, physics, label) | {
        "warning": "learned from a microbench alone: no video was measured",
        "host": _host(BARE),
        "spread": {"seen": whole, "unseen": whole},
    }


def _host(after: AfterWork) -> dict[str, float]:
    return {"seconds_per_video": after.base_s, "seconds_per_megapixel": after.megapixel_s}


def _by_rows(seen: Features, changed: Features, physics: Physics) -> dict[str, Any]:
    """What only rows tell: models seen, their range, and how far what was left out is missed."""
    rows = seen.rows
    models = sorted({row["model"] for row in rows})
    reached = [
        sizes(tokens=row["workload"]["effective"]["tokens"], megapixels=megapixels(row))
        for row in rows
    ]
    return {
        "seen": models,
        "data": f"microbench and {len(rows)} rows of {len(models)} models",
        "host": _host(fit_after_work(rows)),
        "ranges": {
            name: [float(end(each[name] for each in reached)) for end in (min, max)]
            for name in reached[0]
        },
        "spread": _with_changed(spreads(seen, physics), seen, changed, physics),
    }


def spreads(seen: Features, physics: Physics) -> dict[str, Any]:
    """Intervals by scope: configurations left out, models left out, and calls that the host paces.

    With fewer than three models nobody knows how far another one is missed: the microbench's own.
    """
    several = len({*map(model, seen.rows)}) >= FEWEST_MODELS
    by_model = left_out(seen, physics, model) if several else None
    by_configuration = left_out(seen, physics, configuration)
    alone = {"latency": ALONE, "energy": ALONE}
    found = {
        "seen": scope_of(seen, by_configuration, paced=True),
        "unseen": scope_of(seen, by_model, paced=True) if by_model else alone,
        "call_bound": scope_of(seen, by_model or by_configuration, paced=False),
    }
    return {scope: {**alone, **quantities} for scope, quantities in found.items()}


def _with_changed(
    known: dict[str, Any], seen: Features, changed: Features, physics: Physics
) -> dict[str, Any]:
    """And how far rows with other kernels are missed by the fit on the usual ones, where models tell;
    never surer than of the usual kernels."""
    if len({*map(model, changed.rows)}) < FEWEST_MODELS:
        return known
    found = scope_of(changed, predicted_by(seen, changed, physics), paced=True)
    wider = {
        quantity: {
            level: max(ends, found.get(quantity, {}).get(level, ends), key=lambda pair: pair[1])
            for level, ends in levels.items()
        }
        for quantity, levels in known["seen"].items()
    }
    return known | {"changed": wider}


def scope_of(seen: Features, found: HeldOut, paced: bool) -> dict[str, Any]:
    """`paced`: of videos whose denoiser the GPU paced, or of those whose host did."""
    ratios = log_ratios(seen, found)
    known: dict[str, dict[str, list[float]]] = {}
    for row, bound, each in zip(seen.rows, seen.gpu_bound[:, 1], ratios, strict=True):
        for quantity, value in each.items():
            if bool(bound) == paced and value is not None:
                known.setdefault(quantity, {}).setdefault(row["model"], []).append(value)
    return {quantity: spread(errors) for quantity, errors in known.items()}


def log_ratios(seen: Features, found: HeldOut) -> list[dict[str, float | None]]:
    """Logarithms of measured over predicted seconds and GPU energy of whole calls, row by row."""
    np: Any = require_extra("learn", "numpy")
    late = np.log([row["latency_s"] for row in seen.rows]) - np.log(found.latency_s)
    spent = [
        float(np.log(wh / guess)) if (wh := row["energy_wh"]["gpu"]) else None
        for row, guess in zip(seen.rows, found.energy_wh, strict=True)
    ]
    return [{"latency": float(a), "energy": b} for a, b in zip(late, spent, strict=True)]
