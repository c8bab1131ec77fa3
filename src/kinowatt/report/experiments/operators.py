"""Where the time of a forward goes, operator by operator: the page and its picture."""

from collections.abc import Mapping, Sequence
from typing import Any

from kinowatt.analysis.bench_physics import COMMITTED
from kinowatt.analysis.own.calls import GROUPS
from kinowatt.analysis.own.lines import Line, machines, not_taken, versions
from kinowatt.analysis.own.operators import (
    DENOISER,
    Attention,
    Profiled,
    attentions,
    forwards_table,
    groups_table,
    profiled,
)
from kinowatt.analysis.own.walks import Plane, Walked, large_calls, planes, walked, walks_table
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
from kinowatt.report.style import plotting
from kinowatt.units import MS_PER_S, TERA

MUCH_PCT = 5.0  # of a forward, below which a kind of operator is not spoken of
MOCHI = "mochi-1-preview"
ANIMATEDIFF, WAN = "animatediff-lightning", "wan2.1-t2v-1.3b"
DECODER = "vae_decoder"
MEMORY_PCT = 4.0  # of a call, above which its memory work is spoken of
SECTOR_BYTES = 32  # the least that is fetched from memory


def operators(lines: Sequence[Line], bench: Mapping[str, Any]) -> Experiment:
    """`bench`: of the same kind of GPU, as a mapping."""
    found = profiled(lines, bench)
    return Experiment(
        name="operators",
        text=text(lines, found, walked(lines, bench)),
        draw=lambda: draw(found),
    )


def text(lines: Sequence[Line], found: Sequence[Profiled], walks: Sequence[Walked]) -> str:
    return page(
        "# Where the time of a forward goes, operator by operator",
        MADE,
        prose(
            "A prediction adds up laws of single operators, learned from a GPU alone. Rows of whole"
            " videos then correct their sum, so that a sum that is right may be one of errors that"
            " cancel out. What does each kind of operator take inside a forward, and what do the"
            " microbench's laws say of it, before any row has corrected them?"
        ),
        prose(_found(found)),
        "![Kernels of each forward and decode by kind of operator, measured above and by the laws"
        " below](../images/experiment-operators.png)",
        section(forwards_table(found), _idle(found)),
        section(groups_table(found)),
        "## What falls short\n\n" + "\n\n".join(map(prose, _short(lines, found))),
        section(walks_table(walks), _walks(walks)),
        _good_for(lines),
    )


def _found(found: Sequence[Profiled]) -> str:
    denoisers = [each for each in found if each.denoises]
    decoders = [each for each in found if not each.denoises]
    worst = max(decoders, key=lambda each: abs(each.all_off_pct))
    others = [each.all_off_pct for each in decoders if each is not worst]
    kinds = listed([f"{kind} {_slower(denoisers, kind)}" for kind in _spoken_of(denoisers)])
    return f"""**Found.** Kernels of {len(denoisers)} denoisers take
{_between([each.all_off_pct for each in denoisers])} more or less than the laws alone say, those of
{len(others)} of {len(decoders)} decoders {_between(others)} (of the call); of {worst.name} the laws
miss {worst.all_off_pct:.0f}%. By kind, where it takes {MUCH_PCT:.0f}% of a denoiser, measured over
laws: {kinds}. In a sum some of it cancels out; in a denoiser no kind is off by more than
{_most_of_one(denoisers):.1f}% of the forward."""


def _spoken_of(found: Sequence[Profiled]) -> list[str]:
    return [kind for kind in GROUPS if _much(found, kind)]


def _much(found: Sequence[Profiled], kind: str) -> list[Profiled]:
    """Calls of which a kind of operator takes a part that matters."""
    return [
        each
        for each in found
        if kind in each.by_name and 100.0 * each.by_name[kind].seconds >= MUCH_PCT * each.busy_s
    ]


def _slower(found: Sequence[Profiled], kind: str) -> str:
    return _between([each.by_name[kind].slower_pct for each in _much(found, kind)])


def _between(percents: Sequence[float]) -> str:
    low, high = f"{min(percents):+.0f}", f"{max(percents):+.0f}%"
    return high if len(percents) == 1 else f"{low} to {high}"


def _most_of_one(found: Sequence[Profiled]) -> float:
    return max(abs(each.off_pct(group)) for each in found for group in each.groups)


