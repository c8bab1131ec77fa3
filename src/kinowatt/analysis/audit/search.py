"""How well each hypothesis explains rows of one model on one GPU, against the labels as they are."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from kinowatt.analysis.audit import thresholds as at
from kinowatt.analysis.audit.case import Row
from kinowatt.analysis.audit.forecasts import (
    Forecast,
    Forecaster,
    Where,
    profiles_of,
    stack_of,
    width,
)
from kinowatt.analysis.audit.hypotheses import FREE, LABELS, OTHER_COUNT, Hypothesis, hypotheses
from kinowatt.facts.gpus import gpu as find_gpu
from kinowatt.units import wh_to_joules

WORST = 8.0  # standard deviations: further off says no more
SAMPLE = 12  # settings of a sweep that a search looks at


@dataclass(frozen=True, kw_only=True, slots=True)
class Fit:
    """A hypothesis under a profile: its score, and where the rows lie about its predictions.

    time, power: medians of log(measured / predicted); power is None without energy. scatter: of
    time among the settings.
    """

    hypothesis: Hypothesis
    profile: str
    score: float
    time: float
    power: float | None
    scatter: float
    predicted_s: float
    measured_s: float
    labelled: Mapping[str, float]  # settings of the middle row
    sigma: float
    power_sigma: float
    off_stack: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Expectation:
    """Where rows should lie about predictions, and how surely; `level`: as the file has it."""

    time: float = 0.0
    power: float = 0.0
    time_sigma: float | None = None  # None: the profile's own, with that between laboratories
    power_sigma: float | None = None


def explain(
    forecaster: Forecaster,
    rows: Sequence[Row],
    tried: Iterable[Hypothesis],
    profiles: Sequence[str],
    about: Expectation | None = None,
) -> list[Fit]:
    """The best profile's fit of every hypothesis that can run, the best hypothesis first."""
    found: dict[str, Fit] = {}
    for hypothesis in tried:
        for fit in _fits(forecaster, rows, hypothesis, profiles, about or Expectation()):
            known = found.get(hypothesis.words)
            if known is None or fit.score > known.score:
                found[hypothesis.words] = fit
    ranked = sorted(found.values(), key=lambda fit: -fit.score)
    distinct: dict[tuple[object, ...], Fit] = {}
    for fit in ranked:
        distinct.setdefault(_says(fit), fit)
    return list(distinct.values())


def _says(fit: Fit) -> tuple[object, ...]:
    """What two fits that say the same in other words have in common; the likelier is kept."""
    hypothesis = fit.hypothesis
    other = (hypothesis.kind, hypothesis.model, hypothesis.gpu)
    return (*other, fit.profile, fit.predicted_s, fit.measured_s, fit.time)


def prepare(
    forecaster: Forecaster,
    rows: Sequence[Row],
    tried: Iterable[Hypothesis],
    profiles: Sequence[str],
) -> None:
    """Asks for all predictions of a search at once, so that each costs microseconds."""
    asked: dict[Where, list[dict[str, float]]] = {}
    for hypothesis in tried:
        for row in rows:
            for where, settings in _places(row, hypothesis, profiles):
                asked.setdefault(where, []).append(settings)
    for where, many in asked.items():
        forecaster.many(where, many)


def _places(
    row: Row, hypothesis: Hypothesis, profiles: Sequence[str]
) -> Iterable[tuple[Where, dict[str, float]]]:
    """Under which profiles a row is predicted, and with which settings."""
    model, gpu = row.claim.model or "", row.claim.gpu or ""
    settings = hypothesis.settings(model, row.settings or {})
    options = hypothesis.how(row.options)
    names = profiles if hypothesis.gpu in (None, gpu) else profiles_of(hypothesis.gpu or gpu)[:1]
    for name in names:
        there = hypothesis.gpu or gpu
        yield (
            Where(model=hypothesis.model or model, gpu=there, profile=name, options=options),
            settings,
        )


def _fits(
    forecaster: Forecaster,
    rows: Sequence[Row],
    hypothesis: Hypothesis,
    profiles: Sequence[str],
    about: Expectation,
) -> Iterable[Fit]:
    by_profile: dict[str, list[tuple[Row, Where, Forecast]]] = {}
    for row in rows:
        for where, settings in _places(row, hypothesis, profiles):
            found = forecaster.one(where, settings)
            if found is not None:
                by_profile.setdefault(where.profile, []).append((row, where, found))
    for profile, predicted in by_profile.items():
        if len(predicted) == len(rows) and _drawable(hypothesis, rows):
            yield _fit(hypothesis, profile, predicted, about)


def _drawable(hypothesis: Hypothesis, rows: Sequence[Row]) -> bool:
    """Whether another GPU can draw what is stated."""
    if hypothesis.gpu is None:
        return True
    limit = find_gpu(hypothesis.gpu).power_limit_w
    return median(row.power_w or 0.0 for row in rows) <= at.OVER_LIMIT * limit


