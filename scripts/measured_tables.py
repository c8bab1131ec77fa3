"""Tables of docs/reproducing.md that committed rows answer: ours beside the paper's, and the cost."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from kinowatt.analysis.own.compose import Own, own
from kinowatt.analysis.own.models import AGAIN
from kinowatt.app.reproducing import others, own_rows
from kinowatt.report.own_page import mean_and_spread
from kinowatt.units import format_number


@cache
def _own() -> Own:
    return own(own_rows(), others())


def measured_models() -> Iterator[tuple[str, ...]]:
    """Rows of the paper's workload."""
    yield ("Model", "Paper, s", "Ours, s", "", "Paper, Wh", "Ours, Wh", "", "Ours is of")
    for row in _own().models:
        if row["paper_latency_s"] is not None:
            yield tuple(_cells(row))


def _cells(row: Mapping[str, Any]) -> Iterator[str]:
    again, differs = row["setting"] == AGAIN, row["differs_from_the_paper"]
    yield "*again*" if again else f"`{row['model']}`"
    for quantity, unit in (("latency", "s"), ("gpu", "wh")):
        name = f"{quantity}_{unit}"
        yield format_number(row[f"paper_{name}"])
        mean, sd = row[f"measured_2026_{name}"], row[f"measured_2026_{quantity}_sd_{unit}"]
        yield mean_and_spread(mean, sd)
        deviation = "latency_deviation_pct" if unit == "s" else "gpu_wh_deviation_pct"
        yield "" if row[deviation] is None else f"{row[deviation]:+.0f}%"
    yield "; ".join(filter(None, (row["measured_2026_repeats"] or row["measured_2026"], differs)))


def measured_cost() -> Iterator[tuple[str, ...]]:
    """By set, our own first."""
    yield ("Set", "GPU", "Rows", "GPU-minutes", "GPU-hours", "GPU Wh", "Metered Wh", "USD")
    for row in _own().cost.rows:
        numbers = (row[name] for name in ("gpu_minutes", "gpu_hours", "gpu_wh", "gpu_wh_metered"))
        shown = ["–" if value is None else format_number(value) for value in numbers]
        prices = [row["usd_low"], row["usd_high"]]
        usd = "–" if None in prices else " to ".join(map(format_number, prices))
        yield (row["set"], f"`{row['gpu']}`", str(row["rows"]), *shown, usd)
