"""Pages of experiments: what measured rows say of one question, each with a picture."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import Any

from kinowatt.analysis.own.auxiliary import (
    SMALL_PCT,
    Parts,
    models_table,
    nearest_to_cards,
    parts,
    powers_table,
    range_table,
    steps_ladders,
    steps_table,
)
from kinowatt.analysis.own.counted import counted
from kinowatt.analysis.own.loads import (
    Line,
    line_beyond_the_limit,
    loads_table,
    sustained_table,
    zeros_beside_random,
)
from kinowatt.analysis.own.models import PAPER_GPU
from kinowatt.analysis.own.power import (
    Drawn,
    bands_table,
    best_constant,
    drawn,
    sizes_table,
    total_error_pct,
)
from kinowatt.analysis.own.rows import OwnRow, as_shipped
from kinowatt.analysis.tables import Table, cell
from kinowatt.report.experiment_figures import auxiliary_figure, power_figure

UNITS = {
    "_tflop_per_s": ", TFLOP/s",
    "_tb_per_s": ", TB/s",
    "tflop_per_s": "TFLOP/s",
    "tb_per_s": "TB/s",
    "_pct": ", %",
    "_mhz": ", MHz",
    "_w": ", W",
    "_s": ", s",
    "_": "",
}
WIDTH = 100
LONG_S = 5.0  # of a video that no start or stop rules
MADE = "*Made by `python scripts/experiments.py` from the committed rows; do not edit.*"


@dataclass(frozen=True, kw_only=True, slots=True)
class Experiment:
    """A page under `docs/experiments/` and its picture under `docs/images/`."""

    name: str
    text: str
    draw: Callable[[], Any]


def experiments(rows: Sequence[OwnRow], bench: Mapping[str, Any]) -> list[Experiment]:
    """All that need no GPU. `bench`: the microbench of the same GPU, as a mapping."""
    usable = counted(as_shipped(rows, PAPER_GPU))
    videos, pieces = drawn(usable), parts(usable)
    return [
        Experiment(
            name="power",
            text=_power(videos, bench, len(usable) - len(videos)),
            draw=lambda: power_figure(videos, bench),
        ),
        Experiment(
            name="auxiliary",
            text=_auxiliary(pieces),
            draw=lambda: auxiliary_figure(pieces),
        ),
    ]


def heading(column: str) -> str:
    """A column's name for people: its unit after a comma."""
    for suffix, unit in UNITS.items():
        if column.endswith(suffix):
            column = column.removesuffix(suffix) + unit
            break
    return column.replace("_", " ").replace("tflop", "TFLOP")


def section(table: Table, text: str = "") -> str:
    """A heading, what to see, the table with readable headers, its notes."""
    lines = [f"## {table.title}", ""]
    lines += [_prose(text), ""] if text else []
    lines.append("| " + " | ".join(heading(name) for name in table.columns) + " |")
    lines.append("|" + " --- |" * len(table.columns))
    lines += [
        "| " + " | ".join(_short(row.get(name)) for name in table.columns) + " |"
        for row in table.rows
    ]
    lines += ["", *(f"- {note}" for note in table.notes)]
    return "\n".join(lines).rstrip()


def _short(value: Any) -> str:
    """Three digits: rows of one machine do not bear more."""
    return cell(float(f"{value:.3g}")) if isinstance(value, float) and value < 1000 else cell(value)


def _page(*sections: str) -> str:
    return "\n\n".join(part.strip() for part in sections) + "\n"


def _prose(text: str) -> str:
    """Words as lines of one length, whatever figures stand in them."""
    return fill(" ".join(text.split()), WIDTH, break_on_hyphens=False, break_long_words=False)


def _power(videos: Sequence[Drawn], bench: Mapping[str, Any], unmetered: int) -> str:
    loads = loads_table(bench)
    return _page(
        "# Power against load: what E = P_max · D misses",
        MADE,
        _prose(
            "The paper takes the energy of a video as the power limit times its duration (section"
            " 3.5). Is that so? Here the duration is the *measured* one: only the power is judged."
        ),
        _prose(_found_of_power(videos)),
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
        _limits_of_power(videos, unmetered),
    )


def _found_of_power(videos: Sequence[Drawn]) -> str:
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


def _limits_of_power(videos: Sequence[Drawn], unmetered: int) -> str:
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


def _auxiliary(videos: Sequence[Parts]) -> str:
    nearest, ladders = nearest_to_cards(videos), steps_ladders(videos)
    return _page(
        "# Text encoder, decoder, host, idle: the auxiliary share",
        MADE,
        _prose(
            "The paper calls all that is not the denoiser negligible (section 3.6), and the GPU's"
            " waiting for the CPU too (section 3.1). How much is it?"
        ),
        _prose(_found_of_parts(videos, nearest)),
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
        _prose(_idle(videos)),
        _limits_of_parts(videos),
    )


def _idle(videos: Sequence[Parts]) -> str:
    idles = [video.idle_pct for video in videos if video.idle_pct is not None]
    return f"""In {len(idles)} rows the idle GPU was metered before the video. Over the video's seconds
it comes to {_range_of(idles)} of the energy: what one pays for a GPU that is powered up, whatever it
does. A video is charged with it only while it runs; between videos the same watts go on, and no figure
here has them."""


def _limits_of_parts(videos: Sequence[Parts]) -> str:
    return f"""## What this is, and is not good for

- Measured: {len(videos)} rows of an H100 SXM, torch 2.11, random weights (`data/measurements/`,
  `data/protocol/`). Energy by NVML's counter, of the whole GPU.
- Host is what is outside the three stages. Where the host is too slow to call a denoiser's kernels,
  the GPU waits *inside* the denoiser's seconds: that is in the [powers of small videos](power.md).
- Energy of the CPU is not in it: virtual machines hide its counters. Post-processing runs on the
  host, so its share of all energy is larger than of the GPU's.
- Post-processing varies by a quarter of a second between calls, and another CPU has another figure.
- Loading the model, writing a file and waiting between videos are in none of these shares."""


def _found_of_parts(videos: Sequence[Parts], nearest: Sequence[Parts]) -> str:
    over = sum(video.auxiliary_pct > SMALL_PCT for video in videos)
    large = [video.auxiliary_pct for video in nearest if video.auxiliary_pct > SMALL_PCT]
    most = max(videos, key=lambda video: video.auxiliary_pct)
    first = Counter(video.largest_auxiliary for video in videos)
    text = max(video.share_pct("text_encoder") for video in videos if video.latency_s > LONG_S)
    cooler = [ratio for video in videos if (ratio := video.rest_over_denoiser) is not None]
    return f"""**Found.** Near the settings of their cards, {len(nearest) - len(large)} of
{len(nearest)} models spend at most {SMALL_PCT:.0f}% of their time outside the denoiser, the others
{_range_of(large)}. Over all rows it is more than {SMALL_PCT:.0f}% in {over} of {len(videos)}, and
{most.auxiliary_pct:.0f}% in the extreme ({most.model}, {most.setting}). So it is negligible with many
steps and large models; with few steps, and so for distilled models, it is not. The decoder is the
largest part of it in {first["vae_decoder"]} rows, the host in {first["host"]}, the text encoder in
{first["text_encoder"]}, and in no video longer than {LONG_S:.0f} s does that one take more than
{text:.1f}%. Of the GPU's energy the share is smaller than of the time: during text encoder and host
the GPU draws {_range_of(100 * ratio for ratio in cooler)} of the denoiser's power."""


def _range_of(values: Iterable[float]) -> str:
    found = list(values)
    return f"{min(found):.0f} to {max(found):.0f}%"
