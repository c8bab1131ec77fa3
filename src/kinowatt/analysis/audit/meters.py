"""Constants that pose as measurements."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from kinowatt.analysis.audit import thresholds as at
from kinowatt.analysis.audit.case import Case, Row, lines, positive
from kinowatt.analysis.audit.flags import Flag
from kinowatt.analysis.audit.registry import detector
from kinowatt.units import joules_to_wh, wh_to_joules

SCOPES = ("ram", "cpu", "gpu")
LEAST_ROWS = 5
LEAST_RANGE = 1.3  # longest over shortest time: over less, any power is constant
# What CodeCarbon takes for memory: 5 W a module up to four, 90% of it for modules five to eight
MODULES_W = {
    38.0: " (8 modules of CodeCarbon 3's model of memory)",
    20.0: " (4 modules of CodeCarbon 3's model of memory)",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """energy = power x (time + window): the watts, the seconds that a tracker ran longer."""

    power_w: float
    window_s: float
    off: float  # median relative deviation from the line


@detector(
    "constant",
    "constant power times time, posing as a measurement",
    f"CPU or RAM energy within {at.CONSTANT:.1%} of a constant power (GPU: {at.CONSTANT_GPU:.2%}) over "
    f"{LEAST_ROWS} rows whose times differ by {LEAST_RANGE:g}x; the tracker may run up to "
    f"{at.WINDOW_S:g} s longer than the work",
)
def constant(case: Case) -> Iterator[Flag]:
    for scope in SCOPES:
        rows = [
            row
            for row in case.rows
            if positive(row.claim.energy_wh.get(scope)) and scope not in row.claim.modelled
        ]
        found = _line(rows, scope)
        limit = at.CONSTANT_GPU if scope == "gpu" else at.CONSTANT
        if found is None or found.off > limit:
            continue
        known = MODULES_W.get(round(found.power_w, 1), "")
        yield Flag(
            kind="constant",
            severity="warning",
            what=f"{scope.upper()} energy is a constant {found.power_w:.1f} W times the time",
            lines=lines(rows),
            evidence={
                "power_w": found.power_w,
                "window_longer_s": found.window_s,
                "relative_deviation": found.off,
            },
            suggestion=f"call it modelled{known}; it says nothing about the work",
        )


def _line(rows: Sequence[Row], scope: str) -> Line | None:
    """The constant power and window under which the rows lie closest, by pairs far apart."""
    points = sorted((row.latency_s, wh_to_joules(row.claim.energy_wh[scope])) for row in rows)
    points = [
        point for index, point in enumerate(points) if index == 0 or point != points[index - 1]
    ]
    if len(points) < LEAST_ROWS or points[-1][0] < LEAST_RANGE * points[0][0]:
        return None
    half = len(points) // 2
    slopes = [
        (y - v) / (x - u)
        for (u, v), (x, y) in zip(points[:half], points[-half:], strict=True)
        if x > u
    ]
    power = median(slopes)
    window = median(y / power - x for x, y in points) if power > 0 else math.nan
    if not (power > 0 and -0.05 <= window <= at.WINDOW_S):
        return None
    window = window if window > 1e-6 else 0.0
    off = median(max(abs(y / (power * (x + window)) - 1) - _rounding(y), 0.0) for x, y in points)
    return Line(power_w=power, window_s=window, off=off)


def _rounding(energy_j: float) -> float:
    """Half of the last digit of an energy in Wh that is written with three decimals, relative."""
    energy = joules_to_wh(energy_j)
    return 0.0005 / energy if abs(energy - round(energy, 3)) < 1e-9 else 0.0
