"""Our own measurements in the paper's figures, and a figure of our own: seconds against steps."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from kinowatt.analysis.own.rows import Repeats
from kinowatt.analysis.own.steps import Ladder
from kinowatt.analysis.own.sweeps import OwnSeries, own_fit, x_of
from kinowatt.report.style import COLOURS, INK, OWN

LABEL = "measured by us, 2026"
FITTED = {  # the paper's forms
    "resolution": "power law through ours",
    "frames": "power law through ours",
    "steps": "line through ours",
}
HOW = {False: LABEL, True: f"{LABEL}, composed"}


def own_points(ax: Any, ours: OwnSeries, quantity: str) -> None:
    """Our points of a sweep, whole videos filled, composed ones hollow, and our fit if there is."""
    fitted = own_fit(ours, "latency" if quantity == "latency_s" else "energy")
    if fitted:
        settings = [point.setting for point in ours.points]
        x = [x_of(ours.sweep, setting) for setting in settings]
        line = [fitted.at(setting) for setting in settings]
        ax.plot(
            x, line, color=OWN, linewidth=1.0, linestyle="--", zorder=5, label=FITTED[ours.sweep]
        )
    for composed in (False, True):
        shown = [
            (x_of(ours.sweep, point.setting), value)
            for point in ours.points
            if point.composed == composed
            and (value := point.latency if quantity == "latency_s" else point.energy)
        ]
        diamonds(ax, shown, composed)


def own_models(ax: Any, rows: Sequence[Mapping[str, Any]], offset: float, name: str) -> None:
    """Our values of `name` (`latency_s`, `gpu_wh`) of the seven models, in their order."""
    stem, unit = name.rsplit("_", 1)
    for composed in (False, True):
        shown = [
            (
                index + offset,
                Repeats(
                    mean=row[f"measured_2026_{name}"],
                    sd=row[f"measured_2026_{stem}_sd_{unit}"],
                    n=row["measured_2026_n"],
                    over="",
                ),
            )
            for index, row in enumerate(rows)
            if row[f"measured_2026_{name}"] is not None
            and row["measured_2026_composed"] == composed
        ]
        diamonds(ax, shown, composed)


def diamonds(
    ax: Any, points: Sequence[tuple[float, Repeats]], composed: bool, colour: str = OWN
) -> None:
    """Means; bars of one standard deviation where a point has repeats, none where it has not."""
    if not points:
        return
    repeated = [(x, value) for x, value in points if value.sd is not None]
    ax.errorbar(
        [x for x, _ in repeated],
        [value.mean for _, value in repeated],
        yerr=[value.sd for _, value in repeated],
        fmt="none",
        ecolor=colour,
        capsize=3,
        zorder=6,
    )
    ax.scatter(
        [x for x, _ in points],
        [value.mean for _, value in points],
        marker="D",
        s=22,
        facecolor="white" if composed else colour,
        edgecolor=colour if composed else "white",
        linewidth=1.0 if composed else 0.5,
        zorder=7,
        label=HOW[composed],
    )


def steps_figure(plt: Any, found: Sequence[Ladder]) -> Any:
    """Seconds and Wh against steps of whole videos alike in all but steps, a line for each model."""
    figure, axes = plt.subplots(1, 2, figsize=(7.4, 3.6))
    for ax, unit in zip(axes, ("latency (s)", "GPU energy (Wh)"), strict=True):
        for colour, ladder in zip(_colours(len(found)), found, strict=True):
            _ladder(ax, ladder, "latency" in unit, colour)
        ax.set_xlabel("denoising steps")
        ax.set_ylabel(unit)
        ax.set_xlim(left=0)
        ax.set_ylim(bottom=0)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=8)
    return figure


def _colours(count: int) -> list[str]:
    known = [colour for name, colour in COLOURS.items() if name != "other denoiser work"]
    return [[*known, INK][index % (len(known) + 1)] for index in range(count)]


def _ladder(ax: Any, ladder: Ladder, latency: bool, colour: str) -> None:
    work = ladder.groups[0].first.row["workload"]
    size = f"{work['height_px']}×{work['width_px']}×{work['frames']}"
    values = [group.latency_s if latency else group.gpu_wh for group in ladder.groups]
    shown = [(x, value) for x, value in zip(ladder.steps, values, strict=True) if value]
    ax.errorbar(
        [x for x, _ in shown],
        [value.mean for _, value in shown],
        yerr=[math.nan if value.sd is None else value.sd for _, value in shown],
        capsize=3,
        marker="o",
        markersize=4,
        color=colour,
        linewidth=1.0,
        label=f"{ladder.groups[0].first.row['model']}, {size}",
    )
