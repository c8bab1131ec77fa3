"""The paper's published measurements as rows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import fmean, stdev
from typing import Protocol

from kinowatt.facts.data import data_path
from kinowatt.facts.loading import Row, number, read_csv
from kinowatt.facts.models import model
from kinowatt.units import wh_to_joules

SWEEPS = ("resolution", "frames", "steps")
WAN = "wan2.1-t2v-1.3b"
_SETTINGS = (
    *("height", "width", "num_frames", "steps", "warmup", "runs"),
    *("ltx_downscaled_height", "ltx_downscaled_width", "ltx_generate_steps"),
    *("ltx_stage3_height", "ltx_stage3_width", "ltx_denoise_steps", "ltx_denoise_strength"),
)
_NEEDED = (
    "height",
    "width",
    "num_frames",
    "steps",
    "gpu_energy_wh",
    "warmup_script",
    "runs_script",
)


class Point(Protocol):
    """A setting of WAN2.1-T2V-1.3B that can be predicted, whoever measured it."""

    @property
    def height_px(self) -> int: ...
    @property
    def width_px(self) -> int: ...
    @property
    def frames(self) -> int: ...
    @property
    def steps(self) -> int: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class PaperRow:
    """One published point of a sweep on WAN2.1-T2V-1.3B, H100. Latency is None where not plotted.

    `frames` as requested (the pipeline runs frames // 4 * 4 + 1). The `_err_` fields are half widths
    of a reading off a plot; None where the value is from a table that states none. `warmup` and
    `runs` as the scripts had them; CPU energy is CodeCarbon's and judges nothing.
    """

    sweep: str
    height_px: int
    width_px: int
    frames: int
    steps: int
    latency_s: float | None
    latency_err_s: float | None
    gpu_energy_wh: float
    gpu_energy_err_wh: float | None
    cpu_energy_wh: float | None
    warmup: int
    runs: int
    source: str

    @property
    def seconds(self) -> float:
        """The latency, where there must be one."""
        if self.latency_s is None:
            raise ValueError(f"no latency was published for {self}")
        return self.latency_s

    @property
    def power_w(self) -> float | None:
        return None if self.latency_s is None else wh_to_joules(self.gpu_energy_wh) / self.latency_s


@lru_cache(maxsize=1)
def _all() -> tuple[PaperRow, ...]:
    return tuple(
        _paper_row(sweep, raw)
        for sweep in SWEEPS
        for raw in read_csv(data_path(f"paper/wan_{sweep}.csv"), _NEEDED)
    )


def _paper_row(sweep: str, raw: Row) -> PaperRow:
    def whole(field: str) -> int:
        return int(number(raw, field, raw.where))

    def stated(field: str) -> float | None:
        return number(raw, field, raw.where) if raw.get(field) else None

    return PaperRow(
        sweep=sweep,
        height_px=whole("height"),
        width_px=whole("width"),
        frames=whole("num_frames"),
        steps=whole("steps"),
        latency_s=stated("latency_s"),
        latency_err_s=stated("latency_err_s"),
        gpu_energy_wh=number(raw, "gpu_energy_wh", raw.where),
        gpu_energy_err_wh=stated("gpu_energy_err_wh"),
        cpu_energy_wh=stated("cpu_energy_wh"),
        warmup=whole("warmup_script"),
        runs=whole("runs_script"),
        source=raw["source"],
    )


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
    """Means over prompts of the cross-model benchmark, with standard deviations across prompts.

    `listed`: settings as the data file lists them, which is not always what ran.
    """

    model: str
    published_name: str
    prompts: int
    latency_s: float
    latency_std_s: float
    latency_table4_s: float
    latency_table4_std_s: float
    energy_wh: dict[str, float]
    energy_std_wh: dict[str, float]
    power_w: float
    listed: dict[str, float]

    @property
    def gpu_share(self) -> float:
        """Of GPU, CPU and RAM energy."""
        return self.energy_wh["gpu"] / sum(self.energy_wh.values())


@lru_cache(maxsize=1)
def cross_model_rows() -> tuple[ModelRow, ...]:
    """The seven models, smallest energy first."""
    path = data_path("paper/cross_model.csv")
    groups: dict[str, list[Row]] = {}
    for row in read_csv(path, ("model", "latency_s", "gpu_energy_wh")):
        groups.setdefault(row["model"], []).append(row)
    found = [_model_row(name, rows) for name, rows in groups.items()]
    return tuple(sorted(found, key=lambda row: row.energy_wh["gpu"]))


def _model_row(name: str, rows: Sequence[Row]) -> ModelRow:
    def column(field: str) -> list[float]:
        return [number(row, field, row.where) for row in rows]

    energies = {scope: column(f"{scope}_energy_wh") for scope in ("gpu", "cpu", "ram")}
    latencies, printed = column("latency_s"), column("latency_as_in_paper_table4_s")
    return ModelRow(
        model=model(name).name,
        published_name=name,
        prompts=len(rows),
        latency_s=fmean(latencies),
        latency_std_s=stdev(latencies),
        latency_table4_s=fmean(printed),
        latency_table4_std_s=stdev(printed),
        energy_wh={scope: fmean(values) for scope, values in energies.items()},
        energy_std_wh={scope: stdev(values) for scope, values in energies.items()},
        power_w=wh_to_joules(fmean(energies["gpu"])) / fmean(latencies),
        listed={field: column(field)[0] for field in _SETTINGS if rows[0].get(field)},
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
    "Point",
    "cross_model_rows",
    "max_abs_pct",
    "mean_abs_pct",
    "mean_signed_pct",
    "paper_rows",
    "spread_pct",
]
