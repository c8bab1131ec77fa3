"""Files into a store: rows of Kinowatt in any of its formats exactly, foreign ones as claims."""

import errno
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kinowatt.campaign.claimed import claimed_rows
from kinowatt.campaign.entry import Entry, entry
from kinowatt.campaign.parsing import Line, entries_of
from kinowatt.campaign.store import Store
from kinowatt.errors import InputError
from kinowatt.formats.flat import DOCUMENT, documents_in_csv, documents_in_parquet
from kinowatt.formats.mapping import Column
from kinowatt.formats.registry import read_claims
from kinowatt.lab.rows import Problem, row_files

_PARQUET = b"PAR1"


@dataclass(frozen=True, kw_only=True, slots=True)
class Imported:
    """What of a file is in the store now; `known` was there before."""

    file: str
    format: str
    added: int
    known: int
    notes: tuple[str, ...] = ()


def import_path(
    store: Store,
    path: Path,
    assumed: Mapping[str, Any] | None = None,
    mapping: Sequence[Column] = (),
) -> list[Imported]:
    """A file, or every file of rows of a folder; of each file all rows are stored, or none.

    Raises `InputError` for what is no file of rows, and for a row that contradicts a stored one.
    """
    return [_import(store, file, assumed or {}, mapping) for file in files_of(path)]


def files_of(path: Path) -> list[Path]:
    """The files that `import_path` reads; an `InputError` where there are none."""
    if not path.exists():
        raise InputError(f"{path}: {os.strerror(errno.ENOENT)}")
    if path.is_dir() and (parquet := sorted(path.glob("data/*.parquet"))):
        return parquet  # a dataset folder
    return row_files(path)


def check_readable(path: Path, assumed: Mapping[str, Any], mapping: Sequence[Column] = ()) -> None:
    """Reads up to the first row of what `import_path` would read; raises what it would raise."""
    for file in files_of(path):
        next(_entries(file, assumed, mapping, [])[1], None)


def _import(
    store: Store, file: Path, assumed: Mapping[str, Any], mapping: Sequence[Column]
) -> Imported:
    notes: list[str] = []
    name, entries = _entries(file, assumed, mapping, notes)
    added = store.add_entries(entries)
    return Imported(
        file=str(file), format=name, added=added.added, known=added.known, notes=tuple(notes)
    )


def _entries(
    file: Path, assumed: Mapping[str, Any], mapping: Sequence[Column], notes: list[str]
) -> tuple[str, Iterator[Entry]]:
    """The format of a file by its first bytes, and its rows."""

    def warn(problem: Problem) -> None:
        notes.append(f"{problem}; it is left out")

    try:
        with file.open("rb") as opened:
            start = opened.readline(2**16)
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}") from None
    if start.startswith(_PARQUET):
        return "parquet", entries_of(file, _lines(documents_in_parquet(file)), warn)
    if start.lstrip().startswith(b"{"):
        return "jsonl", entries_of(file, _text_lines(file), warn)
    if DOCUMENT.encode() in start.strip().split(b","):
        return "csv", entries_of(file, _lines(documents_in_csv(file)), warn)
    reading = read_claims(file, mapping)
    notes.extend(reading.notes)
    return reading.format, (entry(row) for row in claimed_rows(reading, assumed))


def _text_lines(file: Path) -> Iterator[Line]:
    with file.open("rb") as opened:
        yield from enumerate(opened, start=1)


def _lines(documents: Iterator[tuple[int, str]]) -> Iterator[Line]:
    return ((number, text.encode() + b"\n") for number, text in documents)
