"""Learned profiles: the physics of a GPU and its software as `kinowatt calibrate` writes it.

One JSON file: what every profile has, and `physics`: `laws` of operators by name, `power`, `host_s`,
`gap_s`, `stall_s` (not in older files) and `factors` (their meaning: `kinowatt.theory.laws`, `power`,
`physics`), and `fingerprint`: GPU, driver and versions that they belong to.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kinowatt.errors import FactsError
from kinowatt.facts.loading import number, read_json

ESSENTIAL = ("linear", "attention", "convolution", "pointwise")
_POWER = ("static_w", "limit_w", "clock_share", "byte_j")


def read_learned(path: Path) -> dict[str, Any]:
    """A learned profile's file, checked: every number finite and possible, nothing missing."""
    raw = read_json(path)
    physics = _table(raw, "physics", path.name)
    laws = _table(physics, "laws", path.name)
    for name in ESSENTIAL:
        if name not in laws:
            raise FactsError(f"{path.name}: physics.laws has no {name!r}, which every model needs")
    for name in laws:
        _check_law(_table(laws, name, path.name), f"{path.name}: law {name!r}")
    _check_power(_table(physics, "power", path.name), f"{path.name}: power")
    host = _table(physics, "host_s", path.name)
    _positive(host, ("other", *host), f"{path.name}: host_s")
    late = ("gap_s", "stall_s") if "stall_s" in physics else ("gap_s",)
    _positive(physics, late, f"{path.name}: physics")
    factors = physics.get("factors", {})
    _positive(factors, tuple(factors), f"{path.name}: factors", above=0.0)
    return raw


def _check_law(law: Mapping[str, Any], where: str) -> None:
    _positive(law, ("bandwidth_bytes_per_s",), where, above=0.0)
    _positive(law, ("start_s",), where)
    if law.get("rate_flops") is not None:
        _positive(law, ("rate_flops",), where, above=0.0)
    halves, spills = law.get("halves", {}), law.get("spills", {})
    _positive(halves, tuple(halves), where)
    for size, found in spills.items():
        if len(found) != 2:
            raise FactsError(f"{where}: spills of {size!r} are a size and a share: {found}")
        named = dict(zip(("size", "share"), found, strict=True))
        _positive(named, tuple(named), f"{where}: spills of {size!r}", above=0.0)
    axes = law.get("axes", [])
    for anchor in law.get("anchors", []):
        if len(anchor) != len(axes) + 1:
            raise FactsError(f"{where}: an anchor has {len(axes)} sizes and an excess: {anchor}")
        for value in anchor:
            number({"anchors": value}, "anchors", where)


def _check_power(power: Mapping[str, Any], where: str) -> None:
    _positive(power, _POWER, where)
    if not power["static_w"] < power["limit_w"]:
        raise FactsError(f"{where}: static_w must be below limit_w")
    if not 0 < power["clock_share"] <= 1:
        raise FactsError(f"{where}: clock_share must be above 0 and at most 1")
    busy = _table(power, "busy_w", where)
    _positive(busy, ("other", *busy), f"{where}: busy_w")
    joules = _table(power, "joules", where)
    for name in joules:
        by_size = _table(joules, name, where)
        for size in by_size:
            number({"size": float(size)}, "size", where)
        _positive(by_size, tuple(by_size), f"{where}: joules of {name!r}", above=0.0)


def _table(raw: Mapping[str, Any], field: str, where: str) -> Mapping[str, Any]:
    found = raw.get(field)
    if not isinstance(found, Mapping) or not found:
        raise FactsError(f"{where}: {field!r} is missing or no table")
    return found


def _positive(
    raw: Mapping[str, Any], fields: tuple[str, ...], where: str, above: float | None = None
) -> None:
    """Numbers from 0 on, or above `above`."""
    for field in fields:
        if field not in raw:
            raise FactsError(f"{where}: field {field!r} is missing")
        value = number(raw, field, where)
        if value < 0 or (above is not None and value <= above):
            raise FactsError(
                f"{where}: field {field!r} must be {'above' if above == 0 else 'from'} 0"
            )
