"""Plotly figures; each stands beside a table with the same numbers."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle
from typing import Any

from kinowatt.analysis.compare import ScalingPoint
from kinowatt.analysis.prediction import Prediction
from kinowatt.app.render import STAGE_NAMES
from kinowatt.app.serve.bodies import dumps
from kinowatt.report.style import COLOURS

STAGE_COLOURS = {
    "text_encoder": COLOURS["text encoder"],
    "denoiser": COLOURS["self-attention"],
    "latent_upsampler": COLOURS["MLP"],
    "vae_decoder": COLOURS["VAE decoder"],
    "other": COLOURS["host"],
}
SYMBOLS = ("circle", "square", "diamond", "cross", "x", "triangle-up", "star")
LINE, HERE = COLOURS["self-attention"], "#D55E00"
GRID = {"gridcolor": "rgba(128,128,128,0.35)", "zeroline": False, "automargin": True}
LAYOUT = {
    "paper_bgcolor": "rgba(0,0,0,0)",
    "plot_bgcolor": "rgba(0,0,0,0)",
    "margin": {"l": 12, "r": 12, "t": 44, "b": 12},
    "legend": {"orientation": "h", "y": -0.35},
    "font": {"size": 13},
    "hoverlabel": {"namelength": -1},
}


def _figure(title: str, height: int, traces: list[Any], **layout: Any) -> str:
    """A figure as the browser's Plotly reads it; the Python package would only slow this down."""
    heading = {"text": title, "x": 0.01, "font": {"size": 15}}
    found = {"data": traces, "layout": {**LAYOUT, "title": heading, "height": height, **layout}}
    return dumps(found).decode()


def nothing() -> str:
    """No figure: there is no answer that could be drawn."""
    return ""


def stages(found: Prediction) -> str:
    """Where the time and the energy go: one bar each, in percent, by stage."""
    traces = []
    for name, row in found.stages.items():
        seconds, wh = row["latency_s"] or 0.0, row["energy_wh"] or 0.0
        traces.append(
            {
                "type": "bar",
                "y": ["energy", "time"],
                "x": [wh / (found.energy_wh["gpu"] or 1.0), seconds / found.latency_s],
                "customdata": [f"{wh:.3g} Wh", f"{seconds:.3g} s"],
                "name": STAGE_NAMES.get(name, name),
                "orientation": "h",
                "marker": {"color": STAGE_COLOURS.get(name, COLOURS["cross-attention"])},
                "hovertemplate": "%{fullData.name}: %{customdata} (%{x:.1%})<extra></extra>",
            }
        )
    x = {**GRID, "tickformat": ".0%", "range": [0, 1]}
    title = "Where time and energy go"
    return _figure(title, 240, traces, barmode="stack", xaxis=x, yaxis={"automargin": True})


def scaling(axis: str, points: Sequence[ScalingPoint], here: Prediction, field: str) -> str:
    """Seconds along an axis, and where the page stands."""
    curve = {
        "type": "scatter",
        "x": [point.value for point in points],
        "y": [point.latency_s for point in points],
        "mode": "lines+markers",
        "line": {"color": LINE},
        "name": "predicted",
        "hovertemplate": "%{x}: %{y:.3s} s<extra></extra>",
    }
    spot = {
        "type": "scatter",
        "x": [here.workload[field]],
        "y": [here.latency_s],
        "mode": "markers+text",
        "text": ["you are here"],
        "textposition": "top left",
        "marker": {"size": 14, "color": HERE, "symbol": "diamond"},
        "name": "you are here",
        "hovertemplate": "you are here: %{y:.3s} s<extra></extra>",
    }
    x = {**GRID, "title": {"text": "height (px)" if axis == "size" else axis}}
    y = {**GRID, "title": {"text": "seconds"}, "rangemode": "tozero"}
    return _figure(f"Seconds along {axis}", 340, [curve, spot], xaxis=x, yaxis=y)


def compared(rows: Sequence[Prediction], unit: str) -> str:
    """One bar for each model and GPU: seconds or Wh per second of video."""
    bars = {
        "type": "bar",
        "y": [f"{row.model}, {row.gpu}" for row in rows],
        "x": [per_second(row, unit) for row in rows],
        "orientation": "h",
        "marker": {"color": LINE},
        "hovertemplate": "%{y}: %{x:.3g}<extra></extra>",
    }
    words = f"{unit} per second of video"
    x = {**GRID, "title": {"text": f"{words} (log scale)"}, "type": "log", "dtick": 1}
    y = {"automargin": True, "autorange": "reversed"}
    return _figure(words, 120 + 36 * len(rows), [bars], xaxis=x, yaxis=y)


