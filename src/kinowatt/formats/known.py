"""The formats, one function each, most particular first: a new one is added here."""

from collections.abc import Sequence

from kinowatt.errors import InputError
from kinowatt.formats.claims import Reading
from kinowatt.formats.mapping import Column, check_columns, guess
from kinowatt.formats.measured import read_rows
from kinowatt.formats.registry import register
from kinowatt.formats.tables import RawTable, claims_of, parse_table
from kinowatt.formats.vendors import CODECARBON, PAPER, codecarbon_release

LONGEST_HEADER = 20_000  # characters; a longer first line is no header


def _header(text: str) -> list[str]:
    """The names in the first line that is no comment."""
    lines = (line for line in text.splitlines() if line.strip() and not line.startswith("#"))
    first = next(lines, "")
    if len(first) > LONGEST_HEADER:
        return []
    separator = max(",;\t", key=first.count)
    return [name.strip().strip('"') for name in first.split(separator)]


@register(
    "kinowatt",
    "rows of `kinowatt measure` (.jsonl)",
    lambda text: text.lstrip().startswith("{"),
)
def kinowatt_rows(file: str, text: str, mapping: Sequence[Column]) -> Reading:
    if mapping:
        raise InputError(f"{file}: rows of kinowatt name their own quantities; leave --map out")
    return read_rows(file, text)


@register(
    "codecarbon",
    "CodeCarbon's emissions.csv (2.8, 3.0, 3.3)",
    lambda text: {"emissions", "energy_consumed", "gpu_energy", "duration"} <= {*_header(text)},
)
def codecarbon(file: str, text: str, mapping: Sequence[Column]) -> Reading:
    table = parse_table(file, text)
    release = codecarbon_release(table.header)
    note = "duration is the tracker's window, which may hold more than the work"
    return _mapped(table, f"codecarbon {release}", _preset(table, CODECARBON, mapping), note)


@register(
    "paper",
    "the paper's CSVs (data/paper)",
    lambda text: {"num_frames", "gpu_energy_wh", "latency_s", "steps"} <= {*_header(text)},
)
def paper(file: str, text: str, mapping: Sequence[Column]) -> Reading:
    table = parse_table(file, text)
    return _mapped(table, "paper", _preset(table, PAPER, mapping))


@register(
    "table",
    "any CSV with a header, whose columns --map or their names explain",
    lambda text: len(_header(text)) > 1,
)
def any_table(file: str, text: str, mapping: Sequence[Column]) -> Reading:
    table = parse_table(file, text)
    check_columns(mapping, table.header, file)
    columns = guess(table.header, mapping)
    found = {column.quantity for column in columns}
    if not any(name.startswith(("latency", "energy", "power", "stage")) for name in found):
        names = ", ".join(table.header[:12])
        raise InputError(
            f"{file}: no column of seconds, energy or power is recognised among {names}; "
            "say which with --map latency_s=COLUMN:UNIT,energy_wh_gpu=COLUMN:UNIT"
        )
    return _mapped(table, "table", columns)


def _preset(table: RawTable, names: Sequence[Column], given: Sequence[Column]) -> list[Column]:
    """What a format knows of its columns, less what the user says otherwise."""
    check_columns(given, table.header, table.file)
    ours = {column.quantity for column in given}
    kept = [c for c in names if c.quantity not in ours and c.name in table.header]
    return [*given, *kept]


def _mapped(table: RawTable, name: str, columns: Sequence[Column], *notes: str) -> Reading:
    return Reading(
        file=table.file,
        format=name,
        claims=claims_of(table, columns),
        mapping={column.quantity: str(column) for column in columns},
        guessed=tuple(column.quantity for column in columns if column.guessed),
        notes=notes,
    )
