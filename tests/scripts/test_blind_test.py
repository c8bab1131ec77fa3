"""A committed profile against rows: figures by row, and their summary as it is kept."""

import json
from pathlib import Path

import pytest

from blind_test import FIGURES, PROFILE, judged, summary


def test_usual_rows_alone_are_judged(root: Path) -> None:
    profile = json.loads((root / PROFILE).read_text("utf-8"))
    text = (root / "data/measurements/h100-sxm-what-if.jsonl").read_text("utf-8")
    rows = [json.loads(line) for line in text.splitlines()]
    found = list(judged(profile, rows))
    assert len(found) == 9  # of 18: the others ran other kernels
    assert {row["change"] for row in found} == {"2 videos at once", "no guidance", "tiling=True"}
    assert summary(found)["denoiser_pct"]["mean"] < 2.0


def test_what_is_kept_adds_up(root: Path) -> None:
    kept = json.loads((root / "docs/evidence/blind.json").read_text("utf-8"))
    assert kept["profile"].endswith("at 75b31ee")
    for each in kept["files"].values():
        assert each["summary"] == summary(each["rows"])
        assert set(FIGURES) < set(each["rows"][0])


def test_an_error_by_hand() -> None:
    lines = [{"denoiser_pct": a, "latency_pct": 1.0, "energy_gpu_pct": None} for a in (-3.0, 1.0)]
    lines[0]["energy_gpu_pct"] = 2.0
    found = summary(lines)
    assert found["denoiser_pct"] == {"mean": pytest.approx(2.0), "worst": 3.0}
    assert found["energy_gpu_pct"] == {"mean": 2.0, "worst": 2.0}
