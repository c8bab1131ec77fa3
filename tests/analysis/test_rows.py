import pytest

from kinowatt.analysis.rows import (
    cross_model_rows,
    max_abs_pct,
    mean_abs_pct,
    mean_signed_pct,
    paper_rows,
    spread_pct,
)

SWEEPS = ("resolution", "frames", "steps")


def test_selections() -> None:
    def sizes(selection: str) -> list[int]:
        return [len(paper_rows(sweep, selection)) for sweep in SWEEPS]

    assert sizes("as_in_paper") == [14, 25, 50]
    assert sizes("with_latency") == [14, 32, 200]
    assert sizes("all") == [14, 100, 200]
    assert len(paper_rows()) == 89


def test_a_row() -> None:
    row = next(row for row in paper_rows("frames", "all") if row.frames == 81)
    assert (row.height_px, row.width_px, row.steps) == (720, 1280, 50)
    assert (row.seconds, row.gpu_energy_wh) == (417.314658, 77.15)
    assert row.power_w == pytest.approx(665.5, abs=0.1)
    assert (row.warmup, row.runs, row.source) == (1, 2, "table")


def test_a_row_without_latency() -> None:
    row = next(row for row in paper_rows("frames", "all") if row.frames == 1)
    assert row.latency_s is row.power_w is None
    assert row.gpu_energy_err_wh == 0.127
    with pytest.raises(ValueError, match="no latency"):
        _ = row.seconds


def test_cross_model() -> None:
    rows = {row.model: row for row in cross_model_rows()}
    assert next(iter(rows)) == "animatediff-lightning"
    assert sum(row.prompts for row in rows.values()) == 335
    wan = rows["wan2.1-t2v-1.3b"]
    assert wan.latency_s == pytest.approx(410.040, abs=1e-3)
    assert wan.latency_std_s == pytest.approx(0.528, abs=1e-3)
    assert wan.gpu_share == pytest.approx(0.8707, abs=1e-4)
    assert (wan.listed["height"], wan.listed["steps"]) == (480, 60)
    assert "ltx_generate_steps" not in wan.listed
    assert rows["ltx-video-0.9.7-dev"].listed["ltx_denoise_strength"] == 0.4


def test_errors() -> None:
    predicted, measured = [90.0, 120.0], [100.0, 100.0]
    assert mean_abs_pct(predicted, measured) == pytest.approx(15)
    assert mean_signed_pct(predicted, measured) == pytest.approx(5)
    assert max_abs_pct(predicted, measured) == pytest.approx(20)
    assert spread_pct([95.0, 105.0]) == pytest.approx(5)
