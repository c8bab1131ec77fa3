"""What was asked for, checked against what the pipeline accepts."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

from kinowatt.errors import InputError, unknown_name
from kinowatt.facts.models import ModelSpec, Recipe

Number = Any  # int, float or a NumPy array

# The largest values that mean anything: beyond them somebody mistyped.
LIMITS: Mapping[str, tuple[float, float]] = {
    "height_px": (1, 16384),
    "width_px": (1, 16384),
    "frames": (1, 100_000),
    "steps": (1, 100_000),
    "guidance_scale": (0, 1000),
    "batch_size": (1, 4096),
    "prompt_tokens": (1, 100_000),
    "fps": (0.01, 1000),
}
SIZES = ("height_px", "width_px")
WHOLE = frozenset({"height_px", "width_px", "frames", "steps", "batch_size", "prompt_tokens"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Workload:
    """One video (or arrays of them) as asked for; `steps` are denoising steps."""

    height_px: Number
    width_px: Number
    frames: Number
    steps: Number
    guidance_scale: Number
    batch_size: Number
    prompt_tokens: Number
    fps: Number


FIELDS = tuple(field.name for field in fields(Workload))


def make_workload(model: ModelSpec, preset: str = "default", **asked: Number) -> Workload:
    """The preset's settings overridden by what is given; `InputError` in one line otherwise."""
    for name in asked:
        if name not in FIELDS:
            raise unknown_name("setting", name, FIELDS)
    given = {name: _checked(name, value) for name, value in asked.items() if value is not None}
    values = {**_preset(model, preset), **given}
    _check_rules(model, values)
    return Workload(**values)


@lru_cache(maxsize=64)
def _preset(model: ModelSpec, preset: str) -> Mapping[str, Number]:
    """The settings of a preset, and of what it says nothing."""
    chosen = model.preset(preset)
    values: dict[str, Number] = {
        "height_px": chosen.height_px,
        "width_px": chosen.width_px,
        "frames": chosen.frames,
        "steps": chosen.steps,
        "guidance_scale": chosen.guidance_scale,
        "batch_size": 1,
        "prompt_tokens": model.default_prompt_tokens,
        "fps": chosen.fps,
    }
    return {name: _checked(name, value) for name, value in values.items()}


def _checked(name: str, value: Number) -> Number:
    if type(value) is int and name in WHOLE:  # nearly all of them: the tests below cost more
        low, high = LIMITS[name]
        if low <= value <= high:
            return value
    if hasattr(value, "dtype") and value.shape:
        return _checked_array(name, value)
    if hasattr(value, "item"):  # a NumPy scalar
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{name} must be a number, not {_short(value)}")
    _check_number(name, value, name)
    return int(value) if name in WHOLE else float(value)


def _check_number(name: str, value: float, called: str) -> None:
    """`InputError` says what is wrong with a number, and the nearest valid one."""
    low, high = LIMITS[name]
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"{called} must be a finite number, not {value}")
    if name in WHOLE and value != int(value):
        raise InputError(f"{called} must be a whole number, not {value}; nearest: {round(value)}")
    if not low <= value <= high:
        nearest = low if value < low else high
        raise InputError(
            f"{called} must be from {low:g} to {high:g}, not {_short(value)}; nearest: {nearest:g}"
        )


def _checked_array(name: str, values: Number) -> Number:
    """As `_checked` for an array: the message names the first offending element."""
    if values.dtype.kind not in "iuf":
        raise InputError(f"{name} must be an array of numbers, not of {values.dtype}")
    low, high = LIMITS[name]
    floats = values.astype("float64")
    bad = ~((floats >= low) & (floats <= high))
    if name in WHOLE:
        bad = bad | (floats != floats // 1)
    wrong = first(floats, bad)
    if wrong is not None:
        _check_number(name, wrong.value, f"{name}{wrong.index}")
    return floats


def _short(value: object) -> str:
    whole = isinstance(value, float) and value.is_integer() and abs(value) < 1e15
    text = f"{value:.0f}" if whole else repr(value)
    return text if len(text) <= 40 else text[:37] + "…"


def _check_rules(model: ModelSpec, values: Mapping[str, Number]) -> None:
    for name in SIZES:
        wrong = first(values[name], values[name] % model.rules.size_multiple != 0)
        if wrong is not None:
            raise InputError(_size_message(model, name, wrong))
    for name in ("frames", "steps"):
        check_range(model.name, name, values[name], limits(model, name))


def limits(model: ModelSpec, name: str, recipe: Recipe | None = None) -> tuple[float, float]:
    """The least and the most of a setting that this model's pipeline takes, by this recipe."""
    low, high = LIMITS[name]
    rules = model.rules
    if name in SIZES:
        low = max(rules.size_multiple, recipe.min_size_px if recipe else 1)
    if name == "frames":
        high = rules.max_frames or high
    if name == "steps":
        low, high = rules.min_steps, rules.max_steps or high
    return low, high


def check_range(where: str, name: str, value: Number, allowed: tuple[float, float]) -> None:
    """`InputError` for the first value outside `allowed`; `where` is the model (and recipe)."""
    low, high = allowed
    for word, limit, outside in (("least", low, value < low), ("most", high, value > high)):
        wrong = first(value, outside)
        if wrong is not None:
            raise InputError(
                f"{name}{wrong.index} must be at {word} {limit:g} for {where}, "
                f"not {wrong.value:g}; nearest: {limit:g}"
            )


def _size_message(model: ModelSpec, name: str, wrong: "Offender") -> str:
    value = int(wrong.value)
    multiple = model.rules.size_multiple
    below = max(value // multiple * multiple, multiple)
    above = (value // multiple + 1) * multiple
    nearest = below if value - below <= above - value else above
    checked = model.rules.size_multiple_checked
    but = ""
    if checked != multiple and value % checked == 0:
        but = f" (the pipeline checks only {checked} and then fails)"
    return (
        f"{name}{wrong.index} must be a multiple of {multiple} for {model.name}{but}, "
        f"not {value}; nearest: {nearest}"
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Offender:
    """A refused value; `index` is "[3]" or "[0,2]" in an array, empty for a lone number."""

    value: float
    index: str


def first(values: Number, wrong: Number) -> Offender | None:
    """The first value for which `wrong` holds, of a number or an array."""
    if not (hasattr(wrong, "ravel") and wrong.shape):
        return Offender(value=float(values), index="") if wrong else None
    if not wrong.any():
        return None
    at = int(wrong.ravel().argmax())
    places = []
    for length in reversed(wrong.shape):
        at, place = divmod(at, length)
        places.append(str(place))
    index = ",".join(reversed(places))
    return Offender(value=float(values.ravel()[int(wrong.ravel().argmax())]), index=f"[{index}]")
