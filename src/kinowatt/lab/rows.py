"""Files of rows: JSON Lines that only ever grow, one measurement a line.

A row is on the disk when `append_row` returns. A line that a power cut or `kill -9` left half
written is never glued to a later one and never passes for a row.
"""

import contextlib
import json
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Never

from kinowatt.errors import InputError
from kinowatt.lab.measurement import SCHEMA_VERSION, Measurement

SUFFIX = ".jsonl"
FAILURES = ".failures.jsonl"


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """A line that is no row; `torn`: the last one, cut off while it was written."""

    file: Path
    line: int
    message: str
    torn: bool = False

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


def append_row(path: str | Path, row: Measurement) -> None:
    """Adds one line and returns when it is on the disk; several processes may do so at once.

    Makes the file and its folder. Raises `OSError` where the line could not be written whole.
    """
    append_line(path, row.to_dict())


def append_failure(
    path: str | Path,
    key: Mapping[str, Any],
    request: Mapping[str, Any],
    failure: Mapping[str, Any],
) -> None:
    """Adds why a row is missing to the file of failures beside the rows.

    `failure`: at least `cause` and `detail`; `key` names the worker, `request` the row.
    """
    record = {
        "schema_version": SCHEMA_VERSION,
        "taken_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "key": key,
        "request": request,
        **failure,
    }
    append_line(failures_path(path), record)


def failures_path(path: str | Path) -> Path:
    """Where the failures of a file of rows are kept: `h100.jsonl` → `h100.failures.jsonl`."""
    path = Path(path)
    return path.with_name(path.name.removesuffix(SUFFIX) + FAILURES)


def load_measurements(path: str | Path) -> list[Measurement]:
    """The rows of a file, or of all `*.jsonl` of a folder in the order of their names.

    `InputError` starts with `FILE:LINE:`. A last line that was cut off while it was written is
    left out with a warning; `read_rows` tells of every bad line.
    """
    rows, problems = read_rows(path)
    for problem in problems:
        if not problem.torn:
            raise InputError(str(problem))
        warnings.warn(f"{problem}; it is left out", stacklevel=2)
    return rows


def read_rows(path: str | Path) -> tuple[list[Measurement], list[Problem]]:
    """All rows that can be read, and a problem for each line that is none."""
    rows: list[Measurement] = []
    problems: list[Problem] = []
    for file in row_files(Path(path)):
        for found in _read(file):
            if isinstance(found, Problem):
                problems.append(found)
            else:
                rows.append(found)
    return rows, problems


def row_files(path: Path) -> list[Path]:
    """A file itself, or the files of rows of a folder in the order of their names.

    Raises `InputError` for a folder that has none.
    """
    if not path.is_dir():
        return [path]
    found = sorted(file for file in path.glob(f"*{SUFFIX}") if not file.name.endswith(FAILURES))
    if not found:
        raise InputError(f"{path}: no *{SUFFIX} in this folder")
    return found


def _read(file: Path) -> Iterator[Measurement | Problem]:
    try:
        lines = file.read_bytes().split(b"\n")
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}") from None
    for number, line in enumerate(lines, start=1):
        if line.strip():
            # Every finished line ends with a newline, so an empty text follows the last
            yield read_row(file, number, line, last=number == len(lines))


def _no_number(name: str) -> Never:
    raise InputError(f"{name} is not a number of JSON")


_DECODER = json.JSONDecoder(parse_constant=_no_number)
# Digits as 0, E as e, and else blanks: a search for a fixed text takes a tenth of a pattern's time
_SHAPES = bytes(ord("0" if c in b"0123456789" else "e" if c in b"eE" else " ") for c in range(256))


_MANY = b"0" * 300
_LONG = b"0" * 19  # digits of an integer that 64 bits may not hold
_DEEP = 500  # brackets; what is nested deeper than Python's own limit must not get through


def _may_overflow(shape: bytes) -> bool:
    """Whether a number of the text may be beyond what a float holds, which JSON reads as inf."""
    return b"0e000" in shape or _MANY in shape


def _shape(line: bytes) -> bytes:
    return line.translate(_SHAPES, b"+")


@lru_cache(maxsize=1)
def _quick() -> Callable[[bytes], Any] | None:
    """The reader of orjson, where it is installed: it takes a third of the time."""
    try:
        import orjson
    except ImportError:
        return None
    return orjson.loads


def _record(line: bytes, shape: bytes) -> Any:
    """What a line says; `ValueError` or `RecursionError` for no JSON.

    What orjson would read otherwise (very long numbers), or refuses, goes to Python's own reader,
    which decides and says what is wrong: with orjson and without, a line is the same.
    """
    quick = _quick()
    plain = _LONG not in shape and not _may_overflow(shape)
    if quick and plain and line.count(b"[") + line.count(b"{") < _DEEP:
        with contextlib.suppress(ValueError):
            return quick(line)
    return _DECODER.decode(line.decode("utf-8"))


def row_of(text: str) -> Measurement:
    """A row's JSON text; `ValueError` for what is none."""
    record = _DECODER.decode(text)
    return Measurement.from_dict(record, parsed=not _may_overflow(_shape(text.encode())))


def read_row(file: Path, number: int, line: bytes, last: bool) -> Measurement | Problem:
    """One line that is not blank; `last`: no newline follows, so it may have been cut off."""
    shape = _shape(line)
    try:
        record = _record(line, shape)
    except (ValueError, RecursionError) as error:
        message = f"not a whole row, perhaps cut off while it was written ({error})"
        return Problem(file=file, line=number, message=message, torn=last)
    try:
        return Measurement.from_dict(record, parsed=not _may_overflow(shape))
    except (InputError, RecursionError) as error:
        return Problem(file=file, line=number, message=str(error))


def append_line(path: str | Path, record: Mapping[str, Any]) -> None:
    """Adds one line of JSON, as `append_row` does."""
    path = Path(path)
    line = json.dumps(record, allow_nan=False).encode() + b"\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    new = not path.exists()
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        _lock(descriptor)
        data = _end_of_torn_line(descriptor) + line
        written = os.write(descriptor, data)
        if written < len(data):
            raise OSError(f"{path}: only {written} of {len(data)} bytes of a row were written")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if new:
        _sync_folder(path.parent)


def _lock(descriptor: int) -> None:
    """Waits for other writers until the descriptor is closed.

    One `write` is enough against mixed lines, but not against a writer that is killed inside it
    after this process has looked at the end of the file. A file system may have no locks.
    """
    if sys.platform != "win32":
        import fcntl

        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)


def _end_of_torn_line(descriptor: int) -> bytes:
    """What must come first, so that a line cut off earlier stays a line of its own."""
    size = os.fstat(descriptor).st_size
    os.lseek(descriptor, max(0, size - 1), os.SEEK_SET)
    return b"\n" if size and os.read(descriptor, 1) != b"\n" else b""


def _sync_folder(folder: Path) -> None:
    """The name of a new file is on the disk only after its folder is."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
