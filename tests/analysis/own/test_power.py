"""How far the power limit times seconds is from measured energy."""

from dataclasses import replace

import pytest

from kinowatt.analysis.own.counted import counted
from kinowatt.analysis.own.power import (
    bands_table,
    best_constant,
    drawn,
    sizes_table,
    total_error_pct,
)
from kinowatt.analysis.own.rows import as_shipped


@pytest.fixture(scope="module")
def two(make):
    """Ten and a hundred seconds; the second row draws twice as much."""
    small = drawn(counted([make(runs=(10.0,))]))[0]
    large = drawn(counted([make(runs=(100.0,))]))[0]
    return [replace(small, gpu_wh=10 * 350 / 3600), replace(large, gpu_wh=100 * 700 / 3600)]


def test_the_error_is_the_limit_over_the_power(two) -> None:
    assert [video.power_w for video in two] == pytest.approx([350, 700])
    assert [video.error_pct for video in two] == pytest.approx([100, 0])


def test_all_rows_together_weigh_by_energy(two) -> None:
    assert total_error_pct(two) == pytest.approx(100 * (110 * 700 / (10 * 350 + 100 * 700) - 1))


def test_the_best_constant_is_one_of_the_powers(two) -> None:
    best = best_constant([*two, two[1], two[1]])
    assert best.power_w == pytest.approx(700)
    assert best.mae_pct == pytest.approx(100 / 4)


def test_bands_hold_every_row_once(two) -> None:
    *bands, everything = bands_table(two[:1]).rows
    assert [(row["mean_power"], row["rows"]) for row in bands] == [("300 to 450 W", 1)]
    assert everything["worst_error_pct"] == pytest.approx(100)


def test_sizes_go_by_the_work_of_a_forward(two) -> None:
    """WAN-1.3B at 480x832x81: 283 TFLOP a forward."""
    (row,) = sizes_table(two).rows
    assert row["over_100_tflop_pct"] == pytest.approx(50)
    assert row["under_5_tflop_pct"] is None
    assert two[0].forward_flops == pytest.approx(283.0e12, rel=1e-3)


def test_rows_without_a_meter_are_left_out(rows) -> None:
    short = [row for row in rows if row.meter is None]
    assert len(short) >= 2
    assert drawn(counted(short)) == []


def test_only_rows_that_ran_as_the_pipeline_comes(make) -> None:
    usual = make()
    other = [make(attention_backend="flash"), make(compile="blocks"), make(offload="model")]
    assert as_shipped([usual, *other], "h100-sxm") == [usual]
    assert as_shipped([usual], "h200-sxm") == []
