"""Why today's software is faster than the paper's: the page and its picture."""

from collections.abc import Mapping, Sequence
from typing import Any

from kinowatt.analysis.own.auxiliary import Parts
from kinowatt.analysis.own.changed import CUT, WHOLE_WARMUPS, changed_table, compiled
from kinowatt.analysis.own.lines import Line, change_pct, machines, not_taken, versions
from kinowatt.analysis.own.rows import OwnRow
from kinowatt.analysis.own.stack import (
    FORWARDS,
    MODEL,
    PARTS,
    TOGETHER,
    Stack,
    Whole,
    decoders_table,
    explained_pct,
    is_published,
    kernels_table,
    parts_table,
    power_of,
    wholes,
    wholes_table,
)
from kinowatt.analysis.own.stack import stack as read
from kinowatt.analysis.tables import Table
from kinowatt.report.experiments.pages import (
    MADE,
    SHADES,
    Experiment,
    bullets,
    good_for,
    listed,
    page,
    prose,
    ranged,
    section,
)
from kinowatt.report.style import INK, MEASURED, plotting

GROUPS = ("attention", "matrix products")


def stack(lines: Sequence[Line], rows: Sequence[OwnRow], videos: Sequence[Parts]) -> Experiment:
    """`rows`: all of ours; `videos`: those that ran as their pipeline comes, in parts."""
    found = read(lines)
    whole = wholes(found, videos)
    kernels = kernels_table(lines)
    return Experiment(
        name="stack",
        text=text(lines, found, whole, changed_table(rows)),
        draw=lambda: draw(found, kernels, whole),
    )


def text(lines: Sequence[Line], found: Stack, whole: Sequence[Whole], changed: Table) -> str:
    return page(
        "# Why today's software is faster than the paper's",
        MADE,
        prose(
            "The paper's Wan-1.3B took about 400 s for 81 frames at 720×1280; ours takes a third"
            " less on the same kind of GPU. What made the difference? Parts of the software of mid"
            " 2025 were put back into today's, one at a time and together."
        ),
        prose(_found(found, whole)),
        "![Left: seconds of one forward by variant. Middle: its kernels, today and as in 2025."
        " Right: the whole video, ours and the paper's](../images/experiment-stack.png)",
        section(wholes_table(whole)),
        section(parts_table(found), _parts(found)),
        section(kernels_table(lines), _kernels(kernels_table(lines), found)),
        section(decoders_table(lines)),
        section(changed, _changed(changed)),
        "## What is not explained",
        _not_explained(found, whole),
        _good_for(lines, found, changed),
    )


def _found(found: Stack, whole: Sequence[Whole]) -> str:
    today, before = whole[:2]
    paper = [each for each in whole if is_published(each)]
    explained = [explained_pct(today, before, each) for each in paper]
    shares = [f"the {name} {found.share_pct(name):.0f}%" for name in PARTS]
    return f"""**Found.** The attention kernel. With four parts of mid 2025 put back, one forward
takes {found.together.seconds:.3f} s instead of {found.today.seconds:.3f} s, and the paper's video
{before.latency_s:.0f} s and {before.gpu_wh:.1f} Wh instead of {today.latency_s:.0f} s and
{today.gpu_wh:.1f} Wh. The paper has {_figures(paper)}: the four parts make up
{ranged(explained)} of the difference in time. Alone, of what the four do together,
{listed(shares)} (that one is even faster than today's). Today's kernels take
{100 * (1 - today.gpu_wh / before.gpu_wh):.0f}% less energy for the same video, because they take less
time: the power limit binds with both."""


def _figures(paper: Sequence[Whole]) -> str:
    return listed([f"{each.latency_s:.0f} s and {each.gpu_wh:.1f} Wh" for each in paper])


