"""The command for campaigns: `sweep`."""

from typing import Any

import click

from kinowatt.app.options import answer, as_json, money, options, settings, where


@click.command()
@click.argument("plan", required=False)
@click.option("--dry-run", is_flag=True, help="Count, check and predict; measure nothing.")
@options(where, money)
@click.option("--gpus", type=click.IntRange(1, 4096), help="GPUs (or CPU slots); default: all.")
@click.option("--schema", is_flag=True, help="Print the JSON Schema of plans, for editors.")
@as_json
def sweep(plan: str | None, dry_run: bool, schema: bool, json_: bool, **given: Any) -> None:
    """A campaign from a plan: predicted first, then measured, whatever happens."""
    from kinowatt.app import sweeping

    asked = settings(given)
    gpus = asked.pop("gpus", 1)
    found = sweeping.dry_run(plan, gpus, asked)
    answer(found.to_dict(), json_, lambda: sweeping.report(found, gpus))
