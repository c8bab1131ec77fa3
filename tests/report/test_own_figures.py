"""Our points in the paper's figures."""

import json

import pytest

pytest.importorskip("matplotlib")

from kinowatt.analysis.own.rows import OwnRow, grouped, own_row
from kinowatt.analysis.own.sweeps import own_series
from kinowatt.app.reproducing import own_rows
from kinowatt.report.own_figures import own_points
from kinowatt.report.style import plotting


def at_frames(real: OwnRow, frames: int, composed: bool = False, machine: str = "A") -> OwnRow:
    """A row of WAN-1.3B at 720p that took a second a frame."""
    row = json.loads(json.dumps(dict(real.row)))
    work = row["workload"]
    work |= {"height_px": 720, "width_px": 1280, "frames": frames}
    work["effective"] |= {"height_px": 720, "width_px": 1280, "frames": frames}
    seconds = frames + (0.5 if machine == "B" else 0.0)
    row |= {"latency_s": seconds, "runs": [{**row["runs"][0], "latency_s": seconds}]}
    row["conditions"] |= {"composed": {"steps": 50} if composed else None, "gpu_uuid": machine}
    like = {key: value for key, value in real.like.items() if not key.startswith("workload")}
    return own_row(row, {**like, "workload.frames": frames})


@pytest.fixture(scope="module")
def real():
    rows = [row for row in own_rows() if row.row["model"] == "wan2.1-t2v-1.3b"]
    return next(row for row in rows if not row.composed and row.row["workload"]["steps"] == 50)


def drawn(rows):
    plt = plotting()
    figure, ax = plt.subplots()
    own_points(ax, own_series("frames", grouped(rows)), "latency_s")
    plt.close(figure)
    return ax


def bars(ax) -> list[int]:
    return [len(container.lines[2][0].get_segments()) for container in ax.containers]


def test_bars_only_where_there_are_repeats(real) -> None:
    once = [at_frames(real, 17)]
    again = [at_frames(real, 33), at_frames(real, 33, machine="B")]
    assert bars(drawn(once)) == [0]
    assert bars(drawn([*once, *again])) == [1]


def test_composed_points_have_their_own_sign(real) -> None:
    ax = drawn([at_frames(real, 17), at_frames(real, 33, composed=True)])
    assert ax.get_legend_handles_labels()[1] == [
        "measured by us, 2026",
        "measured by us, 2026, composed",
    ]


def test_a_fit_is_drawn_from_three_points_on(real) -> None:
    rows = [at_frames(real, frames) for frames in (17, 33, 81)]
    assert "our fit" not in drawn(rows[:2]).get_legend_handles_labels()[1]
    assert "our fit" in drawn(rows).get_legend_handles_labels()[1]
