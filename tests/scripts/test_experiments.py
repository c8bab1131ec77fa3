"""The pages of experiments are what committed rows say, and their pictures show what they have."""

from pathlib import Path

import pytest

pytest.importorskip("matplotlib")

from experiments import made, pages
from kinowatt.report.style import plotting


@pytest.fixture(scope="module")
def found():
    return {experiment.name: experiment for experiment in made()}


@pytest.fixture
def drawn(found):
    yield lambda name: found[name].draw().axes
    plotting().close("all")


def test_committed_pages_are_what_the_script_makes(found) -> None:
    """`make refresh` writes them anew, with their pictures, when rows were added."""
    for path, text in pages(list(found.values())):
        assert path.read_text("utf-8") == text, f"{path.name}: run `make refresh`"


def test_every_page_shows_its_picture_and_is_listed(found, root: Path) -> None:
    index = (root / "docs/experiments/index.md").read_text("utf-8")
    nav = (root / "mkdocs.yml").read_text("utf-8")
    for name, experiment in found.items():
        assert f"](../images/experiment-{name}.png)" in experiment.text
        assert (root / f"docs/images/experiment-{name}.png").stat().st_size > 10_000
        assert f"({name}.md)" in index
        assert f"experiments/{name}.md" in nav


def test_pictures_of_videos_show_every_row(found, drawn) -> None:
    shown = [sum(len(each.get_offsets()) for each in ax.collections) for ax in drawn("power")]
    assert shown[0] == shown[1] == shown[2]
    assert f"Measured: {shown[0]} rows of videos" in found["power"].text
    bars = [len(ax.patches) for ax in drawn("auxiliary")[:2]]
    assert bars[0] == 7 * 4  # seven models in four parts
    unmetered = found["auxiliary"].text.count("| – | – | – |")
    assert bars[1] == 3 * (7 - unmetered)  # where parts were metered


def test_the_picture_of_stacks_shows_every_variant_and_the_papers_figures(drawn) -> None:
    forwards, kernels, videos = drawn("stack")
    assert len(forwards.patches) == 1 + 4 + 1 + 5
    assert sum(bar.get_height() for bar in kernels.patches[3:]) == pytest.approx(3.9201, abs=1e-4)
    widths = sorted(bar.get_width() for bar in videos.patches)
    assert widths[-3:] == pytest.approx([401.4, 410.0, 417.3], abs=0.1)


def test_the_picture_of_weights_shows_every_variant_and_laboratory(drawn) -> None:
    seconds, joules, powers = drawn("weights")
    assert len(seconds.patches) == 10 + 5 + 10 + 1  # and the band of noise
    assert len(joules.patches) == 10 + 5 + 10
    assert [bar.get_height() for bar in powers.patches[:3]] == pytest.approx(
        [677.7, 619.7, 665.6], abs=0.1
    )


def test_the_picture_of_codecarbon_shows_every_tracker(found, drawn) -> None:
    differences, calls, watts = drawn("codecarbon")
    shown = sum(len(each.get_offsets()) for each in differences.collections)
    assert f"over {shown} trackers" in found["codecarbon"].text.replace("\n", " ")
    low, high = differences.get_xlim()
    offsets = [x for each in differences.collections for x, _ in each.get_offsets()]
    assert low < min(offsets)
    assert max(offsets) < high
    assert [len(each.get_offsets()) for each in calls.collections] == [2, 5]
    assert len(watts.patches) == 2 * (2 + 7)


def test_the_picture_of_prompts_shows_every_length_and_the_papers_models(drawn) -> None:
    lengths, papers = drawn("prompts")
    assert [len(each.lines[0].get_xdata()) for each in lengths.containers] == [
        2,
        3,
        2,
        2,
        2,
        2,
    ]
    assert len(papers.patches) == 7


def test_the_picture_of_traces_shows_every_component(drawn) -> None:
    for ax in drawn("traces"):
        assert len(ax.patches) == 19
        low, high = ax.get_xlim()
        assert low < min(bar.get_width() for bar in ax.patches)
        assert max(bar.get_width() for bar in ax.patches) < high


def test_the_picture_of_operators_shows_every_kind_measured_and_by_the_laws(drawn) -> None:
    denoisers, decoders = drawn("operators")
    assert len(denoisers.patches) == 2 * (5 + 5 + 5 + 6 + 4 + 5 + 5)
    assert len(decoders.patches) == 2 * (3 + 3 + 4 + 5)
    for ax, calls in ((denoisers, 7), (decoders, 4)):
        assert len(ax.texts) == 2 * calls
        assert max(bar.get_x() + bar.get_width() for bar in ax.patches) < ax.get_xlim()[1]


def test_the_picture_of_two_gpus_shows_every_row(drawn) -> None:
    steps, changes = drawn("two-gpus")
    assert [len(line.get_xdata()) for line in steps.lines] == [70, 70, 85, 85]
    assert len(changes.patches) == 29 + 1  # and the band of what may be
