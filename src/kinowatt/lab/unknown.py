"""Arithmetic with figures that may be unknown: what a part is missing of stays unknown."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean

from kinowatt.units import joules_to_wh, wh_to_joules


def add(parts: Iterable[float | None]) -> float | None:
    """A sum that is unknown where a part is."""
    total = 0.0
    for part in parts:
        if part is None:
            return None
        total += part
    return total


def times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def wh(energy_j: float | None) -> float | None:
    """Joules to watt-hours."""
    return None if energy_j is None else joules_to_wh(energy_j)


def power_w(energy_wh: float | None, seconds: float) -> float | None:
    """Mean power of an energy over its time."""
    return None if energy_wh is None else wh_to_joules(energy_wh) / seconds


def mean_by_stage(each: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Mean of each stage over calls or runs that all have the same stages."""
    return {stage: fmean(stages[stage] for stages in each) for stage in each[0]}
