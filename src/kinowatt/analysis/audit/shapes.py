"""Shapes of sweeps: steps that are not linear, staircases posed as distinct rows."""

import math
from collections.abc import Iterator, Sequence
from itertools import combinations
from statistics import median

from kinowatt.analysis.audit import thresholds as at
from kinowatt.analysis.audit.case import Case, Row, grouped, lines
from kinowatt.analysis.audit.flags import Flag
from kinowatt.analysis.audit.levels import Level
from kinowatt.analysis.audit.registry import detector

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
    "three or more pairs of labels of frames with equal FLOPs, and equal settings besides",
)
def staircase(case: Case) -> Iterator[Flag]:
    for level in case.levels:
        for rows in grouped(level.rows, lambda row: _without(row, "frames")).values():
            yield from _plateaus(level, rows)


def _plateaus(level: Level, rows: Sequence[Row]) -> Iterator[Flag]:
    flops = {item.row.line: item.forecast.flops for item in level.standings}
    groups = grouped(
        (row for row in rows if row.line in flops), lambda row: round(flops[row.line], -3)
    )
    shared = [
        group
        for group in groups.values()
        if len({row.claim.workload.get("frames") for row in group}) > 1
    ]
    extra = sum(len({row.claim.workload.get("frames") for row in g}) - 1 for g in shared)
    if extra >= 3:
        labels = {row.claim.workload.get("frames") for row in rows}
        spread = median(
            max(row.latency_s for row in g) / min(row.latency_s for row in g) - 1 for g in shared
        )
        yield Flag(
            kind="staircase",
            severity="warning",
            what=f"{len(labels)} labels of frames are {len(groups)} distinct videos",
            lines=tuple(sorted(line for group in shared for line in lines(group))),
            evidence={"labels": len(labels), "distinct": len(groups), "spread_inside": spread},
            suggestion="keep one row of each, labelled with the frames that the pipeline runs",
        )
