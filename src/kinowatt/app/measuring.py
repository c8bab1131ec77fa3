"""`kinowatt measure`: progress while it runs, then the row, measured beside predicted."""

import sys
import time
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from kinowatt.analysis.predict import predict
from kinowatt.analysis.prediction import Prediction
from kinowatt.app.render import STAGE_NAMES, console, grid
from kinowatt.errors import KinowattError
from kinowatt.facts.gpus import gpus
from kinowatt.facts.models import model as find_model
from kinowatt.lab.measure import measure
from kinowatt.lab.measurement import Measurement
from kinowatt.theory.workload import FIELDS
from kinowatt.units import format_number, format_seconds, format_wh

PREDICTED = (*FIELDS, "preset", "recipe", "tiling", "offload")
OnEvent = Callable[[dict[str, Any]], None]


def run(model: str, protocol: str, store: str | None, settings: Mapping[str, Any]) -> Measurement:
    """Checks the settings as a prediction would, then measures; progress goes to stderr."""
    plain = {name: value for name, value in settings.items() if name in PREDICTED}
    expected = None if settings.get("twin") else predict(model, **plain)
    whole = {
        k: int(v) if isinstance(v, float) and v.is_integer() else v for k, v in settings.items()
    }
    with progress(expected, protocol, settings) as on_event:
        return measure(model, protocol=protocol, store=store, on_event=on_event, **whole)


def expected_s(
    expected: Prediction | None, protocol: str, settings: Mapping[str, Any]
) -> float | None:
    """A guess at how long the measurement takes, from the prediction; None for a twin."""
    if expected is None:
        return None
    if protocol == "sampled":
        return (
            30.0 + (expected.stages["vae_decoder"]["latency_s"] or 0.0) + 0.2 * expected.latency_s
        )
    calls = int(settings.get("warmup", 2)) + int(settings.get("runs", 5))
    return 30.0 + calls * expected.latency_s


@contextmanager
def progress(expected: Prediction | None, protocol: str, settings: Mapping[str, Any]) -> Any:
    """One live line on a terminal; a line per event elsewhere."""
    total = expected_s(expected, protocol, settings)
    started = time.monotonic()
    out = Console(stderr=True, highlight=False)
    if not out.is_terminal:
        yield lambda event: _plain_line(event, started)
        return
    columns = (SpinnerColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=out, transient=True) as bar:
        task = bar.add_task("starting")
        state: dict[str, Any] = {}

        def on_event(event: dict[str, Any]) -> None:
            state.update(event)
            left = None if total is None else total - (time.monotonic() - started)
            bar.update(task, description=describe(state, left))

        yield on_event


def _plain_line(event: Mapping[str, Any], started: float) -> None:
    if event["event"] not in ("step", "stage"):
        sys.stderr.write(f"{time.monotonic() - started:7.1f} s  {describe(event, None)}\n")


def describe(state: Mapping[str, Any], left_s: float | None) -> str:
    """What is going on: phase, stage, watts, temperature, remaining time."""
    parts = [_phase(state)]
    if state.get("power_instant_w") is not None:
        parts.append(f"{state['power_instant_w']:.0f} W")
    if state.get("temperature_c") is not None:
        parts.append(f"{state['temperature_c']:.0f} °C")
    if left_s is not None:
        parts.append(
            f"about {format_seconds(max(1.0, left_s))} left" if left_s > 0 else "nearly done"
        )
    return " · ".join(parts)


def _phase(state: Mapping[str, Any]) -> str:
    event = state["event"]
    stage = STAGE_NAMES.get(state.get("stage", ""), state.get("stage", ""))
    names = {
        "build": f"building {state.get('model')}",
        "idle": "idle baseline",
        "warmup": f"warm-up {state.get('run')} of {state.get('of')}",
        "run": f"run {state.get('run')} of {state.get('of')}",
        "alone": f"{stage} alone",
        "stage": stage,
        "step": f"denoising, step {state.get('step')}",
    }
    return str(names.get(event, event))


def predicted_beside(row: Measurement) -> Prediction | None:
    """The prediction for what was measured, where GPU and model are known; None for a twin."""
    if row.gpu not in gpus() or row.conditions.get("twin"):
        return None
    asked = {name: row.workload[name] for name in FIELDS}
    conditions = row.conditions
    try:
        return predict(
            row.model,
            gpu=row.gpu,
            recipe=row.recipe,
            tiling=conditions["tiling"],
            offload=conditions["offload"],
            **asked,
        )
    except KinowattError:
        return None


