"""The commands that touch hardware: `doctor`, `measure`, `microbench`."""

from typing import Any

import click

from kinowatt.app.options import answer, as_json, options, running, settings, workload

making = options(
    click.option("--weights", help="random (default), a folder in diffusers format, or hub."),
    click.option("--revision", help="Commit of the hub's repository."),
    click.option("--dtype", help="float32, bfloat16 or float16; default: each component's own."),
    click.option("--device", help="cuda (default), cuda:INDEX or cpu."),
    click.option("--attention", help="default, cudnn, flash, efficient or math."),
    click.option("--compile", help="none (default) or blocks."),
    click.option("--twin", is_flag=True, help="A tiny twin of the model: for a try on a CPU."),
    click.option("--prompt", help="Default: stand-in words, as many as --prompt-tokens."),
    click.option("--seed", type=int),
)
taking = options(
    click.option("--protocol", default="full", show_default=True, help="full or sampled."),
    click.option("--runs", type=int, help="Timed runs of `full`; default 5."),
    click.option("--warmup", type=int, help="Warm-up runs of `full`; default 2."),
    click.option("--warmup-steps", type=int, help="Steps of a warm-up; default: all."),
    click.option("--meter", "meters", multiple=True, help="Default: what works here."),
    click.option("--store", help="A .jsonl file that the row is added to."),
)


@click.command()
@as_json
def doctor(json_: bool) -> None:
    """What can be measured on this machine and what not, with the exact fix."""
    from kinowatt.app.doctoring import report
    from kinowatt.lab.doctor import diagnose

    found = diagnose()
    answer([finding.to_dict() for finding in found], json_, lambda: report(found))


@click.command()
@click.argument("model")
@options(taking, making, running, workload)
@as_json
def measure(model: str, protocol: str, store: str | None, json_: bool, **given: Any) -> None:
    """Time and meter a real pipeline on this machine, stage by stage."""
    from kinowatt.app.measuring import report, run

    asked = settings(given)
    if "meters" in asked:
        asked["meters"] = list(asked["meters"])
    row = run(model, protocol, store, asked)
    answer(row.to_dict(), json_, lambda: report(row))


@click.command()
@click.option("--device", default="cuda", show_default=True, help="cuda, cuda:INDEX or cpu.")
@click.option("--budget", type=float, default=90.0, show_default=True, help="Seconds.")
@click.option("-o", "--output", help="A .json file for the whole result.")
@as_json
def microbench(device: str, budget: float, output: str | None, json_: bool) -> None:
    """The GPU alone: rates, bandwidths, power and clocks of T2V models' operators."""
    from kinowatt.app.microbenching import report, run

    found = run(device, budget, output)
    answer(found.to_dict(), json_, lambda: report(found))
