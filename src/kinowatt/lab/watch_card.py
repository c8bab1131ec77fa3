"""A watch as a block of a model card; on request with the hub's field `co2_eq_emissions`."""

from collections.abc import Iterator

from kinowatt.errors import KinowattError
from kinowatt.facts.card import TABLE, carbon_sentence, electricity, hub_field, stage_row
from kinowatt.lab.meters.contract import SCOPES
from kinowatt.lab.watch_report import WatchReport
from kinowatt.units import format_seconds, format_wh
from kinowatt.version import __version__

SPREAD_LIMIT = 0.05  # calls that differ by more are not all in one state
DISAGREEMENT_LIMIT = 0.05  # between the GPU's energy counter and its power


def card(report: WatchReport, grid: str | None, intensity: float | None) -> str:
    """The block; see `WatchReport.model_card`."""
    power, energy_wh = electricity(grid, intensity), report.energy_wh["gpu"]
    if power is not None and energy_wh is None:
        raise KinowattError(f"no CO2e without GPU energy: {report.energy_null['gpu']}")
    if report.latency_s is None:
        return "No call was made.\n"
    front: Iterator[str] = iter(())
    after = []
    if power is not None and energy_wh is not None:
        by = f"GPU energy by {report.energy_by['gpu']['meter']}"
        front = hub_field(energy_wh, by, power, _where(report))
        after = [carbon_sentence("One call", energy_wh, power)]
    lines = [
        *front,
        "### Time and energy of one call",
        "",
        f"Measured by Kinowatt {__version__} on {_where(report)}"
        f" ({_count(report.calls, 'call')} of `{report.pipeline}`, {_software(report)}).",
        "",
        *_table(report),
        "",
        *_notes(report),
        *after,
    ]
    return "\n".join(lines) + "\n"


def _where(report: WatchReport) -> str:
    name, device = report.conditions["gpu_name"], report.conditions["device"]
    return str(name or ("a CPU" if device == "cpu" else f"device {device!r}"))


def _software(report: WatchReport) -> str:
    found = [f"{name} {report.conditions[name]}" for name in ("torch", "diffusers")]
    driver = report.conditions.get("driver")
    return ", ".join([*found, *([f"driver {driver}"] if driver else [])])


def _table(report: WatchReport) -> Iterator[str]:
    yield from TABLE
    for name, stage in report.stages.items():
        included = stage.get("energy_includes")
        energy_wh, memory_gib = stage["energy_wh"]["gpu"], stage["peak_memory_gib"]
        more = f" (with {', '.join(included)})" if included else ""
        yield stage_row(name, stage["latency_s"], energy_wh, memory_gib, more)
    energy_wh, seconds = report.energy_wh["gpu"], report.latency_s or 0.0
    yield stage_row("**whole call**", seconds, energy_wh, report.peak_memory_gib)


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
