"""What measuring cost: GPU time, energy and money of our rows, beside the paper's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kinowatt.analysis.own.models import PAPER_GPU
from kinowatt.analysis.own.rows import OwnRow
from kinowatt.analysis.own.spent import Spent, of_benches, of_experiments, of_rows, total
from kinowatt.analysis.reproduction.fits import filled_frames
from kinowatt.analysis.rows import PaperRow, cross_model_rows, paper_rows
from kinowatt.analysis.tables import Table
from kinowatt.facts.tables import prices
from kinowatt.units import SECONDS_PER_HOUR

PRICES_SINCE = "2026"  # older offers say little of what it costs today
MINUTE_S = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Others:
    """What was measured besides videos, as plain JSON: files of microbenchmarks, and lines of
    experiments with the GPU that they ran on."""

    benches: Sequence[Mapping[str, Any]] = ()
    experiments: Sequence[tuple[str, Mapping[str, Any]]] = ()


NO_OTHERS = Others()


def cost_table(rows: Sequence[OwnRow], others: Others = NO_OTHERS) -> Table:
    """Ours by GPU, then the paper's two parts; all rows count, also those that stand nowhere."""
    ours = ours_spent(rows, others)
    found = [*(_ours(each) for each in ours), *_papers()]
    return Table(
        name="measured_cost",
        title="What it cost: our measuring, and the paper's",
        rows=tuple(found),
        notes=(
            "Ours, GPU-minutes: from the end of one row to the end of the next where one process"
            " took both, else by what the row records (windows, warm-ups, idle baseline) or what its"
            " protocol takes; experiments and microbenchmarks by their own clocks. Not in it: starts"
            " of machines, building pipelines, tests, rows that were not kept: data/README.md.",
            "GPU Wh of ours: metered in windows (of microbenchmarks: sampled power times seconds);"
            " warm-ups at the row's mean power, all other seconds at idle power (estimated, and of"
            " dropped steps and bursts too little).",
            "Paper: counted from its published latencies and GPU energies times runs and warm-ups of"
            " its scripts (cross-model 2 + 5 for each of 335 prompts; frame counts without a"
            " published latency take their plateau's). It states no total; jobs that failed or"
            " were repeated are not in it.",
            f"Money: lowest and highest list price of {PRICES_SINCE} per GPU-hour (facts/prices.csv,"
            " secondary sources), also for the paper's hours.",
        ),
    )


def ours_spent(rows: Sequence[OwnRow], others: Others) -> list[Spent]:
    """Videos, experiments and microbenchmarks by GPU, and the sum of each GPU that has several."""
    gpus = {row.row["gpu"] for row in rows} | {gpu for gpu, _ in others.experiments}
    benches = of_benches("ours, 2026: microbenchmarks", others.benches)
    gpus |= {bench.gpu for bench in benches}
    found = []
    for gpu in sorted(gpus) or [PAPER_GPU]:
        videos = of_rows("ours, 2026: videos", gpu, [r for r in rows if r.row["gpu"] == gpu])
        lines = [line for on, line in others.experiments if on == gpu]
        mine = [bench for bench in benches if bench.gpu == gpu]
        tests = of_experiments("ours, 2026: experiments", gpu, lines, videos.idle_w)
        parts = [videos, tests, *([total(mine[0].name, mine)] if mine else [])]
        parts = [part for part in parts if part.rows]
        found += [*parts, total("ours, 2026", parts or [videos])]
    return found


def _ours(spent: Spent) -> dict[str, Any]:
    found = _priced(spent.name, spent.gpu, spent.rows, spent.seconds, spent.gpu_wh)
    return found | {
        "windows_min": spent.windows_s / MINUTE_S,
        "warm_ups_min": spent.warm_s / MINUTE_S,
        "rest_min": spent.rest_s / MINUTE_S,
        "gpu_wh_metered": spent.metered_wh,
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
        "rest_min": None,
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
