"""Our points along the paper's sweeps."""

import pytest

from kinowatt.analysis.own.rows import grouped
from kinowatt.analysis.own.sweeps import fit, own_series, r_squared, sweeps_table, wanted
from kinowatt.analysis.rows import SWEEPS

COMPOSED = {"steps": 50, "timed_steps": 8}
PAPER = {"height_px": 720, "width_px": 1280}
PART = {"composed": COMPOSED, "protocol": "sampled"}


def series(sweep, *rows):
    return own_series(sweep, grouped(rows))


def test_the_papers_distinct_settings() -> None:
    assert [len(wanted(sweep)) for sweep in SWEEPS] == [14, 26, 200]


def test_missing_points_are_counted() -> None:
    texts = [series(sweep).status for sweep in SWEEPS]
    assert texts == [
        "not measured yet: 14 of 14 points",
        "not measured yet: 26 of 26 points",
        "not measured yet: 200 of 200 points",
    ]
    rows = sweeps_table([series(sweep) for sweep in SWEEPS]).rows
    assert {row["measured_2026_points"] for row in rows} == {0}
    assert {row["measured_2026_fit"] for row in rows} == {None}


def test_composed_rows_stand_along_frames_but_never_along_steps(make) -> None:
    at_81 = make(**PAPER, frames=81, **PART)
    at_49 = make(**PAPER, frames=49, steps=50, **PART)
    assert len(series("frames", at_81, at_49).points) == 2
    assert series("frames", at_81).status.startswith("measured: 1 of 26 points (1 composed)")
    assert series("steps", at_49).points == ()
    whole = make(**PAPER, frames=49, steps=20)
    (point,) = series("steps", at_49, whole).points
    assert (point.steps, point.composed) == (20, False)


def test_a_whole_video_is_preferred_to_a_composed_one(make) -> None:
    rows = [
        make(**PAPER, frames=81, runs=(200.0,)),
        make(**PAPER, frames=81, runs=(250.0,), **PART),
    ]
    (point,) = series("frames", *rows).points
    assert (point.latency.mean, point.composed) == (200.0, False)


def test_one_curve_has_one_set_of_conditions(make) -> None:
    rows = [make(**PAPER, frames=frames) for frames in (17, 33)]
    rows += [make(**PAPER, frames=frames, gpu="h200-sxm") for frames in (33, 49, 81)]
    found = series("frames", *rows)
    assert [point.frames for point in found.points] == [17, 33]
    assert found.elsewhere == 2
    assert "2 under other conditions only" in found.status


def test_what_is_off_the_axis_or_beyond_it(make) -> None:
    off = make(height_px=480, width_px=832, frames=33)
    beyond = make(height_px=1024, width_px=1024, frames=81)
    twice = make(**PAPER, frames=81, batch_size=2)
    found = series("resolution", off, beyond, twice)
    assert len(found.points) == 1
    assert found.matched == ()
    assert found.status == "not measured yet: 14 of 14 points; 1 beyond the paper's"


def test_fits() -> None:
    settings = [(720, 1280, frames, 50) for frames in (1, 17, 33, 81)]
    power = fit("frames", settings, [(f // 4 + 1) ** 1.7 for _, _, f, _ in settings])
    assert power is not None
    assert (power.value, power.r2) == pytest.approx((1.7, 1.0))
    line = fit("steps", [(720, 1280, 49, s) for s in (1, 4, 16)], [5.0, 14.0, 50.0])
    assert line is not None
    assert (line.value, line.start) == pytest.approx((3.0, 2.0))
    assert line.at((720, 1280, 49, 10)) == pytest.approx(32.0)
    assert power.at((720, 1280, 33, 50)) == pytest.approx(9**1.7)
    assert fit("steps", [(720, 1280, 49, s) for s in (1, 4)], [5.0, 14.0]) is None


def test_r_squared() -> None:
    assert r_squared([0, 1, 2], [0, 1, 0]) == pytest.approx(0.0)
    assert r_squared([0, 1, 2], [0, 1, 2]) == pytest.approx(1.0)


def test_fits_beside_the_papers(make) -> None:
    """Points three quarters of the paper's: its exponent at those points, and the ratio."""
    paper = {17: 42.6207, 21: 55.9463, 33: 100.636}
    rows = [make(**PAPER, frames=f, runs=(0.75 * s,)) for f, s in paper.items()]
    found = sweeps_table([series(name, *rows) for name in SWEEPS]).rows
    row = next(row for row in found if (row["sweep"], row["quantity"]) == ("frames", "latency"))
    assert row["measured_2026_points"] == 3
    assert row["mean_ratio"] == pytest.approx(0.75, abs=0.01)
    assert row["measured_2026_fit"] == pytest.approx(row["paper_fit_at_our_points"], abs=0.02)


def test_the_papers_own_exponents() -> None:
    found = {
        row["sweep"]: row
        for row in sweeps_table([series(name) for name in SWEEPS]).rows
        if row["quantity"] == "latency"
    }
    assert found["resolution"]["paper_fit"] == pytest.approx(1.474, abs=1e-3)
    assert found["steps"]["paper_fit"] == pytest.approx(3.560, abs=1e-3)
    assert found["steps"]["paper_r2"] > 0.9999
