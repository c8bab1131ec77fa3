"""Faults of stages, times of day and cells."""

import random
from collections.abc import Iterable
from datetime import datetime, timedelta

from faulty_tables.bases import Row, restate
from faulty_tables.registry import each, fault, pick, scale


@fault("stages")
def time_of_the_denoiser_only(rows: list[Row], rng: random.Random) -> Iterable[int]:
    """Time of the rows in which the decoder takes 5% or more is the denoiser's; energy is whole."""

    def change(row: Row) -> None:
        row["latency_s"] = row["denoiser_latency_s"]
        restate(row)

    chosen = [
        i for i, row in enumerate(rows) if row["denoiser_latency_s"] < 0.95 * row["latency_s"]
    ]
    return each(rows, chosen or [0], change)


@fault("stages")
def stages_unlike_the_whole(rows: list[Row], rng: random.Random) -> Iterable[int]:
    """The denoiser of 3 rows is stated x 0.7."""
    name = "denoiser_latency_s"
    return each(rows, pick(rows, rng), lambda r: r.update({name: 0.7 * r[name]}))


@fault("mixed-gpus")
def another_gpu_in_the_sweep(rows: list[Row], rng: random.Random) -> Iterable[int]:
    """A quarter of the rows is labelled H200 in the middle of a sweep."""
    return each(rows, pick(rows, rng, max(2, len(rows) // 4)), lambda r: r.update(gpu="h200-sxm"))


@fault("order")
def out_of_order(rows: list[Row], rng: random.Random) -> Iterable[int]:
    """The times of day of 2 pairs of rows are exchanged."""
    chosen = rng.sample(range(len(rows)), 4)
    for one, other in (chosen[:2], chosen[2:]):
        first, second = rows[one], rows[other]
        first["taken_at"], second["taken_at"] = second["taken_at"], first["taken_at"]
    return sorted(chosen)


@fault("order")
def too_close_together(rows: list[Row], rng: random.Random) -> None:
    """All rows are a tenth of their time apart."""
    now = datetime.fromisoformat(rows[0]["taken_at"])
    for row in rows:
        now += timedelta(seconds=row["latency_s"] / 10)
        row["taken_at"] = now.isoformat()


@fault("not-positive")
def negative_energy(rows: list[Row], rng: random.Random) -> Iterable[int]:
    """GPU energy of 2 rows has the other sign."""
    return each(rows, pick(rows, rng, 2), lambda r: scale(r, energy=-1.0))


@fault("not-positive")
def zero_energy(rows: list[Row], rng: random.Random) -> Iterable[int]:
    """GPU energy of 2 rows is 0."""
    return each(rows, pick(rows, rng, 2), lambda r: scale(r, energy=0.0))


@fault("not-positive")
def zero_time(rows: list[Row], rng: random.Random) -> Iterable[int]:
    """Time of 2 rows is 0."""
    return each(rows, pick(rows, rng, 2), lambda r: r.update(latency_s=0.0))


@fault("not-a-number")
def nan(rows: list[Row], rng: random.Random) -> Iterable[int]:
    """GPU energy of 2 rows is NaN."""
    return each(rows, pick(rows, rng, 2), lambda r: r.update(energy_wh_gpu="nan"))


@fault("not-a-number")
def words_for_numbers(rows: list[Row], rng: random.Random) -> Iterable[int]:
    """Time of 2 rows is `OOM`."""
    return each(rows, pick(rows, rng, 2), lambda r: r.update(latency_s="OOM"))
