"""What a prompt's length does: the page and its picture."""

from collections.abc import Sequence
from typing import Any

from kinowatt.analysis.own.lines import Line, change_pct, machines, not_taken, versions
from kinowatt.analysis.own.models import by_model
from kinowatt.analysis.own.prompts import (
    Prompted,
    farthest_pct,
    lengths_table,
    longer_pct,
    papers_table,
    prompted,
)
from kinowatt.analysis.tables import Table
from kinowatt.report.experiments.pages import (
    MADE,
    SHADES,
    Experiment,
    good_for,
    listed,
    page,
    prose,
    section,
)
from kinowatt.report.style import INK, plotting
from kinowatt.units import MS_PER_S

PADDING, MASKING = "wan2.1-t2v-1.3b", "mochi-1-preview"
# Planned and not reached, for want of seconds: of these there is no line at all
PLANNED = {
    "mochi-1-preview": (5, 50, 200),
    "cogvideox-2b": (5, 50, 200),
    "ltx-video-0.9.7-dev": (5, 50, 200),
    "animatediff-lightning": (5, 50, 200),
}


def prompts(lines: Sequence[Line]) -> Experiment:
    found, papers = prompted(lines), papers_table()
    return Experiment(
        name="prompts",
        text=text(lines, found, papers),
        draw=lambda: draw(found, papers),
    )


def text(lines: Sequence[Line], found: Sequence[Prompted], papers: Table) -> str:
    return page(
        "# Prompts: whether their length matters",
        MADE,
        prose(
            "The paper fixes one prompt for its sweeps, since the text encoder pads to 512 tokens and"
            " so the prompt does not affect runtime (section 4.2). Not every model pads its way to"
            " the denoiser: Mochi's attention drops the padding. Does a prompt of 200 tokens cost"
            " more than one of 5?"
        ),
        prose(_found(found, papers)),
        "![Left: time of a forward against the shortest prompt, by tokens. Right: scatter of the"
        " paper's times between its prompts](../images/experiment-prompts.png)",
        section(lengths_table(found), _encoder(found)),
        section(papers),
        _good_for(lines, found),
    )


def _found(found: Sequence[Prompted], papers: Table) -> str:
    far = farthest_pct(found)
    wan, mochi = PADDING, MASKING
    wan_pct, mochi_pct = far[wan], far[mochi]
    mine = dict(by_model(found))[mochi]
    work = change_pct(mine[-1].flops, mine[0].flops)
    most = max(row["prompts"] for row in papers.rows)
    scatter = [row["sd_of_time_pct"] for row in papers.rows]
    padded = dict(by_model(found))[wan][0].encoded
    return f"""**Found.** Not measurably. {wan} pads to {padded} tokens whatever is asked: a forward
differs by at most {abs(wan_pct):.2f}% between lengths. {mochi} looks at valid tokens only, and its
counted work grows by {work:.1f}% from {mine[0].tokens} to {mine[-1].tokens} tokens; its forward takes
{mochi_pct:+.1f}%, so that even there the difference is below what scatters. The paper's own times,
of up to {most} prompts a model, scatter by {min(scatter):.2f} to {max(scatter):.2f}% between prompts.
In time, the paper's
claim holds."""


def _encoder(found: Sequence[Prompted]) -> str:
    times = [each.text.seconds for each in found if each.model == found[-1].model]
    ratio = max(times) / min(times)
    return f"""Of the text encoder nothing can be said from these windows: the same padded work
scatters up to {ratio:.1f}-fold between windows of {found[-1].model} ({_lengths(found)}), because the
host calls its kernels too slowly for the GPU (below the power limit, at the greatest clock). It runs
once or twice a video."""


def _lengths(found: Sequence[Prompted]) -> str:
    mine = [each for each in found if each.model == found[-1].model]
    said = [f"{MS_PER_S * each.text.seconds:.0f} ms at {each.tokens}" for each in mine]
    return f"{listed(said)} tokens"


def _good_for(lines: Sequence[Line], found: Sequence[Prompted]) -> str:
    taken = {(each.model, each.tokens) for each in found}
    left = [
        f"{model} at {listed([str(n) for n in tokens if (model, n) not in taken])} tokens"
        for model, tokens in PLANNED.items()
        if any((model, n) not in taken for n in tokens)
    ]
    missing = not_taken(lines)
    return good_for(
        f"""Measured on {machines(lines)} H100 SXM ({versions(lines)}), random weights, short videos so
        that text weighs as much as it can: {_sizes(lines)}
        (`data/experiments/h100-sxm/prompts.jsonl`).""",
        """Few forwards: Mochi's windows hold three or four. A difference under a percent cannot be
        told from scatter.""",
        """Time, not content: what the words say cannot be judged with random weights. The paper's
        prompts are of real ones.""",
        """Models that put text and video into one sequence without a mask, and that do not pad (none of
        the seven), would be others.""",
        f"Not taken, for want of GPU time: {'; '.join([*left, *missing])}.",
    )


def _sizes(lines: Sequence[Line]) -> str:
    sizes = {line["model"]: line["size"] for line in lines if "size" in line}
    return listed(
        [f"{model} {'×'.join(str(n) for n in size.values())}" for model, size in sizes.items()]
    )


def draw(found: Sequence[Prompted], papers: Table) -> Any:
    """Time against the shortest prompt; the paper's scatter between prompts."""
    plt = plotting()
    figure, axes = plt.subplots(1, 2, figsize=(8.6, 3.4), width_ratios=(1.0, 1.0))
    for (model, mine), colour in zip(by_model(found)[::-1], SHADES, strict=False):
        first = mine[0]
        axes[0].errorbar(
            [each.tokens for each in mine],
            [longer_pct(each, first) for each in mine],
            yerr=[100 * each.denoiser.sd_s / first.denoiser.seconds for each in mine],
            fmt="o-",
            color=colour,
            capsize=3,
            label=model,
        )
    axes[0].axhline(0.0, color=INK, linewidth=0.8)
    axes[0].set(xlabel="tokens of the prompt", ylabel="forward against 5 tokens (%)", ylim=(-4, 4))
    axes[0].set_title("Time; bars: sd of single forwards", loc="left")
    axes[0].legend(fontsize=8)
    rows = papers.rows[::-1]
    axes[1].barh(range(len(rows)), [row["sd_of_time_pct"] for row in rows], color="#999999")
    axes[1].set_yticks(range(len(rows)), [row["model"] for row in rows], fontsize=8)
    axes[1].set(xlabel="sd of time between prompts (%)", xlim=(0, 1))
    axes[1].set_title("The paper's prompts", loc="left")
    axes[1].grid(False, axis="y")
    return figure
