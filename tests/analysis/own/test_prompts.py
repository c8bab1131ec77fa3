"""Forwards by the prompt's length."""

import pytest

from kinowatt.analysis.own.lines import committed_lines
from kinowatt.analysis.own.prompts import farthest_pct, lengths_table, papers_table, prompted


@pytest.fixture(scope="module")
def found():
    return prompted(committed_lines("prompts"))


def test_a_padded_prompt_costs_the_same(found) -> None:
    assert farthest_pct(found) == pytest.approx(
        {"wan2.1-t2v-1.3b": 0.1885, "mochi-1-preview": -0.6170}, abs=1e-3
    )


def test_only_a_masked_prompt_is_more_counted_work(found) -> None:
    rows = {(row["model"], row["prompt_tokens"]): row for row in lengths_table(found).rows}
    assert rows["wan2.1-t2v-1.3b", 200]["counted_work_pct"] == 0
    assert rows["mochi-1-preview", 200]["counted_work_pct"] == pytest.approx(0.785, abs=1e-3)
    assert rows["mochi-1-preview", 200]["seen_by_attention"] == 200
    assert rows["wan2.1-t2v-1.3b", 5]["seen_by_attention"] is None
    assert rows["wan2.1-t2v-1.3b", 5]["time_pct"] is None


def test_the_papers_scatter_between_prompts() -> None:
    """Wan-1.3B: 0.528 s of 410.04 s over 49 prompts."""
    rows = {row["model"]: row for row in papers_table().rows}
    assert rows["WAN2.1-T2V-1.3B"]["sd_of_time_pct"] == pytest.approx(
        100 * 0.528 / 410.04, abs=1e-3
    )
