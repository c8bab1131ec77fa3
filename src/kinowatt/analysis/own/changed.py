"""Rows of videos that ran otherwise than their pipeline comes, beside the rows that ran as it comes."""

from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import Any

from kinowatt.analysis.own.lines import change_pct
from kinowatt.analysis.own.models import PAPER_GPU
from kinowatt.analysis.own.rows import OwnRow, as_shipped, left_out
from kinowatt.analysis.tables import Table
from kinowatt.units import wh_to_joules

# What one forward does: steps do not change it
ONE_FORWARD = ("height_px", "width_px", "frames", "batch_size")
COMPILED = "compiled blocks"
CUT = f"{COMPILED}, in pieces"
# Warm-ups of a compiled row since blocks are compiled anew after the one that is watched
WHOLE_WARMUPS = 3


def changed_table(rows: Sequence[OwnRow]) -> Table:
    """One forward with another attention kernel or compiled blocks, over the same as shipped."""
    usual = as_shipped(rows, PAPER_GPU)
    found = [
        line
        for row in rows
        if (what := change_of(row)) is not None and left_out(row) is None
        if (line := _beside(what, row, [each for each in usual if _alike(each, row)])) is not None
    ]
    found.sort(key=lambda line: (line["change"], line["model"]))
    return Table(
        name="changed_rows",
        title="The same changes in other models: whole videos as `kinowatt measure` took them",
        rows=tuple(found),
        notes=(
            "Seconds of one forward, by protocol `sampled`, at the settings given. As shipped: mean"
            " over so many rows of the same forward, of other machines of the same kind and other"
            " days. In pieces: warmed up twice, by the rule that left compiled blocks cut.",
        ),
    )


def change_of(row: OwnRow) -> str | None:
    """What was changed, where it is one thing that changes a forward."""
    known = row.conditions
    if known.get("compile") == "blocks":
        return COMPILED if row.row["warmup_runs"] >= WHOLE_WARMUPS else CUT
    kernel = known.get("attention_backend")
    return None if kernel in {None, "default"} else f"{kernel} attention"


def _alike(one: OwnRow, other: OwnRow) -> bool:
    """Whether both ran the same forward, timed by the same protocol."""
    return _forward_of(one) == _forward_of(other)


def _forward_of(row: OwnRow) -> tuple[Any, ...]:
    work = row.row["workload"]
    sequences = work["effective"]["sequences_per_pass"]
    names = tuple(row.row[name] for name in ("model", "gpu", "recipe", "protocol"))
    return (*names, *(work[name] for name in ONE_FORWARD), sequences)


def _beside(what: str, row: OwnRow, usual: Sequence[OwnRow]) -> dict[str, Any] | None:
    if not usual:
        return None
    work, denoiser = row.row["workload"], row.row["stages"]["denoiser"]
    before_s = fmean(each.row["stages"]["denoiser"]["forward_s"] for each in usual)
    return {
        "change": what,
        "model": row.row["model"],
        "size": f"{work['height_px']}×{work['width_px']}×{work['frames']}",
        "as_shipped_s": before_s,
        "rows": len(usual),
        "changed_s": denoiser["forward_s"],
        "difference_pct": change_pct(denoiser["forward_s"], before_s),
        "as_shipped_w": _mean_w(usual),
        "changed_w": _power_w(row),
    }


def _power_w(row: OwnRow) -> float | None:
    denoiser = row.row["stages"]["denoiser"]
    wh = denoiser["energy_wh"]["gpu"]
    return None if wh is None else wh_to_joules(wh) / denoiser["latency_s"]


def _mean_w(rows: Iterable[OwnRow]) -> float | None:
    known = [power for row in rows if (power := _power_w(row)) is not None]
    return fmean(known) if known else None


def compiled(table: Table) -> list[dict[str, Any]]:
    """Rows with compiled blocks, in pieces or whole."""
    return [dict(row) for row in table.rows if row["change"] in {COMPILED, CUT}]
