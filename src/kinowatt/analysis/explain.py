"""The verb `explain`: is a measured time normal, and if not, what would have produced it?"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from kinowatt.analysis.audit import search
from kinowatt.analysis.audit.case import Row
from kinowatt.analysis.audit.forecasts import Forecaster, complete, profiles_of, width
from kinowatt.analysis.audit.thresholds import LAB_POWER, LAB_TIME
from kinowatt.analysis.causes import Effect, effects, throttled
from kinowatt.analysis.predict import DEFAULT_GPU, predict, scenario
from kinowatt.errors import InputError
from kinowatt.facts.gpus import gpu as find_gpu
from kinowatt.facts.profiles import GpuProfile
from kinowatt.facts.profiles import profile as find_profile
from kinowatt.facts.throttling import row_faults
from kinowatt.formats.claims import Claim
from kinowatt.formats.measured import kernels_of
from kinowatt.theory.predict import Scenario
from kinowatt.theory.workload import FIELDS
from kinowatt.units import wh_to_joules

# Between laboratories with different software: the same video differs by up to this (peers)
OTHER_STACK = {"latency_s": 1.08, "energy_wh_gpu": 1.17}
FINGERPRINT = ("torch", "diffusers")  # versions that set the pace
SHOWN = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class RankedCause:
    """A cause with its prediction; `effect_*`: predicted minus what was believed, None if unknown.

    `stated_s`: the time given, in the unit and for the runs that the cause supposes.
    """

    kind: str
    words: str
    predicted_s: float
    predicted_wh: float | None
    stated_s: float
    effect_s: float
    effect_wh: float | None
    log_odds: float
    profile: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Expected:
    """What a video should take: predicted, with intervals by quantity and level, as widened.

    `same_stack`: None where the software is not stated, which widens as another stack does.
    """

    model: str
    gpu: str
    profile: str
    predicted_s: float
    predicted_wh_gpu: float
    intervals: Mapping[str, Mapping[str, tuple[float, float]]]
    same_stack: bool | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Judgement(Expected):
    """A stated time beside the expected one: `verdict` (normal, fast or slow) by the 95% interval.

    `energy_verdict`: normal, low or high; None where none was stated. `ratio`: stated / predicted.
    """

    latency_s: float
    energy_wh_gpu: float | None
    verdict: str
    energy_verdict: str | None
    ratio: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class Explanation(Judgement):
    """A judgement and what would have produced the time, likeliest first."""

    causes: tuple[RankedCause, ...]


def expected(
    model: str,
    gpu: str = DEFAULT_GPU,
    *,
    software: Mapping[str, Any] | None = None,
    **given: Any,
) -> Expected:
    """What a video should take, before a time is known; arguments as `explain` takes them."""
    if software is not None and not isinstance(software, Mapping):
        raise InputError(f"software must be a mapping of names to versions, not {software!r:.80}")
    found = predict(model, gpu, **given)
    same = same_stack(find_profile(found.profile, find_gpu(found.gpu)), software)
    return Expected(
        model=found.model,
        gpu=found.gpu,
        profile=found.profile,
        predicted_s=found.latency_s,
        predicted_wh_gpu=found.energy_wh["gpu"] or 0.0,
        intervals=_widened(found.intervals, same),
        same_stack=same,
    )


def judge(
    model: str,
    gpu: str = DEFAULT_GPU,
    *,
    latency_s: float,
    energy_wh: float | None = None,
    software: Mapping[str, Any] | None = None,
    **given: Any,
) -> Judgement:
    """As `explain`, without looking for causes: many times faster."""
    _positive("latency_s", latency_s)
    if energy_wh is not None:
        _positive("energy_wh", energy_wh)
    found = expected(model, gpu, software=software, **given)
    return Judgement(
        **{field.name: getattr(found, field.name) for field in fields(found)},
        latency_s=latency_s,
        energy_wh_gpu=energy_wh,
        verdict=_verdict(latency_s, found.intervals["latency_s"], ("fast", "slow")) or "",
        energy_verdict=_verdict(energy_wh, found.intervals["energy_wh_gpu"], ("low", "high")),
        ratio=latency_s / found.predicted_s,
    )


def explain(
    model: str,
    gpu: str = DEFAULT_GPU,
    *,
    latency_s: float,
    energy_wh: float | None = None,
    software: Mapping[str, Any] | None = None,
    **given: Any,
) -> Explanation:
    """Whether a time (and GPU energy) is what was to be expected, with the likeliest causes.

    latency_s: seconds of one pipeline call; energy_wh: of the GPU; software: versions by name
    (`torch`, `diffusers`) where known; given: settings as `predict` takes them.
    Raises `InputError` for what cannot be predicted or is no time.
    """
    found = judge(model, gpu, latency_s=latency_s, energy_wh=energy_wh, software=software, **given)
    return _explained(found, scenario(model, gpu, **given), {})


def _explained(found: Judgement, asked: Scenario, faults: Mapping[str, float]) -> Explanation:
    """`faults`: what the driver said slowed the clocks, if anything."""
    about = _About(
        asked,
        found.latency_s,
        found.energy_wh_gpu,
        found.predicted_s,
        found.predicted_wh_gpu,
        found.same_stack is True,
        faults,
    )
    return Explanation(
        **{field.name: getattr(found, field.name) for field in fields(found)},
        causes=_ranked(about),
    )


def explain_row(row: Mapping[str, Any]) -> Explanation:
    """As `explain`, for a measured row (a `Measurement` as a dict): its own settings count.

    So does what its driver said of throttling while it ran.
    """
    given = _stated(row)
    found = judge(row["model"], row["gpu"], **given)
    for name in ("latency_s", "energy_wh", "software"):
        del given[name]
    return _explained(found, scenario(row["model"], row["gpu"], **given), row_faults(row))


def judge_row(row: Mapping[str, Any]) -> Judgement:
    """As `explain_row`, without looking for causes."""
    return judge(row["model"], row["gpu"], **_stated(row))


def _stated(row: Mapping[str, Any]) -> dict[str, Any]:
    """Time, energy, software and settings of a row."""
    workload, conditions = row["workload"], row["conditions"]
    given = {name: workload[name] for name in FIELDS if name in workload}
    for name in ("tiling", "offload"):
        if conditions.get(name) is not None:
            given[name] = conditions[name]
    given["what_if"] = kernels_of(conditions)
    return {
        "latency_s": row["latency_s"],
        "energy_wh": row["energy_wh"].get("gpu"),
        "software": conditions,
        "recipe": row["recipe"],
        **given,
    }


def same_stack(profile: GpuProfile, software: Mapping[str, Any] | None) -> bool | None:
    """Whether versions are those of the profile; None where either does not state them."""
    pairs = [
        (str(profile.fingerprint[name]), str(software[name]))
        for name in FINGERPRINT
        if software and profile.fingerprint.get(name) and software.get(name)
    ]
    return all(one == other for one, other in pairs) if pairs else None


def _positive(name: str, value: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{name} must be a number, not {value!r:.80}")
    if not math.isfinite(value) or value <= 0:
        raise InputError(f"{name} must be a finite number above 0, not {value}")


def _widened(
    intervals: Mapping[str, Mapping[str, tuple[float, float]]], same: bool | None
) -> dict[str, dict[str, tuple[float, float]]]:
    return {
        quantity: {
            level: (low / factor, high * factor)
            for level, (low, high) in levels.items()
            for factor in (1.0 if same else OTHER_STACK[quantity],)
        }
        for quantity, levels in intervals.items()
    }


def _verdict(
    value: float | None, levels: Mapping[str, tuple[float, float]], words: tuple[str, str]
) -> str | None:
    """None where nothing was stated."""
    if value is None:
        return None
    low, high = levels["95"]
    return words[0] if value < low else words[1] if value > high else "normal"


@dataclass(frozen=True, slots=True)
class _About:
    scenario: Scenario
    latency_s: float
    energy_wh: float | None
    expected_s: float
    expected_wh: float
    same_stack: bool  # the software is known to be the profile's
    faults: Mapping[str, float]  # shares of the time that the driver says they slowed the clocks


def _ranked(about: _About) -> tuple[RankedCause, ...]:
    """Causes of audit and those of running, the likeliest first, against the labels as they are."""
    fits = _fits(about)
    labels = next((fit.score for fit in fits if fit.hypothesis.kind == "labels"), 0.0)
    found = [_of_fit(fit, about, labels) for fit in fits if _is_cause(fit, about)]
    found += _running(about, labels)
    return tuple(sorted(found, key=lambda each: -each.log_odds)[:SHOWN])


def _is_cause(fit: search.Fit, about: _About) -> bool:
    """Not what is believed already, and nothing about an energy that nobody stated."""
    tried, asked = fit.hypothesis, about.scenario.workload
    if tried.kind == "labels":
        return fit.off_stack
    if tried.changes and all(getattr(asked, n) == value for n, value in tried.changes.items()):
        return False
    of_energy = tried.swapped or (tried.energy != 1.0 and tried.time == 1.0)
    return about.energy_wh is not None or not of_energy


def _fits(about: _About) -> Sequence[search.Fit]:
    chosen = about.scenario
    model, gpu = chosen.model.name, chosen.gpu.name
    workload = {name: float(getattr(chosen.workload, name)) for name in FIELDS}
    claim = Claim(line=1, label=model, model=model, gpu=gpu, workload=workload)
    row = Row(
        claim=claim,
        latency_s=about.latency_s,
        energy_wh=about.energy_wh,
        settings=complete(model, workload)[0],
        options=(
            ("offload", chosen.offload),
            ("recipe", chosen.recipe.name),
            ("tiling", chosen.tiling),
            ("what_if", tuple(chosen.what_if.items())),
        ),
    )
    others = () if about.same_stack else profiles_of(gpu)
    profiles = tuple(dict.fromkeys((chosen.profile.name, *others)))
    tried, forecaster = search.all_hypotheses(model, gpu), Forecaster()
    search.prepare(forecaster, [row], tried, profiles)
    return search.explain(forecaster, [row], tried, profiles)


def _of_fit(fit: search.Fit, about: _About, labels: float) -> RankedCause:
    as_labelled = fit.hypothesis.kind == "labels"
    return RankedCause(
        kind="stack" if as_labelled else fit.hypothesis.kind,
        words="another software stack" if as_labelled else fit.hypothesis.words,
        predicted_s=fit.predicted_s,
        predicted_wh=None,
        stated_s=fit.measured_s,
        effect_s=fit.predicted_s - about.expected_s,
        effect_wh=None,
        log_odds=fit.score - labels,
        profile=fit.profile,
    )


def _running(about: _About, labels: float) -> Iterator[RankedCause]:
    for effect in (*effects(about.scenario), *_told(about)):
        if effect.kind == "software" and about.same_stack:
            continue
        energy = effect.energy_wh
        yield RankedCause(
            kind=effect.kind,
            words=effect.words,
            predicted_s=effect.latency_s,
            predicted_wh=energy,
            stated_s=about.latency_s,
            effect_s=effect.latency_s - about.expected_s,
            effect_wh=None if energy is None else energy - about.expected_wh,
            log_odds=_score(effect, about) - labels,
            profile=about.scenario.profile.name,
        )


def _told(about: _About) -> Iterator[Effect]:
    if about.energy_wh is not None:
        power_w = wh_to_joules(about.energy_wh) / about.latency_s
        yield from throttled(about.scenario, about.faults, power_w)


def _score(effect: Effect, about: _About) -> float:
    """As audit scores a hypothesis: time, and power where both are known."""
    chosen = about.scenario
    own = width(chosen.profile.name, chosen.gpu.name, chosen.model.name)
    sigma = math.hypot(own.time, LAB_TIME)
    score = effect.prior + search.likely(math.log(about.latency_s / effect.latency_s), sigma)
    if about.energy_wh is None:
        return score
    sigma = math.hypot(own.energy, LAB_POWER)
    if effect.energy_wh is None:  # not predicted: as likely as one standard deviation off
        return score + search.likely(sigma, sigma)
    power = wh_to_joules(about.energy_wh) / about.latency_s
    predicted = wh_to_joules(effect.energy_wh) / effect.latency_s
    return score + search.likely(math.log(power / predicted), sigma)
