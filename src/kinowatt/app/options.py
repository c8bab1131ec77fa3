"""Options that commands share, what their values mean, and how an answer is printed."""

import json
from collections.abc import Callable
from typing import Any

import click

from kinowatt.errors import InputError

Command = Callable[..., Any]


def options(*decorators: Command) -> Callable[[Command], Command]:
    """Applies option decorators so that help lists them in this order."""

    def apply(command: Command) -> Command:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return apply


as_json = click.option("--json", "json_", is_flag=True, help="Print JSON.")
where = options(
    click.option("--gpu", default="h100-sxm", show_default=True, help="See `kinowatt gpus`."),
    click.option("--profile", help="GPU/STACK; see `kinowatt profiles`."),
)
running = options(
    click.option("--preset", default="default", show_default=True, help="default or paper."),
    click.option("--recipe", help="Where a model has several: card, paper, single."),
    click.option("--tiling", type=click.Choice(["on", "off"]), help="Tiled VAE decoding."),
    click.option("--offload", type=click.Choice(["none", "model"]), help="CPU offload."),
)
how = options(
    running,
    click.option("--what-if", multiple=True, metavar="KEY=VALUE", help="e.g. linear=fp8."),
)
workload = options(
    click.option("--height", type=float, help="Pixels."),
    click.option("--width", type=float, help="Pixels."),
    click.option("--frames", type=float),
    click.option("--steps", type=float, help="Denoising steps."),
    click.option("--guidance", type=float, help="Guidance scale; 1 or less is none."),
    click.option("--batch", type=float, help="Videos in one call."),
    click.option("--prompt-tokens", type=float),
    click.option("--fps", type=float),
)
money = options(
    click.option("--grid", help="Country code, EU or WORLD; asks for gCO2e."),
    click.option("--intensity", type=float, help="g CO2e per kWh; asks for gCO2e."),
    click.option("--price", type=float, help="USD per GPU-hour; asks for money."),
    click.option("--pue", type=float, help="Power usage effectiveness, e.g. 1.2."),
    click.option("--embodied", is_flag=True, help="Add the GPU's embodied share."),
    click.option("--host", help="Model of the host for CPU and RAM energy."),
)
_RENAMED = {"height": "height_px", "width": "width_px", "guidance": "guidance_scale"}
_RENAMED |= {"batch": "batch_size"}


def settings(given: dict[str, Any]) -> dict[str, Any]:
    """Option values as `predict` names them; what was not given is left out."""
    absent = (None, False, ())  # by identity: a zero is given, and refused where it must be
    found = {
        _RENAMED.get(name, name): value
        for name, value in given.items()
        if not any(value is nothing for nothing in absent)
    }
    if "tiling" in found:
        found["tiling"] = found["tiling"] == "on"
    if "what_if" in found:
        found["what_if"] = dict(_pair(text) for text in found["what_if"])
    return found


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key or not value:
        raise InputError(f"--what-if takes KEY=VALUE, not {text!r}")
    return key, value


def answer(data: Any, json_: bool, render: Callable[[], None]) -> None:
    if json_:
        click.echo(json.dumps(data, allow_nan=False))
    else:
        render()


def listing(title: str, rows: list[dict[str, Any]], json_: bool) -> None:
    def render() -> None:
        from kinowatt.app import render as to

        to.table(title, rows)

    answer(rows, json_, render)


def plain(value: Any) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(value)
