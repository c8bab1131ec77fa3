"""Faults of power, energy, units and runs."""

import random
from collections.abc import Iterable

from faulty_tables.bases import Row, restate
from faulty_tables.registry import RUNS, each, fault, pick, scale
from kinowatt.units import joules_to_wh


@fault("power-above-limit")
def power_above_limit(rows: list[Row], rng: random.Random) -> Iterable[int]:
    """GPU energy of up to 3 rows that drew over 600 W x 1.3."""
    hot = [i for i, row in enumerate(rows) if row["power_w_gpu"] > 600]
    return each(rows, sorted(rng.sample(hot, min(3, len(hot)))), lambda r: scale(r, energy=1.3))


@fault("power-below-idle")
def power_below_idle(rows: list[Row], rng: random.Random) -> Iterable[int]:
    """GPU energy of 3 rows such that they drew 30 W."""

    def change(row: Row) -> None:
        row["energy_wh_gpu"] = joules_to_wh(30 * row["latency_s"])
        restate(row)

    return each(rows, pick(rows, rng), change)


@fault("power-mismatch")
def power_unlike_energy_over_time(rows: list[Row], rng: random.Random) -> Iterable[int]:
    """The stated power of 3 rows x 0.8."""
    return each(rows, pick(rows, rng), lambda r: r.update(power_w_gpu=0.8 * r["power_w_gpu"]))


@fault("power-above-limit", "runs")
def energy_of_two_gpus(rows: list[Row], rng: random.Random) -> None:
    """GPU energy of all rows x 2, as if an idle neighbour or a zone were added twice."""
    each(rows, range(len(rows)), lambda r: scale(r, energy=2.0))


@fault("scope", energy_wh_gpu="energy_wh", power_w_gpu="power_w")
def energy_without_scope(rows: list[Row], rng: random.Random) -> None:
    """The columns of energy and power do not say of what."""


@fault("whole-machine")
def everything_as_gpu(rows: list[Row], rng: random.Random) -> None:
    """GPU energy of all rows is GPU + CPU + RAM."""

    def change(row: Row) -> None:
        row["energy_wh_gpu"] += row["energy_wh_cpu"] + row["energy_wh_ram"]
        restate(row)

    each(rows, range(len(rows)), change)


@fault("constant")
def constant_ram(rows: list[Row], rng: random.Random) -> None:
    """RAM energy of all rows is 38.0 W x time."""
    each(rows, range(len(rows)), lambda r: _constant(r, "ram", 38.0))


@fault("constant")
def constant_cpu(rows: list[Row], rng: random.Random) -> None:
    """CPU energy of all rows is 42.5 W x time."""
    each(rows, range(len(rows)), lambda r: _constant(r, "cpu", 42.5))


@fault("constant")
def constant_gpu(rows: list[Row], rng: random.Random) -> None:
    """GPU energy of all rows is 650 W x time."""

    def change(row: Row) -> None:
        _constant(row, "gpu", 650.0)
        restate(row)

    each(rows, range(len(rows)), change)


def _constant(row: Row, scope: str, watts: float) -> None:
    row[f"energy_wh_{scope}"] = joules_to_wh(watts * row["latency_s"])


@fault("unit-slip")
def kwh_for_wh(rows: list[Row], rng: random.Random) -> None:
    """GPU energy of all rows / 1000; no power is stated."""
    each(rows, range(len(rows)), lambda r: _unstated(r, energy=1e-3))


@fault("unit-slip")
def joules_for_wh(rows: list[Row], rng: random.Random) -> None:
    """GPU energy of all rows x 3600; no power is stated."""
    each(rows, range(len(rows)), lambda r: _unstated(r, energy=3600.0))


@fault("unit-slip")
def milliseconds_for_seconds(rows: list[Row], rng: random.Random) -> None:
    """Time of all rows x 1000; no power is stated."""
    each(rows, range(len(rows)), lambda r: _unstated(r, time=1000.0))


@fault("unit-slip")
def minutes_for_seconds(rows: list[Row], rng: random.Random) -> None:
    """Time of all rows / 60; no power is stated."""
    each(rows, range(len(rows)), lambda r: _unstated(r, time=1 / 60))


@fault("unit-slip")
def minutes_in_some_rows(rows: list[Row], rng: random.Random) -> Iterable[int]:
    """Time of 3 rows / 60; no power is stated."""
    return each(rows, pick(rows, rng), lambda r: _unstated(r, time=1 / 60))


@fault("unit-slip")
def kwh_in_some_rows(rows: list[Row], rng: random.Random) -> Iterable[int]:
    """GPU energy of 3 rows / 1000; no power is stated."""
    return each(rows, pick(rows, rng), lambda r: _unstated(r, energy=1e-3))


def _unstated(row: Row, time: float = 1.0, energy: float = 1.0) -> None:
    scale(row, time=time, energy=energy, host=False)
    row["power_w_gpu"] = None


@fault("runs")
def time_of_five_runs(rows: list[Row], rng: random.Random) -> None:
    """Time of all rows x 5, energy of one."""
    each(rows, range(len(rows)), lambda r: scale(r, time=RUNS, host=False))


@fault("runs")
def energy_of_five_runs(rows: list[Row], rng: random.Random) -> None:
    """GPU energy of all rows x 5, time of one."""
    each(rows, range(len(rows)), lambda r: scale(r, energy=RUNS))


@fault("runs", "settings")
def all_of_five_runs(rows: list[Row], rng: random.Random) -> None:
    """Time and energy of all rows x 5."""
    each(rows, range(len(rows)), lambda r: scale(r, time=RUNS, energy=RUNS))
