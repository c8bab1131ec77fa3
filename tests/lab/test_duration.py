"""What a protocol adds to a video's seconds, held against what committed rows took."""

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from kinowatt.lab.duration import AGAIN, ROW_S, WINDOW_S, Video, row_seconds, start_seconds
from kinowatt.lab.spent import elapsed_s, estimated_s, follow, took_s, video_of_row

DATA = Path(__file__).parents[2] / "data"
FILES = [
    *sorted((DATA / "measurements").glob("h100-sxm-*.jsonl")),
    DATA / "protocol" / "h100-sxm.jsonl",
]


FEWEST = 7
FEW = tuple(f"h100-sxm-{name}" for name in ("a-end-to-end", "compiled", "g-repeats", "what-if"))
LIGHT = "h100-sxm-e-below-the-limit"  # whose hosts set the pace, of two cards


def pairs(file: Path) -> Iterator[tuple[float, float]]:
    """Seconds that rows took, by the instants at which they were done, and estimated ones."""
    rows = sorted(
        map(json.loads, file.read_text("utf-8").splitlines()), key=lambda r: r["taken_at"]
    )
    for a, b in pairwise(rows):
        if not follow(a, b):
            continue
        yield elapsed_s(a, b), estimated_s(b, video_of_row(b))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_rows_took_what_is_estimated(file: Path) -> None:
    found = list(pairs(file))
    if len(found) < FEWEST:
        assert file.stem in FEW  # a pipeline for nearly every row: no row follows another
        return
    near = 0.15 if file.stem == LIGHT else 0.07
    assert sum(b for _, b in found) == pytest.approx(sum(a for a, _ in found), rel=near)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_what_every_row_took(file: Path) -> None:
    """Rows that follow another by the clock, the others by their estimate; the order is kept."""
    rows = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    found = took_s(rows)
    by_clock = [taken for taken, _ in pairs(file)]
    estimates = [estimated_s(row, video_of_row(row)) for row in rows]
    assert sorted(s for s in found if s not in estimates) == sorted(by_clock)
    assert took_s(rows[::-1]) == found[::-1]
    assert min(found) >= 9.0
    assert max(found) < 370.0  # a whole video of 343 s


VIDEO = Video(before_s=0.5, step_s=1.0, steps=50, decoder_s=2.0, after_s=0.5)


def test_full_by_hand() -> None:
    request = {"protocol": "full", "warmup": 1, "warmup_steps": 2, "runs": 2, "isolate": False}
    assert row_seconds({}, request, VIDEO) == ROW_S + 5.0 + 2 * 53.0
    alone = {**request, "isolate": True}  # encoder, one step, decoder: each shorter than a window
    assert row_seconds({}, alone, VIDEO) == row_seconds({}, request, VIDEO) + 3 * WINDOW_S


def test_sampled_costs_the_same_whatever_the_steps() -> None:
    request = {"protocol": "sampled"}
    long = Video(before_s=0.5, step_s=1.0, steps=500, decoder_s=2.0, after_s=0.5)
    assert row_seconds({}, request, long) == row_seconds({}, request, VIDEO)
    assert row_seconds({}, request, VIDEO) == pytest.approx(
        ROW_S + 4.0 + 3 * 0.5 + 6.0 + 0.5 + 1.0 + AGAIN * WINDOW_S
    )


def test_compiling_and_starts_are_counted() -> None:
    request = {"protocol": "full", "warmup": 1, "runs": 1, "isolate": False}
    plain = row_seconds({}, request, VIDEO)
    assert row_seconds({"compile": "blocks"}, request, VIDEO) == plain + 60.0
    assert start_seconds({"idle_s": 3.0}) == 15.0


def test_a_slower_machine() -> None:
    assert VIDEO.times(2.0).seconds == 2 * VIDEO.seconds
