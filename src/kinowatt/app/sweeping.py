"""`kinowatt sweep`: a plan checked and predicted, and what `--dry-run` shows of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from kinowatt.analysis.costs import account
from kinowatt.analysis.predict import predict
from kinowatt.app.render import console, grid
from kinowatt.campaign.checking import Checked, check
from kinowatt.campaign.forecast import Costing, Forecast, forecast
from kinowatt.campaign.outlook import Outlooks, Predict
from kinowatt.campaign.plan_file import load_plan, shipped
from kinowatt.errors import InputError
from kinowatt.facts.gpus import gpu as find_gpu
from kinowatt.units import format_grams, format_number, format_seconds, format_wh, to_base

LISTED = 8  # of duplicates, changes and rows that are too large
BASIS = (
    "Energy while rows are measured, at the mean power of each video. Intervals as if every"
    " prediction erred the same way."
)
MONEY = ("grid", "intensity", "price", "pue", "embodied")


def predictor(gpu: str, profile: str | None) -> Predict:
    """Predictions as campaigns want them."""

    def run(model: str, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        return predict(model, gpu=gpu, profile=profile, **asked).to_dict()

    return run


def checked_plan(name: str | None, given: Mapping[str, Any]) -> Checked:
    """A plan whose every row can run; `InputError` otherwise."""
    if name is None:
        raise InputError(f"PLAN is missing: a .yaml file, or one of {', '.join(shipped())}")
    return check(load_plan(name), Outlooks(predictor(given["gpu"], given.get("profile"))))


def schema() -> dict[str, Any]:
    """The JSON Schema of plans."""
    from kinowatt.campaign.plan_schema import schema as made

    return made()


def costing_of(given: Mapping[str, Any]) -> Costing:
    """What was asked of emissions and money."""
    accounting = account({key: given[key] for key in MONEY if key in given})
    return Costing(
        co2e_g=accounting.co2e_g,
        cost_usd=accounting.cost_usd,
        shown={"gpu": find_gpu(given["gpu"]).name, **accounting.shown()},
    )


def dry_run(name: str | None, given: Mapping[str, Any]) -> Forecast:
    """What a plan costs on so many GPUs."""
    costing, checked = costing_of(given), checked_plan(name, given)
    if given.get("known"):
        checked = _lacking(checked, given)
    return forecast(checked, given.get("gpus", 1), costing)


def store_of(checked: Checked, given: Mapping[str, Any]) -> str:
    """Where rows go and are looked for."""
    return given.get("store") or f"{Path(checked.plan.plan).name}.db"


def _lacking(checked: Checked, given: Mapping[str, Any]) -> Checked:
    from kinowatt.campaign.known import lacking
    from kinowatt.campaign.sources import open_source

    with open_source(store_of(checked, given)) as store:
        return lacking(checked, store, find_gpu(given["gpu"]).name)


def report(found: Forecast, gpus: int, out: Console | None = None) -> None:
    """The table of a dry run."""
    out = out or console()
    out.print(f"[bold]{found.plan}[/]  {found.about}", highlight=False)
    out.print(_counts(found), highlight=False)
    out.print(_by_part(found))
    if found.gpu_h:
        out.print(_totals(found, gpus))
    for line in _remarks(found):
        out.print(line)


def _counts(found: Forecast) -> str:
    parts = [f"{found.rows:,} rows"]
    if found.excluded:
        parts.append(f"{found.excluded:,} excluded")
    if found.duplicates:
        parts.append(f"{found.duplicates:,} run the same as another")
    if found.known:
        parts.append(f"{found.known:,} known")
    return f"{', '.join(parts)}: {found.to_measure:,} to measure, {found.builds} pipelines"


def _by_part(found: Forecast) -> Any:
    table = grid("Rows", "block", "model", "rows", "same", "GPU time", "GPU energy")
    for part in found.parts:
        seconds, energy = part.seconds.get("expected"), part.energy_wh.get("expected")
        table.add_row(
            part.block,
            part.model,
            f"{part.rows:,}",
            f"{part.duplicates:,}" if part.duplicates else "",
            "–" if seconds is None else format_seconds(seconds),
            "–" if energy is None else format_wh(energy),
        )
    return table


def _totals(found: Forecast, gpus: int) -> Any:
    table = grid("Predicted", "", "expected", "80%", "95%")
    hours = {end: to_base(value, "time", "h") for end, value in found.gpu_h.items()}
    _line(table, "GPU time, starts included", hours, format_seconds)
    energy = {end: to_base(value, "energy", "kWh") for end, value in found.energy_kwh.items()}
    _line(table, "GPU energy", energy, format_wh)
    _line(table, f"CO2e ({found.assumed.get('grid', 'as given')})", found.co2e_g, format_grams)
    _line(table, "money", found.cost_usd, _dollars)
    for count, ends in found.finish_h.items():
        mark = " ←" if count == gpus else ""
        name = f"done on {count} GPU{'s' if count > 1 else ''}{mark}"
        _line(table, name, {e: to_base(h, "time", "h") for e, h in ends.items()}, format_seconds)
    return table


def _line(table: Any, name: str, ends: Mapping[str, float], form: Any) -> None:
    if ends:
        pairs = [f"{form(ends[f'{p}_low'])} – {form(ends[f'{p}_high'])}" for p in ("80", "95")]
        table.add_row(name, form(ends["expected"]), *pairs)


def _dollars(value: float) -> str:
    return f"{format_number(value)} USD"


def _remarks(found: Forecast) -> list[Text]:
    lines = _listed("Would not fit in memory (in no total)", found.too_large, "red")
    lines += _listed("Run the same, measured once", found.same, "dim")
    lines += _listed("Changed by the pipeline", found.changed, "yellow")
    lines += _listed(
        "Exclusions that leave out no row, mistyped?", found.unused_exclusions, "yellow"
    )
    if found.unpredicted:
        text = f"{found.unpredicted:,} rows of twins or CPUs are not predicted and in no total."
        lines.append(Text(text, style="dim"))
    if found.gpu_h:
        lines.append(Text(f"{BASIS} Predicted for {found.assumed['gpu']}.", style="dim"))
    return lines


def _listed(title: str, items: tuple[str, ...], style: str) -> list[Text]:
    if not items:
        return []
    lines = [Text(f"{title}:", style=style)]
    lines += [Text(f"  {item}", style="dim") for item in items[:LISTED]]
    if len(items) > LISTED:
        lines.append(Text(f"  and {len(items) - LISTED:,} more (--json has all)", style="dim"))
    return lines
