"""What all pages of experiments are made with: the page, its prose, its tables."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import Any

from kinowatt.analysis.tables import Table, cell
from kinowatt.report.style import INK

UNITS = {
    "_tflop_per_s": ", TFLOP/s",
    "_tb_per_s": ", TB/s",
    "tflop_per_s": "TFLOP/s",
    "tb_per_s": "TB/s",
    "_pct": ", %",
    "_mhz": ", MHz",
    "_ms": ", ms",
    "_us": ", µs",
    "_wh": ", Wh",
    "_w": ", W",
    "_s": ", s",
    "_j": ", J",
    "_": "",
}
WIDTH = 100
MADE = "*Made by `python scripts/experiments.py` from the committed rows; do not edit.*"
SHADES = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", INK)


@dataclass(frozen=True, kw_only=True, slots=True)
class Experiment:
    """A page under `docs/experiments/` and its picture under `docs/images/`."""

    name: str
    text: str
    draw: Callable[[], Any]


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
    lines += [prose(text), ""] if text else []
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


def page(*sections: str) -> str:
    return "\n\n".join(part.strip() for part in sections if part.strip()) + "\n"


def prose(text: str) -> str:
    """Words as lines of one length, whatever figures stand in them."""
    return fill(" ".join(text.split()), WIDTH, break_on_hyphens=False, break_long_words=False)


def bullets(*texts: str) -> str:
    """A list of points, each as lines of one length."""
    return "\n".join(
        fill(
            " ".join(text.split()),
            WIDTH,
            initial_indent="- ",
            subsequent_indent="  ",
            break_on_hyphens=False,
            break_long_words=False,
        )
        for text in texts
        if text
    )


def good_for(*texts: str) -> str:
    """The last section of a page."""
    return "## What this is, and is not good for\n\n" + bullets(*texts)


def listed(values: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    *before, last = values
    return f"{', '.join(before)} and {last}" if before else last


def ranged(percents: Iterable[float]) -> str:
    """`6 to 49%`."""
    found = list(percents)
    return f"{min(found):.0f} to {max(found):.0f}%"
