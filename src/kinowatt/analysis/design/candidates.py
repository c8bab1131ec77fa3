"""Rows as they are asked for: nothing here has seen a measured value."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kinowatt.analysis.features import Features, Row, features
from kinowatt.analysis.held_out import configuration
from kinowatt.errors import InputError, require_extra
from kinowatt.theory.physics import Physics

MOST = 2000  # the sums over the operators of each take about 20 ms
ASKED = ("model", "gpu", "recipe", "protocol", "workload")
CONDITIONS = ("tiling", "offload", "attention_backend", "compile")


def blind(row: Row) -> dict[str, Any]:
    """What a row asked for: neither seconds, joules nor clocks, nor who set the pace."""
    conditions = {name: row["conditions"].get(name) for name in CONDITIONS}
    return {**{name: row[name] for name in ASKED}, "conditions": conditions, "stages": {}}


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidates:
    """Rows that may be measured, with their sums over operators by the laws of `physics`.

    `model`, `configuration`: by row, equal numbers for equal ones.
    """

    features: Features
    physics: Physics
    model: Any
    configuration: Any

    def __len__(self) -> int:
        return len(self.features.rows)

    @property
    def rows(self) -> tuple[Row, ...]:
        return self.features.rows


def candidates(rows: Sequence[Row], physics: Physics) -> Candidates:
    """Of measured rows only what they asked for is taken; `InputError` for none or too many."""
    np: Any = require_extra("learn", "numpy")
    if not 0 < len(rows) <= MOST:
        raise InputError(f"{len(rows):,} rows to choose from; from 1 to {MOST:,} can be weighed")
    asked = [blind(row) for row in rows]
    numbers = [_numbered([row["model"] for row in asked]), _numbered(map(configuration, asked))]
    return Candidates(
        features=features(asked, physics),
        physics=physics,
        model=np.array(numbers[0]),
        configuration=np.array(numbers[1]),
    )


def _numbered(labels: Any) -> list[int]:
    known: dict[Any, int] = {}
    return [known.setdefault(label, len(known)) for label in labels]
