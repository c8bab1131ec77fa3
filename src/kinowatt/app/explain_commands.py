"""The command that judges one measured time."""

from typing import Any

import click

from kinowatt.app.options import answer, as_json, how, options, settings, where, workload
from kinowatt.errors import InputError


@click.command()
@click.argument("model", required=False)
@options(where, how, workload)
@click.option("--latency-s", type=float, help="Seconds that one call took.")
@click.option("--energy-wh", type=float, help="Wh of the GPU for it.")
@click.option("--row", metavar="FILE[:LINE]", help="A row of a .jsonl file instead.")
@as_json
def explain(
    model: str | None,
    latency_s: float | None,
    energy_wh: float | None,
    row: str | None,
    json_: bool,
    **given: Any,
) -> None:
    """Is my time normal? The expected range, and the likeliest causes if not."""
    from kinowatt.analysis.explain import explain as run
    from kinowatt.app.explaining import of_row, report

    if row is not None:
        if model is not None or latency_s is not None or energy_wh is not None:
            raise InputError("--row brings its own model, time and energy: give it alone")
        found = of_row(row)
    elif model is None or latency_s is None:
        raise InputError("give a MODEL and --latency-s, or --row FILE[:LINE]")
    else:
        found = run(model, latency_s=latency_s, energy_wh=energy_wh, **settings(given))
    answer(found.to_dict(), json_, lambda: report(found))
