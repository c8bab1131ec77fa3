"""The Plan noun: which rows a campaign measures, as its file says; nothing is expanded yet."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

PLAN_VERSION = 1


def told(doc: str, **more: Any) -> Any:
    """A field with what its schema says of it."""
    return field(metadata={"doc": doc}, **more)


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
    """How each row is measured."""

    name: str = told("full (whole videos, repeated) or sampled (parts, composed)", default="full")
    options: Mapping[str, Any] = told("fields of FullOptions", default_factory=dict)


Axes = Mapping[str, Values]


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """Rows that belong together: every model with every point of `grid` and every row of `zip`."""

    models: tuple[str, ...] = told("names or aliases of `kinowatt models`")
    label: str = told("what the block is called in tables", default="")
    set: Mapping[str, Any] = told("settings with one value", default_factory=dict)
    grid: Axes = told("settings with several values, each with each", default_factory=dict)
    zip: Axes = told("settings with equally many values, taken together", default_factory=dict)
    exclude: tuple[Mapping[str, Any], ...] = told(
        "rows that are left out: all conditions of an entry hold", default=()
    )
    overrides: Mapping[str, Axes] = told(
        "by model, values that replace those of set and grid", default_factory=dict
    )
    protocol: tuple[Protocol, ...] = told("how rows are measured; several are run through")


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """A campaign as its file says. `digest` is of the content, whatever its layout."""

    plan: str = told("name of the plan")
    about: str = told("what it is for, in a sentence", default="")
    set: Mapping[str, Any] = told("settings of all blocks", default_factory=dict)
    protocol: tuple[Protocol, ...] = told("how rows are measured, unless a block says otherwise")
    meters: tuple[str, ...] = told("names of meters; auto: what works", default=("auto",))
    time_limit_s: float | None = told(
        "a row that takes longer is a hang; default: ten times its prediction", default=None
    )
    blocks: tuple[Block, ...] = told("the rows")
