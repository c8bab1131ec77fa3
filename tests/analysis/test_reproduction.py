"""Faithful, then corrected: golden numbers of the paper's own data."""

import pytest

from kinowatt.analysis.calibration import spread_of, student_spread
from kinowatt.analysis.reproduction.compose import compose
from kinowatt.analysis.reproduction.fits import corrected_profile, mu_fit, published_errors
from kinowatt.analysis.rows import cross_model_rows, paper_rows
from kinowatt.analysis.shipped_profiles import corrected, datasheet_spread, published_spread
from kinowatt.facts.gpus import gpu
from kinowatt.facts.profiles import profile


@pytest.fixture(scope="module")
def found():
    return compose()


@pytest.fixture(scope="module")
def table3(found):
    table = next(table for table in found.tables if table.name == "table3")
    return {(row["sweep"], row["quantity"]): row for row in table.rows}


def test_rows() -> None:
    assert [len(paper_rows(s)) for s in ("resolution", "frames", "steps")] == [14, 25, 50]
    assert [len(paper_rows(s, "with_latency")) for s in ("resolution", "frames", "steps")] == [
        14,
        32,
        200,
    ]
    assert sum(row.prompts for row in cross_model_rows()) == 335


@pytest.mark.parametrize(
    ("sweep", "quantity", "printed"),
    [
        ("resolution", "latency", 14.01),
        ("frames", "latency", 10.45),
        ("steps", "latency", 1.90),
        ("resolution", "energy", 11.60),
        ("frames", "energy", 6.60),
        ("steps", "energy", 1.90),
    ],
)
def test_table3_as_printed(table3, sweep: str, quantity: str, printed: float) -> None:
    assert table3[sweep, quantity]["recomputed_pct"] == pytest.approx(printed, abs=0.02)


@pytest.mark.parametrize(
    ("sweep", "quantity", "corrected_most", "heldout_most"),
    [
        ("resolution", "latency", 2.5, 3.2),
        ("frames", "latency", 1.8, 2.2),
        ("steps", "latency", 1.0, 2.0),
        ("resolution", "energy", 2.5, 3.2),
        ("frames", "energy", 2.0, 3.2),
        ("steps", "energy", 2.0, 3.2),
    ],
)
def test_table3_corrected(
    table3, sweep: str, quantity: str, corrected_most: float, heldout_most: float
) -> None:
    row = table3[sweep, quantity]
    assert row["corrected_pct"] <= corrected_most
    assert row["heldout_pct"] <= heldout_most
    assert row["heldout_pct"] > row["corrected_pct"]
    assert row["corrected_worst_pct"] <= 7


def test_signed_and_worst() -> None:
    frames = published_errors("frames", "latency")
    assert frames.mean_signed_pct == pytest.approx(-frames.mean_abs_pct)
    assert published_errors("resolution", "latency").max_abs_pct == pytest.approx(33.66, abs=0.05)
    every = published_errors("steps", "latency", "with_latency")
    assert every.mean_abs_pct == pytest.approx(2.27, abs=0.01)


def test_mu_and_the_rank_one_artefact() -> None:
    coded, scaled = mu_fit()["as_coded"], mu_fit()["scaled"]
    assert coded["rows"] == 314
    assert (coded["rank"], scaled["rank"]) == (1, 2)
    assert coded["mu"] == pytest.approx(0.4559, abs=1e-4)
    assert coded["r2"] == pytest.approx(0.9984, abs=1e-4)
    assert abs(coded["overhead_s"]) < 1e-20
    assert scaled["mu"] == pytest.approx(0.4637, abs=1e-4)
    assert scaled["overhead_s"] == pytest.approx(7.80, abs=0.01)
    assert scaled["r2"] == pytest.approx(0.9988, abs=1e-4)


def test_table4_equals_the_print_but_for_two(found) -> None:
    table = next(table for table in found.tables if table.name == "table4")
    rows = {row["model"]: row for row in table.rows}
    for name, row in rows.items():
        for scope in ("gpu", "cpu", "ram"):
            printed, again = row[f"published_{scope}_wh"], row[f"recomputed_{scope}_wh"]
            if (name, scope) == ("WAN2.1-T2V-14B", "cpu"):
                assert again == pytest.approx(35.75, abs=0.005)
                continue
            digits = len(f"{printed}".partition(".")[2])
            assert again == pytest.approx(printed, abs=0.51 * 10**-digits), (name, scope)
    ltx = rows["LTX-Video-0.9.7-dev"]
    assert ltx["recomputed_latency_s"] == pytest.approx(9.66, abs=0.01)
    assert ltx["corrected_latency_s"] == pytest.approx(17.81, abs=0.01)
    assert ltx["power_of_published_w"] == pytest.approx(1179, abs=1)
    assert ltx["corrected_power_w"] == pytest.approx(639, abs=1)


def test_the_floor(found) -> None:
    assert found.headline["floor_pct"] == pytest.approx(2.4, abs=0.05)


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
    from kinowatt.analysis.reproduction.fits import held_out

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


CLAIMS = {
    "Doubling one dimension": ("with correction", "x3.02"),
    "Doubling height and width": ("with correction", "x10.0"),
    "Theory agrees": ("no", "worst 34%"),
    "Text encoder, timestep": ("with correction", "59%"),
    "μ = 0.456": ("with correction", "0.310"),
    "The GPU takes at least": ("holds", "82.8 to 87.1%"),
    "CPU and RAM weigh": ("no", "LTX 13.8%"),
    "AnimateDiff and WAN-14B": ("holds", "x2998"),
    "A video costs 30": ("holds", "31 / 1,926 / 45,257"),
    "Energy is power limit": ("with correction", "601 to 693 W"),
}


@pytest.mark.parametrize(("start", "expected"), CLAIMS.items())
def test_claims(found, start: str, expected: tuple[str, str]) -> None:
    claim = next(c for c in found.claims if c.text.startswith(start))
    assert claim.verdict == expected[0]
    assert claim.number.startswith(expected[1])


def test_findings_change_numbers(found) -> None:
    by_title = {item.title: item for item in found.findings}
    assert by_title["Two errors cancel in the 1.9% of the steps sweep"].after.startswith("8.17%")
    assert by_title["The steps sweep did not run 81 frames"].before.startswith("122%")
    assert by_title["Frames come in steps of four"].after.startswith("26 plateaus")
    for item in found.findings:
        assert item.before != item.after
