"""What `kinowatt reproduce` shows in the terminal: the paper, and our own measurements beside it."""

from collections.abc import Mapping
from typing import Any

from kinowatt.analysis.own.models import AGAIN
from kinowatt.app.render import console, grid
from kinowatt.units import format_number


def reproduction(summary: Mapping[str, Any]) -> None:
    out = console()
    for made in (_table3, _table4, _cost):
        out.print(made(summary))
    for note in summary["notes"]:
        out.print(note)
    out.print(f"{summary['claims']} claims: {summary['verdicts']}")
    out.print(f"Open [bold]{summary['report']}[/]")


def _table3(summary: Mapping[str, Any]) -> Any:
    made = grid(
        "Table 3: mean absolute error of the prediction; ours of 2026 beside it",
        *("sweep", "printed", "recom-\nputed", "cor-\nrected", "held\nout"),
        *("our\npoints", "ours -\npaper", "learned\nprofile"),
    )
    for row in summary["table3"]:
        cells = ("paper_pct", "recomputed_pct", "corrected_pct", "heldout_pct")
        shown = [f"{row[cell]:.2f}%" for cell in cells]
        learned = row["measured_2026_learned_pct"]
        made.add_row(
            f"{row['sweep']}, {row['quantity']}",
            *shown,
            str(row["measured_2026_points"]),
            _signed(row["measured_2026_over_paper_pct"]),
            "-" if learned is None else f"{learned:.2f}%",
        )
    return made


def _table4(summary: Mapping[str, Any]) -> Any:
    made = grid(
        "Table 4: seven models, the paper's and ours measured in 2026; energy of the GPU",
        *("model", "paper\ns", "ours\ns", "diff", "paper\nWh", "ours\nWh", "diff"),
        "ours is of",
    )
    for row in summary["table4"]:
        other = bool(row["differs_from_the_paper"])
        made.add_row(
            ("  again" if row["setting"] == AGAIN else row["model"]) + other * "*",
            format_number(row["paper_latency_s"]),
            _ours(row, "latency", "s"),
            _signed(row["latency_deviation_pct"], 0),
            format_number(row["paper_gpu_wh"]),
            _ours(row, "gpu", "wh"),
            _signed(row["gpu_wh_deviation_pct"], 0),
            (row["measured_2026_repeats"] or "-").removesuffix(", 1 machine"),
        )
    return made


def _cost(summary: Mapping[str, Any]) -> Any:
    headers = ("set", "rows", "GPU-minutes", "GPU-hours", "GPU Wh", "USD at list prices")
    made = grid("What measuring it cost", *headers)
    for row in summary["cost"]:
        known = row["usd_low"] is not None
        usd = [format_number(row[name]) for name in ("usd_low", "usd_high")] if known else ["-"]
        made.add_row(
            row["set"],
            str(row["rows"]),
            *(format_number(row[name]) for name in ("gpu_minutes", "gpu_hours", "gpu_wh")),
            " to ".join(usd),
        )
    return made


def _ours(row: Mapping[str, Any], quantity: str, unit: str) -> str:
    mean, sd = (row[f"measured_2026_{quantity}_{name}"] for name in (unit, f"sd_{unit}"))
    if mean is None:
        return "-"
    return format_number(mean) + ("" if sd is None else f" ± {sd:.2g}")


def _signed(pct: float | None, decimals: int = 1) -> str:
    return "-" if pct is None else f"{pct:+.{decimals}f}%"
