"""Parts of a model card that measured and predicted figures share: electricity and the tables.

The hub's field as its documentation has it ("Displaying carbon emissions for your model"): grams,
source, training_type, geographical_location, hardware_used.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from kinowatt.errors import InputError
from kinowatt.facts.grids import grid as find_grid
from kinowatt.units import GIB, WH_PER_KWH, format_bytes, format_seconds, format_wh
from kinowatt.version import __version__

MAX_INTENSITY = 3000.0  # g/kWh, as for a grid
TABLE = ("| stage | time | GPU energy | peak GPU memory |", "| --- | --- | --- | --- |")


@dataclass(frozen=True, kw_only=True, slots=True)
class Electricity:
    """g CO2e per kWh, and of which electricity; `location` where it is that of a place."""

    g_per_kwh: float
    where: str
    location: str | None

    def grams(self, energy_wh: float) -> float:
        """g CO2e of so many Wh."""
        return energy_wh / WH_PER_KWH * self.g_per_kwh


def electricity(grid: str | None, intensity: float | None) -> Electricity | None:
    """By a grid (as in `kinowatt grids`) or an intensity, g CO2e per kWh; None without either."""
    if grid is None and intensity is None:
        return None
    if grid is not None and intensity is not None:
        raise InputError("give a grid or an intensity, not both")
    if grid is None:
        return Electricity(g_per_kwh=_intensity(intensity), where="as given", location=None)
    row = find_grid(grid)
    where = f"{row.name}, {row.year}, {row.kind}"
    return Electricity(g_per_kwh=row.g_per_kwh, where=where, location=row.name)


def _intensity(value: Any) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 <= value <= MAX_INTENSITY:
        raise InputError(
            f"intensity must be a number of g CO2e per kWh from 0 to {MAX_INTENSITY:g},"
            f" not {value!r:.60}"
        )
    return float(value)


def hub_field(energy_wh: float, by: str, power: Electricity, hardware: str) -> Iterator[str]:
    """YAML; a string of JSON is one of YAML, and digits without an exponent are a number in both.

    `by`: what the energy is from, e.g. `GPU energy by nvml-counter`.
    """
    source = (
        f"Kinowatt {__version__}: one generation (no training), {by},"
        f" {power.g_per_kwh:g} g/kWh ({power.where})"
    )
    yield "---"
    yield "co2_eq_emissions:"
    yield f"  emissions: {power.grams(energy_wh):.9f}"
    yield f"  source: {json.dumps(source)}"
    yield f"  training_type: {json.dumps('none: inference, one call of the pipeline')}"
    if power.location is not None:
        yield f"  geographical_location: {json.dumps(power.location)}"
    yield f"  hardware_used: {json.dumps(hardware)}"
    yield "---"
    yield ""


def carbon_sentence(what: str, energy_wh: float, power: Electricity) -> str:
    """`One call: 1.09 g CO2e by the GPU's electricity alone, at 56 g/kWh (France, …).`"""
    return (
        f"{what}: {power.grams(energy_wh):.3g} g CO2e by the GPU's electricity alone,"
        f" at {power.g_per_kwh:g} g/kWh ({power.where})."
    )


def stage_row(
    name: str, seconds: float, energy_wh: float | None, memory_gib: float | None, more: str = ""
) -> str:
    """One line of `TABLE`; `more` follows the energy where there is one."""
    energy = "–" if energy_wh is None else format_wh(energy_wh) + more
    memory = "–" if memory_gib is None else format_bytes(memory_gib * GIB)
    return f"| {' | '.join((name, format_seconds(seconds), energy, memory))} |"
