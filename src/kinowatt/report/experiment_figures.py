"""Pictures of the experiments."""

from collections.abc import Mapping, Sequence
from typing import Any

from kinowatt.analysis.own.auxiliary import SMALL_PCT, Parts, nearest_to_cards, steps_ladders
from kinowatt.analysis.own.loads import loads_table
from kinowatt.analysis.own.power import Drawn
from kinowatt.report.style import COLOURS, INK, plotting

DENOISER = "#d9d9d9"
PIECES = {
    "denoiser": DENOISER,
    "vae_decoder": COLOURS["VAE decoder"],
    "text_encoder": COLOURS["text encoder"],
    "host": COLOURS["host"],
    "rest": "#8a6d85",
}
LABELS = {
    "denoiser": "denoiser",
    "vae_decoder": "VAE decoder",
    "text_encoder": "text encoder",
    "host": "host",
    "rest": "text encoder and host",
}
SHADES = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", INK)


def power_figure(videos: Sequence[Drawn], bench: Mapping[str, Any]) -> Any:
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
    _power_axes(axes, bench, names)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5, fontsize=8)
    return figure


def _power_axes(axes: Any, bench: Mapping[str, Any], names: Sequence[str]) -> None:
    limit_w = bench["conditions"]["power_limit_w"]
    idle_w = bench["idle"]["power_w"]["mean"]
    _operators(axes, bench)
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


def _operators(axes: Any, bench: Mapping[str, Any]) -> None:
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


def auxiliary_figure(videos: Sequence[Parts]) -> Any:
    """Shares of time and of energy near the cards' settings; share of time against steps."""
    plt = plotting()
    figure, axes = plt.subplots(1, 3, figsize=(10.8, 4.3), width_ratios=(1.0, 0.9, 1.15))
    nearest = nearest_to_cards(videos)[::-1]
    _time_bars(axes[0], nearest)
    _energy_bars(axes[1], nearest)
    _steps(axes[2], videos)
    handles = [plt.Rectangle((0, 0), 1, 1, color=colour) for colour in PIECES.values()]
    figure.legend(handles, LABELS.values(), loc="outside lower left", ncols=5, fontsize=8)
    return figure


def _time_bars(ax: Any, videos: Sequence[Parts]) -> None:
    left = [0.0] * len(videos)
    for part in ("vae_decoder", "host", "text_encoder", "denoiser"):
        width = [video.share_pct(part) for video in videos]
        ax.barh(range(len(videos)), width, left=left, color=PIECES[part], height=0.65)
        left = [a + b for a, b in zip(left, width, strict=True)]
    for index, video in enumerate(videos):
        ax.text(98, index, _said(video.auxiliary_pct), va="center", ha="right", fontsize=8)
    ax.set_yticks(range(len(videos)), [f"{video.model}\n{video.setting}" for video in videos])
    ax.tick_params(axis="y", labelsize=7.5)
    _bars(ax, "Time")


def _energy_bars(ax: Any, videos: Sequence[Parts]) -> None:
    for index, video in enumerate(videos):
        if video.rest_wh is None or video.gpu_wh is None:
            ax.text(2, index, "not metered by part", va="center", fontsize=8)
            continue
        rest = 100.0 * video.rest_wh / video.gpu_wh
        decoder, denoiser = (video.energy_pct(part) or 0.0 for part in ("vae_decoder", "denoiser"))
        left = 0.0
        for part, width in (("vae_decoder", decoder), ("rest", rest), ("denoiser", denoiser)):
            ax.barh(index, width, left=left, color=PIECES[part], height=0.65)
            left += width
        ax.text(98, index, _said(100.0 - denoiser), va="center", ha="right", fontsize=8)
    ax.set_ylim(-0.6, len(videos) - 0.4)
    ax.set_yticks([])
    _bars(ax, "GPU energy")


def _said(share_pct: float) -> str:
    return f"{share_pct:.1f}%" if share_pct < 10 else f"{share_pct:.0f}%"


def _bars(ax: Any, title: str) -> None:
    ax.set_xlim(0, 100)
    ax.set_xlabel("share (%); figure: all but the denoiser")
    ax.set_title(title, loc="left")
    ax.grid(False, axis="y")


def _steps(ax: Any, videos: Sequence[Parts]) -> None:
    found = steps_ladders(videos)
    for index, ladder in enumerate(found):
        steps = [video.steps for video in ladder.videos]
        share = [video.auxiliary_pct for video in ladder.videos]
        label = f"{ladder.model}, {ladder.size}"
        ax.plot(steps, share, "o-", color=SHADES[index % len(SHADES)], ms=4, lw=1.0, label=label)
    ax.axhspan(0.0, SMALL_PCT, color="#eeeeee", zorder=0)
    ax.set(xscale="log", xlabel="denoising steps", ylabel="all but the denoiser, share of time (%)")
    ticks = (1, 2, 4, 8, 16, 32, 64)
    ax.set_xticks(ticks, [str(tick) for tick in ticks])
    ax.minorticks_off()
    ax.set_ylim(0, 100)
    ax.set_title("Against steps, whole videos", loc="left")
    ax.legend(fontsize=7)
