"""A batch: the bytes of a body in, the bytes of an answer out, in whatever process."""

from collections.abc import Mapping
from typing import Any

from kinowatt.analysis.many import COLUMNS, predict_many
from kinowatt.app.serve.bodies import dumps, listed, needed, read
from kinowatt.errors import InputError, unknown_name
from kinowatt.theory.workload import FIELDS


def batch(content: bytes, most: int) -> tuple[int, bytes]:
    """Rows predicted, and the answer as JSON; of at most so many rows."""
    given = read(content)
    columns = _columns(given)
    rows = _length(given, most)
    model = needed(given, "model")
    found = predict_many(model, **given)
    return rows, dumps({"model": model, "columns": {name: found[name] for name in columns}})


def _columns(given: dict[str, Any]) -> tuple[str, ...]:
    wanted = listed(given, "columns", len(COLUMNS)) or COLUMNS
    for name in wanted:
        if name not in COLUMNS:
            raise unknown_name("column", name, COLUMNS)
    return tuple(dict.fromkeys(wanted))


def _length(given: Mapping[str, Any], most: int) -> int:
    """Rows of a batch; columns that do not have as many, or more than are answered, are refused."""
    found = {name: given[name] for name in FIELDS if isinstance(given.get(name), list)}
    if not found:
        raise InputError(f"a batch needs at least one column, a list, among: {', '.join(FIELDS)}")
    lengths = {name: len(column) for name, column in found.items()}
    if len(set(lengths.values())) > 1:
        words = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise InputError(f"columns must be of equal length: {words}")
    rows = next(iter(lengths.values()))
    if not 1 <= rows <= most:
        raise InputError(f"a batch has from 1 to {most} rows, not {rows}; send several")
    for name, column in found.items():
        _numbers(name, column)
    return rows


def _numbers(name: str, column: list[Any]) -> None:
    kinds = set(map(type, column))
    if kinds <= {int, float}:
        return
    at = next(i for i, value in enumerate(column) if type(value) not in (int, float))
    raise InputError(f"{name}[{at}] must be a number, not {column[at]!r:.60}")
