"""Small dated tables: prices, PUE and embodied shares, Wh of other tasks, each with its source."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

from kinowatt.errors import FactsError
from kinowatt.facts.loading import Row, fact_layers, number, read_csv

Fact = TypeVar("Fact")


@dataclass(frozen=True, kw_only=True, slots=True)
class GpuPrice:
    """USD per GPU-hour of one offer at one date (YYYY-MM), low and high end."""

    gpu: str
    offer: str
    low_usd: float
    high_usd: float
    date: str
    source: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ElectricityPrice:
    """What a kWh costs one sector of a region over a period, in the currency it is published in."""

    region: str  # a code of grids.csv
    sector: str
    per_kwh: float
    currency: str
    period: str
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
    """Wh of one run of another AI task, or of one unit of something everyday (`group`)."""

    name: str
    group: str
    wh: float
    label: str
    source: str


@lru_cache(maxsize=1)
def prices() -> tuple[GpuPrice, ...]:
    """GPU-hour prices; a user's prices.csv adds offers or replaces them by GPU and offer."""

    def read(row: Row) -> GpuPrice:
        low = _above_zero(row, "usd_per_gpu_hour_low")
        high = _above_zero(row, "usd_per_gpu_hour_high")
        if high < low:
            raise FactsError(
                f"{row.where}: field 'usd_per_gpu_hour_high' is {high:g}, below the low end {low:g}"
            )
        return GpuPrice(
            gpu=row["gpu"],
            offer=row["offer"],
            low_usd=low,
            high_usd=high,
            date=row["date"],
            source=row["source"],
        )

    fields = ("gpu", "offer", "usd_per_gpu_hour_low", "usd_per_gpu_hour_high", "date", "source")
    return tuple(_read("prices.csv", fields, ("gpu", "offer"), read).values())


@lru_cache(maxsize=1)
def electricity_prices() -> tuple[ElectricityPrice, ...]:
    """Electricity prices; a user's electricity.csv adds rows or replaces them."""

    def read(row: Row) -> ElectricityPrice:
        return ElectricityPrice(
            region=row["region"],
            sector=row["sector"],
            per_kwh=_above_zero(row, "per_kwh"),
            currency=row["currency"],
            period=row["period"],
            source=row["source"],
        )

    fields = ("region", "sector", "per_kwh", "currency", "period", "source")
    return tuple(_read("electricity.csv", fields, ("region", "sector", "period"), read).values())


@lru_cache(maxsize=1)
def overheads() -> Mapping[str, Overhead]:
    """PUE, embodied figures and life times by name; a user's overheads.csv adds or replaces."""

    def read(row: Row) -> Overhead:
        return Overhead(
            name=row["name"],
            kind=row["kind"],
            value=_above_zero(row, "value"),
            unit=row["unit"],
            year=int(number(row, "year", row.where)),
            source=row["source"],
        )

    fields = ("name", "kind", "value", "unit", "year", "source")
    return _read("overheads.csv", fields, ("name",), read)


@lru_cache(maxsize=1)
def tasks() -> Mapping[str, Task]:
    """Other AI tasks and everyday equivalents by name; a user's tasks.csv adds or replaces."""

    def read(row: Row) -> Task:
        return Task(
            name=row["name"],
            group=row["group"],
            wh=_above_zero(row, "wh"),
            label=row["label"],
            source=row["source"],
        )

    return _read("tasks.csv", ("name", "group", "wh", "label", "source"), ("name",), read)


def _read(
    file: str, fields: tuple[str, ...], keys: tuple[str, ...], read: Callable[[Row], Fact]
) -> dict[str, Fact]:
    """Rows of the shipped file, then of the user's, by the fields that tell them apart."""
    found: dict[str, Fact] = {}
    for path in fact_layers(file):
        rows: dict[str, Fact] = {}
        for row in read_csv(path, fields):
            key, fact = "/".join(row[field] for field in keys), read(row)
            if key in rows:
                raise FactsError(f"{row.where}: field {keys[0]!r}: {key} stands there twice")
            rows[key] = fact
        found |= rows
    return found


def _above_zero(row: Row, field: str) -> float:
    value = number(row, field, row.where)
    if value <= 0:
        raise FactsError(f"{row.where}: field {field!r} must be above 0, not {value:g}")
    return value
