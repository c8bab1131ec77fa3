"""The command that searches settings: `budget`."""

from typing import Any

import click

from kinowatt.app.options import answer, as_json, options, settings

limits = options(
    click.option("--max-latency-s", type=float, help="Seconds of one call of the pipeline."),
    click.option("--max-energy-wh", type=float, help="Wh of the GPU, per video."),
    click.option(
        "--max-memory-gib", type=float, help="Peak GPU memory; default: what the GPU has."
    ),
    click.option("--max-cost-usd", type=float, help="GPU time per video; needs --price."),
    click.option("--max-co2e-g", type=float, help="Per video; needs --grid or --intensity."),
)
shape = options(
    click.option("--min-height", help="480p: the shorter side, in pixels."),
    click.option("--max-height", help="Default: 1080p."),
    click.option("--min-seconds", type=float, help="Of video, at the model card's frame rate."),
    click.option("--max-seconds", type=float, help="Default: 10, or the model card's."),
    click.option("--min-steps", type=float, help="Default: a quarter of the model card's."),
    click.option("--max-steps", type=float, help="Default: the model card's."),
    click.option("--aspect", help="16:9, 9:16, 4:3 or 1:1; default: the model card's."),
)
keeping = options(
    click.option(
        "--confidence",
        default="50",
        show_default=True,
        help="Limits are kept by the prediction (50) or the upper end of its 80 or 95% interval.",
    ),
    click.option("--recipe", help="Where a model has several: card, paper, single."),
    click.option("--profile", help="GPU/STACK; see `kinowatt profiles`."),
    click.option("--tiling", type=click.Choice(["on", "off"]), help="Default: where it is needed."),
    click.option("--offload", type=click.Choice(["none", "model"]), help="CPU offload."),
)
counting = options(
    click.option("--price", multiple=True, help="USD per GPU-hour, or GPU=USD for several GPUs."),
    click.option("--grid", help="Country code, EU or WORLD; asks for gCO2e."),
    click.option("--intensity", type=float, help="g CO2e per kWh; asks for gCO2e."),
    click.option("--pue", type=float, help="Power usage effectiveness, e.g. 1.2."),
    click.option("--embodied", is_flag=True, help="Add the GPU's embodied share."),
)


@click.command()
@click.option("--model", "models", multiple=True, help="Several for several; default: all.")
@click.option("--gpu", "gpus", multiple=True, help="Several for several; default: h100-sxm.")
@options(limits, shape, keeping, counting)
@click.option("--scores", help="CSV of model,height,width,frames,steps,score: your own.")
@as_json
def budget(models: tuple[str, ...], gpus: tuple[str, ...], json_: bool, **given: Any) -> None:
    """Best settings under limits, by model; what one gives up; what would have to give."""
    from kinowatt.app.budgeting import report, run

    found = run(models, gpus, settings(given))
    answer(found.to_dict(), json_, lambda: report(found))
