"""Shapes of sweeps: steps that are not linear, staircases posed as distinct rows."""

import math
from collections.abc import Iterator, Sequence
from itertools import combinations
from statistics import median

from kinowatt.analysis.audit import thresholds as at
from kinowatt.analysis.audit.case import Case, Row, grouped, positive
from kinowatt.analysis.audit.flags import Flag
from kinowatt.analysis.audit.forecasts import Where, complete, profiles_of
from kinowatt.analysis.audit.registry import detector
from kinowatt.analysis.predict import DEFAULT_GPU
from kinowatt.formats.claims import Claim

LEAST_POINTS = 5
MOST_POINTS = 40  # that a robust line is sought through, evenly out of a sweep


def _without(row: Row, name: str) -> tuple[object, ...]:
    work = tuple(sorted((k, v) for k, v in row.claim.workload.items() if k != name))
    return (row.claim.model, row.claim.gpu, work, row.options)


@detector(
    "nonlinear-steps",
    "time that is not linear in steps",
    f"off the line of most rows by more than {at.STEPS_LINEAR:.0%} and {at.SHORT_S:g} s, over "
    f"{LEAST_POINTS} or more step counts at equal settings",
)
def nonlinear(case: Case) -> Iterator[Flag]:
    known = [row for row in case.rows if "steps" in row.claim.workload]
    for rows in grouped(known, lambda row: _without(row, "steps")).values():
        points = [(row.claim.workload["steps"], row.latency_s) for row in rows]
        if len({steps for steps, _ in points}) < LEAST_POINTS:
            continue
        fixed, per_step = _line(points)
        if per_step <= 0:
            continue
        for row, (steps, seconds) in zip(rows, points, strict=True):
            off = seconds - fixed - per_step * steps
            if abs(off) > math.hypot(at.STEPS_LINEAR * seconds, at.SHORT_S):
                yield Flag(
                    kind="nonlinear-steps",
                    severity="warning",
                    what="off the line in steps that the other rows lie on",
                    lines=(row.line,),
                    evidence={"latency_s": seconds, "on_the_line_s": seconds - off},
                    suggestion="another clock or setting, or a wrong count of steps: measure again",
                )


def _line(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The line through two points from which half of the others are least off, relatively."""
    few = sorted(points)[:: max(1, len(points) // MOST_POINTS)]
    pairs = [pair for pair in combinations(few, 2) if pair[0][0] != pair[1][0]]
    best = (math.inf, 0.0, 0.0)
    for (x, y), (u, v) in pairs:
        slope = (v - y) / (u - x)
        fixed = y - slope * x
        off = median(abs(t - fixed - slope * s) / t for s, t in points)
        best = min(best, (off, fixed, slope))
    return best[1], best[2]


@detector(
    "staircase",
    "labels that differ where the pipeline runs the same, posed as distinct rows",
    "three or more labels of frames that run as another one does, at equal settings besides; rows "
    "without a time count",
)
def staircase(case: Case) -> Iterator[Flag]:
    known = [claim for claim in case.claims if claim.model and "frames" in claim.workload]
    sweeps: dict[object, list[Claim]] = {}
    for claim in known:
        rest = tuple(sorted((k, v) for k, v in claim.workload.items() if k != "frames"))
        sweeps.setdefault((claim.model, claim.gpu, rest), []).append(claim)
    for claims in sweeps.values():
        yield from _plateaus(case, claims)


def _plateaus(case: Case, claims: Sequence[Claim]) -> Iterator[Flag]:
    groups: dict[float, list[Claim]] = {}
    for claim, flops in zip(claims, _flops(case, claims), strict=True):
        if flops is not None:
            groups.setdefault(round(flops, -3), []).append(claim)
    shared = [group for group in groups.values() if len(_labels(group)) > 1]
    if sum(len(_labels(group)) - 1 for group in shared) < 3:
        return
    yield Flag(
        kind="staircase",
        severity="warning",
        what=f"{len(_labels(claims))} labels of frames are {len(groups)} distinct videos",
        lines=tuple(sorted(claim.line for group in shared for claim in group)),
        evidence={
            "labels": len(_labels(claims)),
            "distinct": len(groups),
            "spread_inside": _spread(shared),
        },
        suggestion="keep one row of each, labelled with the frames that the pipeline runs",
    )


def _labels(claims: Sequence[Claim]) -> set[float]:
    return {claim.workload["frames"] for claim in claims}


def _flops(case: Case, claims: Sequence[Claim]) -> list[float | None]:
    """What each claim computes; the same on any GPU."""
    model, gpu = claims[0].model or "", claims[0].gpu or DEFAULT_GPU
    where = Where(model=model, gpu=gpu, profile=profiles_of(gpu)[0])
    found = case.forecaster.many(where, [complete(model, claim.workload)[0] for claim in claims])
    return [None if forecast is None else forecast.flops for forecast in found]


def _spread(shared: Sequence[Sequence[Claim]]) -> float | None:
    """How far times, else GPU energies, of the same video are apart: largest over smallest."""
    times = [[claim.latency_s for claim in group] for group in shared]
    energies = [[claim.energy_wh.get("gpu") for claim in group] for group in shared]
    for values in (times, energies):
        usable = [[v for v in group if v is not None and positive(v)] for group in values]
        ratios = [max(found) / min(found) - 1 for found in usable if len(found) > 1]
        if ratios:
            return median(ratios)
    return None
