"""experiments.py: pages of `docs/experiments/` that committed rows answer, and their pictures."""

import json
from collections.abc import Iterator
from pathlib import Path

import click

from kinowatt.app.reproducing import own_rows
from kinowatt.app.validating import committed_bench
from kinowatt.report.experiments import Experiment, experiments
from kinowatt.report.style import plotting

DOCS = Path(__file__).parents[1] / "docs"


def made() -> list[Experiment]:
    """From the committed rows and microbench."""
    forecast = json.loads((DOCS / "evidence/two-gpus-forecast.json").read_text("utf-8"))
    return experiments(own_rows(), committed_bench(), forecast)


def pages(found: list[Experiment]) -> Iterator[tuple[Path, str]]:
    """Each page's file and text."""
    for experiment in found:
        yield DOCS / "experiments" / f"{experiment.name}.md", experiment.text


@click.command()
@click.argument("names", nargs=-1)
def main(names: tuple[str, ...]) -> None:
    """Rewrites pages and pictures, of NAMES alone if any are given; says which files there are."""
    found = [each for each in made() if not names or each.name in names]
    for path, text in pages(found):
        path.write_text(text, "utf-8")
        click.echo(path.relative_to(DOCS.parent))
    for experiment in found:
        figure = experiment.draw()
        path = DOCS / "images" / f"experiment-{experiment.name}.png"
        figure.savefig(path, dpi=140, metadata={"Software": None})
        plotting().close(figure)
        click.echo(path.relative_to(DOCS.parent))


if __name__ == "__main__":
    main()
