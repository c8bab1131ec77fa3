"""The command that publishes a figure: `card`."""

from typing import Any

import click

from kinowatt.app.options import answer, as_json, how, options, settings, where, workload

carbon = options(
    click.option("--grid", help="Country code, EU or WORLD; asks for gCO2e."),
    click.option("--intensity", type=float, help="g CO2e per kWh; asks for gCO2e."),
    click.option("--pue", type=float, help="Power usage effectiveness, e.g. 1.2, in SCI."),
    click.option("--embodied", is_flag=True, help="The GPU's embodied share, in SCI."),
)


@click.command()
@click.argument("source", metavar="MODEL|ROWS.jsonl")
@click.option("--row", type=int, help="Which row of the file, from 1; -1 is the last.")
@click.option("--style", default="model-card", show_default=True, help="Or energy-score, or sci.")
@options(carbon, where, how, workload)
@as_json
def card(source: str, row: int | None, style: str, json_: bool, **given: Any) -> None:
    """A prediction or a measured row as a model-card block, energy-score or SCI figures."""
    from kinowatt.app.carding import STYLES, found_card, report
    from kinowatt.errors import unknown_name

    if style not in STYLES:
        raise unknown_name("style", style, STYLES)
    found = found_card(source, row, settings(given))
    answer(found.to_dict(), json_, lambda: report(found, style))
