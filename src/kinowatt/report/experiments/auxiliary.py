"""The auxiliary share: the page and its picture."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from kinowatt.analysis.own.auxiliary import (
    SMALL_PCT,
    Parts,
    models_table,
    nearest_to_cards,
    powers_table,
    range_table,
    steps_ladders,
    steps_table,
)
from kinowatt.report.experiments.pages import MADE, SHADES, Experiment, page, prose, ranged, section
from kinowatt.report.style import COLOURS, plotting

LONG_S = 5.0  # of a video that no start or stop rules
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


def auxiliary(videos: Sequence[Parts]) -> Experiment:
    return Experiment(name="auxiliary", text=text(videos), draw=lambda: draw(videos))


def text(videos: Sequence[Parts]) -> str:
    nearest, ladders = nearest_to_cards(videos), steps_ladders(videos)
    return page(
        "# Text encoder, decoder, host, idle: the auxiliary share",
        MADE,
        prose(
            "The paper calls all that is not the denoiser negligible (section 3.6), and the GPU's"
            " waiting for the CPU too (section 3.1). How much is it?"
        ),
        prose(_found(videos, nearest)),
        "![Left: shares of time; middle: shares of GPU energy, both near the cards' settings. Right:"
        " share of time that is not the denoiser's, against"
        " steps](../images/experiment-auxiliary.png)",
        section(models_table(nearest)),
        section(
            steps_table(ladders),
            "Decoder and host cost the same however many steps there are.",
        ),
        section(range_table(videos)),
        section(powers_table(videos)),
        "## Idle",
        prose(_idle(videos)),
        _good_for(videos),
    )


def _idle(videos: Sequence[Parts]) -> str:
    idles = [video.idle_pct for video in videos if video.idle_pct is not None]
    return f"""In {len(idles)} rows the idle GPU was metered before the video. Over the video's seconds
it comes to {ranged(idles)} of the energy: what one pays for a GPU that is powered up, whatever it
does. A video is charged with it only while it runs; between videos the same watts go on, and no figure
here has them."""


def _good_for(videos: Sequence[Parts]) -> str:
    return f"""## What this is, and is not good for

- Measured: {len(videos)} rows of an H100 SXM, torch 2.11, random weights (`data/measurements/`,
  `data/protocol/`). Energy by NVML's counter, of the whole GPU.
- Host is what is outside the three stages. Where the host is too slow to call a denoiser's kernels,
  the GPU waits *inside* the denoiser's seconds: that is in the [powers of small videos](power.md).
- Energy of the CPU is not in it: virtual machines hide its counters. Post-processing runs on the
  host, so its share of all energy is larger than of the GPU's.
- Post-processing varies by a quarter of a second between calls, and another CPU has another figure.
- Loading the model, writing a file and waiting between videos are in none of these shares."""


def _found(videos: Sequence[Parts], nearest: Sequence[Parts]) -> str:
    over = sum(video.auxiliary_pct > SMALL_PCT for video in videos)
    large = [video.auxiliary_pct for video in nearest if video.auxiliary_pct > SMALL_PCT]
    most = max(videos, key=lambda video: video.auxiliary_pct)
    first = Counter(video.largest_auxiliary for video in videos)
    text = max(video.share_pct("text_encoder") for video in videos if video.latency_s > LONG_S)
    cooler = [ratio for video in videos if (ratio := video.rest_over_denoiser) is not None]
    return f"""**Found.** Near the settings of their cards, {len(nearest) - len(large)} of
{len(nearest)} models spend at most {SMALL_PCT:.0f}% of their time outside the denoiser, the others
{ranged(large)}. Over all rows it is more than {SMALL_PCT:.0f}% in {over} of {len(videos)}, and
{most.auxiliary_pct:.0f}% in the extreme ({most.model}, {most.setting}). So it is negligible with many
steps and large models; with few steps, and so for distilled models, it is not. The decoder is the
largest part of it in {first["vae_decoder"]} rows, the host in {first["host"]}, the text encoder in
{first["text_encoder"]}, and in no video longer than {LONG_S:.0f} s does that one take more than
{text:.1f}%. Of the GPU's energy the share is smaller than of the time: during text encoder and host
the GPU draws {ranged(100 * ratio for ratio in cooler)} of the denoiser's power."""


def draw(videos: Sequence[Parts]) -> Any:
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
