"""Rows of a model on a GPU against predictions: the file's own level, outlying rows, and causes."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from kinowatt.analysis.audit import thresholds as at
from kinowatt.analysis.audit.case import Case, Row, grouped
from kinowatt.analysis.audit.flags import Cause
from kinowatt.analysis.audit.forecasts import Forecast, Where, profiles_of
from kinowatt.analysis.audit.hypotheses import LABELS, Hypothesis
from kinowatt.analysis.audit.search import (
    SAMPLE,
    Expectation,
    Fit,
    all_hypotheses,
    explain,
    free_steps,
    prepare,
    stated,
)
from kinowatt.units import wh_to_joules

SUSPECT = 1.96
SHOWN = 5  # causes


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """One row about its prediction, less the level: logarithms of time and of power."""

    row: Row
    forecast: Forecast
    time: float
    power: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """Rows that their labels do not explain, with causes, the likeliest first (or none)."""

    rows: tuple[Row, ...]
    causes: tuple[Cause, ...]
    off: float  # measured over what the labels predict, of the median row
    profile: str  # by which the labels were judged


@dataclass(frozen=True, kw_only=True, slots=True)
class Level:
    """Rows of a model on a GPU, judged by one profile.

    `time`, `power`: logarithms of the level of the file above the profile. `own_level`: whether
    the file has enough settings to have one. `off_stack`: the level is another software stack's.
    """

    model: str
    gpu: str
    profile: str
    rows: tuple[Row, ...]
    standings: tuple[Standing, ...]
    time: float
    power: float
    scatter: float
    own_level: bool
    off_stack: bool
    verdicts: tuple[Verdict, ...]


def levels(case: Case) -> tuple[Level, ...]:
    """A level for each model and GPU with enough settings, else for each setting by itself.

    Rows of a GPU whose driver told of a fault have none: `throttled` says why they are slow.
    """
    known = [
        row
        for row in case.rows
        if row.settings is not None and row.claim.gpu and not row.claim.throttled
    ]
    found: list[Level] = []
    for rows in grouped(known, lambda row: (row.claim.model, row.claim.gpu)).values():
        groups = grouped(rows, lambda row: row.key)
        parts = [rows] if len(groups) >= at.LEVELLED else list(groups.values())
        found += [level for part in parts if (level := _level(case, part)) is not None]
    return tuple(found)


def _level(case: Case, rows: Sequence[Row]) -> Level | None:
    gpu = rows[0].claim.gpu or ""
    profiles = (case.profile,) if case.profile else profiles_of(gpu)
    sample = _sample(rows)
    prepare(case.forecaster, rows, (LABELS,), profiles)
    labels = _by_profile(case, sample, profiles)
    if not labels:
        return None
    best = max(labels, key=lambda fit: fit.score)
    causes = _causes(case, sample, profiles, best.score) if _suspect(best) else ()
    if causes:
        told = _told(causes, best.score)
        whole = Verdict(
            rows=tuple(rows), causes=told, off=math.exp(best.time), profile=best.profile
        )
        return _standing_level(case, rows, causes[0], (whole,))
    return _standing_level(case, rows, best, ())


def _sample(rows: Sequence[Row]) -> list[Row]:
    """The median row of each setting, at most a dozen evenly out of a sweep."""
    found = [
        sorted(group, key=lambda row: row.latency_s)[len(group) // 2]
        for group in grouped(rows, lambda row: row.key).values()
    ]
    found.sort(key=lambda row: row.latency_s)
    if len(found) <= SAMPLE:
        return found
    return [found[round(i * (len(found) - 1) / (SAMPLE - 1))] for i in range(SAMPLE)]


def _by_profile(case: Case, sample: Sequence[Row], profiles: Sequence[str]) -> list[Fit]:
    return [
        fit for name in profiles for fit in explain(case.forecaster, sample, (LABELS,), (name,))
    ]


def _suspect(fit: Fit) -> bool:
    """Whether the labels are outside of the profile's 95% interval, widened between labs."""
    power = fit.power is not None and abs(fit.power) > 2 * SUSPECT * fit.power_sigma
    return power or abs(fit.time) > SUSPECT * fit.sigma or fit.scatter > at.WILD


def _causes(
    case: Case, sample: Sequence[Row], profiles: Sequence[str], plain: float
) -> tuple[Fit, ...]:
    """Hypotheses that are likelier than the labels by the odds that a flag needs."""
    model, gpu = sample[0].claim.model or "", sample[0].claim.gpu or ""
    tried = list(all_hypotheses(model, gpu)[1:])
    if len(sample) == 1 and (free := free_steps(case.forecaster, sample[0], profiles)):
        tried.append(free)
    prepare(case.forecaster, sample, tried, profiles)
    return _likelier(explain(case.forecaster, sample, tried, profiles), plain)


def _likelier(fits: Sequence[Fit], plain: float) -> tuple[Fit, ...]:
    if not fits or fits[0].score - plain < at.ODDS:
        return ()
    return tuple(fit for fit in fits if fit.score > plain)


def _told(fits: Sequence[Fit], plain: float) -> tuple[Cause, ...]:
    return tuple(
        Cause(
            words=fit.hypothesis.words,
            kind=fit.hypothesis.kind,
            settings=_differing(fit),
            profile=fit.profile,
            predicted_s=fit.predicted_s,
            measured_s=fit.measured_s,
            log_odds=fit.score - plain,
        )
        for fit in fits[:SHOWN]
    )


