"""What every field of a measurement must be; each refusal names the field and what is allowed."""

import math
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from kinowatt.errors import InputError, unknown_name
from kinowatt.lab.meters.contract import SCOPES

PROTOCOLS = ("full", "sampled")
MAX = 1e300  # beyond it, an integer of JSON is no longer a float

# Gets the name of a field and its plain value, and raises or returns
Check = Callable[[str, Any], None]


def plain(name: str, value: Any) -> Any:
    """A copy of dicts, lists and JSON values alone; `InputError` names what is something else."""
    try:
        return _copied(value)
    except _NotPlain:
        return _named(name, value)  # slower by far, as it spells the path to each value


class _NotPlain(Exception):  # noqa: N818 (no error, since `_named` may yet accept the value)
    """A value that is not exactly of a type of JSON; it may be of a type derived from one."""


def _copied(value: Any) -> Any:
    kind = type(value)
    if kind is dict:
        if any(type(key) is not str for key in value):
            raise _NotPlain
        return {
            key: item if type(item) in _SCALARS or _finite(item) else _copied(item)
            for key, item in value.items()
        }
    if kind is list or kind is tuple:
        return [
            item if type(item) in _SCALARS or _finite(item) else _copied(item) for item in value
        ]
    if kind in _SCALARS or _finite(value):
        return value
    raise _NotPlain


def _finite(value: Any) -> bool:
    return type(value) is float and value - value == 0.0  # else not a number


_SCALARS = frozenset((str, int, bool, type(None)))


def _named(name: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return {_key(name, key): _named(f"{name}.{key}", item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_named(f"{name}.{index}", item) for index, item in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"{name}: {value} is not a finite number")
    if value is None or isinstance(value, str | int | float):
        return value
    raise InputError(f"{name}: {_kind(value)} is not a JSON value")


def _key(name: str, key: object) -> str:
    if not isinstance(key, str):
        raise InputError(f"{name}: the key {key!r} is not a string")
    return key


def _kind(value: object) -> str:
    return "null" if value is None else type(value).__name__


def _wrong(name: str, value: object, wanted: str) -> InputError:
    shown = f"{value!r}" if isinstance(value, str | int | float) else _kind(value)
    return InputError(f"{name} must be {wanted}, not {shown}")


def _text(name: str, value: Any) -> None:
    if not isinstance(value, str) or not value:
        raise _wrong(name, value, "a text")


def _protocol(name: str, value: Any) -> None:
    if value not in PROTOCOLS:
        raise unknown_name(name, value, PROTOCOLS)


def _instant(name: str, value: Any) -> None:
    wanted = "an instant with its offset, like 2026-11-23T12:00:00+00:00"
    try:
        found = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise _wrong(name, value, wanted) from None
    if found.tzinfo is None:
        raise _wrong(name, value, wanted)


def _number(name: str, value: Any) -> None:
    if type(value) is float and -MAX <= value <= MAX:
        return  # nearly every number, and soonest told
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > MAX:
        raise _wrong(name, value, "a number")


def _positive(name: str, value: Any) -> None:
    if type(value) is float and 0 < value <= MAX:
        return
    _number(name, value)
    if value <= 0:
        raise _wrong(name, value, "above 0")


def _not_negative(name: str, value: Any) -> None:
    if type(value) is float and 0 <= value <= MAX:
        return
    _number(name, value)
    if value < 0:
        raise _wrong(name, value, "0 or more")


def _count(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise _wrong(name, value, "a whole number, 0 or more")


def _count_above_zero(name: str, value: Any) -> None:
    if type(value) is int and 0 < value <= MAX:
        return
    _count(name, value)
    _positive(name, value)


def _unless_null(check: Check) -> Check:
    def checked(name: str, value: Any) -> None:
        if value is not None:
            check(name, value)

    return checked


def _mapping(name: str, value: Any) -> None:
    if not isinstance(value, dict):
        raise _wrong(name, value, "an object")


def _with(name: str, value: Any, required: Mapping[str, Check]) -> None:
    """An object that has these fields, each as its check wants it; it may have more."""
    if type(value) is not dict:
        _mapping(name, value)
    try:
        for key, check in required.items():
            check(key, value[key])
    except (KeyError, InputError):
        _refuse_with_path(name, value, required)


def _refuse_with_path(name: str, value: Any, required: Mapping[str, Check]) -> None:
    """The checks of `_with` again: spelling the path to each value would slow all good rows."""
    for key, check in required.items():
        if key not in value:
            raise InputError(f"missing field {name}.{key}")
        check(f"{name}.{key}", value[key])


def _workload(name: str, value: Any) -> None:
    _with(name, value, _WORKLOAD)


def _energy(name: str, value: Any) -> None:
    _with(name, value, _ENERGY)
    for scope in value:
        if scope not in SCOPES:
            raise unknown_name(f"scope of {name}", scope, SCOPES)


def _stages(name: str, value: Any) -> None:
    _mapping(name, value)
    for stage, found in value.items():
        # What a composed video spends in `other` is a difference, and may be a hair below zero
        _with(f"{name}.{stage}", found, _STAGE)


def _runs(name: str, value: Any) -> None:
    if not isinstance(value, list):
        raise _wrong(name, value, "a list")
    for index, run in enumerate(value):
        _with(f"{name}.{index}", run, _RUN)


def check_reasons(energy_wh: Mapping[str, Any], conditions: Mapping[str, Any]) -> None:
    """Energy that could not be measured says why."""
    reasons = conditions.get("energy_null")
    for scope in SCOPES:
        given = isinstance(reasons, dict) and reasons.get(scope)
        if energy_wh[scope] is None and not (given and isinstance(given, str)):
            raise InputError(
                f"energy_wh.{scope} is null without a reason in conditions.energy_null.{scope}"
            )


_WORKLOAD: Mapping[str, Check] = {
    "height_px": _count_above_zero,
    "width_px": _count_above_zero,
    "frames": _count_above_zero,
    "steps": _count_above_zero,
    "guidance_scale": _number,
    "batch_size": _count_above_zero,
    "prompt_tokens": _count,
    "fps": _positive,
    "video_s": _positive,
    "effective": _mapping,
}
_ENERGY: Mapping[str, Check] = {scope: _unless_null(_not_negative) for scope in SCOPES}
_STAGE: Mapping[str, Check] = {"latency_s": _number}
_RUN: Mapping[str, Check] = {"latency_s": _positive, "energy_wh": _energy, "stages": _mapping}
CHECKS: Mapping[str, Check] = {
    "schema_version": _count,
    "model": _text,
    "gpu": _text,
    "recipe": _text,
    "protocol": _protocol,
    "taken_at": _instant,
    "workload": _workload,
    "latency_s": _positive,
    "energy_wh": _energy,
    "stages": _stages,
    "power_w": _unless_null(_not_negative),
    "idle_power_w": _unless_null(_not_negative),
    "peak_memory_gib": _unless_null(_not_negative),
    "peak_reserved_gib": _unless_null(_not_negative),
    "warmup_runs": _count,
    "runs": _runs,
    "stability": _mapping,
    "conditions": _mapping,
}