def _idle(found: Sequence[Profiled]) -> str:
    between = [each.between_us for each in found if each.denoises]
    idle = [each for each in found if each.denoises and each.idle_us is not None]
    said = listed([f"{each.idle_us:.1f} ({each.model})" for each in idle])
    slow = [each.name for each in found if each.idle_us is None]
    return f"""Between the kernels of two calls the device idles: by {min(between):.1f} to
{max(between):.1f} µs for each call of an operator within the profiled call of a denoiser. Window less
kernels says {said} µs; the largest are of windows that the power limit held at the lowest clocks, at
which the one profiled call need not have run, so that a part of them will be the clock's. For
{listed(slow)} it gives no figure: the profiled call was slower than the window."""


def _short(lines: Sequence[Line], found: Sequence[Profiled]) -> list[str]:
    named = {(each.model, each.stage): each for each in found}
    decoded = [line for line in lines if (line["model"], line["variant"]) == (ANIMATEDIFF, DECODER)]
    return [
        _copies(named[ANIMATEDIFF, DECODER], planes(large_calls(decoded))),
        _linear([each for each in found if each.denoises]),
        _heads(named[ANIMATEDIFF, DENOISER]),
        _tokens(named[MOCHI, DENOISER], attentions(lines, MOCHI)),
        _memory(found),
        _wide(named[WAN, DECODER]),
    ]


def _copies(decoder: Profiled, images: Sequence[Plane]) -> str:
    memory, (large, next_, *_) = decoder.by_name["memory"], images
    rest = [image.bandwidth / TERA for image in images[1:]]
    fetched_mb = SECTOR_BYTES * large.height * large.width / 1e6
    return f"""**{decoder.name}.** What moves memory takes {MS_PER_S * memory.seconds:.0f} ms, the laws
say {MS_PER_S * memory.law_s:.0f}. Of these {MS_PER_S * sum(image.seconds for image in images):.0f} ms
are copies of images with channels innermost to images with channels outermost: at
{large.bandwidth / TERA:.2f} TB/s where an image has {large.height}×{large.width} pixels, at
{min(rest):.2f} to {max(rest):.2f} where it has fewer. It is not the number of elements: copies of
{large.fewest / 1e9:.1f}·10⁹ are that slow, and with {next_.height}×{next_.width} pixels as many
({next_.most / 1e9:.1f}·10⁹) are not. Nor is it an index of 64 bits: beyond 2 GiB PyTorch cuts a call
into several kernels of 32 bits (the profile shows two and four), and `silu` in such pieces keeps its
full bandwidth. It looks like the cache: {SECTOR_BYTES} bytes are fetched for each 2 that are used, and
those of one channel of an image that large come to {fetched_mb:.0f} MB before the next channel wants
their rest. The microbench has such copies with images of eight sizes, and their law goes by the
pixels of one."""


def _linear(denoisers: Sequence[Profiled]) -> str:
    those = [each for each in _much(denoisers, "linear") if _linear_slower(each) >= MUCH_PCT]
    slower = [f"{_linear_slower(each):.0f}% ({each.model})" for each in those]
    others = [_linear_slower(each) for each in _much(denoisers, "linear") if each not in those]
    clocks = [
        f"{each.clocks_mhz[0]:,.0f} to {each.clocks_mhz[1]:,.0f} MHz around a mean of"
        f" {each.forward.clock_mhz:,.0f}"
        for each in those
    ]
    return f"""**Linear layers** are slower than their law at the mean clock by {listed(slower)}; those
of the other models by {_between(others)}. The clock may dip under kernels this hot and recover under
those that move memory, which a mean over the forward evens out. NVML's samples ({listed(clocks)}) do
not show it, and may be too slow to, so that this stays a guess."""


def _linear_slower(each: Profiled) -> float:
    return each.by_name["linear"].slower_pct


def _heads(animatediff: Profiled) -> str:
    attention = animatediff.by_name["attention"]
    return f"""**Attention of {animatediff.model}** takes {attention.slower_pct:.0f}% longer than the
laws say, {animatediff.off_pct(attention):.1f}% of the forward. The microbench has heads as narrow as
its own; why their law is too fast for them is open."""


