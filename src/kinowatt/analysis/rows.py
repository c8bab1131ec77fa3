"""The paper's published measurements as rows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import fmean, stdev

from kinowatt.facts.data import data_path
from kinowatt.facts.loading import number, read_csv
from kinowatt.facts.models import model

SWEEPS = ("resolution", "frames", "steps")
WAN = "wan2.1-t2v-1.3b"


@dataclass(frozen=True, kw_only=True, slots=True)
class PaperRow:
    """One published point of a sweep on WAN2.1-T2V-1.3B, H100. Latency is None where not plotted.

    `frames` as requested (the pipeline runs frames // 4 * 4 + 1).
    """

    sweep: str
    height_px: int
    width_px: int
    frames: int
    steps: int
    latency_s: float | None
    gpu_energy_wh: float
    source: str

    @property
    def power_w(self) -> float | None:
        return None if self.latency_s is None else self.gpu_energy_wh * 3600 / self.latency_s


@lru_cache(maxsize=1)
def _all() -> tuple[PaperRow, ...]:
    rows = []
    for sweep in SWEEPS:
        path = data_path(f"paper/wan_{sweep}.csv")
        needed = ("height", "width", "num_frames", "steps", "gpu_energy_wh")
        for index, raw in enumerate(read_csv(path, needed), 1):
            where = f"{path.name}: row {index}"
            latency = raw["latency_s"]
            rows.append(
                PaperRow(
                    sweep=sweep,
                    height_px=int(number(raw, "height", where)),
                    width_px=int(number(raw, "width", where)),
                    frames=int(number(raw, "num_frames", where)),
                    steps=int(number(raw, "steps", where)),
                    latency_s=number(raw, "latency_s", where) if latency else None,
                    gpu_energy_wh=number(raw, "gpu_energy_wh", where),
                    source=raw["source"],
                )
            )
    return tuple(rows)


def paper_rows(sweep: str | None = None, selection: str = "as_in_paper") -> list[PaperRow]:
    """Rows of one sweep or all.

    `as_in_paper`: the 14 resolutions, and the multiples of 4 among frames (25) and steps (50), as
    the paper's notebook keeps. `with_latency`: every row with a latency (14, 32, 200). `all`.
    """
    rows = [row for row in _all() if sweep in {None, row.sweep}]
    if selection == "as_in_paper":
        return [row for row in rows if _kept(row)]
    if selection == "with_latency":
        return [row for row in rows if row.latency_s is not None]
    return rows


def _kept(row: PaperRow) -> bool:
    axis = {"resolution": 0, "frames": row.frames, "steps": row.steps}[row.sweep]
    return row.latency_s is not None and axis % 4 == 0


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelRow:
    """Means over prompts of the cross-model benchmark, with standard deviations across prompts."""

    model: str
    published_name: str
    prompts: int
    latency_s: float
    latency_std_s: float
    latency_table4_s: float
    energy_wh: dict[str, float]
    energy_std_wh: dict[str, float]
    power_w: float


@lru_cache(maxsize=1)
def cross_model_rows() -> tuple[ModelRow, ...]:
    """The seven models, smallest energy first."""
    path = data_path("paper/cross_model.csv")
    groups: dict[str, list[dict[str, str]]] = {}
    for row in read_csv(path, ("model", "latency_s", "gpu_energy_wh")):
        groups.setdefault(row["model"], []).append(row)
    found = [_model_row(name, rows) for name, rows in groups.items()]
    return tuple(sorted(found, key=lambda row: row.energy_wh["gpu"]))


def _model_row(name: str, rows: Sequence[dict[str, str]]) -> ModelRow:
    def column(field: str) -> list[float]:
        return [number(row, field, f"cross_model.csv: {name}") for row in rows]

    energies = {scope: column(f"{scope}_energy_wh") for scope in ("gpu", "cpu", "ram")}
    latencies = column("latency_s")
    return ModelRow(
        model=model(name).name,
        published_name=name,
        prompts=len(rows),
        latency_s=fmean(latencies),
        latency_std_s=stdev(latencies),
        latency_table4_s=fmean(column("latency_as_in_paper_table4_s")),
        energy_wh={scope: fmean(values) for scope, values in energies.items()},
        energy_std_wh={scope: stdev(values) for scope, values in energies.items()},
        power_w=fmean(energies["gpu"]) * 3600 / fmean(latencies),
    )


def mean_abs_pct(predicted: Iterable[float], measured: Iterable[float]) -> float:
    """Mean of |predicted - measured| / measured in percent: what the paper calls MPE."""
    return 100 * fmean(abs(p / m - 1) for p, m in zip(predicted, measured, strict=True))


def mean_signed_pct(predicted: Iterable[float], measured: Iterable[float]) -> float:
    """Mean of (predicted - measured) / measured in percent."""
    return 100 * fmean(p / m - 1 for p, m in zip(predicted, measured, strict=True))


def max_abs_pct(predicted: Iterable[float], measured: Iterable[float]) -> float:
    return 100 * max(abs(p / m - 1) for p, m in zip(predicted, measured, strict=True))


def spread_pct(values: Sequence[float]) -> float:
    """Half the range over the mean, percent."""
    return 100 * (max(values) - min(values)) / 2 / fmean(values)


__all__ = [
    "SWEEPS",
    "WAN",
    "ModelRow",
    "PaperRow",
    "cross_model_rows",
    "max_abs_pct",
    "mean_abs_pct",
    "mean_signed_pct",
    "paper_rows",
    "spread_pct",
]
