"""The command for campaigns: `sweep`."""

import json
from typing import Any

import click

from kinowatt.app.options import answer, as_json, money, options, settings, where


@click.command()
@click.argument("plan", required=False)
@click.option("--dry-run", is_flag=True, help="Count, check and predict; measure nothing.")
@click.option("--executor", default="local", show_default=True, help="local (this machine) or ray.")
@click.option("--address", help="Of a Ray cluster; default: RAY_ADDRESS, else one of its own.")
@click.option("--store", help="A file (SQLite) or postgresql+psycopg://…; default: PLAN.db here.")
@click.option("--gpus", type=click.IntRange(1, 4096), help="GPUs, or slots on CPUs; default: all.")
@click.option("--retry-failed", is_flag=True, help="Try again what has failed for good.")
@options(where, money)
@click.option("--schema", is_flag=True, help="Print the JSON Schema of plans, for editors.")
@as_json
def sweep(plan: str | None, dry_run: bool, schema: bool, json_: bool, **given: Any) -> None:
    """A campaign from a plan: predicted first, then measured, whatever happens."""
    from kinowatt.app import sweeping

    asked = settings(given)
    if schema:
        click.echo(json.dumps(sweeping.schema(), indent=1))
    elif dry_run:
        found = sweeping.dry_run(plan, asked)
        answer(found.to_dict(), json_, lambda: sweeping.report(found, asked.get("gpus", 1)))
    else:
        from kinowatt.app import campaigning

        done = campaigning.run(plan, asked)
        answer(done.to_dict(), json_, lambda: campaigning.report_result(done))
        if not done.complete:
            raise SystemExit(1)
