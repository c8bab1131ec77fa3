"""Files into a store: rows of Kinowatt in any of its formats exactly, foreign ones as claims."""

import errno
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

from kinowatt.campaign.claimed import claimed_rows
from kinowatt.campaign.entry import Entry, entry
from kinowatt.campaign.parsing import CHUNK, Line, entries_of
from kinowatt.campaign.store import Store
from kinowatt.errors import InputError
from kinowatt.formats.claims import Reading
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """A file whose first rows were read and are none but good ones; `entries`: all of its rows, once.

    `notes` grow while they are read.
    """

    file: Path
    format: str
    entries: Iterator[Entry]
    notes: list[str]


def import_path(
    store: Store, path: Path, assumed: Mapping[str, Any] | None = None
) -> list[Imported]:
    """A file, or every file of rows of a folder; of each file all rows are stored, or none.

    Raises `InputError` for what is no file of rows, and for a row that contradicts a stored one.
    """
    return [take_in(store, source) for source in sources(path, assumed)]


def take_in(store: Store, source: Source) -> Imported:
    """Stores the rows of one file, all or none."""
    added = store.add_entries(source.entries)
    return Imported(
        file=str(source.file),
        format=source.format,
        added=added.added,
        known=added.known,
        notes=tuple(source.notes),
    )


def sources(
    path: Path, assumed: Mapping[str, Any] | None = None, mapping: Sequence[Column] = ()
) -> Iterator[Source]:
    """What there is to take in of a file or folder; raises `InputError` for what is no file of rows."""
    return (_source(file, assumed or {}, mapping) for file in files_of(path))


def files_of(path: Path) -> list[Path]:
    """The files that `import_path` reads; an `InputError` where there are none."""
    if not path.exists():
        raise InputError(f"{path}: {os.strerror(errno.ENOENT)}")
    if path.is_dir() and (parquet := sorted(path.glob("data/*.parquet"))):
        return parquet  # a dataset folder
    return row_files(path)


def _source(file: Path, assumed: Mapping[str, Any], mapping: Sequence[Column]) -> Source:
    """The format of a file by its first bytes, and its rows."""
    try:
        with file.open("rb") as opened:
            start = opened.readline(2**16)
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}") from None
    if start.startswith(_PARQUET):
        return _of_ours(file, "parquet", lambda: _lines(documents_in_parquet(file)))
    if start.lstrip().startswith(b"{"):
        return _of_ours(file, "jsonl", lambda: _text_lines(file))
    if DOCUMENT.encode() in start.strip().split(b","):
        return _of_ours(file, "csv", lambda: _lines(documents_in_csv(file)))
    return _of_claims(file, read_claims(file, mapping), assumed)


def _of_ours(file: Path, name: str, lines: Callable[[], Iterator[Line]]) -> Source:
    """Its first rows are read twice, since there may be too many rows to keep."""
    notes: list[str] = []

    def warn(problem: Problem) -> None:
        notes.append(f"{problem}; it is left out")

    next(entries_of(file, islice(lines(), CHUNK), lambda _: None), None)
    return Source(file=file, format=name, entries=entries_of(file, lines(), warn), notes=notes)


def _of_claims(file: Path, reading: Reading, assumed: Mapping[str, Any]) -> Source:
    rows = claimed_rows(reading, assumed)
    entries = (entry(row) for row in chain([*islice(rows, 1)], rows))
    return Source(file=file, format=reading.format, entries=entries, notes=[*reading.notes])


def _text_lines(file: Path) -> Iterator[Line]:
    with file.open("rb") as opened:
        yield from enumerate(opened, start=1)


def _lines(documents: Iterator[tuple[int, str]]) -> Iterator[Line]:
    return ((number, text.encode() + b"\n") for number, text in documents)
