"""Variants of weights against the usual, and what is noise."""

import pytest

from kinowatt.analysis.own.lines import BOTH, H100, H200, committed_lines
from kinowatt.analysis.own.weights import (
    all_finite,
    laboratories_table,
    noise_pct,
    variants_table,
    varied,
)


@pytest.fixture(scope="module")
def lines():
    return committed_lines("weights", BOTH)


def test_zeros_draw_less_and_are_faster_beyond_the_noise(lines) -> None:
    models = {(each.gpu, each.model): each for each in varied(lines)}
    wan = models[H100, "wan2.1-t2v-1.3b"]
    zeros = wan.one("zero weights")
    assert zeros.power_w == pytest.approx(479.30, abs=0.01)
    assert wan.slower_pct(zeros) == pytest.approx(-8.552, abs=1e-3)
    assert zeros.capped == 0
    noise = noise_pct(list(models.values()))
    assert noise == pytest.approx(100 * (0.1937691 / 0.1920369 - 1), abs=1e-3)
    assert [each.variant for each in wan.changed(noise)] == [
        "zero weights",
        "zero latents",
        "weights x2",
    ]


def test_each_gpu_is_its_own_usual(lines) -> None:
    """CogVideoX takes 1% less on the H200: that is no variant."""
    here, there = (each for each in varied(lines) if each.model == "cogvideox-2b")
    assert (here.gpu, there.gpu) == (H100, H200)
    assert here.usual_s == pytest.approx(0.65665, abs=1e-5)
    assert there.usual_s == pytest.approx(0.64951, abs=1e-5)
    assert there.spread_pct == pytest.approx(0.0935, abs=1e-4)
    assert there.unchanged(0.9) == ["outlier channels", "weights x0.5"]


def test_variants_that_were_skipped_are_no_rows(lines) -> None:
    rows = variants_table(lines).rows
    found = [(row["gpu"], row["model"]) for row in rows]
    assert found.count((H100, "cogvideox-2b")) == 5
    assert found.count((H200, "cogvideox-2b")) == 10
    assert next(row["kurtosis"] for row in rows if row["variant"] == "zero weights") is None


def test_one_activation_that_is_no_number_is_told(lines) -> None:
    assert all_finite(lines)
    block = {"finite": 1.0}
    given = {"first": block, "middle": {"finite": 0.999}, "last": block}
    assert not all_finite([*lines, {"activations": given}])


def test_laboratories_stand_beside_the_same_video(rows) -> None:
    found = {row["model"]: row for row in laboratories_table(rows).rows}
    assert set(found) == {"wan2.1-t2v-1.3b", "wan2.1-t2v-14b", "cogvideox-2b"}
    assert found["wan2.1-t2v-14b"]["real_weights_w"] == pytest.approx(80.35 * 3600 / 466.8)
    assert found["wan2.1-t2v-14b"]["random_weights_s"] == pytest.approx(342.75, abs=0.01)
    assert all(row["random_weights_s"] is None for row in laboratories_table([]).rows)
