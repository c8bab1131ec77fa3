"""Rows predicted by a profile that never saw them, in several ways of leaving out."""

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from kinowatt.analysis.factors import Factor, fit_factors
from kinowatt.analysis.features import STAGES, Features, Row, Stages, features
from kinowatt.errors import InputError, require_extra
from kinowatt.facts.profiles import GpuProfile
from kinowatt.theory.physics import Physics, physics_of
from kinowatt.units import joules_to_wh

FAMILIES = {"wan2.1-t2v-1.3b": "wan", "wan2.1-t2v-14b": "wan"}
FAMILIES |= {"cogvideox-2b": "cogvideox", "cogvideox-5b": "cogvideox"}
MOST_FITS = 100
_WORK = ("height_px", "width_px", "frames", "tokens", "sequences_per_pass")
_RAN = ("tiling", "offload", "attention_backend", "compile")


@dataclass(frozen=True, kw_only=True, slots=True)
class AfterWork:
    """Seconds that a call takes besides its stages: some, and some for each megapixel made."""

    base_s: float
    megapixel_s: float

    def seconds(self, row: Row) -> float:
        return self.base_s + self.megapixel_s * megapixels(row)


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldOut:
    """By row: seconds and joules of the stages, and of the whole call, by fits without that row.

    `stages`: (rows, stages). `latency_s`, `energy_wh`: (rows).
    """

    stages: Stages
    latency_s: Any
    energy_wh: Any


def configuration(row: Row) -> Hashable:
    """What a forward depends on; rows that differ in steps alone are one configuration."""
    effective, conditions = row["workload"]["effective"], row["conditions"]
    ran = tuple(conditions.get(name) for name in _RAN)
    work = tuple(effective[name] for name in _WORK)
    return (row["model"], row["recipe"], *work, row["workload"]["batch_size"], *ran)


def model(row: Row) -> str:
    return str(row["model"])


def family(row: Row) -> str:
    return FAMILIES.get(row["model"], str(row["model"]))


def megapixels(row: Row) -> float:
    """Of all frames of all videos that came out."""
    ran = row["workload"]["effective"]
    pixels = ran["frames"] * ran["height_px"] * ran["width_px"]
    return float(pixels * row["workload"].get("batch_size", 1) / 1e6)


def fit_after_work(rows: Sequence[Row]) -> AfterWork:
    """The line through what rows took besides their stages, least in relative errors' amount."""
    optimize: Any = require_extra("learn", "scipy.optimize")
    known = [(megapixels(r), r["stages"]["other"]["latency_s"]) for r in rows]
    known = [(size, seconds) for size, seconds in known if seconds > 0]
    if not known:
        return AfterWork(base_s=0.0, megapixel_s=0.0)
    each = median(seconds / max(size, 1.0) for size, seconds in known)

    def off(logs: Any) -> list[float]:
        base, slope = map(math.exp, logs)
        return [math.log((base + slope * size) / seconds) for size, seconds in known]

    start = [math.log(0.02), math.log(each)]
    base, slope = optimize.least_squares(off, start, loss="soft_l1", f_scale=0.2).x
    return AfterWork(base_s=math.exp(base), megapixel_s=math.exp(slope))


def in_sample(seen: Features, physics: Physics) -> HeldOut:
    """By the fit on all rows: how well the form fits, not how well it predicts."""
    return predicted_by(seen, seen, physics)


def microbench_only(seen: Features, physics: Physics) -> HeldOut:
    """By the microbench alone; what comes after the stages is not in it and counts as the rows'."""
    return by_factors(seen, physics, {}, fit_after_work(seen.rows))


def left_out(seen: Features, physics: Physics, label: Callable[[Row], Hashable]) -> HeldOut:
    """Every group of rows with one label by the fit on all others.

    Of more than `MOST_FITS` labels several are left out together, which is no easier for a profile.
    """
    np: Any = require_extra("learn", "numpy")
    labels = [label(row) for row in seen.rows]
    n = len(labels)
    columns = {name: np.zeros((n, len(STAGES))) for name in ("seconds", "joules", "clock")}
    whole = {name: np.zeros(n) for name in ("latency_s", "energy_wh")}
    start = fit_factors(seen, physics)
    part_of = {each: k % MOST_FITS for k, each in enumerate(dict.fromkeys(labels))}
    for part in range(min(MOST_FITS, len(part_of))):
        outside = [i for i in range(n) if part_of[labels[i]] == part]
        inside = [i for i in range(n) if part_of[labels[i]] != part]
        found = predicted_by(seen.only(inside), seen.only(outside), physics, start)
        for name, column in columns.items():
            column[outside] = getattr(found.stages, name)
        for name, column in whole.items():
            column[outside] = getattr(found, name)
    return HeldOut(stages=Stages(**columns), **whole)


def predicted_by(
    taught: Features, asked: Features, physics: Physics, start: Sequence[Factor] = ()
) -> HeldOut:
    """Some rows by the fit on others; `start`: where its search begins."""
    fitted = fit_factors(taught, physics, start=start)
    factors = {factor.name: factor.value for factor in fitted}
    return by_factors(asked, physics, factors, fit_after_work(taught.rows))


def by_profile(rows: Sequence[Row], profile: GpuProfile) -> tuple[Features, HeldOut]:
    """Rows by a profile that has laws, as it stands."""
    if profile.physics is None:
        raise InputError(f"profile {profile.name} has no laws")
    physics = physics_of(profile.physics)
    seen = features(rows, physics)
    after = AfterWork(base_s=profile.host_s_per_video, megapixel_s=profile.host_s_per_megapixel)
    return seen, by_factors(seen, physics, physics.factors, after)


def by_factors(
    seen: Features, physics: Physics, factors: Mapping[str, float], after: AfterWork
) -> HeldOut:
    """Rows by given factors, and by what comes after their stages."""
    np: Any = require_extra("learn", "numpy")
    stages = seen.stages(physics, factors)
    rest_s = np.array([after.seconds(row) for row in seen.rows])
    joules = stages.joules.sum(axis=1) + rest_s * physics.power.static_w
    return HeldOut(
        stages=stages,
        latency_s=stages.seconds.sum(axis=1) + rest_s,
        energy_wh=joules_to_wh(joules),
    )
