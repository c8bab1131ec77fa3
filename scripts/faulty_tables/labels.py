"""Faults of labels: settings that did not run."""

import random
from collections.abc import Iterable

from faulty_tables.bases import Row, restate, settings_of
from faulty_tables.registry import each, fault, pick, rerun, scale
from kinowatt import predict
from kinowatt.units import joules_to_wh


@fault("settings", bases=("steps", "frames"))
def wrong_size(rows: list[Row], rng: random.Random) -> None:
    """All rows ran 720x1280, labelled 480x832."""
    each(rows, range(len(rows)), lambda r: rerun(r, height_px=720, width_px=1280))


@fault("settings", bases=("grid", "measured_models"))
def wrong_size_in_some_rows(rows: list[Row], rng: random.Random) -> Iterable[int]:
    """3 rows of Wan ran 720x1280, labelled 384x640."""

    def change(row: Row) -> None:
        row.update(height_px=384, width_px=640)

    wan = [i for i, r in enumerate(rows) if r["model"].startswith("wan") and r["height_px"] == 720]
    return each(rows, sorted(rng.sample(wan, min(3, len(wan)))), change)


@fault("settings", bases=("steps", "grid"))
def wrong_steps(rows: list[Row], rng: random.Random) -> Iterable[int]:
    """3 rows ran 50 steps, labelled 30."""

    def change(row: Row) -> None:
        rerun(row, steps=50)
        row["steps"] = 30

    return each(rows, pick(rows, rng), change)


@fault("settings", bases=("steps", "grid"))
def wrong_frames(rows: list[Row], rng: random.Random) -> Iterable[int]:
    """3 rows of 81 frames ran 49."""
    long = [i for i, row in enumerate(rows) if row["frames"] == 81]
    return each(rows, sorted(rng.sample(long, 3)), lambda r: rerun(r, frames=49))


@fault("settings", bases=("steps", "frames"))
def wrong_frames_everywhere(rows: list[Row], rng: random.Random) -> None:
    """All rows are labelled 121 frames; those of their table ran."""
    each(rows, range(len(rows)), lambda r: r.update(frames=121 if r["frames"] == 81 else 161))


@fault("settings", bases=("steps", "grid", "measured_steps"))
def wrong_model(rows: list[Row], rng: random.Random) -> Iterable[int]:
    """3 rows of Wan-1.3B are of Wan-14B."""
    return each(rows, pick(rows, rng), lambda r: rerun(r, model="wan2.1-t2v-14b"))


@fault("settings", bases=("steps", "grid", "frames"))
def wrong_gpu(rows: list[Row], rng: random.Random) -> None:
    """All rows ran on an A100 (ratio of the two datasheet profiles), labelled H100."""

    def change(row: Row) -> None:
        asked = settings_of(row)
        there = predict(row["model"], gpu="a100-sxm-80gb", **asked)
        here = predict(row["model"], gpu=row["gpu"], profile=f"{row['gpu']}/datasheet", **asked)
        scale(row, time=there.latency_s / here.latency_s)
        row["energy_wh_gpu"] = joules_to_wh(390 * row["latency_s"])
        row["energy_wh_gpu"] *= rng.uniform(0.98, 1.0)
        restate(row)

    each(rows, range(len(rows)), change)


@fault("settings", bases=("steps", "grid", "frames"))
def no_guidance(rows: list[Row], rng: random.Random) -> None:
    """All rows are labelled guidance 5; none ran (half the passes)."""
    each(rows, range(len(rows)), lambda r: rerun(r, guidance_scale=1.0))


@fault("settings", bases=("steps", "grid"))
def doubled_guidance(rows: list[Row], rng: random.Random) -> Iterable[int]:
    """3 rows are labelled guidance 1; they ran with 5 (twice the passes)."""
    return each(rows, pick(rows, rng), lambda r: r.update(guidance_scale=1.0))


@fault("settings", bases=("steps", "grid", "frames"))
def batch_forgotten(rows: list[Row], rng: random.Random) -> Iterable[int]:
    """3 rows are of batches of 4, labelled 1."""
    return each(rows, pick(rows, rng), lambda r: rerun(r, batch_size=4))


@fault("impossible-settings")
def size_that_cannot_run(rows: list[Row], rng: random.Random) -> Iterable[int]:
    """The width of 3 rows is one pixel short."""
    return each(rows, pick(rows, rng), lambda r: r.update(width_px=r["width_px"] - 1))


@fault("swapped")
def time_and_energy_swapped(rows: list[Row], rng: random.Random) -> None:
    """The columns of time and GPU energy are exchanged; no power is stated."""

    def change(row: Row) -> None:
        row["latency_s"], row["energy_wh_gpu"] = row["energy_wh_gpu"], row["latency_s"]
        row["power_w_gpu"] = None

    each(rows, range(len(rows)), change)


@fault("swapped", "settings", bases=("frames", "grid"))
def frames_and_steps_swapped(rows: list[Row], rng: random.Random) -> None:
    """The columns of frames and steps are exchanged."""
    each(rows, range(len(rows)), lambda r: r.update(frames=r["steps"], steps=r["frames"]))


@fault("flops-above-peak")
def faster_than_the_peak(rows: list[Row], rng: random.Random) -> Iterable[int]:
    """Time and energy of up to 3 rows / 12."""
    return each(rows, pick(rows, rng), lambda r: scale(r, time=1 / 12, energy=1 / 12))
