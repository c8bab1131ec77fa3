"""`kinowatt card`: which figure it is of, and how it is printed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from kinowatt.analysis.cards import Card, card
from kinowatt.analysis.predict import DEFAULT_GPU, predict
from kinowatt.errors import InputError

STYLES = ("model-card", "energy-score", "sci")
_CARBON = ("grid", "intensity", "pue", "embodied")
_NEUTRAL = {"gpu": DEFAULT_GPU, "preset": "default"}  # defaults of the command, not asked for


def found_card(source: str, row: int | None, given: Mapping[str, Any]) -> Card:
    """Of a row where `source` is a file of rows, else of the prediction of that model."""
    carbon = {name: given[name] for name in _CARBON if name in given}
    asked = {name: value for name, value in given.items() if name not in _CARBON}
    if source.endswith(".jsonl") or Path(source).exists():
        for name, value in asked.items():
            if _NEUTRAL.get(name) != value:
                raise InputError(f"{name} is of a prediction; a measured row has its own")
        return card(_row(source, row), **carbon)
    if row is not None:
        raise InputError("--row is of a file of rows, and this is a model")
    return card(predict(source, **asked), **carbon)


def _row(path: str, number: int | None) -> Any:
    from kinowatt.lab.rows import load_measurements

    rows = load_measurements(path)
    if not rows:
        raise InputError(f"{path}: there is no row in it")
    if number is None and len(rows) > 1:
        raise InputError(f"{path} has {len(rows)} rows: say which by --row 1 to {len(rows)}")
    place = (number or 1) - 1 if (number or 1) > 0 else len(rows) + (number or 0)
    if number == 0 or not 0 <= place < len(rows):
        raise InputError(f"{path} has rows 1 to {len(rows)}, not {number}")
    return rows[place]


def report(found: Card, style: str) -> None:
    """Markdown as it is to be pasted; the others as lines of name and value."""
    if style == "model-card":
        click.echo(found.markdown(), nl=False)
        return
    values = found.energy_score() if style == "energy-score" else found.sci()
    for name, value in values.items():
        click.echo(f"{name}: {_plain(value)}")


def _plain(value: Any) -> str:
    if value is None:
        return "not given"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_plain(item)}" for name, item in value.items())
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
