"""The pages of experiments are what committed rows say, and their pictures show what they have."""

from pathlib import Path

import pytest

pytest.importorskip("matplotlib")

from experiments import made, pages
from kinowatt.report.style import plotting


@pytest.fixture(scope="module")
def found():
    return made()


def test_committed_pages_are_what_the_script_makes(found) -> None:
    """`make refresh` writes them anew, with their pictures, when rows were added."""
    for path, text in pages(found):
        assert path.read_text("utf-8") == text, f"{path.name}: run `make refresh`"


def test_every_page_shows_its_picture_and_is_listed(found, root: Path) -> None:
    index = (root / "docs/experiments/index.md").read_text("utf-8")
    for experiment in found:
        assert f"](../images/experiment-{experiment.name}.png)" in experiment.text
        assert (root / f"docs/images/experiment-{experiment.name}.png").stat().st_size > 10_000
        assert f"({experiment.name}.md)" in index


def test_pictures_show_every_row(found) -> None:
    power, auxiliary = (experiment.draw() for experiment in found)
    shown = [sum(len(each.get_offsets()) for each in ax.collections) for ax in power.axes]
    plotting().close("all")
    assert shown[0] == shown[1] == shown[2]
    assert f"Measured: {shown[0]} rows of videos" in found[0].text
    bars = [len(ax.patches) for ax in auxiliary.axes[:2]]
    assert bars[0] == 7 * 4  # seven models in four parts
    assert bars[1] == 3 * (7 - found[1].text.count("| – | – | – |"))  # where parts were metered
