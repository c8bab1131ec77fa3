"""What weights and activations do to time and power: the page and its picture."""

from collections.abc import Sequence
from typing import Any

from kinowatt.analysis.own.lines import (
    Forward,
    Line,
    change_pct,
    machines,
    not_taken,
    short,
    versions,
)
from kinowatt.analysis.own.rows import OwnRow
from kinowatt.analysis.own.weights import (
    Varied,
    laboratories_table,
    noise_pct,
    variants_table,
    varied,
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

ROUNDED = "one bit of mantissa"


def weights(lines: Sequence[Line], rows: Sequence[OwnRow]) -> Experiment:
    """`lines`: of both GPUs; `rows`: all of ours."""
    models, others = varied(lines), laboratories_table(rows)
    return Experiment(
        name="weights",
        text=text(lines, models, others),
        draw=lambda: draw(models, others),
    )


def text(lines: Sequence[Line], models: Sequence[Varied], others: Table) -> str:
    return page(
        "# Weights and activations: what their values do to time and power",
        MADE,
        prose(
            "All our rows are of random weights: nobody has to download a checkpoint to repeat them."
            " The same operators run whatever the values are, but what a chip draws depends on"
            " them, and at the power limit what it draws decides its clock. What do seeds, scale,"
            " outlier channels and zeros do to a whole forward?"
        ),
        prose(_found(models)),
        "![Left: time of a forward against the usual. Middle: its energy. Right: mean power of whole"
        " videos on real and on random weights](../images/experiment-weights.png)",
        section(variants_table(lines)),
        section(others, _laboratories(others)),
        _good_for(lines, models),
    )


def _found(models: Sequence[Varied]) -> str:
    noise = noise_pct(models)
    zeros = [(model, model.one("zero weights")) for model in models]
    draws = listed([f"{each.power_w:.0f} W instead of {m.usual_w:.0f}" for m, each in zeros])
    faster = listed([f"{-m.slower_pct(each):.1f}%" for m, each in zeros])
    less = listed([f"{100 - 100 * each.joules / m.usual_j:.0f}%" for m, each in zeros])
    rounded = [(m, e) for m in models for e in m.changed(noise) if e.variant == ROUNDED]
    return f"""**Found.** Zeros matter much, values far from unit scale a little. With all weights zero
a forward draws {draws}, takes {faster} less time (nothing holds the clock down) and {less} less energy
({listed([_name(model) for model in models])}): never measure with zeros. Other seeds and the same
weights again scatter by {listed([f"{model.spread_pct:.1f}%" for model in models])}; within the largest
of these, everywhere that they were taken, are {listed(_same_everywhere(models, noise))}. Beyond it:
{_beyond(models, noise)}. So random weights near unit scale give the same time and power, within that
noise, if they have all their bits: {_fewer_bits(rounded)}."""


def _name(model: Varied) -> str:
    return f"{model.model} on the {short(model.gpu).partition(' ')[0]}"


def _same_everywhere(models: Sequence[Varied], noise: float) -> list[str]:
    """Variants that no model tells from the usual."""
    beyond = {each.variant for model in models for each in model.changed(noise)}
    found = dict.fromkeys(name for model in models for name in model.unchanged(noise))
    return [name for name in found if name not in beyond]


def _beyond(models: Sequence[Varied], noise: float) -> str:
    found: dict[str, list[str]] = {}
    for model in models:
        for each in model.changed(noise):
            said = f"{model.slower_pct(each):+.1f}% {_name(model)}"
            found.setdefault(each.variant, []).append(said)
    del found["zero weights"]
    return listed([f"{variant} ({', '.join(said)})" for variant, said in found.items()])


def _fewer_bits(rounded: Sequence[tuple[Varied, Forward]]) -> str:
    said = [f"{_name(model)} is {-model.slower_pct(each):.1f}% faster" for model, each in rounded]
    return f"with one bit of mantissa {listed(said)}"


def _laboratories(others: Table) -> str:
    differ = [change_pct(row["random_weights_w"], row["real_weights_w"]) for row in others.rows]
    return f"""Real weights we have none of: what stands here is published. Its seconds are of another
software, so that they tell nothing of weights; mean power is nearer to it, and ours is
{min(differ):.0f} to {max(differ):.0f}% higher. How much of that is the weights', how much another
software's and machine's is not known. The paper's own video, on real weights, is met in time and energy
by random ones with [the software of its time](stack.md)."""


def _good_for(lines: Sequence[Line], models: Sequence[Varied]) -> str:
    alike = listed([f"{len(model.alike)} of {_name(model)}" for model in models])
    return good_for(
        f"""Measured on {machines(lines)} at 700 W ({versions(lines)}): forwards of the
        denoiser at 480×832×33 (Wan) and 480×720×49 (CogVideoX) in windows of 3 s, energy by NVML's
        counter (`data/experiments/*/weights.jsonl`). Variants are compared on one GPU only.""",
        """Random weights stand for real ones in what is counted (operators, bytes, memory) and, as far
        as these variants go, in time and power at the limit. They cannot stand for the values of a
        video, nor for what depends on values: caches that skip work, sparse or quantised kernels.""",
        """Real weights have structure that none of these variants has: attention that looks at few
        tokens, layers of unlike scale. Weights at twice the scale hint at some percent.""",
        f"""Where the power limit does not bind, values cannot change the time, only the power.
        The noise is of few windows ({alike}).""",
        _not_taken(lines),
    )


def _not_taken(lines: Sequence[Line]) -> str:
    by_gpu = {line["gpu"]: [each for each in lines if each["gpu"] == line["gpu"]] for line in lines}
    missing = [
        f"on the {short(on)} {', '.join(found)}"
        for on, mine in by_gpu.items()
        if (found := not_taken(mine))
    ]
    return f"Not taken: {'; '.join(missing)}." if missing else ""


def draw(models: Sequence[Varied], others: Table) -> Any:
    """Time and energy against the usual by variant; power on real and on random weights."""
    plt = plotting()
    figure, axes = plt.subplots(1, 3, figsize=(10.8, 3.9), width_ratios=(1.1, 0.9, 0.8))
    names = [each.variant for each in models[0].found]
    for index, (model, colour) in enumerate(zip(models, SHADES, strict=False)):
        for each in model.found:
            y = len(names) - 1 - names.index(each.variant) + 0.27 - 0.27 * index
            look = {"color": colour, "height": 0.25}
            axes[0].barh(y, model.slower_pct(each), **look)
            axes[1].barh(y, change_pct(each.joules, model.usual_j), **look)
    noise = noise_pct(models)
    axes[0].axvspan(-noise, noise, color="#dddddd", zorder=0)
    for ax, title in zip(axes, ("Time of a forward", "Its energy"), strict=False):
        ax.axvline(0.0, color=INK, linewidth=0.8)
        ax.set_title(title, loc="left")
        ax.set_xlabel("against the usual (%)")
        ax.grid(False, axis="y")
    axes[0].set_yticks(range(len(names)), names[::-1])
    axes[1].set_yticks(range(len(names)), [""] * len(names))
    handles = [plt.Rectangle((0, 0), 1, 1, color=colour) for colour in SHADES[: len(models)]]
    axes[0].legend(handles, [_name(model) for model in models], fontsize=7, loc="lower left")
    _powers(axes[2], others)
    return figure


def _powers(ax: Any, others: Table) -> None:
    for column, colour, side, label in (
        ("real_weights_w", "#999999", -0.19, "real, published"),
        ("random_weights_w", INK, 0.19, "random, ours"),
    ):
        for index, row in enumerate(others.rows):
            known = label if index == 0 else None
            ax.bar(index + side, row[column], color=colour, width=0.36, label=known)
            said = f"{row[column]:.0f}"
            ax.text(index + side, row[column] + 8, said, ha="center", fontsize=8)
    ax.set_xticks(
        range(len(others.rows)), [row["model"].replace("-t2v", "\n") for row in others.rows]
    )
    ax.set(ylabel="mean GPU power (W)", ylim=(0, 900))
    ax.set_title("Whole videos", loc="left")
    ax.legend(fontsize=8, loc="upper right")
    ax.grid(False, axis="x")
