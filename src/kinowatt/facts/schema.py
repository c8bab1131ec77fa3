"""What a table of a fact file must hold: a complaint names file, line, field and what is allowed."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from kinowatt.errors import FactsError, nearest
from kinowatt.facts.loading import toml_place

Shape = Mapping[str, str]  # field → kind; a field that may be left out ends with "?"


def _finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < math.inf


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**12


def _text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(_text(item) for item in value)


def _pair(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(_whole(item) for item in value)


def _expression(value: object) -> bool:
    return _text(value) or (_finite(value) and value >= 0)  # type: ignore[operator]


KINDS: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "text": ("a text", _text),
    "texts": ("a list of texts", _texts),
    "flag": ("true or false", lambda value: isinstance(value, bool)),
    "whole": ("a whole number above 0", _whole),
    "pair": ("two whole numbers above 0", _pair),
    "number": ("a number from 0", lambda value: _finite(value) and 0 <= value < 10**12),
    "positive": ("a number above 0", lambda value: _finite(value) and 0 < value < 10**12),
    "expression": ("an expression or a number from 0", _expression),
    "count": (
        "an expression or a number above 0",
        lambda value: _text(value) or (_finite(value) and value > 0),
    ),
    "expressions": (
        "a table of expressions",
        lambda value: isinstance(value, dict) and all(map(_expression, value.values())),
    ),
    "table": ("a table that is not empty", lambda value: isinstance(value, dict) and bool(value)),
    "any table": ("a table", lambda value: isinstance(value, dict)),
    "tables": (
        "a list of tables",
        lambda value: (
            isinstance(value, list)
            and bool(value)
            and all(isinstance(item, dict) for item in value)
        ),
    ),
}


def check(path: Path, table: str, raw: object, shape: Shape, nth: int = 0) -> None:
    """`FactsError` (FILE:LINE: …) unless `raw`, the nth table of that name, has this shape."""
    inside = f"[{table}]: " if table else ""
    if not isinstance(raw, Mapping):
        raise FactsError(f"{toml_place(path, table)}: [{table}] is not a table")
    kinds = {name.removesuffix("?"): kind for name, kind in shape.items()}
    for name, kind in kinds.items():
        what, holds = KINDS[kind]
        if name not in raw:
            if f"{name}?" in shape:
                continue
            place = toml_place(path, table, "", nth)
            raise FactsError(f"{place}: {inside}field {name!r} is missing")
        if not holds(raw[name]):
            place = toml_place(path, table, name, nth)
            raise FactsError(f"{place}: {inside}field {name!r} is {raw[name]!r:.60}, not {what}")
    for name in raw:
        if name not in kinds:
            place = toml_place(path, table, name, nth)
            close = nearest(name, kinds)
            hint = f" (did you mean {close!r}?)" if close else ""
            raise FactsError(f"{place}: {inside}field {name!r} is unknown{hint}")


def member(
    path: Path, table: str, field: str, value: object, options: Mapping[str, Any], nth: int = 0
) -> None:
    """`FactsError` unless a name in a fact file is one of those that the file knows."""
    if not isinstance(value, str) or value not in options:
        place = toml_place(path, table, field, nth)
        known = ", ".join(options)
        raise FactsError(f"{place}: [{table}]: field {field!r}: {value!r:.60} is not in: {known}")
