"""Operator tables: what `kinowatt trace` read off the real modules, one JSON file a component."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from kinowatt.errors import FactsError, unknown_name
from kinowatt.facts.loading import fact_files, read_json

FORMAT_VERSION = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class TableRow:
    """Operators that are alike: `dims` of one call, `calls` and `bytes` of one forward in all.

    All three are polynomials (`theory.polynomial`) of the table's symbols. Bytes are read +
    written, a broadcast operand once. `dtype` is computed in, `storage` is written. `access`: how
    the kernel walks its operands: "dense", "uneven" (one is broadcast or of another dtype), "rows"
    (in pieces or every second element), "transposed".
    """

    part: str
    kind: str
    op: str
    dtype: str
    storage: str
    dims: Mapping[str, str]
    calls: str
    bytes: str
    modules: str
    access: str = "dense"


@dataclass(frozen=True, kw_only=True, slots=True)
class TableCase:
    """The rows that hold where the expression `when` is true; the first true case counts."""

    when: str
    rows: tuple[TableRow, ...]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class OperatorTable:
    """The operators of one component in one dtype, with how they were obtained."""

    id: str
    cls: str
    role: str
    dtype: str
    parameters: int
    parameter_bytes: int
    live_bytes: str  # polynomial: peak of live activations of one forward
    live_bytes_error: float
    derived: Mapping[str, str]
    versions: Mapping[str, str]
    config_digest: str
    cases: tuple[TableCase, ...]


@lru_cache(maxsize=64)
def operator_table(table_id: str) -> OperatorTable:
    """Loads a table by its id; a user's KINOWATT_FACTS/operators overrides the shipped one."""
    files = fact_files("operators", ".json")
    path = files.get(table_id)
    if path is None:
        raise unknown_name("operator table", table_id, files)
    return read_table(path)


def read_table(path: Path) -> OperatorTable:
    """Parses one table file; `FactsError` names file and field when it is not one."""
    raw = read_json(path)
    if raw.get("format") != FORMAT_VERSION:
        raise FactsError(f"{path.name}: format {raw.get('format')!r}, this version reads 1")
    try:
        return _table(raw)
    except (AttributeError, KeyError, TypeError) as error:
        raise FactsError(f"{path.name}: missing or unknown field {error}") from None


def _table(raw: Mapping[str, Any]) -> OperatorTable:
    fields = {k: v for k, v in raw.items() if k not in {"format", "cases", "memory", "command"}}
    return OperatorTable(
        **fields,
        live_bytes=raw["memory"]["live_bytes"],
        live_bytes_error=raw["memory"]["worst_relative_error"],
        cases=tuple(
            TableCase(when=case["when"], rows=tuple(TableRow(**row) for row in case["rows"]))
            for case in raw["cases"]
        ),
    )
