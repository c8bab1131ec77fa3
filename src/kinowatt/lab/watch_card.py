"""A watch as a block of a model card; on request with the hub's field `co2_eq_emissions`.

The field as the hub's documentation has it ("Displaying carbon emissions for your model"): grams,
source, training_type, geographical_location, hardware_used.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kinowatt.errors import InputError, KinowattError
from kinowatt.facts.grids import grid as find_grid
from kinowatt.lab.meters.contract import SCOPES
from kinowatt.lab.watch_report import WatchReport
from kinowatt.units import GIB, WH_PER_KWH, format_bytes, format_seconds, format_wh
from kinowatt.version import __version__

SPREAD_LIMIT = 0.05  # calls that differ by more are not all in one state
DISAGREEMENT_LIMIT = 0.05  # between the GPU's energy counter and its power
MAX_INTENSITY = 3000.0  # g/kWh, as for a grid


def card(report: WatchReport, grid: str | None, intensity: float | None) -> str:
    """The block; see `WatchReport.model_card`."""
    carbon = _carbon(report, grid, intensity)
    if report.latency_s is None:
        return "No call was made.\n"
    lines = [
        *(_front_matter(report, carbon) if carbon else ()),
        "### Time and energy of one call",
        "",
        f"Measured by Kinowatt {__version__} on {_where(report)}"
        f" ({_count(report.calls, 'call')} of `{report.pipeline}`, {_software(report)}).",
        "",
        *_table(report),
        "",
        *_notes(report),
        *([carbon.sentence] if carbon else ()),
    ]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Carbon:
    """Grams of CO2e of one call, and of which electricity."""

    grams: float
    g_per_kwh: float
    where: str
    location: str | None
    meter: str

    @property
    def sentence(self) -> str:
        return (
            f"One call: {self.grams:.3g} g CO2e by the GPU's electricity alone,"
            f" at {self.g_per_kwh:g} g/kWh ({self.where})."
        )


def _carbon(report: WatchReport, grid: str | None, intensity: float | None) -> _Carbon | None:
    if grid is None and intensity is None:
        return None
    if grid is not None and intensity is not None:
        raise InputError("give a grid or an intensity, not both")
    location: str | None = None
    if grid is not None:
        row = find_grid(grid)
        g_per_kwh, location = row.g_per_kwh, row.name
        where = f"{row.name}, {row.year}, {row.kind}"
    else:
        g_per_kwh, where = _intensity(intensity), "as given"
    energy_wh = report.energy_wh["gpu"]
    if energy_wh is None:
        raise KinowattError(f"no CO2e without GPU energy: {report.energy_null['gpu']}")
    return _Carbon(
        grams=energy_wh / WH_PER_KWH * g_per_kwh,
        g_per_kwh=g_per_kwh,
        where=where,
        location=location,
        meter=str(report.energy_by["gpu"]["meter"]),
    )


def _intensity(value: Any) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 <= value <= MAX_INTENSITY:
        raise InputError(
            f"intensity must be a number of g CO2e per kWh from 0 to {MAX_INTENSITY:g},"
            f" not {value!r:.60}"
        )
    return float(value)


def _front_matter(report: WatchReport, carbon: _Carbon) -> Iterator[str]:
    """YAML; a string of JSON is one of YAML, and digits without an exponent are a number in both."""
    source = (
        f"Kinowatt {__version__}: one generation (no training), GPU energy by {carbon.meter},"
        f" {carbon.g_per_kwh:g} g/kWh ({carbon.where})"
    )
    yield "---"
    yield "co2_eq_emissions:"
    yield f"  emissions: {carbon.grams:.9f}"
    yield f"  source: {json.dumps(source)}"
    yield f"  training_type: {json.dumps('none: inference, one call of the pipeline')}"
    if carbon.location is not None:
        yield f"  geographical_location: {json.dumps(carbon.location)}"
    yield f"  hardware_used: {json.dumps(_where(report))}"
    yield "---"
    yield ""


def _where(report: WatchReport) -> str:
    name, device = report.conditions["gpu_name"], report.conditions["device"]
    return str(name or ("a CPU" if device == "cpu" else f"device {device!r}"))


def _software(report: WatchReport) -> str:
    found = [f"{name} {report.conditions[name]}" for name in ("torch", "diffusers")]
    driver = report.conditions.get("driver")
    return ", ".join([*found, *([f"driver {driver}"] if driver else [])])


def _table(report: WatchReport) -> Iterator[str]:
    yield "| stage | time | GPU energy | peak GPU memory |"
    yield "| --- | --- | --- | --- |"
    for name, stage in report.stages.items():
        included = stage.get("energy_includes")
        energy = f" (with {', '.join(included)})" if included else ""
        yield _row(name, stage["latency_s"], stage, energy)
    total = {"energy_wh": report.energy_wh, "peak_memory_gib": report.peak_memory_gib}
    yield _row("**whole call**", report.latency_s or 0.0, total, "")


def _row(name: str, seconds: float, more: Mapping[str, Any], included: str) -> str:
    energy_wh, memory_gib = more["energy_wh"]["gpu"], more["peak_memory_gib"]
    energy = "–" if energy_wh is None else format_wh(energy_wh) + included
    memory = "–" if memory_gib is None else format_bytes(memory_gib * GIB)
    return f"| {' | '.join((name, format_seconds(seconds), energy, memory))} |"


def _notes(report: WatchReport) -> Iterator[str]:
    """What qualifies the figures, a line each."""
    yield "From prompt to frames in memory; no loading, no encoding of a file."
    slow, quick = max(report.calls_s), min(report.calls_s)
    if slow > (1 + SPREAD_LIMIT) * quick:
        yield (
            f"Calls took {format_seconds(quick)} to {format_seconds(slow)};"
            f" the first {format_seconds(report.calls_s[0])}, with any warming up."
        )
    for scope in SCOPES:
        yield _scope(report, scope)
    ratio = report.conditions.get("counter_over_power")
    if ratio and abs(ratio - 1) > DISAGREEMENT_LIMIT:
        yield f"The energy counter gave {ratio:.0%} of the integrated power: check the meters."
    others = report.conditions.get("other_processes")
    if others and report.energy_wh["gpu"] is not None:
        yield f"The GPU energy includes {_count(len(others), 'other process')} on the GPU."


def _scope(report: WatchReport, scope: str) -> str:
    energy_wh = report.energy_wh[scope]
    if energy_wh is None:
        return f"{scope.upper()} energy: not given, {report.energy_null[scope]}."
    by = report.energy_by[scope]
    return f"{scope.upper()} energy: {format_wh(energy_wh)}, {by['method']} ({by['meter']})."


def _count(number: int, noun: str) -> str:
    plural = "es" if noun.endswith("s") else "s"
    return f"{number} {noun}{'' if number == 1 else plural}"
