"""Figures 1 to 5 of the paper, redrawn from the reproduction's data."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from kinowatt.analysis.own.sweeps import OwnSeries
from kinowatt.analysis.reproduction.model import Reproduction, Sweep
from kinowatt.facts.models import model
from kinowatt.report.own_figures import own_models, own_points, steps_figure
from kinowatt.report.own_ratios import model_ratios, sweep_ratios
from kinowatt.report.style import COLOURS, INK, MEASURED, SCOPES, plotting
from kinowatt.units import format_number

VERSIONS = {"published": "as published", "corrected": "corrected"}
QUANTITIES = (("latency_s", "latency (s)"), ("energy_wh", "GPU energy (Wh)"))
FORMATS = ("svg", "png")


def draw(found: Reproduction, folder: Path, formats: Sequence[str] = FORMATS) -> list[str]:
    """Writes figureN.svg and figureN.png, N = 1 to 5, and ours of steps; returns the names."""
    folder.mkdir(parents=True, exist_ok=True)
    by_name = {item.name: item for item in found.sweeps}
    table4 = next(table for table in found.tables if table.name == "table4")

    def sweep(name: str, plt: Any) -> Any:
        floor_pct = found.headline["floor_pct"]
        return _sweep(plt, by_name[name], found.own.series[name], floor_pct)

    drawings: dict[str, Callable[[Any], Any]] = {
        "figure1": _architecture,
        "figure2": lambda plt: sweep("resolution", plt),
        "figure3": lambda plt: sweep("frames", plt),
        "figure4": lambda plt: sweep("steps", plt),
        "figure5": lambda plt: _models(plt, table4.rows, found.own.models),
    }
    if found.own.ladders:
        drawings["measured_steps"] = lambda plt: steps_figure(plt, found.own.ladders)
    plt = plotting()
    for name, drawing in drawings.items():
        figure = drawing(plt)
        _save(plt, figure, [folder / f"{name}.{each}" for each in formats])
    return list(drawings)


def _save(plt: Any, figure: Any, files: Sequence[Path]) -> None:
    more: Mapping[str, Mapping[str, Any]] = {
        ".svg": {"metadata": {"Date": None}},
        ".png": {"dpi": 160},
    }
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # laid out once for all files: most of the time
    for file in files:
        figure.savefig(file, **more[file.suffix])
    plt.close(figure)


def _sweep(plt: Any, data: Sweep, ours: OwnSeries, floor_pct: float) -> Any:
    figure, axes = plt.subplots(3, 2, figsize=(7.4, 7.6), height_ratios=(3, 3, 2.2))
    for column, (version, label) in enumerate(VERSIONS.items()):
        for line, (quantity, unit) in enumerate(QUANTITIES):
            ax = axes[line][column]
            _stack(ax, data, version, quantity)
            points = data.measured_latency_s if line == 0 else data.measured_energy_wh
            size = 14 if len(points) < 60 else 5
            ax.scatter(
                data.measured_x,
                points,
                s=size,
                color=MEASURED,
                edgecolor="white",
                linewidth=0.4,
                zorder=5,
                label="measured (paper)",
            )
            own_points(ax, ours, quantity)
            ax.set_ylim(bottom=0)
            ax.set_xlim(left=0)
            if column == 0:
                ax.set_ylabel(unit)
            if line == 0:
                ax.set_title(f"Model {label}", fontsize=10, loc="left", color=INK)
                ax.tick_params(axis="x", labelbottom=False)
            else:
                ax.set_xlabel(data.axis)
    for ax, (quantity, unit) in zip(axes[2], QUANTITIES, strict=True):
        sweep_ratios(ax, ours, quantity.split("_")[0], floor_pct)
        what = unit.rsplit(" ", 1)[0]
        ax.set_title(f"Ours over the paper's, {what}", fontsize=10, loc="left", color=INK)
        ax.set_xlabel(f"{data.axis} (log scale)")
    handles: dict[str, Any] = {}
    for ax in (axes[0][1], axes[2][0]):
        found, labels = ax.get_legend_handles_labels()
        handles = dict(zip(labels, found, strict=True)) | handles
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=4, fontsize=8)
    return figure


def _stack(ax: Any, data: Sweep, version: str, quantity: str) -> None:
    stack = data.stacks[version][quantity]
    columns = [stack[name] for name in data.operators]
    x, stairs = data.x, data.name == "frames" and version == "corrected"
    if stairs:  # a frame count holds until the next: the last step needs a width too
        x, columns = (*x, x[-1] + 1), [(*column, column[-1]) for column in columns]
    ax.stackplot(
        x,
        columns,
        colors=[COLOURS[name] for name in data.operators],
        labels=data.operators,
        linewidth=0.3,
        edgecolor="white",
        step="post" if stairs else None,
    )


def _models(plt: Any, rows: Any, measured: Sequence[Mapping[str, Any]]) -> Any:
    figure, (top, middle, bottom) = plt.subplots(3, 1, figsize=(7.4, 7.8), height_ratios=(3, 2, 2))
    ordered = sorted(rows, key=lambda row: row["recomputed_gpu_wh"])
    names = [row["model"].replace("-T2V", "").replace("-preview", "") for row in ordered]
    names = [name.replace("-0.9.7-dev", "") for name in names]
    at = range(len(ordered))
    energy = [row["recomputed_gpu_wh"] for row in ordered]
    latency = [row["corrected_latency_s"] for row in ordered]
    for offset, values, colour, label, name in (
        (-0.2, energy, COLOURS["self-attention"], "GPU energy (Wh)", "gpu_wh"),
        (0.2, latency, COLOURS["MLP"], "latency (s), all stages", "latency_s"),
    ):
        top.bar([i + offset for i in at], values, width=0.38, color=colour, label=label)
        own = [row[f"measured_2026_{name}"] or 0.0 for row in ordered]
        _bar_labels(top, [i + offset for i in at], values, own)
        own_models(top, ordered, offset, name)
    printed = [row["recomputed_latency_s"] for row in ordered]
    top.scatter(
        [i + 0.2 for i in at], printed, marker="_", s=140, color=INK, zorder=5, label="as printed"
    )
    top.set_yscale("log")
    top.set_ylim(0.05, 8000)
    top.set_xticks(list(at), names, fontsize=8)
    handles = dict(zip(*reversed(top.get_legend_handles_labels()), strict=True))
    top.legend(handles.values(), handles, loc="upper left", fontsize=8)
    top.set_ylabel("per video (log scale)")
    places = [model(row["model"]).name for row in ordered]
    model_ratios(middle, measured, places)
    middle.set_xlim(top.get_xlim())
    middle.set_xticks(list(at), names, fontsize=8)
    middle.set_ylabel("ours over the paper's")
    _shares(bottom, ordered, names)
    return figure


def _bar_labels(ax: Any, at: list[float], values: list[float], own: list[float]) -> None:
    """The paper's numbers, above its bar and above our point where that is higher."""
    for x, value, ours in zip(at, values, own, strict=True):
        ax.annotate(
            format_number(value),
            (x, max(value, ours)),
            xytext=(0, 5 if ours > 0.9 * value else 1),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=7,
        )