def _parts(found: Stack) -> str:
    alone_s = sum(found.alone_s(name) for name in PARTS)
    times = found.found["efficient attention"].seconds / found.today.seconds
    return f"""All variants draw the power limit, so a part that works the chip less hard lets the
clock rise, and what parts take alone need not add up. Here it nearly does: {alone_s:.3f} s alone,
{found.slower_s:.3f} s together. From the start to the end of the experiment today's default drifted
by {found.drift_pct:+.2f}%, the smallest difference worth a word. The default is cuDNN's kernel:
asking for it changes nothing. The memory-efficient kernel takes {times:.1f} times as long, so it cannot
have been the paper's."""


def _kernels(kernels: Table, found: Stack) -> str:
    rows = {row["kernels"]: row for row in kernels.rows}
    total, attention, matrix = (rows[name] for name in ("all", *GROUPS))
    rest = total["difference_s"] - attention["difference_s"] - matrix["difference_s"]
    share = 100 * attention["today_s"] / total["today_s"]
    faster = 100 * (1 - matrix["as_in_2025_s"] / matrix["today_s"])
    return f"""Attention is {share:.0f}% of today's forward and takes {attention["difference_s"]:.2f} s
more as in 2025; work on single elements (copies, casts, norms, sums) {rest:.2f} s more. The matrix
products are the same kernels in both, and {faster:.0f}% *faster* as in 2025: slower attention
draws less for each second, and the limit leaves a clock of {found.together.clock_mhz:.0f} MHz
instead of {found.today.clock_mhz:.0f}. The GPU waits for nothing: kernels fill
{100 * total["today_s"] / found.found["default"].seconds:.1f}% of the forward."""


def _changed(changed: Table) -> str:
    rows = compiled(changed)
    saved = [-row["difference_pct"] for row in rows]
    return f"""Compiling the blocks (`compile_repeated_blocks` of diffusers, or `torch.compile` block by
block where diffusers names none: CogVideoX and Mochi) saves {ranged(saved)} of a forward in
{len(saved)} models; neither the paper nor our other rows did that. {_cut(rows)}"""


def _cut(rows: Sequence[Mapping[str, Any]]) -> str:
    """Of compiled rows whose blocks were in pieces, if any."""
    number = sum(row["change"] == CUT for row in rows)
    if not number:
        return ""
    which = "All of these rows" if number == len(rows) else f"{number} of these rows"
    return f"""{which} may understate the saving: their first warm-up call watched what each block
gives, and the compiler afterwards kept each block in several pieces, cut where that call was
watched, so kernels were fused within pieces only. Rows taken since compile anew after the watched
call, each block as one graph (a test shows both on a tiny Wan on a CPU); they have
{WHOLE_WARMUPS} warm-ups, the older ones 2."""


def _not_explained(found: Stack, whole: Sequence[Whole]) -> str:
    paper = [each for each in whole if is_published(each)]
    today, before = whole[:2]
    low, high = (pick(each.latency_s for each in paper) for pick in (min, max))
    left = listed([f"{each.latency_s - before.latency_s:+.0f} s" for each in paper])
    powers = listed([f"{power_of(each):.0f}" for each in paper])
    return bullets(
        f"""What is left between the four parts and the paper's three figures: {left}. These differ by
        {high - low:.0f} s among themselves, for the same video, at mean powers of {powers} W; nothing
        here tells their machines apart.""",
        """That the paper ran these four parts is inferred: from the sources of diffusers 0.33 and
        0.34, from torch's defaults then, and from the fit. No software of then was run:
        FlashAttention-2 is the one in our torch.""",
        f"""Versions of cuBLAS, cuDNN, driver and CPU were not varied, nor was the decoder of then: it
        and all else that is not the denoiser counts
        {today.latency_s - FORWARDS * found.today.seconds:.1f} s in both.""",
    )