def report(row: Measurement, out: Console | None = None) -> None:
    """The row for people: headline, stages beside the prediction, verdict, what to know."""
    out = out or console()
    beside = predicted_beside(row)
    label = find_model(row.model).label
    out.print(f"[bold]{label}[/] on [bold]{row.gpu}[/]  (measured, protocol {row.protocol})")
    out.print(_what_ran(row))
    out.print(_figures(row, beside))
    out.print(_stages(row, beside))
    for line in _remarks(row, beside):
        out.print(line)


def _what_ran(row: Measurement) -> str:
    effective, conditions = row.workload["effective"], row.conditions
    twin = "a tiny twin, " if conditions.get("twin") else ""
    return (
        f"{twin}{effective['height_px']}×{effective['width_px']}, {effective['frames']} frames,"
        f" {row.workload['steps']} steps: {effective['forward_passes']:,} forwards of"
        f" {effective['tokens']:,} tokens × {effective['sequences_per_pass']};"
        f" {conditions['weights']} weights, torch {conditions['torch']}"
    )


def _figures(row: Measurement, beside: Prediction | None) -> Any:
    modelled = {r["scope"] for r in row.conditions["readings"] if r["method"] == "modelled"}
    energy = beside.energy_wh if beside else {}
    lines: list[Line] = [Line("latency", row.latency_s, _of(beside, "latency_s"), format_seconds)]
    for scope in ("gpu", "cpu", "ram"):
        name = f"energy, {scope.upper()}" + (", modelled" if scope in modelled else "")
        lines.append(Line(name, row.energy_wh[scope], energy.get(scope), format_wh))
    lines += [
        Line("GPU power", row.power_w, _of(beside, "power_w"), _watts),
        Line("GPU power, idle", row.idle_power_w, None, _watts),
        Line("peak memory", row.peak_memory_gib, _of(beside, "peak_memory_gib"), _gib),
    ]
    table = grid("", "", "measured", *(("predicted", "difference") if beside else ()))
    for line in lines:
        if line.measured is not None or line.predicted is not None:
            table.add_row(line.name, *line.cells(beside is not None))
    return table


def _of(beside: Prediction | None, name: str) -> float | None:
    return getattr(beside, name) if beside else None


def _watts(value: float) -> str:
    return f"{format_number(value)} W"


def _gib(value: float) -> str:
    return f"{format_number(value)} GiB"


@dataclass(frozen=True, slots=True)
class Line:
    """A figure measured, and predicted where it is."""

    name: str
    measured: float | None
    predicted: float | None
    form: Callable[[float], str]

    def cells(self, both: bool) -> tuple[str, ...]:
        """Measured, and under `both` predicted and the relative difference."""
        first = "–" if self.measured is None else self.form(self.measured)
        if not both:
            return (first,)
        second = "–" if self.predicted is None else self.form(self.predicted)
        if not self.measured or self.predicted is None:
            return first, second, ""
        return first, second, f"{self.predicted / self.measured - 1:+.1%}"


def _stages(row: Measurement, beside: Prediction | None) -> Any:
    extra = ("predicted", "difference") if beside else ()
    table = grid("Stages", "stage", "measured", *extra, "share", "GPU energy")
    for name, stage in row.stages.items():
        predicted = beside.stages.get(name, {}).get("latency_s") if beside else None
        seconds = stage["latency_s"]
        energy = stage["energy_wh"]["gpu"]
        table.add_row(
            STAGE_NAMES.get(name, name),
            *Line(name, seconds, predicted, format_seconds).cells(beside is not None),
            f"{seconds / row.latency_s:.0%}",
            "–" if energy is None else format_wh(energy),
        )
    return table


def _remarks(row: Measurement, beside: Prediction | None) -> list[Text]:
    conditions, stability = row.conditions, row.stability
    found = [Text(f"! {reason}", style="yellow") for reason in stability["reasons"]]
    if not found:
        found.append(Text(f"Stable: {_steadiness(row)}.", style="green"))
    if composed := conditions.get("composed"):
        found.append(
            Text(
                f"Composed of {composed['timed_steps']} timed steps and the decoder alone,"
                " not of a whole video: no evidence that time is linear in steps.",
                style="dim",
            )
        )
    for scope, reason in conditions.get("energy_null", {}).items():
        found.append(Text(f"No {scope.upper()} energy: {reason}.", style="dim"))
    if conditions.get("host_bound"):
        found.append(Text("The GPU waited for the host: this size is bound by calls.", style="dim"))
    if beside is not None:
        found.append(Text(f"Predicted by {beside.profile}.", style="dim"))
    return found


def _steadiness(row: Measurement) -> str:
    scatter = row.stability.get("scatter")
    if scatter is not None:
        return f"runs scatter by {scatter:.1%}, n = {len(row.runs)}"
    slope = row.stability.get("slope")
    return f"steps change by {slope:.1%} over their window" if slope is not None else "one run"