def front(rows: Sequence[Mapping[str, Any]]) -> str:
    """Settings by seconds and by the seconds of video that come out."""
    told = "%{text}: %{x:.3s} s<extra>%{fullData.name}</extra>"
    words = "{height_px} x {width_px} x {frames}, {steps} steps"
    traces = list(_scattered(rows, ("latency_s", "video_s"), words, told))
    # Not from zero: with the most steps that fit, all of them come near the limit of time
    x = {**GRID, "title": {"text": "seconds to generate"}}
    y = {**GRID, "title": {"text": "seconds of video"}}
    title = "Time against output, each with the most steps that fit"
    return _figure(title, 360, traces, xaxis=x, yaxis=y, showlegend=True)


def expected(
    low: float, high: float, predicted_s: float, causes: Sequence[tuple[str, float]], yours: Any
) -> str:
    """The expected range, what each cause would take, and the time that was measured (or None)."""
    rows = ["expected", *(words for words, _ in causes)]
    end = {"symbol": "line-ns-open", "size": 20, "line": {"color": LINE, "width": 3}}
    bar = {"mode": "lines+markers", "line": {"color": LINE, "width": 8}, "marker": end}
    points = {"mode": "markers", "marker": {"size": 11, "color": COLOURS["MLP"]}}
    stated = {
        "mode": "lines+markers",
        "line": {"color": HERE, "dash": "dash"},
        "marker": {"size": 9, "color": HERE, "symbol": "diamond"},
    }
    seconds = [predicted_s, *(found for _, found in causes)]
    traces = [
        _along("95% interval", [low, high], ["expected", "expected"], bar),
        _along("predicted", seconds, rows, points),
    ]
    if yours is not None:
        traces.append(_along("your time", [yours for _ in rows], rows, stated))
    x = {**GRID, "title": {"text": "seconds (log scale)"}, "type": "log"}
    y = {"automargin": True, "autorange": "reversed"}
    height = 190 + 34 * len(rows)
    layout = {"xaxis": x, "yaxis": y, "legend": {"orientation": "h", "y": -80 / height}}
    return _figure("Expected, and what would explain it", height, traces, **layout)


def _along(name: str, seconds: list[float], rows: list[str], look: Mapping[str, Any]) -> Any:
    """A trace of seconds, one of each row."""
    told = "%{y}: %{x:.3g} s<extra>%{fullData.name}</extra>"
    return {"type": "scatter", "name": name, "x": seconds, "y": rows, **look, "hovertemplate": told}


def agreement(rows: Sequence[Mapping[str, Any]]) -> str:
    """Measured seconds over predicted ones, a symbol for each model; on the line they agree."""
    shown = [row for row in rows if row["predicted_latency_s"] is not None]
    ends = [row[name] for row in shown for name in ("latency_s", "predicted_latency_s")]
    line = {
        "type": "scatter",
        "mode": "lines",
        "x": [min(ends), max(ends)] if ends else [],
        "y": [min(ends), max(ends)] if ends else [],
        "line": {"color": "#6b7280", "dash": "dot"},
        "name": "as predicted",
        "hoverinfo": "skip",
    }
    told = "%{text}: %{y:.3s} s, predicted %{x:.3s} s<extra></extra>"
    words = "row {id}: {runs}, {steps} steps"
    traces = _scattered(shown, ("predicted_latency_s", "latency_s"), words, told)
    x = {**GRID, "title": {"text": "predicted (s, log scale)"}, "type": "log"}
    y = {**GRID, "title": {"text": "measured (s, log scale)"}, "type": "log"}
    title = "Measured against predicted"
    return _figure(title, 420, [line, *traces], xaxis=x, yaxis=y, showlegend=True)


def _scattered(
    rows: Sequence[Mapping[str, Any]], axes: tuple[str, str], words: str, told: str
) -> Iterator[dict[str, Any]]:
    """Points of each model; `axes`: what lies along x and y, `words`: of a point, by its row."""
    for model, colour, symbol in _styled(rows):
        mine = [row for row in rows if row["model"] == model]
        x, y = ([row[axis] for row in mine] for axis in axes)
        yield {
            "type": "scatter",
            "mode": "markers",
            "x": x,
            "y": y,
            "text": [words.format(**row) for row in mine],
            "name": model,
            "marker": {"size": 11, "color": colour, "symbol": symbol},
            "hovertemplate": told,
        }


def _styled(rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str, str]]:
    """Each model among rows with a colour and a symbol of its own."""
    names = dict.fromkeys(row["model"] for row in rows)
    return zip(names, cycle(COLOURS.values()), cycle(SYMBOLS), strict=False)


def per_second(row: Prediction, unit: str) -> float:
    """A figure per second of video that comes out of one call."""
    video_s: float = row.workload["video_s"] * row.workload["batch_size"]
    return (row.latency_s if unit == "Seconds" else row.energy_wh["gpu"] or 0.0) / video_s
