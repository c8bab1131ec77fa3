"""The Table noun: rows of plain values with a title and notes, in CSV, Markdown and JSON."""

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """A table of a paper or report; a column name ends in its unit.

    `columns`: those of the first row, unless given.
    """

    name: str
    title: str
    rows: tuple[Mapping[str, Any], ...]
    columns: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.columns:
            object.__setattr__(self, "columns", tuple(self.rows[0]))

    def to_json(self) -> str:
        """A list of rows, numbers unrounded."""
        return json.dumps([dict(row) for row in self.rows], indent=1, allow_nan=False) + "\n"

    def to_csv(self) -> str:
        """Header and rows, numbers unrounded; what is None is empty."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(self.columns)
        for row in self.rows:
            writer.writerow(["" if row.get(c) is None else row.get(c) for c in self.columns])
        return out.getvalue()

    def to_markdown(self) -> str:
        """A GitHub table with rounded numbers, then the notes."""
        lines = [f"**{self.title}**", "", "| " + " | ".join(self.columns) + " |"]
        lines.append("|" + " --- |" * len(self.columns))
        lines += [
            "| " + " | ".join(cell(row.get(c)) for c in self.columns) + " |" for row in self.rows
        ]
        lines += ["", *(f"- {note}" for note in self.notes)]
        return "\n".join(lines).rstrip() + "\n"


def cell(value: Any) -> str:
    """A value for people: four significant digits, large numbers in scientific form."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        if value == 0:
            return "0"
        if abs(value) >= 1e6 or abs(value) < 1e-3:
            mantissa, exponent = f"{value:.3e}".split("e")
            return f"{mantissa}·10{str(int(exponent)).translate(SUPERSCRIPT)}"
        return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    return str(value)
