"""Our measurements over the paper's, where bars of repeats are large enough to be seen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from kinowatt.analysis.own.rows import Repeats
from kinowatt.analysis.own.sweeps import OwnSeries, ratios, x_of
from kinowatt.report.own_figures import diamonds
from kinowatt.report.style import COLOURS, INK, MEASURED, OWN

BAND = "#F6D5C0"  # a light shade of the paper's own points
BARS = (
    "Ours over the paper's: bars are one standard deviation between the repeats that stand beside"
    " them; a point without a bar was taken once."
)
SIDES = (("gpu", "wh", "gpu_wh_over_paper", -0.27), ("latency", "s", "latency_over_paper", 0.13))
TICKS: Mapping[str, Sequence[float]] = {
    "resolution": (0.06, 0.1, 0.2, 0.4, 0.6, 1, 2),
    "frames": (1, 2, 5, 10, 20, 50, 100),
    "steps": (1, 2, 4, 8, 16, 50, 200),
}
LOW, HIGH = 0.5, 1.25
ASIDE = 0.14  # of a model's place: rows of the same workload beside each other


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """One of our values over the paper's."""

    x: float
    value: Repeats
    composed: bool
    colour: str = OWN
    above: bool = False  # where its repeats are named
    align: str = "center"


def sweep_ratios(ax: Any, ours: OwnSeries, quantity: str, floor_pct: float) -> None:
    """At the settings that both have, `quantity` being latency or energy; the axis is logarithmic.

    `floor_pct`: half the spread of the paper's own repeats, a band around 1.
    """
    band = floor_pct / 100.0
    ax.axhspan(1 - band, 1 + band, color=BAND, linewidth=0, zorder=1, label="the paper's repeats")
    shared = ratios(ours, quantity)
    marks = []
    for point in ours.points:
        value = point.latency if quantity == "latency" else point.energy
        if value is not None and point.setting in shared:
            over = _over(value, shared[point.setting])
            x = x_of(ours.sweep, point.setting)
            marks.append(Mark(x=x, value=over, composed=point.composed))
    _draw(ax, marks)
    ax.set_xscale("log")
    ax.set_xticks(TICKS[ours.sweep], [f"{tick:g}" for tick in TICKS[ours.sweep]])
    ax.set_xticks([], minor=True)
    ax.set_xlim(0.8 * TICKS[ours.sweep][0], 1.25 * TICKS[ours.sweep][-1])


def model_ratios(ax: Any, rows: Sequence[Mapping[str, Any]], places: Sequence[str]) -> None:
    """Of each model every row of the paper's workload; `places`: model names from left to right."""
    marks = []
    for number, unit, ratio, offset in SIDES:
        colour = COLOURS["self-attention" if number == "gpu" else "MLP"]
        beside = dict.fromkeys(places, 0)
        for row in (row for row in rows if row[ratio] is not None):
            x = places.index(row["model"]) + offset + ASIDE * beside[row["model"]]
            beside[row["model"]] += 1
            mark = _mark(row, x, (number, unit, ratio), colour)
            align = "right" if number == "gpu" else "left"
            marks.append(replace(mark, above=beside[row["model"]] > 1, align=align))
    _draw(ax, marks)
    for index, name in enumerate(places):
        if all(row["latency_over_paper"] is None for row in rows if row["model"] == name):
            ax.text(
                index, 0.8, "not measured\nyet", ha="center", va="center", fontsize=7, color=INK
            )


def _mark(row: Mapping[str, Any], x: float, names: tuple[str, str, str], colour: str) -> Mark:
    number, unit, ratio = names
    found = Repeats(
        mean=row[f"measured_2026_{number}_{unit}"],
        sd=row[f"measured_2026_{number}_sd_{unit}"],
        n=row["measured_2026_n"],
        over=row["measured_2026_repeats"],
    )
    return Mark(
        x=x,
        value=_over(found, row[ratio]),
        composed=row["measured_2026_composed"],
        colour=colour,
    )


def _over(value: Repeats, ratio: float) -> Repeats:
    """A value and its spread as parts of the paper's value."""
    paper = value.mean / ratio
    return replace(value, mean=ratio, sd=None if value.sd is None else value.sd / paper)


def _draw(ax: Any, marks: Sequence[Mark]) -> None:
    ax.axhline(1.0, color=MEASURED, linewidth=1.0, zorder=2)
    for colour in dict.fromkeys(mark.colour for mark in marks):
        for composed in (False, True):
            alike = [m for m in marks if (m.colour, m.composed) == (colour, composed)]
            diamonds(ax, [(mark.x, mark.value) for mark in alike], composed, colour)
    for mark in marks:
        if mark.value.sd is not None:
            side = 1 if mark.above else -1
            ax.annotate(
                mark.value.over.removesuffix(", 1 machine"),
                (mark.x, mark.value.mean + side * mark.value.sd),
                xytext=(0, 6 * side),
                textcoords="offset points",
                ha=mark.align,
                va="bottom" if mark.above else "top",
                fontsize=6,
                color=INK,
            )
    ax.set_ylim(LOW, HIGH)
