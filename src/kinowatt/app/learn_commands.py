"""The commands that learn from measurements and judge what was learned."""

import click

from kinowatt.app.options import answer, as_json


@click.command()
@click.option("--microbench", "bench", required=True, help="A file of `kinowatt microbench -o`.")
@click.option("--rows", multiple=True, help="A .jsonl file or folder; may be given again.")
@click.option("--label", help="What the profile says of itself.")
@click.option("-o", "--output", help="A .json file for the profile.")
@as_json
def calibrate(
    bench: str, rows: tuple[str, ...], label: str | None, output: str | None, json_: bool
) -> None:
    """A profile of a GPU from its microbench, and rows of whole videos."""
    from kinowatt.app.calibrating import report, run

    found = run(bench, rows, label, output)
    answer(dict(found.profile), json_, lambda: report(found, output))


@click.command()
@click.option("--microbench", "bench", help="Default: the committed one of the H100.")
@click.option("--rows", multiple=True, help="A .jsonl file or folder; default: the committed rows.")
@click.option("-o", "--out", type=click.Path(file_okay=False), help="Folder for page and plots.")
@as_json
def validate(bench: str | None, rows: tuple[str, ...], out: str | None, json_: bool) -> None:
    """Predicted against measured, on rows that the fit did not see."""
    from kinowatt.app.validating import as_data, report, run

    found = run(bench, rows, out)
    answer(as_data(found), json_, lambda: report(found, out))


@click.command()
@click.argument("file", type=click.Path(dir_okay=False))
@click.option(
    "--map",
    "mapping",
    multiple=True,
    metavar="QUANTITY=COLUMN:UNIT",
    help="e.g. latency_s=time:ms,energy_wh_gpu=gpu_kwh:kWh; may be given again.",
)
@click.option("--gpu", help="Of rows that name none; see `kinowatt gpus`.")
@click.option("--model", help="Of rows that name none; see `kinowatt models`.")
@click.option("--profile", help="GPU/STACK to hold rows against; default: the one that fits.")
@as_json
def audit(
    file: str,
    mapping: tuple[str, ...],
    gpu: str | None,
    model: str | None,
    profile: str | None,
    json_: bool,
) -> None:
    """Rows that physics, predictions or their neighbours contradict, with a correction."""
    from kinowatt.analysis.audit.run import audit as run

    found = run(file, mapping, model=model, gpu=gpu, profile=profile)

    def render() -> None:
        from kinowatt.app.auditing import report

        report(found)

    answer(found.to_dict(), json_, render)
