"""Our tables in words, for the page."""

from kinowatt.analysis.own.compose import own
from kinowatt.app.reproducing import own_rows
from kinowatt.report.own_page import views


def test_words_for_every_cell() -> None:
    for rows in ([], own_rows()):
        for view in views(own(rows).tables):
            assert all(len(row) == len(view.columns) for row in view.rows)
            assert all(isinstance(value, str) for row in view.rows for value in row)
            assert len(view.sentences) == len(view.rows)


def test_a_spread_stands_only_beside_repeats() -> None:
    found = {view.name: view for view in views(own(own_rows()).tables)}
    view = found["measured_models"]
    at = view.columns.index("ours, s")
    seconds = {how: row[at] for how, row in zip(view.sentences, view.rows, strict=True)}
    repeated = next(value for key, value in seconds.items() if "2 machines" in key)
    single = next(value for key, value in seconds.items() if "1 run;" in key)
    assert "±" in repeated
    assert "±" not in single
    assert not [how for how in seconds if "not measured yet" in how]


def test_a_video_that_nobody_ran_has_no_number() -> None:
    rows = [row for row in own_rows() if row.row["model"] != "cogvideox-5b"]
    view = {view.name: view for view in views(own(rows).tables)}["measured_models"]
    at = view.columns.index("ours, s")
    told = zip(view.sentences, view.rows, strict=True)
    assert [row[at] for how, row in told if "not measured yet" in how] == ["–"]
