import pytest

from kinowatt.facts.gpus import gpus
from kinowatt.theory.roofline import mlp_threshold, published_thresholds, thresholds


def test_h100_published_and_corrected() -> None:
    found = published_thresholds(gpus()["h100-sxm"])
    assert found is not None
    assert found.beta == pytest.approx(295.2, abs=0.05)
    assert found.attention_published == pytest.approx(295.2, abs=0.05)
    assert found.mlp_published == pytest.approx(590.4, abs=0.1)
    assert found.attention_corrected == pytest.approx(590.4, abs=0.1)
    assert found.mlp_from_published_intensity == pytest.approx(922, abs=2)
    assert found.mlp_corrected == pytest.approx(360, abs=0.5)


def test_l4_slip() -> None:
    found = published_thresholds(gpus()["l4"])
    assert found is not None
    assert found.beta == pytest.approx(403.3, abs=0.1)
    assert gpus()["l4"].published.beta == 605


def test_thresholds_are_where_intensity_equals_beta() -> None:
    d, f, s = 2048, 4, 2
    for spec in gpus().values():
        found = thresholds(spec)
        tokens = found.mlp_corrected
        assert tokens is not None
        flops = 4 * f * tokens * d**2
        moved = s * (2 * f * d**2 + 2 * tokens * d + 2 * f * tokens * d)
        assert flops / moved == pytest.approx(found.beta, rel=1e-9)
        tokens = found.attention_corrected
        assert 4 * tokens**2 * d / (4 * tokens * d * s) == pytest.approx(found.beta, rel=1e-9)


def test_none_where_no_length_suffices() -> None:
    assert mlp_threshold(5000, 2) is None


def test_dense_peaks_lower_the_suspect_ones() -> None:
    for name in ("mi325x", "rtx-4090"):
        spec = gpus()[name]
        printed = published_thresholds(spec)
        assert printed is not None
        assert thresholds(spec).beta < 0.6 * printed.beta
