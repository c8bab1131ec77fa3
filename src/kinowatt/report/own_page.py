"""Our own tables as the page shows them: narrow, value and spread in one cell; files keep it all."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kinowatt.analysis.tables import Table, cell

Row = Mapping[str, Any]
Column = tuple[str, Callable[[Row], str]]
WORDS = ("steps", "workload")  # columns that read from the left


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """A table of words for the page; `sentences` stand under each row, where there are any.

    `folded`: shown when asked for.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    sentences: tuple[str, ...]
    notes: tuple[str, ...]
    folded: bool


def views(tables: Sequence[Table]) -> list[View]:
    return [_view(table, COLUMNS[table.name]) for table in tables]


def _view(table: Table, columns: Sequence[Column]) -> View:
    return View(
        name=table.name,
        title=table.title,
        columns=tuple(header for header, _ in columns),
        rows=tuple(tuple(show(row) for _, show in columns) for row in table.rows),
        sentences=tuple(map(SENTENCES[table.name], table.rows)),
        notes=table.notes,
        folded=table.name == "measured_rows",
    )


def _plain(name: str) -> Callable[[Row], str]:
    return lambda row: cell(row[name])


def _spread(name: str, sd: str) -> Callable[[Row], str]:
    """Mean, and the standard deviation where there are repeats."""

    return lambda row: mean_and_spread(row[name], row[sd])


def mean_and_spread(mean: float | None, sd: float | None) -> str:
    """`15.02 ± 0.19`; without a spread where there is one value, `–` where there is none."""
    text = cell(mean)
    return text if sd is None else f"{text}\u00a0±\u00a0{float(f'{sd:.1e}'):g}"


def _how(row: Row) -> str:
    differs = row["differs_from_the_paper"]
    how = f"{row['measured_2026']}{'; ' * bool(differs)}{differs}"
    return f"{row['workload']} ({row['setting']}): {how}"


def _settings(row: Row) -> str:
    kernels = f"attention {row['attention']}, offload {row['offload']}"
    settings = f"{row['recipe']}; {kernels}, tiling {cell(row['tiling'])}"
    blocks = "" if row["compiled"] in (None, "none") else f", compiled {row['compiled']}"
    return f"{row['workload']}; {settings}{blocks}: {row['measured_2026']}"


COLUMNS: Mapping[str, Sequence[Column]] = {
    "measured_models": (
        ("model", _plain("model")),
        ("paper, s", _plain("paper_latency_s")),
        ("ours, s", _spread("measured_2026_latency_s", "measured_2026_latency_sd_s")),
        ("differs, %", _plain("latency_deviation_pct")),
        ("paper, GPU Wh", _plain("paper_gpu_wh")),
        ("ours, GPU Wh", _spread("measured_2026_gpu_wh", "measured_2026_gpu_sd_wh")),
        ("differs, %", _plain("gpu_wh_deviation_pct")),
        ("ours, s per s of video", _plain("measured_2026_s_per_video_s")),
        ("ours, Wh per s of video", _plain("measured_2026_gpu_wh_per_video_s")),
    ),
    "measured_sweeps": (
        ("sweep", lambda row: f"{row['sweep']}, {row['quantity']}"),
        ("fit", _plain("form")),
        ("paper, points", _plain("paper_points")),
        ("paper, p or b", _plain("paper_fit")),
        ("paper, R²", _plain("paper_r2")),
        ("paper at our points", _plain("paper_fit_at_our_points")),
        ("ours, points", _plain("measured_2026_points")),
        ("ours, p or b", _plain("measured_2026_fit")),
        ("ours, R²", _plain("measured_2026_r2")),
        ("mean ours / paper", _plain("mean_ratio")),
    ),
    "measured_steps": (
        ("model", _plain("model")),
        ("workload", _plain("workload")),
        ("steps", _plain("steps")),
        ("s per step", _plain("s_per_step")),
        ("s besides", _plain("s_besides")),
        ("R²", _plain("latency_r2")),
        ("GPU Wh per step", _plain("wh_per_step")),
        ("Wh besides", _plain("wh_besides")),
        ("R²", _plain("energy_r2")),
    ),
    "measured_cost": (
        ("set", _plain("set")),
        ("GPU", _plain("gpu")),
        ("rows", _plain("rows")),
        ("GPU-minutes", _plain("gpu_minutes")),
        ("GPU-hours", _plain("gpu_hours")),
        ("GPU Wh", _plain("gpu_wh")),
        ("metered Wh", _plain("gpu_wh_metered")),
        ("USD, lowest price", _plain("usd_low")),
        ("USD, highest", _plain("usd_high")),
    ),
    "measured_rows": (
        ("model", _plain("model")),
        ("latency, s", _spread("latency_s", "latency_sd_s")),
        ("GPU Wh", _spread("gpu_wh", "gpu_sd_wh")),
        ("mean W", _plain("power_w")),
    ),
}
SENTENCES: Mapping[str, Callable[[Row], str]] = {
    "measured_models": _how,
    "measured_sweeps": lambda row: "",
    "measured_steps": _plain("measured_2026"),
    "measured_cost": lambda row: "",
    "measured_rows": _settings,
}
