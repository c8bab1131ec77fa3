"""Clean tables for the audit to be tried on: predicted ones with noise, and our measured rows.

A table is a list of rows; a row holds what a careful laboratory publishes, by names that the
reader of any CSV knows. `COLUMNS` is their order in a file.
"""

import csv
import io
import json
import random
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from kinowatt import predict
from kinowatt.analysis.prediction import Prediction
from kinowatt.facts.data import data_path
from kinowatt.facts.gpus import gpu
from kinowatt.facts.models import model as find_model
from kinowatt.units import joules_to_wh, wh_to_joules

Row = dict[str, Any]
Base = Callable[[random.Random], list[Row]]

GPU = "h100-sxm"
WAN = "wan2.1-t2v-1.3b"
SETTINGS = ("height_px", "width_px", "frames", "steps", "guidance_scale", "batch_size")
STAGES = ("text_encoder", "denoiser", "vae_decoder", "other")
COLUMNS = (
    *("label", "model", "gpu", "taken_at", *SETTINGS, "runs", "warmup_runs"),
    *("latency_s", "energy_wh_gpu", "energy_wh_cpu", "energy_wh_ram", "power_w_gpu"),
    *(f"{stage}_latency_s" for stage in STAGES),
)
NOISE = 0.004  # of one row, standard deviation
LAB = 0.03  # of a whole table, in time; in power a third of it
IDLE_W = 120.0
START = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)


@cache
def forecast(model: str, gpu_name: str, settings: tuple[tuple[str, Any], ...]) -> Prediction:
    """The prediction by the GPU's default profile."""
    return predict(model, gpu=gpu_name, **dict(settings))


def settings_of(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in SETTINGS}


def expected(row: Mapping[str, Any]) -> Prediction:
    """What a row's labels predict."""
    return forecast(row["model"], row["gpu"], tuple(settings_of(row).items()))


def stamp(rows: Iterable[Row]) -> None:
    """Gives rows the times of day at which they were taken one after another."""
    now = START
    for row in rows:
        now += timedelta(seconds=row["latency_s"] * (row["runs"] + row["warmup_runs"]) + 20)
        row["taken_at"] = now.isoformat(timespec="seconds")


def restate(row: Row) -> None:
    """The stated power follows from time and energy."""
    row["power_w_gpu"] = wh_to_joules(row["energy_wh_gpu"]) / row["latency_s"]


def _table(rng: random.Random, asked: Iterable[tuple[str, Mapping[str, Any]]]) -> list[Row]:
    slow, hungry = rng.gauss(0, LAB), rng.gauss(0, LAB / 3)
    rows = []
    for model, given in asked:
        found = forecast(model, GPU, tuple(given.items()))
        noise = 1 + slow + rng.gauss(0, NOISE)
        seconds = found.latency_s * noise
        watts = found.power_w * (1 + hungry + rng.gauss(0, NOISE))
        watts = min(watts, gpu(GPU).power_limit_w * (0.99 + rng.uniform(-0.003, 0.003)))
        row: Row = {
            **{name: found.workload[name] for name in SETTINGS},
            "label": f"row {len(rows) + 1}",
            "model": model,
            "gpu": GPU,
            "runs": 3,
            "warmup_runs": 1,
            "latency_s": seconds,
            "energy_wh_gpu": joules_to_wh(watts * seconds),
        }
        for stage in STAGES:
            row[f"{stage}_latency_s"] = (found.stages[stage]["latency_s"] or 0.0) * noise
        rows.append(row)
    return _host(rng, rows)


def _host(rng: random.Random, rows: list[Row]) -> list[Row]:
    """Energy of CPU and RAM as meters give it: near a level, never twice the same."""
    cpu_w, ram_w = rng.uniform(60, 120), rng.uniform(20, 45)
    for row in rows:
        for scope, level in (("cpu", cpu_w), ("ram", ram_w)):
            watts = level * (1 + rng.gauss(0, 0.03))
            row[f"energy_wh_{scope}"] = joules_to_wh(watts * row["latency_s"])
        restate(row)
    stamp(rows)
    return rows


