"""The live view: `top`."""

from typing import Any

import click

from kinowatt.app.options import as_json


@click.command()
@click.option("--once", is_flag=True, help="One look; so also where the output is no terminal.")
@click.option("--interval", type=float, default=1.0, show_default=True, help="Seconds.")
@click.option("--price", type=float, help="USD per GPU-hour; asks for money so far.")
@click.option("--grid", help="Country code, EU or WORLD; asks for gCO2e so far.")
@click.option("--intensity", type=float, help="g CO2e per kWh; asks for gCO2e so far.")
@as_json
def top(once: bool, interval: float, json_: bool, **given: Any) -> None:
    """Live: GPUs, watts, running watches, Wh and money so far."""
    from kinowatt.app.topping import run

    run(once, interval, json_, given)
