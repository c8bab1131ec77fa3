"""Rows as CodeCarbon 3.3 writes `emissions.csv`: kWh, W, s, kg; a line is one video.

An empty cell is what a row does not say. `project_name` says which scopes are in
`energy_consumed`, and how each was obtained; `emissions` needs a grid, and is empty without.
"""

import csv
import io
import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from kinowatt.facts.grids import GridIntensity, grid
from kinowatt.formats.kinds import SCOPES, scope_words
from kinowatt.formats.writers import Options, Row, table
from kinowatt.units import GRAMS_PER_KG, WH_PER_KWH, wh_to_joules

# Of CodeCarbon 3.3.2, in its order
COLUMNS = (
    *("timestamp", "project_name", "run_id", "experiment_id", "duration", "emissions"),
    *("emissions_rate", "cpu_power", "gpu_power", "ram_power", "cpu_energy", "gpu_energy"),
    *("ram_energy", "energy_consumed", "water_consumed", "country_name", "country_iso_code"),
    *("region", "cloud_provider", "cloud_region", "os", "python_version", "codecarbon_version"),
    *("cpu_count", "cpu_model", "gpu_count", "gpu_model", "longitude", "latitude"),
    *("ram_total_size", "tracking_mode", "cpu_utilization_percent", "gpu_utilization_percent"),
    *("ram_utilization_percent", "ram_used_gb", "on_cloud", "pue", "wue"),
)
_SPACE = uuid.uuid5(uuid.NAMESPACE_URL, "kinowatt")


def emissions_csv(rows: Iterable[Row], options: Options) -> Iterator[str]:
    """Header, then a line per row."""
    place = grid(options.grid) if options.grid else None
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, COLUMNS, lineterminator="\n", restval="")
    writer.writeheader()
    for row in rows:
        writer.writerow(_line(row, place))
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue()


def _line(row: Row, place: GridIntensity | None) -> dict[str, Any]:
    data = json.loads(row.document)
    conditions = table(data["conditions"])
    host = table(conditions.get("host"))
    return {
        "timestamp": _timestamp(data["taken_at"]),
        "project_name": f"kinowatt {data['model']}: {scope_words(data)}; one video",
        "run_id": uuid.uuid5(_SPACE, row.document),
        "experiment_id": uuid.uuid5(_SPACE, row.alike),
        "duration": data["latency_s"],
        **_energy(data, place),
        "country_name": place.name if place else "",
        "country_iso_code": _iso(place),
        "os": host.get("os", ""),
        "python_version": conditions.get("python", ""),
        "codecarbon_version": conditions.get("codecarbon") or "",
        "cpu_count": host.get("logical_cores", ""),
        "cpu_model": host.get("cpu_model", ""),
        "gpu_count": 1,
        "gpu_model": f"1 x {conditions.get('gpu_name') or data['gpu']}",
        "ram_total_size": table(host.get("memory")).get("size_gib", ""),
        "tracking_mode": "machine",
        "pue": 1.0,
        "wue": 0.0,
    }


def _energy(data: Mapping[str, Any], place: GridIntensity | None) -> dict[str, Any]:
    """kWh and mean W by scope; their sum is of the scopes that `project_name` names."""
    known = {s: data["energy_wh"][s] for s in SCOPES if data["energy_wh"][s] is not None}
    found: dict[str, Any] = {}
    for scope, energy_wh in known.items():
        found[f"{scope}_energy"] = energy_wh / WH_PER_KWH
        found[f"{scope}_power"] = wh_to_joules(energy_wh) / data["latency_s"]
    if known:
        found["energy_consumed"] = sum(known.values()) / WH_PER_KWH
    if known and place:
        found["emissions"] = found["energy_consumed"] * place.g_per_kwh / GRAMS_PER_KG
        found["emissions_rate"] = found["emissions"] / data["latency_s"]
    return found


def _iso(place: GridIntensity | None) -> str:
    """ISO 3166 alpha-3, where the grid is a country."""
    return place.code if place and len(place.code) == 3 else ""


def _timestamp(taken_at: str) -> str:
    """As CodeCarbon has it, without an offset; here it is UTC."""
    return datetime.fromisoformat(taken_at).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
