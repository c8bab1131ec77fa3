"""How an explanation is shown, and which row of a file is meant."""

from rich.text import Text

from kinowatt.analysis.explain import Explanation, explain_row
from kinowatt.app.render import console, grid
from kinowatt.errors import InputError
from kinowatt.rows import load_measurements
from kinowatt.units import format_seconds, format_wh


def of_row(where: str) -> Explanation:
    """`FILE` or `FILE:LINE`, counted from 1; without a line the first."""
    path, colon, text = where.rpartition(":")
    if not colon or not text.isdigit():
        path, text = where, "1"
    rows = load_measurements(path)
    line = int(text)
    if not 1 <= line <= len(rows):
        raise InputError(f"{path} has {len(rows)} rows, not a row {line}; nearest: {len(rows)}")
    return explain_row(rows[line - 1].to_dict())


def report(found: Explanation) -> None:
    """The expected range, the verdict, and ranked causes."""
    out = console()
    table = grid(
        f"{found.model} on {found.gpu}", "quantity", "given", "predicted", "80%", "95%", "verdict"
    )
    levels = found.intervals["latency_s"]
    table.add_row(
        "latency",
        format_seconds(found.latency_s),
        format_seconds(found.predicted_s),
        *(" to ".join(map(format_seconds, levels[level])) for level in ("80", "95")),
        found.verdict,
    )
    if found.energy_wh_gpu is not None and found.energy_verdict is not None:
        levels = found.intervals["energy_wh_gpu"]
        table.add_row(
            "GPU energy",
            format_wh(found.energy_wh_gpu),
            format_wh(found.predicted_wh_gpu),
            *(" to ".join(map(format_wh, levels[level])) for level in ("80", "95")),
            found.energy_verdict,
        )
    out.print(table)
    out.print(Text(f"{found.ratio:.2f} times the predicted time, by {found.profile}."))
    if not found.same_stack:
        words = "other software than" if found.same_stack is False else "software not known to be"
        out.print(
            Text(f"{words} the profile's: ranges widened by 8% in time, 17% in energy", "dim")
        )
    if found.verdict != "normal" or found.energy_verdict not in (None, "normal"):
        out.print(_causes(found))


def _causes(found: Explanation) -> object:
    table = grid(
        "What would explain it, likeliest first", "cause", "predicted", "effect", "log odds"
    )
    table.columns[0].no_wrap = False
    for each in found.causes:
        table.add_row(
            Text(each.words),
            format_seconds(each.predicted_s),
            f"{each.effect_s:+.3g} s",
            f"{each.log_odds:.1f}",
        )
    return table
