"""Forwards by the prompt's length."""

import pytest

from kinowatt.analysis.own.lines import BOTH, H100, H200, committed_lines
from kinowatt.analysis.own.prompts import lengths_table, papers_table, prompted


@pytest.fixture(scope="module")
def found():
    return prompted(committed_lines("prompts", BOTH))


@pytest.fixture(scope="module")
def rows(found):
    table = lengths_table(found)
    return {(row["gpu"], row["model"], row["prompt_tokens"]): row for row in table.rows}


def test_a_padded_prompt_costs_the_same(found) -> None:
    """And a host that cannot keep up scatters by more than any prompt."""
    assert {(mine.gpu, mine.model): mine.farthest_pct for mine in found} == pytest.approx(
        {
            (H100, "wan2.1-t2v-1.3b"): 0.1885,
            (H100, "mochi-1-preview"): -0.6170,
            (H200, "cogvideox-2b"): -0.0806,
            (H200, "ltx-video-0.9.7-dev"): -0.2217,
            (H200, "mochi-1-preview"): -0.7360,
            (H200, "animatediff-lightning"): -4.4979,
        },
        abs=1e-3,
    )


def test_only_a_masked_prompt_is_more_counted_work(rows) -> None:
    wan, mochi = (H100, "wan2.1-t2v-1.3b"), (H100, "mochi-1-preview")
    assert rows[*wan, 200]["counted_work_pct"] == 0
    assert rows[*mochi, 200]["counted_work_pct"] == pytest.approx(0.785, abs=1e-3)
    assert rows[*mochi, 200]["seen_by_attention"] == 200
    assert rows[*wan, 5]["seen_by_attention"] is None
    assert rows[*wan, 5]["time_pct"] is None


def test_windows_of_a_moment_are_shown_and_not_compared(found, rows) -> None:
    short = {key for key, row in rows.items() if row["window_s"] < 2}
    assert short == {(H200, mine.model, 5) for mine in found if mine.gpu == H200}
    assert all(rows[key]["time_pct"] is None for key in short)
    assert all(mine.base.tokens == (5 if mine.gpu == H100 else 50) for mine in found)


def test_the_papers_scatter_between_prompts() -> None:
    """Wan-1.3B: 0.528 s of 410.04 s over 49 prompts."""
    rows = {row["model"]: row for row in papers_table().rows}
    assert rows["WAN2.1-T2V-1.3B"]["sd_of_time_pct"] == pytest.approx(
        100 * 0.528 / 410.04, abs=1e-3
    )
