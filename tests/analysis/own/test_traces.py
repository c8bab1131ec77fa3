"""Live traces of the measuring machine's versions beside the shipped tables."""

import pytest

from kinowatt.analysis.own.lines import committed_lines
from kinowatt.analysis.own.traces import components_table, counted, traced, versions_table


@pytest.fixture(scope="module")
def lines():
    return committed_lines("traces")


def test_differences_stand_first_and_no_flop_differs(lines) -> None:
    rows = components_table(traced(lines)).rows
    assert len(rows) == 19
    assert [bool(row["what_differs"]) for row in rows] == [True] * 5 + [False] * 14
    assert {row["flops_pct"] for row in rows} == {0.0}
    assert rows[0]["what_differs"] == "`convolution` 39 → 45 calls, `cat` 38 → 50 calls"
    assert rows[0]["bytes_pct"] == pytest.approx(100 * (433.6068e9 / 383.4537e9 - 1), abs=1e-3)


def test_versions_of_both_sides(lines) -> None:
    rows = {row["library"]: row for row in versions_table(lines).rows}
    assert rows["torch"] == {
        "library": "torch",
        "shipped_tables": "2.13.0",
        "measuring_machine": "2.11.0+cu130",
    }


def test_a_prediction_counts_what_ran_even_where_convolutions_are_cut(lines) -> None:
    """The shipped table of Mochi's decoder lacks 50 GB that cutting moves; the theory adds them."""
    same = [line for line in lines if "live" in line and counted(line) == line["live"]]
    assert len(same) == 14
    others = [line for line in lines if line not in same]
    # This line is older than the rule that cuDNN's convolutions leave channels innermost
    assert [li["variant"] for li in others if li["role"] != "text_encoder"] == ["sd-vae.float16"]
    (mochi,) = (line for line in same if line["variant"] == "mochi-vae.bfloat16")
    assert mochi["shipped"] != mochi["live"]
    rows = {row["component"]: row for row in components_table(traced(lines)).rows}
    assert rows["mochi-vae.bfloat16"]["counted_bytes_pct"] == 0.0
    assert rows["umt5-xxl.bfloat16"]["counted_bytes_pct"] == pytest.approx(-5.722, abs=1e-3)
