"""Variants of weights against the usual, and what is noise."""

import pytest

from kinowatt.analysis.own.lines import committed_lines
from kinowatt.analysis.own.weights import (
    all_finite,
    laboratories_table,
    noise_pct,
    variants_table,
    varied,
)


@pytest.fixture(scope="module")
def lines():
    return committed_lines("weights")


def test_zeros_draw_less_and_are_faster_beyond_the_noise(lines) -> None:
    models = {each.model: each for each in varied(lines)}
    wan = models["wan2.1-t2v-1.3b"]
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


def test_variants_that_were_skipped_are_no_rows(lines) -> None:
    rows = variants_table(lines).rows
    assert [row["model"] for row in rows].count("cogvideox-2b") == 5
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
    assert found["wan2.1-t2v-14b"]["random_weights_s"] == pytest.approx(343.94, abs=0.01)
    assert all(row["random_weights_s"] is None for row in laboratories_table([]).rows)
