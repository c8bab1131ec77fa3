"""The command line: each command parses, calls one function, and prints its answer."""

import gc
import sys
from collections.abc import Sequence
from typing import Any

import click

from kinowatt.app.budget_commands import budget
from kinowatt.app.card_commands import card
from kinowatt.app.explain_commands import explain
from kinowatt.app.learn_commands import audit, calibrate, validate
from kinowatt.app.measure_commands import doctor, measure, microbench
from kinowatt.app.options import (
    answer,
    as_json,
    how,
    listing,
    money,
    options,
    plain,
    settings,
    where,
    workload,
)
from kinowatt.app.serve_commands import serve
from kinowatt.app.store_commands import export, store
from kinowatt.app.sweep_commands import sweep
from kinowatt.app.top_commands import top
from kinowatt.errors import InputError, KinowattError
from kinowatt.version import __version__

# Objects made before Python looks for garbage in cycles: facts and operators are many small ones
# that stay, and looking every 700 takes a tenth of `budget`
GARBAGE = 50_000
SECTIONS = {
    "Predict": ("predict", "compare", "scaling", "levers", "budget", "card"),
    "Facts": ("models", "gpus", "grids", "profiles", "roofline", "trace"),
    "Measure": ("doctor", "measure", "microbench", "sweep"),
    "Rows": ("store", "export"),
    "Learn": ("calibrate", "validate", "audit", "explain"),
    "Paper": ("reproduce",),
    "Serve": ("serve", "top"),
}


class Grouped(click.Group):
    """Help in sections, and one clear line for everything that goes wrong."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for section, names in SECTIONS.items():
            commands = [(name, self.commands[name].get_short_help_str(70)) for name in names]
            with formatter.section(section):
                formatter.write_dl(commands)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        name = args[0]
        if name not in self.commands and not name.startswith("-"):
            from kinowatt.errors import unknown_name

            raise unknown_name("command", name, self.commands)
        return super().resolve_command(ctx, args)


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point: exit 0 done, 2 bad input, 1 failure; errors are one line on stderr."""
    gc.set_threshold(GARBAGE)
    try:
        cli.main(args=None if argv is None else list(argv), standalone_mode=False)
    except InputError as error:
        _fail(str(error), 2)
    except click.ClickException as error:
        _fail(error.format_message(), 2)
    except BrokenPipeError:  # an OSError, so before those
        sys.exit(0)
    except (KinowattError, OSError) as error:
        _fail(str(error), 1)
    except (KeyboardInterrupt, click.exceptions.Abort):
        _fail("interrupted", 1)


def _fail(message: str, code: int) -> None:
    line = " ".join(message.split())
    click.echo(f"kinowatt: {line}", err=True)
    sys.exit(code)


@click.group(cls=Grouped, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="kinowatt")
def cli() -> None:
    """What a generated video costs - seconds, Wh, gCO2e, money, GPU memory."""


@cli.command()
@click.argument("model")
@options(where, how, workload, money)
@click.option("--explain", is_flag=True, help="Print each formula with its numbers.")
@as_json
def predict(model: str, explain: bool, json_: bool, **given: Any) -> None:
    """What one video costs, before it is generated."""
    from kinowatt.analysis.predict import predict as run

    found = run(model, **settings(given))

    def render() -> None:
        from kinowatt.app import render as to

        to.prediction(found)
        if explain:
            to.explanation(found)

    answer(found.to_dict(), json_, render)


@cli.command()
@click.argument("models", nargs=-1)
@click.option("--gpu", "gpus", multiple=True, help="Several for several GPUs.")
@click.option("--profile", help="GPU/STACK; see `kinowatt profiles`.")
@options(how, workload, money)
@click.option("--why", is_flag=True, help="Split each ratio to the first row into factors.")
@as_json
def compare(
    models: tuple[str, ...], gpus: tuple[str, ...], why: bool, json_: bool, **given: Any
) -> None:
    """Several models and/or GPUs, per video and per second of video."""
    from kinowatt.analysis.compare import compare as run
    from kinowatt.analysis.compare import why as split

    found = run(models, gpus or ("h100-sxm",), **settings(given))
    factors = [split(found[0], other) for other in found[1:]] if why else []

    def render() -> None:
        from kinowatt.app import render as to

        to.comparison(found)
        for other, reasons in zip(found[1:], factors, strict=False):
            to.reasons(found[0], other, reasons)

    data: dict[str, Any] = {"rows": [item.to_dict() for item in found]}
    if why:
        data["why"] = [[plain(factor) for factor in reasons] for reasons in factors]
    answer(data, json_, render)


