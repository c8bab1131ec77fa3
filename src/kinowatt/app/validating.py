"""`kinowatt validate`: reads microbench and rows, has them judged, prints or writes the page."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.text import Text

from kinowatt.analysis.bench_physics import COMMITTED
from kinowatt.analysis.own.rows import OLD_RULE
from kinowatt.analysis.tables import Table, cell
from kinowatt.analysis.validation.compose import Validation, validate
from kinowatt.app.render import console, grid
from kinowatt.errors import InputError
from kinowatt.facts.data import data_path
from kinowatt.lab.microbench.result import read_microbench
from kinowatt.lab.rows import load_measurements, row_files
from kinowatt.rows import committed_files

OTHERS = ("microbench/h200-sxm-fifth.json",)
# In the terminal: columns that fit; all of them are in the page and in --json
SHORT = {
    "targets": ("what", "left_out", "paced_by", "figure", "wanted", "found_pct", "kept"),
    "other_gpus": (
        *("gpu", "left_out", "quantity", "paced_by", "n", "mae_pct", "worst_pct"),
        "half_width_pct",
    ),
    "schemes": ("left_out", "quantity", "paced_by", "n", "mae_pct", "worst_pct", "half_width_pct"),
    "baselines": ("way", "n", "mae_pct", "signed_pct", "worst_pct"),
    "what_if": ("gpu", "model", "change", "error_pct", "energy_error_pct"),
    "worst": ("quantity", "model", "setting", "paced_by", "error_pct"),
}


def committed_bench() -> dict[str, Any]:
    """The microbench that the H100's profile rests on."""
    return read_microbench(str(data_path(COMMITTED))).to_dict()


def current_files() -> list[Path]:
    """Committed files of rows that count: those of an older rule of the protocol do not."""
    return [file for file in committed_files() if OLD_RULE not in file.name]


def measured(paths: Sequence[str]) -> list[Mapping[str, Any]]:
    """Rows as mappings, each with the name of its folder and file as `sweep`."""
    given = [file for path in paths for file in row_files(Path(path))]
    files = given if paths else current_files()
    return [
        {**row.to_dict(), "sweep": f"{file.parent.name}/{file.stem}"}
        for file in files
        for row in load_measurements(str(file))
    ]


def run(bench: str | None, rows: Sequence[str], out: str | None) -> Validation:
    """Judges the committed data, or the user's; writes page, figures and tables where asked."""
    if bool(bench) != bool(rows):
        raise InputError("give both --microbench and --rows, or neither for the committed data")
    first, *others = [bench] if bench else [data_path(name) for name in (COMMITTED, *OTHERS)]
    benches = [read_microbench(str(path)).to_dict() for path in (first, *others)]
    found = validate(benches[0], measured(rows), benches[1:])
    if out is not None:
        from kinowatt.report.validation import write

        write(found, Path(out))
    return found


def report(found: Validation, out: str | None) -> None:
    """The short tables; the long ones are in the page and in --json."""
    to = console()
    to.print(
        f"{found.used} measured rows; predictions never saw the rows that they are judged by,"
        " unless the scheme says so."
    )
    for name, columns in SHORT.items():
        to.print(_rich(found.table(name), columns))
    if found.unlike:
        to.print(Text(f"{len(found.unlike)} rows of other conditions are left out", style="dim"))
    if out is None:
        to.print("More tables: --json, or -o FOLDER for the page with plots.")


def _rich(table: Table, columns: Sequence[str]) -> object:
    shown = grid(table.title, *columns)
    for row in table.rows:
        shown.add_row(*(_cell(row.get(column)) for column in columns))
    return shown


def _cell(value: Any) -> str:
    return f"{value:.1f}" if isinstance(value, float) else cell(value)


def as_data(found: Validation) -> dict[str, Any]:
    """Plain data for --json."""
    return {
        "used": found.used,
        "left_out": [list(each) for each in found.unlike],
        "factors": {factor.name: factor.value for factor in found.factors},
        "tables": {table.name: [dict(row) for row in table.rows] for table in found.tables},
    }
