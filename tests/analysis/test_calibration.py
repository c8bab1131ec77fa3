"""Fits on the paper's rows: what ships is what the data give."""

import pytest

from kinowatt.analysis.calibration import spread_of, student_spread
from kinowatt.analysis.reproduction.fits import corrected_profile, held_out
from kinowatt.analysis.shipped_profiles import corrected, datasheet_spread, published_spread
from kinowatt.facts.gpus import gpu
from kinowatt.facts.profiles import profile


def test_the_shipped_profile_is_the_fit() -> None:
    fresh, shipped = corrected(), corrected_profile()
    for name in ("efficiency", "bandwidth", "power_w"):
        for kind, value in getattr(fresh, name).items():
            assert getattr(shipped, name)[kind] == pytest.approx(value, rel=1e-3)
    for kind, share in shipped.efficiency.items():
        assert 0.05 < share < 0.95, kind
    assert 0.05 < shipped.bandwidth["memory"] < 0.95


def test_shipped_intervals_are_those_of_the_data() -> None:
    sheet = profile("datasheet", gpu("l4")).spread["unseen"]["latency"]["95"]
    assert sheet == pytest.approx(datasheet_spread()["unseen"]["latency"]["95"], rel=1e-3)
    paper = profile("paper", gpu("h100")).spread["seen"]["energy"]["80"]
    assert paper == pytest.approx(published_spread()["seen"]["energy"]["80"], rel=1e-3)


def test_intervals_cover_what_they_say() -> None:
    """Held-out rows fall inside about as often as the level says (computed, not assumed)."""
    spread = corrected_profile().spread["seen"]["latency"]
    predicted, measured = zip(*held_out()[0].values(), strict=True)
    for level in ("80", "95"):
        low, high = spread[level]
        shares = [
            sum(low <= m / p <= high for p, m in zip(ps, ms, strict=True)) / len(ms)
            for ps, ms in zip(predicted, measured, strict=True)
        ]
        assert sum(shares) / 3 >= float(level) / 100 - 0.05


def test_spread_helpers() -> None:
    found = spread_of([0.9, 1.0, 1.1, 1.2], [1, 1, 1, 1])
    assert found["80"] == (0.9, 1.2)
    low, high = student_spread([0.9, 1.0, 1.1])["80"]
    assert low < 0.9 < 1.1 < high
