"""Is time linear in denoising steps? Only whole videos tell: like rows that differ in steps alone."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import linear_regression
from typing import Any

from kinowatt.analysis.own.models import NOTHING
from kinowatt.analysis.own.rows import Group, as_it_comes
from kinowatt.analysis.own.sweeps import MIN_FIT, r_squared
from kinowatt.analysis.tables import Table

BY_STEPS = ("workload.steps", "workload.effective.forward_passes")


@dataclass(frozen=True, kw_only=True, slots=True)
class Ladder:
    """Whole videos of one model, alike in all but steps, fewest steps first; at least two."""

    groups: tuple[Group, ...]

    @property
    def steps(self) -> tuple[int, ...]:
        return tuple(group.first.row["workload"]["steps"] for group in self.groups)


def ladders(groups: Sequence[Group]) -> list[Ladder]:
    """Composed rows are left out, what-ifs, and recipes of several passes (steps do not add up)."""
    found: dict[str, list[Group]] = {}
    for group in groups:
        first = group.first
        if not first.composed and as_it_comes(group) and first.row["recipe"] == "single":
            rest = {key: value for key, value in first.like.items() if key not in BY_STEPS}
            # By its protocol a row may still differ in how often it was timed, not in what ran
            rest.pop("protocol")
            found.setdefault(json.dumps(rest, sort_keys=True), []).append(group)
    made = [Ladder(groups=tuple(sorted(alike, key=_steps))) for alike in found.values()]
    return [ladder for ladder in made if len(set(ladder.steps)) > 1]


def _steps(group: Group) -> int:
    found: int = group.first.row["workload"]["steps"]
    return found


def steps_table(found: Sequence[Ladder]) -> Table:
    rows = tuple(_row(ladder) for ladder in found) or (_empty(),)
    return Table(
        name="measured_steps",
        title="Linear in steps? Whole videos measured by us in 2026 that differ in steps alone",
        columns=tuple(_empty()),
        rows=rows,
        notes=(
            "Least squares through whole videos: seconds and GPU Wh per step, and"
            f" per video besides. R2 from {MIN_FIT} points on: two points lie on any line.",
            "Rows composed from some of their steps never enter: linear by construction.",
        ),
    )


def _empty() -> dict[str, Any]:
    numbers = ("s_per_step", "s_besides", "latency_r2", "wh_per_step", "wh_besides", "energy_r2")
    return {
        "model": "any",
        "workload": "",
        "steps": "",
        "points": 0,
        **dict.fromkeys(numbers),
        "measured_2026": NOTHING,
    }


def _row(ladder: Ladder) -> dict[str, Any]:
    first = ladder.groups[0].first
    work = first.row["workload"]
    seconds = [(_steps(group), group.latency_s.mean) for group in ladder.groups]
    energies = [(_steps(group), group.gpu_wh.mean) for group in ladder.groups if group.gpu_wh]
    return {
        "model": first.row["model"],
        "workload": f"{work['height_px']}×{work['width_px']}×{work['frames']}, {first.row['gpu']}",
        "steps": ", ".join(map(str, ladder.steps)),
        "points": len(set(ladder.steps)),
        **_line("s_per_step", "s_besides", "latency_r2", seconds),
        **_line("wh_per_step", "wh_besides", "energy_r2", energies),
        "measured_2026": f"measured, whole videos; GPU by {first.meter or 'no meter'}",
    }


def _line(
    slope_name: str, start_name: str, r2_name: str, points: Sequence[tuple[int, float]]
) -> dict[str, float | None]:
    x, y = [float(steps) for steps, _ in points], [value for _, value in points]
    if len(set(x)) < 2:
        return dict.fromkeys((slope_name, start_name, r2_name))
    slope, start = linear_regression(x, y)
    r2 = r_squared(x, y) if len(set(x)) >= MIN_FIT else None
    return {slope_name: slope, start_name: start, r2_name: r2}
