"""Tables as HTML that everybody can read and sort, each with its figures as a CSV file."""

import base64
import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

Row = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """A quantity: its key in the rows (with its unit, as the file has it), and how it is shown."""

    key: str
    label: str
    show: Callable[[Any], str] = str
    left: bool = False
    whole: bool = False  # never broken into lines


def to_csv(columns: Sequence[str], rows: Sequence[Row]) -> str:
    """Header and rows, numbers unrounded; what is None is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([["" if row.get(c) is None else row[c] for c in columns] for row in rows])
    return text.getvalue()


def download(name: str, text: str) -> str:
    """A link to a file that is in the page itself: nothing is kept on the server."""
    data = base64.b64encode(text.encode()).decode()
    return (
        f'<a class="csv" download="{escape(name)}.csv" href="data:text/csv;base64,{data}">'
        f"Download {escape(name)}.csv</a>"
    )


def table(name: str, caption: str, columns: Sequence[Column], rows: Sequence[Row]) -> str:
    """A table whose headers sort it, scrolled within its frame on narrow screens."""
    head = "".join(
        f'<th scope="col"{_side(column)}><button type="button">{escape(column.label)}</button></th>'
        for column in columns
    )
    body = "".join(f"<tr>{''.join(_cell(column, row) for column in columns)}</tr>" for row in rows)
    return (
        f'<div class="frame" role="region" aria-label="{escape(caption)}" tabindex="0">'
        f"<table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
        f"{download(name, to_csv([column.key for column in columns], rows))}"
    )


def _side(column: Column) -> str:
    names = [name for name in ("left", "whole") if getattr(column, name)]
    return f' class="{" ".join(names)}"' if names else ""


def _cell(column: Column, row: Row) -> str:
    value = row.get(column.key)
    shown = "-" if value is None else escape(column.show(value))
    order = "" if value is None else escape(str(value))
    return f'<td{_side(column)} data-order="{order}">{shown}</td>'
