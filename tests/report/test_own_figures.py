"""Our points in the paper's figures."""

import json

import pytest

pytest.importorskip("matplotlib")

from kinowatt.analysis.own.models import model_rows
from kinowatt.analysis.own.rows import OwnRow, grouped, own_row
from kinowatt.analysis.own.sweeps import own_series
from kinowatt.app.reproducing import own_rows
from kinowatt.report.own_figures import own_points
from kinowatt.report.own_ratios import model_ratios, sweep_ratios
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


def marks(ax):
    """The scattered diamonds: neither bands nor bars."""
    return [part for part in ax.collections if part.get_offsets().shape[0] and is_mark(part)]


def is_mark(part) -> bool:
    return type(part).__name__ == "PathCollection"


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


def ratios_drawn(rows):
    plt = plotting()
    figure, ax = plt.subplots()
    sweep_ratios(ax, own_series("frames", grouped(rows)), "latency", floor_pct=2.5)
    plt.close(figure)
    return ax


def test_ratios_say_of_what_their_bars_are(real) -> None:
    """33 frames took the paper 100.636 s; ours are 33 and 33.5 s."""
    again = [at_frames(real, 33), at_frames(real, 33, machine="B")]
    ax = ratios_drawn([*again, at_frames(real, 17, composed=True)])
    whole, composed = (part.get_offsets().tolist() for part in marks(ax))
    assert whole == [pytest.approx([33, 33.25 / 100.636], rel=1e-3)]
    assert [x for x, _ in composed] == [17]
    assert [text.get_text() for text in ax.texts] == ["2 machines"]
    (bar,) = ax.containers[0].lines[2][0].get_segments()
    assert bar[1][1] - bar[0][1] == pytest.approx(2 * 0.3536 / 100.636, rel=1e-3)


def test_one_run_has_no_bar_and_no_rows_draw_the_paper_alone(real) -> None:
    ax = ratios_drawn([at_frames(real, 33)])
    assert (bars(ax), ax.texts[:]) == ([0], [])
    empty = ratios_drawn([])
    assert marks(empty) == []
    assert [line.get_ydata()[0] for line in empty.lines] == [1.0]


def test_every_model_has_its_rows_or_says_that_it_has_none() -> None:
    rows = model_rows(grouped(own_rows()))
    places = list(dict.fromkeys(row["model"] for row in rows))
    plt = plotting()
    figure, ax = plt.subplots()
    model_ratios(ax, rows, places)
    plt.close(figure)
    shown = [row for row in rows if row["latency_over_paper"] is not None]
    assert sum(len(part.get_offsets()) for part in marks(ax)) == 2 * len(shown)
    missing = {row["model"] for row in rows} - {row["model"] for row in shown}
    assert sum("not measured" in text.get_text() for text in ax.texts) == len(missing)
    repeated = [row for row in shown if row["measured_2026_n"] > 1]
    assert sum(bars(ax)) == 2 * len(repeated)


def test_a_fit_is_drawn_from_three_points_on(real) -> None:
    rows = [at_frames(real, frames) for frames in (17, 33, 81)]
    assert "power law through ours" not in drawn(rows[:2]).get_legend_handles_labels()[1]
    assert "power law through ours" in drawn(rows).get_legend_handles_labels()[1]
