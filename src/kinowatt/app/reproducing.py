"""`kinowatt reproduce`: reads our own rows, which only the laboratory knows, and has it built."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from kinowatt.analysis.own.rows import OwnRow, own_row
from kinowatt.facts.data import data_folder
from kinowatt.lab.measurement import identity
from kinowatt.lab.rows import load_measurements, row_files
from kinowatt.report.build import build

FOLDERS = ("measurements", "protocol")


def own_files() -> list[Path]:
    """The committed files of rows."""
    return [file for name in FOLDERS for file in row_files(data_folder(name))]


def own_rows() -> list[OwnRow]:
    """All rows of `data/`, with the conditions that must be equal in rows that are averaged."""
    return [
        own_row(row.to_dict(), identity(row), file.name)
        for file in own_files()
        for row in load_measurements(file)
    ]


def run(out: str, progress: Callable[[str], None]) -> dict[str, Any]:
    """Writes the report under `out`; returns its summary."""
    return build(out, own_rows(), progress=progress)
