"""Parts of other versions, alone and together, and the paper's time put together from them."""

from dataclasses import replace

import pytest

from kinowatt.analysis.own.auxiliary import parts
from kinowatt.analysis.own.changed import COMPILED, CUT, changed_table, compiled
from kinowatt.analysis.own.counted import counted
from kinowatt.analysis.own.lines import committed_lines, not_taken
from kinowatt.analysis.own.rows import as_shipped
from kinowatt.analysis.own.stack import (
    KERNELS,
    PARTS,
    is_published,
    kernels_table,
    kind_of,
    parts_table,
    stack,
    wholes,
    wholes_table,
)


@pytest.fixture(scope="module")
def lines():
    return committed_lines("stack")


@pytest.fixture(scope="module")
def whole(lines, rows):
    return wholes(stack(lines), parts(counted(as_shipped(rows, "h100-sxm"))))


def test_flash_attention_is_four_fifths_of_what_the_parts_make_up(lines) -> None:
    found = stack(lines)
    assert found.today.seconds == pytest.approx((2.542467 + 2.548810) / 2, abs=1e-5)
    assert found.share_pct("flash attention") == pytest.approx(81.52, abs=0.01)
    assert sum(found.alone_s(name) for name in PARTS) == pytest.approx(1.3728, abs=1e-4)
    assert found.slower_s == pytest.approx(1.3811, abs=1e-4)
    assert found.drift_pct == pytest.approx(0.249, abs=1e-3)


def test_what_is_not_an_addend_has_no_share(lines) -> None:
    rows = {row["one_forward"]: row for row in parts_table(stack(lines)).rows}
    assert rows["efficient attention"]["of_the_difference_pct"] is None
    assert rows["today (mean of both)"]["over_today_ms"] is None
    assert rows["efficient attention"]["over_today_ms"] == pytest.approx(4054.6, abs=0.1)


def test_kernels_are_sorted_by_what_they_do_and_none_is_lost(lines) -> None:
    rows = {row["kernels"]: row for row in kernels_table(lines).rows}
    assert rows["attention"]["difference_s"] == pytest.approx(1.1318, abs=1e-3)
    given = next(line["kernels"] for line in lines if line["variant"] == "default")
    assert rows["all"]["today_s"] == pytest.approx(sum(each["seconds"] for each in given))
    assert rows["all"]["calls_today"] == sum(each["calls"] for each in given)
    named = {kind_of(each["kernel"]) for each in given if each["kernel"] != "all others"}
    assert named <= {kind for kind, _ in KERNELS}


def test_the_papers_video_from_a_forward_as_in_2025(whole) -> None:
    """398, 417 and 410 s were published; 100 forwards of 3.927 s and 8.7 s besides are 401 s."""
    before = next(each for each in whole if each.name == "as in 2025")
    assert before.latency_s == pytest.approx(100 * 3.92678 + 8.7348, abs=0.01)
    published = [each.latency_s for each in whole if is_published(each)]
    assert published == pytest.approx([397.90, 417.31, 410.04], abs=0.01)
    rows = [row for row in wholes_table(whole).rows if row["explained_pct"] is not None]
    assert [row["explained_pct"] for row in rows] == pytest.approx([102.6, 89.7, 94.1], abs=0.1)


def test_compiled_rows_stand_beside_the_same_forward_as_shipped(rows) -> None:
    table = changed_table(rows)
    found = {row["model"]: row["difference_pct"] for row in compiled(table)}
    assert found == pytest.approx(
        {
            "wan2.1-t2v-1.3b": -27.17,
            "wan2.1-t2v-14b": -22.15,
            "ltx-video-0.9.7-dev": -24.13,
            "cogvideox-2b": -15.85,
            "cogvideox-5b": -23.92,
            "mochi-1-preview": -40.54,
        },
        abs=0.01,
    )
    assert changed_table([row for row in rows if row.row["model"] != "cogvideox-2b"]).rows
    assert all(row["rows"] for row in table.rows)


def test_compiled_rows_say_by_which_rule_they_were_warmed_up(rows) -> None:
    table = changed_table(rows)
    taken = [row for row in rows if row.conditions.get("compile") == "blocks"]
    assert {row["change"] for row in compiled(table)} == {COMPILED}
    before = [replace(row, row={**row.row, "warmup_runs": 2}) for row in taken]
    usual = [row for row in rows if row not in taken]
    assert {row["change"] for row in compiled(changed_table([*usual, *before]))} == {CUT}


def test_a_variant_without_a_result_is_told_with_its_reason() -> None:
    left = not_taken(
        [
            {"model": "m", "variant": "a", "skipped": "0 s left"},
            {"model": "m", "variant": "e", "skipped": "0 s left"},
            {"model": "m", "variant": "b", "error": "RuntimeError: no"},
            {"model": None, "variant": "c", "error": "E"},
            {"model": "m", "variant": "d", "forward_s": 1.0},
        ]
    )
    assert left == ["m a, e (skipped: 0 s left)", "m b (failed: RuntimeError: no)", "c (failed: E)"]
    assert not_taken(committed_lines("stack")) == [
        "wan2.1-t2v-1.3b compiled blocks (skipped: 45 s left of 55 s needed)"
    ]
