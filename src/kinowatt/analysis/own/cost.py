"""What measuring cost: GPU time, energy and money of our rows, beside the paper's."""

from collections.abc import Sequence
from typing import Any

from kinowatt.analysis.own.models import PAPER_GPU
from kinowatt.analysis.own.rows import OwnRow
from kinowatt.analysis.reproduction.fits import filled_frames
from kinowatt.analysis.rows import PaperRow, cross_model_rows, paper_rows
from kinowatt.analysis.tables import Table
from kinowatt.facts.tables import prices
from kinowatt.units import SECONDS_PER_HOUR, joules_to_wh

PRICES_SINCE = "2026"  # older offers say little of what it costs today
MINUTE_S = 60.0


def cost_table(rows: Sequence[OwnRow]) -> Table:
    """Ours by GPU, then the paper's two parts; all rows count, also those that stand nowhere."""
    gpus = sorted({row.row["gpu"] for row in rows})
    ours = [_ours(gpu, [row for row in rows if row.row["gpu"] == gpu]) for gpu in gpus]
    found = [*(ours or [_priced("ours, 2026", PAPER_GPU, 0, 0.0, 0.0)]), *_papers()]
    return Table(
        name="measured_cost",
        title="What it cost: our rows, and the paper's published ones",
        columns=tuple(found[0]),
        rows=tuple(found),
        notes=(
            "Ours: what the rows record: idle baselines (one that serves several rows once),"
            " warm-ups, timed windows; a warm-up after the first counts as a whole video. Building"
            " pipelines, decoder calls repeated for composed rows, tests and rows that were not"
            " kept are not in it: data/README.md has the clock of the commands.",
            "GPU Wh of ours: metered in the windows; warm-ups and idle at the row's own mean and"
            " idle power (estimated).",
            "Paper: counted from its published latencies and GPU energies times runs and warm-ups of"
            " its scripts (cross-model 2 + 5 for each of 335 prompts; frame counts without a"
            " published latency take their plateau's). It states no total; jobs that failed or"
            " were repeated are not in it.",
            f"Money: lowest and highest list price of {PRICES_SINCE} per GPU-hour (facts/prices.csv,"
            " secondary sources), also for the paper's hours.",
        ),
    )


def _ours(gpu: str, rows: Sequence[OwnRow]) -> dict[str, Any]:
    idle = {_baseline(row): row for row in rows}.values()
    windows = sum(row.conditions["window_s"] for row in rows)
    warm = sum(_warm_s(row) for row in rows)
    resting = sum(row.conditions["idle_s"] for row in idle)
    metered = sum(_metered_wh(row) for row in rows)
    estimated = sum(_power(row, "power_w") * _warm_s(row) for row in rows)
    estimated += sum(_power(row, "idle_power_w") * row.conditions["idle_s"] for row in idle)
    wh = metered + joules_to_wh(estimated)
    found = _priced("ours, 2026", gpu, len(rows), windows + warm + resting, wh)
    return found | {
        "windows_min": windows / MINUTE_S,
        "warm_ups_min": warm / MINUTE_S,
        "idle_min": resting / MINUTE_S,
        "gpu_wh_metered": metered,
    }


def _priced(name: str, gpu: str, videos: int, seconds: float, wh: float) -> dict[str, Any]:
    hours = seconds / SECONDS_PER_HOUR
    offers = _range(gpu)
    return {
        "set": name,
        "gpu": gpu,
        "rows": videos,
        "gpu_minutes": seconds / MINUTE_S,
        "gpu_hours": hours,
        "windows_min": None,
        "warm_ups_min": None,
        "idle_min": None,
        "gpu_wh": wh,
        "gpu_wh_metered": None,
        "usd_low": hours * offers[0] if offers else None,
        "usd_high": hours * offers[1] if offers else None,
    }


def _range(gpu: str) -> tuple[float, float] | None:
    """USD per GPU-hour: lowest and highest offer of this year for a GPU; None where none is known."""
    offers = [price for price in prices() if price.gpu == gpu and price.date >= PRICES_SINCE]
    if not offers:
        return None
    return min(offer.low_usd for offer in offers), max(offer.high_usd for offer in offers)


def _baseline(row: OwnRow) -> tuple[str, float]:
    """Rows of one session may share an idle baseline: its length to the last digit gives it away."""
    return row.machine, row.conditions["idle_s"]


def _warm_s(row: OwnRow) -> float:
    """The first call as recorded; each further warm-up as one whole video."""
    more = max(row.row["warmup_runs"] - 1, 0)
    found: float = row.conditions["cold_s"] + more * row.row["latency_s"]
    return found


def _power(row: OwnRow, name: str) -> float:
    found: float | None = row.row[name]
    return found or 0.0


def _metered_wh(row: OwnRow) -> float:
    """Of the first GPU meter over the timed window."""
    readings = row.conditions.get("readings") or ()
    joules = (found["energy_j"] for found in readings if found["scope"] == "gpu")
    return joules_to_wh(next(joules, None) or 0.0)


def _papers() -> list[dict[str, Any]]:
    models = cross_model_rows()
    calls = [row.prompts * (row.listed["runs"] + row.listed["warmup"]) for row in models]
    seconds = sum(n * row.latency_s for n, row in zip(calls, models, strict=True))
    wh = sum(n * row.energy_wh["gpu"] for n, row in zip(calls, models, strict=True))
    every: list[PaperRow] = [*paper_rows("resolution"), *filled_frames()]
    every += paper_rows("steps", "all")
    sweeps_s = sum((row.warmup + row.runs) * row.seconds for row in every)
    sweeps_wh = sum((row.warmup + row.runs) * row.gpu_energy_wh for row in every)
    prompts = sum(row.prompts for row in models)
    return [
        _priced("paper, seven models", PAPER_GPU, prompts, seconds, wh),
        _priced("paper, three sweeps", PAPER_GPU, len(every), sweeps_s, sweeps_wh),
        _priced("paper", PAPER_GPU, prompts + len(every), seconds + sweeps_s, wh + sweeps_wh),
    ]
