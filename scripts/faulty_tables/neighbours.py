"""Faults that show against other rows."""

import random
from collections.abc import Iterable

from faulty_tables.bases import STAGES, Row, restate
from faulty_tables.registry import MANY, each, fault, pick, scale
from kinowatt.units import joules_to_wh


@fault("staircase", bases=("every_frame",))
def staircase(rows: list[Row], rng: random.Random) -> None:
    """Every number of frames from 33 to 56 is a row of its own; the pipeline ran six."""


@fault("copy", bases=(*MANY, "repeats"))
def duplicated(rows: list[Row], rng: random.Random) -> Iterable[int]:
    """3 rows stand there twice, with every digit."""
    chosen = pick(rows, rng)
    copies = [dict(rows[index]) for index in chosen]
    rows.extend(copies)
    return [*chosen, *range(len(rows) - len(copies), len(rows))]


@fault("copy", bases=("steps", "frames", "grid", "measured_steps"))
def copied_under_other_settings(rows: list[Row], rng: random.Random) -> Iterable[int]:
    """Time and energy of 2 rows stand under two others as well, with every digit."""
    return _copied(rows, rng, 0.0)


@fault("near-copy", bases=("steps", "frames", "grid", "measured_steps"))
def copied_with_jitter(rows: list[Row], rng: random.Random) -> Iterable[int]:
    """The same with 1e-5 of relative noise, time and energy apart."""
    return _copied(rows, rng, 1e-5)


def _copied(rows: list[Row], rng: random.Random, jitter: float) -> Iterable[int]:
    chosen = rng.sample(range(len(rows)), 4)
    for source, target in (chosen[:2], chosen[2:]):
        for name in ("latency_s", "energy_wh_gpu", *(f"{stage}_latency_s" for stage in STAGES)):
            rows[target][name] = rows[source][name] * (1 + rng.uniform(-jitter, jitter))
        restate(rows[target])
    return sorted(chosen)


@fault("drift", bases=("repeats",))
def drift(rows: list[Row], rng: random.Random) -> None:
    """Twenty equal videos: time and energy grow evenly by 6% from the first to the last."""
    for index, row in enumerate(rows):
        grown = 1 + 0.06 * index / (len(rows) - 1)
        scale(row, time=grown, energy=grown)


@fault("nonlinear-steps", "settings", bases=("steps",))
def steps_not_linear(rows: list[Row], rng: random.Random) -> Iterable[int]:
    """The three rows of most steps take 15% more time and energy."""
    most = sorted(range(len(rows)), key=lambda i: rows[i]["steps"])[-3:]
    return each(rows, sorted(most), lambda r: scale(r, time=1.15, energy=1.15))


@fault("states", bases=("frames", "steps", "grid", "repeats"))
def other_clock_state(rows: list[Row], rng: random.Random) -> Iterable[int]:
    """A third of the rows, one after another: time x 1.10, power x 0.91, as at a lower clock."""
    size = max(3, len(rows) // 3)
    start = rng.randrange(1, len(rows) - size)
    return each(rows, range(start, start + size), lambda r: scale(r, 1.10, 1.10 * 0.91))


@fault("throttled", bases=("frames", "steps", "grid", "repeats"))
def throttled(rows: list[Row], rng: random.Random) -> Iterable[int]:
    """2 rows apart from each other: time x 1.3, power x 0.7."""
    inside = range(1, len(rows) - 1)
    chosen = rng.sample([i for i in inside if i % 2], 2)
    return each(rows, sorted(chosen), lambda r: scale(r, 1.3, 1.3 * 0.7))


@fault("cold-row", bases=("frames", "steps", "grid", "repeats"))
def no_warm_up(rows: list[Row], rng: random.Random) -> Iterable[int]:
    """The first row takes 5 s and a quarter more, at 400 W for what is more; no warm-up is told."""

    def change(row: Row) -> None:
        more = 5 + 0.25 * row["latency_s"]
        scale(row, 1 + more / row["latency_s"], 1 + joules_to_wh(400 * more) / row["energy_wh_gpu"])

    for row in rows:
        row["warmup_runs"] = 0
    return each(rows, [0], change)


@fault("rounded")
def two_digits(rows: list[Row], rng: random.Random) -> None:
    """Time and energies of all rows have two significant digits; no power is stated."""
    names = ("latency_s", "energy_wh_gpu", "energy_wh_cpu", "energy_wh_ram")
    for row in rows:
        row.update({name: float(f"{row[name]:.1e}") for name in names})
        row["power_w_gpu"] = None
        row.update({f"{stage}_latency_s": None for stage in STAGES})
