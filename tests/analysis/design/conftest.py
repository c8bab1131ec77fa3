"""A few committed rows of four models to choose from."""

import json
from pathlib import Path
from typing import Any

import pytest

from kinowatt.analysis.bench_physics import physics_of_bench
from kinowatt.analysis.design.candidates import Candidates, candidates
from kinowatt.theory.physics import Physics

DATA = Path(__file__).parents[3] / "data"
PLACES = (0, 3, 9, 12, 18, 30, 36, 38)  # of two AnimateDiff, CogVideoX, LTX or Mochi, Wan


@pytest.fixture(scope="package")
def physics() -> Physics:
    return physics_of_bench(json.loads((DATA / "microbench" / "h100-sxm.json").read_text("utf-8")))


@pytest.fixture(scope="package")
def rows() -> list[dict[str, Any]]:
    text = (DATA / "measurements" / "h100-sxm-d-models.jsonl").read_text("utf-8")
    found = [json.loads(line) for line in text.splitlines()]
    return [found[place] for place in PLACES]


@pytest.fixture(scope="package")
def of(rows: list[dict[str, Any]], physics: Physics) -> Candidates:
    return candidates(rows, physics)
