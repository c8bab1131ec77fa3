"""A user's own scores of settings, from a CSV file or rows: never made here, only compared."""

import csv
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kinowatt.analysis.budget_pick import wanted
from kinowatt.analysis.budget_setting import Setting, setting_at
from kinowatt.analysis.budget_space import Array, Place, Space, space_of, tiled
from kinowatt.errors import InputError, require_extra
from kinowatt.facts.models import model as find_model
from kinowatt.theory.recipe import plan
from kinowatt.theory.workload import make_workload

COLUMNS = ("model", "height", "width", "frames", "steps", "score")


@dataclass(frozen=True, kw_only=True, slots=True)
class Scored:
    """One scored setting; greater is better."""

    height_px: int
    width_px: int
    frames: int
    steps: int
    score: float


Scores = Mapping[str, tuple[Scored, ...]]


def read_scores(given: str | Path | Iterable[Mapping[str, Any]] | None) -> Scores:
    """Scores by model; `InputError` names file, line and column of what cannot be used."""
    if given is None:
        return {}
    found: dict[str, dict[tuple[int, ...], Scored]] = {}
    for where, row in _rows(given):
        model, scored = _scored(where, row)
        key = (scored.height_px, scored.width_px, scored.frames, scored.steps)
        rows = found.setdefault(model, {})
        if key in rows:
            raise InputError(f"{where}: this setting of {model} has a score already")
        rows[key] = scored
    if not found:
        raise InputError("scores: there is no row")
    return {model: tuple(rows.values()) for model, rows in found.items()}


def _rows(given: str | Path | Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, Any]]:
    if not isinstance(given, str | Path):
        for index, row in enumerate(given):
            yield f"scores[{index}]", row
        return
    path = Path(given)
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{path.name} is not a CSV file in UTF-8") from None
    except OSError as error:
        raise InputError(f"scores: {path}: {error.strerror}") from None
    reader = csv.DictReader(text.splitlines())
    for row in reader:
        yield f"{path.name}:{reader.line_num}", row


def _scored(where: str, row: Any) -> tuple[str, Scored]:
    if not isinstance(row, Mapping) or any(row.get(name) in (None, "") for name in COLUMNS):
        raise InputError(f"{where}: a row of scores needs {', '.join(COLUMNS)}")
    values = {name: _number(where, name, row[name]) for name in COLUMNS[1:]}
    try:
        spec = find_model(str(row["model"]))
        workload = make_workload(
            spec,
            height_px=values["height"],
            width_px=values["width"],
            frames=values["frames"],
            steps=values["steps"],
        )
        recipe = spec.recipe(None, spec.preset("default"))
        runs = plan(spec, workload, recipe, False).effective.frames
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    return spec.name, Scored(
        height_px=workload.height_px,
        width_px=workload.width_px,
        frames=int(runs),
        steps=workload.steps,
        score=values["score"],
    )


def _number(where: str, name: str, value: Any) -> float:
    try:
        found = float(value)
    except (TypeError, ValueError):
        found = math.nan
    if not math.isfinite(found):
        raise InputError(f"{where}: {name} must be a finite number, not {value!r:.60}")
    return found


def scored(place: Place, scores: Scores) -> tuple[Space, Array, Array, Array]:
    """(space, steps, scores, which fit) of a model's scored settings, at the steps scored.

    The default minimum of steps does not hold for them: only one that was asked for.
    """
    np: Any = require_extra("numpy", "numpy")
    rows = scores[place.model.name]
    height, width, frames, steps, marks = np.array(
        [(r.height_px, r.width_px, r.frames, r.steps, r.score) for r in rows], float
    ).T
    space = space_of(place, (height, width, frames))
    space = tiled(space, np.ones(len(space), bool))
    ask = place.ask
    fits = wanted(space, np.maximum(steps, space.steps[1])) & space.within(steps)
    fits &= (steps >= ask.number("min_steps", 0)) & (steps <= ask.number("max_steps", math.inf))
    return space, steps, marks, fits


def best_scored(place: Place, scores: Scores) -> Setting | None:
    """The setting with the highest score that fits, the quickest of equals; None without one."""
    np: Any = require_extra("numpy", "numpy")
    if not scores.get(place.model.name):
        return None
    space, steps, marks, fits = scored(place, scores)
    rows = np.flatnonzero(fits)
    if not len(rows):
        return None
    row = rows[np.lexsort((space.cost(steps)[0][rows], -marks[rows]))[0]]
    return setting_at(space, int(row), int(steps[row]), float(marks[row]))
