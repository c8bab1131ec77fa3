"""What a protocol adds to a video's seconds, held against what committed rows took."""

import json
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from kinowatt.facts.models import model
from kinowatt.lab.duration import AGAIN, ROW_S, WINDOW_S, Video, row_seconds, start_seconds

DATA = Path(__file__).parents[2] / "data"
FILES = [
    *sorted((DATA / "measurements").glob("h100-sxm-*.jsonl")),
    DATA / "protocol" / "h100-sxm.jsonl",
]


def parts(row: dict[str, Any]) -> Video:
    """The measured parts of a row's video."""
    seconds = {name: stage["latency_s"] for name, stage in row["stages"].items()}
    steps = row["workload"]["steps"]
    return Video(
        before_s=seconds["text_encoder"] + 0.05,
        step_s=seconds["denoiser"] / steps,
        steps=steps,
        decoder_s=seconds["vae_decoder"],
        after_s=max(0.0, seconds["other"]),
        whole=row["recipe"] != "single",
        min_steps=model(row["model"]).rules.min_steps,
    )


def follow(a: dict[str, Any], b: dict[str, Any]) -> bool:
    """Whether one process took `b` right after `a`, by the same pipeline."""
    names = ("gpu_uuid", "command", "offload", "tiling")
    return a["model"] == b["model"] and all(a["conditions"][n] == b["conditions"][n] for n in names)


def pairs(file: Path) -> Iterator[tuple[float, float]]:
    """Seconds that rows took, by the instants at which they were done, and estimated ones."""
    rows = sorted(
        map(json.loads, file.read_text("utf-8").splitlines()), key=lambda r: r["taken_at"]
    )
    for a, b in pairwise(rows):
        if not follow(a, b):
            continue
        taken = datetime.fromisoformat(b["taken_at"]) - datetime.fromisoformat(a["taken_at"])
        request = {"protocol": b["protocol"], "warmup": 1, "warmup_steps": 2, "isolate": False}
        request["runs"] = len(b["runs"])
        yield (
            taken.total_seconds(),
            row_seconds({"offload": b["conditions"]["offload"]}, request, parts(b)),
        )


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_rows_took_what_is_estimated(file: Path) -> None:
    found = list(pairs(file))
    assert len(found) >= 7
    assert sum(b for _, b in found) == pytest.approx(sum(a for a, _ in found), rel=0.07)


VIDEO = Video(before_s=0.5, step_s=1.0, steps=50, decoder_s=2.0, after_s=0.5)


def test_full_by_hand() -> None:
    request = {"protocol": "full", "warmup": 1, "warmup_steps": 2, "runs": 2, "isolate": False}
    assert row_seconds({}, request, VIDEO) == ROW_S + 5.0 + 2 * 53.0
    alone = {**request, "isolate": True}  # encoder, one step, decoder: each shorter than a window
    assert row_seconds({}, alone, VIDEO) == row_seconds({}, request, VIDEO) + 3 * WINDOW_S


def test_sampled_costs_the_same_whatever_the_steps() -> None:
    request = {"protocol": "sampled"}
    long = Video(before_s=0.5, step_s=1.0, steps=500, decoder_s=2.0, after_s=0.5)
    assert row_seconds({}, request, long) == row_seconds({}, request, VIDEO)
    assert row_seconds({}, request, VIDEO) == pytest.approx(
        ROW_S + 4.0 + 3 * 0.5 + 6.0 + 0.5 + 1.0 + AGAIN * WINDOW_S
    )


def test_offload_compiling_and_starts_are_counted() -> None:
    request = {"protocol": "full", "warmup": 1, "runs": 1, "isolate": False}
    plain = row_seconds({}, request, VIDEO)
    assert row_seconds({"offload": "model"}, request, VIDEO) == plain + 2 * 8.0
    assert row_seconds({"compile": "blocks"}, request, VIDEO) == plain + 60.0
    assert start_seconds({"idle_s": 3.0}) == 21.0


def test_a_slower_machine() -> None:
    assert VIDEO.times(2.0).seconds == 2 * VIDEO.seconds
