"""Rows under like conditions together: what tables for people show, a mean where there are more."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from kinowatt.formats.kinds import energy_kind, latency_kind
from kinowatt.formats.writers import Row, table

# What a paper has to say of how rows were taken, in words, and where a row has it
CONDITIONS: Mapping[str, str] = {
    "GPU": "gpu_name",
    "driver": "driver",
    "power limit (W)": "power_limit_w",
    "PyTorch": "torch",
    "CUDA": "cuda",
    "diffusers": "diffusers",
    "transformers": "transformers",
    "attention": "attention_backend",
    "compile": "compile",
    "offload": "offload",
    "VAE tiling": "tiling",
    "weights": "weights",
    "host CPU": "host.cpu_model",
    "virtualised": "virtualised",
    "tiny twin": "twin",
    "Kinowatt": "kinowatt",
}


@dataclass(slots=True)
class Group:
    """Like rows: the first of them for what they share, and the figures of each."""

    first: Mapping[str, Any]
    latency_s: list[float] = field(default_factory=list)
    energy_wh_gpu: list[float] = field(default_factory=list)
    kinds: set[str] = field(default_factory=set)
    energy_kinds: set[str] = field(default_factory=set)

    @property
    def size(self) -> str:
        work = self.first["workload"]
        return f"{work['height_px']}×{work['width_px']}×{work['frames']}"


@dataclass(slots=True)
class Overview:
    """Everything that a text about rows needs, of one pass over them."""

    by_alike: dict[str, Group] = field(default_factory=dict)
    rows: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    energy_kinds: dict[str, int] = field(default_factory=dict)
    conditions: dict[str, dict[str, int]] = field(default_factory=dict)
    protocols: dict[str, int] = field(default_factory=dict)
    meters: dict[str, int] = field(default_factory=dict)
    taken_at: list[str] = field(default_factory=list)

    @property
    def groups(self) -> list[Group]:
        """By model, GPU, size and steps."""
        return sorted(self.by_alike.values(), key=_order)

    def seen(self, rows: Iterable[Row]) -> Iterator[Row]:
        """The rows as they pass."""
        for row in rows:
            data = json.loads(row.document)
            _group(self.by_alike, row.alike, data)
            _count(self, data)
            yield row


def overview(rows: Iterable[Row]) -> Overview:
    """Counts and groups of all rows."""
    found = Overview()
    for _ in found.seen(rows):
        pass
    return found


def _order(group: Group) -> tuple[Any, ...]:
    work = group.first["workload"]
    size = work["height_px"] * work["width_px"] * work["frames"]
    return group.first["model"], group.first["gpu"], size, work["steps"]


def _group(groups: dict[str, Group], alike: str, data: Mapping[str, Any]) -> None:
    group = groups.get(alike)
    if group is None:
        group = groups[alike] = Group({name: data[name] for name in ("model", "gpu", "workload")})
    group.latency_s.append(data["latency_s"])
    group.kinds.add(latency_kind(data))
    if kind := energy_kind(data, "gpu"):
        group.energy_wh_gpu.append(data["energy_wh"]["gpu"])
        group.energy_kinds.add(kind)


def _count(found: Overview, data: Mapping[str, Any]) -> None:
    found.rows += 1
    conditions = data["conditions"]
    _add(found.kinds, latency_kind(data))
    _add(found.protocols, data["protocol"])
    for scope in ("gpu", "cpu", "ram"):
        _add(found.energy_kinds, f"{scope} {energy_kind(data, scope) or 'not available'}")
    for name, key in CONDITIONS.items():
        _add(found.conditions.setdefault(name, {}), _value(conditions, key))
    for meter in conditions.get("meters") or ():
        _add(found.meters, str(meter))
    taken = [*found.taken_at, data["taken_at"][:10]]
    found.taken_at = [min(taken), max(taken)]


def _value(conditions: Mapping[str, Any], key: str) -> str:
    value: Any = conditions
    for part in key.split("."):
        value = table(value).get(part)
    if value is None:
        return "not stated"
    return (
        {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else f"{value}"
    )


def _add(counts: dict[str, int], name: str) -> None:
    counts[name] = counts.get(name, 0) + 1


def mean(values: list[float]) -> float | None:
    """None of nothing."""
    return fmean(values) if values else None


def counted(counts: Mapping[str, int], total: int) -> str:
    """`cudnn`, where all agree, else `cudnn (12), math (4)`, the most first."""
    if len(counts) == 1 and sum(counts.values()) == total:
        return next(iter(counts))
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} ({number})" for name, number in ordered)
