"""`load_measurements`, whatever holds the rows; `lab` reads files, and `campaign` stores."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from kinowatt.facts.data import data_folder

if TYPE_CHECKING:
    from kinowatt.lab.measurement import Measurement

COMMITTED = "committed"  # the name of the rows that come with the package
FOLDERS = ("measurements", "protocol")
SQLITE = b"SQLite format 3\0"


def load_measurements(path_or_url: "str | Path") -> "list[Measurement]":
    """The rows of a `.jsonl` file, of all in a folder, of a store, or those `committed` with us.

    A store is an SQLite file, or a URL (`sqlite:///PATH`, `postgresql+psycopg://USER@HOST/NAME`).
    All rows are held at once; `kinowatt export` and `Store.rows` go through them one by one.
    Raises `InputError` for what is neither, and `FILE:LINE:` for a line that is no row.
    """
    if not is_store(path_or_url):
        from kinowatt.lab.rows import load_measurements as read

        if is_committed(path_or_url):
            return [row for file in committed_files() for row in read(file)]
        return read(path_or_url)
    from kinowatt.errors import require_extra

    require_extra("campaign", "sqlalchemy")
    from kinowatt.campaign.store import open_store

    with open_store(str(path_or_url), create=False) as store:
        return [stored.row for stored in store.rows()]


def is_committed(path_or_url: "str | Path") -> bool:
    """Whether the package's own rows are meant; a file of that name goes first."""
    return str(path_or_url) == COMMITTED and not Path(path_or_url).exists()


def committed_files() -> list[Path]:
    """The files of rows that come with the package, folder by folder, as they were taken."""
    from kinowatt.lab.rows import row_files

    return [file for name in FOLDERS for file in sorted(row_files(data_folder(name)), key=_began)]


def _began(file: Path) -> str:
    """When the first row was taken: what is read as one table must not seem out of order."""
    with file.open(encoding="utf-8") as lines:
        return str(json.loads(next(lines))["taken_at"])


def is_store(path_or_url: "str | Path") -> bool:
    """Whether it is a URL, or a file that SQLite wrote."""
    if "://" in str(path_or_url):
        return True
    path = Path(path_or_url)
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(SQLITE)) == SQLITE
