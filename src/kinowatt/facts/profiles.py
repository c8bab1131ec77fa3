"""GPU profiles: what calibration learned of a GPU and a software stack, one file each.

Published, fitted and datasheet profiles are TOML with shares of peaks; learned ones are JSON with
the physics of a GPU (`facts/learned.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from kinowatt.errors import FactsError, InputError, unknown_name
from kinowatt.facts.gpus import GpuSpec, gpus
from kinowatt.facts.learned import read_learned
from kinowatt.facts.loading import SHIPPED, number, read_toml, toml_place, user_folder
from kinowatt.facts.scaling import scaled_physics

LEVELS = ("80", "95")
LEARNED = ".json"
SHEET = "datasheet"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class GpuProfile:
    """How fast and at what power a GPU with a software stack runs operators.

    `efficiency`: share of the dense peak by kind, `linear`, `attention`, `convolution`, with a head
    size where it matters (`attention.64`). `bandwidth`: share of the datasheet's, `memory` for
    every memory-bound kind, or a kind of its own; empty where bytes are not modelled.
    `power_w` by kind, `memory` and `host`. `spread`: measured over predicted at the ends of the 80
    and 95% interval, for the models it was fitted on (`seen`) and for others (`unseen`), by
    quantity (`latency`, `energy`); `call_bound`, where there is one, for the share of a video in
    which the host sets the pace. `physics`: of a learned profile, instead of the shares. `ranges`:
    least and largest of what it was fitted on, by name. `fingerprint`: GPU and software it is of.
    """

    name: str
    gpu: str
    label: str
    kind: str  # "published", "fitted", "datasheet" or "learned"
    stack: str
    data: str
    peak_flops: float | None  # one peak for every dtype, as the paper has it
    efficiency: Mapping[str, float]
    bandwidth: Mapping[str, float]
    power_w: Mapping[str, float]
    host_s_per_call: float
    host_s_per_video: float
    seen: tuple[str, ...]
    spread: Mapping[str, Mapping[str, Mapping[str, tuple[float, float]]]]
    warning: str
    host_s_per_megapixel: float = 0.0  # of all frames of all videos, once
    physics: Mapping[str, Any] | None = None
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    fingerprint: Mapping[str, Any] = field(default_factory=dict)


@lru_cache(maxsize=1)
def profile_files() -> Mapping[str, Path]:
    """Profile files by `GPU/STACK`; those in a user's KINOWATT_FACTS/profiles/GPU are added."""
    folders = [SHIPPED / "profiles"]
    if (user := user_folder()) is not None:
        folders.append(user / "profiles")
    return {
        f"{path.parent.name}/{path.stem}": path
        for folder in folders
        for path in sorted(folder.glob("*/*"))
        if path.suffix in (".toml", LEARNED)
    }


def profile_names() -> list[str]:
    """Every profile that `profile` knows; each GPU has a `GPU/datasheet`."""
    return sorted({*profile_files(), *(f"{name}/datasheet" for name in gpus())})


def default_profile(gpu: GpuSpec, by_operator: bool = True) -> str:
    """The GPU's learned profile, else the corrected one of the paper, else the datasheet.

    `by_operator`: whether the model states its operators one by one, as laws need them.
    """
    names = [name for name in profile_files() if name.startswith(f"{gpu.name}/")]
    learned = [name for name in names if "/torch-" in name and by_operator]
    corrected = [name for name in names if name.endswith("/paper-corrected")]
    return (learned or corrected or [f"{gpu.name}/datasheet"])[-1]


@lru_cache(maxsize=256)
def profile(name: str | None, gpu: GpuSpec, by_operator: bool = True) -> GpuProfile:
    """A profile of a GPU by name; None is the default; another GPU's is an `InputError`."""
    chosen = name or default_profile(gpu, by_operator)
    if "/" not in chosen:
        chosen = f"{gpu.name}/{chosen}"
    if chosen not in profile_names():
        raise unknown_name("profile", chosen, profile_names())
    if not chosen.startswith(f"{gpu.name}/"):
        mine = [n for n in profile_names() if n.startswith(f"{gpu.name}/")]
        raise InputError(f"profile {chosen} is not of {gpu.name}; one of: {', '.join(mine)}")
    found = _load(chosen, gpu.name)
    if found.kind == SHEET and by_operator:
        found = sibling_profile(gpu) or found
    if found.physics is not None and not by_operator:
        raise InputError(
            f"profile {chosen} times operators one by one, and the model as published states none;"
            f" nearest: {default_profile(gpu, by_operator)}"
        )
    return found


@lru_cache(maxsize=64)
def _load(name: str, gpu_name: str) -> GpuProfile:
    path = profile_files().get(name) or SHIPPED / "profiles" / "datasheet.toml"
    return read_profile(path, name, gpus()[gpu_name])


