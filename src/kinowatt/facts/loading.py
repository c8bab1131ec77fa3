"""Reads fact files: shipped ones, and a user's folder (`KINOWATT_FACTS`) that adds or overrides."""

import csv
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kinowatt.errors import FactsError

SHIPPED = Path(__file__).parent


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


def read_toml(path: Path) -> dict[str, Any]:
    """A TOML file as a dict; `FactsError` names file and line."""
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except tomllib.TOMLDecodeError as error:
        raise FactsError(f"{path.name}: not TOML: {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise FactsError(f"{path.name}: cannot be read: {error}") from None


def read_csv(path: Path, required: tuple[str, ...]) -> list[dict[str, str]]:
    """Rows of a CSV file without `#` comment lines; every required field is there and filled."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise FactsError(f"{path.name}: cannot be read: {error}") from None
    numbered = [(i, line) for i, line in enumerate(lines, 1) if line and not line.startswith("#")]
    if not numbered:
        raise FactsError(f"{path.name}: is empty; needs columns {', '.join(required)}")
    reader = csv.DictReader(line for _, line in numbered)
    rows = []
    for (number, _), row in zip(numbered[1:], reader, strict=False):
        for field in required:
            if not row.get(field):
                raise FactsError(f"{path.name}:{number}: field {field!r} is missing or empty")
        if None in row:
            raise FactsError(f"{path.name}:{number}: more fields than the header names")
        rows.append(dict(row))
    return rows


def number(row: Mapping[str, Any], field: str, where: str) -> float:
    """A finite number out of a row; `FactsError` names file, line and field."""
    try:
        value = float(row[field])
    except (KeyError, TypeError, ValueError):
        raise FactsError(f"{where}: field {field!r} is {row.get(field)!r}, not a number") from None
    if value != value or abs(value) == float("inf"):
        raise FactsError(f"{where}: field {field!r} is {value}, not a finite number")
    return value
