"""What a prompt's length does: the page and its picture."""

from collections.abc import Iterable, Sequence
from typing import Any

from kinowatt.analysis.own.lines import Line, machines, short, versions
from kinowatt.analysis.own.prompts import (
    TELLING_S,
    Lengths,
    Prompted,
    lengths_table,
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

PLANNED = (5, 50, 200)


def prompts(lines: Sequence[Line]) -> Experiment:
    """`lines`: of both GPUs."""
    found, papers = prompted(lines), papers_table()
    return Experiment(
        name="prompts",
        text=text(lines, found, papers),
        draw=lambda: draw(found, papers),
    )


def text(lines: Sequence[Line], found: Sequence[Lengths], papers: Table) -> str:
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
        "![Left: time of a forward against the shortest prompt that tells, by tokens. Right: scatter"
        " of the paper's times between its prompts](../images/experiment-prompts.png)",
        section(lengths_table(found), f"{_windows(found)} {_encoder(found)}"),
        section(papers),
        _good_for(lines, found),
    )


def _found(found: Sequence[Lengths], papers: Table) -> str:
    same = [mine for mine in found if not mine.most_work_pct]
    more = [mine for mine in found if mine.most_work_pct]
    (steady, loose), masking = _by_pace(same), listed(_models(more))
    models = len(same) + len(_models(more))
    padding, grown = listed([_padding(m) for m in same]), listed([_grown(m) for m in more])
    counted = f"{len(same)} of {models} models pad, and do the same counted work whatever is asked"
    most = max(row["prompts"] for row in papers.rows)
    scatter = [row["sd_of_time_pct"] for row in papers.rows]
    return f"""**Found.** Not measurably. {counted} ({padding}). Forwards of
{listed([mine.model for mine in steady])} differ by at most
{max(abs(mine.farthest_pct) for mine in steady):.2f}% between lengths. {_loose(loose)}
{masking} looks at valid tokens only: {grown}, so that its forward was never seen to take longer for
more work: what differs is scatter. The paper's own times, of up to {most} prompts a model, scatter by
{min(scatter):.2f} to {max(scatter):.2f}% between prompts. In time, the paper's claim holds."""


def _models(found: Iterable[Lengths]) -> list[str]:
    return sorted({mine.model for mine in found})


def _padding(mine: Lengths) -> str:
    masked = ", masked but computed all the same" if mine.base.valid is not None else ""
    return f"{mine.model} to {mine.base.encoded} tokens{masked}"


def _by_pace(found: Sequence[Lengths]) -> tuple[list[Lengths], list[Lengths]]:
    """Those that the power limit paces in every window, and those that it does not."""
    limited = [mine for mine in found if all(e.denoiser.capped > 0.5 for e in _told(mine))]
    return limited, [mine for mine in found if mine not in limited]


def _told(mine: Lengths) -> list[Prompted]:
    return [mine.base, *mine.compared]


def _loose(found: Sequence[Lengths]) -> str:
    """Of models that the host paces."""
    return " ".join(
        f"{mine.model}'s differ by {abs(mine.farthest_pct):.1f}%, and that is its host's scatter, not"
        " the prompt: the operators are the same, the clock is all but the greatest, power is below"
        f" the limit ({_each(mine, _watts)}), and single forwards have an sd of {_each(mine, _sd)}."
        for mine in found
    )


def _each(mine: Lengths, say: Any) -> str:
    return listed([f"{say(mine, each)} at {each.tokens}" for each in _told(mine)])


def _watts(_: Lengths, each: Prompted) -> str:
    return f"{each.denoiser.power_w:.0f} W"


def _sd(mine: Lengths, each: Prompted) -> str:
    return f"{mine.scatter_pct(each):.0f}%"


def _grown(mine: Lengths) -> str:
    most = mine.compared[-1]
    return f"""on the {short(mine.gpu)} its counted work grows by {mine.work_pct(most):.1f}% from
{mine.base.tokens} to {most.tokens} tokens and its forward takes {mine.longer_pct(most):+.1f}%"""


def _windows(found: Sequence[Lengths]) -> str:
    """What windows that are too short would have said."""
    brief = [(mine, each) for mine in found for each in mine.all if not each.telling]
    said = [f"{mine.model} {mine.longer_pct(each):+.1f}%" for mine, each in brief]
    tokens = listed(sorted({str(each.tokens) for _, each in brief}))
    lasted = [each.denoiser.window_s for _, each in brief]
    return f"""Windows of {tokens} tokens on the {listed(sorted({short(m.gpu) for m, _ in brief}))} are
not compared: each was the first of its model, its length was planned from a forward that still chose
kernels, and so it holds {max(e.denoiser.forwards for _, e in brief)} forwards in {min(lasted):.1f} to
{max(lasted):.1f} s, in which neither host nor clock had settled. Against the next length they would say
{listed(said)}: of the window, as far as can be told, not of the prompt."""


