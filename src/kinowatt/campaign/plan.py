"""The Plan noun: which rows a campaign measures, as its file says; nothing is expanded yet."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

PLAN_VERSION = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """Equally spaced numbers, the end included where a step meets it; never held as a list."""

    start: float
    stop: float
    step: float

    def __len__(self) -> int:
        count = math.floor((self.stop - self.start) / self.step + 1e-9) + 1
        return max(0, count)

    def __iter__(self) -> Iterator[float]:
        return (self.start + index * self.step for index in range(len(self)))

    def __str__(self) -> str:
        return f"{self.start:g} to {self.stop:g} by {self.step:g}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Values:
    """What a setting runs through: single values and spans, one after another."""

    parts: tuple[Any, ...]

    def __len__(self) -> int:
        return sum(len(part) if isinstance(part, Span) else 1 for part in self.parts)

    def __iter__(self) -> Iterator[Any]:
        for part in self.parts:
            if isinstance(part, Span):
                yield from part
            else:
                yield part


@dataclass(frozen=True, kw_only=True, slots=True)
class Bounds:
    """A condition on a number: from the least to the most, either of which may be missing."""

    least: float | None
    most: float | None

    def __contains__(self, value: object) -> bool:
        if not isinstance(value, int | float):
            return False
        return (self.least is None or value >= self.least) and (
            self.most is None or value <= self.most
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Protocol:
    """How each row is measured: `full` or `sampled`, with fields of `FullOptions`."""

    name: str = "full"
    options: Mapping[str, Any] = field(default_factory=dict)


Axes = Mapping[str, Values]


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """Rows that belong together: every model with every point of `grid` and every row of `zip`.

    `set`: settings with one value. `exclude`: rows that are left out, where all conditions of an
    entry hold. `overrides`: by model, values that replace those of `set` and `grid`.
    """

    models: tuple[str, ...]
    label: str = ""
    set: Mapping[str, Any] = field(default_factory=dict)
    grid: Axes = field(default_factory=dict)
    zip: Axes = field(default_factory=dict)
    exclude: tuple[Mapping[str, Any], ...] = ()
    overrides: Mapping[str, Axes] = field(default_factory=dict)
    protocol: tuple[Protocol, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """A campaign as its file says; `set` and `protocol` are of all blocks.

    `time_limit_s`: a row that takes longer is a hang; None: ten times its prediction.
    """

    plan: str
    about: str = ""
    set: Mapping[str, Any] = field(default_factory=dict)
    protocol: tuple[Protocol, ...]
    meters: tuple[str, ...] = ("auto",)
    time_limit_s: float | None = None
    blocks: tuple[Block, ...]