def _shares(ax: Any, rows: Any, names: list[str]) -> None:
    left = [0.0] * len(rows)
    for scope in ("gpu", "cpu", "ram"):
        totals = [sum(row[f"recomputed_{s}_wh"] for s in ("gpu", "cpu", "ram")) for row in rows]
        part = [
            100 * row[f"recomputed_{scope}_wh"] / t for row, t in zip(rows, totals, strict=True)
        ]
        note = {"gpu": "GPU", "cpu": "CPU (modelled)", "ram": "RAM (constant 38 W)"}[scope]
        ax.barh(range(len(rows)), part, left=left, color=SCOPES[scope], label=note, height=0.7)
        left = [a + b for a, b in zip(left, part, strict=True)]
    for index, row in enumerate(rows):
        ax.text(1, index, f"{100 * row['gpu_share']:.1f}%", va="center", color="white", fontsize=8)
    ax.set_yticks(range(len(rows)), names, fontsize=8)
    ax.set_xlim(0, 100)
    ax.set_xlabel("share of GPU + CPU + RAM energy (%)")
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, 1.2), ncols=3, fontsize=8)
    ax.grid(axis="y", visible=False)


_BOXES = (
    (0.0, "prompt", "#eeeeee", "text"),
    (1.0, "text encoder\nUMT5-XXL", COLOURS["text encoder"], "512 tokens,\n1 + 1 calls"),
    (2.45, "DiT\n30 blocks of 1536", COLOURS["cross-attention"], "2 forwards\nper step"),
    (4.1, "VAE decoder\nfloat32", COLOURS["VAE decoder"], "one latent frame\nat a time"),
    (5.5, "frames", "#eeeeee", "1 + 4(f - 1)"),
)


def _architecture(plt: Any) -> Any:
    """Figure 1: what runs for one video, with the sizes of the checkpoint."""
    figure, ax = plt.subplots(figsize=(7.4, 2.5))
    ax.set_axis_off()
    ax.set_xlim(-0.5, 6.1)
    ax.set_ylim(-1.0, 1.3)
    for x, label, colour, below in _BOXES:
        ax.text(
            x,
            0.2,
            label,
            ha="center",
            va="center",
            fontsize=9,
            bbox={
                "boxstyle": "round,pad=0.5",
                "facecolor": colour,
                "edgecolor": INK,
                "alpha": 0.85,
            },
        )
        ax.text(x, -0.55, below, ha="center", va="top", fontsize=8, color=INK)
    arrow = {"arrowstyle": "->", "color": INK, "linewidth": 1.2}
    for start, end in ((0.33, 0.5), (1.52, 1.72), (3.2, 3.48), (4.7, 5.1)):
        ax.annotate("", xy=(end, 0.2), xytext=(start, 0.2), arrowprops=arrow)
    loop = {**arrow, "connectionstyle": "arc3,rad=0.55"}
    ax.annotate("", xy=(2.1, 0.62), xytext=(2.8, 0.62), arrowprops=loop)
    ax.text(2.45, 1.1, "S denoising steps", ha="center", fontsize=8)
    ax.text(1.0, 1.1, "timestep MLP", ha="center", fontsize=8, style="italic")
    ax.annotate("", xy=(1.85, 0.45), xytext=(1.3, 1.02), arrowprops={**arrow, "linewidth": 0.8})
    return figure
