"""Small dated tables: GPU-hour prices, PUE and embodied shares, Wh of other tasks."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from kinowatt.facts.loading import fact_layers, number, read_csv


@dataclass(frozen=True, kw_only=True, slots=True)
class GpuPrice:
    """USD per GPU-hour of one offer at one date, low and high end."""

    gpu: str
    offer: str
    low_usd: float
    high_usd: float
    date: str
    source: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Overhead:
    """A PUE (ratio), an embodied figure (kg CO2e) or a life time (years), with its source."""

    name: str
    kind: str
    value: float
    unit: str
    year: int
    source: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """Wh of one run of another AI task, or of one unit of something everyday."""

    name: str
    group: str
    wh: float
    label: str
    source: str


@lru_cache(maxsize=1)
def prices() -> tuple[GpuPrice, ...]:
    fields = ("gpu", "offer", "usd_per_gpu_hour_low", "usd_per_gpu_hour_high", "date", "source")
    return tuple(
        GpuPrice(
            gpu=row["gpu"],
            offer=row["offer"],
            low_usd=number(row, "usd_per_gpu_hour_low", where),
            high_usd=number(row, "usd_per_gpu_hour_high", where),
            date=row["date"],
            source=row["source"],
        )
        for where, row in _rows("prices.csv", fields)
    )


@lru_cache(maxsize=1)
def overheads() -> Mapping[str, Overhead]:
    fields = ("name", "kind", "value", "unit", "year", "source")
    return {
        row["name"]: Overhead(
            name=row["name"],
            kind=row["kind"],
            value=number(row, "value", where),
            unit=row["unit"],
            year=int(number(row, "year", where)),
            source=row["source"],
        )
        for where, row in _rows("overheads.csv", fields)
    }


@lru_cache(maxsize=1)
def tasks() -> Mapping[str, Task]:
    fields = ("name", "group", "wh", "label", "source")
    return {
        row["name"]: Task(
            name=row["name"],
            group=row["group"],
            wh=number(row, "wh", where),
            label=row["label"],
            source=row["source"],
        )
        for where, row in _rows("tasks.csv", fields)
    }


def _rows(name: str, fields: tuple[str, ...]) -> list[tuple[str, dict[str, str]]]:
    return [
        (f"{path.name}: row {index}", row)
        for path in fact_layers(name)
        for index, row in enumerate(read_csv(path, fields), 1)
    ]
