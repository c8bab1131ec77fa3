"""GPU-seconds that measured rows took: by the instants at which they were done, where one process
took them one after another, else by what their protocol adds to their seconds."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

from kinowatt.facts.models import model
from kinowatt.lab.duration import Video, row_seconds

Row = Mapping[str, Any]
STAGES = ("text_encoder", "denoiser", "vae_decoder", "other")
SAME = ("gpu_uuid", "command", "offload", "tiling")


def video_of_row(row: Row) -> Video:
    """The measured parts of a row's video."""
    seconds = {name: stage["latency_s"] for name, stage in row["stages"].items()}
    return video_of_stages(row, [seconds[name] for name in STAGES])


def video_of_stages(row: Row, seconds: Sequence[float]) -> Video:
    """A row's video whose stages take other seconds: of encoder, denoiser, decoder, and after."""
    steps = row["workload"]["steps"]
    return Video(
        before_s=seconds[0] + 0.05,
        step_s=seconds[1] / steps,
        steps=steps,
        decoder_s=seconds[2],
        after_s=max(0.0, seconds[3]),
        whole=row["recipe"] != "single",
        min_steps=model(row["model"]).rules.min_steps,
    )


def follow(a: Row, b: Row) -> bool:
    """Whether one process took `b` right after `a`, by the same pipeline."""
    same = all(a["conditions"].get(name) == b["conditions"].get(name) for name in SAME)
    return a["model"] == b["model"] and same


def requested(row: Row) -> dict[str, Any]:
    """How a committed row was measured, as `row_seconds` wants it."""
    request = {"protocol": row["protocol"], "warmup": 1, "warmup_steps": 2, "isolate": False}
    return {**request, "runs": len(row.get("runs", ())) or 1}


def estimated_s(row: Row, video: Video) -> float:
    """What a row takes without the start of its pipeline, by the seconds of its video."""
    return row_seconds({}, requested(row), video)


def took_s(rows: Sequence[Row]) -> list[float]:
    """Of every row of one file, without starts of processes and pipelines."""
    found = [estimated_s(row, video_of_row(row)) for row in rows]
    order = sorted(range(len(rows)), key=lambda index: str(rows[index]["taken_at"]))
    for before, index in pairwise(order):
        if follow(rows[before], rows[index]):
            found[index] = elapsed_s(rows[before], rows[index])
    return found


def elapsed_s(a: Row, b: Row) -> float:
    """From the end of one row to that of another."""
    done = [datetime.fromisoformat(row["taken_at"]) for row in (a, b)]
    return (done[1] - done[0]).total_seconds()
