"""`kinowatt microbench`: progress while it runs, then the rates by family of operators."""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.text import Text

from kinowatt.analysis.power_fits import mean_watts
from kinowatt.app.render import console, grid
from kinowatt.facts.throttling import bench_fault
from kinowatt.lab.microbench.points import Point
from kinowatt.lab.microbench.result import Microbench
from kinowatt.units import TERA, format_number, format_seconds

ROWS = 14  # of a family that the table shows; the file has all
SUMMARY = ("linear", "attention", "convolution", "memory", "norm")


def run(device: str, budget_s: float, output: str | None) -> Microbench:
    """Measures, says what it does on stderr, and writes the file that was asked for."""
    from kinowatt.lab.microbench.run import microbench

    def tell(what: str) -> None:
        sys.stderr.write(f"{what} ...\n")

    found = microbench(device, budget_s, tell)
    if output is not None:
        found.write(Path(output))
    if wrong := bench_fault(found.to_dict()):
        sys.stderr.write(f"! {wrong}\n")
    return found


def report(found: Microbench) -> None:
    """A table by family, then power at partial loads, calls, and what was left out."""
    out = console()
    for family in SUMMARY:
        points = [point for point in found.points if point["family"] == family]
        out.print(_table(family, points))
    if found.loads:
        out.print(_loads(found.loads))
    out.print(_overhead(found.call_overhead))
    for line in _closing(found):
        out.print(Text(line, style="dim"))


def rate(point: Mapping[str, Any], seconds: float) -> str:
    """TFLOP/s of what computes, TB/s of what only moves."""
    if point["flops"]:
        return f"{format_number(point['flops'] / seconds / TERA)} TFLOP/s"
    return f"{format_number(point['bytes'] / seconds / TERA)} TB/s"


def _table(family: str, points: list[Mapping[str, Any]]) -> Any:
    shown = sorted(points, key=lambda p: p["sustained"] is None)[:ROWS]
    headers = ("shape", "dtype", "kernel", "burst", "at length", "W", "SM MHz")
    more = f", {ROWS} of {len(points)}" if len(points) > ROWS else ""
    table = grid(f"{family} (measured{more})", *headers)
    for point in shown:
        table.add_row(*_cells(point))
    return table


def _cells(point: Mapping[str, Any]) -> Iterator[str]:
    names = ("family", "op", "params", "dtype", "backend", "data")
    shape = Point(**{name: point[name] for name in names}).shape
    plain = point["family"] in ("linear", "attention", "convolution")
    zeros = ", zeros" if point["data"] == "zeros" else ""
    yield (shape if plain else f"{point['op']}, {shape}") + zeros
    yield point["dtype"]
    yield point["backend"] or ""
    yield rate(point, point["burst"]["seconds_per_call"])
    held = point["sustained"]
    yield rate(point, held["seconds_per_call"]) if held else ""
    yield _watts(held)
    yield _mean(held, "clock_mhz")


def _watts(values: Mapping[str, Any] | None) -> str:
    return f"{mean_watts(values):.0f}" if values and values.get("power_w") else ""


def _mean(values: Mapping[str, Any] | None, name: str) -> str:
    found = values.get(name) if values else None
    return "" if found is None else f"{found['mean']:.0f}"


def _loads(loads: tuple[Mapping[str, Any], ...]) -> Any:
    table = grid("part of the time (measured)", "operator", "load", "W", "SM MHz")
    for item in loads:
        clock = _mean(item, "clock_mhz")
        table.add_row(item["op"], f"{100 * item['duty']:.0f}%", _watts(item), clock)
    return table


def _overhead(calls: Mapping[str, Mapping[str, float]]) -> Any:
    table = grid("one call (measured)", "kind", "host", "least", "most")
    for kind, values in calls.items():
        figures = (values[name] for name in ("host_s", "host_min_s", "host_max_s"))
        table.add_row(kind, *(format_seconds(value) for value in figures))
    return table


def _closing(found: Microbench) -> Iterator[str]:
    yield f"{found.device}: {len(found.points)} points in {found.seconds:.0f} s."
    idle = _watts(found.idle)
    if idle:
        yield f"Idle: {idle} W. Power is NVML's energy counter over each stretch after its settling."
    reasons: dict[str, int] = {}
    for item in found.skipped:
        reasons[item["reason"]] = reasons.get(item["reason"], 0) + 1
    for reason, count in reasons.items():
        yield f"Not measured: {count} ({reason})."
