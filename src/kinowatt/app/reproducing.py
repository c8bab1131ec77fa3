"""`kinowatt reproduce`: reads our own rows, which only the laboratory knows, and has it built."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from kinowatt.analysis.own.cost import Others
from kinowatt.analysis.own.rows import OwnRow, own_row
from kinowatt.facts.data import data_folder
from kinowatt.lab.measurement import identity
from kinowatt.lab.rows import load_measurements
from kinowatt.lab.spent import took_s
from kinowatt.report.build import build
from kinowatt.report.figures import FORMATS
from kinowatt.rows import committed_files


def own_rows() -> list[OwnRow]:
    """All rows of `data/`, with the conditions that must be equal in rows that are averaged."""
    return [row for file in committed_files() for row in _rows_of(file)]


def _rows_of(file: Path) -> list[OwnRow]:
    rows = load_measurements(file)
    found = [row.to_dict() for row in rows]
    return [
        own_row(row, identity(measured), file.name, seconds)
        for row, measured, seconds in zip(found, rows, took_s(found), strict=True)
    ]


def others() -> Others:
    """What else the GPU was used for: microbenchmarks, and experiments in a folder for each GPU."""
    benches = sorted(data_folder("microbench").glob("*.json"))
    experiments = sorted(data_folder("experiments").glob("*/*.jsonl"))
    return Others(
        benches=[json.loads(path.read_text("utf-8")) for path in benches],
        experiments=[
            (path.parent.name, json.loads(line))
            for path in experiments
            for line in path.read_text("utf-8").splitlines()
        ],
    )


def run(
    out: str, progress: Callable[[str], None], formats: Sequence[str] = FORMATS
) -> dict[str, Any]:
    """Writes the report under `out`; returns its summary."""
    return build(out, own_rows(), others(), formats=formats, progress=progress)
