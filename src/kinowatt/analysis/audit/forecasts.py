"""What settings cost by a profile, many at a time; settings that cannot run are snapped, and said."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from kinowatt.analysis.audit.thresholds import FAMILY
from kinowatt.analysis.many import predict_many
from kinowatt.errors import InputError
from kinowatt.facts.gpus import gpu as find_gpu
from kinowatt.facts.models import ModelSpec
from kinowatt.facts.models import model as find_model
from kinowatt.facts.profiles import GpuProfile, default_profile, profile_names
from kinowatt.facts.profiles import profile as find_profile
from kinowatt.theory.workload import FIELDS, SIZES, WHOLE, limits
from kinowatt.units import wh_to_joules

Settings = tuple[tuple[str, float], ...]
Options = tuple[tuple[str, Any], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Where:
    """A model on a GPU by a profile, run in one way."""

    model: str
    gpu: str
    profile: str
    options: Options = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Forecast:
    """Predicted cost of one row, GPU only."""

    latency_s: float
    energy_wh: float
    flops: float

    @property
    def power_w(self) -> float:
        return wh_to_joules(self.energy_wh) / self.latency_s


@dataclass(frozen=True, kw_only=True, slots=True)
class Width:
    """Standard deviations of log(measured / predicted) that a profile states for a model."""

    time: float
    energy: float


class Forecaster:
    """Predictions with a memory; None for what the model cannot run at all."""

    def __init__(self) -> None:
        self._known: dict[tuple[Where, Settings], Forecast | None] = {}

    def one(self, where: Where, settings: Mapping[str, float]) -> Forecast | None:
        return self.many(where, [settings])[0]

    def many(
        self, where: Where, asked: Iterable[Mapping[str, float]]
    ) -> tuple[Forecast | None, ...]:
        """One forecast for each of the settings asked for, in their order."""
        keys = [tuple(sorted(settings.items())) for settings in asked]
        fresh = dict.fromkeys(key for key in keys if (where, key) not in self._known)
        if fresh:
            self._fill(where, fresh)
        return tuple(self._known[where, key] for key in keys)

    def _fill(self, where: Where, keys: Iterable[Settings]) -> None:
        by_forward: dict[tuple[Any, ...], list[Settings]] = {}
        for key in keys:
            names = tuple(name for name, _ in key)
            by_forward.setdefault(names, []).append(key)
        for names, group in by_forward.items():
            self._ask(where, names, group)

    def _ask(self, where: Where, names: tuple[str, ...], keys: list[Settings]) -> None:
        import numpy as np

        columns = {name: np.array([dict(key)[name] for key in keys], dtype=float) for name in names}
        try:
            found = predict_many(
                where.model, where.gpu, profile=where.profile, **dict(where.options), **columns
            )
        except InputError:
            if len(keys) == 1:
                self._known[where, keys[0]] = None
            else:
                for key in keys:
                    self._ask(where, names, [key])
            return
        shape = (len(keys),)
        values = [
            np.broadcast_to(found[name], shape) for name in ("latency_s", "energy_wh_gpu", "flops")
        ]
        for key, seconds, energy, flops in zip(keys, *values, strict=True):
            self._known[where, key] = Forecast(
                latency_s=float(seconds), energy_wh=float(energy), flops=float(flops)
            )


def complete(model: str, given: Mapping[str, float]) -> tuple[dict[str, float], tuple[str, ...]]:
    """All settings of a row as they can be predicted, and complaints about those that cannot run.

    What is not given is the model card's; sizes are snapped to the pipeline's multiple, counts to
    whole numbers within its limits.
    """
    settings, wrong = _complete(model, tuple(given.items()))
    return dict(settings), wrong


@lru_cache(maxsize=1 << 16)
def _complete(model: str, given: Settings) -> tuple[Settings, tuple[str, ...]]:
    spec = find_model(model)
    preset = spec.preset("default")
    settings: dict[str, float] = {
        name: float(getattr(preset, name)) for name in FIELDS if hasattr(preset, name)
    }
    settings |= {"batch_size": 1.0, "prompt_tokens": float(spec.default_prompt_tokens)}
    settings |= {name: value for name, value in given if math.isfinite(value)}
    snapped = {name: _snap(spec, name, value) for name, value in settings.items()}
    wrong = tuple(
        f"{name} {value:g} (nearest that runs: {snapped[name]:g})"
        for name, value in settings.items()
        if snapped[name] != value
    )
    return tuple(snapped.items()), wrong


def _snap(spec: ModelSpec, name: str, value: float) -> float:
    low, high = limits(spec, name)
    if name in SIZES:
        multiple = spec.rules.size_multiple
        value = round(value / multiple) * multiple
    elif name in WHOLE:
        value = round(value)
    return float(min(max(value, low), high))


@cache
def profiles_of(gpu: str) -> tuple[str, ...]:
    """Profiles that rows of a GPU may be held against: its default, then others that were fitted.

    Those of published constants are not among them.
    """
    device = find_gpu(gpu)
    first = default_profile(device)
    others = [
        name
        for name in profile_names()
        if name.startswith(f"{gpu}/") and find_profile(name, device).kind in ("fitted", "learned")
    ]
    return tuple(dict.fromkeys((first, *others)))


def width(profile: str, gpu: str, model: str) -> Width:
    """The profile's own 95% intervals as standard deviations of a logarithm.

    A model that it was not fitted on, but one of its family, is nearer than a stranger.
    """
    found = find_profile(profile, find_gpu(gpu))
    family = find_model(model).family
    alike = any(find_model(name).family == family for name in found.seen)
    share = FAMILY if alike and model not in found.seen else 1.0
    return Width(
        time=share * _sigma(found, model, "latency"),
        energy=share * _sigma(found, model, "energy"),
    )


def _sigma(profile: GpuProfile, model: str, quantity: str) -> float:
    scope = "seen" if model in profile.seen else "unseen"
    low, high = profile.spread[scope][quantity]["95"]
    return (math.log(high) - math.log(low)) / 2 / 1.96


def stack_of(profile: str, gpu: str) -> str:
    return find_profile(profile, find_gpu(gpu)).stack
