"""Accelerators: dense peaks, bandwidth, memory and power limit, each row with its source."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from kinowatt.errors import FactsError, nearest, unknown_name
from kinowatt.facts.loading import SHIPPED, fact_layers, read_toml, toml_place
from kinowatt.units import TERA

DTYPES = ("float32", "tf32", "float16", "bfloat16", "float8", "int8")
FILE = "gpus.toml"


@dataclass(frozen=True, kw_only=True, slots=True)
class PublishedAccelerator:
    """A row of the paper's Table 7 as printed, and what is suspect about it."""

    label: str
    peak_flops: float
    bandwidth_bytes_per_s: float
    beta: float
    attention_tokens: float
    mlp_tokens: float
    suspect: str | None


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class GpuSpec:
    """One accelerator. `peak_flops`: dense FLOP/s by dtype (`DTYPES`); one it lacks is absent.

    `chip`: the die, where several products share it and its kernels; None where that is not known.
    """

    name: str
    label: str
    vendor: str
    chip: str | None
    aliases: tuple[str, ...]
    peak_flops: Mapping[str, float]
    bandwidth_bytes_per_s: float
    memory_gib: float  # as the driver reports; a context takes about half a GiB of it
    power_limit_w: float
    power_estimated: bool
    source: str
    published: PublishedAccelerator | None


@lru_cache(maxsize=1)
def gpus() -> Mapping[str, GpuSpec]:
    """All accelerators by name; a user's gpus.toml adds rows or overrides single fields."""
    merged: dict[str, dict[str, Any]] = {}
    for path in fact_layers(FILE):
        for name, row in read_toml(path).items():
            _check(path, name, row, _SCHEMA)
            merged[name] = _overlay(merged.get(name, {}), row)
            if path.parent != SHIPPED and "source" not in row:
                _own_up(merged[name], row)
            _check_complete(path, name, merged[name])
    return {name: _gpu(name, row) for name, row in merged.items()}


def gpu(name: str) -> GpuSpec:
    """A GPU by name, alias or label, as a driver reports it too; `UnknownNameError` if none is.

    Case, spaces and hyphens do not matter.
    """
    found = _by_key().get(_key(name)) if isinstance(name, str) else None
    if found is None:
        aliases = [alias for spec in gpus().values() for alias in spec.aliases]
        raise unknown_name("GPU", name, gpus(), aliases)
    return found


@lru_cache(maxsize=1)
def _by_key() -> Mapping[str, GpuSpec]:
    found: dict[str, GpuSpec] = {}
    for spec in gpus().values():
        for text in (spec.name, spec.label, *spec.aliases):
            other = found.setdefault(_key(text), spec)
            if other is not spec:
                raise FactsError(f"{FILE}: {text!r} names both {other.name} and {spec.name}")
    return found


def _key(text: str) -> str:
    return "".join(text.replace("_", " ").replace("-", " ").split()).lower()


def _overlay(base: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in row.items():
        merged[key] = _overlay(base.get(key, {}), value) if isinstance(value, Mapping) else value
    return merged


def _own_up(merged: dict[str, Any], row: Mapping[str, Any]) -> None:
    """A source must not vouch for figures that the user put in place of its own."""
    fields = [field for field in row if field != "aliases"]
    if fields and "source" in merged:
        merged["source"] += f"; by the user: {', '.join(fields)}"


def _gpu(name: str, row: Mapping[str, Any]) -> GpuSpec:
    return GpuSpec(
        name=name,
        label=row["label"],
        vendor=row.get("vendor", "unknown"),
        chip=row.get("chip"),
        aliases=tuple(row.get("aliases", ())),
        peak_flops={dtype: peak * TERA for dtype, peak in row["peak_tflops"].items()},
        bandwidth_bytes_per_s=row["bandwidth_tb_s"] * TERA,
        memory_gib=float(row["memory_gib"]),
        power_limit_w=float(row["power_limit_w"]),
        power_estimated=row.get("power_estimated", False),
        source=row["source"],
        published=_published(row["published"]) if "published" in row else None,
    )


def _published(row: Mapping[str, Any]) -> PublishedAccelerator:
    return PublishedAccelerator(
        label=row["label"],
        peak_flops=row["peak_tflops"] * TERA,
        bandwidth_bytes_per_s=row["bandwidth_tb_s"] * TERA,
        beta=float(row["beta"]),
        attention_tokens=float(row["attention_tokens"]),
        mlp_tokens=float(row["mlp_tokens"]),
        suspect=row.get("suspect"),
    )


def _text(value: object) -> str:
    return "" if isinstance(value, str) and value.strip() else f"is {value!r:.60}, not a text"


def _texts(value: object) -> str:
    fits = isinstance(value, list) and not any(_text(item) for item in value)
    return "" if fits else f"is {value!r:.60}, not a list of texts"


def _flag(value: object) -> str:
    return "" if isinstance(value, bool) else f"is {value!r:.60}, neither true nor false"


def _positive(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"is {value!r:.60}, not a number"
    if isinstance(value, float) and not math.isfinite(value):
        return f"is {value}, not a finite number"
    if value <= 0:
        return f"must be above 0, not {value!r:.60}"
    return "" if value < 1e9 else f"must be below 1e9, not {value!r:.60}"


Rule = Callable[[object], str]
_PRINTED = dict.fromkeys(
    ("peak_tflops", "bandwidth_tb_s", "beta", "attention_tokens", "mlp_tokens"), _positive
)
_NEEDED: Mapping[str, Rule | Mapping[str, Rule]] = {
    **dict.fromkeys(("label", "source"), _text),
    **dict.fromkeys(("bandwidth_tb_s", "memory_gib", "power_limit_w"), _positive),
    "peak_tflops": dict.fromkeys(DTYPES, _positive),
}
_SCHEMA: Mapping[str, Rule | Mapping[str, Rule]] = {
    **_NEEDED,
    "vendor": _text,
    "chip": _text,
    "aliases": _texts,
    "power_estimated": _flag,
    "published": {**_PRINTED, "label": _text, "suspect": _text},
}


def _check(
    path: Path, table: str, row: object, schema: Mapping[str, Rule | Mapping[str, Rule]]
) -> None:
    """Refuses fields that nobody reads and values that are none, with their line."""
    if not isinstance(row, Mapping):
        parent, _, field = table.rpartition(".")
        raise FactsError(f"{toml_place(path, parent, field)}: [{table}] is not a table")
    for field, value in row.items():
        rule = schema.get(field)
        if isinstance(rule, Mapping):
            _check(path, f"{table}.{field}", value, rule)
        elif wrong := rule(value) if rule else _unknown(field, schema):
            place = toml_place(path, table, field)
            raise FactsError(f"{place}: [{table}]: field {field!r} {wrong}")


def _unknown(field: str, schema: Mapping[str, object]) -> str:
    guess = nearest(field, schema)
    return "is unknown" + (f"; did you mean {guess!r}?" if guess else "")


def _check_complete(path: Path, name: str, row: Mapping[str, Any]) -> None:
    missing = [field for field in _NEEDED if not row.get(field)]
    printed = row.get("published")
    if printed is not None:
        missing += [f"published.{key}" for key in ("label", *_PRINTED) if key not in printed]
    if missing:
        place = toml_place(path, name)
        raise FactsError(f"{place}: [{name}]: field {missing[0]!r} is missing")