@cli.command()
@click.argument("model")
@click.option("--axis", default="frames", show_default=True, help="height width size frames steps.")
@click.option("--values", help="Comma-separated points; default: half to twice the workload.")
@options(where, how, workload)
@as_json
def scaling(model: str, axis: str, values: str | None, json_: bool, **given: Any) -> None:
    """Along one axis, with local exponents and operator shares."""
    from kinowatt.analysis.compare import scaling as run

    points = [_number(text) for text in values.split(",")] if values else None
    found = run(model, axis, points, **settings(given))

    def render() -> None:
        from kinowatt.app import render as to

        to.scaling(model, axis, found)

    data = {"model": model, "axis": axis, "points": [plain(p) for p in found]}
    answer(data, json_, render)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InputError(f"--values takes numbers separated by commas, not {text!r}") from None


@cli.command()
@click.argument("model")
@options(where, how, workload)
@as_json
def levers(model: str, json_: bool, **given: Any) -> None:
    """What each knob would save at this point."""
    from kinowatt.analysis.compare import levers as run

    found = run(model, **settings(given))

    def render() -> None:
        from kinowatt.app import render as to

        to.levers(model, found)

    answer({"model": model, "levers": [plain(lever) for lever in found]}, json_, render)


@cli.command()
@as_json
def models(json_: bool) -> None:
    """The models known: components, recipes, presets, sources."""
    from kinowatt.app.listings import model_rows

    listing("Models", model_rows(), json_)


@cli.command()
@as_json
def gpus(json_: bool) -> None:
    """The accelerators known: dense peaks, bandwidth, memory, power, sources."""
    from kinowatt.app.listings import gpu_rows

    listing("GPUs", gpu_rows(), json_)


@cli.command()
@as_json
def grids(json_: bool) -> None:
    """Carbon intensity by country."""
    from kinowatt.app.listings import grid_rows

    listing("Grids", grid_rows(), json_)


@cli.command()
@as_json
def profiles(json_: bool) -> None:
    """The GPU profiles known, and what they were obtained from."""
    from kinowatt.app.listings import profile_rows

    listing("Profiles", profile_rows(), json_)


@cli.command()
@click.option("--dtype", default="bfloat16", show_default=True)
@click.option("--model", help="Verdict per operator kind for a model instead.")
@options(where, how, workload)
@as_json
def roofline(dtype: str, model: str | None, json_: bool, **given: Any) -> None:
    """Tokens above which blocks are compute-bound (Appendix B), or a verdict per operator."""
    from kinowatt.app.listings import operator_rows, roofline_rows

    rows = operator_rows(model, settings(given)) if model else roofline_rows(dtype)
    listing("Roofline", rows, json_)


@cli.command()
@click.argument("target")
@click.option("--name", help="Name of the model that a folder is added as.")
@as_json
def trace(target: str, name: str | None, json_: bool) -> None:
    """Read operators off a model's configs, or off a checkpoint folder (configs only)."""
    from kinowatt.app.tracing import trace_target

    listing("Traced", trace_target(target, name), json_)


@cli.command()
@click.option("-o", "--out", default="out", show_default=True, type=click.Path(file_okay=False))
@as_json
def reproduce(out: str, json_: bool) -> None:
    """Every table and figure of the paper, as published, recomputed and corrected."""
    from kinowatt.app.reproducing import run

    summary = run(out, progress=lambda text: click.echo(text, err=True))
    answer(summary, json_, lambda: _summary(summary))


def _summary(summary: dict[str, Any]) -> None:
    from kinowatt.app.render_reproduction import reproduction

    reproduction(summary)


for _command in (
    *(budget, card, doctor, measure, microbench, sweep),
    *(store, export, calibrate, validate, audit, explain, serve, top),
):
    cli.add_command(_command)
