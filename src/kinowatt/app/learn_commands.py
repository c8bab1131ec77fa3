"""The commands that learn from measurements: `calibrate`."""

import click

from kinowatt.app.options import answer, as_json


@click.command()
@click.option("--microbench", "bench", required=True, help="A file of `kinowatt microbench -o`.")
@click.option("--rows", multiple=True, help="A .jsonl file or folder; may be given again.")
@click.option("--label", help="What the profile says of itself.")
@click.option("-o", "--output", help="A .json file for the profile.")
@as_json
def calibrate(
    bench: str, rows: tuple[str, ...], label: str | None, output: str | None, json_: bool
) -> None:
    """A profile of a GPU from its microbench, and rows of whole videos."""
    from kinowatt.app.calibrating import report, run

    found = run(bench, rows, label, output)
    answer(dict(found.profile), json_, lambda: report(found, output))
