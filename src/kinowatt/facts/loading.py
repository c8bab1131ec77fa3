"""Reads fact files: shipped ones, and a user's folder (`KINOWATT_FACTS`) that adds or overrides.

Whatever is wrong with a file is a `FactsError` of one line that starts with FILE:LINE.
"""

import csv
import json
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kinowatt.errors import FactsError

SHIPPED = Path(__file__).parent
_AT_LINE = re.compile(r"\(at line (\d+), column \d+\)")


class Row(dict[str, str]):
    """A row of a CSV file that knows where it stands: `where` is FILE:LINE."""

    where: str = ""


def user_folder() -> Path | None:
    """The folder named by KINOWATT_FACTS; `FactsError` if it is set and no folder."""
    name = os.environ.get("KINOWATT_FACTS")
    if not name:
        return None
    folder = Path(name)
    if not folder.is_dir():
        raise FactsError(f"{name}: KINOWATT_FACTS names no folder")
    return folder


def fact_files(kind: str, suffix: str) -> dict[str, Path]:
    """Files of a kind by stem (`models/*.toml` → {"mochi-1-preview": path}); the user's win."""
    folders = [SHIPPED / kind]
    if (user := user_folder()) is not None:
        folders.append(user / kind)
    return {
        path.name.removesuffix(suffix): path
        for folder in folders
        if folder.is_dir()
        for path in sorted(folder.glob(f"*{suffix}"))
    }


def fact_layers(name: str) -> list[Path]:
    """The shipped file of that name, then the user's where there is one."""
    paths = [SHIPPED / name]
    if (user := user_folder()) is not None and (user / name).is_file():
        paths.append(user / name)
    return paths


def read_text(path: Path) -> str:
    """The text of a file, without a byte order mark; `FactsError` where there is none."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise FactsError(f"{path.name}: cannot be read: {error}") from None


def read_toml(path: Path) -> dict[str, Any]:
    """A TOML file as a dict; `FactsError` names file and line."""
    text = read_text(path)
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        found = _AT_LINE.search(str(error))
        line = found.group(1) if found else 1 + text.rstrip("\n").count("\n")
        raise FactsError(f"{path.name}:{line}: not TOML: {error}") from None


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file that holds one object; `FactsError` names file and line."""
    text = read_text(path)
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise FactsError(f"{path.name}:{error.lineno}: not JSON: {error.msg}") from None
    except (ValueError, RecursionError) as error:
        raise FactsError(f"{path.name}: not JSON: {error}") from None
    if not isinstance(found, dict):
        raise FactsError(f"{path.name}:1: not a JSON object")
    return found


def read_csv(path: Path, required: tuple[str, ...]) -> list[Row]:
    """Rows of a CSV file without `#` comment lines; every required field is there and filled."""
    lines = enumerate(read_text(path).splitlines(), 1)
    numbered = [(i, line) for i, line in lines if line.strip() and not line.startswith("#")]
    if not numbered:
        raise FactsError(f"{path.name}: is empty; needs columns {', '.join(required)}")
    cells = [(f"{path.name}:{i}", _cells(f"{path.name}:{i}", line)) for i, line in numbered]
    (where, header), body = cells[0], cells[1:]
    for field in required:
        if header.count(field) != 1:
            what = "is missing" if field not in header else "stands there twice"
            raise FactsError(f"{where}: column {field!r} {what}")
    return [_row(where, header, found, required) for where, found in body]


def number(row: Mapping[str, Any], field: str, where: str) -> float:
    """A finite number out of a row; `FactsError` names file, line and field."""
    given = row.get(field)
    try:
        value = float("" if isinstance(given, bool) else given)  # type: ignore[arg-type]
    except (OverflowError, TypeError, ValueError):
        raise FactsError(f"{where}: field {field!r} is {given!r:.60}, not a number") from None
    if value != value or abs(value) == float("inf"):
        raise FactsError(f"{where}: field {field!r} is {value}, not a finite number")
    return value


def toml_place(path: Path, table: str, field: str = "", nth: int = 0) -> str:
    """FILE:LINE of a field of the nth table of that name, of the table without it, else FILE."""
    place, current = path.name, ""
    seen = -1 if table else nth
    for index, line in enumerate(read_text(path).splitlines(), 1):
        text = line.strip()
        if text.startswith("["):
            current = text.partition("#")[0].strip(" []").replace('"', "")
            seen += current == table
            if current == table and seen == nth:
                place = f"{path.name}:{index}"
        elif (current, seen) == (table, nth) and text.partition("=")[0].strip() == field:
            return f"{path.name}:{index}"
    return place


def _cells(where: str, line: str) -> list[str]:
    try:
        (found,) = csv.reader([line], strict=True)
    except csv.Error as error:
        raise FactsError(f"{where}: not CSV: {error}") from None
    return found


def _row(where: str, header: list[str], cells: list[str], required: tuple[str, ...]) -> Row:
    if len(cells) > len(header):
        raise FactsError(f"{where}: more fields than the header names")
    row = Row(zip(header, cells + [""] * (len(header) - len(cells)), strict=True))
    row.where = where
    for field in required:
        if not row[field].strip():
            raise FactsError(f"{where}: field {field!r} is missing or empty")
    return row
