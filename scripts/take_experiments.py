"""take_experiments.py OUT: takes the data of the experiments' pages on this machine's GPU.

Lines of JSON, a file per experiment in OUT: weights.jsonl, prompts.jsonl, codecarbon.jsonl,
traces.jsonl, stack.jsonl, operators.jsonl. A variant that fails has a line with its error, and the
next one goes on; each experiment has a budget of seconds and does its most telling variants first.
"""

from collections.abc import Callable
from pathlib import Path

import click

from kinowatt.errors import KinowattError
from kinowatt.lab.request import BuildOptions
from taking import codecarbon, operators, prompts, stack, traces, weights
from taking.desk import Desk, Pace

EXPERIMENTS: dict[str, tuple[Callable[[Desk], None], float]] = {
    "a": (weights.take, weights.SECONDS),
    "b": (prompts.take, prompts.SECONDS),
    "f": (codecarbon.take, codecarbon.SECONDS),
    "t": (traces.take, traces.SECONDS),
    "c": (stack.take, stack.SECONDS),
    "o": (operators.take, operators.SECONDS),
}
TWIN_PACE = Pace(window_s=0.25, warm_s=0.01)  # a loaded machine polls late


def run(desk: Desk, names: list[str]) -> None:
    """Experiment after experiment; one that fails as a whole doesn't end the others."""
    for name in names:
        take, seconds = EXPERIMENTS[name]
        desk.say(f"experiment {name}: {desk.left_s():.0f} s left")
        with desk.budget(seconds):
            try:
                take(desk)
            except Exception as error:  # noqa: BLE001 (the next experiment goes on)
                desk.write("failed", {"variant": name, "error": f"{type(error).__name__}: {error}"})


@click.command(help=__doc__)
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@click.option("--only", default=",".join(EXPERIMENTS), help="Letters of experiments, in order.")
@click.option("--seconds", default=500.0, help="After so many no variant is begun.")
@click.option("--device", default="cuda")
@click.option("--models", default="", help="Of weights and prompts; default: all that they have.")
@click.option("--twin", is_flag=True, help="Tiny twins in float32, for a dry run on a CPU.")
def main(out: Path, only: str, seconds: float, device: str, models: str, twin: bool) -> None:
    names = only.split(",")
    if unknown := [name for name in names if name not in EXPERIMENTS]:
        raise click.BadParameter(f"{unknown[0]!r}: there are {', '.join(EXPERIMENTS)}")
    options = BuildOptions(device=device, twin=twin, dtype="float32" if twin else None)
    try:
        desk = Desk(
            out,
            options,
            TWIN_PACE if twin else Pace(),
            seconds,
            [m for m in models.split(",") if m],
        )
    except KinowattError as error:
        raise click.ClickException(str(error)) from None
    try:
        run(desk, names)
    finally:
        desk.close()


if __name__ == "__main__":
    main()
