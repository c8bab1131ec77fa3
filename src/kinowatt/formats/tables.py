"""CSV text → claims, by a mapping of columns. Nothing is judged here but what cannot be read."""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kinowatt.errors import InputError
from kinowatt.formats.claims import SETTINGS, Claim, StageClaim, known_gpu, known_model
from kinowatt.formats.mapping import Column
from kinowatt.formats.quantities import COUNTS, ENERGIES, POWERS, TEXTS, dimension
from kinowatt.units import to_base

_SIZE = re.compile(r"\s*(\d+)\s*[x×*, ]\s*(\d+)\s*", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True, slots=True)
class RawTable:
    """Header and rows of a CSV file; each row with the line on which it starts."""

    file: str
    header: tuple[str, ...]
    rows: tuple[tuple[int, Mapping[str, str]], ...]


def parse_table(file: str, text: str) -> RawTable:
    """A CSV text with a header; commas, semicolons or tabs; lines that start with # are skipped.

    `InputError` (FILE:LINE: …) for a header that is none and rows longer than it.
    """
    lines = text.splitlines(keepends=True)
    first = next((n for n, line in enumerate(lines) if _counts(line)), None)
    if first is None:
        raise InputError(f"{file}: holds no rows")
    delimiter = max(",;\t", key=lines[first].count)
    records = _records(file, lines, first, delimiter)
    line, header = next(records, (first + 1, []))  # none where every line is commas alone
    if not header:
        raise InputError(f"{file}: holds no rows")
    names = tuple(name.strip() for name in header)
    _check_header(f"{file}:{line}", names)
    rows = tuple((line, _row(f"{file}:{line}", names, cells)) for line, cells in records)
    if not rows:
        raise InputError(f"{file}: has a header but no rows")
    return RawTable(file=file, header=names, rows=rows)


def _counts(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _records(
    file: str, lines: Sequence[str], first: int, delimiter: str
) -> Iterator[tuple[int, list[str]]]:
    body = (line if _counts(line) else "\n" for line in lines[first:])
    reader = csv.reader(io.StringIO("".join(body)), delimiter=delimiter)
    start = first + 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise InputError(f"{file}:{first + reader.line_num}: not CSV: {error}") from None
        if any(cell.strip() for cell in cells):
            yield start, cells
        start = first + reader.line_num + 1


def _check_header(where: str, names: tuple[str, ...]) -> None:
    if all(re.fullmatch(r"[-+.\deE]*", name) for name in names):
        raise InputError(f"{where}: the first line must name the columns, not hold numbers")
    for name in names:
        if name and names.count(name) > 1:
            raise InputError(f"{where}: column {name!r} stands there twice")


def _row(where: str, names: tuple[str, ...], cells: list[str]) -> Mapping[str, str]:
    if len(cells) > len(names):
        raise InputError(f"{where}: {len(cells)} fields, the header names {len(names)}")
    padded = [*cells, *[""] * (len(names) - len(cells))]
    return {name: cell.strip() for name, cell in zip(names, padded, strict=True) if name}


def claims_of(table: RawTable, columns: Sequence[Column]) -> tuple[Claim, ...]:
    """Every row as a claim, by the mapping."""
    return tuple(_claim(line, row, columns) for line, row in table.rows)


def _claim(line: int, row: Mapping[str, str], columns: Sequence[Column]) -> Claim:
    filled = [column for column in columns if row.get(column.name)]
    texts = {c.quantity: row[c.name] for c in filled if c.quantity in TEXTS}
    values: dict[str, float] = {}
    unread: dict[str, str] = {}
    for column in filled:
        if column.quantity not in TEXTS:
            _read(column, row[column.name], values, unread)
    used = {column.name for column in columns}
    return Claim(
        line=line,
        label=texts.get("label") or texts.get("model") or f"line {line}",
        model=known_model(texts.get("model", "")),
        gpu=known_gpu(texts.get("gpu", "")),
        said={name: texts[name] for name in ("model", "gpu") if name in texts},
        taken_at=texts.get("taken_at"),
        columns={column.quantity: column.name for column in filled},
        unread=unread,
        rest={name: text for name, text in row.items() if text and name not in used},
        **_quantities(values),
    )


def _read(column: Column, text: str, values: dict[str, float], unread: dict[str, str]) -> None:
    """A cell in base units; one that is no number is kept as text, never as zero."""
    kind = dimension(column.quantity)
    if kind == "size":
        found = _SIZE.fullmatch(text)
        names = ("width_px", "height_px") if column.unit == "WxH" else ("height_px", "width_px")
        if found:
            for name, number in zip(names, found.groups(), strict=True):
                values.setdefault(name, float(number))
        else:
            unread[column.quantity] = text
        return
    try:
        number = float(text)
    except ValueError:
        unread[column.quantity] = text
        return
    values[column.quantity] = number if kind == "number" else to_base(number, kind, column.unit)


def _quantities(values: Mapping[str, float]) -> dict[str, Any]:
    """Numbers by quantity, as the fields of a claim."""
    stages: dict[str, dict[str, float]] = {}
    for name, value in values.items():
        if name.startswith("stage."):
            _, stage, quantity = name.split(".", 2)
            stages.setdefault(stage, {})[quantity] = value
    return {
        **{name: values.get(name) for name in ("latency_s", "idle_power_w", "power_limit_w")},
        **{name: values.get(name) for name in COUNTS},
        "workload": {name: values[name] for name in SETTINGS if name in values},
        "ran": {name: values[f"ran.{name}"] for name in SETTINGS if f"ran.{name}" in values},
        "energy_wh": {scope: values[name] for name, scope in ENERGIES.items() if name in values},
        "power_w": {scope: values[name] for name, scope in POWERS.items() if name in values},
        "other_latency_s": {
            name.partition(".")[2]: value
            for name, value in values.items()
            if name.startswith("other.")
        },
        "stages": {stage: StageClaim(**found) for stage, found in stages.items()},
    }