@lru_cache(maxsize=64)
def sibling_profile(gpu: GpuSpec) -> GpuProfile | None:
    """The datasheet profile of a GPU whose chip was measured in another product.

    The laws learned of that product, by ratios of the two datasheets; None where no product of the
    same chip and power limit has a learned profile that ships: how far clocks fall under another
    limit nobody measured here.
    """
    known = (path for path in profile_files().values() if path.suffix == LEARNED)
    for path in (path for path in known if path.is_relative_to(SHIPPED)):
        source = gpus()[path.parent.name]
        if source is gpu or not _alike(source, gpu):
            continue
        learned = read_learned(path)
        raw = {
            **read_toml(SHIPPED / "profiles" / "datasheet.toml")["sibling"],
            "kind": SHEET,
            "host": learned["host"],
            "physics": scaled_physics(learned["physics"], source, gpu),
        }
        raw["stack"] = f"laws of {source.name}, {learned['stack']}"
        return _profile(raw, f"{gpu.name}/{SHEET}", gpu, path.name)
    return None


def _alike(one: GpuSpec, other: GpuSpec) -> bool:
    same = one.chip is not None and one.chip == other.chip
    return same and one.power_limit_w == other.power_limit_w


def read_profile(path: Path, name: str, gpu: GpuSpec) -> GpuProfile:
    """Parses one profile file for a GPU; powers of the datasheet profile scale with its limit."""
    if path.suffix == LEARNED:
        raw = read_learned(path)
    else:
        raw = read_toml(path)
        _check(path, raw)
    return _profile(raw, name, gpu, path.name)


def _profile(raw: Mapping[str, Any], name: str, gpu: GpuSpec, file: str) -> GpuProfile:
    """A profile of its raw table; laws say all that efficiencies and powers by kind would."""
    try:
        return GpuProfile(
            name=name,
            gpu=gpu.name,
            label=raw["label"],
            kind=raw["kind"],
            stack=raw["stack"],
            data=raw["data"],
            peak_flops=raw.get("peak_flops"),
            efficiency={} if "physics" in raw else raw["efficiency"],
            bandwidth=raw.get("bandwidth", {}),
            power_w={} if "physics" in raw else _power(raw, gpu),
            host_s_per_call=float(raw["host"].get("seconds_per_call", 0.0)),
            host_s_per_video=float(raw["host"]["seconds_per_video"]),
            seen=tuple(raw.get("seen", ())),
            host_s_per_megapixel=float(raw["host"].get("seconds_per_megapixel", 0.0)),
            spread=_spread(raw["spread"], file),
            warning=raw.get("warning", ""),
            physics=raw.get("physics"),
            ranges={name: tuple(ends) for name, ends in raw.get("ranges", {}).items()},
            fingerprint=raw.get("fingerprint", {}),
        )
    except KeyError as error:
        raise FactsError(f"{file}: field {error} is missing") from None
    except (AttributeError, TypeError, ValueError) as error:
        raise FactsError(f"{file}: {error}") from None


_NUMBERS = {
    "efficiency": ("linear", "attention", "convolution"),
    "bandwidth": (),
    "power_w": ("linear", "attention", "convolution", "memory", "host"),
    "power_share_of_limit": ("linear", "attention", "convolution", "memory", "host"),
    "host": ("seconds_per_call", "seconds_per_video"),
}


def _check(path: Path, raw: Mapping[str, Any]) -> None:
    """Every table holds finite numbers from zero on, and the kinds that operators have."""
    for table, needed in _NUMBERS.items():
        values = raw.get(table)
        if values is None:
            continue
        if not isinstance(values, Mapping):
            raise FactsError(f"{path.name}: [{table}] is not a table")
        for name in (*needed, *values):
            where = toml_place(path, table, name)
            if number(values, name, where) < 0:
                raise FactsError(f"{where}: field {name!r} must not be below 0")
        if table == "efficiency" and not all(each > 0 for each in values.values()):
            raise FactsError(f"{path.name}: an efficiency must be above 0")
    if "peak_flops" in raw and number(raw, "peak_flops", path.name) <= 0:
        raise FactsError(f"{path.name}: field 'peak_flops' must be above 0")


def _power(raw: Mapping[str, Any], gpu: GpuSpec) -> Mapping[str, float]:
    shares = raw.get("power_share_of_limit")
    if shares is not None:
        return {kind: share * gpu.power_limit_w for kind, share in shares.items()}
    power: Mapping[str, float] = raw["power_w"]
    return power


def _spread(
    raw: Mapping[str, Any], name: str
) -> dict[str, dict[str, dict[str, tuple[float, float]]]]:
    """Scopes, quantities and levels, as pairs of numbers around 1."""
    found: dict[str, dict[str, dict[str, tuple[float, float]]]] = {}
    for scope in ("seen", "unseen", *(s for s in ("call_bound", "changed") if s in raw)):
        found[scope] = {}
        for quantity in ("latency", "energy"):
            found[scope][quantity] = {}
            for level in LEVELS:
                where = f"{name}: [spread.{scope}.{quantity}]"
                found[scope][quantity][level] = _pair(raw[scope][quantity][level], level, where)
    return found


def _pair(value: Any, level: str, where: str) -> tuple[float, float]:
    if not isinstance(value, list) or len(value) != 2:
        raise FactsError(f"{where}: field {level!r} must be two numbers")
    low, high = (number({level: end}, level, where) for end in value)
    if not 0 < low <= 1 <= high:
        raise FactsError(f"{where}: field {level!r} must be a pair around 1, not {value}")
    return low, high