def steps(rng: random.Random) -> list[Row]:
    """Wan-1.3B at 480x832x81, 6 to 60 steps."""
    size = {"height_px": 480, "width_px": 832, "frames": 81}
    return _table(rng, ((WAN, {**size, "steps": n}) for n in range(6, 61, 6)))


def frames(rng: random.Random) -> list[Row]:
    """Wan-1.3B at 480x832 and 50 steps, 17 to 97 frames that the pipeline runs as they are."""
    size = {"height_px": 480, "width_px": 832, "steps": 50}
    return _table(rng, ((WAN, {**size, "frames": n}) for n in range(17, 98, 8)))


def every_frame(rng: random.Random) -> list[Row]:
    """The same for each number of frames from 33 to 56: a staircase of six values."""
    size = {"height_px": 480, "width_px": 832, "steps": 50}
    return _table(rng, ((WAN, {**size, "frames": n}) for n in range(33, 57)))


def grid(rng: random.Random) -> list[Row]:
    """Wan-1.3B at sizes, frames and steps that differ together."""
    sizes = ((480, 832), (720, 1280), (384, 640), (576, 1024))
    asked = []
    for height, width in sizes:
        for count, n in ((33, 50), (49, 30), (81, 40), (81, 50)):
            given = {"height_px": height, "width_px": width, "frames": count, "steps": n}
            asked.append((WAN, given))
    rng.shuffle(asked)
    return _table(rng, asked)


def repeats(rng: random.Random) -> list[Row]:
    """Twenty times the same video."""
    given = {"height_px": 480, "width_px": 832, "frames": 81, "steps": 50}
    return _table(rng, ((WAN, given) for _ in range(20)))


def measured_steps(rng: random.Random) -> list[Row]:
    """Our sweep of steps of whole videos, as measured."""
    return _measured(rng, "measurements/h100-sxm-c-steps.jsonl")


def measured_models(rng: random.Random) -> list[Row]:
    """Our seven models at several settings, as measured."""
    return _measured(rng, "measurements/h100-sxm-d-models.jsonl")


def measured_pairs(rng: random.Random) -> list[Row]:
    """Our pairs of the two protocols, as measured."""
    return _measured(rng, "protocol/h100-sxm.jsonl")


def _measured(rng: random.Random, file: str) -> list[Row]:
    """Rows with GPU energy, run as their pipelines run by default; times of day are new."""
    found = map(json.loads, data_path(file).read_text("utf-8").splitlines())
    kept = [
        row for row in found if row["energy_wh"]["gpu"] and _plain(row) and row["power_w"] > IDLE_W
    ]
    rows: list[Row] = []
    for source in kept:
        row: Row = {
            **{name: source["workload"][name] for name in SETTINGS},
            "label": f"row {len(rows) + 1}",
            "model": source["model"],
            "gpu": source["gpu"],
            "runs": 3,
            "warmup_runs": 1,
            "latency_s": source["latency_s"],
            "energy_wh_gpu": source["energy_wh"]["gpu"],
        }
        for stage in STAGES:
            row[f"{stage}_latency_s"] = source["stages"].get(stage, {}).get("latency_s", 0.0)
        row["other_latency_s"] += row["latency_s"] - sum(row[f"{s}_latency_s"] for s in STAGES)
        rows.append(row)
    return _host(rng, rows)


def _plain(row: Mapping[str, Any]) -> bool:
    """Run as a table without columns for it is read: the model card's recipe and tiling."""
    spec, conditions = find_model(row["model"]), row["conditions"]
    preset = spec.preset("default")
    usual = {
        "offload": preset.offload,
        "tiling": preset.tiling,
        "attention_backend": "default",
    }
    return row["recipe"] == spec.recipe(None, preset).name and all(
        conditions[name] == value for name, value in usual.items()
    )


BASES: Mapping[str, Base] = {
    base.__name__: base
    for base in (steps, frames, grid, repeats, measured_steps, measured_models, measured_pairs)
}


def to_csv(rows: Iterable[Mapping[str, Any]], columns: Iterable[str] = COLUMNS) -> str:
    """The table as a file; what a row lacks is empty."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(columns), extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()
