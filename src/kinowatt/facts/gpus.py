"""Accelerators: dense peaks, bandwidth, memory and power limit, each row with its source."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from kinowatt.errors import FactsError, unknown_name
from kinowatt.facts.loading import fact_layers, number, read_toml
from kinowatt.units import TERA


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
    """One accelerator. `peak_flops`: dense FLOP/s by dtype; a dtype it lacks is absent."""

    name: str
    label: str
    vendor: str
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
    for path in fact_layers("gpus.toml"):
        for name, row in read_toml(path).items():
            if not isinstance(row, Mapping):
                raise FactsError(f"{path.name}: [{name}] is not a table")
            merged[name] = _overlay(merged.get(name, {}), row)
    return {name: _gpu(name, row) for name, row in merged.items()}


@lru_cache(maxsize=256)
def gpu(name: str) -> GpuSpec:
    """A GPU by name or alias (case ignored); `UnknownNameError` offers the nearest."""
    wanted = name.lower()
    for spec in gpus().values():
        if wanted == spec.name or wanted in {alias.lower() for alias in spec.aliases}:
            return spec
    raise unknown_name("GPU", name, gpus())


def _overlay(base: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in row.items():
        merged[key] = _overlay(base.get(key, {}), value) if isinstance(value, Mapping) else value
    return merged


def _gpu(name: str, row: Mapping[str, Any]) -> GpuSpec:
    where = f"gpus.toml: [{name}]"
    for field in ("label", "source", "peak_tflops"):
        if not row.get(field):
            raise FactsError(f"{where}: field {field!r} is missing")
    peaks = row["peak_tflops"]
    return GpuSpec(
        name=name,
        label=row["label"],
        vendor=row.get("vendor", "unknown"),
        aliases=tuple(row.get("aliases", ())),
        peak_flops={dtype: _positive(peaks, dtype, where) * TERA for dtype in peaks},
        bandwidth_bytes_per_s=_positive(row, "bandwidth_tb_s", where) * TERA,
        memory_gib=_positive(row, "memory_gib", where),
        power_limit_w=_positive(row, "power_limit_w", where),
        power_estimated=bool(row.get("power_estimated", False)),
        source=row["source"],
        published=_published(row.get("published"), where),
    )


def _positive(row: Mapping[str, Any], field: str, where: str) -> float:
    value = number(row, field, where)
    if value <= 0:
        raise FactsError(f"{where}: field {field!r} must be above 0, not {value:g}")
    return value


def _published(row: Mapping[str, Any] | None, where: str) -> PublishedAccelerator | None:
    if row is None:
        return None
    return PublishedAccelerator(
        label=row["label"],
        peak_flops=_positive(row, "peak_tflops", where) * TERA,
        bandwidth_bytes_per_s=_positive(row, "bandwidth_tb_s", where) * TERA,
        beta=_positive(row, "beta", where),
        attention_tokens=_positive(row, "attention_tokens", where),
        mlp_tokens=_positive(row, "mlp_tokens", where),
        suspect=row.get("suspect"),
    )
