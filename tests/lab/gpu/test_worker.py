"""A row that asks for more memory than a real GPU has: it ends, and its process measures on."""

import json
from pathlib import Path

import pytest

from kinowatt.facts.models import model
from kinowatt.lab.measure import FACTORY, twin_size
from kinowatt.lab.rows import failures_path, load_measurements
from kinowatt.lab.worker import Workers

pytestmark = pytest.mark.gpu

NAME = "wan2.1-t2v-1.3b"
LIMIT_S = 300.0
QUICK = {"protocol": "full", "runs": 1, "warmup": 1, "idle_s": 0.0}
# 263,424 tokens: one matrix of attention scores takes 258 GiB
TOO_LARGE = {"height_px": 1792, "width_px": 1792, "frames": 81, "steps": 1}


def test_out_of_memory_ends_the_row_and_frees_what_it_took(device: str, tmp_path: Path) -> None:
    key = {"model": NAME, "device": device, "twin": True, "attention": "math"}
    key["meters"] = ["ram-v3"]  # which has no window to fill
    small = {**QUICK, **twin_size(model(NAME)), "steps": 2}
    path = tmp_path / "rows.jsonl"
    with Workers(FACTORY, rows_to=path) as workers:
        assert workers.run(key, small, LIMIT_S).row
        outcome = workers.run(key, {**QUICK, **TOO_LARGE}, LIMIT_S)
        assert outcome.failure is not None
        assert outcome.failure.cause == "out_of_memory"
        assert "\n" not in outcome.failure.detail
        assert workers.run(key, small, LIMIT_S).row
        assert workers.restarts == 0
    before, after = load_measurements(path)
    assert after.peak_memory_gib == pytest.approx(before.peak_memory_gib, abs=0.02)
    (kept,) = failures_path(path).read_text("utf-8").splitlines()
    assert json.loads(kept)["cause"] == "out_of_memory"
