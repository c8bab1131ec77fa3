"""Power and clock at several loads."""

import json
from pathlib import Path

import pytest

from kinowatt.analysis.own.loads import (
    line_beyond_the_limit,
    loads_table,
    sustained_table,
    zeros_beside_random,
)


@pytest.fixture(scope="module")
def bench(root: Path):
    return json.loads((root / "data/microbench/h100-sxm.json").read_text("utf-8"))


def test_loads_begin_idle_and_hold_the_whole_load_of_one(bench) -> None:
    rows = loads_table(bench).rows
    assert rows[0]["operator"] == "idle"
    assert rows[0]["above_idle_w"] == 0
    busy = [row["busy_pct"] for row in rows if row["operator"].startswith("matrix")]
    assert busy == [25, 50, 75, 100]


def test_the_line_of_the_matrix_product(bench) -> None:
    """121.4 W idle, 335.0 W at a quarter: 975.7 W without pauses, of which the limit leaves 681."""
    line = line_beyond_the_limit(loads_table(bench), 700.0)
    assert line.unlimited_w == pytest.approx(121.4075 + 4 * (334.9837 - 121.4075), abs=0.01)
    assert line.limited_w == pytest.approx(681.12, abs=0.01)
    assert line.clock_share == pytest.approx(1319 / 1980, rel=1e-3)
    assert line.watts_per_tflop_per_s == pytest.approx(213.576 / 192.10, rel=1e-3)


def test_zeros_draw_less_and_are_still_held_down(bench) -> None:
    found = zeros_beside_random(bench)
    assert (found.random_w, found.zeros_w) == pytest.approx((681.12, 479.59), abs=0.01)
    assert found.zeros_capped_pct == 100


def test_no_flops_are_none_not_zero(bench) -> None:
    rates = {row["operator"]: row["tflop_per_s"] for row in sustained_table(bench).rows}
    assert rates["element-wise add, 268435456, bfloat16"] is None
    assert rates["matrix product, 32768×3072×12288, bfloat16"] == pytest.approx(665.5, abs=0.1)