def _fit(
    hypothesis: Hypothesis,
    profile: str,
    predicted: Sequence[tuple[Row, Where, Forecast]],
    about: Expectation,
) -> Fit:
    times, powers = [], []
    for row, _, forecast in predicted:
        seconds, energy = stated(row, hypothesis)
        times.append(math.log(seconds / forecast.latency_s) - about.time)
        if energy is not None:
            watts = wh_to_joules(energy) / seconds
            powers.append(math.log(watts / forecast.power_w) - about.power)
    time, power = median(times), median(powers) if powers else None
    scatter = max(median(abs(value - time) for value in times) * 1.4826, at.SCATTER)
    least = math.hypot(at.SCATTER, at.SHORT_S / median(item[2].latency_s for item in predicted))
    middle = sorted(zip(times, predicted, strict=True), key=lambda item: item[0])[len(times) // 2]
    row, where, forecast = middle[1]
    sigmas = _sigmas(where, about, hypothesis, forecast)
    score, off_stack = _time_score(time, sigmas[0], where, row, about)
    if hypothesis.runs and row.claim.runs not in (None, hypothesis.runs):
        score += OTHER_COUNT
    score += hypothesis.prior - min(len(times) - 1, 4) * math.log(max(scatter / least, 1.0))
    score += likely(power, sigmas[1]) if power is not None else 0.0
    return Fit(
        hypothesis=hypothesis,
        profile=profile,
        score=score,
        time=time,
        power=power,
        scatter=scatter,
        predicted_s=forecast.latency_s,
        measured_s=stated(row, hypothesis)[0],
        labelled=row.settings or {},
        sigma=sigmas[0],
        power_sigma=sigmas[1],
        off_stack=off_stack,
    )


def _time_score(
    time: float, sigma: float, where: Where, row: Row, about: Expectation
) -> tuple[float, bool]:
    """How likely the time is on the profile's stack or on another one, and whether on another.

    A row that states a version of torch which the profile does not have makes another likelier. A
    stack faster than the latest of several that are known makes it less likely.
    """
    same = likely(time, sigma)
    if about.time_sigma is not None:
        return same, False
    version = row.claim.rest.get("torch", "").partition("+")[0]
    known = version and version not in stack_of(where.profile, where.gpu)
    names = profiles_of(where.gpu)
    beaten = time < 0 and len(names) > 1 and where.profile == names[0]
    stack = at.STACK / 2 if beaten and not known else at.STACK
    other = likely(time, math.hypot(stack, sigma)) + (0.0 if known else at.SAME_STACK)
    return max(same, other), other > same


def stated(row: Row, hypothesis: Hypothesis) -> tuple[float, float | None]:
    """Seconds and Wh of a row if the hypothesis holds."""
    seconds, energy = row.latency_s, row.energy_wh
    if hypothesis.swapped and energy is not None:
        seconds, energy = energy, seconds
    seconds *= hypothesis.time
    return seconds, None if energy is None else energy * hypothesis.energy


def _sigmas(
    where: Where, about: Expectation, hypothesis: Hypothesis, forecast: Forecast
) -> tuple[float, float]:
    own = width(where.profile, where.gpu, where.model)
    short = at.SHORT_S / forecast.latency_s
    time = math.hypot(own.time, at.LAB_TIME, short)
    power = math.hypot(own.energy * at.MODEL_POWER, at.LAB_POWER, short)
    foreign = hypothesis.model is not None or hypothesis.gpu is not None
    if about.time_sigma is not None:
        time = math.hypot(about.time_sigma, own.time) if foreign else about.time_sigma
    if about.power_sigma is not None:
        power = math.hypot(about.power_sigma, power) if foreign else about.power_sigma
    return time, power


def likely(value: float, sigma: float) -> float:
    """Logarithm of a normal density, no worse than far off."""
    return -0.5 * min(abs(value) / sigma, WORST) ** 2 - math.log(sigma)


def free_steps(
    forecaster: Forecaster, row: Row, profiles: Sequence[str], about: Expectation | None = None
) -> Hypothesis | None:
    """The number of steps that would take the stated time, all else as labelled."""
    settings, level = row.settings or {}, (about or Expectation()).time
    where = Where(
        model=row.claim.model or "",
        gpu=row.claim.gpu or "",
        profile=profiles[0],
        options=row.options,
    )
    one, two = forecaster.many(where, ({**settings, "steps": n} for n in (10.0, 20.0)))
    if one is None or two is None:
        return None
    a_step = (two.latency_s - one.latency_s) / 10
    steps = round(10 + (row.latency_s / math.exp(level) - one.latency_s) / a_step)
    if not 1 <= steps <= 1000:
        return None
    return Hypothesis(
        kind="settings",
        words=f"about {steps} steps (not a known default)",
        prior=FREE,
        changes={"steps": float(steps)},
    )


def all_hypotheses(model: str, gpu: str) -> tuple[Hypothesis, ...]:
    return (LABELS, *hypotheses(model, gpu))
