"""Power against load: the page and its picture."""

from collections.abc import Mapping, Sequence
from typing import Any

from kinowatt.analysis.own.counted import Counted
from kinowatt.analysis.own.loads import (
    Line,
    line_beyond_the_limit,
    loads_table,
    sustained_table,
    zeros_beside_random,
)
from kinowatt.analysis.own.power import (
    Drawn,
    bands_table,
    best_constant,
    drawn,
    sizes_table,
    total_error_pct,
)
from kinowatt.analysis.tables import Table
from kinowatt.report.experiments.pages import MADE, SHADES, Experiment, page, prose, section
from kinowatt.report.style import INK, plotting


def power(rows: Sequence[Counted], bench: Mapping[str, Any]) -> Experiment:
    """`bench`: the microbench of the same GPU, as a mapping."""
    videos = drawn(rows)
    return Experiment(
        name="power",
        text=text(videos, bench, len(rows) - len(videos)),
        draw=lambda: draw(videos, bench),
    )


def text(videos: Sequence[Drawn], bench: Mapping[str, Any], unmetered: int) -> str:
    loads = loads_table(bench)
    return page(
        "# Power against load: what E = P_max · D misses",
        MADE,
        prose(
            "The paper takes the energy of a video as the power limit times its duration (section"
            " 3.5). Is that so? Here the duration is the *measured* one: only the power is judged."
        ),
        prose(_found(videos)),
        "![Left: mean power against achieved TFLOP/s, videos and single operators. Middle: clock"
        " against mean power. Right: error of the limit times seconds, by"
        " model](../images/experiment-power.png)",
        section(bands_table(videos)),
        section(
            sizes_table(videos),
            "The error is one of size, not of model: where a forward is under some 20 TFLOP, the"
            " host needs longer to call its kernels than the GPU to run them, and the GPU waits.",
        ),
        _limit(loads, line_beyond_the_limit(loads, bench["conditions"]["power_limit_w"])),
        _operators(bench),
        _good_for(videos, unmetered),
    )


def _found(videos: Sequence[Drawn]) -> str:
    constant, (*_, full, everything) = best_constant(videos), bands_table(videos).rows
    worst = 1.0 + everything["worst_error_pct"] / 100.0
    return f"""**Found.** For videos that keep the GPU busy, nearly: the energy of the {full["rows"]}
rows above 650 W is overstated by {full["mean_error_pct"]:.1f}% on average, and that of all rows
together by {total_error_pct(videos):.1f}%, because long videos weigh most. For a small video the
formula gives up to {worst:.1f} times the measured energy. No other constant mends that: the best
one, {constant.power_w:.0f} W, still misses a row by {constant.mae_pct:.0f}% on average. How far power
by what is busy does better, on the same rows, stands under *GPU energy* in
[How good it is](../how-good.md)."""


def _limit(loads: Table, line: Line) -> str:
    return section(
        loads,
        f"""Waiting, powered up, the GPU draws {line.idle_w:.0f} W at its greatest clock:
{100 * line.idle_w / line.limit_w:.0f}% of the limit for nothing. With pauses, power grows in a
straight line, {line.watts_per_tflop_per_s:.2f} W for each TFLOP/s of matrix products. Without
pauses the line would reach {line.unlimited_w:.0f} W; the limit leaves {line.limited_w:.0f} W, and the
clock falls to {100 * line.clock_share:.0f}% of its greatest. This is what makes a heavy forward
slower than its kernels are in a short burst.""",
    )


def _operators(bench: Mapping[str, Any]) -> str:
    table, zeros = sustained_table(bench), zeros_beside_random(bench)
    bound = sum(row["samples_at_the_limit_pct"] > 0 for row in table.rows)
    return section(
        table,
        f"""What an operator does decides what it draws: the limit binds for {bound} of these
{len(table.rows)}. Values matter too: a product of zeros draws
{zeros.random_w - zeros.zeros_w:.0f} W less than the same one of random numbers. Yet its clock was held
down for the power limit in {zeros.zeros_capped_pct:.0f}% of the samples, at a mean of
{zeros.zeros_w:.0f} W: the limit does not act on the mean of a second alone, and these readings cannot
tell on what.""",
    )