def _good_for(lines: Sequence[Line], found: Stack, changed: Table) -> str:
    missing = not_taken(lines)
    small = next(
        row for row in changed.rows if row["model"] == MODEL and row["change"] == "flash attention"
    )
    large = change_pct(found.found["flash attention"].seconds, found.today.seconds)
    return good_for(
        f"""Measured on {machines(lines)} at 700 W ({versions(lines)}), Wan-1.3B at
        720×1280×81, random weights, two forwards a variant after one that does not count; energy by
        NVML's counter (`data/experiments/h100-sxm/stack.jsonl`). The rows of other models are whole
        videos (`data/measurements/`), the paper's figures published (`data/paper/`).""",
        f"""Whole videos here are sums: {FORWARDS} forwards, and what our measured videos of this size
        have besides.""",
        f"""For long sequences: flash attention costs Wan-1.3B {large:.0f}% here and
        {small["difference_pct"]:.0f}% at {small["size"]}.""",
        """Norms in bfloat16 and rotations in another precision change results by rounding; what that
        does to a video was not looked at.""",
        f"Not taken: {'; '.join(missing)}." if missing else "",
    )


def draw(found: Stack, kernels: Table, whole: Sequence[Whole]) -> Any:
    """One forward by variant; its kernels; the whole video beside the paper's."""
    plt = plotting()
    figure, axes = plt.subplots(1, 3, figsize=(10.8, 3.9), width_ratios=(1.15, 0.75, 1.0))
    _variants(axes[0], found)
    _bars(axes[1], kernels)
    _videos(axes[2], whole)
    return figure


def _variants(ax: Any, found: Stack) -> None:
    rows = [row for row in parts_table(found).rows if row.get("time_s") is not None][::-1]
    for index, row in enumerate(rows):
        name = row["one_forward"]
        colour = MEASURED if TOGETHER in name else SHADES[0] if name in PARTS else "#999999"
        ax.barh(index, row["time_s"], color=INK if "today" in name else colour, height=0.65)
        ax.text(
            max(row["time_s"], found.today.seconds) + 0.08,
            index,
            f"{row['time_s']:.2f}",
            va="center",
            fontsize=8,
        )
    ax.axvline(found.today.seconds, color=INK, linewidth=0.8, linestyle=":")
    ax.set_yticks(range(len(rows)), [row["one_forward"].partition(" (")[0] for row in rows])
    ax.tick_params(axis="y", labelsize=8)
    ax.set(xlabel="seconds of one forward", xlim=(0, 7.4))
    ax.set_title("Parts of other versions", loc="left")
    ax.grid(False, axis="y")


def _bars(ax: Any, kernels: Table) -> None:
    """Attention, matrix products and all the rest, stacked."""
    rows = {row["kernels"]: row for row in kernels.rows}
    for index, column in enumerate(("today_s", "as_in_2025_s")):
        parts = {name: rows[name][column] for name in GROUPS}
        parts["single elements"] = rows["all"][column] - sum(parts.values())
        bottom = 0.0
        for (name, seconds), colour in zip(parts.items(), SHADES, strict=False):
            label = name if index == 0 else None
            ax.bar(index, seconds, bottom=bottom, color=colour, width=0.6, label=label)
            where, ink = bottom + seconds / 2, "white" if name == GROUPS[0] else INK
            ax.text(index, where, f"{seconds:.2f}", ha="center", va="center", size=8, color=ink)
            bottom += seconds
    ax.set_xticks((0, 1), ("today", "as in 2025"))
    ax.set(ylabel="seconds of kernels in one forward", ylim=(0, 5.2))
    ax.set_title("Where the time goes", loc="left")
    ax.grid(False, axis="x")
    ax.legend(fontsize=8, loc="upper left")


def _videos(ax: Any, whole: Sequence[Whole]) -> None:
    for index, each in enumerate(reversed(whole)):
        published = is_published(each)
        colour = "#cccccc" if published else MEASURED if each.name == TOGETHER else INK
        ax.barh(index, each.latency_s, color=colour, height=0.65)
        said = f"{each.latency_s:.0f} s, {each.gpu_wh:.0f} Wh"
        ink = INK if published else "white"
        ax.text(8, index, said, va="center", fontsize=8, color=ink)
    names = [each.name.replace(", ", ",\n") for each in reversed(whole)]
    ax.set_yticks(range(len(whole)), names)
    ax.tick_params(axis="y", labelsize=8)
    ax.set(xlabel="seconds of the video", xlim=(0, 440))
    ax.set_title("720×1280×81, 50 steps", loc="left")
    ax.grid(False, axis="y")
