"""`compare`, `scaling` and `levers`: many predictions side by side, and why they differ."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kinowatt.analysis.predict import predict
from kinowatt.analysis.prediction import Prediction
from kinowatt.errors import InputError, unknown_name
from kinowatt.facts.models import model as find_model
from kinowatt.facts.models import models
from kinowatt.theory.workload import SIZES, limits

AXES = {"height": "height_px", "width": "width_px", "frames": "frames", "steps": "steps"}


def compare(names: Sequence[str], gpus: Sequence[str], **given: Any) -> list[Prediction]:
    """Every model on every GPU; without names all traced models."""
    chosen = list(names) or [name for name, spec in models().items() if spec.form != "paper"]
    return [predict(name, gpu, **given) for gpu in gpus for name in chosen]


@dataclass(frozen=True, kw_only=True, slots=True)
class Factor:
    """One factor of a ratio of latencies."""

    name: str
    factor: float
    meaning: str


def why(first: Prediction, second: Prediction) -> list[Factor]:
    """second over first latency as a product: passes, sequences, tokens, work per token, rate.

    The factors multiply to the ratio of the two latencies exactly.
    """
    a, b = first.workload["effective"], second.workload["effective"]
    flops_a, flops_b = first.flops["total"], second.flops["total"]
    units = []
    for name, meaning in (
        ("forward_passes", "denoiser calls (steps x guidance)"),
        ("sequences_per_pass", "sequences in one call"),
        ("tokens", "video tokens of one sequence"),
    ):
        units.append(Factor(name=name, factor=b[name] / a[name], meaning=meaning))
    counted = math.prod(factor.factor for factor in units)
    per_token = flops_b / flops_a / counted
    units.append(
        Factor(
            name="work_per_token",
            factor=per_token,
            meaning="FLOPs per token and pass: width, layers, attention over all tokens, decoder",
        )
    )
    rate = (second.latency_s / first.latency_s) / (flops_b / flops_a)
    units.append(
        Factor(
            name="seconds_per_flop",
            factor=rate,
            meaning="how slowly FLOPs run: kernels, memory-bound work, calls, host",
        )
    )
    return units


@dataclass(frozen=True, kw_only=True, slots=True)
class ScalingPoint:
    """One point along an axis with local exponents d log / d log axis and shares of latency."""

    value: float
    latency_s: float
    energy_wh: float
    exponent_latency: float | None
    exponent_energy: float | None
    shares: Mapping[str, float]


def scaling(
    model: str, axis: str, values: Iterable[float] | None = None, **given: Any
) -> list[ScalingPoint]:
    """Predictions along one axis (`height`, `width`, `frames`, `steps`, or `size` for both)."""
    fields = _fields(axis)
    base = predict(model, **given)
    points = list(values) if values is not None else _ladder(model, base, fields[0])
    predictions = [
        predict(model, **{**given, **_at(model, base, fields, value)}) for value in points
    ]
    return [_point(predictions, fields[0], index) for index in range(len(predictions))]


def _fields(axis: str) -> tuple[str, ...]:
    if axis == "size":
        return ("height_px", "width_px")
    if axis not in AXES:
        raise unknown_name("axis", axis, [*AXES, "size"])
    return (AXES[axis],)


def _ladder(model: str, base: Prediction, field: str) -> list[float]:
    """Five points from half to twice the workload's own value, on what the pipeline accepts."""
    spec = find_model(model)
    step = spec.rules.size_multiple if field in SIZES else 1
    low, high = limits(spec, field, spec.recipe(base.recipe))
    own = base.workload[field]
    raw = [round(own * factor / step) * step for factor in (0.5, 0.7, 1.0, 1.4, 2.0)]
    raw[2] = own
    return sorted({max(low, min(value, high)) for value in raw})


def _at(model: str, base: Prediction, fields: tuple[str, ...], value: float) -> dict[str, Any]:
    if len(fields) == 1:
        return {fields[0]: value}
    spec = find_model(model)
    step = spec.rules.size_multiple
    low, _ = limits(spec, "width_px", spec.recipe(base.recipe))
    height, width = base.workload["height_px"], base.workload["width_px"]
    return {"height_px": value, "width_px": max(round(width * value / height / step) * step, low)}