def _encoder(found: Sequence[Lengths]) -> str:
    ratio, mine = max(((_ratio(mine), mine) for mine in found), key=lambda pair: pair[0])
    said = [f"{MS_PER_S * each.text.seconds:.0f} ms at {each.tokens}" for each in mine.all]
    return f"""Of the text encoder nothing can be said from these windows: the same padded work
scatters up to {ratio:.1f}-fold between windows of {mine.model} ({listed(said)} tokens), because the
host calls its kernels too slowly for the GPU (below the power limit, at the greatest clock). It runs
once or twice a video."""


def _ratio(mine: Lengths) -> float:
    times = [each.text.seconds for each in mine.all]
    return max(times) / min(times)


def _good_for(lines: Sequence[Line], found: Sequence[Lengths]) -> str:
    return good_for(
        f"""Measured on {machines(lines)} ({versions(lines)}), random weights, short videos so that
        text weighs as much as it can: {_sizes(lines)} (`data/experiments/*/prompts.jsonl`).""",
        f"""Few forwards: Mochi's windows of {TELLING_S:.0f} s hold three or four. A difference under a
        percent cannot be told from scatter, and of AnimateDiff none under {_loosest(found):.0f}%.""",
        """Time, not content: what the words say cannot be judged with random weights. The paper's
        prompts are of real ones.""",
        """Models that put text and video into one sequence without a mask, and that do not pad (none of
        the seven), would be others.""",
        f"""Each model was taken on one GPU, but for {listed(_twice(found))}; two GPUs are never
        compared here.{_left(found)}""",
    )


def _loosest(found: Sequence[Lengths]) -> float:
    return max(mine.scatter_pct(each) for mine in found for each in mine.compared)


def _twice(found: Sequence[Lengths]) -> list[str]:
    names = [mine.model for mine in found]
    return [model for model in _models(found) if names.count(model) > 1]


def _left(found: Sequence[Lengths]) -> str:
    left = [
        f"{mine.model} at {listed(missing)} tokens on the {short(mine.gpu)}"
        for mine in found
        if (missing := _missing(mine))
    ]
    return f" Not taken, for want of GPU time: {listed(left)}." if left else ""


def _missing(mine: Lengths) -> list[str]:
    taken = {each.tokens for each in mine.all}
    return [str(tokens) for tokens in PLANNED if tokens not in taken]


def _sizes(lines: Sequence[Line]) -> str:
    sizes = {line["model"]: line["size"] for line in lines if "size" in line}
    return listed(
        [
            f"{model} {'×'.join(str(n) for n in size.values()) or 'at its default'}"
            for model, size in sizes.items()
        ]
    )


def draw(found: Sequence[Lengths], papers: Table) -> Any:
    """Time against the shortest prompt that tells; the paper's scatter between prompts."""
    plt = plotting()
    figure, axes = plt.subplots(1, 2, figsize=(9.6, 3.8), width_ratios=(1.25, 0.75))
    for index, (mine, colour) in enumerate(zip(found, SHADES, strict=False)):
        shown = _told(mine)
        aside = 0.11 * (index - (len(found) - 1) / 2)
        axes[0].errorbar(
            [PLANNED.index(each.tokens) + aside for each in shown],
            [mine.longer_pct(each) for each in shown],
            yerr=[mine.scatter_pct(each) for each in shown],
            fmt="o",
            color=colour,
            capsize=3,
            label=f"{mine.model}, {short(mine.gpu).partition(' ')[0]}",
        )
    axes[0].axhline(0.0, color=INK, linewidth=0.8)
    axes[0].set_xticks(range(len(PLANNED)), [str(tokens) for tokens in PLANNED])
    axes[0].set(xlabel="tokens of the prompt", ylabel="against the shortest that tells (%)")
    axes[0].set(ylim=(-14, 14), xlim=(-0.5, len(PLANNED) - 0.5))
    axes[0].set_title("Time of a forward; bars: sd of single forwards", loc="left")
    axes[0].legend(fontsize=7, ncols=2, loc="upper left")
    _scatter(axes[1], papers)
    return figure


def _scatter(ax: Any, papers: Table) -> None:
    rows = papers.rows[::-1]
    ax.barh(range(len(rows)), [row["sd_of_time_pct"] for row in rows], color="#999999")
    ax.set_yticks(range(len(rows)), [row["model"] for row in rows], fontsize=8)
    ax.set(xlabel="sd of time between prompts (%)", xlim=(0, 1))
    ax.set_title("The paper's prompts", loc="left")
    ax.grid(False, axis="y")
