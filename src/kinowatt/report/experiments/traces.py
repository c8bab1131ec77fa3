"""Operators of two versions: the page and its picture."""

from collections.abc import Sequence
from typing import Any

from kinowatt.analysis.own.lines import Line, not_taken
from kinowatt.analysis.own.traces import (
    IN_PIECES,
    Traced,
    components_table,
    traced,
    versions_table,
)
from kinowatt.analysis.tables import Table
from kinowatt.report.experiments.pages import (
    MADE,
    SHADES,
    Experiment,
    good_for,
    page,
    prose,
    section,
)
from kinowatt.report.style import INK, plotting
from kinowatt.units import format_bytes


def traces(lines: Sequence[Line]) -> Experiment:
    found = traced(lines)
    return Experiment(
        name="traces",
        text=text(lines, found, versions_table(lines)),
        draw=lambda: draw(found),
    )


def text(lines: Sequence[Line], found: Sequence[Traced], versions: Table) -> str:
    missing = not_taken(lines)
    return page(
        "# Operators: the measuring machine's versions beside the shipped tables",
        MADE,
        prose(
            "Predictions count the operators of shipped tables, which were traced with other versions"
            " of torch and transformers than those that our rows ran with. Are they the operators"
            " that ran?"
        ),
        prose(_found(found)),
        "![Left: bytes of each component, live over shipped. Right: calls](../images/"
        "experiment-traces.png)",
        section(versions),
        section(components_table(found), _why(found)),
        good_for(
            """Traced, not measured: real modules on torch's `meta` device with the machine's own
            libraries (`data/experiments/h100-sxm/traces.jsonl`). Which kernels serve an operator,
            and how fast, is not in it: see [the two stacks](stack.md).""",
            """One size for each component, its model's default. Other sizes may take other paths, as
            Mochi's decoder shows.""",
            f"Not taken: {'; '.join(missing)}." if missing else "",
        ),
    )


def _found(found: Sequence[Traced]) -> str:
    flops = [each for each in found if each.live["flops"] != each.shipped["flops"]]
    denoisers = [each for each in found if each.role == "denoiser"]
    encoders = [each for each in found if each.role == "text_encoder" and each.differences]
    bytes_pct = [each.change_pct("bytes") for each in encoders]
    mochi = _in_pieces(found)
    cut = ", and predictions cut them too" if mochi.as_counted else ""
    old = [e.table for e in found if e.role == "vae_decoder" and not e.as_counted]
    older = (
        f" {', '.join(old)} was traced before the rule that cuDNN's convolutions leave channels"
        " innermost where they find them there: its line lacks copies that run."
        if old
        else ""
    )
    return f"""**Found.** Yes, but for copies in T5. In {_same(found)} of {len(found)} components
predictions count the calls, bytes and FLOPs that ran, to the last one, among them {_same(denoisers)}
of {len(denoisers)} denoisers; FLOPs differ in {len(flops) or "none"}. T5 text encoders ({len(encoders)}
lines) clone less with the older versions ({min(bytes_pct):+.0f} to {max(bytes_pct):+.0f}% of their
bytes). Mochi's decoder moves {mochi.change_pct("bytes"):+.0f}% bytes over its shipped table: its
convolutions run in pieces{cut}.{older}"""


def _same(found: Sequence[Traced]) -> int:
    return sum(each.as_counted for each in found)


def _in_pieces(found: Sequence[Traced]) -> Traced:
    return next(each for each in found if each.table.startswith(IN_PIECES))


def _why(found: Sequence[Traced]) -> str:
    mochi = _in_pieces(found)
    extra = sum(
        each["bytes"]["live"] - each["bytes"]["shipped"]
        for each in mochi.differences
        if each["op"] == "cat"
    )
    return f"""Mochi's difference is one of size, not of version: diffusers splits a convolution whose
input exceeds 2 GiB and joins the pieces again, {format_bytes(extra)} of copies at this size. The
shipped table was traced at small sizes, where nothing is split, and the versions that it was traced
with split at this size all the same (a test has both). A prediction applies that rule to the table
(`theory/splitting.py`): it counts {format_bytes(mochi.counted["bytes"])} where
{format_bytes(mochi.live["bytes"])} were traced and the table alone has
{format_bytes(mochi.shipped["bytes"])}."""


def draw(found: Sequence[Traced]) -> Any:
    """Bytes and calls of every component, live over shipped."""
    plt = plotting()
    figure, axes = plt.subplots(1, 2, figsize=(8.6, 4.6), width_ratios=(1.0, 1.0))
    rows = found[::-1]
    names = [f"{each.table} ({each.model})" for each in rows]
    for ax, field, colour in zip(axes, ("bytes", "calls"), SHADES, strict=False):
        changes = [each.change_pct(field) for each in rows]
        ax.barh(range(len(rows)), changes, color=colour, height=0.65)
        for index, change in enumerate(changes):
            side = "left" if change >= 0 else "right"
            said = f"{change:+.1f}%" if change else "same"
            ax.text(
                change + (0.4 if change >= 0 else -0.4), index, said, va="center", ha=side, size=7
            )
        ax.axvline(0.0, color=INK, linewidth=0.8)
        ax.set(xlim=(-16, 20), xlabel="live over shipped (%)")
        ax.set_title(field.capitalize(), loc="left")
        ax.grid(False, axis="y")
    axes[0].set_yticks(range(len(rows)), names, fontsize=7.5)
    axes[1].set_yticks(range(len(rows)), [""] * len(rows))
    return figure
