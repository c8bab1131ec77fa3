"""One fault: what it is, how it is registered and put into a table, and what they share.

Each fault is one function: it changes rows in place and returns which (None: all). Its docstring
states its size. `FAULTS` also names the kinds of flag that are a right answer, and the clean tables
that it is tried on. The rows to be changed are drawn by the seeded generator.
"""

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from faulty_tables.bases import (
    BASES,
    STAGES,
    Row,
    every_frame,
    expected,
    forecast,
    restate,
    settings_of,
    to_csv,
)
from kinowatt.facts.gpus import gpu
from kinowatt.units import joules_to_wh

Change = Callable[[list[Row], random.Random], "Iterable[int] | None"]
MANY = ("steps", "frames", "grid", "measured_steps", "measured_models")
RUNS = 5
FIRST_LINE = 2  # the header is line 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """One kind: what it does and how large it is, how it is made, and what answers it rightly."""

    name: str
    size: str
    change: Change
    answers: frozenset[str]
    bases: tuple[str, ...]
    renamed: Mapping[str, str]  # columns of the file → what they are called there


@dataclass(frozen=True, kw_only=True, slots=True)
class Faulted:
    """A table with one fault: the file's text, and the lines at fault."""

    fault: Fault
    base: str
    seed: int
    text: str
    lines: frozenset[int]


FAULTS: dict[str, Fault] = {}


def fault(
    *answers: str, bases: tuple[str, ...] = MANY, **renamed: str
) -> Callable[[Change], Change]:
    """Registers a fault under its function's name."""

    def add(change: Change) -> Change:
        name = change.__name__
        assert name not in FAULTS
        FAULTS[name] = Fault(
            name=name,
            size=(change.__doc__ or "").strip(),
            change=change,
            answers=frozenset(answers),
            bases=bases,
            renamed=renamed,
        )
        return change

    return add


def inject(found: Fault, base: str, seed: int) -> Faulted:
    """A clean table of that name with one fault in it."""
    rng = random.Random(f"{found.name}/{base}/{seed}")
    make = every_frame if base == "every_frame" else BASES[base]
    rows = make(rng)
    hit = found.change(rows, rng)
    lines = range(len(rows)) if hit is None else hit
    text = to_csv(rows)
    for old, new in found.renamed.items():
        head, _, body = text.partition("\n")
        head = ",".join(new if name == old else name for name in head.split(","))
        text = f"{head}\n{body}"
    return Faulted(
        fault=found,
        base=base,
        seed=seed,
        text=text,
        lines=frozenset(FIRST_LINE + index for index in lines),
    )


def pick(rows: list[Row], rng: random.Random, count: int = 3) -> list[int]:
    return sorted(rng.sample(range(len(rows)), min(count, len(rows) // 3)))


def scale(row: Row, time: float = 1.0, energy: float = 1.0, host: bool = True) -> None:
    """Other seconds and GPU watt-hours; stages, CPU and RAM follow the seconds."""
    row["latency_s"] *= time
    row["energy_wh_gpu"] *= energy
    for stage in STAGES:
        row[f"{stage}_latency_s"] *= time
    for scope in ("cpu", "ram"):
        row[f"energy_wh_{scope}"] *= time if host else 1.0
    if row["latency_s"]:
        restate(row)


def rerun(row: Row, model: str = "", **changes: Any) -> None:
    """The row as it would have come out with other settings than its labels."""
    before = expected(row)
    after = forecast(
        model or row["model"], row["gpu"], tuple({**settings_of(row), **changes}.items())
    )
    energy = (after.energy_wh["gpu"] or 0.0) / (before.energy_wh["gpu"] or 1.0)
    scale(row, after.latency_s / before.latency_s, energy)
    now = row["latency_s"]
    limit = gpu(row["gpu"]).power_limit_w
    row["energy_wh_gpu"] = min(row["energy_wh_gpu"], joules_to_wh(0.99 * limit * now))
    restate(row)


def each(rows: list[Row], chosen: Iterable[int], change: Callable[[Row], None]) -> list[int]:
    found = list(chosen)
    for index in found:
        change(rows[index])
    return found
