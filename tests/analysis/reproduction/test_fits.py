"""The paper's fit redone, and one, two and three efficiencies on true FLOPs."""

import pytest

from kinowatt.analysis.reproduction.efficiencies import best_power_w, efficiency_fits
from kinowatt.analysis.reproduction.fits import mu_fit, steps_line
from kinowatt.analysis.rows import paper_rows


def test_mu_and_the_rank_one_artefact() -> None:
    coded, scaled = mu_fit()["as_coded"], mu_fit()["scaled"]
    assert coded["rows"] == 14 + 100 + 200
    assert (coded["rank"], scaled["rank"]) == (1, 2)
    assert coded["mu"] == pytest.approx(0.4559, abs=5e-5)
    assert coded["overhead_s"] == pytest.approx(1.0548e-32, rel=1e-4)
    assert coded["r2"] == pytest.approx(0.9984, abs=5e-5)
    assert scaled["mu"] == pytest.approx(0.4637, abs=5e-5)
    assert scaled["overhead_s"] == pytest.approx(7.801, abs=1e-3)
    assert scaled["r2"] == pytest.approx(0.9988, abs=5e-5)


# share of 989e12, seconds, mean absolute error of resolution, frames, steps
FITS = {
    "published": (0.4243, 0.0, (12.47, 6.15, 6.41)),
    "published_overhead": (0.4478, 4.134, (4.63, 4.07, 2.31)),
    "true": (0.2867, 0.0, (12.70, 6.62, 3.02)),
    "true_overhead": (0.3021, 4.013, (4.82, 2.88, 1.13)),
}


@pytest.mark.parametrize(("name", "expected"), FITS.items())
def test_one_share_of_the_peak(name, expected) -> None:
    found = efficiency_fits()[name]
    assert found.shares["all"] == pytest.approx(expected[0], abs=6e-5)
    assert found.overhead_s == pytest.approx(expected[1], abs=2e-3)
    means = [found.errors[sweep].mean_abs_pct for sweep in ("resolution", "frames", "steps")]
    assert means == pytest.approx(expected[2], abs=0.006)


def test_three_shares_of_the_peak() -> None:
    found = efficiency_fits()["true_by_kind"]
    assert found.shares == pytest.approx(
        {"linear": 0.1885, "attention": 0.3600, "vae": 0.0842}, abs=1e-4
    )
    means = [found.errors[sweep].mean_abs_pct for sweep in ("resolution", "frames", "steps")]
    assert means == pytest.approx([2.64, 1.98, 0.47], abs=0.006)


def test_line_through_the_steps() -> None:
    assert steps_line() == pytest.approx((4.793, 3.5652), abs=1e-3)


def test_best_power() -> None:
    assert best_power_w(paper_rows()) == pytest.approx(679.5, abs=0.1)
