"""`kinowatt reproduce`: reads our own rows, which only the laboratory knows, and has it built."""

from collections.abc import Callable
from typing import Any

from kinowatt.analysis.own.rows import OwnRow, own_row
from kinowatt.lab.measurement import identity
from kinowatt.lab.rows import load_measurements
from kinowatt.report.build import build
from kinowatt.rows import committed_files


def own_rows() -> list[OwnRow]:
    """All rows of `data/`, with the conditions that must be equal in rows that are averaged."""
    return [
        own_row(row.to_dict(), identity(row), file.name)
        for file in committed_files()
        for row in load_measurements(file)
    ]


def run(out: str, progress: Callable[[str], None]) -> dict[str, Any]:
    """Writes the report under `out`; returns its summary."""
    return build(out, own_rows(), progress=progress)
