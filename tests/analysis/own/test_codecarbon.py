"""Trackers beside the counter."""

import pytest

from kinowatt.analysis.own.codecarbon import cost, tracked, trackers_table, watts_table
from kinowatt.analysis.own.lines import committed_lines


@pytest.fixture(scope="module")
def lines():
    return committed_lines("codecarbon")


def test_trackers_agree_with_the_counter_over_their_own_window(lines) -> None:
    found = tracked(lines)
    assert len(found) == 3 * 4 + 2
    assert found[0].gpu_pct == pytest.approx(100 * (3164.709532 / 3162.316032 - 1), abs=1e-4)
    assert max(each.gpu_pct for each in found) == pytest.approx(0.2998, abs=1e-4)
    row = trackers_table(found).rows[0]
    assert row["ram_w"] == pytest.approx(185.182945 / 4.875401, abs=1e-4)
    assert row["cpu_and_ram_add_pct"] == pytest.approx(100 * 216.615657 / 3164.709532, abs=1e-4)


def test_calls_with_trackers_take_no_longer(lines) -> None:
    spent = cost(lines, tracked(lines))
    assert spent.without_s == pytest.approx([4.73401, 4.79384], abs=1e-5)
    assert spent.with_s[1] == pytest.approx(18.787426 / 4, abs=1e-5)
    assert spent.first_s == pytest.approx(0.115232 + 1.287831, abs=1e-5)
    assert abs(spent.longer_pct) < spent.spread_pct


def test_the_papers_memory_is_the_same_constant(lines) -> None:
    rows = {row["whose"]: row for row in watts_table(tracked(lines)).rows}
    assert rows["paper, WAN2.1-T2V-14B"]["ram_w"] == pytest.approx(38.0, abs=0.05)
    assert rows["ours, machine mode"]["ram_w"] == pytest.approx(37.9, abs=0.05)
    assert rows["ours, process mode"]["ram_w"] == pytest.approx(9.71, abs=0.01)
