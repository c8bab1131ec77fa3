"""The command for campaigns: `sweep`."""

import json
from typing import Any

import click

from kinowatt.app.options import answer, as_json, money, options, settings, where
from kinowatt.errors import InputError

ONLY_ADAPTIVE = ("budget_s", "target_error", "microbench")


@click.command()
@click.argument("plan", required=False)
@click.option("--dry-run", is_flag=True, help="Count, check and predict; measure nothing.")
@click.option("--executor", default="local", show_default=True, help="local (this machine) or ray.")
@click.option("--address", help="Of a Ray cluster; default: RAY_ADDRESS, else one of its own.")
@click.option("--store", help="A file (SQLite) or postgresql+psycopg://…; default: PLAN.db here.")
@click.option("--gpus", type=click.IntRange(1, 4096), help="GPUs, or slots on CPUs; default: all.")
@click.option("--retry-failed", is_flag=True, help="Try again what has failed for good.")
@click.option("--known", is_flag=True, help="Rows of --gpu in the store count as measured.")
@click.option("--adaptive", is_flag=True, help="Only rows that tell most per GPU-second.")
@click.option("--budget-s", type=float, help="With --adaptive: GPU-seconds that may be spent.")
@click.option("--target-error", type=float, help="With --adaptive: percent, at which to stop.")
@click.option("--microbench", help="With --adaptive: of this GPU; default: the one shipped.")
@options(where, money)
@click.option("--schema", is_flag=True, help="Print the JSON Schema of plans, for editors.")
@as_json
def sweep(plan: str | None, schema: bool, adaptive: bool, json_: bool, **given: Any) -> None:
    """A campaign from a plan: predicted first, then measured, whatever happens."""
    from kinowatt.app import sweeping

    dry_run = given.pop("dry_run")
    asked = settings(given)
    if not adaptive and (unused := [name for name in ONLY_ADAPTIVE if name in asked]):
        raise InputError(f"--{unused[0].replace('_', '-')} needs --adaptive")
    if schema:
        click.echo(json.dumps(sweeping.schema(), indent=1))
    elif adaptive:
        _adaptive(plan, asked, dry_run, json_)
    elif dry_run:
        found = sweeping.dry_run(plan, asked)
        answer(found.to_dict(), json_, lambda: sweeping.report(found, asked.get("gpus", 1)))
    else:
        from kinowatt.app import campaigning

        done = campaigning.run(plan, asked)
        answer(done.to_dict(), json_, lambda: campaigning.report_result(done))
        if not done.complete:
            raise SystemExit(1)


def _adaptive(plan: str | None, asked: dict[str, Any], dry_run: bool, json_: bool) -> None:
    """The rows that tell most, in the order in which they would be or are measured."""
    from kinowatt.app import adapting, sweeping

    if dry_run:
        found, course = adapting.dry_run(sweeping.checked_plan(plan, asked), asked)
        answer(adapting.as_data(found, course), json_, lambda: adapting.report(found, course))
        return
    from kinowatt.app import campaigning

    done, chooser = adapting.run(plan, asked)

    def tell() -> None:
        campaigning.report_result(done, adaptive=True)
        adapting.report_end(chooser)

    answer({**done.to_dict(), "adaptive": adapting.ended(chooser)}, json_, tell)
    if done.interrupted or done.progress.failed:
        raise SystemExit(1)
