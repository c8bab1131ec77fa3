"""Errors, coverage and widths over some cases."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from kinowatt.analysis.validation.cases import Case

PCT = 100.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Score:
    """Percentages. `mae_pct`: mean of absolute errors over cases; `by_model_pct`: the mean of each
    model's own; `signed_pct`: below 0 where predictions are too low; `worst_pct` with its sign.

    `coverage`: share of cases inside their interval; `half_width_pct`: median half width of the
    95% interval. None where no interval is known.
    """

    n: int
    models: int
    mae_pct: float
    by_model_pct: float
    worst_model_pct: float
    signed_pct: float
    worst_pct: float
    coverage_80: float | None
    coverage_95: float | None
    half_width_pct: float | None


def score(cases: Iterable[Case]) -> Score | None:
    """Of at least one case; None of none."""
    found = list(cases)
    if not found:
        return None
    errors = [PCT * case.error for case in found]
    each = [
        fmean(abs(PCT * c.error) for c in found if c.model == name)
        for name in sorted({case.model for case in found})
    ]
    known = [case for case in found if case.interval is not None]
    return Score(
        n=len(found),
        models=len(each),
        mae_pct=fmean(map(abs, errors)),
        by_model_pct=fmean(each),
        worst_model_pct=max(each),
        signed_pct=fmean(errors),
        worst_pct=max(errors, key=abs),
        coverage_80=_coverage(known, "80"),
        coverage_95=_coverage(known, "95"),
        half_width_pct=median(map(_half_width_pct, known)) if known else None,
    )


def _coverage(cases: Sequence[Case], level: str) -> float | None:
    if not cases:
        return None
    inside = 0
    for case in cases:
        assert case.interval is not None
        low, high = case.interval[level]
        inside += low <= case.measured / case.predicted <= high
    return inside / len(cases)


def _half_width_pct(case: Case) -> float:
    assert case.interval is not None
    low, high = case.interval["95"]
    return PCT * (high - low) / 2
