"""Carbon intensity of electricity by country, each row with year, kind, licence and source."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from kinowatt.errors import FactsError, unknown_name
from kinowatt.facts.loading import Row, fact_layers, number, read_csv

COLUMNS = ("code", "name", "g_per_kwh", "year", "kind", "licence", "source")
KINDS = ("life-cycle", "direct")


@dataclass(frozen=True, kw_only=True, slots=True)
class GridIntensity:
    """g CO2e per kWh generated in one grid and year; `kind`: life-cycle, or direct (no upstream).

    The two kinds do not compare: direct figures leave out mining, transport and building.
    """

    code: str
    name: str
    g_per_kwh: float
    year: int
    kind: str
    licence: str
    source: str
    aliases: tuple[str, ...]


@lru_cache(maxsize=1)
def grids() -> Mapping[str, GridIntensity]:
    """Grids by code: ISO 3166 alpha-3, `US-` and a state, EU, WORLD.

    A user's grids.csv adds or replaces rows; one file may not name a code twice.
    """
    found: dict[str, GridIntensity] = {}
    for path in fact_layers("grids.csv"):
        rows: dict[str, GridIntensity] = {}
        for row in read_csv(path, COLUMNS):
            read = _grid(row)
            if read.code in rows:
                raise FactsError(f"{row.where}: field 'code': {read.code} stands there twice")
            rows[read.code] = read
        found |= rows
    return found


def grid(name: str) -> GridIntensity:
    """A grid by code, name or alias (case ignored); `UnknownNameError` offers the nearest."""
    found = _by_name().get(name.strip().upper()) if isinstance(name, str) else None
    if found is None:
        raise unknown_name("grid", name, grids(), [row.name for row in grids().values()])
    return found


@lru_cache(maxsize=1)
def _by_name() -> Mapping[str, GridIntensity]:
    """A code wins over a name, a name over an alias."""
    rows = grids().values()
    aliases = {alias.upper(): row for row in rows for alias in row.aliases}
    names = {row.name.upper(): row for row in rows}
    return {**aliases, **names, **grids()}


def _grid(row: Row) -> GridIntensity:
    intensity, year = number(row, "g_per_kwh", row.where), number(row, "year", row.where)
    if not 0 <= intensity <= 3000:
        raise FactsError(
            f"{row.where}: field 'g_per_kwh' must be from 0 to 3000, not {intensity:g}"
        )
    if row["kind"] not in KINDS:
        raise FactsError(
            f"{row.where}: field 'kind' is {row['kind']!r:.60}; must be one of {', '.join(KINDS)}"
        )
    if year not in range(1990, 2101):
        raise FactsError(f"{row.where}: field 'year' is {year:g}, not a year since 1990")
    return GridIntensity(
        code=row["code"].strip().upper(),
        name=row["name"],
        g_per_kwh=intensity,
        year=int(year),
        kind=row["kind"],
        licence=row["licence"],
        source=row["source"],
        aliases=tuple(filter(None, row.get("aliases", "").split("|"))),
    )
