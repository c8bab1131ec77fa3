"""Carbon intensity of electricity by country, each row with year, kind, licence and source."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from kinowatt.errors import FactsError, unknown_name
from kinowatt.facts.loading import fact_layers, number, read_csv

COLUMNS = ("code", "name", "g_per_kwh", "year", "kind", "licence", "source")
KINDS = ("life-cycle", "direct")
# ISO 3166 alpha-2 and everyday names that people type
_ALSO = {"US": "USA", "GB": "GBR", "UK": "GBR", "FR": "FRA", "DE": "DEU", "CN": "CHN", "IN": "IND"}
_ALSO |= {"SE": "SWE", "NO": "NOR", "PL": "POL", "ES": "ESP", "IT": "ITA", "JP": "JPN", "CA": "CAN"}
_ALSO |= {"IE": "IRL", "NL": "NLD", "FI": "FIN", "DK": "DNK", "BR": "BRA", "AU": "AUS", "KR": "KOR"}
_ALSO |= {"CH": "CHE", "AT": "AUT", "BE": "BEL", "PT": "PRT", "IS": "ISL", "ZA": "ZAF", "SG": "SGP"}


@dataclass(frozen=True, kw_only=True, slots=True)
class GridIntensity:
    """g CO2e per kWh of one grid in one year."""

    code: str
    name: str
    g_per_kwh: float
    year: int
    kind: str
    licence: str
    source: str


@lru_cache(maxsize=1)
def grids() -> Mapping[str, GridIntensity]:
    """Grids by code (ISO 3166 alpha-3, EU, WORLD); a user's grids.csv adds or overrides rows."""
    found = {}
    for path in fact_layers("grids.csv"):
        for index, row in enumerate(read_csv(path, COLUMNS), 1):
            where = f"{path.name}: row {index} ({row['code']})"
            intensity = number(row, "g_per_kwh", where)
            if intensity < 0 or row["kind"] not in KINDS:
                raise FactsError(f"{where}: g_per_kwh must be >= 0 and kind one of {KINDS}")
            found[row["code"]] = GridIntensity(
                code=row["code"],
                name=row["name"],
                g_per_kwh=intensity,
                year=int(number(row, "year", where)),
                kind=row["kind"],
                licence=row["licence"],
                source=row["source"],
            )
    return found


def grid(name: str) -> GridIntensity:
    """A grid by code or country name (case ignored); `UnknownNameError` offers the nearest."""
    wanted = name.upper()
    table = grids()
    wanted = _ALSO.get(wanted, wanted)
    if wanted in table:
        return table[wanted]
    for row in table.values():
        if row.name.upper() == wanted:
            return row
    raise unknown_name("grid", name, [*table])