def _differing(fit: Fit) -> dict[str, Any]:
    """Settings of a hypothesis that are not those of the labels."""
    hypothesis = fit.hypothesis
    changes = {k: v for k, v in hypothesis.changes.items() if v != fit.labelled.get(k)}
    names = {"model": hypothesis.model, "gpu": hypothesis.gpu}
    named = {name: value for name, value in names.items() if value is not None}
    return {**changes, **hypothesis.options, **named}


def _standing_level(
    case: Case,
    rows: Sequence[Row],
    fit: Fit,
    whole: tuple[Verdict, ...],
) -> Level:
    prepare(case.forecaster, rows, (fit.hypothesis,), (fit.profile,))
    raw = list(_standings(case, rows, fit.profile, fit.hypothesis))
    groups = grouped((item.row for item in raw), lambda row: row.key)
    by_line = {item.row.line: item.time for item in raw}
    time = median(median(by_line[row.line] for row in group) for group in groups.values())
    powers = [item.power for item in raw if item.power is not None]
    power = median(powers) if powers else 0.0
    standings = tuple(_about(item, time, power) for item in raw)
    scatter = max(1.4826 * median(abs(item.time) for item in standings), at.SCATTER)
    own = len(groups) >= at.LEVELLED
    verdicts = list(whole)
    if own:
        about = Expectation(time=time, power=power)
        base = Base(profile=fit.profile, about=about, scatter=scatter, chosen=fit.hypothesis)
        verdicts += _outliers(case, standings, base)
    return Level(
        model=rows[0].claim.model or "",
        gpu=rows[0].claim.gpu or "",
        profile=fit.profile,
        rows=tuple(rows),
        standings=standings,
        time=time,
        power=power,
        scatter=scatter,
        own_level=own,
        off_stack=fit.off_stack and not whole,
        verdicts=tuple(verdicts),
    )


def _about(item: Standing, time: float, power: float) -> Standing:
    """A row about the level of its file."""
    return replace(
        item, time=item.time - time, power=None if item.power is None else item.power - power
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Base:
    """What outlying rows are held against."""

    profile: str
    about: Expectation
    scatter: float
    chosen: Hypothesis


def _standings(
    case: Case, rows: Sequence[Row], profile: str, chosen: Hypothesis
) -> Iterator[Standing]:
    """Rows about what the chosen hypothesis predicts."""
    for row in rows:
        model, gpu = row.claim.model or "", row.claim.gpu or ""
        where = Where(
            model=chosen.model or model,
            gpu=chosen.gpu or gpu,
            profile=profile,
            options=chosen.how(row.options),
        )
        found = case.forecaster.one(where, chosen.settings(model, row.settings or {}))
        if found is None:
            continue
        seconds, energy = stated(row, chosen)
        power = None
        if energy is not None:
            power = math.log(wh_to_joules(energy) / seconds / found.power_w)
        time = math.log(seconds / found.latency_s)
        yield Standing(row=row, forecast=found, time=time, power=power)


def row_sigma(scatter: float, item: Standing) -> float:
    """How far a single row may scatter: as the file does, and by fixed costs where it is short."""
    return math.hypot(scatter, at.SHORT_S / item.forecast.latency_s)


def _outliers(case: Case, standings: Sequence[Standing], base: Base) -> Iterator[Verdict]:
    """Rows off the file's own level, each setting searched for a cause of its own."""
    off = [item for item in standings if _outlying(item, base.scatter)]
    by_line = {item.row.line: item for item in off}
    groups = grouped((item.row for item in off), lambda row: row.key)
    for group in groups.values():
        row = sorted(group, key=lambda r: r.latency_s)[len(group) // 2]
        item = by_line[row.line]
        fits, plain = _row_causes(case, item, base)
        loud = abs(item.time) > math.log(1.25) and not _slowed(item)
        if fits or loud:
            causes = _told(fits, plain)
            yield Verdict(
                rows=tuple(group), causes=causes, off=math.exp(item.time), profile=base.profile
            )


def _outlying(item: Standing, scatter: float) -> bool:
    sigma = row_sigma(scatter, item)
    power = item.power is not None and abs(item.power) > max(at.OUTLYING * sigma, 5 * at.LAB_POWER)
    return power or abs(item.time) > max(at.OUTLYING * sigma, at.AT_LEAST)


def _slowed(item: Standing) -> bool:
    """Longer at less power: the GPU's doing, not a label's."""
    return item.time > 0 and item.power is not None and item.power < -at.CLOCK


def _row_causes(case: Case, item: Standing, base: Base) -> tuple[tuple[Fit, ...], float]:
    """Causes of one row, and the score of its labels."""
    row, sigma = item.row, row_sigma(base.scatter, item)
    about = Expectation(
        time=base.about.time,
        power=base.about.power,
        time_sigma=sigma,
        power_sigma=math.hypot(at.LAB_POWER, sigma - at.SCATTER),
    )
    model, gpu = row.claim.model or "", row.claim.gpu or ""
    tried = [item for item in all_hypotheses(model, gpu)[1:] if item.gpu is None]
    if free := free_steps(case.forecaster, row, (base.profile,), about):
        tried.append(free)
    prepare(case.forecaster, [row], (LABELS, *tried), (base.profile,))
    (labels,) = explain(case.forecaster, [row], (base.chosen,), (base.profile,), about)
    fits = explain(case.forecaster, [row], tried, (base.profile,), about)
    plain = max(labels.score, _slow_score(labels))
    return _likelier(fits, plain), plain


def _slow_score(labels: Fit) -> float:
    """The score of "right labels, but throttled or cold": longer, at less power."""
    if labels.power is None or labels.time < 0 or labels.power > -at.CLOCK:
        return -math.inf
    return 2.0 - abs(labels.time) - abs(labels.power)
