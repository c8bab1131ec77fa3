"""Power over time of rows, as Parquet files beside the store, named by the row's digest."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kinowatt.errors import InputError, require_extra

REQUIRED = "time_s"


class Traces:
    """`FOLDER/ab/abcdef….parquet`; a trace is written whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, digest: str) -> Path:
        """Where the trace of a row is, or would be."""
        return self.folder / digest[:2] / f"{digest}.parquet"

    def write(self, digest: str, columns: Mapping[str, Sequence[float | None]]) -> Path:
        """Keeps columns of equal length, `time_s` among them; units are in the names.

        Raises `InputError` for columns that do not belong together.
        """
        lengths = {name: len(values) for name, values in columns.items()}
        if REQUIRED not in columns or len(set(lengths.values())) != 1:
            raise InputError(f"a trace has {REQUIRED} and columns of its length, not {lengths}")
        arrow: Any = require_extra("campaign", "pyarrow")
        parquet: Any = require_extra("campaign", "pyarrow.parquet")
        path = self.path(digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        kinds = {name: arrow.array(values, arrow.float64()) for name, values in columns.items()}
        parquet.write_table(arrow.table(kinds), partial, compression="zstd")
        partial.replace(path)
        return path

    def read(self, digest: str) -> dict[str, list[float | None]]:
        """The columns of a row's trace; `InputError` where it has none."""
        parquet: Any = require_extra("campaign", "pyarrow.parquet")
        path = self.path(digest)
        if not path.exists():
            raise InputError(f"no trace of row {digest[:16]} in {self.folder}")
        found: dict[str, list[float | None]] = parquet.read_table(path).to_pydict()
        return found