def _good_for(videos: Sequence[Drawn], unmetered: int) -> str:
    limits = sorted({video.limit_w for video in videos})
    return f"""## What this is, and is not good for

- Measured: {len(videos)} rows of videos (`data/measurements/`, `data/protocol/`), energy by NVML's
  counter, of the whole GPU; single operators by `kinowatt microbench` (`data/microbench/`), NVML's
  sampled power. {unmetered} rows whose video was too short to be metered are left out.
- H100 SXM, limit {", ".join(f"{each:.0f}" for each in limits)} W, torch 2.11, random weights, one
  laboratory's virtual machines. Real weights draw other power, by some percent. Small videos follow
  the host, so another host moves the left end of the picture.
- FLOPs are counted from operators, not read off the GPU.
- Other limits, other GPUs and several videos at once were not measured."""


def draw(videos: Sequence[Drawn], bench: Mapping[str, Any]) -> Any:
    """Power against achieved TFLOP/s; clock against power; error of limit times seconds."""
    plt = plotting()
    figure, axes = plt.subplots(1, 3, figsize=(10.8, 4.3), width_ratios=(1.1, 1.0, 0.95))
    names = sorted({video.model for video in videos})
    colours = dict(zip(names, SHADES, strict=True))
    for name, colour in colours.items():
        mine = [video for video in videos if video.model == name]
        power = [video.power_w for video in mine]
        look = {"s": 18, "color": colour, "alpha": 0.85, "linewidth": 0}
        axes[0].scatter([video.tflop_per_s for video in mine], power, label=name, **look)
        axes[1].scatter(power, [video.clock_mhz for video in mine], **look)
        axes[2].scatter(
            [video.error_pct for video in mine], [names.index(name)] * len(mine), **look
        )
    _axes(axes, bench, names)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5, fontsize=8)
    return figure


def _axes(axes: Any, bench: Mapping[str, Any], names: Sequence[str]) -> None:
    limit_w = bench["conditions"]["power_limit_w"]
    idle_w = bench["idle"]["power_w"]["mean"]
    _lines(axes, bench)
    axes[0].axhline(limit_w, color=INK, linewidth=0.8)
    axes[0].axhline(idle_w, color=INK, linewidth=0.8, linestyle=":")
    axes[0].text(4, limit_w + 8, f"limit {limit_w:.0f} W", fontsize=8)
    axes[0].text(690, idle_w - 32, f"idle {idle_w:.0f} W", fontsize=8, ha="right")
    axes[0].set(xlabel="achieved TFLOP/s", ylabel="mean GPU power (W)", xlim=(-15, 700))
    axes[0].set_ylim(0, 770)
    axes[1].axvline(limit_w, color=INK, linewidth=0.8)
    axes[1].set(xlabel="mean GPU power (W)", ylabel="mean clock (MHz)", xlim=(100, 730))
    axes[2].set(xlabel="error (%), logarithmic", xscale="log")
    axes[2].set_yticks(range(len(names)), names)
    axes[2].set_xticks((1, 3, 10, 30, 100, 300), ("1", "3", "10", "30", "100", "300"))
    axes[2].minorticks_off()
    titles = ("Power against load", "The clock gives way", "Limit × seconds gives too much")
    for ax, title in zip(axes, titles, strict=True):
        ax.set_title(title, loc="left")


def _lines(axes: Any, bench: Mapping[str, Any]) -> None:
    """Loads of the microbench as lines from idle."""
    rows = loads_table(bench).rows
    idle = rows[0]
    kinds = {"matrix": ("matrix product alone", "s"), "attention": ("attention alone", "^")}
    for start, (label, marker) in kinds.items():
        mine = [idle, *(row for row in rows if row["operator"].startswith(start))]
        power = [row["power_w"] for row in mine]
        look = {"color": INK, "linewidth": 0.9, "marker": marker, "markersize": 5, "mfc": "white"}
        axes[0].plot([row["tflop_per_s"] or 0.0 for row in mine], power, label=label, **look)
        axes[1].plot(power, [row["clock_mhz"] for row in mine], zorder=1, **look)