def _tokens(mochi: Profiled, tokens: Sequence[Attention]) -> str:
    attention = mochi.by_name["attention"]
    each = [f"{MS_PER_S * one.seconds:.2f} ms over {one.tokens:,} tokens" for one in tokens]
    return f"""**Attention of {mochi.model}** takes {-attention.slower_pct:.0f}% less than the laws say.
The prompt's valid tokens are appended to the video's, and the two halves of guidance have unlike
prompts: {listed(each)}. A prediction counts both at their mean, and by the slower law of keys that do
not fill their last tile of 128, which {tokens[-1].tokens:,} do. That explains a part: the law is too
slow for the others as well."""


def _memory(found: Sequence[Profiled]) -> str:
    worst = max(found, key=lambda each: each.all_off_pct)
    slow = [each for each in found if each is not worst and _memory_off(each) > MEMORY_PCT]
    said = listed([f"{each.name} {_memory_off(each):.1f}%" for each in slow])
    return f"""**What moves memory** takes longer than the laws say elsewhere too: {said}, of the
call. The table of walks below has a part of it: repeated operands of 16 bit are slower in forwards
than in the microbench."""


def _memory_off(each: Profiled) -> float:
    return each.off_pct(each.by_name["memory"])


def _wide(decoder: Profiled) -> str:
    attention = decoder.by_name["attention"]
    return f"""**Attention of {decoder.name}** is in float32, for which PyTorch takes another
kernel. The microbench has it at three lengths; by their law it is missed by
{100 * (attention.seconds / attention.law_s - 1):+.0f}%."""


def _walks(walks: Sequence[Walked]) -> str:
    by_name = {each.walk: each for each in walks}
    dense = by_name["dense"].bandwidth / TERA
    half = by_name["broadcast, 16 bit"].bandwidth / TERA
    return f"""Kernels that load by vectors move {dense:.1f} TB/s, in a forward as alone. Where an
operand is repeated, of another dtype or every second element of something, PyTorch loads element by
element: {half:.1f} TB/s of 16 bit. The microbench has repeated rows of a few widths, in place and
not, and one shape of every other walk; those of forwards have many, and scatter."""


def _good_for(lines: Sequence[Line]) -> str:
    missing = not_taken(lines)
    return good_for(
        f"""Measured on {machines(lines)} ({versions(lines)}), random weights, one size a model,
        windows of two calls, one profiled call without and one with the operators that queued its
        kernels (`data/experiments/h100-sxm/operators.jsonl`). Laws: of `data/{COMMITTED}`, another
        H100.""",
        """The profiled call comes after a pause: its clock may be another than that of the window,
        at whose mean the laws stand. At the power limit a few percent are of that.""",
        """Which kind of operator a law misses, not by how much a prediction misses: that has the
        factors that rows taught on top, and what the host adds.""",
        f"Not taken: {'; '.join(missing)}." if missing else "",
    )


def draw(found: Sequence[Profiled]) -> Any:
    """Stacked seconds of kernels by kind, measured and by the laws, of every forward and decode."""
    plt = plotting()
    figure, axes = plt.subplots(1, 2, figsize=(10.8, 4.4), width_ratios=(1.15, 0.85))
    denoisers = [each for each in found if each.denoises]
    _stacked(axes[0], denoisers, "One forward of the denoiser")
    _stacked(axes[1], [each for each in found if not each.denoises], "One decode")
    handles = [plt.Rectangle((0, 0), 1, 1, color=colour) for colour in SHADES[: len(GROUPS)]]
    figure.legend(
        handles, GROUPS, fontsize=8, ncols=len(GROUPS), loc="outside lower center", frameon=False
    )
    return figure


def _stacked(ax: Any, found: Sequence[Profiled], title: str) -> None:
    for row, each in enumerate(found[::-1]):
        for side, field, strong, label in (
            (0.2, "seconds", 1.0, "measured"),
            (-0.2, "law_s", 0.55, "laws"),
        ):
            left = 0.0
            for group in each.groups:
                width, colour = MS_PER_S * getattr(group, field), SHADES[GROUPS.index(group.name)]
                ax.barh(row + side, width, left=left, height=0.36, color=colour, alpha=strong)
                left += width
            ax.text(left, row + side, f" {label} {left:.0f}", va="center", fontsize=7)
    ax.set_yticks(range(len(found)), [each.model for each in found[::-1]], fontsize=8)
    ax.set(xlabel="kernels (ms)", xlim=(0, 1.2 * max(MS_PER_S * each.busy_s for each in found)))
    ax.set_title(title, loc="left")
    ax.grid(False, axis="y")
