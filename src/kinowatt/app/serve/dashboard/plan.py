"""The page Plan: what one video costs, where it goes, along which axis it grows, what saves."""

from collections.abc import Mapping
from html import escape
from typing import Any

from kinowatt.analysis.compare import Lever, ScalingPoint, levers, scaling
from kinowatt.analysis.predict import predict
from kinowatt.analysis.prediction import Prediction
from kinowatt.app.render import STAGE_NAMES
from kinowatt.app.serve.dashboard import charts
from kinowatt.app.serve.dashboard.tables import Column, table
from kinowatt.app.serve.dashboard.words import (
    address,
    both,
    card,
    cards,
    command,
    notice,
    python,
)
from kinowatt.errors import InputError
from kinowatt.units import (
    GIB,
    format_bytes,
    format_number,
    format_percent,
    format_seconds,
    format_wh,
)

AXES = {"frames": "frames", "steps": "steps", "size": "height_px"}
NUMBERS = ("height_px", "width_px", "frames", "steps", "guidance_scale", "price")
State = Mapping[str, Any]
Answer = tuple[str, str, Any, str, Any, str, str, str, str]


def settings(state: State) -> dict[str, Any]:
    """What the verbs are asked, of what the page holds."""
    given = {name: state[name] for name in NUMBERS if state.get(name) is not None}
    given["gpu"] = state["gpu"]
    if state.get("kernel") not in (None, "fused"):
        given["what_if"] = {"attention": state["kernel"]}
    if state.get("grid"):
        given["grid"] = state["grid"]
    if state.get("tiling") in ("on", "off"):
        given["tiling"] = state["tiling"] == "on"
    return given


def answer(state: State) -> Answer:
    """Everything below the controls; where they cannot be used, one line that says why."""
    try:
        return _answer(state)
    except InputError as error:
        said, none = notice([str(error)], "error"), charts.nothing()
        return (said, "", none, "", none, "", "", "", address(state))


def _answer(state: State) -> Answer:
    model, given = state["model"], settings(state)
    found = predict(model, **given)
    axis = state.get("axis") or "frames"
    without = {name: value for name, value in given.items() if name not in ("grid", "price")}
    points = scaling(model, axis, **without)
    return (
        notice([warning["message"] for warning in found.warnings], "warning"),
        headline(found),
        charts.stages(found),
        _stages(found),
        charts.scaling(axis, points, found, AXES[axis]),
        _points(axis, points),
        _levers(levers(model, **without)),
        both(command("predict", [model], given), python("predict", [model], given)),
        address(state),
    )


def headline(found: Prediction) -> str:
    """The figures that were asked for, with their intervals and what they are."""
    seconds = found.workload["video_s"] * found.workload["batch_size"]
    energy = found.energy_wh["gpu"] or 0.0
    figures = [
        card(
            "Time", format_seconds(found.latency_s), _interval(found, "latency_s", format_seconds)
        ),
        card("GPU energy", format_wh(energy), _interval(found, "energy_wh_gpu", format_wh)),
        card("CO2e", *_grams(found)),
        card("Money", *_money(found)),
        card("Peak GPU memory", *_memory(found)),
        card(
            "Per second of video",
            format_seconds(found.latency_s / seconds),
            format_wh(energy / seconds),
        ),
    ]
    ran = found.workload["effective"]
    runs = (
        f"Predicted by {found.profile} ({found.provenance['stack']}). Runs {ran['height_px']} x "
        f"{ran['width_px']}, {ran['frames']} frames ({found.workload['video_s']:.2f} s), "
        f"{ran['forward_passes']:g} forwards of {ran['tokens']:,.0f} tokens, recipe {found.recipe}."
    )
    return f'{cards(*figures)}<p class="runs">{escape(runs)}</p>'


def _interval(found: Prediction, key: str, show: Any) -> str:
    low, high = found.intervals[key]["95"]
    return f"95%: {show(low)} to {show(high)}"


def _grams(found: Prediction) -> tuple[str, str]:
    if found.co2e_g is None:
        return "-", "choose a grid"
    return f"{format_number(found.co2e_g)} g", str(found.options["co2e_scope"])


def _money(found: Prediction) -> tuple[str, str]:
    if found.cost_usd is None:
        return "-", "give a price per GPU-hour"
    return f"${found.cost_usd:.4f}", "GPU time alone"


def _memory(found: Prediction) -> tuple[str, str]:
    if found.peak_memory_gib is None:
        return "-", "not stated by the published model"
    fits = "fits in" if found.memory["fits"] else "does not fit in"
    return format_bytes(
        found.peak_memory_gib * GIB
    ), f"{fits} {format_bytes(found.memory['gpu_gib'] * GIB)}"


def _stages(found: Prediction) -> str:
    rows = [
        {
            "stage": STAGE_NAMES.get(name, name),
            "share": (row["latency_s"] or 0.0) / found.latency_s,
            **row,
        }
        for name, row in found.stages.items()
    ]
    columns = (
        Column(key="stage", label="Stage", left=True),
        Column(key="latency_s", label="Time", show=format_seconds),
        Column(key="share", label="Share", show=format_percent),
        Column(key="energy_wh", label="GPU energy", show=format_wh),
        Column(
            key="peak_memory_gib", label="Peak memory", show=lambda gib: format_bytes(gib * GIB)
        ),
    )
    return table("stages", "Stages (predicted)", columns, rows)


def _points(axis: str, points: list[ScalingPoint]) -> str:
    rows = [
        {
            axis: point.value,
            "latency_s": point.latency_s,
            "exponent_latency": point.exponent_latency,
            "energy_wh_gpu": point.energy_wh,
        }
        for point in points
    ]
    columns = (
        Column(
            key=axis,
            label="Height" if axis == "size" else axis.capitalize(),
            show=lambda v: f"{v:g}",
        ),
        Column(key="latency_s", label="Time", show=format_seconds),
        Column(key="exponent_latency", label="Local exponent", show=lambda v: f"{v:.2f}"),
        Column(key="energy_wh_gpu", label="GPU energy", show=format_wh),
    )
    return table("scaling", f"Along {axis} (predicted)", columns, rows)


def _levers(found: list[Lever]) -> str:
    rows = [
        {
            "lever": lever.name,
            "change": lever.change,
            "latency_s": lever.latency_s,
            "saves": 1 - lever.factor,
            "basis": lever.basis,
        }
        for lever in found
    ]
    columns = (
        Column(key="lever", label="Lever", left=True),
        Column(key="change", label="Change", left=True),
        Column(key="latency_s", label="Time then", show=format_seconds),
        Column(key="saves", label="Saves", show=_saved),
        Column(key="basis", label="Basis", left=True),
    )
    return table("levers", "What would make it cheaper", columns, rows)


def _saved(share: float) -> str:
    return format_percent(share) if share >= 0 else f"costs {format_percent(-share)}"