def _point(predictions: list[Prediction], field: str, index: int) -> ScalingPoint:
    here = predictions[index]
    low = predictions[max(index - 1, 0)]
    high = predictions[min(index + 1, len(predictions) - 1)]
    span = math.log(high.workload[field] / low.workload[field]) if high is not low else 0.0
    energy_high, energy_low = high.energy_wh["gpu"] or 0.0, low.energy_wh["gpu"] or 1.0

    def exponent(above: float, below: float) -> float | None:
        return math.log(above / below) / span if span else None

    shares = {kind: row["latency_s"] / here.latency_s for kind, row in here.operators.items()}
    return ScalingPoint(
        value=here.workload[field],
        latency_s=here.latency_s,
        energy_wh=here.energy_wh["gpu"] or 0.0,
        exponent_latency=exponent(high.latency_s, low.latency_s),
        exponent_energy=exponent(energy_high, energy_low),
        shares=shares,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Lever:
    """What one change would save at the user's own point. `factor`: latency after over before."""

    name: str
    change: str
    latency_s: float
    energy_wh: float | None
    factor: float
    basis: str  # "computed" or "published: source"


PUBLISHED = (
    ("diffusion caching", 1 / 1.62, "published: up to 1.62x, Wan report as cited by the paper"),
    ("FP8 / INT8 mixed precision", 1 / 1.27, "published: about 1.27x, Wan report as cited"),
)
WHAT_IFS = (
    ("text keys and values once", {"text-cache": "on"}),
    ("self-attention over a quarter of the tokens", {"window": "0.25"}),
    ("half of the block evaluations reused", {"cache": "0.5"}),
    ("linear layers in FP8", {"linear": "fp8"}),
    ("compiled transformer blocks", {"compile": "blocks"}),
    ("flash attention", {"attention": "flash"}),
    ("memory-efficient attention", {"attention": "efficient"}),
    ("unfused attention", {"attention": "math"}),
)


def levers(model: str, **given: Any) -> list[Lever]:
    """What each knob saves here, most first; computed ones re-run the model."""
    base = predict(model, **given)
    found = []
    for name, changes in _changes(model, base):
        try:
            other = predict(model, **{**given, **changes})
        except InputError:
            continue  # this GPU or profile lacks what the change needs
        found.append(_lever(name, _words(base, changes), base, other))
    for name, factor, basis in PUBLISHED:
        energy = (base.energy_wh["gpu"] or 0.0) * factor
        found.append(
            Lever(
                name=name,
                change="as published, not computed here",
                latency_s=base.latency_s * factor,
                energy_wh=energy,
                factor=factor,
                basis=basis,
            )
        )
    return sorted(found, key=lambda lever: lever.factor)


def _lever(name: str, change: str, base: Prediction, other: Prediction) -> Lever:
    return Lever(
        name=name,
        change=change,
        latency_s=other.latency_s,
        energy_wh=other.energy_wh["gpu"],
        factor=other.latency_s / base.latency_s,
        basis="computed",
    )


def _words(base: Prediction, changes: Mapping[str, Any]) -> str:
    if "what_if" in changes:
        return ", ".join(f"{key}={value}" for key, value in changes["what_if"].items())
    return ", ".join(f"{key} {base.workload[key]:g} → {new:g}" for key, new in changes.items())


def _changes(model: str, base: Prediction) -> list[tuple[str, dict[str, Any]]]:
    spec = find_model(model)
    step, recipe = spec.rules.size_multiple, spec.recipe(base.recipe)
    found: list[tuple[str, dict[str, Any]]] = []
    for label, field in (("height", "height_px"), ("width", "width_px")):
        less = int(base.workload[field] * 0.75) // step * step
        if less >= limits(spec, field, recipe)[0]:
            found.append((f"-25% {label}", {field: less}))
    for field in ("frames", "steps"):
        less = int(base.workload[field] * 0.75)
        if less >= limits(spec, field)[0]:
            found.append((f"-25% {field}", {field: less}))
    if base.workload["guidance_scale"] > 1:
        found.append(("no guidance", {"guidance_scale": 1.0}))
    own = base.options["what_if"]
    return found + [(name, {"what_if": {**own, **change}}) for name, change in WHAT_IFS]
